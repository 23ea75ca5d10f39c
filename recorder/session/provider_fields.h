/* What a registered provider's manifest names: its keywords, levels, channels, tasks, opcodes. */
#ifndef ETW_RECORDER_PROVIDER_FIELDS_H
#define ETW_RECORDER_PROVIDER_FIELDS_H

#include "format/base/guid.h"
#include "format/base/status.h"

/* EVENT_FIELD_TYPE of tdh.h. */
typedef enum etw_provider_field {
    ETW_PROVIDER_KEYWORDS = 0,
    ETW_PROVIDER_LEVELS,
    ETW_PROVIDER_CHANNELS,
    ETW_PROVIDER_TASKS,
    ETW_PROVIDER_OPCODES
} etw_provider_field;

/* description is "" where there is none; both are UTF-8 and valid during the call. */
typedef void (*etw_provider_field_visit)(void *context, uint64_t value, const char *name,
                                         const char *description);

/* Calls visit for each; for none where the provider has none of that kind, or no manifest on this
 * machine. */
ETW_API_CHECKED etw_status etw_provider_fields(const etw_guid *provider, etw_provider_field field,
                                               etw_provider_field_visit visit, void *context,
                                               etw_error *error);

/* The mask of keywords by their names, "QueryName+Cache"; case is ignored. ETW_ERROR_NOT_FOUND
 * names what the provider does not have. */
ETW_API_CHECKED etw_status etw_provider_keywords(const etw_guid *provider, const char *names,
                                                 uint64_t *mask, etw_error *error);

#endif
