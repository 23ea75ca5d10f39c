#include "recorder/session/oracle_source.h"

#include "format/event/oracle.h"
#include "format/event/tei.h"

#include <stdio.h>
#include <stdlib.h>

#include <windows.h>

#include <evntcons.h>
#include <tdh.h>

/* Declared by the Windows SDK's tdh.h; mingw-w64 10 has it in its import library only. */
ULONG WINAPI TdhFormatProperty(TRACE_EVENT_INFO *information, EVENT_MAP_INFO *map,
                               ULONG pointer_size, USHORT in_type, USHORT out_type, USHORT length,
                               USHORT data_size, BYTE *data, ULONG *size, WCHAR *buffer,
                               USHORT *consumed);

/* ERROR_EVT_INVALID_EVENT_DATA: the value is not in its map, or the data does not fit. */
#define INVALID_EVENT_DATA 15005u

/* A payload of 64 KiB as hex, or as text that TDH expands. */
#define TEXT_UNITS ((ULONG)256 << 10)

#define MAX_SCHEMAS ((uint32_t)1 << 16)
#define MAX_DEPTH   ETW_MAX_STRUCT_DEPTH

struct etw_oracle_source {
    uint32_t events_per_schema;
    uint32_t *seen; /* [schema id]: events asked for so far */
    etw_plan_cache *plans;
    etw_oracle_builder *builder;
    uint32_t gathered; /* events since the last take */
    wchar_t *text;     /* TEXT_UNITS */
};

etw_oracle_source *etw_oracle_source_new(uint32_t events_per_schema)
{
    etw_oracle_source *oracle = calloc(1, sizeof *oracle);
    if (oracle == NULL) {
        return NULL;
    }
    oracle->events_per_schema = events_per_schema;
    oracle->seen = calloc(MAX_SCHEMAS, sizeof *oracle->seen);
    oracle->plans = etw_plan_cache_new();
    oracle->builder = etw_oracle_builder_new();
    oracle->text = malloc(TEXT_UNITS * sizeof *oracle->text);
    if (oracle->seen == NULL || oracle->plans == NULL || oracle->builder == NULL ||
        oracle->text == NULL) {
        etw_oracle_source_free(oracle);
        return NULL;
    }
    return oracle;
}

void etw_oracle_source_free(etw_oracle_source *oracle)
{
    if (oracle == NULL) {
        return;
    }
    etw_plan_cache_free(oracle->plans);
    etw_oracle_builder_free(oracle->builder);
    free(oracle->seen);
    free(oracle->text);
    free(oracle);
}

/* A walk over one event's values. path follows the open structs. */
typedef struct asking {
    etw_oracle_source *oracle;
    const etw_event_record *record;
    const etw_schema *schema;
    const etw_plan *plan;
    uint32_t pointer_size;
    char path[ETW_ORACLE_MAX_PATH_SIZE];
    size_t path_ends[MAX_DEPTH]; /* where the path ends outside each open struct */
    uint32_t depth;
} asking;

static const EVENT_PROPERTY_INFO *info_of(const asking *ask, const etw_property *property)
{
    const TRACE_EVENT_INFO *info = (const TRACE_EVENT_INFO *)(const void *)ask->schema->tei.data;
    return &info->EventPropertyInfoArray[etw_plan_property_index(ask->plan, property)];
}

/* The map that a property names; NULL where it names none or the schema lacks it. */
static EVENT_MAP_INFO *map_of(const asking *ask, const EVENT_PROPERTY_INFO *property)
{
    const etw_bytes tei = ask->schema->tei;
    const uint32_t offset = property->nonStructType.MapNameOffset;
    if (offset == 0 || offset >= tei.size) {
        return NULL;
    }
    const size_t name_bytes = etw_utf16_length_bytes(tei.data + offset, tei.size - offset) + 2;
    for (uint32_t i = 0; i < ask->schema->map_count; i++) {
        const etw_bytes map = ask->schema->maps[i];
        const uint32_t at = map.size < sizeof(EVENT_MAP_INFO) ? UINT32_MAX : etw_load_u32(map.data);
        if (at < map.size && map.size - at >= name_bytes && offset + name_bytes <= tei.size &&
            memcmp(map.data + at, tei.data + offset, name_bytes) == 0) {
            return (EVENT_MAP_INFO *)(uintptr_t)map.data;
        }
    }
    return NULL;
}

/* PropertyLength as TdhFormatProperty wants it: the pointer size for pointers, the size of what has
 * a length of its own, 0 for text that ends at its NUL. */
