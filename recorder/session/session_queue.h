/* A bounded queue between ETW's thread and a caller with a loop of its own. */
#ifndef ETW_RECORDER_SESSION_QUEUE_H
#define ETW_RECORDER_SESSION_QUEUE_H

#include "format/event/source.h"

/* Two halves: one being filled, one being read. */
#define ETW_SESSION_QUEUE_BYTES ((size_t)16 << 20)

typedef struct etw_session_queue etw_session_queue;

etw_session_queue *etw_session_queue_new(void); /* NULL where memory is out */
void etw_session_queue_free(etw_session_queue *queue);

/* Copies the record; drops and counts it where the queue is full. */
void etw_session_queue_push(etw_session_queue *queue, const etw_event_record *record);
/* Nothing more will come; pop gives what is left and then status (ETW_OK: ETW_END). */
void etw_session_queue_end(etw_session_queue *queue, etw_status status, const etw_error *error);

/* *record is lent until the next pop. ETW_ERROR_NOT_FOUND after timeout_ms without an event. */
etw_status etw_session_queue_pop(etw_session_queue *queue, uint32_t timeout_ms,
                                 const etw_event_record **record, etw_error *error);
uint64_t etw_session_queue_dropped(etw_session_queue *queue);

#endif
