#include "format/event/render/value_bytes.h"

#include "format/event/calendar.h"

#include "format/base/digits.h"
#include "format/base/guid.h"
#include "format/event/clock.h"
#include "format/event/render/address_bytes.h"
#include "format/event/render/error_text.h"
#include "format/event/render/plan_internal.h"

#include <stdio.h>
#include <stdlib.h>

#define LZNT1_CHUNK 4096u

/* A value's text, with a NUL behind it where a C function reads it. */
#define NUMBER_SIZE 400u /* "%f" of a double has some 320 characters */

typedef struct text {
    const char *at;
    size_t size;
} text;

static bool has_prefix(text t, const char *prefix)
{
    const size_t size = strlen(prefix);
    return t.size >= size && memcmp(t.at, prefix, size) == 0;
}

static bool equals(text t, const char *whole)
{
    return t.size == strlen(whole) && has_prefix(t, whole);
}

static bool copy_to(text t, char *to, size_t room)
{
    if (t.size >= room || memchr(t.at, '\0', t.size) != NULL) {
        return false;
    }
    memcpy(to, t.at, t.size);
    to[t.size] = '\0';
    return true;
}

/* Numbers. */

/* Decimal, or hexadecimal behind 0x. */
static bool parse_unsigned(text t, uint64_t *value)
{
    const bool is_hex = has_prefix(t, "0x") || has_prefix(t, "0X");
    const uint64_t base = is_hex ? 16 : 10;
    *value = 0;
    for (size_t i = is_hex ? 2 : 0; i < t.size; i++) {
        const int digit = etw_hex_digit(t.at[i]);
        if (digit < 0 || (uint64_t)digit >= base || __builtin_mul_overflow(*value, base, value) ||
            __builtin_add_overflow(*value, (uint64_t)digit, value)) {
            return false;
        }
    }
    return t.size > (is_hex ? 2u : 0u);
}

static void append_integer(etw_buffer *bytes, uint64_t value, uint32_t size)
{
    etw_buffer_append(bytes, &value, size); /* little-endian, as all of this project */
}

static bool append_unsigned(text t, uint32_t size, etw_buffer *bytes)
{
    uint64_t value;
    if (!parse_unsigned(t, &value) || (size < 8 && value >> (8 * size) != 0)) {
        return false;
    }
    append_integer(bytes, value, size);
    return true;
}

static bool append_signed(text t, uint32_t size, etw_buffer *bytes)
{
    uint64_t value;
    const bool is_negative = t.size > 0 && t.at[0] == '-';
    const uint64_t limit = UINT64_C(1) << (8 * size - 1);
    if (!is_negative && has_prefix(t, "0x")) {
        return append_unsigned(t, size, bytes);
    }
    const text digits = {t.at + is_negative, t.size - is_negative};
    if (!parse_unsigned(digits, &value) || value > (is_negative ? limit : limit - 1)) {
        return false;
    }
    append_integer(bytes, is_negative ? 0 - value : value, size);
    return true;
}

/* Not a number as Windows' runtime writes it: "-nan(ind)" is the one that arithmetic gives. */
static bool parse_real(text t, double *value)
{
    static const struct {
        const char *word;
        uint64_t bits;
    } words[] = {{"nan", UINT64_C(0x7FF8000000000000)},
                 {"-nan(ind)", UINT64_C(0xFFF8000000000000)},
                 {"inf", UINT64_C(0x7FF0000000000000)},
                 {"-inf", UINT64_C(0xFFF0000000000000)}};
    char copy[NUMBER_SIZE];
    char *end;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (equals(t, words[i].word)) {
            memcpy(value, &words[i].bits, sizeof *value);
            return true;
        }
    }
    if (t.size == 0 || strchr("-0123456789.", t.at[0]) == NULL || !copy_to(t, copy, sizeof copy)) {
        return false;
    }
    *value = strtod(copy, &end);
    return end != copy && *end == '\0';
}

