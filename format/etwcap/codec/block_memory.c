#include "format/etwcap/codec/block_memory.h"

#include "format/base/os.h"

#include <stdlib.h>

/* The first piece is enough for a small file; the others are large pages. */
#define FIRST_PIECE ((size_t)256 << 10)
#define NEXT_PIECE  ((size_t)2 << 20)

/* Each piece may end with room that was too small for the next item. */
_Static_assert(FIRST_PIECE - ETW_BLOCK_MEMORY_MAX_ITEM +
                       (ETW_BLOCK_MEMORY_PIECES - 1) * (NEXT_PIECE - ETW_BLOCK_MEMORY_MAX_ITEM) >=
                   ETW_BATCH_MAX_BYTES,
               "the pieces hold the largest block");

static size_t size_of_piece(uint32_t index)
{
    return index == 0 ? FIRST_PIECE : NEXT_PIECE;
}

uint8_t *etw_block_memory_take_piece(etw_block_memory *memory, size_t size)
{
    const uint32_t index = memory->used;
    memory->may_give += memory->left;
    memory->left = 0;
    if (size > ETW_BLOCK_MEMORY_MAX_ITEM || size > memory->may_give ||
        index == ETW_BLOCK_MEMORY_PIECES) {
        return NULL;
    }
    const size_t piece = size_of_piece(index);
    if (memory->pieces[index] == NULL) {
        memory->pieces[index] = index == 0 ? malloc(piece) : etw_os_alloc_large(piece);
        if (memory->pieces[index] == NULL) {
            memory->is_out = true;
            return NULL;
        }
        etw_os_expect_use(memory->pieces[index], index == 0 ? 0 : piece);
    }
    const size_t usable = piece < memory->may_give ? piece : memory->may_give;
    memory->may_give -= usable;
    memory->next = memory->pieces[index] + size;
    memory->left = usable - size;
    memory->used++;
    return memory->pieces[index];
}

void etw_block_memory_free(etw_block_memory *memory)
{
    for (uint32_t i = 0; i < ETW_BLOCK_MEMORY_PIECES; i++) {
        free(memory->pieces[i]);
    }
}
