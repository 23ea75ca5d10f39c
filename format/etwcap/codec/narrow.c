#include "format/etwcap/codec/narrow.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

static bool is_high(uint32_t unit)
{
    return (unit & 0xFC00u) == 0xD800u;
}

static bool is_low(uint32_t unit)
{
    return (unit & 0xFC00u) == 0xDC00u;
}

/* Units at the front that are ASCII, copied as bytes. */
static size_t narrow_ascii(const uint8_t *units, size_t count, uint8_t *to)
{
    size_t i = 0;
#if defined(__SSE2__)
    const __m128i not_ascii = _mm_set1_epi16((short)0xFF80);
    for (; i + 8 <= count; i += 8) {
        const __m128i eight = _mm_loadu_si128((const __m128i *)(const void *)(units + 2 * i));
        const __m128i high = _mm_and_si128(eight, not_ascii);
        if (_mm_movemask_epi8(_mm_cmpeq_epi16(high, _mm_setzero_si128())) != 0xFFFF) {
            return i;
        }
        _mm_storel_epi64((__m128i *)(void *)(to + i), _mm_packus_epi16(eight, eight));
    }
#endif
    for (; i + 4 <= count; i += 4) {
        const uint64_t four = etw_load_u64(units + 2 * i);
        if ((four & UINT64_C(0xFF80FF80FF80FF80)) != 0) {
            break;
        }
        const uint64_t pairs = four | four >> 8;
        etw_store_u16(to + i, (uint16_t)pairs);
        etw_store_u16(to + i + 2, (uint16_t)(pairs >> 32));
    }
    for (; i < count; i++) {
        const uint16_t unit = etw_load_u16(units + 2 * i);
        if (unit >= 0x80) {
            return i;
        }
        to[i] = (uint8_t)unit;
    }
    return i;
}

size_t etw_narrow(const uint8_t *units, size_t count, uint8_t *to)
{
    uint8_t *at = to;
    size_t i = 0;
    while (i < count) {
        const size_t ascii = narrow_ascii(units + 2 * i, count - i, at);
        at += ascii;
        i += ascii;
        if (i == count) {
            break;
        }
        uint32_t unit = etw_load_u16(units + 2 * i++);
        if (unit < 0x80) {
            *at++ = (uint8_t)unit;
            continue;
        }
        if (unit < 0x800) {
            *at++ = (uint8_t)(0xC0 | unit >> 6);
            *at++ = (uint8_t)(0x80 | (unit & 0x3F));
            continue;
        }
        if (is_high(unit) && i < count && is_low(etw_load_u16(units + 2 * i))) {
            unit = 0x10000 + ((unit & 0x3FF) << 10) + (etw_load_u16(units + 2 * i++) & 0x3FFu);
            *at++ = (uint8_t)(0xF0 | unit >> 18);
            *at++ = (uint8_t)(0x80 | (unit >> 12 & 0x3F));
        } else {
            *at++ = (uint8_t)(0xE0 | unit >> 12);
        }
        *at++ = (uint8_t)(0x80 | (unit >> 6 & 0x3F));
        *at++ = (uint8_t)(0x80 | (unit & 0x3F));
    }
    return (size_t)(at - to);
}

/* One code point of the text at *at, which moves past it; UINT32_MAX where it is malformed. */
static uint32_t take_point(const uint8_t **at, const uint8_t *end)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    const uint8_t first = **at;
    const uint32_t size = first < 0x80 ? 1u : first < 0xE0 ? 2u : first < 0xF0 ? 3u : 4u;
    if ((first >= 0x80 && first < 0xC2) || first > 0xF4 || (size_t)(end - *at) < size) {
        return UINT32_MAX;
    }
    uint32_t point = size == 1 ? first : first & (0x7Fu >> size);
    for (uint32_t i = 1; i < size; i++) {
        if (((*at)[i] & 0xC0) != 0x80) {
            return UINT32_MAX;
        }
        point = point << 6 | ((*at)[i] & 0x3Fu);
    }
    *at += size;
    return point < least[size] || point > 0x10FFFF ? UINT32_MAX : point;
}

size_t etw_wide_count(etw_bytes text)
{
    const uint8_t *at = text.data;
    const uint8_t *end = text.data + text.size;
    size_t count = 0;
    while (at < end) {
        if ((size_t)(end - at) >= 8 && (etw_load_u64(at) & UINT64_C(0x8080808080808080)) == 0) {
            count += 8;
            at += 8;
            continue;
        }
        const uint32_t point = take_point(&at, end);
        if (point == UINT32_MAX) {
            return SIZE_MAX;
        }
        count += point >= 0x10000 ? 2 : 1;
    }
    return count;
}

static void widen_eight(const uint8_t *from, uint8_t *to)
{
#if defined(__SSE2__)
    const __m128i eight = _mm_loadl_epi64((const __m128i *)(const void *)from);
    _mm_storeu_si128((__m128i *)(void *)to, _mm_unpacklo_epi8(eight, _mm_setzero_si128()));
#else
    for (int i = 0; i < 8; i++) {
        to[2 * i] = from[i];
        to[2 * i + 1] = 0;
    }
#endif
}

void etw_widen(etw_bytes text, uint8_t *to)
{
    const uint8_t *at = text.data;
    const uint8_t *end = text.data + text.size;
    while (at < end) {
        if ((size_t)(end - at) >= 8 && (etw_load_u64(at) & UINT64_C(0x8080808080808080)) == 0) {
            widen_eight(at, to);
            to += 16;
            at += 8;
            continue;
        }
        const uint32_t point = take_point(&at, end);
        if (point >= 0x10000) {
            etw_store_u16(to, (uint16_t)(0xD800 + ((point - 0x10000) >> 10)));
            to += 2;
            etw_store_u16(to, (uint16_t)(0xDC00 + (point & 0x3FF)));
        } else {
            etw_store_u16(to, (uint16_t)point);
        }
        to += 2;
    }
}
