/* Live and saved are one handle and one loop: what a consumer is written against.
 *
 *     etw_consumer *trace;
 *     etw_replay_consumer("a.etwcap", NULL, &trace, &error);    or    etw_session_consumer(...)
 *     etw_consume(trace, on_event, context, &error);
 *     etw_consumer_close(trace);
 */
#ifndef ETW_FORMAT_EVENT_CONSUMER_H
#define ETW_FORMAT_EVENT_CONSUMER_H

#include "format/event/event.h"

typedef struct etw_consumer etw_consumer;

typedef struct etw_consumer_ops {
    etw_status (*process)(etw_consumer *consumer, etw_event_callback callback, void *context,
                          etw_error *error);
    void (*stop)(etw_consumer *consumer);
    void (*close)(etw_consumer *consumer);
} etw_consumer_ops;

/* The first member of each implementation's own structure. */
struct etw_consumer {
    const etw_consumer_ops *ops;
};

/* Blocking, one callback per event, until the trace ends or is stopped. */
static inline etw_status etw_consume(etw_consumer *consumer, etw_event_callback callback,
                                     void *context, etw_error *error)
{
    return consumer->ops->process(consumer, callback, context, error);
}

/* From any thread, or from the callback. */
static inline void etw_consumer_stop(etw_consumer *consumer)
{
    consumer->ops->stop(consumer);
}

/* Not from the callback. NULL is fine. */
static inline void etw_consumer_close(etw_consumer *consumer)
{
    if (consumer != NULL) {
        consumer->ops->close(consumer);
    }
}

#endif
