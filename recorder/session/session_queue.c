#include "recorder/session/session_queue.h"

#include "format/base/os.h"
#include "format/base/wait.h"
#include "format/event/batch.h"

#include <pthread.h>
#include <stdlib.h>

#define HALF_BYTES                                                                                 \
    (ETW_SESSION_QUEUE_BYTES / 2 < ETW_BATCH_MAX_BYTES ? ETW_SESSION_QUEUE_BYTES / 2               \
                                                       : ETW_BATCH_MAX_BYTES)

struct etw_session_queue {
    pthread_mutex_t mutex;
    pthread_cond_t filled;
    etw_batch *filling, *reading; /* the reader owns reading, the mutex guards the rest */
    uint32_t read_index;
    etw_event_record record; /* the one lent by pop */
    uint64_t dropped;
    bool ended;
    etw_status status;
    etw_error error;
};

etw_session_queue *etw_session_queue_new(void)
{
    etw_session_queue *queue = calloc(1, sizeof *queue);
    if (queue == NULL) {
        return NULL;
    }
    (void)pthread_mutex_init(&queue->mutex, NULL);
    etw_condition_init(&queue->filled);
    queue->filling = etw_batch_new(HALF_BYTES, ETW_BATCH_MAX_EVENTS);
    queue->reading = etw_batch_new(HALF_BYTES, ETW_BATCH_MAX_EVENTS);
    if (queue->filling == NULL || queue->reading == NULL) {
        etw_session_queue_free(queue);
        return NULL;
    }
    return queue;
}

void etw_session_queue_free(etw_session_queue *queue)
{
    if (queue == NULL) {
        return;
    }
    etw_batch_free(queue->filling);
    etw_batch_free(queue->reading);
    (void)pthread_cond_destroy(&queue->filled);
    (void)pthread_mutex_destroy(&queue->mutex);
    free(queue);
}

void etw_session_queue_push(etw_session_queue *queue, const etw_event_record *record)
{
    (void)pthread_mutex_lock(&queue->mutex);
    if (!etw_batch_append(queue->filling, record, 0, 0)) {
        queue->dropped++;
    }
    (void)pthread_cond_signal(&queue->filled);
    (void)pthread_mutex_unlock(&queue->mutex);
}

void etw_session_queue_end(etw_session_queue *queue, etw_status status, const etw_error *error)
{
    (void)pthread_mutex_lock(&queue->mutex);
    queue->ended = true;
    queue->status = status == ETW_OK ? ETW_END : status;
    queue->error = *error;
    (void)pthread_cond_signal(&queue->filled);
    (void)pthread_mutex_unlock(&queue->mutex);
}

static int64_t now_ns(void)
{
    const etw_os *os = etw_os_default();
    return os->monotonic_ns(os->context);
}

/* The reader has used up its half: takes the filled one in exchange. */
static etw_status swap_halves(etw_session_queue *queue, uint32_t timeout_ms, etw_error *error)
{
    const int64_t deadline_ns = now_ns() + (int64_t)timeout_ms * 1000000;
    etw_batch_clear(queue->reading);
    queue->read_index = 0;
    (void)pthread_mutex_lock(&queue->mutex);
    int64_t wait_ns = deadline_ns - now_ns();
    while (etw_batch_count(queue->filling) == 0 && !queue->ended && wait_ns > 0) {
        etw_condition_wait(&queue->filled, &queue->mutex, wait_ns);
        wait_ns = deadline_ns - now_ns();
    }
    etw_status status = ETW_OK;
    if (etw_batch_count(queue->filling) > 0) {
        etw_batch *filled = queue->filling;
        queue->filling = queue->reading;
        queue->reading = filled;
    } else if (queue->ended) {
        status = queue->status;
        if (error != NULL && etw_failed(status)) {
            *error = queue->error;
        }
    } else {
        status = ETW_AGAIN;
    }
    (void)pthread_mutex_unlock(&queue->mutex);
    return status;
}

etw_status etw_session_queue_pop(etw_session_queue *queue, uint32_t timeout_ms,
                                 const etw_event_record **record, etw_error *error)
{
    if (queue->read_index == etw_batch_count(queue->reading)) {
        const etw_status status = swap_halves(queue, timeout_ms, error);
        if (status != ETW_OK) {
            return status;
        }
    }
    etw_item item;
    etw_batch_item(queue->reading, queue->read_index++, &queue->record, &item);
    *record = &queue->record;
    return ETW_OK;
}

uint64_t etw_session_queue_dropped(etw_session_queue *queue)
{
    (void)pthread_mutex_lock(&queue->mutex);
    const uint64_t dropped = queue->dropped;
    (void)pthread_mutex_unlock(&queue->mutex);
    return dropped;
}
