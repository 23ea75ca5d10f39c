/* A bounded queue between ETW's thread, which only copies, and the thread that does the work. */
#ifndef ETW_RECORDER_SESSION_QUEUE_H
#define ETW_RECORDER_SESSION_QUEUE_H

#include "format/event/source.h"

/* Batches of copied events; memory is touched only as far as the queue fills. */
#define ETW_SESSION_QUEUE_BATCHES     8u
#define ETW_SESSION_QUEUE_BATCH_BYTES ((size_t)4 << 20)
/* Losses and anchors that wait. Beyond it anchors are left out, and a loss is added to the newest
 * one of its cause. */
#define ETW_SESSION_QUEUE_MAX_NOTES 256u

typedef struct etw_session_queue etw_session_queue;

/* waits: a push to a full queue waits for room; else the event is dropped and counted. NULL where
 * memory is out. */
etw_session_queue *etw_session_queue_new(bool waits);
void etw_session_queue_free(etw_session_queue *queue);

/* ---- The side that fills it ---- */

/* Copies the record. */
void etw_session_queue_push(etw_session_queue *queue, const etw_event_record *record);
/* These stand between the events pushed before and after them. */
void etw_session_queue_push_loss(etw_session_queue *queue, const etw_loss *loss);
void etw_session_queue_push_anchor(etw_session_queue *queue, int64_t ticks, int64_t time_100ns);
/* Nothing more will come; pop gives what is left and then status (ETW_OK: ETW_END). */
void etw_session_queue_end(etw_session_queue *queue, etw_status status, const etw_error *error);

/* ---- The side that empties it ---- */

typedef enum etw_queued_kind {
    ETW_QUEUED_EVENT,
    ETW_QUEUED_LOSS,
    ETW_QUEUED_DROP, /* events that found the queue full; the times of loss are in raw ticks */
    ETW_QUEUED_ANCHOR
} etw_queued_kind;

/* Lent until the next pop. */
typedef struct etw_queued_item {
    etw_queued_kind kind;
    const etw_event_record *record; /* of an event */
    const etw_loss *loss;           /* of a loss or a drop */
    int64_t ticks, time_100ns;      /* of an anchor */
} etw_queued_item;

/* ETW_AGAIN after timeout_ms without an item. */
etw_status etw_session_queue_pop(etw_session_queue *queue, uint32_t timeout_ms,
                                 etw_queued_item *item, etw_error *error);
/* Nothing is taken any more: later pushes do nothing, and those that wait return. */
void etw_session_queue_close(etw_session_queue *queue);
/* Events dropped so far, whether or not a pop has told them. */
uint64_t etw_session_queue_dropped(etw_session_queue *queue);

#endif
