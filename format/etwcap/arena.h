/* Memory of one block, given out from its start and taken back all at once. */
#ifndef ETW_FORMAT_ETWCAP_ARENA_H
#define ETW_FORMAT_ETWCAP_ARENA_H

#include "format/etwcap/codec.h"

typedef struct etw_arena {
    uint8_t *memory; /* ETW_BATCH_MAX_BYTES, or NULL: then nothing is to be taken */
    size_t used;
} etw_arena;

/* NULL where all together would pass the limit. */
static inline uint8_t *etw_arena_take(etw_arena *arena, size_t size)
{
    if (size > ETW_BATCH_MAX_BYTES - arena->used) {
        return NULL;
    }
    uint8_t *at = arena->memory + arena->used;
    arena->used += size;
    return at;
}

#endif
