/* schemas: what explains the events of a trace, as text and as JSON. */
#include "format/event/render/plan.h"
#include "format/event/tei.h"
#include "replay/command/tool.h"
#include "replay/command/verbs.h"

/* Structs may share their members, so a hostile schema could list far more than it holds. */
#define MAX_LISTED_PROPERTIES (8 * ETW_MAX_PROPERTIES)

typedef struct listing {
    etw_text *text;
    uint32_t listed;
    etw_tei tei;
    bool json;
} listing;

/* Strings of the blob. */

static void append_string(listing *l, uint32_t offset, etw_escape escape)
{
    etw_bytes units;
    if (etw_tei_string(&l->tei, offset, &units)) {
        etw_text_append_utf16(l->text, units.data, units.size, escape);
    }
}

static bool has_string(const listing *l, uint32_t offset)
{
    etw_bytes units;
    return offset != 0 && etw_tei_string(&l->tei, offset, &units) && units.size > 0;
}

static void append_type(etw_text *text, const char *name, uint16_t number)
{
    if (name != NULL) {
        etw_text_append_z(text, name);
    } else {
        etw_text_printf(text, "%u", number);
    }
}

static const char *map_kind(uint32_t flags)
{
    if ((flags & (ETW_MAP_MANIFEST_BITMAP | ETW_MAP_WBEM_BITMAP | ETW_MAP_WBEM_FLAG)) != 0) {
        return "bits";
    }
    return (flags & ETW_MAP_MANIFEST_PATTERNMAP) != 0 ? "patterns" : "values";
}

static bool may_list(listing *l, uint32_t index)
{
    return index < l->tei.info.PropertyCount && l->listed++ < MAX_LISTED_PROPERTIES;
}

/* Maps: text and JSON differ in the words around the same values. */

typedef struct map_words {
    etw_escape escape;
    const char *damaged;
    const char *name, *kind, *entries;                 /* before each of these */
    const char *value, *text, *end_entry, *next, *end; /* before, between and after the entries */
} map_words;

static const map_words map_as_text = {.escape = ETW_ESCAPE_LINE,
                                      .damaged = "  map: damaged\n",
                                      .name = "  map ",
                                      .kind = " of ",
                                      .entries = "\n",
                                      .value = "    ",
                                      .text = " = ",
                                      .end_entry = "\n",
                                      .next = "",
                                      .end = ""};

static const map_words map_as_json = {.escape = ETW_ESCAPE_JSON,
                                      .damaged = "{}",
                                      .name = "{\"Name\":\"",
                                      .kind = "\",\"Kind\":\"",
                                      .entries = "\",\"Entries\":[",
                                      .value = "{\"Value\":",
                                      .text = ",\"Text\":\"",
                                      .end_entry = "\"}",
                                      .next = ",",
                                      .end = "]}"};

static void append_map_string(etw_text *text, const etw_map *map, uint32_t offset,
                              const map_words *words)
{
    etw_bytes units;
    if (etw_map_string(map, offset, &units)) {
        etw_text_append_utf16(text, units.data, units.size, words->escape);
    }
}

static void append_map_value(const listing *l, uint32_t value)
{
    if (l->json) {
        etw_text_append_u64(l->text, value);
    } else {
        etw_text_append_hex(l->text, value);
    }
}

static void append_map(const listing *l, etw_bytes blob)
{
    const map_words *words = l->json ? &map_as_json : &map_as_text;
    etw_map map;
    if (etw_failed(etw_map_open(blob, &map, NULL))) {
        etw_text_append_z(l->text, words->damaged);
        return;
    }
    etw_text_append_z(l->text, words->name);
    append_map_string(l->text, &map, map.info.NameOffset, words);
    etw_text_append_z(l->text, words->kind);
    etw_text_append_z(l->text, map_kind(map.info.Flag));
    etw_text_append_z(l->text, words->entries);
    for (uint32_t i = 0; i < map.info.EntryCount; i++) {
        const etw_event_map_entry entry = etw_map_entry(&map, i);
        etw_text_append_z(l->text, i == 0 ? "" : words->next);
        etw_text_append_z(l->text, words->value);
        append_map_value(l, entry.Value);
        etw_text_append_z(l->text, words->text);
        append_map_string(l->text, &map, entry.OutputOffset, words);
        etw_text_append_z(l->text, words->end_entry);
    }
    etw_text_append_z(l->text, words->end);
}

/* Text. */

static void text_reference(listing *l, uint32_t index)
{
    if (index < l->tei.info.PropertyCount) {
        append_string(l, etw_tei_property(&l->tei, index).NameOffset, ETW_ESCAPE_LINE);
    }
}

