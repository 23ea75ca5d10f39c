#include "format/base/probe.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "format/base/os.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

static _Atomic uint64_t forced_seed;

void etw_seed_force(uint64_t number)
{
    forced_seed = number;
}

etw_seed etw_seed_new(void)
{
    const uint64_t forced = forced_seed;
    if (forced != 0) {
        return (etw_seed){{forced * UINT64_C(0x9E3779B97F4A7C15), forced}};
    }
    return (etw_seed){{etw_os_random(), etw_os_random()}};
}

uint64_t etw_hash_bytes(etw_seed seed, const void *bytes, size_t size)
{
    return XXH3_64bits_withSeed(bytes, size, seed.words[1]);
}

void etw_probe_free(etw_probe *probe)
{
    free(probe->slots);
    *probe = (etw_probe){0};
}

static bool reserve_slots(etw_probe *probe, uint32_t slots)
{
    if (slots <= probe->capacity) {
        return true;
    }
    etw_probe_slot *grown =
        slots > ETW_PROBE_MOST ? NULL : realloc(probe->slots, slots * sizeof *grown);
    if (grown == NULL) {
        return false;
    }
    if (probe->slots == NULL) {
        probe->seed = etw_seed_new();
    }
    probe->slots = grown;
    probe->capacity = slots;
    return true;
}

bool etw_probe_begin(etw_probe *probe, uint32_t slots, uint32_t first)
{
    if (!reserve_slots(probe, slots)) {
        return false;
    }
    probe->mask = first - 1;
    probe->used = 0;
    memset(probe->slots, 0, first * sizeof *probe->slots);
    return true;
}

static uint32_t free_slot_for(const etw_probe *probe, uint32_t hash)
{
    uint32_t at = etw_probe_home(probe, hash);
    while (probe->slots[at].id_plus_1 != 0) {
        at = etw_probe_next(probe, at);
    }
    return at;
}

/* In place. Starting behind a free slot, each number is taken out and put in again: what stood
 * between its home and its old slot was moved before it, so that it never passes one that still
 * moves. */
bool etw_probe_widen(etw_probe *probe)
{
    const uint32_t old = probe->mask + 1;
    if (!reserve_slots(probe, 2 * old)) {
        return false;
    }
    etw_probe_slot *slots = probe->slots;
    uint32_t start = 0;
    while (slots[start].id_plus_1 != 0) {
        start++;
    }
    memset(slots + old, 0, old * sizeof *slots);
    probe->mask = 2 * old - 1;
    for (uint32_t i = 1; i < old; i++) {
        etw_probe_slot *at = &slots[(start + i) & (old - 1)];
        const etw_probe_slot moved = *at;
        at->id_plus_1 = 0;
        if (moved.id_plus_1 != 0) {
            slots[free_slot_for(probe, moved.hash)] = moved;
        }
    }
    return true;
}

bool etw_probe_reserve(etw_probe *probe)
{
    if (probe->slots == NULL) {
        return etw_probe_begin(probe, ETW_PROBE_LEAST, ETW_PROBE_LEAST);
    }
    return 2 * (probe->used + 1) <= probe->mask + 1 || etw_probe_widen(probe);
}

uint64_t etw_probe_steps(const etw_probe *probe)
{
    uint64_t steps = 0;
    for (uint32_t at = 0; probe->slots != NULL && at <= probe->mask; at++) {
        if (probe->slots[at].id_plus_1 != 0) {
            steps += 1 + ((at - etw_probe_home(probe, probe->slots[at].hash)) & probe->mask);
        }
    }
    return steps;
}
