#include "format/etwcap/codec/pool.h"

#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { FIRST_SLOTS = 256 };

void etw_pool_free(etw_pool *pool)
{
    etw_text_free(&pool->bytes);
    free(pool->offsets);
    free(pool->slots);
    memset(pool, 0, sizeof *pool);
}

void etw_pool_clear(etw_pool *pool)
{
    etw_text_clear(&pool->bytes);
    if (pool->count > 0) {
        memset(pool->slots, 0, pool->slot_count * sizeof *pool->slots);
    }
    pool->count = 0;
}

/* Only a table index: never stored, so it may change. */
static uint32_t hash_of(const uint8_t *bytes, size_t size)
{
    return (uint32_t)XXH3_64bits(bytes, size);
}

static bool grow(etw_pool *pool)
{
    const uint32_t wanted = pool->slot_count == 0 ? FIRST_SLOTS : 2 * pool->slot_count;
    etw_pool_slot *slots = calloc(wanted, sizeof *slots);
    uint32_t *offsets = realloc(pool->offsets, (wanted / 2 + 1) * sizeof *offsets);
    if (offsets != NULL) {
        pool->offsets = offsets;
    }
    if (slots == NULL || offsets == NULL) {
        free(slots);
        return false;
    }
    for (uint32_t i = 0; i < pool->slot_count; i++) {
        uint32_t at = pool->slots[i].hash & (wanted - 1);
        while (pool->slots[i].id_plus_1 != 0 && slots[at].id_plus_1 != 0) {
            at = (at + 1) & (wanted - 1);
        }
        if (pool->slots[i].id_plus_1 != 0) {
            slots[at] = pool->slots[i];
        }
    }
    free(pool->slots);
    pool->slots = slots;
    pool->slot_count = wanted;
    return true;
}

static bool holds(const etw_pool *pool, uint32_t id, const uint8_t *bytes, size_t size)
{
    const etw_bytes kept = etw_pool_get(pool, id);
    return kept.size == size && memcmp(kept.data, bytes, size) == 0;
}

uint32_t etw_pool_add(etw_pool *pool, const uint8_t *bytes, size_t size)
{
    if (2 * (pool->count + 1) > pool->slot_count && !grow(pool)) {
        pool->bytes.failed = true;
        return ETW_POOL_FULL;
    }
    const uint32_t hash = hash_of(bytes, size);
    uint32_t at = hash & (pool->slot_count - 1);
    while (pool->slots[at].id_plus_1 != 0) {
        const uint32_t id = pool->slots[at].id_plus_1 - 1;
        if (pool->slots[at].hash == hash && holds(pool, id, bytes, size)) {
            return id;
        }
        at = (at + 1) & (pool->slot_count - 1);
    }
    if (pool->count == ETW_POOL_MAX_ENTRIES) {
        return ETW_POOL_FULL;
    }
    pool->slots[at] = (etw_pool_slot){hash, pool->count + 1};
    pool->offsets[pool->count] = (uint32_t)pool->bytes.size;
    etw_text_append(&pool->bytes, (const char *)bytes, size);
    etw_text_append_char(&pool->bytes, 0);
    if (pool->bytes.failed) {
        return ETW_POOL_FULL;
    }
    pool->offsets[pool->count + 1] = (uint32_t)pool->bytes.size;
    return pool->count++;
}
