/* The one hash table of this project: numbers, found by the hash of what they number. What a number
 * stands for is its owner's, who compares it where two hashes are equal.
 *
 * Open addressing with linear steps, at most half full. Each table draws a seed of its own that
 * nobody can guess, so that no trace can be made whose keys all meet in one place. What depends on
 * the seed (where a number lies) is never seen outside, and never in what is written. */
#ifndef ETW_FORMAT_BASE_PROBE_H
#define ETW_FORMAT_BASE_PROBE_H

#include "format/base/bytes.h"
#include "format/base/wide_math.h"

/* Slots of a table that starts small. */
#define ETW_PROBE_LEAST 64u
#define ETW_PROBE_MOST  ((uint32_t)1 << 28)

typedef struct etw_seed {
    uint64_t words[2];
} etw_seed;

/* Random, but where a test has forced it. */
etw_seed etw_seed_new(void);
/* For tests: all seeds drawn from now on follow from this number; 0: random again. */
void etw_seed_force(uint64_t number);

/* A hash of two words; chain it through either of them. */
static inline uint64_t etw_hash_pair(etw_seed seed, uint64_t a, uint64_t b)
{
    const etw_wide product = etw_wide_multiply(a ^ seed.words[0], b ^ seed.words[1]);
    return product.low ^ product.high;
}

uint64_t etw_hash_bytes(etw_seed seed, const void *bytes, size_t size);

typedef struct etw_probe_slot {
    uint32_t hash;
    uint32_t id_plus_1; /* 0: free */
} etw_probe_slot;

/* Zeroed memory is an empty table that must be given room before anything is looked up. */
typedef struct etw_probe {
    etw_probe_slot *slots;
    uint32_t mask; /* of the slots in use: few numbers stay in a small part, which caches hold */
    uint32_t capacity; /* slots there is memory for */
    uint32_t used;     /* slots that hold a number */
    etw_seed seed;
} etw_probe;

void etw_probe_free(etw_probe *probe);
/* Forgets all numbers and keeps the memory: at least slots of it (a power of two), of which first
 * are in use. False where memory is out. */
bool etw_probe_begin(etw_probe *probe, uint32_t slots, uint32_t first);
/* Room for one more number. False where memory is out: nothing has changed. */
bool etw_probe_reserve(etw_probe *probe);
/* Twice as many slots are in use. */
bool etw_probe_widen(etw_probe *probe);

/* Where the search for a hash begins. The hash itself may be known to anyone. */
static inline uint32_t etw_probe_home(const etw_probe *probe, uint32_t hash)
{
    return (uint32_t)((hash * (probe->seed.words[0] | 1)) >> 32) & probe->mask;
}

static inline uint32_t etw_probe_next(const etw_probe *probe, uint32_t at)
{
    return (at + 1) & probe->mask;
}

/* Into the free slot that the search ended at. */
static inline void etw_probe_put(etw_probe *probe, uint32_t at, uint32_t hash, uint32_t id)
{
    probe->slots[at] = (etw_probe_slot){hash, id + 1};
    probe->used++;
}

/* Slots that a search for each number looks at, in all: what tests hold small. */
uint64_t etw_probe_steps(const etw_probe *probe);

#endif
