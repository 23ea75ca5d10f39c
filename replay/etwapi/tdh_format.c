/* TdhFormatProperty: one element of one property as text (tdh.h). */
#include "format/event/render/plan.h"
#include "format/event/tei_builder.h"
#include "replay/etwapi/etw_headers.h"

#include <stdlib.h>
#include <string.h>
#include <wchar.h>

/* ERROR_EVT_INVALID_EVENT_DATA of winerror.h. */
#define INVALID_EVENT_DATA 15005

/* A map comes as a pointer without a size: it ends with the last of its strings. */
static size_t map_size(const EVENT_MAP_INFO *map)
{
    const uint8_t *start = (const uint8_t *)map;
    size_t last = map->NameOffset;
    for (ULONG i = 0; i < map->EntryCount; i++) {
        const size_t offset = map->MapEntryArray[i].OutputOffset;
        last = offset > last ? offset : last;
    }
    const wchar_t *text = (const wchar_t *)(const void *)(start + last);
    return last + (wcslen(text) + 1) * sizeof *text;
}

typedef struct request {
    EVENT_MAP_INFO *map; /* NULL: none */
    ULONG pointer_size;
    USHORT in_type, out_type, length;
    etw_bytes data;
} request;

typedef struct answer {
    etw_text text;
    bool has_value, fits;
    ULONG consumed;
} answer;

static etw_status take_value(void *context, const etw_value *value)
{
    answer *to = context;
    to->has_value = true;
    to->fits = etw_value_append_text(value, ETW_TEXT_EXACT, ETW_ESCAPE_NONE, &to->text);
    return ETW_OK;
}

/* A schema of the one property; NULL where memory is out. */
static etw_plan *plan_for(const request *wanted, bool with_map)
{
    etw_tei_builder *builder = etw_tei_builder_new();
    if (builder == NULL) {
        return NULL;
    }
    char map_name[512] = "";
    etw_bytes map = {NULL, 0};
    if (with_map) {
        map = (etw_bytes){(const uint8_t *)wanted->map, map_size(wanted->map)};
        const wchar_t *name = (const wchar_t *)(const void *)(map.data + wanted->map->NameOffset);
        (void)WideCharToMultiByte(CP_UTF8, 0, name, -1, map_name, (int)sizeof map_name, NULL, NULL);
    }
    const bool sized = wanted->length != 0;
    const etw_tei_property_spec property = {.name = "P",
                                            .map_name = with_map ? map_name : NULL,
                                            .in_type = wanted->in_type,
                                            .out_type = wanted->out_type,
                                            .length = wanted->length,
                                            .flags = sized ? PropertyParamFixedLength : 0};
    (void)etw_tei_builder_add(builder, 0, &property);
    const etw_tei_event_spec event = {.provider_name = NULL};
    etw_schema schema = {.map_count = with_map ? 1 : 0, .maps = &map};
    etw_plan *plan = NULL;
    if (etw_tei_builder_finish(builder, &event, &schema.tei, NULL) == ETW_OK) {
        etw_ignore(etw_plan_compile(&schema, &plan, NULL));
    }
    etw_tei_builder_free(builder);
    return plan;
}

static ULONG format(const request *wanted, bool with_map, answer *to)
{
    etw_plan *plan = plan_for(wanted, with_map);
    if (plan == NULL) {
        return ERROR_OUTOFMEMORY;
    }
    const etw_event_record record = {.UserData = (void *)(uintptr_t)wanted->data.data,
                                     .UserDataLength = (uint16_t)wanted->data.size};
    static const etw_visitor visitor = {.value = take_value};
    etw_walk_end end;
    etw_ignore(etw_plan_walk(plan, &record, wanted->pointer_size, &visitor, to, &end));
    etw_plan_free(plan);
    to->consumed = end.consumed_bytes;
    const bool good = to->has_value && to->fits && !end.short_payload && end.reason == NULL;
    return good ? ERROR_SUCCESS : INVALID_EVENT_DATA;
}

/* A value that its map does not name is refused, as by TDH: the caller asks again without the map.
 */
static ULONG format_mapped(const request *wanted, answer *to)
{
    answer plain = {.consumed = 0};
    ULONG code = format(wanted, false, &plain);
    if (code == ERROR_SUCCESS) {
        code = format(wanted, true, to);
    }
    if (code == ERROR_SUCCESS && plain.text.size == to->text.size &&
        memcmp(plain.text.data, to->text.data, to->text.size) == 0) {
        code = INVALID_EVENT_DATA;
    }
    etw_text_free(&plain.text);
    return code;
}

static ULONG give_text(etw_text *text, ULONG *size, wchar_t *buffer)
{
    const char *utf8 = etw_text_z(text);
    const int units = MultiByteToWideChar(CP_UTF8, 0, utf8, -1, NULL, 0);
    const ULONG needed = (ULONG)units * (ULONG)sizeof *buffer;
    if (buffer == NULL || *size < needed) {
        *size = needed;
        return ERROR_INSUFFICIENT_BUFFER;
    }
    (void)MultiByteToWideChar(CP_UTF8, 0, utf8, -1, buffer, units);
    *size = needed;
    return ERROR_SUCCESS;
}

ULONG WINAPI TdhFormatProperty(TRACE_EVENT_INFO *information, EVENT_MAP_INFO *map,
                               ULONG pointer_size, USHORT in_type, USHORT out_type, USHORT length,
                               USHORT data_size, BYTE *data, ULONG *size, WCHAR *buffer,
                               USHORT *consumed)
{
    (void)information; /* TDH looks at nothing in it either */
    if (size == NULL || consumed == NULL || (data == NULL && data_size > 0) ||
        (pointer_size != 4 && pointer_size != 8)) {
        return ERROR_INVALID_PARAMETER;
    }
    const request wanted = {map, pointer_size, in_type, out_type, length, {data, data_size}};
    answer to = {.consumed = 0};
    ULONG code = map == NULL ? format(&wanted, false, &to) : format_mapped(&wanted, &to);
    if (code == ERROR_SUCCESS) {
        code = give_text(&to.text, size, buffer);
    }
    *consumed = (USHORT)to.consumed;
    etw_text_free(&to.text);
    return code;
}