static bool append_real(text t, bool is_float, etw_buffer *bytes)
{
    double value;
    if (!parse_real(t, &value)) {
        return false;
    }
    if (is_float) {
        const float narrow = (float)value;
        etw_buffer_append(bytes, &narrow, sizeof narrow);
    } else {
        etw_buffer_append(bytes, &value, sizeof value);
    }
    return true;
}

static bool append_boolean(text t, uint32_t size, etw_buffer *bytes)
{
    if (!equals(t, "true") && !equals(t, "false")) {
        return append_unsigned(t, size, bytes);
    }
    append_integer(bytes, equals(t, "true") ? 1 : 0, size);
    return true;
}

/* "Unknown NTSTATUS Error code: 0x...", a message that error_text.c has, or a number. */
static bool append_code(text t, bool (*find)(const char *, size_t, uint32_t *), etw_buffer *bytes)
{
    static const char unknown[] = " Error code: ";
    uint32_t code;
    if (find(t.at, t.size, &code)) {
        append_integer(bytes, code, 4);
        return true;
    }
    for (size_t i = 0; has_prefix(t, "Unknown ") && i + sizeof unknown <= t.size; i++) {
        if (memcmp(t.at + i, unknown, sizeof unknown - 1) == 0) {
            const text number = {t.at + i + sizeof unknown - 1, t.size - i - sizeof unknown + 1};
            return append_unsigned(number, 4, bytes);
        }
    }
    return append_unsigned(t, 4, bytes) || append_signed(t, 4, bytes);
}

/* Times. */

/* What TDH gives for times that have no date: the halves, or the fields, with colons between. */
static bool append_parts(text t, uint32_t count, uint32_t size, etw_buffer *bytes)
{
    const size_t start = bytes->size;
    uint32_t parts = 0;
    while (parts < count) {
        const char *end = memchr(t.at, ':', t.size);
        const text one = {t.at, end == NULL ? t.size : (size_t)(end - t.at)};
        if (!append_unsigned(one, size, bytes)) {
            break;
        }
        parts++;
        if (end == NULL) {
            t.size = 0;
            break;
        }
        t = (text){end + 1, t.size - one.size - 1};
    }
    if (parts == count && t.size == 0) {
        return true;
    }
    bytes->size = start;
    return false;
}

/* As far as 64 bits go, which is the year 30828. */
static bool parse_far_time(const char *string, int64_t *time_100ns)
{
    unsigned year;
    unsigned month, day, hour, minute, second, fraction;
    int end = 0;
    if (sscanf(string, "%5u-%2u-%2uT%2u:%2u:%2u.%7u00Z%n", &year, &month, &day, &hour, &minute,
               &second, &fraction, &end) != 7 ||
        string[end] != '\0' || year > 30828 || month < 1 || month > 12 || day < 1 || day > 31) {
        return false;
    }
    const etw_date date = {.year = (int64_t)year, .month = month, .day = day};
    const int64_t seconds =
        etw_days_of_date(&date) * 86400 + (int64_t)hour * 3600 + minute * 60 + second;
    return !__builtin_mul_overflow(seconds, INT64_C(10000000), time_100ns) &&
           !__builtin_add_overflow(*time_100ns, (int64_t)fraction, time_100ns);
}

static bool append_filetime(text t, etw_buffer *bytes)
{
    char copy[64];
    int64_t time_100ns;
    uint64_t number;
    if (parse_unsigned(t, &number)) {
        append_integer(bytes, number, 8);
        return true;
    }
    if (append_parts(t, 2, 4, bytes)) {
        return true;
    }
    if (!copy_to(t, copy, sizeof copy) ||
        (!etw_time_parse(copy, &time_100ns) && !parse_far_time(copy, &time_100ns))) {
        return false;
    }
    append_integer(bytes, (uint64_t)time_100ns, 8);
    return true;
}

/* Zeller's congruence, for the Gregorian calendar: 0 is Sunday. */
static uint16_t day_of_week(unsigned year, unsigned month, unsigned day)
{
    static const unsigned char offsets[] = {0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4};
    const unsigned y = month < 3 && year > 0 ? year - 1 : year;
    return month >= 1 && month <= 12
               ? (uint16_t)((y + y / 4 - y / 100 + y / 400 + offsets[month - 1] + day) % 7)
               : 0;
}

