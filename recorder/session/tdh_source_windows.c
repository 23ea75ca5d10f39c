#include "recorder/session/tdh_source.h"

#include "recorder/session/tdh_maps_windows.h"

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
    const uint32_t map_count = etw_tdh_maps_get(record, tei, maps);
    const etw_schema found = {
        .origin = ETW_SCHEMA_TDH, .tei = tei, .map_count = map_count, .maps = maps};
    const etw_status status = etw_schema_store_intern(store, &found, schema, error);
    etw_tdh_maps_free(maps, map_count);
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
