#include "format/etwcap/references.h"

#include <stdlib.h>
#include <string.h>

void etw_references_free(etw_references *references)
{
    free(references->slots);
}

bool etw_references_begin(etw_references *references, uint32_t rows)
{
    uint32_t wanted = 64;
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
    references->mask = wanted - 1;
    memset(references->slots, 0, wanted * sizeof *references->slots);
    return true;
}
