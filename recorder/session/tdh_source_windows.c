#include "recorder/session/tdh_source.h"

#include "format/event/tei.h"

#include <stdlib.h>

#include <windows.h>

#include <evntcons.h>
#include <tdh.h>

/* A schema is small; TDH says how much it needs when this is too little. */
#define FIRST_SIZE ((ULONG)16 << 10)

typedef struct tdh_source {
    etw_schema_source base;
    uint8_t *tei; /* of the last answer, kept for its memory */
    ULONG tei_capacity;
} tdh_source;

static bool reserve(uint8_t **bytes, ULONG *capacity, ULONG size)
{
    if (size <= *capacity) {
        return true;
    }
    uint8_t *grown = realloc(*bytes, size);
    if (grown == NULL) {
        return false;
    }
    *bytes = grown;
    *capacity = size;
    return true;
}

/* TDH takes the record as not const, but only reads it. */
static EVENT_RECORD *as_event(const etw_event_record *record)
{
    return (EVENT_RECORD *)(uintptr_t)record;
}

static ULONG get_information(tdh_source *source, const etw_event_record *record, ULONG *size)
{
    *size = source->tei_capacity;
    ULONG code = TdhGetEventInformation(as_event(record), 0, NULL,
                                        (TRACE_EVENT_INFO *)(void *)source->tei, size);
    if (code == ERROR_INSUFFICIENT_BUFFER && *size <= ETW_MAX_TEI_SIZE &&
        reserve(&source->tei, &source->tei_capacity, *size)) {
        code = TdhGetEventInformation(as_event(record), 0, NULL,
                                      (TRACE_EVENT_INFO *)(void *)source->tei, size);
    }
    return code;
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
static uint32_t get_maps(const etw_event_record *record, etw_bytes tei, etw_bytes *maps)
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

static etw_status find(etw_schema_source *self, etw_schema_store *store,
                       const etw_event_record *record, uint32_t pointer_size,
                       const etw_schema **schema, etw_error *error)
{
    (void)pointer_size;
    tdh_source *source = (tdh_source *)self;
    *schema = NULL;
    ULONG size = 0;
    const ULONG code = get_information(source, record, &size);
    if (code == ERROR_NOT_FOUND || code == ERROR_CALL_NOT_IMPLEMENTED) {
        return ETW_OK;
    }
    if (code != ERROR_SUCCESS) {
        return etw_error_set(error, ETW_ERROR_NOT_FOUND, "TdhGetEventInformation: error %lu", code);
    }
    const etw_bytes tei = {source->tei, size};
    etw_bytes maps[ETW_MAX_MAPS_PER_SCHEMA];
    const uint32_t map_count = get_maps(record, tei, maps);
    const etw_schema found = {
        .origin = ETW_SCHEMA_TDH, .tei = tei, .map_count = map_count, .maps = maps};
    const etw_status status = etw_schema_store_intern(store, &found, schema, error);
    for (uint32_t i = 0; i < map_count; i++) {
        free((void *)(uintptr_t)maps[i].data);
    }
    return status;
}

static void release(etw_schema_source *self)
{
    tdh_source *source = (tdh_source *)self;
    free(source->tei);
    free(source);
}

etw_schema_source *etw_tdh_source_new(void)
{
    tdh_source *source = calloc(1, sizeof *source);
    if (source == NULL || !reserve(&source->tei, &source->tei_capacity, FIRST_SIZE)) {
        free(source);
        return NULL;
    }
    source->base = (etw_schema_source){.name = "TDH", .find = find, .free = release};
    return &source->base;
}
