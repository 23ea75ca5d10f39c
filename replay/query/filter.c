#include "replay/query/filter.h"

#include "format/query/where.h"

static bool has_id(const etw_filter *filter, uint16_t id)
{
    for (uint32_t i = 0; i < filter->id_count; i++) {
        if (filter->ids[i] == id) {
            return true;
        }
    }
    return filter->id_count == 0;
}

static bool has_process(const etw_filter *filter, uint32_t process_id)
{
    for (uint32_t i = 0; i < filter->process_id_count; i++) {
        if (filter->process_ids[i] == process_id) {
            return true;
        }
    }
    return filter->process_id_count == 0;
}

static bool has_time(const etw_filter *filter, int64_t ticks, const etw_clock *clock)
{
    if (!filter->has_since && !filter->has_until) {
        return true;
    }
    const int64_t time_100ns = etw_clock_to_filetime(clock, ticks);
    return (!filter->has_since || time_100ns >= filter->since_100ns) &&
           (!filter->has_until || time_100ns < filter->until_100ns);
}

/* By what the lists say; the expression is asked on its own. */
static bool passes_lists(const etw_filter *filter, const etw_event_header *header)
{
    const uint8_t level = header->EventDescriptor.Level;
    if ((filter->has_level && level > filter->max_level) || (filter->no_level_0 && level == 0) ||
        !has_id(filter, header->EventDescriptor.Id)) {
        return false;
    }
    return filter->provider_count == 0 || filter->provider_name_count > 0 ||
           etw_filter_provider(filter, &header->ProviderId, NULL);
}

bool etw_filter_header(const etw_filter *filter, const etw_event_record *record,
                       const etw_clock *clock)
{
    const etw_event_header *header = &record->EventHeader;
    return passes_lists(filter, header) && has_process(filter, header->ProcessId) &&
           has_time(filter, header->TimeStamp, clock);
}

bool etw_filter_kind(const etw_filter *filter, const etw_event_header *header)
{
    return passes_lists(filter, header) &&
           (filter->where == NULL || etw_where_event_kind(filter->where, header) != ETW_VERDICT_NO);
}

bool etw_filter_asks_kind(const etw_filter *filter)
{
    return filter->has_level || filter->no_level_0 || filter->id_count > 0 ||
           (filter->provider_count > 0 && filter->provider_name_count == 0) ||
           (filter->where != NULL && etw_where_asks_kind(filter->where));
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Provider names are ASCII in practice; other characters are compared as they are. */
static bool same_name(const char *a, const char *b)
{
    while (*a != '\0' && lower(*a) == lower(*b)) {
        a++;
        b++;
    }
    return lower(*a) == lower(*b);
}

bool etw_filter_provider(const etw_filter *filter, const etw_guid *provider, const char *name)
{
    for (uint32_t i = 0; i < filter->provider_count; i++) {
        if (etw_guid_equal(&filter->providers[i], provider)) {
            return true;
        }
    }
    for (uint32_t i = 0; name != NULL && i < filter->provider_name_count; i++) {
        if (same_name(filter->provider_names[i], name)) {
            return true;
        }
    }
    return !etw_filter_has_provider(filter);
}
