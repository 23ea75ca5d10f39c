/* A value as a C type. */
#include "format/event/render/plan_internal.h"

static bool ends_with_space(const etw_name *name)
{
    return name->utf8_size > 0 && name->utf8[name->utf8_size - 1] == ' ';
}

static void get_map_text(const etw_plan_map *map, uint32_t value, etw_typed_value *typed)
{
    const etw_plan_map_entry *found = map->is_bit_map ? NULL : etw_plan_map_find(map, value);
    uint32_t matches = found == NULL ? 0 : 1;
    for (uint32_t i = 0; map->is_bit_map && i < map->count; i++) {
        if (etw_plan_map_has_bits(&map->entries[i], value)) {
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
        typed->as.real = show == ETW_SHOW_FLOAT ? etw_value_float(bytes) : etw_value_double(bytes);
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
