/* Which events of a trace a real-time session delivers, by what was enabled on it. */
#ifndef ETW_REPLAY_ETWAPI_DELIVERY_H
#define ETW_REPLAY_ETWAPI_DELIVERY_H

#include "format/event/event.h"
#include "replay/etwapi/session_table.h"

/* Kernel events follow the session's kernel flags; others the first provider entry of their GUID:
 * its level, keywords, event ids, process ids, event names and payload (EnableTraceEx2
 * documentation). The trace's header event always passes. *enable_property is set for what passes.
 */
bool etwapi_wants(const etwapi_session *session, const etw_event *event, ULONG *enable_property);

/* The same for an event that a running provider wrote, which has looked at all but names and
 * payload, which need a schema. Takes its stack off where that is not wanted. A maker of NULL lets
 * all through. */
bool etwapi_keeps_written(const etwapi_session *session, etw_event_maker *maker,
                          etw_event_record *record);

/* Whether a provider's own event is among those a session asked it for. */
bool etwapi_passes(const etwapi_provider *provider, const etw_event_record *record);

/* Keeps the extended items that the enable properties ask for; what no property controls stays.
 * items has room for the record's own. Returns how many are kept. */
uint16_t etwapi_keep_items(const etw_event_record *record, ULONG enable_property,
                           etw_extended_data_item *items);

/* The event that describes the trace in a file. Real-time sessions have none: what it says is in
 * OpenTrace's LogfileHeader. */
bool etwapi_is_header_event(const etw_event_record *record);

#endif
