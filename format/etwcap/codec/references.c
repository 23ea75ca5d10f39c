#include "format/etwcap/codec/references.h"

enum { LEAST_SLOTS = 64 };

void etw_references_free(etw_references *references)
{
    etw_probe_free(&references->probe);
}

bool etw_references_begin(etw_references *references, uint32_t rows)
{
    uint32_t wanted = LEAST_SLOTS;
    /* Never full, and seldom half full: most kinds have one key, and keys repeat. */
    while (wanted < ETW_MAX_KEYS * rows + rows / 2) {
        wanted *= 2;
    }
    /* As many as the rows before had keys: those of one file are much alike. */
    uint32_t first = LEAST_SLOTS;
    while (first < wanted && first < 2 * references->probe.used) {
        first *= 2;
    }
    references->most = wanted;
    return etw_probe_begin(&references->probe, wanted, first);
}
