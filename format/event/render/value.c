#include "format/base/lznt1.h"
#include "format/event/extended.h"
#include "format/event/render/address_text.h"
#include "format/event/render/error_text.h"
#include "format/event/render/number_text.h"
#include "format/event/render/plan_internal.h"

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

double etw_value_float(etw_bytes bytes)
{
    float value;
    memcpy(&value, bytes.data, sizeof value);
    return (double)value;
}

double etw_value_double(etw_bytes bytes)
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

bool etw_value_append_shown(etw_text *text, const etw_property *property, etw_bytes bytes,
                            bool exact, etw_escape escape)
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
        etw_text_append_fixed6(text, etw_value_float(bytes));
        return true;
    case ETW_SHOW_DOUBLE:
        etw_text_append_fixed6(text, etw_value_double(bytes));
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
        etw_value_append_mapped(text, property->map, (uint32_t)etw_value_unsigned(value->bytes),
                                !exact, escape)) {
        return true;
    }
    return etw_value_append_shown(text, property, value->bytes, exact, escape);
}
