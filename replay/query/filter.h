/* Which events pass an etw_filter. */
#ifndef ETW_REPLAY_FILTER_H
#define ETW_REPLAY_FILTER_H

#include "replay/replay.h"

/* By the record's own fields: id, level, process, time, and provider where the filter has only
 * GUIDs. record's TimeStamp is raw ticks of clock. */
bool etw_filter_header(const etw_filter *filter, const etw_event_record *record,
                       const etw_clock *clock);

/* Whether the provider passes, once its name is known (NULL: it is not). */
bool etw_filter_provider(const etw_filter *filter, const etw_guid *provider, const char *name);

static inline bool etw_filter_has_provider(const etw_filter *filter)
{
    return filter->provider_count > 0 || filter->provider_name_count > 0;
}

#endif