static void text_size(listing *l, const etw_event_property_info *p)
{
    if ((p->Flags & ETW_PROP_PARAM_LENGTH) != 0) {
        etw_text_append_z(l->text, " length=");
        text_reference(l, p->lengthPropertyIndex);
    } else if ((p->Flags & ETW_PROP_PARAM_FIXED_LENGTH) != 0) {
        etw_text_printf(l->text, " length=%u", p->length);
    }
    if ((p->Flags & ETW_PROP_PARAM_COUNT) != 0) {
        etw_text_append_z(l->text, " [");
        text_reference(l, p->countPropertyIndex);
        etw_text_append_char(l->text, ']');
    } else if ((p->Flags & ETW_PROP_PARAM_FIXED_COUNT) != 0 || p->count > 1) {
        etw_text_printf(l->text, " [%u]", p->count);
    }
}

static void text_properties(listing *l, uint32_t first, uint32_t count, uint32_t depth)
{
    for (uint32_t i = first; i < first + count && may_list(l, i); i++) {
        const etw_event_property_info p = etw_tei_property(&l->tei, i);
        etw_text_printf(l->text, "  %*s", (int)(2 * depth), "");
        append_string(l, p.NameOffset, ETW_ESCAPE_LINE);
        if ((p.Flags & ETW_PROP_STRUCT) != 0) {
            etw_text_append_z(l->text, ": struct");
            text_size(l, &p);
            etw_text_append_char(l->text, '\n');
            if (depth < ETW_MAX_STRUCT_DEPTH && p.StructStartIndex > i) {
                text_properties(l, p.StructStartIndex, p.NumOfStructMembers, depth + 1);
            }
            continue;
        }
        etw_text_append_z(l->text, ": ");
        append_type(l->text, etw_in_type_name(p.InType), p.InType);
        if (p.OutType != 0) {
            etw_text_append_z(l->text, " as ");
            append_type(l->text, etw_out_type_name(p.OutType), p.OutType);
        }
        text_size(l, &p);
        if (has_string(l, p.MapNameOffset)) {
            etw_text_append_z(l->text, " map=");
            append_string(l, p.MapNameOffset, ETW_ESCAPE_LINE);
        }
        etw_text_append_char(l->text, '\n');
    }
}

static void text_name(listing *l, const char *label, uint32_t offset)
{
    if (has_string(l, offset)) {
        etw_text_printf(l->text, "  %s ", label);
        append_string(l, offset, ETW_ESCAPE_LINE);
        etw_text_append_char(l->text, '\n');
    }
}

static void text_head(listing *l, const etw_schema *schema, const etw_plan *plan)
{
    const etw_trace_event_info *info = &l->tei.info;
    const etw_event_descriptor *d = &info->EventDescriptor;
    append_string(l, info->ProviderNameOffset, ETW_ESCAPE_LINE);
    etw_text_append_char(l->text, '/');
    if (plan != NULL) {
        const etw_name *name = etw_plan_event_name(plan);
        etw_text_append_utf8(l->text, (const uint8_t *)name->utf8, name->utf8_size,
                             ETW_ESCAPE_LINE);
    }
    etw_text_printf(l->text, " id %u version %u level %u opcode %u task %u keyword 0x%llX\n", d->Id,
                    d->Version, d->Level, d->Opcode, d->Task, (unsigned long long)d->Keyword);
    etw_text_printf(l->text, "  schema %016llx from %s, provider ",
                    (unsigned long long)schema->hash, etw_schema_origin_name(schema->origin));
    etw_text_append_guid(l->text, &info->ProviderGuid);
    if (!etw_guid_is_zero(&info->EventGuid)) {
        etw_text_append_z(l->text, ", class ");
        etw_text_append_guid(l->text, &info->EventGuid);
    }
    etw_text_append_char(l->text, '\n');
}

static void text_schema(listing *l, const etw_schema *schema, const etw_plan *plan)
{
    const etw_trace_event_info *info = &l->tei.info;
    text_head(l, schema, plan);
    text_name(l, "task", info->TaskNameOffset);
    text_name(l, "opcode", info->OpcodeNameOffset);
    text_name(l, "level", info->LevelNameOffset);
    text_name(l, "channel", info->ChannelNameOffset);
    text_name(l, "message", info->EventMessageOffset);
    text_properties(l, 0, info->TopLevelPropertyCount, 1);
    for (uint32_t i = 0; i < schema->map_count; i++) {
        append_map(l, schema->maps[i]);
    }
}

