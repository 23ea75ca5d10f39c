#include "format/etwcap/block_filter.h"

#include <stdlib.h>

bool etw_block_filter_set_providers(etw_block_filter *filter, const etw_guid *providers,
                                    uint32_t count)
{
    if (count > 0) {
        filter->providers = malloc(count * sizeof *filter->providers);
        if (filter->providers == NULL) {
            return false;
        }
        memcpy(filter->providers, providers, count * sizeof *filter->providers);
    }
    filter->provider_count = count;
    return true;
}

void etw_block_filter_free(etw_block_filter *filter)
{
    free(filter->providers);
    *filter = (etw_block_filter){.providers = NULL};
}

static bool outside_time(const etw_block_filter *filter, int64_t first, int64_t last)
{
    return filter->has_time_range &&
           (last < filter->from_time_100ns || first > filter->to_time_100ns);
}

static bool wants_provider(const etw_block_filter *filter, const etw_guid *provider)
{
    for (uint32_t i = 0; i < filter->provider_count; i++) {
        if (etw_guid_equal(&filter->providers[i], provider)) {
            return true;
        }
    }
    return filter->provider_count == 0;
}

bool etw_block_filter_excludes_entry(const etw_block_filter *filter, const etw_index_view *view,
                                     const etw_index_entry *entry, uint32_t first_ref)
{
    if (entry->kind != ETW_BLOCK_EVENTS) {
        return false;
    }
    if (outside_time(filter, entry->first_time_100ns, entry->last_time_100ns)) {
        return true;
    }
    bool wanted = filter->provider_count == 0 || entry->ref_count == ETW_INDEX_ANY_PROVIDER;
    for (uint32_t i = 0; !wanted && i < entry->ref_count; i++) {
        const etw_guid provider = etw_index_provider(view, first_ref + i);
        wanted = wants_provider(filter, &provider);
    }
    return !wanted;
}

etw_status etw_block_filter_look(const etw_block_filter *filter, etw_scan *scan,
                                 const etw_scan_item *block, bool *excluded, etw_error *error)
{
    etw_events_head head;
    *excluded = outside_time(filter, block->header.first_time_100ns, block->header.last_time_100ns);
    if (*excluded || filter->provider_count == 0) {
        return ETW_OK;
    }
    const etw_status status = etw_scan_events_head(scan, &head, error);
    bool wanted = status != ETW_OK;
    for (uint32_t i = 0; !wanted && i < head.provider_count; i++) {
        const etw_guid provider = etw_events_head_provider(&head, i).provider;
        wanted = wants_provider(filter, &provider);
    }
    *excluded = !wanted;
    /* A broken head is found out when the body is read. */
    return status == ETW_ERROR_IO || status == ETW_ERROR_NO_MEMORY ? status : ETW_OK;
}
