/* Earlier rows that are like a row: for each row, the last one before it with the same key.
 *
 * Events about the same thing (a method loaded, then unloaded; a thread started, then ended) repeat
 * its properties. One field of a kind may be its key; other fields are then told from the same
 * place of the earlier row's payload. Encoder and decoder find the same rows by the same rule: keys
 * are 32-bit tags made of realm and value, and two that collide only make a bad guess, in both
 * alike. */
#ifndef ETW_FORMAT_ETWCAP_REFERENCES_H
#define ETW_FORMAT_ETWCAP_REFERENCES_H

#include "format/base/probe.h"

#define ETW_NO_REFERENCE UINT32_MAX

/* A kind links its rows under so many keys at most. */
#define ETW_MAX_KEYS 2u

typedef struct etw_references {
    etw_probe probe; /* over rows, by tag */
    uint32_t most;   /* slots that may be in use */
} etw_references;

void etw_references_free(etw_references *references);
/* Forgets all rows and makes room for links of so many. False where memory ran out. */
bool etw_references_begin(etw_references *references, uint32_t rows);

static inline uint32_t etw_reference_tag(uint32_t realm, uint32_t key)
{
    const uint64_t mixed = ((uint64_t)realm << 32 | key) * UINT64_C(0x9E3779B97F4A7C15);
    return (uint32_t)(mixed >> 32);
}

/* The slot that holds tag, or the free one where it belongs. */
static inline etw_probe_slot *etw_reference_find(const etw_references *references, uint32_t tag)
{
    const etw_probe *probe = &references->probe;
    uint32_t at = etw_probe_home(probe, tag);
    while (probe->slots[at].id_plus_1 != 0 && probe->slots[at].hash != tag) {
        at = etw_probe_next(probe, at);
    }
    return &probe->slots[at];
}

/* Fetches what a look-up of that tag will read. */
static inline void etw_reference_prefetch(const etw_references *references, uint32_t tag)
{
    const etw_probe *probe = &references->probe;
    __builtin_prefetch(&probe->slots[etw_probe_home(probe, tag)]);
}

/* The last row linked with that tag so far, or ETW_NO_REFERENCE. */
static inline uint32_t etw_reference_get(const etw_references *references, uint32_t tag)
{
    return etw_reference_find(references, tag)->id_plus_1 - 1u;
}

/* Links row, and returns what etw_reference_get would have. */
static inline uint32_t etw_reference_link(etw_references *references, uint32_t tag, uint32_t row)
{
    etw_probe *probe = &references->probe;
    etw_probe_slot *slot = etw_reference_find(references, tag);
    const uint32_t before = slot->id_plus_1 - 1u;
    *slot = (etw_probe_slot){tag, row + 1};
    if (before == ETW_NO_REFERENCE && 2 * ++probe->used > probe->mask &&
        probe->mask + 1 < references->most) {
        (void)etw_probe_widen(probe); /* there is memory for all: see begin */
    }
    return before;
}

#endif
