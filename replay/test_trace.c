#include "replay/testing.h"

#include "format/etwcap/writer.h"
#include "format/fixture/fixture.h"

#include <stdarg.h>
#include <stdlib.h>

struct etw_test_trace {
    etw_text lines;
};

static etw_status no_memory(etw_error *error)
{
    return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a trace of text");
}

etw_status etw_test_trace_new(etw_test_trace **trace, etw_error *error)
{
    if (trace == NULL) {
        return etw_error_set_missing(error, "trace");
    }
    *trace = calloc(1, sizeof **trace);
    return *trace == NULL ? no_memory(error) : ETW_OK;
}

void etw_test_trace_free(etw_test_trace *trace)
{
    if (trace != NULL) {
        etw_text_free(&trace->lines);
        free(trace);
    }
}

etw_status etw_test_trace_add_text(etw_test_trace *trace, const char *ndjson, etw_error *error)
{
    if (trace == NULL || ndjson == NULL) {
        return etw_error_set_missing(error, "trace and ndjson");
    }
    etw_text_append_z(&trace->lines, ndjson);
    etw_text_append_char(&trace->lines, '\n');
    return trace->lines.failed ? no_memory(error) : ETW_OK;
}

static void append_string(etw_text *text, const char *utf8)
{
    etw_text_append_char(text, '"');
    etw_text_append_utf8(text, (const uint8_t *)utf8, strlen(utf8), ETW_ESCAPE_JSON);
    etw_text_append_char(text, '"');
}

static void append_member(etw_text *text, const char *name, const char *value)
{
    etw_text_append_char(text, ',');
    append_string(text, name);
    etw_text_append_char(text, ':');
    etw_text_append_z(text, value);
}

/* Those whose names begin with a dot, or the others. */
static void append_pairs(etw_text *text, bool with_dot, va_list pairs)
{
    const char *name;
    const char *before = with_dot ? "" : ",\"EventProperties\":{";
    while ((name = va_arg(pairs, const char *)) != NULL) {
        const char *value = va_arg(pairs, const char *);
        if ((name[0] == '.') != with_dot) {
            continue;
        }
        if (with_dot) {
            append_member(text, name + 1, value);
        } else {
            etw_text_append_z(text, before);
            append_string(text, name);
            etw_text_append_char(text, ':');
            append_string(text, value);
            before = ",";
        }
    }
    etw_text_append_z(text, before[0] != '\0' && before[1] == '\0' ? "}" : "");
}

etw_status etw_build_event(etw_test_trace *trace, const char *provider, unsigned id, ...)
{
    etw_guid guid;
    va_list pairs;
    if (trace == NULL || provider == NULL) {
        return ETW_ERROR_INVALID_ARGUMENT;
    }
    etw_text *text = &trace->lines;
    etw_text_printf(text, "{\"Id\":%u", id);
    etw_text_append_z(text,
                      etw_guid_parse(provider, &guid) ? ",\"ProviderId\":" : ",\"ProviderName\":");
    append_string(text, provider);
    va_start(pairs, id);
    append_pairs(text, true, pairs);
    va_end(pairs);
    va_start(pairs, id);
    append_pairs(text, false, pairs);
    va_end(pairs);
    etw_text_append_z(text, "}\n");
    return text->failed ? ETW_ERROR_NO_MEMORY : ETW_OK;
}

etw_status etw_test_trace_run(etw_test_trace *trace, etw_event_callback callback, void *context,
                              etw_error *error)
{
    return trace == NULL ? etw_error_set_missing(error, "trace")
                         : etw_test_run_text(etw_text_z(&trace->lines), callback, context, error);
}

const char *etw_test_trace_text(etw_test_trace *trace)
{
    return etw_text_z(&trace->lines);
}

/* Saving. */

typedef struct saving {
    etw_schema_store *store;
    etw_source *source;
    etw_writer *writer;
    uint16_t traces;
} saving;

static etw_status write_item(saving *s, const etw_item *item, etw_error *error)
{
    etw_status status = ETW_OK;
    while (status == ETW_OK && s->traces < etw_source_trace_count(s->source)) {
        uint16_t index;
        status = etw_writer_add_trace(s->writer, etw_source_trace(s->source, s->traces++), &index,
                                      error);
    }
    if (status != ETW_OK) {
        return status;
    }
    return item->kind == ETW_ITEM_LOSS
               ? etw_writer_add_loss(s->writer, item->loss, error)
               : etw_writer_add_event(s->writer, item->record, item->trace_index, item->schema_id,
                                      error);
}

static etw_status save(saving *s, etw_bytes text, const char *path, bool replace, etw_error *error)
{
    s->store = etw_schema_store_new();
    if (s->store == NULL) {
        return no_memory(error);
    }
    const etw_fixture_options fixture = {.store = s->store};
    const etw_writer_options options = {.store = s->store, .replace = replace};
    etw_status status = etw_fixture_open_text(text, &fixture, &s->source, error);
    if (status == ETW_OK) {
        status = etw_writer_create(NULL, path, &options, &s->writer, error);
    }
    while (status == ETW_OK) {
        etw_item item;
        status = etw_source_next(s->source, &item, error);
        if (status == ETW_OK) {
            status = write_item(s, &item, error);
        }
    }
    return status == ETW_END ? etw_writer_finish(s->writer, error) : status;
}

etw_status etw_test_trace_save(etw_test_trace *trace, const char *path, bool replace,
                               etw_error *error)
{
    saving s = {0};
    if (trace == NULL || path == NULL) {
        return etw_error_set_missing(error, "trace and path");
    }
    const char *text = etw_text_z(&trace->lines);
    if (trace->lines.failed) {
        return no_memory(error);
    }
    const etw_status status =
        save(&s, (etw_bytes){(const uint8_t *)text, strlen(text)}, path, replace, error);
    if (s.writer != NULL) {
        etw_writer_free(s.writer);
        if (status != ETW_OK) {
            const etw_os *os = etw_os_default();
            (void)os->remove(os->context, path);
        }
    }
    etw_source_close(s.source);
    etw_schema_store_free(s.store);
    return status;
}
