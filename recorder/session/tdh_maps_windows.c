#include "recorder/session/tdh_maps_windows.h"

#include "format/event/tei.h"

#include <stdlib.h>

#include <windows.h>

#include <evntcons.h>
#include <tdh.h>

/* TDH takes the record as not const, but only reads it. */
static EVENT_RECORD *as_event(const etw_event_record *record)
{
    return (EVENT_RECORD *)(uintptr_t)record;
}

static bool has_map(const etw_bytes *maps, uint32_t count, const uint8_t *name, size_t name_bytes)
{
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t offset = etw_load_u32(maps[i].data);
        if (offset < maps[i].size && maps[i].size - offset >= name_bytes &&
            memcmp(maps[i].data + offset, name, name_bytes) == 0) {
            return true;
        }
    }
    return false;
}

/* One map as TDH gives it; data NULL where TDH knows none of that name. */
static etw_bytes get_map(const etw_event_record *record, const wchar_t *name)
{
    etw_bytes map = {NULL, 0};
    ULONG size = 0;
    if (TdhGetEventMapInformation(as_event(record), (PWSTR)(uintptr_t)name, NULL, &size) !=
            ERROR_INSUFFICIENT_BUFFER ||
        size > ETW_MAX_MAP_SIZE) {
        return map;
    }
    uint8_t *bytes = malloc(size);
    if (bytes != NULL &&
        TdhGetEventMapInformation(as_event(record), (PWSTR)(uintptr_t)name,
                                  (EVENT_MAP_INFO *)(void *)bytes, &size) == ERROR_SUCCESS) {
        map = (etw_bytes){bytes, size};
    } else {
        free(bytes);
    }
    return map;
}

/* Each map once, though several properties may name it. */
uint32_t etw_tdh_maps_get(const etw_event_record *record, etw_bytes tei, etw_bytes *maps)
{
    const TRACE_EVENT_INFO *info = (const TRACE_EVENT_INFO *)(const void *)tei.data;
    uint32_t count = 0;
    for (ULONG i = 0; i < info->PropertyCount && count < ETW_MAX_MAPS_PER_SCHEMA; i++) {
        const EVENT_PROPERTY_INFO *property = &info->EventPropertyInfoArray[i];
        if ((property->Flags & PropertyStruct) != 0) {
            continue;
        }
        const ULONG offset = property->nonStructType.MapNameOffset;
        if (offset == 0 || offset >= tei.size) {
            continue;
        }
        const uint8_t *name = tei.data + offset;
        const size_t name_bytes = etw_utf16_length_bytes(name, tei.size - offset) + 2;
        if (offset + name_bytes > tei.size || has_map(maps, count, name, name_bytes)) {
            continue;
        }
        maps[count] = get_map(record, (const wchar_t *)(const void *)name);
        count += maps[count].data != NULL;
    }
    return count;
}

void etw_tdh_maps_free(etw_bytes *maps, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        free((void *)(uintptr_t)maps[i].data);
    }
}
