#include "recorder/session/session_loop_windows.h"

#include "recorder/session/session_errors_windows.h"

/* Losses are polled and ticks given so often: four times in the default interval of a writer, which
 * nothing else tells the time when no events come. */
#define POLL_INTERVAL_MS 250u
#define POLLS_PER_ANCHOR 240u

/* Class of the events by which a real-time session tells what it lost (evntrace documentation). */
static const etw_guid rt_lost_event_class = {
    0x6a399ae0u, 0x4bc6, 0x4de9, {0x87, 0x0b, 0x36, 0x57, 0xf8, 0x94, 0x7e, 0x7e}};

bool etw_session_loop_init(etw_session_loop *loop, etw_session_handle *session,
                           etw_live_trace *trace)
{
    *loop = (etw_session_loop){.session = session, .trace = trace};
    InitializeSRWLock(&loop->gate);
    loop->wake = CreateEventW(NULL, TRUE, FALSE, NULL);
    return loop->wake != NULL;
}

void etw_session_loop_free(etw_session_loop *loop)
{
    if (loop->wake != NULL) {
        (void)CloseHandle(loop->wake);
    }
}

void etw_session_loop_stop(etw_session_loop *loop)
{
    atomic_store(&loop->stop_asked, true);
    (void)SetEvent(loop->wake);
}

/* Remembers the first status that ends the loop, and asks for the end. */
static void note_status(etw_session_loop *loop, etw_status status)
{
    if (status == ETW_OK) {
        return;
    }
    if (loop->sink_status == ETW_OK) {
        loop->sink_status = status;
    }
    etw_session_loop_stop(loop);
}

/* ---- Losses and ticks ---- */

static etw_status report_loss(etw_session_loop *loop, uint32_t cause, uint64_t events,
                              uint64_t buffers, const char *detail)
{
    if (events == 0 && buffers == 0) {
        return ETW_OK;
    }
    const int64_t now_100ns = etw_filetime_now();
    etw_loss loss = {.cause = cause,
                     .events = events,
                     .buffers = buffers,
                     .from_time_100ns = now_100ns,
                     .to_time_100ns = now_100ns};
    etw_loss_set_detail(&loss, "%s", detail);
    return loop->sink->loss == NULL ? ETW_OK : loop->sink->loss(loop->sink->context, &loss);
}

/* What the counters gained since the last report. Inside the gate. */
static etw_status report_losses(etw_session_loop *loop)
{
    etw_session_losses now;
    const etw_session_losses before = loop->reported;
    etw_session_handle_get_losses(loop->session, &now);
    loop->reported = now;
    etw_status status = report_loss(loop, ETW_LOSS_ETW_EVENTS, now.events_lost - before.events_lost,
                                    0, "EventsLost of the session");
    if (status == ETW_OK) {
        const uint64_t buffers = now.log_buffers_lost - before.log_buffers_lost;
        status = report_loss(loop, ETW_LOSS_ETW_BUFFERS, buffers == 0 ? 0 : ETW_LOSS_COUNT_UNKNOWN,
                             buffers, "LogBuffersLost of the session");
    }
    if (status == ETW_OK) {
        const uint64_t buffers = now.realtime_buffers_lost - before.realtime_buffers_lost;
        status =
            report_loss(loop, ETW_LOSS_REALTIME_BUFFERS, buffers == 0 ? 0 : ETW_LOSS_COUNT_UNKNOWN,
                        buffers, "RealTimeBuffersLost of the session");
    }
    return status;
}

static etw_status give_anchor(etw_session_loop *loop)
{
    const etw_session_sink *sink = loop->sink;
    if (sink->anchor == NULL || loop->polls++ % POLLS_PER_ANCHOR != 0) {
        return ETW_OK;
    }
    const int64_t ticks = etw_ticks_now(loop->trace->trace.clock.type);
    return sink->anchor(sink->context, ticks, etw_filetime_now());
}

