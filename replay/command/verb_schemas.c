/* schemas: what explains the events of a trace, as text and as JSON. */
#include "format/etwcap/pack_reader.h"
#include "format/event/render/plan.h"
#include "format/event/tei.h"
#include "format/input/input.h"
#include "format/output/json_writer.h"
#include "replay/command/schema_lines.h"
#include "replay/command/schema_pack.h"
#include "replay/command/tool.h"
#include "replay/command/verbs.h"

/* Structs may share their members, so a hostile schema could list far more than it holds. */
#define MAX_LISTED_PROPERTIES (8 * ETW_MAX_PROPERTIES)

typedef struct listing {
    etw_text *text;
    uint32_t listed;
    etw_tei tei;
    bool json;
    /* What was read from where, and what else there was; NULL where it came from no file. */
    const etw_candidates *among;
    uint32_t place;
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

/* Text. */

static void text_map_string(etw_text *text, const etw_map *map, uint32_t offset)
{
    etw_bytes units;
    if (etw_map_string(map, offset, &units)) {
        etw_text_append_utf16(text, units.data, units.size, ETW_ESCAPE_LINE);
    }
}

static void text_map(etw_text *text, etw_bytes blob)
{
    etw_map map;
    if (etw_failed(etw_map_open(blob, &map, NULL))) {
        etw_text_append_z(text, "  map: damaged\n");
        return;
    }
    etw_text_append_z(text, "  map ");
    text_map_string(text, &map, map.info.NameOffset);
    etw_text_printf(text, " of %s\n", map_kind(map.info.Flag));
    for (uint32_t i = 0; i < map.info.EntryCount; i++) {
        const etw_event_map_entry entry = etw_map_entry(&map, i);
        etw_text_append_z(text, "    ");
        etw_text_append_hex(text, entry.Value);
        etw_text_append_z(text, " = ");
        text_map_string(text, &map, entry.OutputOffset);
        etw_text_append_char(text, '\n');
    }
}

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

static void text_source(etw_text *text, const char *label, const etw_candidate *from)
{
    etw_text_append_z(text, label);
    etw_text_append_utf8(text, (const uint8_t *)from->from, strlen(from->from), ETW_ESCAPE_LINE);
    if (from->build != 0) {
        etw_text_printf(text, ", build %u", from->build);
    }
    etw_text_append_char(text, '\n');
}

static void text_sources(const listing *l)
{
    for (uint32_t i = 0; l->among != NULL && i < l->among->count; i++) {
        const uint32_t at = i == 0          ? l->place
                            : i <= l->place ? i - 1
                                            : i; /* the chosen one first */
        text_source(l->text, i == 0 ? "  read from " : "  not taken: ", &l->among->items[at]);
    }
    if (l->among != NULL && l->among->left_out > 0) {
        etw_text_printf(l->text, "  not compared: %u more\n", l->among->left_out);
    }
}

static void text_schema(listing *l, const etw_schema *schema, const etw_plan *plan)
{
    const etw_trace_event_info *info = &l->tei.info;
    text_head(l, schema, plan);
    text_sources(l);
    text_name(l, "task", info->TaskNameOffset);
    text_name(l, "opcode", info->OpcodeNameOffset);
    text_name(l, "level", info->LevelNameOffset);
    text_name(l, "channel", info->ChannelNameOffset);
    text_name(l, "message", info->EventMessageOffset);
    text_properties(l, 0, info->TopLevelPropertyCount, 1);
    for (uint32_t i = 0; i < schema->map_count; i++) {
        text_map(l->text, schema->maps[i]);
    }
}

/* JSON. */

static void json_string(listing *l, const char *member, uint32_t offset)
{
    etw_bytes units = {NULL, 0};
    (void)etw_tei_string(&l->tei, offset, &units);
    etw_json_utf16(l->text, member, units);
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
        json_reference(l, "LengthProperty", p->lengthPropertyIndex);
    } else if ((p->Flags & ETW_PROP_STRUCT) == 0 && p->length != 0) {
        etw_json_u64(l->text, "Length", p->length);
    }
    if ((p->Flags & ETW_PROP_PARAM_COUNT) != 0) {
        json_reference(l, "CountProperty", p->countPropertyIndex);
    } else if ((p->Flags & ETW_PROP_PARAM_FIXED_COUNT) != 0 || p->count > 1) {
        etw_json_u64(l->text, "Count", p->count);
    }
}

