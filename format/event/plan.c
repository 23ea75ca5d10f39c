#include "format/event/plan.h"

#include "format/event/plan_internal.h"

#include <inttypes.h>
#include <stdlib.h>

/* Strings and map entries of one plan. A blob may name the same megabyte-long string from every
 * property, so that copies need bounds of their own. */
#define MAX_NAME_BYTES  ((size_t)16 << 20)
#define MAX_MAP_ENTRIES ((size_t)1 << 16)
#define ARENA_CHUNK     ((size_t)4096)

typedef struct etw_arena {
    struct etw_arena *next;
    size_t used;
    size_t size;
    _Alignas(16) uint8_t bytes[];
} etw_arena;

typedef struct compiled_map {
    etw_plan_map *map; /* NULL: not compiled yet */
} compiled_map;

/* What is needed while compiling only. */
typedef struct compiler {
    etw_plan *plan;
    const etw_schema *schema;
    etw_tei tei;
    etw_text utf8;
    etw_text json;
    size_t name_bytes;
    size_t map_entries;
    compiled_map *maps;     /* by index of schema->maps */
    uint8_t *struct_depths; /* of the structs below and including each property */
    etw_error *error;
} compiler;

static void *arena_take(etw_plan *plan, size_t size)
{
    size = (size + 15) & ~(size_t)15;
    etw_arena *arena = plan->arena;
    if (arena == NULL || arena->size - arena->used < size) {
        const size_t room = size > ARENA_CHUNK ? size : ARENA_CHUNK;
        arena = malloc(sizeof *arena + room);
        if (arena == NULL) {
            return NULL;
        }
        arena->next = plan->arena;
        arena->used = 0;
        arena->size = room;
        plan->arena = arena;
    }
    void *taken = arena->bytes + arena->used;
    arena->used += size;
    return taken;
}

void etw_plan_free(etw_plan *plan)
{
    if (plan == NULL) {
        return;
    }
    for (etw_arena *arena = plan->arena; arena != NULL;) {
        etw_arena *next = arena->next;
        free(arena);
        arena = next;
    }
    free(plan->properties);
    free(plan->keywords);
    free(plan);
}

static etw_status no_memory(compiler *c)
{
    return etw_error_set(c->error, ETW_ERROR_NO_MEMORY, "no memory to compile a schema");
}

/* Copies what c->utf8 and c->json hold; both in one piece, each NUL terminated. */
static etw_status keep_name(compiler *c, etw_name *name)
{
    if (c->utf8.failed || c->json.failed) {
        return no_memory(c);
    }
    const bool same =
        c->utf8.size == c->json.size && memcmp(c->utf8.data, c->json.data, c->utf8.size) == 0;
    const size_t size = c->utf8.size + 1 + (same ? 0 : c->json.size + 1);
    c->name_bytes += size;
    if (c->name_bytes > MAX_NAME_BYTES) {
        return etw_error_set(c->error, ETW_ERROR_LIMIT, "names of a schema take more than 16 MiB");
    }
    char *copy = arena_take(c->plan, size);
    if (copy == NULL) {
        return no_memory(c);
    }
    memcpy(copy, c->utf8.data, c->utf8.size);
    copy[c->utf8.size] = '\0';
    name->utf8 = copy;
    name->utf8_size = (uint32_t)c->utf8.size;
    name->json = copy;
    name->json_size = (uint32_t)c->json.size;
    if (!same) {
        char *json = copy + c->utf8.size + 1;
        memcpy(json, c->json.data, c->json.size);
        json[c->json.size] = '\0';
        name->json = json;
    }
    return ETW_OK;
}

static etw_status name_from_units(compiler *c, etw_bytes units, etw_name *name)
{
    etw_text_clear(&c->utf8);
    etw_text_clear(&c->json);
    etw_text_append_utf16(&c->utf8, units.data, units.size, ETW_ESCAPE_NONE);
    etw_text_append_utf16(&c->json, units.data, units.size, ETW_ESCAPE_JSON);
    if (c->utf8.size == 0) {
        *name = (etw_name){"", 0, 0, ""};
        return ETW_OK;
    }
    return keep_name(c, name);
}

