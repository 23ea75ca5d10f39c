#include "format/etwcap/codec/pool.h"

#include <stdlib.h>

enum { FIRST_SLOTS = 256 };

void etw_pool_free(etw_pool *pool)
{
    etw_buffer_free(&pool->bytes);
    free(pool->offsets);
    etw_probe_free(&pool->probe);
    memset(pool, 0, sizeof *pool);
}

void etw_pool_clear(etw_pool *pool)
{
    etw_buffer_clear(&pool->bytes);
    if (pool->count > 0) {
        (void)etw_probe_begin(&pool->probe, FIRST_SLOTS, pool->probe.mask + 1);
    }
    pool->count = 0;
}

static void begin(etw_pool *pool)
{
    static const uint8_t gap[ETW_POOL_GAP] = {0};
    if (pool->bytes.size == 0) {
        etw_buffer_append(&pool->bytes, gap, sizeof gap);
    }
}

/* For one more entry: offsets are as many as half of the slots, and one. */
static bool reserve(etw_pool *pool)
{
    etw_probe *probe = &pool->probe;
    if (probe->slots != NULL && 2 * (pool->count + 1) <= probe->mask + 1) {
        return true;
    }
    const uint32_t wanted = probe->slots == NULL ? FIRST_SLOTS : 2 * (probe->mask + 1);
    uint32_t *offsets = realloc(pool->offsets, (wanted / 2 + 1) * sizeof *offsets);
    if (offsets == NULL) {
        return false;
    }
    pool->offsets = offsets;
    return probe->slots == NULL ? etw_probe_begin(probe, wanted, wanted) : etw_probe_widen(probe);
}

static bool holds(const etw_pool *pool, uint32_t id, const uint8_t *bytes, size_t size)
{
    const etw_bytes kept = etw_pool_get(pool, id);
    return kept.size == size && memcmp(kept.data, bytes, size) == 0;
}

uint32_t etw_pool_add(etw_pool *pool, const uint8_t *bytes, size_t size)
{
    etw_probe *probe = &pool->probe;
    if (!reserve(pool)) {
        pool->bytes.failed = true;
        return ETW_POOL_FULL;
    }
    const uint32_t hash = (uint32_t)etw_hash_bytes(probe->seed, bytes, size);
    uint32_t at = etw_probe_home(probe, hash);
    for (; probe->slots[at].id_plus_1 != 0; at = etw_probe_next(probe, at)) {
        const uint32_t id = probe->slots[at].id_plus_1 - 1;
        if (probe->slots[at].hash == hash && holds(pool, id, bytes, size)) {
            return id;
        }
    }
    if (pool->count == ETW_POOL_MAX_ENTRIES) {
        return ETW_POOL_FULL;
    }
    begin(pool);
    etw_probe_put(probe, at, hash, pool->count);
    pool->offsets[pool->count] = (uint32_t)pool->bytes.size;
    etw_buffer_append(&pool->bytes, bytes, size);
    etw_buffer_append_u8(&pool->bytes, 0);
    if (pool->bytes.failed) {
        return ETW_POOL_FULL;
    }
    pool->offsets[pool->count + 1] = (uint32_t)pool->bytes.size;
    return pool->count++;
}

etw_bytes etw_pool_all(etw_pool *pool)
{
    uint8_t count[ETW_VARINT_MAX_SIZE];
    begin(pool);
    if (pool->bytes.failed) {
        return (etw_bytes){NULL, 0};
    }
    const size_t size = etw_varint_store(count, pool->count);
    uint8_t *at = (uint8_t *)pool->bytes.data + ETW_POOL_GAP - size;
    memcpy(at, count, size);
    return (etw_bytes){at, pool->bytes.size - ETW_POOL_GAP + size};
}