static bool append_systemtime(text t, etw_buffer *bytes)
{
    char copy[64];
    unsigned f[7];
    int end = 0;
    if (append_parts(t, 8, 2, bytes)) {
        return true;
    }
    if (!copy_to(t, copy, sizeof copy) ||
        sscanf(copy, "%5u-%5u-%5uT%5u:%5u:%5u.%5uZ%n", &f[0], &f[1], &f[2], &f[3], &f[4], &f[5],
               &f[6], &end) != 7 ||
        (size_t)end != t.size) {
        return false;
    }
    etw_buffer_append_u16(bytes, (uint16_t)f[0]);
    etw_buffer_append_u16(bytes, (uint16_t)f[1]);
    etw_buffer_append_u16(bytes, day_of_week(f[0], f[1], f[2]));
    for (size_t i = 2; i < 7; i++) {
        etw_buffer_append_u16(bytes, (uint16_t)f[i]);
    }
    return true;
}

/* Bytes. */

static bool append_hex(text t, etw_buffer *bytes)
{
    const size_t start = has_prefix(t, "0x") ? 2 : 0;
    if ((t.size - start) % 2 != 0) {
        return false;
    }
    for (size_t i = start; i < t.size; i += 2) {
        const int high = etw_hex_digit(t.at[i]);
        const int low = etw_hex_digit(t.at[i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        etw_buffer_append_u8(bytes, (uint8_t)(high << 4 | low));
    }
    return true;
}

static bool append_guid(text t, etw_buffer *bytes)
{
    char copy[64];
    etw_guid guid;
    if (!copy_to(t, copy, sizeof copy) || !etw_guid_parse(copy, &guid)) {
        return false;
    }
    etw_buffer_append(bytes, &guid, sizeof guid);
    return true;
}

static bool append_address(text t, etw_show show, etw_buffer *bytes)
{
    uint8_t address[16];
    switch (show) {
    case ETW_SHOW_IPV4:
        if (!etw_ipv4_parse(t.at, t.size, address)) {
            return append_unsigned(t, 4, bytes);
        }
        etw_buffer_append(bytes, address, 4);
        return true;
    case ETW_SHOW_IPV6:
        if (!etw_ipv6_parse(t.at, t.size, address)) {
            return t.size == 0 || (has_prefix(t, "0x") && append_hex(t, bytes));
        }
        etw_buffer_append(bytes, address, 16);
        return true;
    case ETW_SHOW_SOCKET_ADDRESS:
        return t.size == 0 || etw_socket_address_parse(t.at, t.size, bytes) ||
               (has_prefix(t, "0x") && append_hex(t, bytes));
    default: /* a SID */
        return t.size == 0 || etw_sid_parse(t.at, t.size, bytes) ||
               (has_prefix(t, "0x") && append_hex(t, bytes));
    }
}

/* Strings. */

/* The reader keeps lone surrogates as three bytes. */
static void append_utf16(text t, etw_buffer *bytes)
{
    const uint8_t *from = (const uint8_t *)t.at;
    for (size_t i = 0; i < t.size;) {
        uint32_t code_point;
        uint16_t units[2];
        size_t length = etw_utf8_decode(from + i, t.size - i, &code_point);
        if (length == 0) {
            code_point = 0xD000u | ((from[i + 1] & 0x3Fu) << 6) | (from[i + 2] & 0x3Fu);
            length = 3;
        }
        const size_t count = etw_utf16_encode(code_point, units);
        etw_buffer_append(bytes, units, 2 * count);
        i += length;
    }
}

/* Chunks that hold their bytes as they are ([MS-XCA] 2.5). */
static void append_lznt1(text t, etw_buffer *bytes)
{
    etw_buffer wide = {0};
    append_utf16(t, &wide);
    for (size_t at = 0; at < wide.size; at += LZNT1_CHUNK) {
        const size_t size = wide.size - at < LZNT1_CHUNK ? wide.size - at : LZNT1_CHUNK;
        etw_buffer_append_u16(bytes, (uint16_t)(0x3000u | (size - 1)));
        etw_buffer_append(bytes, wide.data + at, size);
    }
    bytes->failed = bytes->failed || wide.failed;
    etw_buffer_free(&wide);
}

/* Maps. */

static size_t map_text_size(const etw_name *name)
{
    const uint32_t size = name->utf8_size;
    return size > 0 && name->utf8[size - 1] == ' ' ? size - 1 : size;
}

static bool starts_with_name(text t, const etw_name *name, size_t *size)
{
    const size_t whole = name->utf8_size;
    const size_t trimmed = map_text_size(name);
    const bool fits = t.size >= trimmed && memcmp(t.at, name->utf8, trimmed) == 0;
    *size = fits && t.size >= whole && memcmp(t.at, name->utf8, whole) == 0 ? whole : trimmed;
    return fits && (*size == t.size || t.at[*size] == ',');
}

/* Names in the map's order, joined by commas, and what has no name in hex. */
static bool find_bits(const etw_plan_map *map, text t, uint32_t *value)
{
    *value = 0;
    for (uint32_t i = 0; i < map->count && t.size > 0; i++) {
        size_t size;
        if (map->entries[i].text.utf8_size > 0 &&
            starts_with_name(t, &map->entries[i].text, &size)) {
            const size_t taken = size < t.size ? size + 1 : size;
            *value |= map->entries[i].value;
            t = (text){t.at + taken, t.size - taken};
        }
    }
    uint64_t rest;
    if (t.size > 0 && (!has_prefix(t, "0x") || !parse_unsigned(t, &rest) || rest > UINT32_MAX)) {
        return false;
    }
    *value |= t.size > 0 ? (uint32_t)rest : 0;
    return true;
}

static bool find_mapped(const etw_plan_map *map, text t, uint32_t *value)
{
    if (map->is_bit_map) {
        return find_bits(map, t, value);
    }
    for (uint32_t i = 0; i < map->count; i++) {
        const etw_name *name = &map->entries[i].text;
        if ((t.size == name->utf8_size || t.size == map_text_size(name)) &&
            memcmp(t.at, name->utf8, t.size) == 0) {
            *value = map->entries[i].value;
            return true;
        }
    }
    return false;
}

/* One element. */

static uint32_t size_of(const etw_property *property, uint32_t pointer_size)
{
    return property->take == ETW_TAKE_POINTER ? pointer_size : property->fixed_size;
}

/* As Windows-1252; what that has no byte for stays UTF-8. */
static void append_ansi(text t, etw_buffer *bytes)
{
    for (size_t at = 0; at < t.size;) {
        uint32_t code_point = 0;
        size_t length = etw_utf8_decode((const uint8_t *)t.at + at, t.size - at, &code_point);
        unsigned byte = length == 0 ? 256 : 0x80;
        while (byte < 256 && etw_windows_1252((uint8_t)byte) != code_point) {
            byte++;
        }
        length = length == 0 ? 1 : length;
        if (byte < 256) {
            etw_buffer_append_u8(bytes, (uint8_t)byte);
        } else {
            etw_buffer_append(bytes, t.at + at, length);
        }
        at += length;
    }
}

/* A character of 8 or 16 bits, NUL where there is none. */
static bool append_character(const etw_property *property, text t, etw_buffer *bytes)
{
    const size_t start = bytes->size;
    if (property->show == ETW_SHOW_UTF16) {
        append_utf16(t, bytes);
    } else if (t.size > property->fixed_size) {
        append_ansi(t, bytes);
    } else {
        etw_buffer_append(bytes, t.at, t.size);
    }
    while (!bytes->failed && bytes->size - start < property->fixed_size) {
        etw_buffer_append_u8(bytes, 0);
    }
    return bytes->size - start == property->fixed_size;
}

static bool append_text(const etw_property *property, text t, etw_buffer *bytes)
{
    if (property->take == ETW_TAKE_FIXED) {
        return append_character(property, t, bytes);
    }
    if (property->show == ETW_SHOW_UTF16) {
        append_utf16(t, bytes);
    } else if (property->show == ETW_SHOW_LZNT1) {
        append_lznt1(t, bytes);
    } else {
        etw_buffer_append(bytes, t.at, t.size);
    }
    return true;
}

static bool append_port(text t, etw_buffer *bytes)
{
    uint64_t port;
    if (!parse_unsigned(t, &port) || port > UINT16_MAX) {
        return false;
    }
    etw_buffer_append_u8(bytes, (uint8_t)(port >> 8));
    etw_buffer_append_u8(bytes, (uint8_t)port);
    return true;
}

static bool append_shown(const etw_property *property, uint32_t size, text t, etw_buffer *bytes,
                         const char **why)
{
    switch ((etw_show)property->show) {
    case ETW_SHOW_EMPTY:
        return true;
    case ETW_SHOW_I8:
    case ETW_SHOW_I16:
    case ETW_SHOW_I32:
    case ETW_SHOW_I64:
    case ETW_SHOW_SIGNED_DECIMAL:
        *why = "a number that fits the type is expected";
        return append_signed(t, size, bytes);
    case ETW_SHOW_U8:
    case ETW_SHOW_U16:
    case ETW_SHOW_U32:
    case ETW_SHOW_U64:
    case ETW_SHOW_HEX:
    case ETW_SHOW_DECIMAL:
        *why = "a number from 0 on that fits the type is expected";
        return append_unsigned(t, size, bytes);
    case ETW_SHOW_PORT:
        *why = "a port is expected, 0 to 65535";
        return append_port(t, bytes);
    case ETW_SHOW_BOOLEAN:
        *why = "true or false is expected";
        return append_boolean(t, size, bytes);
    case ETW_SHOW_FLOAT:
    case ETW_SHOW_DOUBLE:
        *why = "a number is expected";
        return append_real(t, property->show == ETW_SHOW_FLOAT, bytes);
    case ETW_SHOW_HRESULT:
        *why = "an error's number or its message is expected";
        return append_code(t, etw_hresult_of_text, bytes);
    case ETW_SHOW_WIN32_ERROR:
        *why = "an error's number or its message is expected";
        return append_code(t, etw_win32_error_of_text, bytes);
    case ETW_SHOW_NTSTATUS:
        *why = "an error's number or its message is expected";
        return append_code(t, etw_ntstatus_of_text, bytes);
    case ETW_SHOW_HEX_BINARY:
        *why = "bytes are expected: 0x and two digits each";
        return append_hex(t, bytes);
    case ETW_SHOW_IPV4:
    case ETW_SHOW_IPV6:
    case ETW_SHOW_SOCKET_ADDRESS:
        *why = "an address is expected";
        return append_address(t, (etw_show)property->show, bytes);
    case ETW_SHOW_SID:
        *why = "a SID is expected: S-1-5-18";
        return append_address(t, ETW_SHOW_SID, bytes);
    case ETW_SHOW_GUID:
        *why = "a GUID is expected";
        return append_guid(t, bytes);
    case ETW_SHOW_FILETIME:
        *why = "a time is expected: 2020-07-29T00:07:10.691Z";
        return append_filetime(t, bytes);
    case ETW_SHOW_SYSTEMTIME:
        *why = "a time is expected: 2020-07-29T00:07:10.691Z";
        return append_systemtime(t, bytes);
    case ETW_SHOW_UTF16:
    case ETW_SHOW_ANSI:
    case ETW_SHOW_UTF8:
    case ETW_SHOW_LZNT1:
        *why = "one character is expected";
        return append_text(property, t, bytes);
    }
    return false;
}

bool etw_value_append_bytes(const etw_property *property, uint32_t pointer_size,
                            const etw_json_value *value, etw_buffer *bytes, const char **why)
{
    uint32_t mapped;
    const text t = {value->text, value->text_size};
    const uint32_t size = size_of(property, pointer_size);
    if (value->kind == ETW_JSON_NULL || value->kind >= ETW_JSON_ARRAY) {
        *why = "a string or a number is expected";
        return false;
    }
    if (property->map != NULL && find_mapped(property->map, t, &mapped)) {
        append_integer(bytes, mapped, size);
        return true;
    }
    return append_shown(property, size, t, bytes, why);
}