static void poll(etw_session_loop *loop)
{
    etw_session_handle_query_losses(loop->session);
    AcquireSRWLockExclusive(&loop->gate);
    if (loop->sink_status == ETW_OK) {
        etw_status status = report_losses(loop);
        if (status == ETW_OK && loop->trace->known) {
            status = give_anchor(loop);
        }
        if (status == ETW_OK && loop->sink->tick != NULL) {
            status = loop->sink->tick(loop->sink->context);
        }
        note_status(loop, status);
    }
    ReleaseSRWLockExclusive(&loop->gate);
}

/* ---- The two threads ---- */

/* Stops the session from its own thread: a stop asked for inside the callback must not wait for
 * ETW's thread, which is the one that is inside the callback. */
static DWORD WINAPI control_thread(void *context)
{
    etw_session_loop *loop = context;
    while (!atomic_load(&loop->stop_asked)) {
        (void)WaitForSingleObject(loop->wake, POLL_INTERVAL_MS);
        if (!atomic_load(&loop->stop_asked)) {
            (void)ResetEvent(loop->wake);
            poll(loop);
        }
    }
    etw_session_handle_stop(loop->session);
    return 0;
}

void WINAPI etw_session_loop_on_event(EVENT_RECORD *event)
{
    etw_session_loop *loop = event->UserContext;
    const etw_event_record *record = (const etw_event_record *)event;
    AcquireSRWLockExclusive(&loop->gate);
    if (loop->sink_status == ETW_OK) {
        if (!loop->trace->known) {
            etw_live_trace_learn(loop->trace, record);
        }
        note_status(loop, loop->sink->event(loop->sink->context, record));
        if (etw_guid_equal(&record->EventHeader.ProviderId, &rt_lost_event_class)) {
            (void)SetEvent(loop->wake);
        }
    }
    ReleaseSRWLockExclusive(&loop->gate);
}

/* ProcessTrace came back though nobody asked: somebody stopped the session by its name. */
static etw_status stopped_from_outside(etw_session_loop *loop, etw_error *error)
{
    const etw_session_handle *session = loop->session;
    etw_loss loss = {.cause = ETW_LOSS_TRUNCATED, .events = ETW_LOSS_COUNT_UNKNOWN};
    loss.from_time_100ns = loss.to_time_100ns = etw_filetime_now();
    etw_loss_set_detail(&loss, "session '%s' was stopped from outside%s", session->utf8_name,
                        session->options.restart ? " and started again" : "");
    AcquireSRWLockExclusive(&loop->gate);
    if (loop->sink->loss != NULL) {
        note_status(loop, loop->sink->loss(loop->sink->context, &loss));
    }
    const etw_status status = etw_session_handle_lost(loop->session, error);
    ReleaseSRWLockExclusive(&loop->gate);
    return status;
}

static etw_status run_loop(etw_session_loop *loop, etw_error *error)
{
    for (;;) {
        etw_status status = etw_session_handle_process(loop->session, error);
        if (status != ETW_OK || atomic_load(&loop->stop_asked)) {
            return status;
        }
        status = stopped_from_outside(loop, error);
        if (status != ETW_OK) {
            return status;
        }
    }
}

etw_status etw_session_loop_run(etw_session_loop *loop, const etw_session_sink *sink,
                                etw_error *error)
{
    loop->sink = sink;
    loop->sink_status = ETW_OK;
    const HANDLE control = CreateThread(NULL, 0, control_thread, loop, 0, NULL);
    if (control == NULL) {
        return etw_error_set_windows(error, GetLastError(), "starting the control thread");
    }
    const etw_status status = run_loop(loop, error);
    etw_session_loop_stop(loop);
    (void)WaitForSingleObject(control, INFINITE);
    (void)CloseHandle(control);
    const etw_status reported = report_losses(loop);
    if (loop->sink_status == ETW_OK) {
        loop->sink_status = reported;
    }
    if (status != ETW_OK) {
        return status;
    }
    return loop->sink_status == ETW_END ? ETW_OK : loop->sink_status;
}
