#include "replay/query/provider_guids.h"

#include "format/event/tei.h"
#include "replay/query/filter.h"

#include <stdlib.h>

/* Lists grow by doubling from here. */
#define FIRST_CAPACITY 16u

void etw_guid_list_free(etw_guid_list *list)
{
    free(list->guids);
    *list = (etw_guid_list){0};
}

static etw_status add(etw_guid_list *list, const etw_guid *guid, etw_error *error)
{
    for (uint32_t i = 0; i < list->count; i++) {
        if (etw_guid_equal(&list->guids[i], guid)) {
            return ETW_OK;
        }
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

/* Whether one of the filter's names, not one of its GUIDs, is this one. */
static bool is_named(const etw_filter *filter, const char *name)
{
    static const etw_guid none = {0, 0, 0, {0}};
    const etw_filter names = {.provider_names = filter->provider_names,
                              .provider_name_count = filter->provider_name_count};
    return etw_filter_provider(&names, &none, name);
}

/* Events of classic schemas carry the class' GUID where others carry the provider's. */
static etw_status add_schema(etw_guid_list *list, const etw_filter *filter,
                             const etw_schema *schema, etw_error *error)
{
    etw_tei tei;
    etw_bytes units;
    etw_text name = {0};
    if (etw_failed(etw_tei_open(schema->tei, &tei, NULL)) ||
        !etw_tei_string(&tei, tei.info.ProviderNameOffset, &units)) {
        return ETW_OK;
    }
    etw_text_append_utf16(&name, units.data, units.size, ETW_ESCAPE_NONE);
    etw_status status = ETW_OK;
    if (is_named(filter, etw_text_z(&name))) {
        status = add(list, &tei.info.ProviderGuid, error);
        if (!etw_failed(status)) {
            status = add(list, &tei.info.EventGuid, error);
        }
    }
    etw_text_free(&name);
    return status;
}

static etw_status add_all(etw_guid_list *list, const etw_filter *filter,
                          const etw_schema_store *store, etw_error *error)
{
    static const etw_guid none = {0, 0, 0, {0}};
    const etw_guid *provider;
    const char *name;
    etw_status status =
        add(list, &none, error); /* never empty: an empty list means all providers */
    for (uint32_t i = 0; i < filter->provider_count && !etw_failed(status); i++) {
        status = add(list, &filter->providers[i], error);
    }
    for (uint32_t i = 0;
         !etw_failed(status) && etw_schema_store_provider_at(store, i, &provider, &name); i++) {
        if (is_named(filter, name)) {
            status = add(list, provider, error);
        }
    }
    for (uint32_t id = 1; !etw_failed(status) && id <= etw_schema_store_count(store); id++) {
        status = add_schema(list, filter, etw_schema_store_get(store, id), error);
    }
    return status;
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
    if (!etw_failed(status) && summary.has_index) {
        status = add_all(list, filter, etw_reader_schemas(source), error);
        *is_complete = !etw_failed(status);
    }
    etw_source_close(source);
    return status;
}
