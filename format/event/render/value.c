#include "format/base/lznt1.h"
#include "format/event/extended.h"
#include "format/event/render/address_text.h"
#include "format/event/render/error_text.h"
#include "format/event/render/number_text.h"
#include "format/event/render/plan_internal.h"

#include <stdio.h>
#include <stdlib.h>

/* Unsigned, of 1, 2, 4 or 8 bytes. */
uint64_t etw_value_unsigned(etw_bytes bytes)
{
    switch (bytes.size) {
    case 1:
        return bytes.data[0];
    case 2:
        return etw_load_u16(bytes.data);
    case 4:
        return etw_load_u32(bytes.data);
    default:
        return etw_load_u64(bytes.data);
    }
}

int64_t etw_value_signed(etw_bytes bytes)
{
    switch (bytes.size) {
    case 1:
        return (int8_t)bytes.data[0];
    case 2:
        return (int16_t)etw_load_u16(bytes.data);
    case 4:
        return (int32_t)etw_load_u32(bytes.data);
    default:
        return etw_load_i64(bytes.data);
    }
}

static void append_hex_binary(etw_text *text, etw_bytes bytes)
{
    if (bytes.size > 0) {
        etw_text_append(text, "0x", 2);
        etw_text_append_hex_bytes(text, bytes.data, bytes.size);
    }
}

/* What TDH refuses (15005) is shown as its bytes. */
static bool append_refused(etw_text *text, etw_bytes bytes)
{
    append_hex_binary(text, bytes);
    return false;
}

static void append_ascii(etw_text *text, const char *string, etw_escape escape)
{
    etw_text_append_utf8(text, (const uint8_t *)string, strlen(string), escape);
}

/* What is looked up where, and the word that unknown codes have. */
typedef struct error_kind {
    const char *name;
    etw_error_table table;
    const char *(*known)(uint32_t code);
} error_kind;

static const error_kind ntstatuses = {"NTSTATUS", ETW_ERRORS_OF_NTDLL, etw_ntstatus_text};
static const error_kind win32_errors = {"Win32", ETW_ERRORS_OF_SYSTEM, etw_win32_error_text};
static const error_kind hresults = {"HResult", ETW_ERRORS_OF_SYSTEM, etw_hresult_text};

/* Of Windows' own tables. An HRESULT whose text has an insert is unknown to TDH. */
static bool append_system_text(etw_text *text, const etw_property *property, const error_kind *kind,
                               uint32_t code, etw_escape escape)
{
    const etw_error_texts *texts = property->errors == NULL ? NULL : *property->errors;
    const bool is_hresult = kind == &hresults;
    const uint32_t wanted = is_hresult && code >> 16 == 0x8007u ? code & 0xFFFFu : code;
    etw_text found = {0};
    bool has = texts != NULL && texts->get(texts, kind->table, wanted, &found);
    has = has && !(is_hresult && strstr(etw_text_z(&found), "%1") != NULL);
    if (has) {
        etw_text_append_utf8(text, (const uint8_t *)found.data, found.size, escape);
    }
    text->failed = text->failed || found.failed;
    etw_text_free(&found);
    return has;
}

/* Known codes are their message alone (TEXT.md). */
static void append_error(etw_text *text, const etw_property *property, const error_kind *kind,
                         uint32_t code, etw_escape escape)
{
    if (append_system_text(text, property, kind, code, escape)) {
        return;
    }
    const char *known = kind->known(code);
    if (known != NULL) {
        append_ascii(text, known, escape);
        return;
    }
    etw_text_append_z(text, "Unknown ");
    etw_text_append_z(text, kind->name);
    etw_text_printf(text, " Error code: 0x%x", code);
}

/* Map strings: the exact form keeps the one space that the message compiler puts behind each. */
static void append_map_text(etw_text *text, const etw_name *name, bool trim, etw_escape escape)
{
    const bool json = escape == ETW_ESCAPE_JSON;
    const char *from = json ? name->json : name->utf8;
    size_t size = json ? name->json_size : name->utf8_size;
    if (trim && size > 0 && from[size - 1] == ' ') {
        size--;
    }
    if (json || escape == ETW_ESCAPE_NONE) {
        etw_text_append(text, from, size);
    } else {
        etw_text_append_utf8(text, (const uint8_t *)from, size, escape);
    }
}

