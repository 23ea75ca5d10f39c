#include "recorder/session/session_queue.h"

#include "format/base/os.h"
#include "format/base/wait.h"
#include "format/event/batch.h"

#include <pthread.h>
#include <stdlib.h>

/* What stands between events: before the event with this number. */
typedef struct note {
    uint64_t before;
    etw_queued_kind kind;
    etw_loss loss;
    int64_t ticks, time_100ns;
} note;

typedef struct notes {
    note items[ETW_SESSION_QUEUE_MAX_NOTES];
    uint32_t count;
} notes;

struct etw_session_queue {
    /* The mutex guards what follows. */
    pthread_mutex_t mutex;
    pthread_cond_t filled, room;
    etw_batch *spare[ETW_SESSION_QUEUE_BATCHES]; /* empty; the last used is the first taken */
    etw_batch *full[ETW_SESSION_QUEUE_BATCHES];  /* the oldest first */
    uint32_t spare_count, full_count;
    etw_batch *filling; /* NULL where no batch is free */
    uint64_t pushed;    /* events taken */
    notes waiting;
    note drop; /* being counted, not yet among the notes */
    uint64_t dropped;
    bool waits, ended, closed;
    etw_status status;
    etw_error error;
    /* The reader's own. */
    etw_batch *reading; /* NULL at first */
    uint32_t read_index;
    uint64_t popped;
    notes taken;
    uint32_t taken_index;
    etw_event_record record; /* the one lent by pop */
};

etw_session_queue *etw_session_queue_new(bool waits)
{
    etw_session_queue *queue = calloc(1, sizeof *queue);
    if (queue == NULL) {
        return NULL;
    }
    (void)pthread_mutex_init(&queue->mutex, NULL);
    etw_condition_init(&queue->filled);
    (void)pthread_cond_init(&queue->room, NULL);
    queue->waits = waits;
    while (queue->spare_count < ETW_SESSION_QUEUE_BATCHES) {
        etw_batch *batch = etw_batch_new(ETW_SESSION_QUEUE_BATCH_BYTES, ETW_BATCH_MAX_EVENTS);
        if (batch == NULL) {
            etw_session_queue_free(queue);
            return NULL;
        }
        queue->spare[queue->spare_count++] = batch;
    }
    return queue;
}

void etw_session_queue_free(etw_session_queue *queue)
{
    if (queue == NULL) {
        return;
    }
    for (uint32_t i = 0; i < queue->spare_count; i++) {
        etw_batch_free(queue->spare[i]);
    }
    for (uint32_t i = 0; i < queue->full_count; i++) {
        etw_batch_free(queue->full[i]);
    }
    etw_batch_free(queue->filling);
    etw_batch_free(queue->reading);
    (void)pthread_cond_destroy(&queue->filled);
    (void)pthread_cond_destroy(&queue->room);
    (void)pthread_mutex_destroy(&queue->mutex);
    free(queue);
}

/* ---- Filling: with the mutex ---- */

static void add_to(uint64_t *sum, uint64_t more)
{
    *sum = *sum > UINT64_MAX - more ? UINT64_MAX : *sum + more;
}

static bool merge_loss(notes *list, const note *more)
{
    for (uint32_t i = list->count; i > 0; i--) {
        note *older = &list->items[i - 1];
        if (older->kind == more->kind && older->loss.cause == more->loss.cause) {
            add_to(&older->loss.events, more->loss.events);
            add_to(&older->loss.buffers, more->loss.buffers);
            older->loss.to_time_100ns = more->loss.to_time_100ns;
            return true;
        }
    }
    return false;
}

static void add_note(etw_session_queue *queue, const note *added)
{
    notes *list = &queue->waiting;
    if (list->count < ETW_SESSION_QUEUE_MAX_NOTES) {
        list->items[list->count++] = *added;
    } else if (added->kind != ETW_QUEUED_ANCHOR && !merge_loss(list, added)) {
        list->items[list->count - 1] = *added; /* over an anchor, or a list of them */
    }
    (void)pthread_cond_signal(&queue->filled);
}

static void settle_drop(etw_session_queue *queue)
{
    if (queue->drop.loss.events > 0) {
        queue->drop.before = queue->pushed;
        add_note(queue, &queue->drop);
        queue->drop.loss.events = 0;
    }
}

static void count_drop(etw_session_queue *queue, const etw_event_record *record)
{
    etw_loss *loss = &queue->drop.loss;
    const int64_t ticks = record->EventHeader.TimeStamp;
    if (loss->events == 0) {
        queue->drop.kind = ETW_QUEUED_DROP;
        *loss = (etw_loss){.cause = ETW_LOSS_QUEUE_FULL, .from_time_100ns = ticks};
        etw_loss_set_detail(loss, "the recorder's queue was full");
    }
    loss->events++;
    loss->to_time_100ns = ticks;
    queue->dropped++;
}

/* An empty batch takes any record within the limits of record.h; what did not fit never will. */
static bool can_wait(const etw_session_queue *queue)
{
    return queue->waits && queue->filling != NULL && etw_batch_count(queue->filling) > 0;
}

static bool append(etw_session_queue *queue, const etw_event_record *record)
{
    if (queue->filling != NULL && etw_batch_append(queue->filling, record, 0, 0)) {
        return true;
    }
    const bool is_empty = queue->filling != NULL && etw_batch_count(queue->filling) == 0;
    if (queue->spare_count == 0 || is_empty) {
        return false;
    }
    if (queue->filling != NULL) {
        queue->full[queue->full_count++] = queue->filling;
    }
    queue->filling = queue->spare[--queue->spare_count];
    return etw_batch_append(queue->filling, record, 0, 0);
}

