/* A batch's inside, for the encoder: records one after another, each with what it points to. */
#ifndef ETW_FORMAT_ETWCAP_BATCH_H
#define ETW_FORMAT_ETWCAP_BATCH_H

#include "format/etwcap/codec/codec.h"

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

static inline const etw_staged *etw_batch_staged(const etw_batch *batch, uint32_t index)
{
    return (const etw_staged *)(const void *)(batch->memory + batch->offsets[index]);
}

#endif
