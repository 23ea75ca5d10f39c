/* The filters of EnableTraceEx2 (EVENT_FILTER_DESCRIPTOR): checked as Windows checks them, kept in
 * the session, and asked of each event. */
#ifndef ETW_REPLAY_ETWAPI_ENABLE_FILTERS_H
#define ETW_REPLAY_ETWAPI_ENABLE_FILTERS_H

#include "format/event/event.h"
#include "replay/etwapi/session_table.h"

/* Lent by the caller of EnableTraceEx2. */
typedef struct etwapi_filters {
    const EVENT_FILTER_DESCRIPTOR *descriptors;
    ULONG count;
} etwapi_filters;

/* Fills what a provider holds itself: event ids, process ids, what its callback gets. Refuses
 * filters whose size is not that of what they say they hold. */
ULONG etwapi_take_filters(etwapi_provider *provider, const etwapi_filters *filters);

/* The others, of no fixed size, into the session that has the provider; a provider that had some
 * before gives them up first. ERROR_NO_SYSTEM_RESOURCES where the session has no room left. */
ULONG etwapi_keep_filters(etwapi_session *session, etwapi_provider *provider,
                          const etwapi_filters *filters);
void etwapi_drop_filters(etwapi_session *session, etwapi_provider *provider);

/* Whether names and payload of the event are among those that were asked for. *stack is set to
 * whether its stack is, by the filters that choose among stacks. */
bool etwapi_kept_filters_pass(const etwapi_session *session, const etwapi_provider *provider,
                              const etw_event *event, bool *stack);

#endif
