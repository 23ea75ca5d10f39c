#include "format/etwcap/references.h"

#include <stdlib.h>
#include <string.h>

enum { SLOT_BITS = 18 };
#define SLOTS ((uint32_t)1 << SLOT_BITS)

bool etw_references_init(etw_references *references)
{
    references->slots = calloc(SLOTS, sizeof *references->slots);
    references->trial = calloc(SLOTS, sizeof *references->trial);
    references->stamp = 0;
    references->trial_stamp = 0;
    return references->slots != NULL && references->trial != NULL;
}

void etw_references_free(etw_references *references)
{
    free(references->slots);
    free(references->trial);
}

void etw_references_clear(etw_references *references)
{
    if (++references->stamp == 0) {
        memset(references->slots, 0, SLOTS * sizeof *references->slots);
        references->stamp = 1;
    }
}

/* The slot that holds key, or the free one where it belongs. */
static etw_reference_slot *slot_of(etw_reference_slot *slots, uint32_t stamp, uint64_t key)
{
    uint32_t at = (uint32_t)((key * UINT64_C(0x9E3779B97F4A7C15)) >> (64 - SLOT_BITS));
    while (slots[at].stamp == stamp && slots[at].key != key) {
        at = (at + 1) & (SLOTS - 1);
    }
    return &slots[at];
}

static uint64_t realm_key(uint32_t realm, uint64_t key)
{
    return key ^ realm * UINT64_C(0x9E3779B97F4A7C15);
}

void etw_references_link(etw_references *references, uint32_t realm, const uint64_t *keys,
                         uint32_t count, uint32_t first_row, uint32_t *found)
{
    for (uint32_t i = 0; i < count; i++) {
        const uint64_t key = realm_key(realm, keys[i]);
        etw_reference_slot *slot = slot_of(references->slots, references->stamp, key);
        found[i] = slot->stamp == references->stamp ? slot->row : ETW_NO_REFERENCE;
        *slot = (etw_reference_slot){key, first_row + i, references->stamp};
    }
}

void etw_references_try(etw_references *references, uint32_t realm, const uint64_t *keys,
                        uint32_t count, uint32_t first_row, uint32_t *found)
{
    if (++references->trial_stamp == 0) {
        memset(references->trial, 0, SLOTS * sizeof *references->trial);
        references->trial_stamp = 1;
    }
    for (uint32_t i = 0; i < count; i++) {
        const uint64_t key = realm_key(realm, keys[i]);
        etw_reference_slot *slot = slot_of(references->trial, references->trial_stamp, key);
        if (slot->stamp == references->trial_stamp) {
            found[i] = slot->row;
        } else {
            const etw_reference_slot *old = slot_of(references->slots, references->stamp, key);
            found[i] = old->stamp == references->stamp ? old->row : ETW_NO_REFERENCE;
        }
        *slot = (etw_reference_slot){key, first_row + i, references->trial_stamp};
    }
}
