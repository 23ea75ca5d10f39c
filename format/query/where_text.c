/* Comparing text without regard to case: ASCII, Latin-1 and Latin Extended-A, Greek, Cyrillic. The
 * simple folding of Unicode's CaseFolding.txt for these ranges; other letters are compared as they
 * are. Both sides are valid UTF-8, or bytes that stand for themselves. */
#include "format/query/where_tree.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

static uint32_t fold(uint32_t c)
{
    if (c < 0x80) {
        return c >= 'A' && c <= 'Z' ? c + 32 : c;
    }
    if ((c >= 0xC0 && c <= 0xDE && c != 0xD7) || (c >= 0x391 && c <= 0x3A9) ||
        (c >= 0x410 && c <= 0x42F)) {
        return c + 32;
    }
    if (c >= 0x400 && c <= 0x40F) {
        return c + 80;
    }
    if ((c >= 0x100 && c <= 0x12F) || (c >= 0x132 && c <= 0x137) || (c >= 0x14A && c <= 0x177)) {
        return c | 1;
    }
    if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17E)) {
        return c + (c & 1);
    }
    return c == 0x178 ? 0xFF : c;
}

/* Takes one folded character off the front. */
static uint32_t next(etw_where_slice *text)
{
    uint32_t c = (uint8_t)text->text[0];
    size_t size = 1;
    if (c >= 0x80) {
        size = etw_utf8_decode((const uint8_t *)text->text, text->size, &c);
        if (size == 0) {
            c = (uint8_t)text->text[0];
            size = 1;
        }
    }
    text->text += size;
    text->size -= size;
    return fold(c);
}

int etw_where_text_order(etw_where_slice a, etw_where_slice b)
{
    while (a.size > 0 && b.size > 0) {
        const uint32_t of_a = next(&a);
        const uint32_t of_b = next(&b);
        if (of_a != of_b) {
            return of_a < of_b ? -1 : 1;
        }
    }
    return a.size > 0 ? 1 : b.size > 0 ? -1 : 0;
}

bool etw_where_text_equal(etw_where_slice a, etw_where_slice b)
{
    return etw_where_text_order(a, b) == 0;
}

bool etw_where_text_starts(etw_where_slice text, etw_where_slice part)
{
    while (part.size > 0) {
        if (text.size == 0 || next(&text) != next(&part)) {
            return false;
        }
    }
    return true;
}

bool etw_where_is_ascii(etw_where_slice text)
{
    uint8_t all = 0;
    for (size_t i = 0; i < text.size; i++) {
        all |= (uint8_t)text.text[i];
    }
    return all < 0x80;
}

/* The text begins with the part. width: bytes of a character; those behind the first are 0. */
static bool starts_ascii(etw_where_slice text, etw_where_slice part, size_t width)
{
    if (text.size < part.size * width) {
        return false;
    }
    for (size_t i = 0; i < part.size; i++) {
        if (fold((uint8_t)text.text[i * width]) != fold((uint8_t)part.text[i]) ||
            (width == 2 && text.text[i * width + 1] != '\0')) {
            return false;
        }
    }
    return true;
}

/* How many bytes stand before the first that is one of two. */
static size_t find_either(etw_where_slice text, char one, char other)
{
    size_t at = 0;
#if defined(__SSE2__)
    const __m128i ones = _mm_set1_epi8(one), others = _mm_set1_epi8(other);
    for (; text.size - at >= 16; at += 16) {
        const __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(text.text + at));
        const unsigned mask = (unsigned)_mm_movemask_epi8(
            _mm_or_si128(_mm_cmpeq_epi8(bytes, ones), _mm_cmpeq_epi8(bytes, others)));
        if (mask != 0) {
            return at + (size_t)__builtin_ctz(mask);
        }
    }
#endif
    while (at < text.size && text.text[at] != one && text.text[at] != other) {
        at++;
    }
    return at;
}

/* ASCII stands for itself alone in UTF-8: places where the part can begin are found by bytes. */
static bool contains_ascii(etw_where_slice text, etw_where_slice part, bool may_be_wide)
{
    const char low = (char)fold((uint8_t)part.text[0]);
    const char high = low >= 'a' && low <= 'z' ? (char)(low - 32) : low;
    const size_t ends = text.size < part.size ? 0 : text.size - part.size + 1;
    for (size_t at = 0; at < ends; at++) {
        at += find_either((etw_where_slice){text.text + at, ends - at}, low, high);
        const etw_where_slice rest = {text.text + at, text.size - at};
        if (at < ends &&
            (starts_ascii(rest, part, 1) || (may_be_wide && starts_ascii(rest, part, 2)))) {
            return true;
        }
    }
    return false;
}

bool etw_where_bytes_contain(etw_bytes bytes, etw_where_slice part)
{
    const etw_where_slice text = {(const char *)bytes.data, bytes.size};
    return bytes.size > 0 && contains_ascii(text, part, true);
}

/* At most text times part steps: the part is the user's own. */
bool etw_where_text_contains(etw_where_slice text, etw_where_slice part)
{
    if (part.size > 0 && etw_where_is_ascii(part)) {
        return contains_ascii(text, part, false);
    }
    while (text.size > 0) {
        if (etw_where_text_starts(text, part)) {
            return true;
        }
        (void)next(&text);
    }
    return part.size == 0;
}

bool etw_where_text_ends(etw_where_slice text, etw_where_slice part)
{
    for (;;) {
        if (etw_where_text_equal(text, part)) {
            return true;
        }
        if (text.size == 0) {
            return false;
        }
        (void)next(&text);
    }
}

/* `*` stands for any text, `?` for one character. Where a star has to take more, only the last one
 * does: text times pattern steps at most. */
bool etw_where_text_like(etw_where_slice text, etw_where_slice pattern)
{
    etw_where_slice star = {NULL, 0}; /* the pattern behind the last star */
    etw_where_slice taken = {NULL, 0};
    while (text.size > 0) {
        if (pattern.size > 0 && pattern.text[0] == '*') {
            star = (etw_where_slice){pattern.text + 1, pattern.size - 1};
            pattern = star;
            taken = text;
            continue;
        }
        const bool is_any = pattern.size > 0 && pattern.text[0] == '?';
        if (pattern.size > 0 && next(&text) == next(&pattern)) {
            continue;
        }
        if (is_any) {
            continue;
        }
        if (star.text == NULL) {
            return false;
        }
        (void)next(&taken);
        text = taken;
        pattern = star;
    }
    while (pattern.size > 0 && pattern.text[0] == '*') {
        pattern.text++;
        pattern.size--;
    }
    return pattern.size == 0;
}
