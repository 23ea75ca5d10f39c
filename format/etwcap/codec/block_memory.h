/* Memory for what a block's records point to: given out item by item, taken back all at once. It is
 * kept from block to block, and what was given out stays where it is until the next one. */
#ifndef ETW_FORMAT_ETWCAP_BLOCK_MEMORY_H
#define ETW_FORMAT_ETWCAP_BLOCK_MEMORY_H

#include "format/etwcap/codec/codec.h"

/* No item is larger. */
#define ETW_BLOCK_MEMORY_MAX_ITEM ((size_t)64 << 10)
#define ETW_BLOCK_MEMORY_PIECES   10u

/* Zeroed before its first use. */
typedef struct etw_block_memory {
    uint8_t *next; /* what is left of the piece in use; NULL: there is none yet */
    size_t left;
    size_t may_give; /* bytes that are allowed from the end of that piece on */
    uint8_t *pieces[ETW_BLOCK_MEMORY_PIECES];
    uint32_t used; /* pieces */
    bool is_out;   /* memory ran out since the block began */
} etw_block_memory;

/* Starts a block. */
static inline void etw_block_memory_begin(etw_block_memory *memory)
{
    memory->next = NULL;
    memory->left = 0;
    memory->may_give = ETW_BATCH_MAX_BYTES;
    memory->used = 0;
    memory->is_out = false;
}

uint8_t *etw_block_memory_take_piece(etw_block_memory *memory, size_t size);

/* NULL where all items together would pass ETW_BATCH_MAX_BYTES, or, with is_out, without memory. */
static inline uint8_t *etw_block_memory_take(etw_block_memory *memory, size_t size)
{
    if (size > memory->left || memory->next == NULL) { /* the first item's size may be 0 */
        return etw_block_memory_take_piece(memory, size);
    }
    uint8_t *at = memory->next;
    memory->next += size;
    memory->left -= size;
    return at;
}

void etw_block_memory_free(etw_block_memory *memory);

#endif
