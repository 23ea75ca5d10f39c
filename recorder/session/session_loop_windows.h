/* The loop of a live session: events as they come, and once a second what was lost. */
#ifndef ETW_RECORDER_SESSION_LOOP_WINDOWS_H
#define ETW_RECORDER_SESSION_LOOP_WINDOWS_H

#include "recorder/session/live_trace_windows.h"
#include "recorder/session/session_handle_windows.h"

#include <stdatomic.h>

typedef struct etw_session_loop {
    etw_session_handle *session;
    etw_live_trace *trace;
    atomic_bool stop_asked;
    HANDLE wake; /* ends the control thread's wait early */

    /* gate is held by whoever calls the sink: ETW's thread for each event, the control thread once
     * a second. Contended once a second at most. Whoever holds it may take the session's lock, not
     * the other way round. */
    const etw_session_sink *sink;
    SRWLOCK gate;
    etw_status sink_status; /* first that was not OK */
    etw_session_losses reported;
    uint32_t polls;
} etw_session_loop;

/* Session and trace are lent. False: no memory. */
bool etw_session_loop_init(etw_session_loop *loop, etw_session_handle *session,
                           etw_live_trace *trace);
void etw_session_loop_free(etw_session_loop *loop);

/* The session's callback; its context is the loop. */
void WINAPI etw_session_loop_on_event(EVENT_RECORD *event);

/* As etw_session_pump. */
etw_status etw_session_loop_run(etw_session_loop *loop, const etw_session_sink *sink,
                                etw_error *error);
/* From any thread. */
void etw_session_loop_stop(etw_session_loop *loop);

#endif
