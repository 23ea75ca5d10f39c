/* Keys that stand for stacks: where the kernel caches them an event has the key of each part, and a
 * later event tells what it stands for, when the key leaves the cache or the session ends. A key
 * stands for the next definition of its kind. */
#ifndef ETW_REPLAY_QUERY_STACK_KEYS_H
#define ETW_REPLAY_QUERY_STACK_KEYS_H

#include "format/base/arena.h"
#include "format/base/table.h"

typedef struct etw_stack_frames {
    uint32_t count;
    bool is_kernel; /* its root is there */
    uint64_t addresses[];
} etw_stack_frames;

typedef enum etw_stack_part { ETW_STACK_KERNEL, ETW_STACK_USER, ETW_STACK_PARTS } etw_stack_part;

static inline etw_stack_part etw_stack_part_of(const etw_stack_frames *frames)
{
    return frames->is_kernel ? ETW_STACK_KERNEL : ETW_STACK_USER;
}

/* What could not be kept. */
typedef struct etw_stack_failures {
    uint64_t dropped; /* above a limit */
    bool is_out_of_memory;
} etw_stack_failures;

/* Zeroed; NULL where there is none, which is noted. */
void *etw_stack_allocate(etw_stack_failures *failures, etw_arena *arena, size_t size);
void etw_stack_set(etw_stack_failures *failures, etw_table *table, const void *key, size_t size,
                   void *value);

/* Zeroed, but for the arena's limit and failures, it is empty. */
typedef struct etw_stack_keys {
    etw_table keys;  /* key -> its references and definitions */
    etw_arena arena; /* of both */
    struct etw_stack_reference *spare;
    uint32_t defined;             /* definitions so far */
    uint32_t known;               /* of those that were told ahead */
    etw_stack_failures *failures; /* lent */
} etw_stack_keys;

void etw_stack_keys_free(etw_stack_keys *keys);
/* *slot gets what the key stands for: now where it was told ahead, else when it is defined. It must
 * stay until then, or until its generation is forgotten. */
void etw_stack_keys_refer(etw_stack_keys *keys, uint64_t key, etw_stack_part part,
                          const etw_stack_frames **slot, uint32_t generation);
/* Whether something waits for the next definition; where nothing does, no frames are needed. */
bool etw_stack_keys_waits(const etw_stack_keys *keys, uint64_t key);
/* The next definition in the order of the trace; NULL where nothing waits. */
void etw_stack_keys_define(etw_stack_keys *keys, uint64_t key, const etw_stack_frames *frames);
/* The same ahead: all definitions of the trace in their order, of which the first were met already.
 * frames live as long as keys; NULL: it could not be kept. */
void etw_stack_keys_tell_ahead(etw_stack_keys *keys, uint64_t key, const etw_stack_frames *frames);
/* After the last one: what waits gets its own. */
void etw_stack_keys_settle(etw_stack_keys *keys);
/* Slots of that generation, and of older ones, go. */
void etw_stack_keys_forget(etw_stack_keys *keys, uint32_t generation);

#endif
