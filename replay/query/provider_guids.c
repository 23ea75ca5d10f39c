#include "replay/query/provider_guids.h"

#include "format/event/tei.h"
#include "replay/query/filter.h"
#include "format/query/where.h"

#include <stdlib.h>

/* Lists grow by doubling from here. */
#define FIRST_CAPACITY 16u

void etw_guid_list_free(etw_guid_list *list)
{
    free(list->guids);
    *list = (etw_guid_list){0};
}

static bool has(const etw_guid_list *list, const etw_guid *guid)
{
    for (uint32_t i = 0; i < list->count; i++) {
        if (etw_guid_equal(&list->guids[i], guid)) {
            return true;
        }
    }
    return false;
}

static etw_status add(etw_guid_list *list, const etw_guid *guid, etw_error *error)
{
    if (has(list, guid)) {
        return ETW_OK;
    }
    const bool is_full = list->count == 0 ||
                         (list->count >= FIRST_CAPACITY && (list->count & (list->count - 1)) == 0);
    if (is_full) {
        const size_t capacity = list->count == 0 ? FIRST_CAPACITY : 2 * (size_t)list->count;
        etw_guid *guids = realloc(list->guids, capacity * sizeof *guids);
        if (guids == NULL) {
            return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for provider GUIDs");
        }
        list->guids = guids;
    }
    list->guids[list->count++] = *guid;
    return ETW_OK;
}

/* A search through what a file says of its providers. */
typedef struct search {
    const etw_filter *filter;
    etw_guid_list *wanted;
    etw_guid_list named; /* GUIDs whose names the file tells */
} search;

/* Whether an event of this provider may pass; name NULL: not known. */
static bool may_pass(const etw_filter *filter, const etw_guid *provider, const char *name)
{
    return etw_filter_provider(filter, provider, name) &&
           (filter->where == NULL ||
            etw_where_provider(filter->where, provider, name) != ETW_VERDICT_NO);
}

static etw_status add_named(search *s, const etw_guid *provider, const char *name, etw_error *error)
{
    const etw_status status = add(&s->named, provider, error);
    return etw_failed(status) || !may_pass(s->filter, provider, name)
               ? status
               : add(s->wanted, provider, error);
}

/* Events of classic schemas carry the class' GUID where others carry the provider's. */
static etw_status add_schema(search *s, const etw_schema *schema, etw_error *error)
{
    etw_tei tei;
    etw_bytes units;
    etw_text name = {0};
    if (etw_failed(etw_tei_open(schema->tei, &tei, NULL)) ||
        !etw_tei_string(&tei, tei.info.ProviderNameOffset, &units)) {
        return ETW_OK;
    }
    etw_text_append_utf16(&name, units.data, units.size, ETW_ESCAPE_NONE);
    etw_status status = add_named(s, &tei.info.ProviderGuid, etw_text_z(&name), error);
    if (!etw_failed(status)) {
        status = add_named(s, &tei.info.EventGuid, etw_text_z(&name), error);
    }
    etw_text_free(&name);
    return status;
}

/* Those that no name of the file belongs to. */
static etw_status add_nameless(search *s, const etw_source *source, etw_error *error)
{
    etw_guid provider;
    uint64_t events;
    const char *name;
    etw_status status = ETW_OK;
    for (uint32_t i = 0;
         !etw_failed(status) && etw_reader_provider(source, i, &provider, &events, &name); i++) {
        if (!has(&s->named, &provider) && may_pass(s->filter, &provider, NULL)) {
            status = add(s->wanted, &provider, error);
        }
    }
    return status;
}

static etw_status add_all(search *s, const etw_source *source, etw_error *error)
{
    static const etw_guid none = {0, 0, 0, {0}};
    const etw_schema_store *store = etw_reader_schemas(source);
    const etw_guid *provider;
    const char *name;
    etw_status status =
        add(s->wanted, &none, error); /* never empty: an empty list means all providers */
    for (uint32_t i = 0;
         !etw_failed(status) && etw_schema_store_provider_at(store, i, &provider, &name); i++) {
        status = add_named(s, provider, name, error);
    }
    for (uint32_t id = 1; !etw_failed(status) && id <= etw_schema_store_count(store); id++) {
        status = add_schema(s, etw_schema_store_get(store, id), error);
    }
    return etw_failed(status) ? status : add_nameless(s, source, error);
}

etw_status etw_provider_guids_find(const etw_os *os, const char *path, const etw_filter *filter,
                                   etw_guid_list *list, bool *is_complete, etw_error *error)
{
    etw_source *source;
    etw_file_summary summary;
    *is_complete = false;
    etw_status status = etw_reader_open(os, path, NULL, &source, error);
    if (etw_failed(status)) {
        return status;
    }
    status = etw_reader_summary(source, &summary, error);
    if (!etw_failed(status) && summary.has_index && !summary.providers_cut) {
        search s = {.filter = filter, .wanted = list};
        status = add_all(&s, source, error);
        *is_complete = !etw_failed(status);
        etw_guid_list_free(&s.named);
    }
    etw_source_close(source);
    return status;
}