static USHORT length_of(const asking *ask, const etw_value *value, const EVENT_PROPERTY_INFO *info)
{
    const uint16_t in_type = etw_property_in_type(value->property);
    const bool wide = in_type == ETW_IN_UNICODESTRING;
    if (in_type == ETW_IN_POINTER || in_type == ETW_IN_SIZET) {
        return (USHORT)ask->pointer_size;
    }
    if (wide || in_type == ETW_IN_ANSISTRING) {
        const bool sized =
            (info->Flags & (PropertyParamLength | ETW_PROP_PARAM_FIXED_LENGTH)) != 0 ||
            info->length != 0;
        return sized ? (USHORT)(value->whole.size / (wide ? 2 : 1)) : 0;
    }
    if (in_type == ETW_IN_BINARY) {
        return (USHORT)value->whole.size;
    }
    return info->length;
}

static ULONG format(const asking *ask, const etw_value *value, EVENT_MAP_INFO *map,
                    ULONG *size_bytes)
{
    const EVENT_PROPERTY_INFO *info = info_of(ask, value->property);
    const uint8_t *end = (const uint8_t *)ask->record->UserData + ask->record->UserDataLength;
    USHORT consumed = 0;
    *size_bytes = TEXT_UNITS * (ULONG)sizeof *ask->oracle->text;
    return TdhFormatProperty(
        (TRACE_EVENT_INFO *)(uintptr_t)ask->schema->tei.data, map, ask->pointer_size,
        etw_property_in_type(value->property), etw_property_out_type(value->property),
        length_of(ask, value, info), (USHORT)(end - value->whole.data),
        (BYTE *)(uintptr_t)value->whole.data, size_bytes, ask->oracle->text, &consumed);
}

/* "Name" or "Name[3]" behind what the open structs gave; where a path does not fit it is cut. */
static void push_path(asking *ask, const etw_property *property, uint32_t element)
{
    const size_t used = strlen(ask->path);
    const char *name = etw_property_name(property)->utf8;
    const char *dot = used == 0 ? "" : ".";
    if (etw_property_is_array(property)) {
        (void)snprintf(ask->path + used, sizeof ask->path - used, "%s%s[%u]", dot, name,
                       (unsigned)element);
    } else {
        (void)snprintf(ask->path + used, sizeof ask->path - used, "%s%s", dot, name);
    }
}

static etw_status ask_value(void *context, const etw_value *value)
{
    asking *ask = context;
    const size_t outside = strlen(ask->path);
    push_path(ask, value->property, value->element);
    ULONG size_bytes = 0;
    ULONG code = ERROR_SUCCESS;
    /* As every caller of TDH does: nothing to format gives no text, without a call. */
    if (value->whole.size != 0) {
        EVENT_MAP_INFO *map = map_of(ask, info_of(ask, value->property));
        code = format(ask, value, map, &size_bytes);
        if (code == INVALID_EVENT_DATA && map != NULL) {
            code = format(ask, value, NULL, &size_bytes);
        }
    }
    const uint8_t *text = (const uint8_t *)ask->oracle->text;
    const size_t room = code == ERROR_SUCCESS ? size_bytes : 0;
    etw_oracle_builder_text(ask->oracle->builder, ask->path, code,
                            (etw_bytes){text, etw_utf16_length_bytes(text, room)});
    ask->path[outside] = '\0';
    return ETW_OK;
}

static etw_status open_struct(void *context, const etw_property *property, uint32_t element)
{
    asking *ask = context;
    if (ask->depth == MAX_DEPTH) {
        return ETW_ERROR_LIMIT;
    }
    ask->path_ends[ask->depth++] = strlen(ask->path);
    push_path(ask, property, element);
    return ETW_OK;
}

static etw_status close_struct(void *context, const etw_property *property)
{
    (void)property;
    asking *ask = context;
    ask->path[ask->path_ends[--ask->depth]] = '\0';
    return ETW_OK;
}

void etw_oracle_source_event(etw_oracle_source *oracle, const etw_event_record *record,
                             const etw_schema *schema, uint32_t pointer_size, uint64_t event_number)
{
    if (schema == NULL || schema->id >= MAX_SCHEMAS ||
        oracle->seen[schema->id] >= oracle->events_per_schema) {
        return;
    }
    oracle->seen[schema->id]++;
    asking ask = {.oracle = oracle,
                  .record = record,
                  .schema = schema,
                  .plan = etw_plan_cache_get(oracle->plans, schema, NULL),
                  .pointer_size = pointer_size};
    if (ask.plan == NULL) {
        return;
    }
    static const etw_visitor visitor = {
        .value = ask_value, .open_struct = open_struct, .close_struct = close_struct};
    etw_oracle_builder_event(oracle->builder, schema->id, event_number, pointer_size,
                             etw_record_user_data(record));
    oracle->gathered++;
    etw_walk_end end;
    etw_ignore(etw_plan_walk(ask.plan, record, pointer_size, &visitor, &ask, &end));
}

etw_status etw_oracle_source_take(etw_oracle_source *oracle, etw_bytes *blob, uint32_t *events,
                                  etw_error *error)
{
    *events = oracle->gathered;
    oracle->gathered = 0;
    return etw_oracle_builder_finish(oracle->builder, blob, error);
}
