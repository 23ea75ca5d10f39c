#include "format/event/tei.h"

#include "format/event/schema.h"

#include <inttypes.h>

_Static_assert(sizeof(etw_trace_event_info) == 112, "TRACE_EVENT_INFO without its array");
_Static_assert(sizeof(etw_event_property_info) == 24, "EVENT_PROPERTY_INFO");
_Static_assert(sizeof(etw_event_map_entry) == 8, "EVENT_MAP_ENTRY");
_Static_assert(sizeof(etw_event_map_info) == 16, "EVENT_MAP_INFO without its array");

typedef struct type_name {
    uint16_t type;
    uint16_t size;
    const char *name;
} type_name;

static const type_name in_types[] = {
    {ETW_IN_NULL, 0, "NULL"},
    {ETW_IN_UNICODESTRING, 0, "UNICODESTRING"},
    {ETW_IN_ANSISTRING, 0, "ANSISTRING"},
    {ETW_IN_INT8, 1, "INT8"},
    {ETW_IN_UINT8, 1, "UINT8"},
    {ETW_IN_INT16, 2, "INT16"},
    {ETW_IN_UINT16, 2, "UINT16"},
    {ETW_IN_INT32, 4, "INT32"},
    {ETW_IN_UINT32, 4, "UINT32"},
    {ETW_IN_INT64, 8, "INT64"},
    {ETW_IN_UINT64, 8, "UINT64"},
    {ETW_IN_FLOAT, 4, "FLOAT"},
    {ETW_IN_DOUBLE, 8, "DOUBLE"},
    {ETW_IN_BOOLEAN, 4, "BOOLEAN"},
    {ETW_IN_BINARY, 0, "BINARY"},
    {ETW_IN_GUID, 16, "GUID"},
    {ETW_IN_POINTER, 0, "POINTER"},
    {ETW_IN_FILETIME, 8, "FILETIME"},
    {ETW_IN_SYSTEMTIME, 16, "SYSTEMTIME"},
    {ETW_IN_SID, 0, "SID"},
    {ETW_IN_HEXINT32, 4, "HEXINT32"},
    {ETW_IN_HEXINT64, 8, "HEXINT64"},
    {ETW_IN_MANIFEST_COUNTEDSTRING, 0, "MANIFEST_COUNTEDSTRING"},
    {ETW_IN_MANIFEST_COUNTEDANSISTRING, 0, "MANIFEST_COUNTEDANSISTRING"},
    {ETW_IN_MANIFEST_COUNTEDBINARY, 0, "MANIFEST_COUNTEDBINARY"},
    {ETW_IN_COUNTEDSTRING, 0, "COUNTEDSTRING"},
    {ETW_IN_COUNTEDANSISTRING, 0, "COUNTEDANSISTRING"},
    {ETW_IN_REVERSEDCOUNTEDSTRING, 0, "REVERSEDCOUNTEDSTRING"},
    {ETW_IN_REVERSEDCOUNTEDANSISTRING, 0, "REVERSEDCOUNTEDANSISTRING"},
    {ETW_IN_NONNULLTERMINATEDSTRING, 0, "NONNULLTERMINATEDSTRING"},
    {ETW_IN_NONNULLTERMINATEDANSISTRING, 0, "NONNULLTERMINATEDANSISTRING"},
    {ETW_IN_UNICODECHAR, 2, "UNICODECHAR"},
    {ETW_IN_ANSICHAR, 1, "ANSICHAR"},
    {ETW_IN_SIZET, 0, "SIZET"},
    {ETW_IN_HEXDUMP, 0, "HEXDUMP"},
    {ETW_IN_WBEMSID, 0, "WBEMSID"},
};

static const type_name out_types[] = {
    {ETW_OUT_NULL, 0, "NULL"},
    {ETW_OUT_STRING, 0, "STRING"},
    {ETW_OUT_DATETIME, 0, "DATETIME"},
    {ETW_OUT_BYTE, 0, "BYTE"},
    {ETW_OUT_UNSIGNEDBYTE, 0, "UNSIGNEDBYTE"},
    {ETW_OUT_SHORT, 0, "SHORT"},
    {ETW_OUT_UNSIGNEDSHORT, 0, "UNSIGNEDSHORT"},
    {ETW_OUT_INT, 0, "INT"},
    {ETW_OUT_UNSIGNEDINT, 0, "UNSIGNEDINT"},
    {ETW_OUT_LONG, 0, "LONG"},
    {ETW_OUT_UNSIGNEDLONG, 0, "UNSIGNEDLONG"},
    {ETW_OUT_FLOAT, 0, "FLOAT"},
    {ETW_OUT_DOUBLE, 0, "DOUBLE"},
    {ETW_OUT_BOOLEAN, 0, "BOOLEAN"},
    {ETW_OUT_GUID, 0, "GUID"},
    {ETW_OUT_HEXBINARY, 0, "HEXBINARY"},
    {ETW_OUT_HEXINT8, 0, "HEXINT8"},
    {ETW_OUT_HEXINT16, 0, "HEXINT16"},
    {ETW_OUT_HEXINT32, 0, "HEXINT32"},
    {ETW_OUT_HEXINT64, 0, "HEXINT64"},
    {ETW_OUT_PID, 0, "PID"},
    {ETW_OUT_TID, 0, "TID"},
    {ETW_OUT_PORT, 0, "PORT"},
    {ETW_OUT_IPV4, 0, "IPV4"},
    {ETW_OUT_IPV6, 0, "IPV6"},
    {ETW_OUT_SOCKETADDRESS, 0, "SOCKETADDRESS"},
    {ETW_OUT_CIMDATETIME, 0, "CIMDATETIME"},
    {ETW_OUT_ETWTIME, 0, "ETWTIME"},
    {ETW_OUT_XML, 0, "XML"},
    {ETW_OUT_ERRORCODE, 0, "ERRORCODE"},
    {ETW_OUT_WIN32ERROR, 0, "WIN32ERROR"},
    {ETW_OUT_NTSTATUS, 0, "NTSTATUS"},
    {ETW_OUT_HRESULT, 0, "HRESULT"},
    {ETW_OUT_CULTURE_INSENSITIVE_DATETIME, 0, "CULTURE_INSENSITIVE_DATETIME"},
    {ETW_OUT_JSON, 0, "JSON"},
    {ETW_OUT_UTF8, 0, "UTF8"},
    {ETW_OUT_PKCS7_WITH_TYPE_INFO, 0, "PKCS7_WITH_TYPE_INFO"},
    {ETW_OUT_CODE_POINTER, 0, "CODE_POINTER"},
    {ETW_OUT_DATETIME_UTC, 0, "DATETIME_UTC"},
    {ETW_OUT_REDUCEDSTRING, 0, "REDUCEDSTRING"},
    {ETW_OUT_NOPRINT, 0, "NOPRINT"},
};

