/* Runs of plain text, for text.c: printable ASCII that no escape form changes, which is nearly all
 * text of nearly all traces. 16 characters at a time where the compiler targets SSE2 (all of
 * x86-64), one at a time elsewhere. */
#ifndef ETW_FORMAT_BASE_PLAIN_H
#define ETW_FORMAT_BASE_PLAIN_H

#include "format/base/bytes.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/* Copying a run of n may write this many bytes more behind it. */
#define ETW_PLAIN_SLACK 16u

static inline bool etw_is_plain(uint32_t unit)
{
    return unit >= 0x20u && unit < 0x7Fu && unit != '"' && unit != '\\' && unit != '&' &&
           unit != '<' && unit != '>';
}

#if defined(__SSE2__)
/* One bit for each byte that is not plain. Bytes from 0x80 are negative to the comparison. */
static inline unsigned etw_not_plain_mask(__m128i bytes)
{
    const __m128i low = _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20));
    const __m128i angle = _mm_cmpeq_epi8(_mm_andnot_si128(_mm_set1_epi8(2), bytes),
                                         _mm_set1_epi8('<')); /* '<' or '>' */
    const __m128i quote = _mm_cmpeq_epi8(_mm_andnot_si128(_mm_set1_epi8(4), bytes),
                                         _mm_set1_epi8('"')); /* '"' or '&' */
    const __m128i back = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
    const __m128i del = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7F));
    const __m128i any =
        _mm_or_si128(_mm_or_si128(_mm_or_si128(low, angle), _mm_or_si128(quote, back)), del);
    return (unsigned)_mm_movemask_epi8(any);
}
#endif

/* Copies plain units from the start of count UTF-16 units; returns how many. to has room for count
 * and the slack. */
static inline size_t etw_copy_plain_utf16(char *to, const uint8_t *units, size_t count)
{
    size_t done = 0;
#if defined(__SSE2__)
    while (count - done >= 16) {
        /* Units above 0xFF saturate to 0xFF or 0, neither of which is plain. */
        const __m128i first = _mm_loadu_si128((const __m128i *)(const void *)(units + 2 * done));
        const __m128i second =
            _mm_loadu_si128((const __m128i *)(const void *)(units + 2 * done + 16));
        const __m128i bytes = _mm_packus_epi16(first, second);
        const unsigned mask = etw_not_plain_mask(bytes);
        _mm_storeu_si128((__m128i *)(void *)(to + done), bytes);
        if (mask != 0) {
            return done + (size_t)__builtin_ctz(mask);
        }
        done += 16;
    }
    if (count - done >= 8) {
        const __m128i first = _mm_loadu_si128((const __m128i *)(const void *)(units + 2 * done));
        const __m128i bytes = _mm_packus_epi16(first, _mm_setzero_si128());
        const unsigned mask = etw_not_plain_mask(bytes);
        _mm_storel_epi64((__m128i *)(void *)(to + done), bytes);
        if ((mask & 0xFFu) != 0) {
            return done + (size_t)__builtin_ctz(mask);
        }
        done += 8;
    }
#endif
    for (; done < count; done++) {
        const uint32_t unit = etw_load_u16(units + 2 * done);
        if (!etw_is_plain(unit)) {
            break;
        }
        to[done] = (char)unit;
    }
    return done;
}

/* The same for bytes. */
static inline size_t etw_copy_plain_bytes(char *to, const uint8_t *from, size_t count)
{
    size_t done = 0;
#if defined(__SSE2__)
    while (count - done >= 16) {
        const __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(from + done));
        const unsigned mask = etw_not_plain_mask(bytes);
        _mm_storeu_si128((__m128i *)(void *)(to + done), bytes);
        if (mask != 0) {
            return done + (size_t)__builtin_ctz(mask);
        }
        done += 16;
    }
    if (count - done >= 8) {
        const __m128i bytes = _mm_loadl_epi64((const __m128i *)(const void *)(from + done));
        const unsigned mask = etw_not_plain_mask(bytes);
        _mm_storel_epi64((__m128i *)(void *)(to + done), bytes);
        if ((mask & 0xFFu) != 0) {
            return done + (size_t)__builtin_ctz(mask);
        }
        done += 8;
    }
#endif
    for (; done < count; done++) {
        if (!etw_is_plain(from[done])) {
            break;
        }
        to[done] = (char)from[done];
    }
    return done;
}

/* How many of the first size bytes are ASCII before one that is not. */
static inline size_t etw_ascii_prefix(const uint8_t *bytes, size_t size)
{
    size_t done = 0;
#if defined(__SSE2__)
    for (; size - done >= 16; done += 16) {
        const __m128i block = _mm_loadu_si128((const __m128i *)(const void *)(bytes + done));
        const unsigned mask = (unsigned)_mm_movemask_epi8(block);
        if (mask != 0) {
            return done + (size_t)__builtin_ctz(mask);
        }
    }
#endif
    while (done < size && bytes[done] < 0x80u) {
        done++;
    }
    return done;
}

/* How many of the first count UTF-16 units stand before a NUL. */
static inline size_t etw_units_before_nul(const uint8_t *units, size_t count)
{
    size_t done = 0;
#if defined(__SSE2__)
    for (; count - done >= 8; done += 8) {
        const __m128i block = _mm_loadu_si128((const __m128i *)(const void *)(units + 2 * done));
        const unsigned mask =
            (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi16(block, _mm_setzero_si128()));
        if (mask != 0) {
            return done + (size_t)__builtin_ctz(mask) / 2;
        }
    }
#endif
    while (done < count && etw_load_u16(units + 2 * done) != 0) {
        done++;
    }
    return done;
}

#endif