static etw_status string_outside(compiler *c, const char *what, uint32_t offset)
{
    return etw_error_set(c->error, ETW_ERROR_DAMAGED,
                         "%s at offset %" PRIu32 " of a TRACE_EVENT_INFO of %zu bytes has no end "
                         "inside it",
                         what, offset, c->tei.bytes.size);
}

static etw_status compile_name(compiler *c, const char *what, uint32_t offset, etw_name *name)
{
    etw_bytes units;
    if (!etw_tei_string(&c->tei, offset, &units)) {
        return string_outside(c, what, offset);
    }
    return name_from_units(c, units, name);
}

static etw_status count_keywords(compiler *c, uint32_t *count)
{
    uint32_t offset = c->tei.info.KeywordsNameOffset;
    *count = 0;
    while (offset != 0) {
        etw_bytes units;
        if (!etw_tei_string(&c->tei, offset, &units)) {
            return string_outside(c, "keyword", offset);
        }
        if (units.size == 0) {
            break;
        }
        offset += (uint32_t)units.size + 2;
        (*count)++;
    }
    return ETW_OK;
}

static etw_status compile_keywords(compiler *c)
{
    uint32_t count;
    etw_status status = count_keywords(c, &count);
    if (status != ETW_OK || count == 0) {
        return status;
    }
    c->plan->keywords = calloc(count, sizeof *c->plan->keywords);
    if (c->plan->keywords == NULL) {
        return no_memory(c);
    }
    c->plan->keyword_count = count;
    uint32_t offset = c->tei.info.KeywordsNameOffset;
    for (uint32_t i = 0; i < count && status == ETW_OK; i++) {
        etw_bytes units;
        (void)etw_tei_string(&c->tei, offset, &units);
        status = name_from_units(c, units, &c->plan->keywords[i]);
        offset += (uint32_t)units.size + 2;
    }
    return status;
}

/* "win:Start" in the blobs of merged traces is "Start" live. */
static const char *short_opcode(const char *opcode)
{
    return strncmp(opcode, "win:", 4) == 0 ? opcode + 4 : opcode;
}

static etw_status compile_event_name(compiler *c)
{
    etw_plan *plan = c->plan;
    const bool may_have_name =
        plan->decoding_source == ETW_DECODING_XML_FILE ||
        (plan->decoding_source == ETW_DECODING_TLG && plan->task_name.utf8_size == 0);
    if (may_have_name && c->tei.info.EventNameOffset != 0) {
        return compile_name(c, "event name", c->tei.info.EventNameOffset, &plan->event_name);
    }
    const char *opcode = short_opcode(plan->opcode_name.utf8);
    const bool only_task = plan->decoding_source == ETW_DECODING_TLG || opcode[0] == '\0' ||
                           strcmp(opcode, "Info") == 0;
    if (only_task && plan->task_name.utf8_size != 0) {
        plan->event_name = plan->task_name;
        return ETW_OK;
    }
    etw_text_clear(&c->utf8);
    etw_text_append_z(&c->utf8, plan->task_name.utf8);
    if (plan->task_name.utf8_size != 0) {
        etw_text_append_char(&c->utf8, '/');
    }
    etw_text_append_z(&c->utf8, opcode);
    etw_text_clear(&c->json);
    etw_text_append_utf8(&c->json, (const uint8_t *)c->utf8.data, c->utf8.size, ETW_ESCAPE_JSON);
    if (c->utf8.size == 0) {
        plan->event_name = (etw_name){"", 0, 0, ""};
        return ETW_OK;
    }
    return keep_name(c, &plan->event_name);
}

