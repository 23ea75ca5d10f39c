/* Which events of a trace a real-time session delivers, by what was enabled on it. */
#ifndef ETW_REPLAY_ETWAPI_DELIVERY_H
#define ETW_REPLAY_ETWAPI_DELIVERY_H

#include "format/event/record.h"
#include "replay/etwapi/session_table.h"

/* Kernel events follow the session's kernel flags; others the first provider entry of their GUID:
 * its level, keywords, event ids and process ids (EnableTraceEx2 documentation). The trace's header
 * event always passes. *enable_property is set for what passes. */
bool etwapi_wants(const etwapi_session *session, const etw_event_record *record,
                  ULONG *enable_property);

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