void etw_session_queue_push(etw_session_queue *queue, const etw_event_record *record)
{
    (void)pthread_mutex_lock(&queue->mutex);
    bool taken = queue->closed || append(queue, record);
    while (!taken && can_wait(queue)) {
        (void)pthread_cond_wait(&queue->room, &queue->mutex);
        taken = queue->closed || append(queue, record);
    }
    if (!taken) {
        count_drop(queue, record);
    } else if (!queue->closed) {
        settle_drop(queue);
        queue->pushed++;
        (void)pthread_cond_signal(&queue->filled);
    }
    (void)pthread_mutex_unlock(&queue->mutex);
}

static void push_note(etw_session_queue *queue, note *added)
{
    (void)pthread_mutex_lock(&queue->mutex);
    settle_drop(queue);
    added->before = queue->pushed;
    add_note(queue, added);
    (void)pthread_mutex_unlock(&queue->mutex);
}

void etw_session_queue_push_loss(etw_session_queue *queue, const etw_loss *loss)
{
    push_note(queue, &(note){.kind = ETW_QUEUED_LOSS, .loss = *loss});
}

void etw_session_queue_push_anchor(etw_session_queue *queue, int64_t ticks, int64_t time_100ns)
{
    push_note(queue, &(note){.kind = ETW_QUEUED_ANCHOR, .ticks = ticks, .time_100ns = time_100ns});
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

void etw_session_queue_close(etw_session_queue *queue)
{
    (void)pthread_mutex_lock(&queue->mutex);
    queue->closed = true;
    (void)pthread_cond_broadcast(&queue->room);
    (void)pthread_mutex_unlock(&queue->mutex);
}

/* ---- Emptying ---- */

static int64_t now_ns(void)
{
    const etw_os *os = etw_os_default();
    return os->monotonic_ns(os->context);
}

/* With the mutex. */
static bool has_something(const etw_session_queue *queue)
{
    return queue->full_count > 0 || queue->waiting.count > 0 || queue->drop.loss.events > 0 ||
           (queue->filling != NULL && etw_batch_count(queue->filling) > 0);
}

/* With the mutex. The oldest batch of events, and all notes: those for later events wait in taken.
 */
static void take_over(etw_session_queue *queue)
{
    if (queue->full_count > 0) {
        queue->reading = queue->full[0];
        queue->full_count--;
        memmove(queue->full, queue->full + 1, queue->full_count * sizeof queue->full[0]);
    } else if (queue->filling != NULL && etw_batch_count(queue->filling) > 0) {
        queue->reading = queue->filling;
        queue->filling = NULL;
    }
    settle_drop(queue);
    notes *taken = &queue->taken, *waiting = &queue->waiting;
    taken->count -= queue->taken_index;
    memmove(taken->items, taken->items + queue->taken_index, taken->count * sizeof taken->items[0]);
    queue->taken_index = 0;
    const uint32_t room = ETW_SESSION_QUEUE_MAX_NOTES - taken->count;
    const uint32_t moved = waiting->count < room ? waiting->count : room;
    memcpy(taken->items + taken->count, waiting->items, moved * sizeof waiting->items[0]);
    taken->count += moved;
    waiting->count -= moved;
    memmove(waiting->items, waiting->items + moved, waiting->count * sizeof waiting->items[0]);
}

/* With the mutex. */
static void give_back(etw_session_queue *queue)
{
    if (queue->reading != NULL) {
        etw_batch_clear(queue->reading);
        queue->spare[queue->spare_count++] = queue->reading;
        queue->reading = NULL;
        queue->read_index = 0;
        (void)pthread_cond_signal(&queue->room);
    }
}

/* The reader has used up its batch: takes the next one in exchange. */
static etw_status refill(etw_session_queue *queue, uint32_t timeout_ms, etw_error *error)
{
    const int64_t deadline_ns = now_ns() + (int64_t)timeout_ms * 1000000;
    etw_status status = ETW_OK;
    (void)pthread_mutex_lock(&queue->mutex);
    give_back(queue);
    int64_t wait_ns = deadline_ns - now_ns();
    while (!has_something(queue) && !queue->ended && wait_ns > 0) {
        etw_condition_wait(&queue->filled, &queue->mutex, wait_ns);
        wait_ns = deadline_ns - now_ns();
    }
    if (has_something(queue)) {
        take_over(queue);
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

static bool pop_note(etw_session_queue *queue, etw_queued_item *item)
{
    const note *next = &queue->taken.items[queue->taken_index];
    if (queue->taken_index == queue->taken.count || next->before > queue->popped) {
        return false;
    }
    *item = (etw_queued_item){.kind = next->kind,
                              .loss = &next->loss,
                              .ticks = next->ticks,
                              .time_100ns = next->time_100ns};
    queue->taken_index++;
    return true;
}

etw_status etw_session_queue_pop(etw_session_queue *queue, uint32_t timeout_ms,
                                 etw_queued_item *item, etw_error *error)
{
    for (;;) {
        if (pop_note(queue, item)) {
            return ETW_OK;
        }
        if (queue->reading != NULL && queue->read_index < etw_batch_count(queue->reading)) {
            etw_item read;
            etw_batch_item(queue->reading, queue->read_index++, &queue->record, &read);
            queue->popped++;
            *item = (etw_queued_item){.kind = ETW_QUEUED_EVENT, .record = &queue->record};
            return ETW_OK;
        }
        const etw_status status = refill(queue, timeout_ms, error);
        if (status != ETW_OK) {
            return status;
        }
    }
}

uint64_t etw_session_queue_dropped(etw_session_queue *queue)
{
    (void)pthread_mutex_lock(&queue->mutex);
    const uint64_t dropped = queue->dropped;
    (void)pthread_mutex_unlock(&queue->mutex);
    return dropped;
}
