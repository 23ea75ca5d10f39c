#include "format/etwcap/codec/texts.h"

#include "format/etwcap/codec/layout.h"
#include "format/etwcap/codec/narrow.h"

enum { RECENT_BITS = 10 };
_Static_assert(ETW_RECENT_TEXTS == 1 << RECENT_BITS, "a place has so many bits");

void etw_texts_begin(etw_texts *texts)
{
    etw_pool_clear(&texts->pool);
    memset(texts->recent, 0, sizeof texts->recent);
}

void etw_texts_free(etw_texts *texts)
{
    etw_pool_free(&texts->pool);
    etw_buffer_free(&texts->narrow);
}

/* By the size, the middle and the last characters: paths begin alike. */
static etw_recent_text *place_of(etw_texts *texts, const uint8_t *bytes, size_t size)
{
    const size_t end = size < 10 ? 0 : size - 10;
    const uint64_t mixed = etw_load_u64(bytes + end / 2) * UINT64_C(0x9E3779B97F4A7C15) ^
                           etw_load_u64(bytes + end) ^ size;
    return &texts->recent[mixed * UINT64_C(0xC2B2AE3D27D4EB4F) >> (64 - RECENT_BITS)];
}

static uint32_t add_wide(etw_texts *texts, const uint8_t *bytes, size_t size)
{
    etw_buffer_clear(&texts->narrow);
    uint8_t *narrow = etw_buffer_reserve(&texts->narrow, size / 2 * 3);
    if (narrow == NULL) {
        return ETW_POOL_FULL;
    }
    return etw_pool_add(&texts->pool, narrow, etw_narrow(bytes, size / 2 - 1, narrow));
}

uint32_t etw_texts_add(etw_texts *texts, uint32_t tail, const uint8_t *bytes, size_t size)
{
    const uint32_t form = (uint32_t)size << 1 | (tail == ETW_TAIL_WIDE);
    etw_recent_text *recent = place_of(texts, bytes, size);
    if (recent->form != form || memcmp(recent->bytes, bytes, size) != 0) {
        const uint32_t number = tail == ETW_TAIL_WIDE ? add_wide(texts, bytes, size)
                                                      : etw_pool_add(&texts->pool, bytes, size - 1);
        *recent = (etw_recent_text){bytes, form, number};
    }
    return recent->number;
}

etw_bytes etw_texts_all(etw_texts *texts)
{
    return etw_pool_all(&texts->pool);
}
