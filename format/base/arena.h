/* Memory that grows in blocks and goes away at once: for what is learnt bit by bit and kept
 * together. */
#ifndef ETW_FORMAT_BASE_ARENA_H
#define ETW_FORMAT_BASE_ARENA_H

#include "format/base/bytes.h"

typedef struct etw_arena {
    struct etw_arena_block *newest;
    size_t used_bytes;  /* handed out, rounding included */
    size_t limit_bytes; /* 0: none; else no more than this is handed out */
} etw_arena;

/* Zeroed and aligned for any type; NULL where memory is out or the limit is met (see
 * etw_arena_full). */
void *etw_arena_alloc(etw_arena *arena, size_t size);
/* A copy of the bytes with a NUL behind them. */
char *etw_arena_copy(etw_arena *arena, const void *bytes, size_t size);
/* Frees all of it; the arena is empty and usable again. */
void etw_arena_free(etw_arena *arena);

/* Whether size more bytes would break the limit. */
static inline bool etw_arena_full(const etw_arena *arena, size_t size)
{
    return arena->limit_bytes != 0 &&
           (size > arena->limit_bytes || arena->used_bytes > arena->limit_bytes - size);
}

#endif
