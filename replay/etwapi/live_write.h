/* From what a provider writes to the events of the sessions that want it. */
#ifndef ETW_REPLAY_ETWAPI_LIVE_WRITE_H
#define ETW_REPLAY_ETWAPI_LIVE_WRITE_H

#include "replay/etwapi/registrations.h"

/* Bytes of one event with its header and items (EventWrite documentation). */
#define ETWAPI_MAX_EVENT_BYTES 0x10000u

/* The header of an event of this thread, now; ids and flags of the kind are the caller's. */
void etwapi_begin_event(etw_event_record *event, const GUID *provider);

/* Adds an item: the data is lent. */
void etwapi_add_item(etw_event_record *event, uint16_t type, const void *data, size_t size);

/* Writes an event that is complete but for its time and the items that the session asks for. Losses
 * are counted in the session. A Win32 code, as EventWrite's. */
ULONG etwapi_write_to(const etwapi_enable *enable, const etw_event_record *event, bool keep_time);

/* The thread's activity id (EventActivityIdControl); zeros where none was set. */
GUID *etwapi_thread_activity(void);

#endif