static const etw_plan_map_entry *find_value(const etw_plan_map *map, uint32_t value)
{
    uint32_t low = 0;
    uint32_t high = map->count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (map->entries[middle].value < value) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    const bool found = low < map->count && map->entries[low].value == value;
    return found ? &map->entries[low] : NULL;
}

/* Whether a bit map's entry names some of the value. */
static bool has_bits(const etw_plan_map_entry *entry, uint32_t value)
{
    return entry->value == 0 ? value == 0 : (value & entry->value) == entry->value;
}

const etw_name *etw_plan_map_name(const etw_plan_map *map, uint32_t value)
{
    const etw_plan_map_entry *entry = find_value(map, value);
    return entry == NULL ? NULL : &entry->text;
}

/* All names whose bits are set, joined by commas; an entry of value 0 names 0 alone. Bits without a
 * name follow in hex, except in the exact form (trim false); without any name there is no match. */
static bool append_bit_map(etw_text *text, const etw_plan_map *map, uint32_t value, bool trim,
                           etw_escape escape)
{
    uint32_t unnamed = value;
    bool is_named = false;
    for (uint32_t i = 0; i < map->count; i++) {
        const etw_plan_map_entry *entry = &map->entries[i];
        if (!has_bits(entry, value)) {
            continue;
        }
        if (is_named) {
            etw_text_append_char(text, ',');
        }
        append_map_text(text, &entry->text, trim, escape);
        is_named = true;
        unnamed &= ~entry->value;
    }
    if (is_named && trim && unnamed != 0) {
        etw_text_append_char(text, ',');
        etw_text_append_hex(text, unnamed);
    }
    return is_named;
}

/* False, and nothing appended, where the map has no text for the value: it is then shown as a
 * number. */
static bool append_mapped(etw_text *text, const etw_plan_map *map, uint32_t value, bool trim,
                          etw_escape escape)
{
    if (map->is_bit_map) {
        return append_bit_map(text, map, value, trim, escape);
    }
    const etw_plan_map_entry *entry = find_value(map, value);
    if (entry == NULL) {
        return false;
    }
    append_map_text(text, &entry->text, trim, escape);
    return true;
}

static bool append_sid(etw_text *text, etw_bytes bytes)
{
    return bytes.size == 0 || etw_text_append_sid(text, bytes) || append_refused(text, bytes);
}

static bool append_ipv6(etw_text *text, etw_bytes bytes)
{
    if (bytes.size != 16) {
        return append_refused(text, bytes);
    }
    etw_text_append_ipv6(text, bytes.data);
    return true;
}

static void append_guid(etw_text *text, etw_bytes bytes)
{
    const etw_guid guid = etw_load_guid(bytes.data);
    etw_text_append_guid(text, &guid);
}

static double float_of(etw_bytes bytes)
{
    float value;
    memcpy(&value, bytes.data, sizeof value);
    return (double)value;
}

static double double_of(etw_bytes bytes)
{
    double value;
    memcpy(&value, bytes.data, sizeof value);
    return value;
}

static void append_boolean(etw_text *text, etw_bytes bytes)
{
    if (etw_value_unsigned(bytes) != 0) {
        etw_text_append(text, "true", 4);
    } else {
        etw_text_append(text, "false", 5);
    }
}

/* Strings come without their NUL; an integer shown as a character may be one. Those inside a
 * counted string are characters, except in the exact form: who gets a C string from TDH sees no
 * more. */
static void append_wide(etw_text *text, etw_bytes bytes, bool exact, etw_escape escape)
{
    const bool to_nul = exact || bytes.size == 2;
    etw_text_append_utf16(text, bytes.data,
                          to_nul ? etw_utf16_length_bytes(bytes.data, bytes.size) : bytes.size,
                          escape);
}

static void append_narrow(etw_text *text, etw_bytes bytes, bool utf8, bool exact, etw_escape escape)
{
    if (exact || bytes.size == 1) {
        bytes.size = etw_narrow_length_bytes(bytes.data, bytes.size);
    }
    if (utf8) {
        etw_text_append_utf8(text, bytes.data, bytes.size, escape);
    } else {
        etw_text_append_ansi(text, bytes.data, bytes.size, escape);
    }
}

static bool append_unpacked(etw_text *text, etw_bytes bytes, etw_escape escape)
{
    etw_text units = {0};
    const bool unpacked = etw_lznt1_decompress(bytes, &units);
    if (unpacked) {
        const uint8_t *data = (const uint8_t *)units.data;
        const size_t size = etw_utf16_length_bytes(data, units.size);
        etw_text_append_utf16(text, data, size, escape);
    }
    text->failed = text->failed || units.failed;
    etw_text_free(&units);
    return unpacked || append_refused(text, bytes);
}

