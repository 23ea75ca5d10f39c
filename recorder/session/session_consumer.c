#include "recorder/session/session.h"

#include <stdlib.h>

typedef struct session_consumer {
    etw_consumer base;
    etw_session *session;
} session_consumer;

static etw_status process(etw_consumer *consumer, etw_event_callback callback, void *context,
                          etw_error *error)
{
    return etw_session_process(((session_consumer *)consumer)->session, callback, context, error);
}

static void stop(etw_consumer *consumer)
{
    etw_session_stop(((session_consumer *)consumer)->session);
}

static void close_consumer(etw_consumer *consumer)
{
    etw_session_close(((session_consumer *)consumer)->session);
    free(consumer);
}

etw_status etw_session_consumer(const etw_session_options *options, etw_consumer **consumer,
                                etw_error *error)
{
    if (consumer != NULL) {
        *consumer = NULL;
    }
    if (options == NULL || consumer == NULL) {
        return etw_error_set_missing(error, "options and consumer");
    }
    static const etw_consumer_ops ops = {process, stop, close_consumer};
    session_consumer *opened = malloc(sizeof *opened);
    if (opened == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for a consumer");
    }
    opened->base.ops = &ops;
    const etw_status status = etw_session_open(options, &opened->session, error);
    if (status != ETW_OK) {
        free(opened);
        return status;
    }
    *consumer = &opened->base;
    return ETW_OK;
}