static etw_status compile_names(compiler *c)
{
    etw_plan *plan = c->plan;
    const etw_trace_event_info *info = &c->tei.info;
    const struct {
        const char *what;
        uint32_t offset;
        etw_name *name;
    } names[] = {
        {"provider name", info->ProviderNameOffset, &plan->provider_name},
        {"task name", info->TaskNameOffset, &plan->task_name},
        {"opcode name", info->OpcodeNameOffset, &plan->opcode_name},
        {"level name", info->LevelNameOffset, &plan->level_name},
        {"channel name", info->ChannelNameOffset, &plan->channel_name},
        {"event message", info->EventMessageOffset, &plan->event_message},
    };
    etw_status status = ETW_OK;
    for (size_t i = 0; i < sizeof names / sizeof names[0] && status == ETW_OK; i++) {
        status = compile_name(c, names[i].what, names[i].offset, names[i].name);
    }
    if (status == ETW_OK) {
        status = compile_keywords(c);
    }
    return status == ETW_OK ? compile_event_name(c) : status;
}

static int compare_entries(const void *left, const void *right)
{
    const etw_plan_map_entry *a = left;
    const etw_plan_map_entry *b = right;
    if (a->value != b->value) {
        return a->value < b->value ? -1 : 1;
    }
    /* Of equal values the map's first answers, and qsort alone is not stable. */
    return a->order < b->order ? -1 : 1;
}

/* The number that entry stands for: maps without values count their strings, and WBEM's bit maps
 * hold positions (documentation, and the Windows 7 SDK sample) where manifests hold masks. */
static bool entry_value(const etw_map *map, uint32_t index, uint32_t *value)
{
    const uint32_t flag = map->info.Flag;
    *value = (flag & ETW_MAP_WBEM_NO_MAP) != 0 ? index : etw_map_entry(map, index).Value;
    if ((flag & ETW_MAP_WBEM_BITMAP) != 0) {
        if (*value > 31) {
            return false;
        }
        *value = (uint32_t)1 << *value;
    }
    return true;
}

static etw_status compile_map_entries(compiler *c, const etw_map *map, etw_plan_map *compiled)
{
    etw_plan_map_entry *entries = arena_take(c->plan, map->info.EntryCount * sizeof *entries);
    if (entries == NULL) {
        return no_memory(c);
    }
    for (uint32_t i = 0; i < map->info.EntryCount; i++) {
        etw_plan_map_entry *entry = &entries[compiled->count];
        etw_bytes units;
        const uint32_t offset = etw_map_entry(map, i).OutputOffset;
        if (!etw_map_string(map, offset, &units)) {
            return etw_error_set(c->error, ETW_ERROR_DAMAGED,
                                 "map entry %" PRIu32 " has no string at offset %" PRIu32, i,
                                 offset);
        }
        if (!entry_value(map, i, &entry->value)) {
            continue;
        }
        const etw_status status = name_from_units(c, units, &entry->text);
        if (status != ETW_OK) {
            return status;
        }
        entry->order = i;
        compiled->count++;
    }
    if (!compiled->is_bit_map) {
        qsort(entries, compiled->count, sizeof *entries, compare_entries);
    }
    compiled->entries = entries;
    return ETW_OK;
}

static etw_status compile_map(compiler *c, const etw_map *map, etw_plan_map **out)
{
    const uint32_t bits = ETW_MAP_MANIFEST_BITMAP | ETW_MAP_WBEM_BITMAP | ETW_MAP_WBEM_FLAG;
    c->map_entries += map->info.EntryCount;
    if (c->map_entries > MAX_MAP_ENTRIES) {
        return etw_error_set(c->error, ETW_ERROR_LIMIT,
                             "maps of a schema have more than %zu entries", MAX_MAP_ENTRIES);
    }
    etw_plan_map *compiled = arena_take(c->plan, sizeof *compiled);
    if (compiled == NULL) {
        return no_memory(c);
    }
    *compiled = (etw_plan_map){.is_bit_map = (map->info.Flag & bits) != 0};
    *out = compiled;
    return compile_map_entries(c, map, compiled);
}

/* The map of that name, compiled at its first use. A map that is missing, or a pattern map, is no
 * error: TDH then shows numbers. */
