#include "format/base/text.h"

#include "format/base/digits.h"

#include "format/base/plain.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define REPLACEMENT_CHARACTER 0xFFFDu

void etw_text_append_z(etw_text *text, const char *string)
{
    etw_text_append(text, string, strlen(string));
}

void etw_text_append_u64(etw_text *text, uint64_t value)
{
    char *to = etw_text_reserve(text, ETW_PUT_U64_MAX);
    if (to != NULL) {
        text->size += (size_t)(etw_put_u64(to, value) - to);
    }
}

void etw_text_append_i64(etw_text *text, int64_t value)
{
    if (value < 0) {
        etw_text_append_char(text, '-');
        etw_text_append_u64(text, 0u - (uint64_t)value);
    } else {
        etw_text_append_u64(text, (uint64_t)value);
    }
}

void etw_text_append_hex(etw_text *text, uint64_t value)
{
    char *to = etw_text_reserve(text, ETW_PUT_HEX_MAX);
    if (to != NULL) {
        text->size += (size_t)(etw_put_hex(to, value) - to);
    }
}

void etw_text_append_hex_bytes(etw_text *text, const uint8_t *bytes, size_t size)
{
    char *to = etw_text_reserve(text, 2 * size);
    if (to != NULL) {
        text->size += (size_t)(etw_put_hex_bytes(to, bytes, size) - to);
    }
}

void etw_text_printf(etw_text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    va_list again;
    va_copy(again, arguments);
    const int size = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    char *to = size < 0 ? NULL : etw_text_reserve(text, (size_t)size + 1);
    if (to != NULL) {
        (void)vsnprintf(to, (size_t)size + 1, format, again);
        text->size += (size_t)size;
    }
    va_end(again);
}

static size_t encode_utf8(uint32_t code_point, char out[4])
{
    if (code_point < 0x80u) {
        out[0] = (char)code_point;
        return 1;
    }
    if (code_point < 0x800u) {
        out[0] = (char)(0xC0u | code_point >> 6);
        out[1] = (char)(0x80u | (code_point & 0x3Fu));
        return 2;
    }
    if (code_point < 0x10000u) {
        out[0] = (char)(0xE0u | code_point >> 12);
        out[1] = (char)(0x80u | (code_point >> 6 & 0x3Fu));
        out[2] = (char)(0x80u | (code_point & 0x3Fu));
        return 3;
    }
    out[0] = (char)(0xF0u | code_point >> 18);
    out[1] = (char)(0x80u | (code_point >> 12 & 0x3Fu));
    out[2] = (char)(0x80u | (code_point >> 6 & 0x3Fu));
    out[3] = (char)(0x80u | (code_point & 0x3Fu));
    return 4;
}

static bool is_surrogate(uint32_t code_point)
{
    return code_point >= 0xD800u && code_point <= 0xDFFFu;
}

static void append_json_u(etw_text *text, uint32_t unit)
{
    const char escape[6] = {'\\',
                            'u',
                            etw_digits_lower[unit >> 12 & 15u],
                            etw_digits_lower[unit >> 8 & 15u],
                            etw_digits_lower[unit >> 4 & 15u],
                            etw_digits_lower[unit & 15u]};
    etw_text_append(text, escape, sizeof escape);
}

/* DEL and the C1 controls: legal in JSON and XML, but they move terminals. */
static bool is_upper_control(uint32_t code_point)
{
    return code_point >= 0x7Fu && code_point < 0xA0u;
}

/* Each of these gives true where it wrote the code point in its own way. */
static bool append_white_escape(etw_text *text, uint32_t code_point)
{
    switch (code_point) {
    case '\n':
        etw_text_append(text, "\\n", 2);
        return true;
    case '\r':
        etw_text_append(text, "\\r", 2);
        return true;
    case '\t':
        etw_text_append(text, "\\t", 2);
        return true;
    default:
        return false;
    }
}

