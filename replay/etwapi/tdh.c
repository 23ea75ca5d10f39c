/* TDH over the schemas of saved traces: information, maps, properties (tdh.h). */
#include "format/event/render/plan.h"
#include "format/event/tei.h"
#include "replay/etwapi/etw_headers.h"
#include "replay/etwapi/known_schemas.h"
#include "replay/etwapi/tdh_context.h"
#include "replay/etwapi/tdh_wpp.h"

#include <string.h>
#include <wchar.h>

/* Depth of a property path: structs and, last, their member. */
#define MAX_PATH_PARTS (ETW_MAX_STRUCT_DEPTH + 1u)
/* UTF-8 bytes of one name in it. */
#define MAX_PART_BYTES 512u

static ULONG give(const uint8_t *from, size_t size, void *into, ULONG *room)
{
    const ULONG needed = (ULONG)size;
    if (*room < needed || into == NULL) {
        *room = needed;
        return ERROR_INSUFFICIENT_BUFFER;
    }
    memcpy(into, from, size);
    *room = needed;
    return ERROR_SUCCESS;
}

static const etw_event_record *as_record(const EVENT_RECORD *event)
{
    return (const etw_event_record *)event;
}

/* A format that cannot be had leaves the event without a schema, which is what the caller is told.
 */
static void use_formats(const EVENT_RECORD *event, const TDH_CONTEXT *contexts, ULONG count)
{
    if ((event->EventHeader.Flags & EVENT_HEADER_FLAG_TRACE_MESSAGE) != 0) {
        (void)etwapi_load_formats(contexts, count);
    }
}

ULONG WINAPI TdhGetEventInformation(EVENT_RECORD *event, ULONG context_count, TDH_CONTEXT *context,
                                    TRACE_EVENT_INFO *information, ULONG *size)
{
    if (event == NULL || size == NULL) {
        return ERROR_INVALID_PARAMETER;
    }
    use_formats(event, context, context_count);
    const etw_schema *schema = etwapi_find_schema(as_record(event));
    if (schema == NULL) {
        return ERROR_NOT_FOUND;
    }
    const ULONG code = give(schema->tei.data, schema->tei.size, information, size);
    if (code == ERROR_SUCCESS) {
        /* These are the event's own, not the kind's. */
        information->EventDescriptor = event->EventHeader.EventDescriptor;
    }
    return code;
}

static bool is_named(etw_bytes map, const wchar_t *name)
{
    const size_t name_bytes = (wcslen(name) + 1) * sizeof *name;
    const uint32_t offset =
        map.size >= sizeof(EVENT_MAP_INFO) ? etw_load_u32(map.data) : UINT32_MAX;
    return offset < map.size && map.size - offset >= name_bytes &&
           memcmp(map.data + offset, name, name_bytes) == 0;
}

ULONG WINAPI TdhGetEventMapInformation(EVENT_RECORD *event, LPWSTR name, EVENT_MAP_INFO *map,
                                       ULONG *size)
{
    if (event == NULL || name == NULL || size == NULL) {
        return ERROR_INVALID_PARAMETER;
    }
    const etw_schema *schema = etwapi_find_schema(as_record(event));
    for (uint32_t i = 0; schema != NULL && i < schema->map_count; i++) {
        if (is_named(schema->maps[i], name)) {
            return give(schema->maps[i].data, schema->maps[i].size, map, size);
        }
    }
    return ERROR_NOT_FOUND;
}

/* --- properties by name
 * --------------------------------------------------------------------------- */

typedef struct path_part {
    char name[MAX_PART_BYTES];
    ULONG index; /* ULONG_MAX: not an array, or all of it */
} path_part;

/* A walk that looks for one property. Depth and position follow the open structs. */
typedef struct search {
    const etw_event_record *record;
    path_part parts[MAX_PATH_PARTS];
    ULONG part_count;
    ULONG depth;               /* open structs */
    ULONG matched;             /* of them, those that match the path so far */
    const uint8_t *from, *end; /* what was found, NULL: nothing yet */
} search;

/* Bytes of one element where the walk gives an array of characters as one value; else 0. */
static ULONG character_size(const etw_property *property)
{
    if (etw_property_out_type(property) != ETW_OUT_STRING) {
        return 0;
    }
    switch (etw_property_in_type(property)) {
    case ETW_IN_UNICODECHAR:
        return 2;
    case ETW_IN_ANSICHAR:
        return 1;
    default:
        return 0;
    }
}

/* One character of such an array. True: the property is one, and the search ends. */
static bool see_character(search *look, const etw_value *value)
{
    const path_part *part = &look->parts[look->matched];
    const ULONG size = character_size(value->property);
    if (size == 0 || part->index == ULONG_MAX ||
        strcmp(part->name, etw_property_name(value->property)->utf8) != 0) {
        return false;
    }
    if (part->index < value->whole.size / size) {
        look->from = value->whole.data + (size_t)part->index * size;
        look->end = look->from + size;
    }
    return true;
}

static bool is_part(const path_part *part, const etw_property *property, uint32_t element)
{
    return strcmp(part->name, etw_property_name(property)->utf8) == 0 &&
           (part->index == ULONG_MAX || part->index == element);
}

static etw_status see_value(void *context, const etw_value *value)
{
    search *look = context;
    if (look->matched + 1 != look->part_count || look->depth != look->matched) {
        return ETW_OK;
    }
    if (see_character(look, value)) {
        return ETW_END;
    }
    if (!is_part(&look->parts[look->matched], value->property, value->element)) {
        return ETW_OK;
    }
    /* TDH counts prefixes and terminators to a property (live TDH: sizes of z-strings and counted
     * ones). */
    if (look->from == NULL) {
        look->from = value->whole.data;
    }
    look->end = value->whole.data + value->whole.size;
    return look->parts[look->matched].index == ULONG_MAX ? ETW_OK : ETW_END;
}