/* JSON. */

static void json_string(listing *l, const char *member, uint32_t offset)
{
    etw_text_append_z(l->text, member);
    etw_text_append_char(l->text, '"');
    append_string(l, offset, ETW_ESCAPE_JSON);
    etw_text_append_char(l->text, '"');
}

static void json_name(listing *l, const char *member, uint32_t offset)
{
    if (has_string(l, offset)) {
        json_string(l, member, offset);
    }
}

static void json_reference(listing *l, const char *member, uint32_t index)
{
    if (index < l->tei.info.PropertyCount) {
        json_string(l, member, etw_tei_property(&l->tei, index).NameOffset);
    }
}

static void json_size(listing *l, const etw_event_property_info *p)
{
    if ((p->Flags & ETW_PROP_PARAM_LENGTH) != 0) {
        json_reference(l, ",\"LengthProperty\":", p->lengthPropertyIndex);
    } else if ((p->Flags & ETW_PROP_STRUCT) == 0 && p->length != 0) {
        etw_text_printf(l->text, ",\"Length\":%u", p->length);
    }
    if ((p->Flags & ETW_PROP_PARAM_COUNT) != 0) {
        json_reference(l, ",\"CountProperty\":", p->countPropertyIndex);
    } else if ((p->Flags & ETW_PROP_PARAM_FIXED_COUNT) != 0 || p->count > 1) {
        etw_text_printf(l->text, ",\"Count\":%u", p->count);
    }
}

static void json_type(etw_text *text, const char *member, const char *name, uint16_t number)
{
    etw_text_append_z(text, member);
    etw_text_append_char(text, '"');
    append_type(text, name, number);
    etw_text_append_char(text, '"');
}

static void json_properties(listing *l, uint32_t first, uint32_t count, uint32_t depth)
{
    etw_text_append_char(l->text, '[');
    for (uint32_t i = first; i < first + count && may_list(l, i); i++) {
        const etw_event_property_info p = etw_tei_property(&l->tei, i);
        json_string(l, i == first ? "{\"Name\":" : ",{\"Name\":", p.NameOffset);
        if ((p.Flags & ETW_PROP_STRUCT) != 0) {
            etw_text_append_z(l->text, ",\"Members\":");
            const bool is_sound = depth < ETW_MAX_STRUCT_DEPTH && p.StructStartIndex > i;
            json_properties(l, p.StructStartIndex, is_sound ? p.NumOfStructMembers : 0, depth + 1);
        } else {
            json_type(l->text, ",\"InType\":", etw_in_type_name(p.InType), p.InType);
            json_type(l->text, ",\"OutType\":", etw_out_type_name(p.OutType), p.OutType);
            json_name(l, ",\"Map\":", p.MapNameOffset);
        }
        json_size(l, &p);
        etw_text_append_char(l->text, '}');
    }
    etw_text_append_char(l->text, ']');
}

static void json_event_name(listing *l, const etw_plan *plan)
{
    if (plan != NULL && etw_plan_event_name(plan)->utf8_size > 0) {
        const etw_name *name = etw_plan_event_name(plan);
        etw_text_append_z(l->text, ",\"EventName\":\"");
        etw_text_append(l->text, name->json, name->json_size);
        etw_text_append_char(l->text, '"');
    }
}

static void json_head(listing *l, const etw_schema *schema, const etw_plan *plan)
{
    const etw_trace_event_info *info = &l->tei.info;
    const etw_event_descriptor *d = &info->EventDescriptor;
    etw_text_printf(l->text, "{\"SchemaHash\":\"%016llx\",\"Origin\":\"%s\"",
                    (unsigned long long)schema->hash, etw_schema_origin_name(schema->origin));
    json_name(l, ",\"ProviderName\":", info->ProviderNameOffset);
    etw_text_append_z(l->text, ",\"ProviderId\":\"");
    etw_text_append_guid(l->text, &info->ProviderGuid);
    etw_text_append_char(l->text, '"');
    if (!etw_guid_is_zero(&info->EventGuid)) {
        etw_text_append_z(l->text, ",\"EventGuid\":\"");
        etw_text_append_guid(l->text, &info->EventGuid);
        etw_text_append_char(l->text, '"');
    }
    json_event_name(l, plan);
    etw_text_printf(l->text,
                    ",\"Id\":%u,\"Version\":%u,\"Channel\":%u,\"Level\":%u,\"Opcode\":%u,"
                    "\"Task\":%u,\"Keyword\":\"0x%llX\"",
                    d->Id, d->Version, d->Channel, d->Level, d->Opcode, d->Task,
                    (unsigned long long)d->Keyword);
}

