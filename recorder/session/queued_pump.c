#include "recorder/session/queued_pump.h"

#include "format/base/os.h"
#include "recorder/session/session_queue.h"

#include <pthread.h>

/* Ticks come four times in the default interval of a writer, which nothing else tells the time when
 * no events come. */
#define TICK_INTERVAL_MS 250u
/* The clock is looked at after so many events. */
#define EVENTS_PER_LOOK 256u

typedef struct pumping {
    etw_session *session;
    const etw_queued_sink *to;
    etw_session_queue *queue;
    const etw_os *os;
    int64_t tick_at_ns;
    uint32_t events_since_look;
} pumping;

/* ---- ETW's thread, and the one that polls the session's counters ---- */

static etw_status push_event(void *context, const etw_event_record *record)
{
    etw_session_queue_push(((pumping *)context)->queue, record);
    return ETW_OK;
}

static etw_status push_loss(void *context, const etw_loss *loss)
{
    etw_session_queue_push_loss(((pumping *)context)->queue, loss);
    return ETW_OK;
}

static etw_status push_anchor(void *context, int64_t ticks, int64_t time_100ns)
{
    etw_session_queue_push_anchor(((pumping *)context)->queue, ticks, time_100ns);
    return ETW_OK;
}

static void *pump(void *context)
{
    pumping *work = context;
    const etw_session_sink sink = {
        .event = push_event, .loss = push_loss, .anchor = push_anchor, .context = work};
    etw_error error = {0};
    const etw_status status = etw_session_pump(work->session, &sink, &error);
    etw_session_queue_end(work->queue, status, &error);
    return NULL;
}

/* ---- The caller's thread ---- */

static int64_t now_ns(const pumping *work)
{
    return work->os->monotonic_ns(work->os->context);
}

static uint32_t ms_to_tick(const pumping *work)
{
    const int64_t left_ns = work->tick_at_ns - now_ns(work);
    return left_ns <= 0 ? 0 : (uint32_t)(left_ns / 1000000 + 1);
}

static etw_status tick_if_due(pumping *work)
{
    work->events_since_look = 0;
    if (now_ns(work) < work->tick_at_ns) {
        return ETW_OK;
    }
    work->tick_at_ns = now_ns(work) + (int64_t)TICK_INTERVAL_MS * 1000000;
    return work->to->sink.tick(work->to->sink.context);
}

static etw_status give_event(pumping *work, const etw_event_record *record)
{
    const etw_queued_sink *to = work->to;
    etw_status status = ETW_OK;
    while (status == ETW_OK && !to->has_room(to->sink.context, TICK_INTERVAL_MS)) {
        status = tick_if_due(work);
    }
    if (status == ETW_OK) {
        status = to->sink.event(to->sink.context, record);
    }
    return status == ETW_OK && ++work->events_since_look == EVENTS_PER_LOOK ? tick_if_due(work)
                                                                            : status;
}

static etw_status give_drop(const pumping *work, const etw_loss *loss)
{
    const etw_clock *clock = &etw_session_trace(work->session)->clock;
    etw_loss dropped = *loss;
    dropped.from_time_100ns = etw_clock_to_filetime(clock, loss->from_time_100ns);
    dropped.to_time_100ns = etw_clock_to_filetime(clock, loss->to_time_100ns);
    return work->to->dropped(work->to->sink.context, &dropped);
}

static etw_status give(pumping *work, const etw_queued_item *item)
{
    const etw_session_sink *sink = &work->to->sink;
    switch (item->kind) {
    case ETW_QUEUED_EVENT:
        return give_event(work, item->record);
    case ETW_QUEUED_LOSS:
        return sink->loss(sink->context, item->loss);
    case ETW_QUEUED_DROP:
        return give_drop(work, item->loss);
    case ETW_QUEUED_ANCHOR:
        break;
    }
    return sink->anchor == NULL ? ETW_OK
                                : sink->anchor(sink->context, item->ticks, item->time_100ns);
}

/* *ended: the queue is empty and the session's pump has returned; the status is the pump's. */
static etw_status empty_queue(pumping *work, bool *ended, etw_error *error)
{
    for (;;) {
        etw_queued_item item;
        etw_status status = etw_session_queue_pop(work->queue, ms_to_tick(work), &item, error);
        if (status == ETW_AGAIN) {
            status = tick_if_due(work);
        } else if (status != ETW_OK) {
            *ended = true;
            return status;
        } else {
            status = give(work, &item);
        }
        if (status != ETW_OK) {
            return status;
        }
    }
}

/* The sink has ended the session, whose last counters are still to be told; what events came after
 * the end are not. */
static etw_status give_last_losses(pumping *work)
{
    etw_queued_item item;
    etw_status status = ETW_OK;
    while (status == ETW_OK && etw_session_queue_pop(work->queue, 0, &item, NULL) == ETW_OK) {
        status = item.kind == ETW_QUEUED_LOSS ? give(work, &item) : ETW_OK;
    }
    return status;
}

static etw_status run(pumping *work, etw_error *error)
{
    pthread_t thread;
    const int result = pthread_create(&thread, NULL, pump, work);
    if (result != 0) {
        return etw_error_set_os(error, result, "cannot start a thread");
    }
    bool ended = false;
    etw_status status = empty_queue(work, &ended, error);
    if (!ended) {
        etw_session_queue_close(work->queue);
        etw_session_stop(work->session);
    }
    (void)pthread_join(thread, NULL);
    if (!ended && status == ETW_END) {
        status = give_last_losses(work);
    }
    return status == ETW_END ? ETW_OK : status;
}

etw_status etw_session_pump_queued(etw_session *session, const etw_queued_sink *to,
                                   etw_error *error)
{
    pumping work = {.session = session,
                    .to = to,
                    .queue = etw_session_queue_new(to->waits),
                    .os = etw_os_default()};
    if (work.queue == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for the event queue");
    }
    const etw_status status = run(&work, error);
    etw_session_queue_free(work.queue);
    return status;
}