static bool append_json_special(etw_text *text, uint32_t code_point)
{
    if (code_point == '"' || code_point == '\\') {
        const char escape[2] = {'\\', (char)code_point};
        etw_text_append(text, escape, sizeof escape);
        return true;
    }
    if (append_white_escape(text, code_point)) {
        return true;
    }
    /* U+2028 and U+2029 break JavaScript. */
    if (code_point < 0x20u || is_upper_control(code_point) || is_surrogate(code_point) ||
        code_point == 0x2028u || code_point == 0x2029u) {
        append_json_u(text, code_point);
        return true;
    }
    return false;
}

static bool append_xml_special(etw_text *text, uint32_t code_point)
{
    switch (code_point) {
    case '&':
        etw_text_append(text, "&amp;", 5);
        return true;
    case '<':
        etw_text_append(text, "&lt;", 4);
        return true;
    case '>':
        etw_text_append(text, "&gt;", 4);
        return true;
    case '"':
        etw_text_append(text, "&quot;", 6);
        return true;
    default:
        break;
    }
    /* References survive attribute-value normalisation, bare white space does not. */
    const bool white = code_point == '\n' || code_point == '\r' || code_point == '\t';
    if (white || is_upper_control(code_point)) {
        etw_text_printf(text, "&#%u;", (unsigned)code_point);
        return true;
    }
    return false;
}

static bool append_line_special(etw_text *text, uint32_t code_point)
{
    if (append_white_escape(text, code_point)) {
        return true;
    }
    if (code_point < 0x20u || is_upper_control(code_point)) {
        etw_text_printf(text, "\\x%02x", (unsigned)code_point);
        return true;
    }
    return false;
}

/* XML 1.0 has no way, not even a reference, to write these. */
static bool xml_cannot_hold(uint32_t code_point)
{
    return (code_point < 0x20u && code_point != '\t' && code_point != '\n' && code_point != '\r') ||
           code_point == 0xFFFEu || code_point == 0xFFFFu;
}

void etw_text_append_code_point(etw_text *text, uint32_t code_point, etw_escape escape)
{
    if (escape == ETW_ESCAPE_JSON && append_json_special(text, code_point)) {
        return;
    }
    if (code_point > 0x10FFFFu || is_surrogate(code_point) ||
        (escape == ETW_ESCAPE_XML && xml_cannot_hold(code_point))) {
        code_point = REPLACEMENT_CHARACTER;
    }
    if (escape == ETW_ESCAPE_XML && append_xml_special(text, code_point)) {
        return;
    }
    if (escape == ETW_ESCAPE_LINE && append_line_special(text, code_point)) {
        return;
    }
    char utf8[4];
    etw_text_append(text, utf8, encode_utf8(code_point, utf8));
}

void etw_text_append_utf16(etw_text *text, const uint8_t *units, size_t size_bytes,
                           etw_escape escape)
{
    const size_t count = size_bytes / 2;
    for (size_t i = 0; i < count;) {
        char *to = etw_text_reserve(text, count - i + ETW_PLAIN_SLACK);
        if (to == NULL) {
            return;
        }
        const size_t plain = etw_copy_plain_utf16(to, units + 2 * i, count - i);
        text->size += plain;
        i += plain;
        if (i == count) {
            return;
        }
        uint32_t code_point = etw_load_u16(units + 2 * i);
        i++;
        if (code_point >= 0xD800u && code_point <= 0xDBFFu && i < count) {
            const uint32_t low = etw_load_u16(units + 2 * i);
            if (low >= 0xDC00u && low <= 0xDFFFu) {
                code_point = 0x10000u + ((code_point - 0xD800u) << 10) + (low - 0xDC00u);
                i++;
            }
        }
        etw_text_append_code_point(text, code_point, escape);
    }
}