static etw_status find_map(compiler *c, etw_bytes name, const etw_plan_map **found)
{
    *found = NULL;
    for (uint32_t i = 0; i < c->schema->map_count; i++) {
        etw_map map;
        etw_bytes own_name;
        const etw_status status = etw_map_open(c->schema->maps[i], &map, c->error);
        if (status != ETW_OK) {
            return status;
        }
        if ((map.info.Flag & ETW_MAP_MANIFEST_PATTERNMAP) != 0 ||
            !etw_map_string(&map, map.info.NameOffset, &own_name) ||
            !etw_bytes_equal(own_name, name)) {
            continue;
        }
        if (c->maps[i].map == NULL) {
            const etw_status compiled = compile_map(c, &map, &c->maps[i].map);
            if (compiled != ETW_OK) {
                return compiled;
            }
        }
        *found = c->maps[i].map;
        return ETW_OK;
    }
    return ETW_OK;
}

/* tdh-format.md section 4: other in types do not look at a map. */
static bool takes_map(uint16_t in_type)
{
    return in_type == ETW_IN_UINT8 || in_type == ETW_IN_UINT16 || in_type == ETW_IN_UINT32 ||
           in_type == ETW_IN_HEXINT32;
}

static etw_take take_of(uint16_t in_type)
{
    switch (in_type) {
    case ETW_IN_NULL:
        return ETW_TAKE_NOTHING;
    case ETW_IN_UNICODESTRING:
        return ETW_TAKE_WIDE_STRING;
    case ETW_IN_ANSISTRING:
        return ETW_TAKE_NARROW_STRING;
    case ETW_IN_BINARY:
        return ETW_TAKE_BYTES;
    case ETW_IN_POINTER:
    case ETW_IN_SIZET:
        return ETW_TAKE_POINTER;
    case ETW_IN_SID:
        return ETW_TAKE_SID;
    case ETW_IN_WBEMSID:
        return ETW_TAKE_WBEM_SID;
    case ETW_IN_MANIFEST_COUNTEDSTRING:
    case ETW_IN_MANIFEST_COUNTEDANSISTRING:
    case ETW_IN_MANIFEST_COUNTEDBINARY:
    case ETW_IN_COUNTEDSTRING:
    case ETW_IN_COUNTEDANSISTRING:
        return ETW_TAKE_COUNTED;
    case ETW_IN_REVERSEDCOUNTEDSTRING:
    case ETW_IN_REVERSEDCOUNTEDANSISTRING:
        return ETW_TAKE_REVERSE_COUNTED;
    case ETW_IN_NONNULLTERMINATEDSTRING:
    case ETW_IN_NONNULLTERMINATEDANSISTRING:
        return ETW_TAKE_REST;
    case ETW_IN_HEXDUMP:
        return ETW_TAKE_HEX_DUMP;
    default:
        return etw_in_type_size(in_type) != 0 ? ETW_TAKE_FIXED : ETW_TAKE_UNKNOWN;
    }
}