static etw_status see_struct(void *context, const etw_property *property, uint32_t element)
{
    search *look = context;
    if (look->depth == look->matched && look->matched + 1 < look->part_count &&
        is_part(&look->parts[look->matched], property, element)) {
        look->matched++;
    }
    look->depth++;
    return ETW_OK;
}

static etw_status leave_struct(void *context, const etw_property *property)
{
    (void)property;
    search *look = context;
    look->depth--;
    if (look->matched > look->depth) {
        look->matched = look->depth;
    }
    return ETW_OK;
}

static bool read_path(const PROPERTY_DATA_DESCRIPTOR *descriptors, ULONG count, search *look)
{
    if (descriptors == NULL || count == 0 || count > MAX_PATH_PARTS) {
        return false;
    }
    for (ULONG i = 0; i < count; i++) {
        const wchar_t *name = (const wchar_t *)(uintptr_t)descriptors[i].PropertyName;
        path_part *part = &look->parts[i];
        part->index = descriptors[i].ArrayIndex;
        if (name == NULL || WideCharToMultiByte(CP_UTF8, 0, name, -1, part->name,
                                                (int)sizeof part->name, NULL, NULL) <= 0) {
            return false;
        }
    }
    look->part_count = count;
    return true;
}

/* What TdhGetProperty and TdhGetPropertySize are asked for. */
typedef struct request {
    const EVENT_RECORD *event;
    const TDH_CONTEXT *contexts;
    ULONG context_count;
    const PROPERTY_DATA_DESCRIPTOR *path;
    ULONG path_count;
} request;

static ULONG find_property(const request *wanted, etw_bytes *found)
{
    search look = {.record = as_record(wanted->event)};
    if (!read_path(wanted->path, wanted->path_count, &look)) {
        return ERROR_INVALID_PARAMETER;
    }
    const etw_plan *plan = etwapi_find_plan(look.record);
    if (plan == NULL) {
        return ERROR_NOT_FOUND;
    }
    static const etw_visitor visitor = {
        .value = see_value, .open_struct = see_struct, .close_struct = leave_struct};
    etw_walk_end end;
    const ULONG pointer_size =
        etwapi_pointer_size(wanted->event, wanted->contexts, wanted->context_count);
    etw_ignore(etw_plan_walk(plan, look.record, pointer_size, &visitor, &look, &end));
    if (look.from == NULL) {
        return ERROR_NOT_FOUND;
    }
    *found = (etw_bytes){look.from, (size_t)(look.end - look.from)};
    return ERROR_SUCCESS;
}

/* The event's own properties, and those that every WPP message has. */
static ULONG give_property(const request *wanted, BYTE *buffer, ULONG *size)
{
    const wchar_t *name = wanted->path == NULL || wanted->path_count == 0
                              ? NULL
                              : (const wchar_t *)(uintptr_t)wanted->path[0].PropertyName;
    if (wanted->event == NULL || name == NULL) {
        return ERROR_INVALID_PARAMETER;
    }
    use_formats(wanted->event, wanted->contexts, wanted->context_count);
    if (wanted->path_count == 1) {
        const ULONG code = etwapi_wpp_property(wanted->event, name, size, buffer);
        if (code != ERROR_NOT_FOUND) {
            return code;
        }
    }
    etw_bytes found;
    const ULONG code = find_property(wanted, &found);
    return code == ERROR_SUCCESS ? give(found.data, found.size, buffer, size) : code;
}

ULONG WINAPI TdhGetPropertySize(EVENT_RECORD *event, ULONG context_count, TDH_CONTEXT *context,
                                ULONG count, PROPERTY_DATA_DESCRIPTOR *descriptors, ULONG *size)
{
    const request wanted = {event, context, context_count, descriptors, count};
    ULONG needed = 0;
    const ULONG code =
        size == NULL ? (ULONG)ERROR_INVALID_PARAMETER : give_property(&wanted, NULL, &needed);
    if (code != ERROR_SUCCESS && code != ERROR_INSUFFICIENT_BUFFER) {
        return code;
    }
    *size = needed;
    return ERROR_SUCCESS;
}

ULONG WINAPI TdhGetProperty(EVENT_RECORD *event, ULONG context_count, TDH_CONTEXT *context,
                            ULONG count, PROPERTY_DATA_DESCRIPTOR *descriptors, ULONG size,
                            BYTE *buffer)
{
    const request wanted = {event, context, context_count, descriptors, count};
    return give_property(&wanted, buffer, &size);
}

ULONG WINAPI TdhLoadManifest(PWSTR path)
{
    char utf8[4096];
    if (path == NULL ||
        WideCharToMultiByte(CP_UTF8, 0, path, -1, utf8, (int)sizeof utf8, NULL, NULL) <= 0) {
        return ERROR_INVALID_PARAMETER;
    }
    switch (etwapi_load_manifest(utf8, NULL)) {
    case ETW_OK:
        return ERROR_SUCCESS;
    case ETW_ERROR_NOT_FOUND:
        return ERROR_FILE_NOT_FOUND;
    case ETW_ERROR_NO_MEMORY:
        return ERROR_OUTOFMEMORY;
    default:
        return ERROR_XML_PARSE_ERROR;
    }
}

/* A file with a WEVT_TEMPLATE resource: it is told from a manifest by its content. */
ULONG WINAPI TdhLoadManifestFromBinary(PWSTR path)
{
    return TdhLoadManifest(path);
}

ULONG WINAPI TdhUnloadManifest(PWSTR path)
{
    /* What was learnt stays: a trace's events need it until the process ends. */
    return path == NULL ? ERROR_INVALID_PARAMETER : ERROR_SUCCESS;
}
