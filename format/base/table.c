#include "format/base/table.h"

#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define FIRST_SLOTS 64u
#define MOST_SLOTS  ((uint32_t)1 << 28)

void etw_table_free(etw_table *table)
{
    free(table->slots);
    *table = (etw_table){0};
}

/* The seed differs from run to run; the order of the slots is never seen outside. */
static uint64_t hash_of(const etw_table *table, const void *key, size_t key_size)
{
    return XXH3_64bits_withSeed(key, key_size, table->seed);
}

static etw_table_slot *slot_of(const etw_table *table, uint64_t hash, const void *key, size_t size)
{
    const uint32_t mask = table->slot_count - 1;
    for (uint32_t at = (uint32_t)hash & mask;; at = (at + 1) & mask) {
        etw_table_slot *slot = &table->slots[at];
        if (slot->value == NULL || (slot->hash == hash && slot->key.size == size &&
                                    memcmp(slot->key.data, key, size) == 0)) {
            return slot;
        }
    }
}

void *etw_table_get(const etw_table *table, const void *key, size_t key_size)
{
    if (table->used == 0) {
        return NULL;
    }
    return slot_of(table, hash_of(table, key, key_size), key, key_size)->value;
}

static bool widen(etw_table *table)
{
    if (table->slot_count >= MOST_SLOTS) {
        return false;
    }
    etw_table wider = {.slot_count = table->slot_count == 0 ? FIRST_SLOTS : table->slot_count * 2};
    wider.slots = calloc(wider.slot_count, sizeof *wider.slots);
    if (wider.slots == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < table->slot_count; i++) {
        const etw_table_slot *old = &table->slots[i];
        if (old->value != NULL) {
            *slot_of(&wider, old->hash, old->key.data, old->key.size) = *old;
        }
    }
    free(table->slots);
    table->slots = wider.slots;
    table->slot_count = wider.slot_count;
    if (table->seed == 0) {
        table->seed = (uint64_t)(uintptr_t)table->slots;
    }
    return true;
}

bool etw_table_set(etw_table *table, const void *key, size_t key_size, void *value)
{
    if ((table->used + 1) * 2 > table->slot_count && !widen(table)) {
        return false;
    }
    const uint64_t hash = hash_of(table, key, key_size);
    etw_table_slot *slot = slot_of(table, hash, key, key_size);
    if (slot->value == NULL) {
        slot->hash = hash;
        slot->key = (etw_bytes){key, key_size};
        table->used++;
    }
    slot->value = value;
    return true;
}
