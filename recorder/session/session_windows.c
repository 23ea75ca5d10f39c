#include "recorder/session/session.h"

#include "recorder/session/session_events_windows.h"
#include "recorder/session/session_loop_windows.h"
#include "recorder/session/session_queue.h"

#include <stdlib.h>

struct etw_session {
    etw_session_handle handle;
    etw_live_trace trace;
    etw_session_loop loop;
    etw_session_events events;
    etw_session_queue *queue; /* for etw_session_next: a thread of its own runs the loop */
    HANDLE queue_thread;
};

static etw_status prepare(etw_session *session, const etw_session_options *options,
                          etw_error *error)
{
    const etw_status status = etw_session_handle_init(
        &session->handle, options, etw_session_loop_on_event, &session->loop, error);
    if (status != ETW_OK) {
        return status;
    }
    return etw_session_loop_init(&session->loop, &session->handle, &session->trace) &&
                   etw_session_events_init(&session->events)
               ? ETW_OK
               : etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for a session");
}

etw_status etw_session_open(const etw_session_options *options, etw_session **opened,
                            etw_error *error)
{
    if (opened != NULL) {
        *opened = NULL;
    }
    if (options == NULL || opened == NULL) {
        return etw_error_set_missing(error, "options and session");
    }
    etw_session *session = calloc(1, sizeof *session);
    if (session == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for a session");
    }
    etw_status status = prepare(session, options, error);
    if (status == ETW_OK) {
        status = etw_session_handle_start(&session->handle, error);
    }
    if (status != ETW_OK) {
        etw_session_close(session);
        return status;
    }
    etw_live_trace_describe(&session->trace, session->handle.options.clock_type,
                            session->handle.utf8_name, &session->handle.header);
    *opened = session;
    return ETW_OK;
}

void etw_session_stop(etw_session *session)
{
    etw_session_loop_stop(&session->loop);
}

static void stop_queue(etw_session *session)
{
    if (session->queue_thread == NULL) {
        return;
    }
    etw_session_stop(session);
    (void)WaitForSingleObject(session->queue_thread, INFINITE);
    (void)CloseHandle(session->queue_thread);
    session->queue_thread = NULL;
}

void etw_session_close(etw_session *session)
{
    if (session == NULL) {
        return;
    }
    stop_queue(session);
    etw_session_handle_stop(&session->handle);
    etw_session_handle_free(&session->handle);
    etw_session_loop_free(&session->loop);
    etw_session_queue_free(session->queue);
    etw_session_events_free(&session->events);
    etw_live_trace_free(&session->trace);
    free(session);
}

etw_status etw_session_pump(etw_session *session, const etw_session_sink *sink, etw_error *error)
{
    return etw_session_loop_run(&session->loop, sink, error);
}

/* ---- Events for a callback ---- */

typedef struct processing {
    etw_session *session;
    etw_event_callback callback;
    void *context;
    etw_error *error; /* of the caller, whose thread the events come in */
} processing;

static etw_status process_event(void *context, const etw_event_record *record)
{
    const processing *loop = context;
    const etw_event *event = NULL;
    etw_session *session = loop->session;
    etw_status status = etw_session_events_make(&session->events, record, &session->trace.trace,
                                                &event, loop->error);
    if (status == ETW_OK) {
        status = loop->callback(event, loop->context);
        etw_event_expire(session->events.maker);
    }
    return status;
}

etw_status etw_session_process(etw_session *session, etw_event_callback callback, void *context,
                               etw_error *error)
{
    processing loop = {session, callback, context, error};
    const etw_session_sink sink = {.event = process_event, .context = &loop};
    const etw_status status = etw_session_events_start(&session->events, error);
    return status == ETW_OK ? etw_session_pump(session, &sink, error) : status;
}

/* ---- Events one by one ---- */

static etw_status queue_event(void *context, const etw_event_record *record)
{
    etw_session_queue_push(context, record);
    return ETW_OK;
}

static DWORD WINAPI queue_thread(void *context)
{
    etw_session *session = context;
    const etw_session_sink sink = {.event = queue_event, .context = session->queue};
    etw_error error = {0};
    const etw_status status = etw_session_pump(session, &sink, &error);
    etw_session_queue_end(session->queue, status, &error);
    return 0;
}

static etw_status start_queue(etw_session *session, etw_error *error)
{
    if (session->queue != NULL) {
        return ETW_OK;
    }
    const etw_status status = etw_session_events_start(&session->events, error);
    if (status != ETW_OK) {
        return status;
    }
    session->queue = etw_session_queue_new(false);
    session->queue_thread =
        session->queue == NULL ? NULL : CreateThread(NULL, 0, queue_thread, session, 0, NULL);
    return session->queue_thread == NULL
               ? etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for the event queue")
               : ETW_OK;
}

etw_status etw_session_next(etw_session *session, uint32_t timeout_ms, const etw_event **event,
                            etw_error *error)
{
    etw_event_expire(session->events.maker);
    etw_status status = start_queue(session, error);
    etw_queued_item item = {.kind = ETW_QUEUED_DROP};
    /* What was dropped is counted; nothing else but events is in this queue. */
    while (status == ETW_OK && item.kind != ETW_QUEUED_EVENT) {
        status = etw_session_queue_pop(session->queue, timeout_ms, &item, error);
    }
    return status == ETW_OK ? etw_session_events_make(&session->events, item.record,
                                                      &session->trace.trace, event, error)
                            : status;
}

/* ---- What a caller may ask and change ---- */

etw_status etw_session_update(etw_session *session, const etw_provider_options *provider,
                              etw_error *error)
{
    return etw_session_handle_enable(&session->handle, provider, error);
}

const etw_trace *etw_session_trace(const etw_session *session)
{
    return &session->trace.trace;
}

void etw_session_get_losses(const etw_session *session, etw_session_losses *losses)
{
    etw_session *locked = (etw_session *)(uintptr_t)session; /* the lock alone is changed */
    etw_session_handle_get_losses(&locked->handle, losses);
    losses->dropped_by_queue =
        session->queue == NULL ? 0 : etw_session_queue_dropped(session->queue);
}

const char *etw_session_name(const etw_session *session)
{
    return session->handle.utf8_name;
}