static bool append_shown(etw_text *text, const etw_property *property, etw_bytes bytes, bool exact,
                         etw_escape escape)
{
    switch ((etw_show)property->show) {
    case ETW_SHOW_I8:
    case ETW_SHOW_I16:
    case ETW_SHOW_I32:
    case ETW_SHOW_I64:
    case ETW_SHOW_SIGNED_DECIMAL:
        etw_text_append_i64(text, etw_value_signed(bytes));
        return true;
    case ETW_SHOW_U8:
    case ETW_SHOW_U16:
    case ETW_SHOW_U32:
    case ETW_SHOW_U64:
    case ETW_SHOW_DECIMAL:
        etw_text_append_u64(text, etw_value_unsigned(bytes));
        return true;
    case ETW_SHOW_HEX:
        etw_text_append_hex(text, etw_value_unsigned(bytes));
        return true;
    case ETW_SHOW_PORT:
        etw_text_append_u64(text, (uint64_t)bytes.data[0] << 8 | bytes.data[1]);
        return true;
    case ETW_SHOW_IPV4:
        etw_text_append_ipv4(text, bytes.data);
        return true;
    case ETW_SHOW_BOOLEAN:
        append_boolean(text, bytes);
        return true;
    case ETW_SHOW_FLOAT:
        etw_text_append_fixed6(text, float_of(bytes));
        return true;
    case ETW_SHOW_DOUBLE:
        etw_text_append_fixed6(text, double_of(bytes));
        return true;
    case ETW_SHOW_HRESULT:
        append_error(text, property, &hresults, etw_load_u32(bytes.data), escape);
        return true;
    case ETW_SHOW_WIN32_ERROR:
        append_error(text, property, &win32_errors, etw_load_u32(bytes.data), escape);
        return true;
    case ETW_SHOW_NTSTATUS:
        append_error(text, property, &ntstatuses, etw_load_u32(bytes.data), escape);
        return true;
    case ETW_SHOW_HEX_BINARY:
        append_hex_binary(text, bytes);
        return true;
    case ETW_SHOW_IPV6:
        return append_ipv6(text, bytes);
    case ETW_SHOW_SOCKET_ADDRESS:
        if (!etw_text_append_socket_address(text, bytes)) {
            append_hex_binary(text, bytes);
        }
        return true;
    case ETW_SHOW_GUID:
        append_guid(text, bytes);
        return true;
    case ETW_SHOW_FILETIME:
        etw_text_append_filetime(text, etw_load_u64(bytes.data), exact && property->is_marked);
        return true;
    case ETW_SHOW_SYSTEMTIME:
        etw_text_append_systemtime(text, bytes.data, exact && property->is_marked);
        return true;
    case ETW_SHOW_SID:
        return append_sid(text, bytes);
    case ETW_SHOW_UTF16:
        append_wide(text, bytes, exact, escape);
        return true;
    case ETW_SHOW_ANSI:
        append_narrow(text, bytes, false, exact, escape);
        return true;
    case ETW_SHOW_UTF8:
        append_narrow(text, bytes, true, exact, escape);
        return true;
    case ETW_SHOW_LZNT1:
        return append_unpacked(text, bytes, escape);
    case ETW_SHOW_EMPTY:
        break;
    }
    return true;
}

bool etw_value_append_text(const etw_value *value, uint32_t form, etw_escape escape, etw_text *text)
{
    const etw_property *property = value->property;
    const bool exact = (form & ETW_TEXT_EXACT) != 0;
    if (property->no_print && exact) {
        return true;
    }
    if (property->map != NULL &&
        append_mapped(text, property->map, (uint32_t)etw_value_unsigned(value->bytes), !exact,
                      escape)) {
        return true;
    }
    return append_shown(text, property, value->bytes, exact, escape);
}

static bool is_finite(double value)
{
    return value - value == 0;
}

/* A number as printf gives it, but with a point whatever the program's locale has there. */
static void append_number(etw_text *text, const char *number)
{
    const size_t before = strspn(number, "-0123456789");
    const size_t point = strcspn(number + before, "0123456789e");
    etw_text_append(text, number, before);
    if (point != 0) {
        etw_text_append_char(text, '.');
    }
    etw_text_append_z(text, number + before + point);
}

