/* Arrays with a value for each event of a block, in one piece of memory that is kept from block to
 * block. */
#ifndef ETW_FORMAT_ETWCAP_EVENT_ARRAYS_H
#define ETW_FORMAT_ETWCAP_EVENT_ARRAYS_H

#include "format/etwcap/codec/codec.h"

/* Of one piece of memory. */
#define ETW_EVENT_MAX_ARRAYS 32u

typedef struct etw_event_arrays {
    uint8_t *memory;
    uint32_t capacity; /* events */
    size_t size;       /* of the memory, a multiple of what arrays are aligned to */
    uint8_t *next;     /* where the next array starts */
    uint8_t *end;      /* where the last of those behind all others starts */
} etw_event_arrays;

/* Events to have memory for when count are there: other blocks of the file have some more. Memory
 * that is not touched costs nothing, but to take new memory, and to touch it for the first time,
 * does. */
static inline uint32_t etw_event_room(uint32_t count)
{
    const uint32_t room = count + count / 4;
    return room > ETW_BATCH_MAX_EVENTS && count <= ETW_BATCH_MAX_EVENTS ? ETW_BATCH_MAX_EVENTS
                                                                        : room;
}

/* Starts a block of count events, or of what else there is a value for: all arrays, which take
 * event_bytes an event together, are to be taken anew, and hold nothing. touched_bytes: of the
 * arrays in which every event will have a value, and which large pages therefore suit. False where
 * memory is out. */
bool etw_event_arrays_begin(etw_event_arrays *arrays, uint32_t count, size_t event_bytes,
                            size_t touched_bytes);
/* The next array, of item_size bytes an event; aligned for anything. The caller takes no more bytes
 * an event than it began with, in ETW_EVENT_MAX_ARRAYS arrays at most. */
void *etw_event_array(etw_event_arrays *arrays, size_t item_size);
/* The same for an array in which few events will have a value: it stands behind the others. */
void *etw_event_array_rare(etw_event_arrays *arrays, size_t item_size);
void etw_event_arrays_free(etw_event_arrays *arrays);

#endif
