/* Byte strings, each content kept once and numbered from 0 in the order of first sight. */
#ifndef ETW_FORMAT_ETWCAP_POOL_H
#define ETW_FORMAT_ETWCAP_POOL_H

#include "format/base/buffer.h"
#include "format/base/probe.h"

/* More entries than this a pool does not take. A full batch has fewer: an event takes 120 bytes
 * there, has at most 23 strings, and that many distinct strings have three bytes each. */
#define ETW_POOL_MAX_ENTRIES ((uint32_t)1 << 20)
#define ETW_POOL_FULL        UINT32_MAX

/* Free bytes before the first entry: a varint of the count fits there. */
#define ETW_POOL_GAP 4u

typedef struct etw_pool {
    etw_buffer bytes; /* the gap; then all contents, one after another, each with one 0 behind it */
    uint32_t *offsets; /* of each entry in bytes; count + 1 of them */
    uint32_t count;
    etw_probe probe; /* over the entries */
} etw_pool;

void etw_pool_free(etw_pool *pool);
/* Forgets the entries and keeps the memory. */
void etw_pool_clear(etw_pool *pool);
/* The number of that content, new or known; ETW_POOL_FULL at the limit or where memory ran out
 * (then bytes.failed is set). */
uint32_t etw_pool_add(etw_pool *pool, const uint8_t *bytes, size_t size);

/* Their number, as a varint, and all entries: lent until the pool changes. No bytes where memory
 * ran out. */
etw_bytes etw_pool_all(etw_pool *pool);

static inline etw_bytes etw_pool_get(const etw_pool *pool, uint32_t id)
{
    const etw_bytes bytes = {(const uint8_t *)pool->bytes.data + pool->offsets[id],
                             pool->offsets[id + 1] - pool->offsets[id] - 1};
    return bytes;
}

#endif
