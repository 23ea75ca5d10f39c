#include "format/etwcap/codec/references.h"

#include <stdlib.h>
#include <string.h>

enum { LEAST_SLOTS = 64 };

void etw_references_free(etw_references *references)
{
    free(references->slots);
}

bool etw_references_begin(etw_references *references, uint32_t rows)
{
    uint32_t wanted = LEAST_SLOTS;
    /* Never full, and seldom half full: most kinds have one key, and keys repeat. */
    while (wanted < ETW_MAX_KEYS * rows + rows / 2) {
        wanted *= 2;
    }
    if (wanted > references->capacity) {
        free(references->slots);
        references->slots = malloc(wanted * sizeof *references->slots);
        references->capacity = references->slots == NULL ? 0 : wanted;
        if (references->slots == NULL) {
            return false;
        }
    }
    /* As many as the rows before had keys: those of one file are much alike. */
    uint32_t first = LEAST_SLOTS;
    while (first < wanted && first < 2 * references->used) {
        first *= 2;
    }
    references->mask = first - 1;
    references->most = wanted;
    references->used = 0;
    memset(references->slots, 0, first * sizeof *references->slots);
    return true;
}

/* In place. Starting behind a free slot, each row is taken out and linked again: what stood between
 * its home and its old slot was moved before it, so that it never passes a row that still moves. */
void etw_references_widen(etw_references *references)
{
    const uint32_t old = references->mask + 1;
    etw_reference_slot *slots = references->slots;
    uint32_t start = 0;
    while (slots[start].row_plus_1 != 0) {
        start++;
    }
    memset(slots + old, 0, old * sizeof *slots);
    references->mask = 2 * old - 1;
    for (uint32_t i = 1; i < old; i++) {
        etw_reference_slot *at = &slots[(start + i) & (old - 1)];
        const etw_reference_slot moved = *at;
        at->row_plus_1 = 0;
        if (moved.row_plus_1 != 0) {
            *etw_reference_find(references, moved.tag) = moved;
        }
    }
}