/* The shortest of 15 to 17 digits that reads back as the same number. */
static void append_json_double(etw_text *text, double value)
{
    if (!is_finite(value)) {
        etw_text_append_char(text, '"');
        etw_text_append_fixed6(text, value);
        etw_text_append_char(text, '"');
        return;
    }
    char out[32];
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(out, sizeof out, "%.*g", digits, value);
        if (strtod(out, NULL) == value) {
            break;
        }
    }
    append_number(text, out);
}

static void append_json_float(etw_text *text, float value)
{
    if (!is_finite((double)value)) {
        append_json_double(text, (double)value);
        return;
    }
    char out[32];
    for (int digits = 6; digits <= 9; digits++) {
        (void)snprintf(out, sizeof out, "%.*g", digits, (double)value);
        if (strtof(out, NULL) == value) {
            break;
        }
    }
    append_number(text, out);
}

/* Whether the text of such a value is a JSON number or literal as it stands. */
static bool is_json_literal(etw_show show)
{
    return (show >= ETW_SHOW_I8 && show <= ETW_SHOW_U64) || show == ETW_SHOW_DECIMAL ||
           show == ETW_SHOW_SIGNED_DECIMAL || show == ETW_SHOW_PORT || show == ETW_SHOW_BOOLEAN;
}

static bool append_json_bare(etw_text *text, const etw_value *value, uint32_t form)
{
    const etw_show show = (etw_show)value->property->show;
    if (show == ETW_SHOW_FLOAT) {
        append_json_float(text, (float)float_of(value->bytes));
    } else if (show == ETW_SHOW_DOUBLE) {
        append_json_double(text, double_of(value->bytes));
    } else if (show == ETW_SHOW_HEX && (form & ETW_JSON_HEX_NUMBERS) != 0) {
        etw_text_append_u64(text, etw_value_unsigned(value->bytes));
    } else if (is_json_literal(show)) {
        (void)append_shown(text, value->property, value->bytes, false, ETW_ESCAPE_JSON);
    } else {
        return false;
    }
    return true;
}

/* A mapped value is its name; one that its map does not know stays a number. */
static bool append_json_mapped(etw_text *text, const etw_value *value, bool exact)
{
    const size_t start = text->size;
    etw_text_append_char(text, '"');
    if (append_mapped(text, value->property->map, (uint32_t)etw_value_unsigned(value->bytes),
                      !exact, ETW_ESCAPE_JSON)) {
        etw_text_append_char(text, '"');
        return true;
    }
    text->size = start;
    return false;
}

void etw_value_append_json(const etw_value *value, uint32_t form, etw_text *text)
{
    const etw_property *property = value->property;
    const bool exact = (form & ETW_TEXT_EXACT) != 0;
    const bool shown = !(property->no_print && exact);
    if (shown && property->map != NULL && append_json_mapped(text, value, exact)) {
        return;
    }
    if (shown && append_json_bare(text, value, form)) {
        return;
    }
    etw_text_append_char(text, '"');
    if (shown) {
        (void)append_shown(text, property, value->bytes, exact, ETW_ESCAPE_JSON);
    }
    etw_text_append_char(text, '"');
}

static bool ends_with_space(const etw_name *name)
{
    return name->utf8_size > 0 && name->utf8[name->utf8_size - 1] == ' ';
}

static void get_map_text(const etw_plan_map *map, uint32_t value, etw_typed_value *typed)
{
    const etw_plan_map_entry *found = map->is_bit_map ? NULL : find_value(map, value);
    uint32_t matches = found == NULL ? 0 : 1;
    for (uint32_t i = 0; map->is_bit_map && i < map->count; i++) {
        if (has_bits(&map->entries[i], value)) {
            found = &map->entries[i];
            matches++;
        }
    }
    typed->is_mapped = matches > 0;
    if (matches == 1) {
        typed->map_text = found->text.utf8;
        typed->map_text_size = found->text.utf8_size - (ends_with_space(&found->text) ? 1 : 0);
    }
}

static bool is_sid(etw_bytes bytes)
{
    return bytes.size >= 8 && bytes.size >= 8 + 4 * (size_t)bytes.data[1];
}

/* Strings come without their NUL; an integer shown as a character may be one. */
static void drop_nul(etw_bytes *bytes, size_t unit_size)
{
    static const uint8_t nul[2];
    if (bytes->size == unit_size && memcmp(bytes->data, nul, unit_size) == 0) {
        bytes->size = 0;
    }
}