/* What a schema made of this text would lack. */
static void json_more(etw_text *text, const etw_event_property_info *p)
{
    const uint32_t flags = p->Flags & (ETW_PROP_WBEM_XML_FRAGMENT | ETW_PROP_PARAM_FIXED_LENGTH |
                                       ETW_PROP_PARAM_FIXED_COUNT);
    if (flags != 0) {
        etw_json_u64(text, "Flags", flags);
    }
    if ((p->Flags & ETW_PROP_HAS_TAGS) != 0) {
        etw_json_u64(text, "Tags", p->Tags);
    }
}

static void json_type(etw_text *text, const char *member, const char *name, uint16_t number)
{
    if (name != NULL) {
        etw_json_string(text, member, name);
    } else {
        etw_json_printf(text, member, "%u", number);
    }
}

static void json_properties(listing *l, const char *member, uint32_t first, uint32_t count,
                            uint32_t depth)
{
    etw_json_open(l->text, member, '[');
    for (uint32_t i = first; i < first + count && may_list(l, i); i++) {
        const etw_event_property_info p = etw_tei_property(&l->tei, i);
        etw_json_open(l->text, NULL, '{');
        json_string(l, "Name", p.NameOffset);
        if ((p.Flags & ETW_PROP_STRUCT) != 0) {
            const bool is_sound = depth < ETW_MAX_STRUCT_DEPTH && p.StructStartIndex > i;
            json_properties(l, "Members", p.StructStartIndex, is_sound ? p.NumOfStructMembers : 0,
                            depth + 1);
        } else {
            json_type(l->text, "InType", etw_in_type_name(p.InType), p.InType);
            json_type(l->text, "OutType", etw_out_type_name(p.OutType), p.OutType);
            json_name(l, "Map", p.MapNameOffset);
        }
        json_size(l, &p);
        json_more(l->text, &p);
        etw_json_close(l->text, '}');
    }
    etw_json_close(l->text, ']');
}

static void json_map_string(etw_text *text, const char *member, const etw_map *map, uint32_t offset)
{
    etw_bytes units = {NULL, 0};
    (void)etw_map_string(map, offset, &units);
    etw_json_utf16(text, member, units);
}

static void json_map(etw_text *text, etw_bytes blob)
{
    etw_map map;
    etw_json_open(text, NULL, '{');
    if (!etw_failed(etw_map_open(blob, &map, NULL))) {
        json_map_string(text, "Name", &map, map.info.NameOffset);
        etw_json_string(text, "Kind", map_kind(map.info.Flag));
        etw_json_u64(text, "Flags", map.info.Flag);
        etw_json_open(text, "Entries", '[');
        for (uint32_t i = 0; i < map.info.EntryCount; i++) {
            const etw_event_map_entry entry = etw_map_entry(&map, i);
            etw_json_open(text, NULL, '{');
            etw_json_u64(text, "Value", entry.Value);
            json_map_string(text, "Text", &map, entry.OutputOffset);
            etw_json_close(text, '}');
        }
        etw_json_close(text, ']');
    }
    etw_json_close(text, '}');
}

static void json_event_name(listing *l, const etw_plan *plan)
{
    if (plan != NULL && etw_plan_event_name(plan)->utf8_size > 0) {
        const etw_name *name = etw_plan_event_name(plan);
        etw_json_begin(l->text, "EventName");
        etw_text_append_char(l->text, '"');
        etw_text_append(l->text, name->json, name->json_size);
        etw_text_append_char(l->text, '"');
    }
}

static void json_source(etw_text *text, const char *member, const etw_candidate *from)
{
    etw_json_open(text, member, '{');
    etw_json_string(text, "File", from->from);
    if (from->build != 0) {
        etw_json_u64(text, "Build", from->build);
    }
    etw_json_close(text, '}');
}

static void json_sources(const listing *l)
{
    if (l->among == NULL) {
        return;
    }
    json_source(l->text, "Source", &l->among->items[l->place]);
    if (l->among->count > 1) {
        etw_json_open(l->text, "Alternatives", '[');
        for (uint32_t i = 0; i < l->among->count; i++) {
            if (i != l->place) {
                json_source(l->text, NULL, &l->among->items[i]);
            }
        }
        etw_json_close(l->text, ']');
    }
    if (l->among->left_out > 0) {
        etw_json_u64(l->text, "NotCompared", l->among->left_out);
    }
}

