#include "format/event/render/found_strings.h"

static bool is_printable_ascii(uint8_t byte)
{
    return byte >= 0x20 && byte < 0x7F;
}

static bool is_latin(uint16_t unit)
{
    return (unit >= 0x20 && unit < 0x7F) || unit == '\t' || unit == '\r' || unit == '\n' ||
           (unit >= 0xA0 && unit < 0x180);
}

/* Greek to Arabic: few enough that numbers are seldom taken for them. */
static bool is_of_other_alphabet(uint16_t unit)
{
    return unit >= 0x370 && unit < 0x700;
}

/* The syllables and signs of Chinese, Japanese and Korean, and punctuation: nearly half of all
 * units. */
static bool is_of_large_script(uint16_t unit)
{
    return (unit >= 0x2010 && unit < 0x2040) || (unit >= 0x3000 && unit < 0x3100) ||
           (unit >= 0x4E00 && unit < 0xA000) || (unit >= 0xAC00 && unit < 0xD7A4) ||
           (unit >= 0xFF00 && unit < 0xFFF0);
}

static size_t ascii_at(etw_bytes bytes, size_t at)
{
    size_t end = at;
    while (end < bytes.size && is_printable_ascii(bytes.data[end])) {
        end++;
    }
    return end - at;
}

static bool ends(etw_bytes bytes, size_t at)
{
    return bytes.size - at < sizeof(uint16_t) || etw_load_u16(bytes.data + at) == 0;
}

/* A run of UTF-16. */
typedef struct run {
    size_t size;       /* bytes */
    size_t latin_size; /* of its start, up to the first other character */
    size_t ascii;      /* units */
    bool has_large_script;
} run;

static run measure(etw_bytes bytes, size_t at, bool only_latin)
{
    run r = {0};
    for (; bytes.size - at >= sizeof(uint16_t); at += sizeof(uint16_t)) {
        const uint16_t unit = etw_load_u16(bytes.data + at);
        const bool is_large = is_of_large_script(unit);
        if (!is_latin(unit) && (only_latin || !(is_of_other_alphabet(unit) || is_large))) {
            break;
        }
        r.latin_size += r.latin_size == r.size && is_latin(unit) ? sizeof unit : 0;
        r.size += sizeof unit;
        r.ascii += unit < 0x7F;
        r.has_large_script |= is_large;
    }
    return r;
}

/* Bytes of the UTF-16 there, 0 where it is none. */
static size_t utf16_at(etw_string_search *search, size_t at)
{
    const etw_bytes bytes = search->bytes;
    size_t *only_latin_before = &search->only_latin_before[at % 2];
    if (bytes.size - at < sizeof(uint16_t)) {
        return 0;
    }
    const uint16_t first = etw_load_u16(bytes.data + at);
    if (first < 0x20 || is_of_large_script(first)) {
        return 0;
    }
    const run r = measure(bytes, at, at < *only_latin_before);
    if (r.latin_size == r.size) {
        return r.size;
    }
    if (ends(bytes, at + r.size) &&
        (!r.has_large_script || r.ascii * 2 * sizeof(uint16_t) >= r.size)) {
        return r.size;
    }
    *only_latin_before = at + r.size; /* all that begins within it ends there, too */
    return r.latin_size;
}

bool etw_found_string_next(etw_string_search *search, etw_found_string *found)
{
    for (; search->at < search->bytes.size; search->at++) {
        const size_t narrow = ascii_at(search->bytes, search->at);
        const size_t wide = utf16_at(search, search->at);
        const bool is_wide = wide >= ETW_FOUND_STRING_LEAST * sizeof(uint16_t) && wide >= narrow;
        if (is_wide || narrow >= ETW_FOUND_STRING_LEAST) {
            const size_t size = is_wide ? wide : narrow;
            *found = (etw_found_string){{search->bytes.data + search->at, size}, is_wide};
            search->at += size;
            return true;
        }
    }
    return false;
}