static etw_show show_of_integer(uint16_t in_type, uint16_t out_type)
{
    switch (in_type) {
    case ETW_IN_INT8:
        return out_type == ETW_OUT_STRING ? ETW_SHOW_ANSI : ETW_SHOW_I8;
    case ETW_IN_UINT8:
        switch (out_type) {
        case ETW_OUT_HEXINT8:
            return ETW_SHOW_HEX;
        case ETW_OUT_BOOLEAN:
            return ETW_SHOW_BOOLEAN;
        case ETW_OUT_STRING:
            return ETW_SHOW_ANSI;
        default:
            return ETW_SHOW_U8;
        }
    case ETW_IN_INT16:
        return ETW_SHOW_I16;
    case ETW_IN_UINT16:
        switch (out_type) {
        case ETW_OUT_HEXINT16:
            return ETW_SHOW_HEX;
        case ETW_OUT_PORT:
            return ETW_SHOW_PORT;
        case ETW_OUT_STRING:
            return ETW_SHOW_UTF16;
        default:
            return ETW_SHOW_U16;
        }
    case ETW_IN_INT32:
        return out_type == ETW_OUT_HRESULT ? ETW_SHOW_HRESULT : ETW_SHOW_I32;
    case ETW_IN_UINT32:
        switch (out_type) {
        case ETW_OUT_HEXINT32:
        case ETW_OUT_ERRORCODE:
        case ETW_OUT_CODE_POINTER:
            return ETW_SHOW_HEX;
        case ETW_OUT_IPV4:
            return ETW_SHOW_IPV4;
        case ETW_OUT_WIN32ERROR:
            return ETW_SHOW_WIN32_ERROR;
        case ETW_OUT_NTSTATUS:
            return ETW_SHOW_NTSTATUS;
        default:
            return ETW_SHOW_U32;
        }
    case ETW_IN_HEXINT32:
        switch (out_type) {
        case ETW_OUT_WIN32ERROR:
            return ETW_SHOW_WIN32_ERROR;
        case ETW_OUT_NTSTATUS:
            return ETW_SHOW_NTSTATUS;
        default:
            return ETW_SHOW_HEX;
        }
    case ETW_IN_INT64:
        return ETW_SHOW_I64;
    case ETW_IN_UINT64:
        return out_type == ETW_OUT_HEXINT64 || out_type == ETW_OUT_CODE_POINTER ? ETW_SHOW_HEX
                                                                                : ETW_SHOW_U64;
    case ETW_IN_POINTER:
        return out_type == ETW_OUT_LONG           ? ETW_SHOW_SIGNED_DECIMAL
               : out_type == ETW_OUT_UNSIGNEDLONG ? ETW_SHOW_DECIMAL
                                                  : ETW_SHOW_HEX;
    default:
        return ETW_SHOW_HEX;
    }
}

static bool is_utf8_out_type(uint16_t out_type)
{
    return out_type == ETW_OUT_UTF8 || out_type == ETW_OUT_JSON || out_type == ETW_OUT_XML;
}

/* tdh-format.md section 3; a pair of types that is not in its tables behaves as out type NULL. */
static etw_show show_of(uint16_t in_type, uint16_t out_type)
{
    switch (in_type) {
    case ETW_IN_NULL:
        return ETW_SHOW_EMPTY;
    case ETW_IN_UNICODESTRING:
    case ETW_IN_MANIFEST_COUNTEDSTRING:
    case ETW_IN_COUNTEDSTRING:
    case ETW_IN_REVERSEDCOUNTEDSTRING:
    case ETW_IN_NONNULLTERMINATEDSTRING:
    case ETW_IN_UNICODECHAR:
        return ETW_SHOW_UTF16;
    case ETW_IN_ANSISTRING:
    case ETW_IN_MANIFEST_COUNTEDANSISTRING:
    case ETW_IN_COUNTEDANSISTRING:
    case ETW_IN_REVERSEDCOUNTEDANSISTRING:
    case ETW_IN_NONNULLTERMINATEDANSISTRING:
    case ETW_IN_ANSICHAR:
        return is_utf8_out_type(out_type) ? ETW_SHOW_UTF8 : ETW_SHOW_ANSI;
    case ETW_IN_FLOAT:
        return ETW_SHOW_FLOAT;
    case ETW_IN_DOUBLE:
        return ETW_SHOW_DOUBLE;
    case ETW_IN_BOOLEAN:
        return ETW_SHOW_BOOLEAN;
    case ETW_IN_BINARY:
    case ETW_IN_MANIFEST_COUNTEDBINARY:
        return out_type == ETW_OUT_IPV6            ? ETW_SHOW_IPV6
               : out_type == ETW_OUT_SOCKETADDRESS ? ETW_SHOW_SOCKET_ADDRESS
                                                   : ETW_SHOW_HEX_BINARY;
    case ETW_IN_HEXDUMP:
        return ETW_SHOW_HEX_BINARY;
    case ETW_IN_GUID:
        return ETW_SHOW_GUID;
    case ETW_IN_FILETIME:
        return ETW_SHOW_FILETIME;
    case ETW_IN_SYSTEMTIME:
        return ETW_SHOW_SYSTEMTIME;
    case ETW_IN_SID:
    case ETW_IN_WBEMSID:
        return ETW_SHOW_SID;
    default:
        return show_of_integer(in_type, out_type);
    }
}