static void json_schema(listing *l, const etw_schema *schema, const etw_plan *plan)
{
    const etw_trace_event_info *info = &l->tei.info;
    json_head(l, schema, plan);
    json_name(l, ",\"TaskName\":", info->TaskNameOffset);
    json_name(l, ",\"OpcodeName\":", info->OpcodeNameOffset);
    json_name(l, ",\"LevelName\":", info->LevelNameOffset);
    json_name(l, ",\"ChannelName\":", info->ChannelNameOffset);
    json_name(l, ",\"Message\":", info->EventMessageOffset);
    etw_text_append_z(l->text, ",\"Properties\":");
    json_properties(l, 0, info->TopLevelPropertyCount, 1);
    etw_text_append_z(l->text, ",\"Maps\":[");
    for (uint32_t i = 0; i < schema->map_count; i++) {
        etw_text_append_z(l->text, i == 0 ? "" : ",");
        append_map(l, schema->maps[i]);
    }
    etw_text_append_z(l->text, "]}\n");
}

static void append_schema(listing *l, const etw_schema *schema, etw_plan_cache *plans)
{
    const char *problem = NULL;
    const etw_plan *plan = etw_plan_cache_get(plans, schema, &problem);
    if (etw_failed(etw_tei_open(schema->tei, &l->tei, NULL))) {
        etw_text_printf(l->text,
                        l->json ? "{\"SchemaHash\":\"%016llx\",\"Error\":\"damaged\"}\n"
                                : "schema %016llx: damaged\n",
                        (unsigned long long)schema->hash);
    } else if (l->json) {
        json_schema(l, schema, plan);
    } else {
        text_schema(l, schema, plan);
        if (problem != NULL) {
            etw_text_append_z(l->text, "  cannot be used: ");
            etw_text_append_utf8(l->text, (const uint8_t *)problem, strlen(problem),
                                 ETW_ESCAPE_LINE);
            etw_text_append_char(l->text, '\n');
        }
    }
}

static etw_status print_store(const etw_schema_store *store, bool json, etw_stream *stream,
                              etw_error *error)
{
    etw_plan_cache *plans = etw_plan_cache_new();
    etw_status status =
        plans == NULL ? etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory") : ETW_OK;
    for (uint32_t id = 1; !etw_failed(status) && id <= etw_schema_store_count(store); id++) {
        listing l = {.text = &stream->text, .json = json};
        append_schema(&l, etw_schema_store_get(store, id), plans);
        status = etw_stream_flush_chunks(stream, error);
    }
    etw_plan_cache_free(plans);
    return status;
}

/* All schemas of a file: its index tells them; where there is none, or manifests may explain more
 * events, they turn up while the events are read. */
static etw_status read_schemas(const etw_replay_arguments *arguments, etw_replay *replay,
                               const etw_schema_store **store, etw_error *error)
{
    const etw_event *event;
    etw_source *source = etw_replay_source(replay);
    etw_file_summary summary = {0};
    if (!etw_replay_is_etl(replay) && arguments->replay.manifest_path_count == 0) {
        *store = etw_reader_schemas(source);
        const etw_status status = etw_reader_summary(source, &summary, error);
        if (etw_failed(status) || summary.has_index) {
            return status;
        }
    } else {
        *store = etw_replay_schemas(replay);
    }
    etw_status status;
    do {
        status = etw_replay_next(replay, &event, error);
    } while (status == ETW_OK);
    return status == ETW_END ? ETW_OK : status;
}

etw_exit etw_verb_schemas(const etw_replay_arguments *arguments)
{
    etw_error error = {0};
    etw_replay *replay;
    etw_stream stream;
    etw_replay_options options = arguments->replay;
    const etw_schema_store *store;
    etw_status status = etw_tool_open(arguments, arguments->inputs[0], &options, &replay, &error);
    if (!etw_failed(status)) {
        status = read_schemas(arguments, replay, &store, &error);
    }
    if (!etw_failed(status)) {
        status = etw_stream_open(&stream, etw_os_default(), NULL, false, &error);
    }
    if (!etw_failed(status)) {
        status = print_store(store, arguments->json, &stream, &error);
        status = etw_stream_close(&stream, status, &error);
    }
    etw_replay_totals totals = {0};
    if (replay != NULL) {
        etw_replay_get_totals(replay, &totals);
    }
    etw_replay_close(replay);
    return etw_failed(status) ? etw_tool_fail(&error) : etw_tool_conclude(arguments, &totals);
}