static const type_name *find_type(const type_name *types, size_t count, uint16_t type)
{
    for (size_t i = 0; i < count; i++) {
        if (types[i].type == type) {
            return &types[i];
        }
    }
    return NULL;
}

uint32_t etw_in_type_size(uint16_t in_type)
{
    const type_name *found = find_type(in_types, sizeof in_types / sizeof in_types[0], in_type);
    return found == NULL ? 0 : found->size;
}

const char *etw_in_type_name(uint16_t in_type)
{
    const type_name *found = find_type(in_types, sizeof in_types / sizeof in_types[0], in_type);
    return found == NULL ? NULL : found->name;
}

const char *etw_out_type_name(uint16_t out_type)
{
    const type_name *found = find_type(out_types, sizeof out_types / sizeof out_types[0], out_type);
    return found == NULL ? NULL : found->name;
}

static bool string_at(etw_bytes bytes, uint32_t offset, etw_bytes *units)
{
    *units = (etw_bytes){NULL, 0};
    if (offset == 0) {
        return true;
    }
    for (size_t end = offset; end < bytes.size && bytes.size - end >= 2; end += 2) {
        if (etw_load_u16(bytes.data + end) == 0) {
            *units = (etw_bytes){bytes.data + offset, end - offset};
            return true;
        }
    }
    return false;
}

etw_status etw_tei_open(etw_bytes bytes, etw_tei *tei, etw_error *error)
{
    if (bytes.size < sizeof tei->info || bytes.size > ETW_MAX_TEI_SIZE) {
        return etw_error_set(error, ETW_ERROR_DAMAGED, "TRACE_EVENT_INFO of %zu bytes", bytes.size);
    }
    tei->bytes = bytes;
    memcpy(&tei->info, bytes.data, sizeof tei->info);
    const uint32_t count = tei->info.PropertyCount;
    const uint32_t top = tei->info.TopLevelPropertyCount;
    const size_t room = (bytes.size - sizeof tei->info) / sizeof(etw_event_property_info);
    if (count > ETW_MAX_PROPERTIES || count > room || top > count) {
        return etw_error_set(error, ETW_ERROR_DAMAGED,
                             "TRACE_EVENT_INFO of %zu bytes says %" PRIu32 " properties, %" PRIu32
                             " of them at the top level",
                             bytes.size, count, top);
    }
    return ETW_OK;
}

etw_event_property_info etw_tei_property(const etw_tei *tei, uint32_t index)
{
    etw_event_property_info property;
    memcpy(&property, tei->bytes.data + sizeof tei->info + (size_t)index * sizeof property,
           sizeof property);
    return property;
}

bool etw_tei_string(const etw_tei *tei, uint32_t offset, etw_bytes *units)
{
    return string_at(tei->bytes, offset, units);
}

etw_status etw_map_open(etw_bytes bytes, etw_map *map, etw_error *error)
{
    if (bytes.size < sizeof map->info || bytes.size > ETW_MAX_MAP_SIZE) {
        return etw_error_set(error, ETW_ERROR_DAMAGED, "EVENT_MAP_INFO of %zu bytes", bytes.size);
    }
    map->bytes = bytes;
    memcpy(&map->info, bytes.data, sizeof map->info);
    if (map->info.EntryCount > (bytes.size - sizeof map->info) / sizeof(etw_event_map_entry)) {
        return etw_error_set(error, ETW_ERROR_DAMAGED,
                             "EVENT_MAP_INFO of %zu bytes says %" PRIu32 " entries", bytes.size,
                             map->info.EntryCount);
    }
    return ETW_OK;
}

etw_event_map_entry etw_map_entry(const etw_map *map, uint32_t index)
{
    etw_event_map_entry entry;
    memcpy(&entry, map->bytes.data + sizeof map->info + (size_t)index * sizeof entry, sizeof entry);
    return entry;
}

bool etw_map_string(const etw_map *map, uint32_t offset, etw_bytes *units)
{
    return string_at(map->bytes, offset, units);
}