static bool is_reference_type(uint16_t in_type)
{
    return (in_type >= ETW_IN_INT8 && in_type <= ETW_IN_UINT64) || in_type == ETW_IN_HEXINT32 ||
           in_type == ETW_IN_HEXINT64 || in_type == ETW_IN_POINTER || in_type == ETW_IN_SIZET;
}

/* Gives the referenced property a slot, and the referring one its number. */
static etw_status compile_reference(compiler *c, uint32_t from, uint16_t to, uint16_t *slot)
{
    if (to >= c->plan->property_count) {
        return etw_error_set(c->error, ETW_ERROR_DAMAGED,
                             "property %" PRIu32 " takes its count or length from property %u, but "
                             "there are only %" PRIu32,
                             from, to, c->plan->property_count);
    }
    const etw_event_property_info target = etw_tei_property(&c->tei, to);
    if ((target.Flags & ETW_PROP_STRUCT) != 0 || !is_reference_type(target.InType)) {
        return etw_error_set(c->error, ETW_ERROR_DAMAGED,
                             "property %" PRIu32 " takes its count or length from property %u, "
                             "which is no integer",
                             from, to);
    }
    etw_property *referenced = &c->plan->properties[to];
    if (referenced->value_slot == ETW_NO_SLOT) {
        referenced->value_slot = (uint16_t)c->plan->slot_count++;
    }
    *slot = referenced->value_slot;
    return ETW_OK;
}

/* Members stand behind their struct, so that no struct can hold itself. */
static etw_status compile_struct(compiler *c, uint32_t index, const etw_event_property_info *info,
                                 etw_property *property)
{
    const uint32_t first = info->StructStartIndex;
    const uint32_t count = info->NumOfStructMembers;
    if (count != 0 && (first <= index || first + count > c->plan->property_count)) {
        return etw_error_set(c->error, ETW_ERROR_DAMAGED,
                             "struct %" PRIu32 " has members %" PRIu32 " to %" PRIu32 " of %" PRIu32
                             " properties",
                             index, first, first + count, c->plan->property_count);
    }
    uint8_t deepest = 0;
    for (uint32_t i = first; i < first + count; i++) {
        deepest = c->struct_depths[i] > deepest ? c->struct_depths[i] : deepest;
    }
    if (deepest >= ETW_MAX_STRUCT_DEPTH) {
        return etw_error_set(c->error, ETW_ERROR_LIMIT, "structs are nested deeper than %u",
                             ETW_MAX_STRUCT_DEPTH);
    }
    c->struct_depths[index] = (uint8_t)(deepest + 1);
    property->take = ETW_TAKE_STRUCT;
    property->first_member = (uint16_t)first;
    property->member_count = (uint16_t)count;
    return ETW_OK;
}

static bool is_character_array(const etw_property *property)
{
    return property->is_array && property->out_type == ETW_OUT_STRING &&
           (property->in_type == ETW_IN_UNICODECHAR || property->in_type == ETW_IN_ANSICHAR);
}

