/* Events in the form that consumers got before EVENT_RECORD: EVENT_TRACE (evntrace.h). */
#ifndef ETW_REPLAY_ETWAPI_CLASSIC_EVENTS_H
#define ETW_REPLAY_ETWAPI_CLASSIC_EVENTS_H

#include "format/event/record.h"
#include "replay/etwapi/etw_headers.h"

void etwapi_give_classic(PEVENT_CALLBACK callback, const etw_event_record *record);

/* Gives an event of TraceEvent to the function that SetTraceCallback named for its class, if there
 * is one. */
void etwapi_give_to_class(const etw_event_record *record);

#endif
