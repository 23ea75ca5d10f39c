#include "replay/replay.h"

#include <stdlib.h>

typedef struct replay_consumer {
    etw_consumer base;
    etw_replay *replay;
} replay_consumer;

static etw_status process(etw_consumer *consumer, etw_event_callback callback, void *context,
                          etw_error *error)
{
    return etw_replay_process(((replay_consumer *)consumer)->replay, callback, context, error);
}

static void stop(etw_consumer *consumer)
{
    etw_replay_stop(((replay_consumer *)consumer)->replay);
}

static void close_consumer(etw_consumer *consumer)
{
    etw_replay_close(((replay_consumer *)consumer)->replay);
    free(consumer);
}

etw_status etw_replay_consumer(const char *path, const etw_replay_options *options,
                               etw_consumer **consumer, etw_error *error)
{
    if (consumer != NULL) {
        *consumer = NULL;
    }
    if (path == NULL || consumer == NULL) {
        return etw_error_set_missing(error, "path and consumer");
    }
    static const etw_consumer_ops ops = {process, stop, close_consumer};
    replay_consumer *opened = malloc(sizeof *opened);
    if (opened == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for a consumer");
    }
    opened->base.ops = &ops;
    const etw_status status = etw_replay_open(path, options, &opened->replay, error);
    if (status != ETW_OK) {
        free(opened);
        return status;
    }
    *consumer = &opened->base;
    return ETW_OK;
}
