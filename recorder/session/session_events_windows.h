/* Records of a live session as the events that consumers see, with TDH's schemas. */
#ifndef ETW_RECORDER_SESSION_EVENTS_WINDOWS_H
#define ETW_RECORDER_SESSION_EVENTS_WINDOWS_H

#include "format/event/consumer.h"
#include "format/event/source.h"
#include "format/schema/resolver.h"

typedef struct etw_session_events {
    etw_schema_store *store;
    etw_resolver *resolver; /* NULL until an event is wanted: a recorder asks TDH itself */
    etw_event_maker *maker;
} etw_session_events;

/* False: no memory. To be freed either way. */
bool etw_session_events_init(etw_session_events *events);
void etw_session_events_free(etw_session_events *events);

/* Before the first event. */
etw_status etw_session_events_start(etw_session_events *events, etw_error *error);

/* *event is valid until the next one is made or etw_event_expire was called with the maker. trace
 * outlives it. */
etw_status etw_session_events_make(etw_session_events *events, const etw_event_record *record,
                                   const etw_trace *trace, const etw_event **event,
                                   etw_error *error);

#endif
