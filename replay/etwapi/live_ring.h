/* The events that providers write into one session, in memory that all processes of the box share:
 * any number of writers, one reader. A writer that dies leaves no half event: an event counts once
 * the position behind it is stored, and the lock of a dead thread is taken over. */
#ifndef ETW_REPLAY_ETWAPI_LIVE_RING_H
#define ETW_REPLAY_ETWAPI_LIVE_RING_H

#include "format/event/record.h"
#include "replay/etwapi/etw_headers.h"

#include <stdbool.h>

/* What is written and not yet read. */
#define ETWAPI_RING_BYTES ((LONG64)16 << 20)
/* Items that ETW itself adds, and those that come with the event. */
#define ETWAPI_MAX_LIVE_ITEMS 16u

typedef struct etwapi_ring etwapi_ring;

/* The session's ring, made where nobody has it yet. It lives as long as somebody has it open. NULL:
 * no memory. */
etwapi_ring *etwapi_ring_open(TRACEHANDLE session);
void etwapi_ring_close(etwapi_ring *ring);

/* Copies an event in. Its TimeStamp is set to the session's clock (Wnode.ClientContext) unless
 * keep_time. False: no room, the event is lost. */
bool etwapi_ring_write(etwapi_ring *ring, etw_event_record *event, ULONG clock_type,
                       bool keep_time);

/* The oldest event, lent until etwapi_ring_release; false: none. items has room for
 * ETWAPI_MAX_LIVE_ITEMS. */
bool etwapi_ring_read(etwapi_ring *ring, etw_event_record *event, etw_extended_data_item *items);
void etwapi_ring_release(etwapi_ring *ring);

/* Bytes written since the session started. */
LONG64 etwapi_ring_written(const etwapi_ring *ring);

/* A time stamp of the session as 100 ns since 1601. */
int64_t etwapi_ring_time_100ns(const etwapi_ring *ring, int64_t ticks, ULONG clock_type);

#endif