static void json_head(listing *l, const etw_schema *schema, const etw_plan *plan)
{
    const etw_trace_event_info *info = &l->tei.info;
    const etw_event_descriptor *d = &info->EventDescriptor;
    etw_json_open(l->text, NULL, '{');
    etw_json_printf(l->text, "SchemaHash", "%016llx", (unsigned long long)schema->hash);
    etw_json_string(l->text, "Origin", etw_schema_origin_name(schema->origin));
    json_sources(l);
    json_name(l, "ProviderName", info->ProviderNameOffset);
    etw_json_guid(l->text, "ProviderId", &info->ProviderGuid);
    if (!etw_guid_is_zero(&info->EventGuid)) {
        etw_json_guid(l->text, "EventGuid", &info->EventGuid);
    }
    json_event_name(l, plan);
    etw_json_u64(l->text, "Id", d->Id);
    etw_json_u64(l->text, "Version", d->Version);
    etw_json_u64(l->text, "Channel", d->Channel);
    etw_json_u64(l->text, "Level", d->Level);
    etw_json_u64(l->text, "Opcode", d->Opcode);
    etw_json_u64(l->text, "Task", d->Task);
    etw_json_printf(l->text, "Keyword", "0x%llX", (unsigned long long)d->Keyword);
}

/* Names one after the other; an empty one ends them. */
static void json_keywords(listing *l, uint32_t offset)
{
    etw_bytes units;
    if (!has_string(l, offset)) {
        return;
    }
    etw_json_open(l->text, "KeywordNames", '[');
    while (etw_tei_string(&l->tei, offset, &units) && units.size > 0) {
        etw_json_utf16(l->text, NULL, units);
        offset += (uint32_t)units.size + 2;
    }
    etw_json_close(l->text, ']');
}

static void json_schema(listing *l, const etw_schema *schema, const etw_plan *plan)
{
    const etw_trace_event_info *info = &l->tei.info;
    json_head(l, schema, plan);
    json_name(l, "TaskName", info->TaskNameOffset);
    json_name(l, "OpcodeName", info->OpcodeNameOffset);
    json_name(l, "LevelName", info->LevelNameOffset);
    json_name(l, "ChannelName", info->ChannelNameOffset);
    json_name(l, "Message", info->EventMessageOffset);
    json_name(l, "ProviderMessage", info->ProviderMessageOffset);
    json_keywords(l, info->KeywordsNameOffset);
    etw_json_u64(l->text, "DecodingSource", info->DecodingSource);
    etw_json_u64(l->text, "Flags", info->Flags);
    json_properties(l, "Properties", 0, info->TopLevelPropertyCount, 1);
    etw_json_open(l->text, "Maps", '[');
    for (uint32_t i = 0; i < schema->map_count; i++) {
        json_map(l->text, schema->maps[i]);
    }
    etw_json_close(l->text, ']');
    etw_text_append(l->text, "}\n", 2);
}

static void append_damaged(const listing *l, const etw_schema *schema)
{
    if (!l->json) {
        etw_text_printf(l->text, "schema %016llx: damaged\n", (unsigned long long)schema->hash);
        return;
    }
    etw_json_open(l->text, NULL, '{');
    etw_json_printf(l->text, "SchemaHash", "%016llx", (unsigned long long)schema->hash);
    etw_json_string(l->text, "Error", "damaged");
    etw_text_append(l->text, "}\n", 2);
}