size_t etw_narrow_length_bytes(const uint8_t *bytes, size_t size)
{
    const uint8_t *nul = size == 0 ? NULL : memchr(bytes, 0, size);
    return nul == NULL ? size : (size_t)(nul - bytes);
}

size_t etw_utf8_decode(const uint8_t *bytes, size_t size, uint32_t *code_point)
{
    const uint8_t lead = bytes[0];
    if (lead < 0x80u) {
        *code_point = lead;
        return 1;
    }
    const size_t length = lead >= 0xF0u ? 4 : lead >= 0xE0u ? 3 : 2;
    if (lead < 0xC2u || lead > 0xF4u || length > size) {
        return 0;
    }
    uint32_t value = lead & (0x7Fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((bytes[i] & 0xC0u) != 0x80u) {
            return 0;
        }
        value = value << 6 | (bytes[i] & 0x3Fu);
    }
    static const uint32_t least[] = {0, 0, 0x80u, 0x800u, 0x10000u};
    if (value < least[length] || value > 0x10FFFFu || is_surrogate(value)) {
        return 0;
    }
    *code_point = value;
    return length;
}

void etw_text_append_utf8(etw_text *text, const uint8_t *bytes, size_t size, etw_escape escape)
{
    for (size_t i = 0; i < size;) {
        char *to = etw_text_reserve(text, size - i + ETW_PLAIN_SLACK);
        if (to == NULL) {
            return;
        }
        const size_t plain = etw_copy_plain_bytes(to, bytes + i, size - i);
        text->size += plain;
        i += plain;
        if (i == size) {
            return;
        }
        uint32_t code_point;
        const size_t length = etw_utf8_decode(bytes + i, size - i, &code_point);
        etw_text_append_code_point(text, length == 0 ? REPLACEMENT_CHARACTER : code_point, escape);
        i += length == 0 ? 1 : length;
    }
}

static bool is_utf8(const uint8_t *bytes, size_t size)
{
    for (size_t i = etw_ascii_prefix(bytes, size); i < size;) {
        uint32_t code_point;
        const size_t length = etw_utf8_decode(bytes + i, size - i, &code_point);
        if (length == 0) {
            return false;
        }
        i += length;
    }
    return true;
}

/* Windows-1252 0x80..0x9F as Windows itself maps them: the five holes become C1 controls. */
static const uint16_t windows_1252_high[32] = {
    0x20AC, 0x0081, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
    0x2039, 0x0152, 0x008D, 0x017D, 0x008F, 0x0090, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x009D, 0x017E, 0x0178};

uint32_t etw_windows_1252(uint8_t byte)
{
    return byte >= 0x80u && byte < 0xA0u ? windows_1252_high[byte - 0x80u] : byte;
}

void etw_text_append_ansi(etw_text *text, const uint8_t *bytes, size_t size, etw_escape escape)
{
    if (is_utf8(bytes, size)) {
        etw_text_append_utf8(text, bytes, size, escape);
        return;
    }
    for (size_t i = 0; i < size; i++) {
        etw_text_append_code_point(text, etw_windows_1252(bytes[i]), escape);
    }
}

const char *etw_text_z(etw_text *text)
{
    if (text->size == text->capacity && !etw_buffer_hold(text, text->size + 1)) {
        text->failed = true;
        return "";
    }
    text->data[text->size] = '\0';
    return text->data;
}

size_t etw_utf16_length_bytes(const uint8_t *units, size_t size_bytes)
{
    return 2 * etw_units_before_nul(units, size_bytes / 2);
}

void etw_text_append_count(etw_text *text, uint64_t value)
{
    char digits[32];
    size_t at = sizeof digits;
    unsigned written = 0;
    do {
        if (written != 0 && written % 3 == 0) {
            digits[--at] = ',';
        }
        digits[--at] = (char)('0' + (char)(value % 10));
        value /= 10;
        written++;
    } while (value != 0);
    etw_text_append(text, digits + at, sizeof digits - at);
}
