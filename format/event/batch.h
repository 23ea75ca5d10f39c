/* A batch of copied records, the staging form of events: a callback appends to it (a copy, nothing
 * else), another thread reads it. */
#ifndef ETW_FORMAT_EVENT_BATCH_H
#define ETW_FORMAT_EVENT_BATCH_H

#include "format/event/source.h"

/* A batch is full at either limit. */
#define ETW_BATCH_MAX_BYTES  ((size_t)16 << 20)
#define ETW_BATCH_MAX_EVENTS ((uint32_t)1 << 16)

/* A batch with so much left takes one more record, whatever its size. */
#define ETW_BATCH_RECORD_ROOM (ETW_MAX_EXTENDED_BYTES + ((size_t)256 << 10))

typedef struct etw_batch etw_batch;

/* capacity_bytes <= ETW_BATCH_MAX_BYTES: memory is allocated here once, nothing later. NULL: no
 * memory. */
etw_batch *etw_batch_new(size_t capacity_bytes, uint32_t capacity_events);
void etw_batch_free(etw_batch *batch);
void etw_batch_clear(etw_batch *batch);
uint32_t etw_batch_count(const etw_batch *batch);
size_t etw_batch_size_bytes(const etw_batch *batch);

/* Copies the record; false where it does not fit any more (an empty batch of the full capacity
 * takes any record within the limits of record.h). No lock, no allocation. */
bool etw_batch_append(etw_batch *batch, const etw_event_record *record, uint16_t trace_index,
                      uint32_t schema_id);

/* Item i of the batch, its pointers lent until the batch changes. */
void etw_batch_item(etw_batch *batch, uint32_t index, etw_event_record *record, etw_item *item);

/* The inside, for the encoder: records one after another, each with what it points to. */
typedef struct etw_staged {
    etw_event_record record; /* ExtendedData and UserData point into the batch's own memory */
    uint32_t schema_id;
    uint16_t trace_index;
    uint16_t padding;
} etw_staged;

/* Any 8 bytes that start inside a record may be loaded: the memory ends this much later. */
#define ETW_BATCH_SLACK 8u

struct etw_batch {
    uint8_t *memory;
    uint32_t *offsets; /* of each staged event in memory, a multiple of 8 */
    size_t capacity, size;
    uint32_t count, capacity_events;
};

/* Of a staged record that was copied with its size bytes: its pointers lead into the copy. False
 * where its parts do not fill the size. */
bool etw_staged_moved(etw_staged *event, size_t size);

static inline const etw_staged *etw_batch_staged(const etw_batch *batch, uint32_t index)
{
    return (const etw_staged *)(const void *)(batch->memory + batch->offsets[index]);
}

#endif