static etw_status append_schema(listing *l, const etw_schema *schema, etw_plan_cache *plans)
{
    const char *problem = NULL;
    const etw_plan *plan;
    const etw_status status = etw_plan_cache_find(plans, schema, &plan, &problem);
    if (status != ETW_OK) {
        return status;
    }
    if (etw_failed(etw_tei_open(schema->tei, &l->tei, NULL))) {
        append_damaged(l, schema);
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
    return ETW_OK;
}

void etw_schema_append_json(const etw_schema *schema, etw_plan_cache *plans, etw_text *text)
{
    listing l = {.text = text, .json = true};
    append_schema(&l, schema, plans);
}

/* replay: knows what they were chosen among. */
static etw_status print_store(const etw_schema_store *store, const etw_replay *replay, bool json,
                              etw_stream *stream, etw_error *error)
{
    etw_plan_cache *plans = etw_plan_cache_new();
    etw_status status =
        plans == NULL ? etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory") : ETW_OK;
    for (uint32_t id = 1; !etw_failed(status) && id <= etw_schema_store_count(store); id++) {
        const etw_schema *schema = etw_schema_store_get(store, id);
        listing l = {.text = &stream->text, .json = json};
        l.among = etw_replay_candidates(replay, schema, &l.place);
        if (l.among == NULL || l.among->items[l.place].was_chosen) {
            status = append_schema(&l, schema, plans);
        }
        status = status != ETW_OK ? etw_error_set(error, status, "no memory to compile a schema")
                                  : etw_stream_flush_chunks(stream, error);
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

/* A pack: all of its definitions. */
typedef struct pack_listing {
    etw_stream *stream;
    etw_plan_cache *plans;
    bool json;
} pack_listing;

static etw_status list_definition(void *context, const etw_schema *schema, const char *from,
                                  uint32_t build, etw_error *error)
{
    const pack_listing *to = context;
    const etw_candidates among = {.items[0] = {.from = from, .build = build}, .count = 1};
    listing l = {.text = &to->stream->text, .json = to->json, .among = &among};
    append_schema(&l, schema, to->plans);
    return etw_stream_flush_chunks(to->stream, error);
}

static etw_status list_pack(etw_donor *pack, bool json, etw_stream *stream, etw_error *error)
{
    pack_listing to = {.stream = stream, .plans = etw_plan_cache_new(), .json = json};
    const etw_definition_visitor visitor = {list_definition, &to};
    const etw_status status = to.plans == NULL
                                  ? etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory")
                                  : pack->each(pack, &visitor, error);
    etw_plan_cache_free(to.plans);
    return status;
}

/* False where the input is no pack. */
static bool list_as_pack(const etw_replay_arguments *arguments, const etw_input *input,
                         etw_stream *stream, etw_exit *result)
{
    etw_error error = {0};
    etw_donor *pack = NULL;
    etw_schema_store *names = etw_schema_store_new();
    if (names == NULL ||
        etw_pack_open(etw_input_os(input), etw_input_name(input), names, &pack, NULL) != ETW_OK) {
        etw_schema_store_free(names);
        return false;
    }
    const etw_status status = list_pack(pack, arguments->json, stream, &error);
    pack->free(pack);
    etw_schema_store_free(names);
    *result = etw_failed(status) ? etw_tool_fail(&error) : ETW_EXIT_WELL;
    return true;
}

static etw_exit list_one(const etw_replay_arguments *arguments, etw_input *input,
                         etw_stream *stream)
{
    etw_error error = {0};
    etw_exit result;
    if (list_as_pack(arguments, input, stream, &result)) {
        etw_input_close(input);
        return result;
    }
    etw_replay *replay;
    etw_replay_options options = arguments->replay;
    etw_replay_totals totals = {0};
    const etw_schema_store *store;
    etw_status status = etw_tool_open_input(arguments, input, &options, &replay, &error);
    if (!etw_failed(status)) {
        etw_progress progress;
        etw_progress_begin(&progress, arguments, "reading", "B");
        etw_progress_watch(&progress, &input, 1);
        status = read_schemas(arguments, replay, &store, &error);
        etw_progress_end(&progress);
    }
    if (!etw_failed(status)) {
        status = print_store(store, replay, arguments->json, stream, &error);
    }
    if (replay != NULL) {
        etw_replay_get_totals(replay, &totals);
    }
    etw_replay_close(replay);
    return etw_failed(status) ? etw_tool_fail(&error) : etw_tool_conclude(arguments, &totals);
}

typedef struct listing_all {
    const etw_replay_arguments *arguments;
    etw_stream *stream;
    etw_exit result;
} listing_all;

static etw_status take(void *context, etw_input *input, etw_error *error)
{
    listing_all *to = context;
    (void)error;
    to->result = etw_tool_worse(to->result, list_one(to->arguments, input, to->stream));
    return ETW_OK;
}

etw_exit etw_verb_schemas(const etw_replay_arguments *arguments)
{
    if (arguments->export_path != NULL) {
        return etw_schema_pack_export(arguments);
    }
    if (arguments->input_count == 0) {
        etw_tool_say("schemas needs a FILE, or --export");
        return ETW_EXIT_USAGE;
    }
    etw_error error = {0};
    etw_stream stream;
    listing_all to = {.arguments = arguments, .stream = &stream, .result = ETW_EXIT_WELL};
    etw_status status = etw_stream_open(&stream, etw_os_default(), NULL, false, &error);
    to.result = etw_tool_worse(to.result, etw_tool_each_input(arguments, take, &to));
    status = etw_stream_close(&stream, status, &error);
    return etw_failed(status) ? etw_tool_fail(&error) : to.result;
}