static etw_value_kind kind_of_bytes(etw_show show, etw_bytes *bytes)
{
    switch (show) {
    case ETW_SHOW_EMPTY:
        return ETW_VALUE_NONE;
    case ETW_SHOW_SYSTEMTIME:
        return ETW_VALUE_SYSTEMTIME;
    case ETW_SHOW_SID:
        return bytes->size == 0 ? ETW_VALUE_NONE
               : is_sid(*bytes) ? ETW_VALUE_SID
                                : ETW_VALUE_BINARY;
    case ETW_SHOW_IPV4:
        return ETW_VALUE_IPV4;
    case ETW_SHOW_IPV6:
        return bytes->size == 16 ? ETW_VALUE_IPV6 : ETW_VALUE_BINARY;
    case ETW_SHOW_SOCKET_ADDRESS:
        return ETW_VALUE_SOCKET_ADDRESS;
    case ETW_SHOW_UTF16:
        drop_nul(bytes, 2);
        return ETW_VALUE_UTF16;
    case ETW_SHOW_ANSI:
        drop_nul(bytes, 1);
        return ETW_VALUE_ANSI;
    case ETW_SHOW_UTF8:
        drop_nul(bytes, 1);
        return ETW_VALUE_UTF8;
    default:
        return ETW_VALUE_BINARY;
    }
}

static void get_uint64(etw_typed_value *typed, uint64_t value, bool hex)
{
    typed->kind = ETW_VALUE_UINT64;
    typed->as.uint64 = value;
    typed->shown_as_hex = hex;
}

static void get_shown(etw_show show, etw_typed_value *typed)
{
    const etw_bytes bytes = typed->bytes;
    switch (show) {
    case ETW_SHOW_I8:
    case ETW_SHOW_I16:
    case ETW_SHOW_I32:
    case ETW_SHOW_I64:
    case ETW_SHOW_SIGNED_DECIMAL:
        typed->kind = ETW_VALUE_INT64;
        typed->as.int64 = etw_value_signed(bytes);
        return;
    case ETW_SHOW_U8:
    case ETW_SHOW_U16:
    case ETW_SHOW_U32:
    case ETW_SHOW_U64:
    case ETW_SHOW_DECIMAL:
        get_uint64(typed, etw_value_unsigned(bytes), false);
        return;
    case ETW_SHOW_HEX:
    case ETW_SHOW_HRESULT:
    case ETW_SHOW_WIN32_ERROR:
    case ETW_SHOW_NTSTATUS:
        get_uint64(typed, etw_value_unsigned(bytes), true);
        return;
    case ETW_SHOW_PORT:
        get_uint64(typed, (uint64_t)bytes.data[0] << 8 | bytes.data[1], false);
        return;
    case ETW_SHOW_BOOLEAN:
        typed->kind = ETW_VALUE_BOOL;
        typed->as.boolean = etw_value_unsigned(bytes) != 0;
        return;
    case ETW_SHOW_FLOAT:
    case ETW_SHOW_DOUBLE:
        typed->kind = ETW_VALUE_DOUBLE;
        typed->as.real = show == ETW_SHOW_FLOAT ? float_of(bytes) : double_of(bytes);
        return;
    case ETW_SHOW_GUID:
        typed->kind = ETW_VALUE_GUID;
        typed->as.guid = etw_load_guid(bytes.data);
        return;
    case ETW_SHOW_FILETIME:
        typed->kind = ETW_VALUE_FILETIME;
        typed->as.time_100ns = etw_load_i64(bytes.data);
        return;
    default:
        typed->kind = kind_of_bytes(show, &typed->bytes);
    }
}

etw_value_kind etw_property_value_kind(const etw_property *property)
{
    static const uint8_t sample[16] = {1}; /* as large as any, and no NUL */
    etw_typed_value typed = {.bytes = {sample, 8}};
    const etw_show show = (etw_show)property->show;
    if (show == ETW_SHOW_SID) {
        return ETW_VALUE_SID;
    }
    if (show == ETW_SHOW_IPV6) {
        return ETW_VALUE_IPV6;
    }
    get_shown(show, &typed);
    return typed.kind;
}

void etw_value_get(const etw_value *value, etw_typed_value *typed)
{
    const etw_property *property = value->property;
    memset(typed, 0, sizeof *typed);
    typed->value = *value;
    typed->bytes = value->bytes;
    get_shown((etw_show)property->show, typed);
    if (property->map != NULL) {
        get_map_text(property->map, (uint32_t)etw_value_unsigned(value->bytes), typed);
    }
}