static etw_status compile_plain(compiler *c, const etw_event_property_info *info,
                                etw_property *property)
{
    property->in_type = info->InType;
    property->out_type = info->OutType;
    property->take = (uint8_t)take_of(info->InType);
    property->show = (uint8_t)show_of(info->InType, info->OutType);
    property->fixed_size = etw_in_type_size(info->InType);
    property->no_print = info->OutType == ETW_OUT_NOPRINT;
    property->is_marked = info->OutType != ETW_OUT_CULTURE_INSENSITIVE_DATETIME;
    property->has_length =
        info->length != 0 ||
        (info->Flags & (ETW_PROP_PARAM_LENGTH | ETW_PROP_PARAM_FIXED_LENGTH)) != 0;
    if (is_character_array(property)) {
        property->take = ETW_TAKE_CHARACTERS;
        property->is_array = false;
    }
    if (info->MapNameOffset == 0 || !takes_map(info->InType)) {
        return ETW_OK;
    }
    etw_bytes name;
    if (!etw_tei_string(&c->tei, info->MapNameOffset, &name)) {
        return string_outside(c, "map name", info->MapNameOffset);
    }
    return find_map(c, name, &property->map);
}

static etw_status compile_property(compiler *c, uint32_t index)
{
    const etw_event_property_info info = etw_tei_property(&c->tei, index);
    etw_property *property = &c->plan->properties[index];
    const uint32_t array_flags = ETW_PROP_PARAM_COUNT | ETW_PROP_PARAM_FIXED_COUNT;
    property->count = info.count;
    property->length = info.length;
    property->is_array = (info.Flags & array_flags) != 0 || info.count > 1;
    etw_status status = compile_name(c, "property name", info.NameOffset, &property->name);
    if (status == ETW_OK && (info.Flags & ETW_PROP_PARAM_COUNT) != 0) {
        status = compile_reference(c, index, info.countPropertyIndex, &property->count_slot);
    }
    if (status == ETW_OK && (info.Flags & ETW_PROP_PARAM_LENGTH) != 0) {
        status = compile_reference(c, index, info.lengthPropertyIndex, &property->length_slot);
    }
    if (status != ETW_OK) {
        return status;
    }
    return (info.Flags & ETW_PROP_STRUCT) != 0 ? compile_struct(c, index, &info, property)
                                               : compile_plain(c, &info, property);
}

static bool same_name(const etw_property *a, const etw_property *b)
{
    return a->name.utf8_size == b->name.utf8_size &&
           memcmp(a->name.utf8, b->name.utf8, a->name.utf8_size) == 0;
}

/* A property that stands in several structs is numbered once, which bounds the work. */
static void number_siblings(etw_property *first, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (first[i].nth != 0) {
            continue;
        }
        uint32_t nth = 1;
        for (uint32_t before = 0; before < i; before++) {
            nth += same_name(&first[before], &first[i]) ? 1 : 0;
        }
        first[i].nth = (uint16_t)nth;
    }
}

static void number_namesakes(etw_plan *plan)
{
    number_siblings(plan->properties, plan->top_count);
    for (uint32_t i = 0; i < plan->property_count; i++) {
        const etw_property *property = &plan->properties[i];
        if (property->take == ETW_TAKE_STRUCT) {
            number_siblings(plan->properties + property->first_member, property->member_count);
        }
    }
}

static etw_status compile_properties(compiler *c)
{
    etw_plan *plan = c->plan;
    plan->property_count = c->tei.info.PropertyCount;
    plan->top_count = c->tei.info.TopLevelPropertyCount;
    if (plan->property_count == 0) {
        return ETW_OK;
    }
    plan->properties = calloc(plan->property_count, sizeof *plan->properties);
    c->struct_depths = calloc(plan->property_count, 1);
    c->maps = calloc(c->schema->map_count + (size_t)1, sizeof *c->maps);
    if (plan->properties == NULL || c->struct_depths == NULL || c->maps == NULL) {
        return no_memory(c);
    }
    for (uint32_t i = 0; i < plan->property_count; i++) {
        etw_property *property = &plan->properties[i];
        property->count_slot = property->length_slot = property->value_slot = ETW_NO_SLOT;
    }
    /* From the last to the first: a struct's members then know their depth. */
    for (uint32_t i = plan->property_count; i-- > 0;) {
        const etw_status status = compile_property(c, i);
        if (status != ETW_OK) {
            return etw_error_wrap(c->error, status, "property %" PRIu32, i);
        }
    }
    number_namesakes(plan);
    return ETW_OK;
}

