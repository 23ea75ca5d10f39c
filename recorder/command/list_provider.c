#include "recorder/command/list_provider.h"

#include "format/output/schema_listing.h"
#include "recorder/command/report.h"
#include "recorder/session/provider_catalog.h"
#include "recorder/session/provider_fields.h"

#include <inttypes.h>
#include <stdio.h>

static void append_text(etw_text *text, const char *utf8)
{
    etw_text_append_utf8(text, (const uint8_t *)utf8, strlen(utf8), ETW_ESCAPE_LINE);
}

typedef struct field_list {
    const char *kind;
} field_list;

static void print_field(void *context, uint64_t value, const char *name, const char *description)
{
    const field_list *list = context;
    etw_text text = {0};
    etw_text_printf(&text, "%s\t0x%" PRIX64 "\t", list->kind, value);
    append_text(&text, name);
    etw_text_append_char(&text, '\t');
    append_text(&text, description);
    printf("%s\n", etw_text_z(&text));
    etw_text_free(&text);
}

static etw_status list_fields(const etw_guid *id, etw_error *error)
{
    static const struct {
        etw_provider_field field;
        const char *kind;
    } fields[] = {{ETW_PROVIDER_KEYWORDS, "keyword"},
                  {ETW_PROVIDER_LEVELS, "level"},
                  {ETW_PROVIDER_CHANNELS, "channel"},
                  {ETW_PROVIDER_TASKS, "task"},
                  {ETW_PROVIDER_OPCODES, "opcode"}};
    etw_status status = ETW_OK;
    for (size_t i = 0; status == ETW_OK && i < sizeof fields / sizeof fields[0]; i++) {
        field_list list = {fields[i].kind};
        status = etw_provider_fields(id, fields[i].field, print_field, &list, error);
    }
    return status;
}

static etw_status print_event(void *context, const etw_schema *schema, const char *from,
                              uint32_t build, etw_error *error)
{
    (void)from;
    (void)build;
    etw_text text = {0};
    const etw_status status =
        etw_schema_text(schema, (etw_schema_choice){.among = NULL}, context, &text);
    if (status == ETW_OK && !text.failed) {
        (void)fputs(etw_text_z(&text), stdout);
    }
    etw_text_free(&text);
    return status == ETW_OK
               ? ETW_OK
               : etw_error_set(error, status, "out of memory for the events of a provider");
}

static etw_status list_events(const etw_guid *id, etw_error *error)
{
    etw_provider_catalog_counts counts;
    etw_schema_store *names = etw_schema_store_new();
    etw_plan_cache *plans = etw_plan_cache_new();
    const etw_definition_visitor visitor = {print_event, plans};
    const etw_status status =
        names == NULL || plans == NULL
            ? etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for a list")
            : etw_provider_catalog(id, &visitor, names, &counts, error);
    if (status == ETW_OK && counts.failed > 0) {
        etw_report_note(NULL, "Windows could not tell of all events");
    }
    etw_plan_cache_free(plans);
    etw_schema_store_free(names);
    return status;
}

etw_status etw_list_provider(const char *name, etw_error *error)
{
    etw_guid id;
    etw_status status = etw_provider_find(name, &id, error);
    if (status == ETW_OK) {
        status = list_fields(&id, error);
    }
    return status == ETW_OK ? list_events(&id, error) : status;
}
