/* Filters: which events a caller wants, and whether one passes. */
#ifndef ETW_REPLAY_FILTER_H
#define ETW_REPLAY_FILTER_H

#include "format/event/clock.h"
#include "format/event/record.h"

/* Which events a caller wants; a zeroed filter wants all. Lists are "any of". What a filter points
 * to must live as long as the replay. */
typedef struct etw_filter {
    const etw_guid *providers; /* by GUID ... */
    uint32_t provider_count;
    const char *const *provider_names; /* ... or by name (case ignored); both lists together */
    uint32_t provider_name_count;
    const uint16_t *ids;
    uint32_t id_count;
    bool has_level;
    uint8_t max_level; /* this level and the more severe */
    bool no_level_0;   /* level 0, which always passes in a session, does not */
    const uint32_t *process_ids;
    uint32_t process_id_count;
    bool has_since, has_until;
    int64_t since_100ns;     /* included */
    int64_t until_100ns;     /* excluded */
    struct etw_where *where; /* an expression (where.h), or NULL; a replay makes its own copy */
} etw_filter;

/* By the record's own fields: id, level, process, time, and provider where the filter has only
 * GUIDs. record's TimeStamp is raw ticks of clock. */
ETW_API bool etw_filter_header(const etw_filter *filter, const etw_event_record *record,
                               const etw_clock *clock);

/* What the header alone says that all events of a kind share: id, level, provider, and the like;
 * false: none of them passes. */
ETW_API bool etw_filter_kind(const etw_filter *filter, const etw_event_header *header);
/* Whether it ever says so. */
ETW_API bool etw_filter_asks_kind(const etw_filter *filter);

/* Whether the provider passes, once its name is known (NULL: it is not). */
ETW_API bool etw_filter_provider(const etw_filter *filter, const etw_guid *provider,
                                 const char *name);

static inline bool etw_filter_has_provider(const etw_filter *filter)
{
    return filter->provider_count > 0 || filter->provider_name_count > 0;
}

#endif
