/* etw_session_pump with a queue in between: ETW's thread only copies. Whatever takes time (TDH's
 * first look-up of a kind of event, rotation, a dump, a slow disk) happens on the caller's thread,
 * and events wait in the queue meanwhile. */
#ifndef ETW_RECORDER_QUEUED_PUMP_H
#define ETW_RECORDER_QUEUED_PUMP_H

#include "recorder/session/session.h"

typedef struct etw_queued_sink {
    etw_session_sink sink; /* called on the thread of etw_session_pump_queued; all but anchor set */
    /* Events that came while the queue was full; loss has its times in FILETIME. */
    etw_status (*dropped)(void *context, const etw_loss *loss);
    /* Waits up to so long for room for an event; while there is none, none is taken out of the
     * queue. */
    bool (*has_room)(void *context, uint32_t wait_ms);
    bool waits; /* ETW's thread waits while the queue is full, instead of dropping */
} etw_queued_sink;

/* As etw_session_pump. After etw_session_stop what was delivered until then still goes to the sink;
 * ETW_END or a failure of the sink ends at once. */
ETW_API_CHECKED etw_status etw_session_pump_queued(etw_session *session, const etw_queued_sink *to,
                                                   etw_error *error);

#endif