etw_status etw_plan_compile(const etw_schema *schema, etw_plan **plan, etw_error *error)
{
    *plan = NULL;
    compiler c = {.schema = schema, .error = error};
    etw_status status = etw_tei_open(schema->tei, &c.tei, error);
    if (status != ETW_OK) {
        return status;
    }
    if (schema->map_count > ETW_MAX_MAPS_PER_SCHEMA) {
        return etw_error_set(error, ETW_ERROR_LIMIT, "schema has %" PRIu32 " maps",
                             schema->map_count);
    }
    c.plan = calloc(1, sizeof *c.plan);
    if (c.plan == NULL) {
        return no_memory(&c);
    }
    c.plan->decoding_source = c.tei.info.DecodingSource;
    status = compile_names(&c);
    if (status == ETW_OK) {
        status = compile_properties(&c);
    }
    etw_text_free(&c.utf8);
    etw_text_free(&c.json);
    free(c.maps);
    free(c.struct_depths);
    if (status != ETW_OK) {
        etw_plan_free(c.plan);
        return status;
    }
    *plan = c.plan;
    return ETW_OK;
}

/* EventWriteString sends text and nothing that describes it. */
static const etw_property string_only_property = {
    .name = {"Message", 7, 7, "Message"},
    .count = 1,
    .nth = 1,
    .count_slot = ETW_NO_SLOT,
    .length_slot = ETW_NO_SLOT,
    .value_slot = ETW_NO_SLOT,
    .in_type = ETW_IN_UNICODESTRING,
    .out_type = ETW_OUT_STRING,
    .take = ETW_TAKE_WIDE_STRING,
    .show = ETW_SHOW_UTF16,
};
#define NO_NAME                                                                                    \
    {                                                                                              \
        "", 0, 0, ""                                                                               \
    }
static const etw_plan string_only_plan = {
    .properties = (etw_property *)&string_only_property,
    .property_count = 1,
    .top_count = 1,
    .provider_name = NO_NAME,
    .event_name = NO_NAME,
    .task_name = NO_NAME,
    .opcode_name = NO_NAME,
    .level_name = NO_NAME,
    .channel_name = NO_NAME,
    .event_message = NO_NAME,
};

const etw_plan *etw_plan_string_only(void)
{
    return &string_only_plan;
}

const etw_name *etw_plan_provider_name(const etw_plan *plan)
{
    return &plan->provider_name;
}

const etw_name *etw_plan_event_name(const etw_plan *plan)
{
    return &plan->event_name;
}

const etw_name *etw_plan_task_name(const etw_plan *plan)
{
    return &plan->task_name;
}

const etw_name *etw_plan_opcode_name(const etw_plan *plan)
{
    return &plan->opcode_name;
}

const etw_name *etw_plan_level_name(const etw_plan *plan)
{
    return &plan->level_name;
}

const etw_name *etw_plan_channel_name(const etw_plan *plan)
{
    return &plan->channel_name;
}

const etw_name *etw_plan_event_message(const etw_plan *plan)
{
    return &plan->event_message;
}

uint32_t etw_plan_keyword_count(const etw_plan *plan)
{
    return plan->keyword_count;
}

const etw_name *etw_plan_keyword_name(const etw_plan *plan, uint32_t index)
{
    return &plan->keywords[index];
}

uint32_t etw_plan_decoding_source(const etw_plan *plan)
{
    return plan->decoding_source;
}

const etw_name *etw_property_name(const etw_property *property)
{
    return &property->name;
}

uint32_t etw_property_nth(const etw_property *property)
{
    return property->nth;
}

uint16_t etw_property_in_type(const etw_property *property)
{
    return property->in_type;
}

uint16_t etw_property_out_type(const etw_property *property)
{
    return property->out_type;
}

bool etw_property_is_array(const etw_property *property)
{
    return property->is_array;
}

uint32_t etw_plan_property_index(const etw_plan *plan, const etw_property *property)
{
    return (uint32_t)(property - plan->properties);
}
