#include "format/base/arena.h"

#include <stdalign.h>
#include <stdlib.h>

/* Blocks double from the first size to the last, as most arenas stay small. */
#define FIRST_BLOCK_BYTES ((size_t)1 << 10)
#define LAST_BLOCK_BYTES  ((size_t)16 << 10)
#define ALIGNMENT         alignof(max_align_t)

struct etw_arena_block {
    struct etw_arena_block *older;
    size_t used;
    size_t size;
    max_align_t data[];
};

static size_t usual_size(const etw_arena *arena)
{
    const size_t size = arena->newest == NULL ? FIRST_BLOCK_BYTES : 2 * arena->newest->size;
    return size < LAST_BLOCK_BYTES ? size : LAST_BLOCK_BYTES;
}

static struct etw_arena_block *add_block(etw_arena *arena, size_t size)
{
    const size_t usual = usual_size(arena);
    const size_t room = size > usual ? size : usual;
    struct etw_arena_block *block = malloc(sizeof *block + room);
    if (block == NULL) {
        return NULL;
    }
    block->used = 0;
    block->size = room;
    /* A large item gets a block of its own behind the newest, whose rest stays in use. */
    if (arena->newest != NULL && size > usual / 4) {
        block->older = arena->newest->older;
        arena->newest->older = block;
    } else {
        block->older = arena->newest;
        arena->newest = block;
    }
    return block;
}

void *etw_arena_alloc(etw_arena *arena, size_t size)
{
    if (size > SIZE_MAX / 2) {
        return NULL;
    }
    const size_t rounded = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (etw_arena_full(arena, rounded)) {
        return NULL;
    }
    struct etw_arena_block *block = arena->newest;
    if (block == NULL || block->size - block->used < rounded) {
        block = add_block(arena, rounded);
        if (block == NULL) {
            return NULL;
        }
    }
    uint8_t *taken = (uint8_t *)block->data + block->used;
    block->used += rounded;
    arena->used_bytes += rounded;
    memset(taken, 0, rounded);
    return taken;
}

char *etw_arena_copy(etw_arena *arena, const void *bytes, size_t size)
{
    char *copy = size == SIZE_MAX ? NULL : etw_arena_alloc(arena, size + 1);
    if (copy != NULL && size != 0) {
        memcpy(copy, bytes, size);
    }
    return copy;
}

void etw_arena_free(etw_arena *arena)
{
    struct etw_arena_block *block = arena->newest;
    while (block != NULL) {
        struct etw_arena_block *older = block->older;
        free(block);
        block = older;
    }
    arena->newest = NULL;
    arena->used_bytes = 0;
}
