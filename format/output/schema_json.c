#include "format/output/schema_listing_inside.h"

#include "format/output/json_writer.h"

static void json_string(etw_schema_listing *l, const char *member, uint32_t offset)
{
    etw_bytes units = {NULL, 0};
    (void)etw_tei_string(&l->tei, offset, &units);
    etw_json_utf16(l->text, member, units);
}

static void json_name(etw_schema_listing *l, const char *member, uint32_t offset)
{
    if (etw_schema_listing_has(l, offset)) {
        json_string(l, member, offset);
    }
}

static void json_reference(etw_schema_listing *l, const char *member, uint32_t index)
{
    if (index < l->tei.info.PropertyCount) {
        json_string(l, member, etw_tei_property(&l->tei, index).NameOffset);
    }
}

static void json_size(etw_schema_listing *l, const etw_event_property_info *p)
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

static void json_properties(etw_schema_listing *l, const char *member, uint32_t first,
                            uint32_t count, uint32_t depth)
{
    etw_json_open(l->text, member, '[');
    for (uint32_t i = first; i < first + count && etw_schema_listing_may(l, i); i++) {
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
        etw_json_string(text, "Kind", etw_schema_map_kind(map.info.Flag));
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

/* An empty name is told where the schema itself has it: task and opcode would make another. */
static void json_event_name(etw_schema_listing *l, const etw_plan *plan)
{
    if (plan != NULL && etw_plan_event_name(plan)->utf8_size == 0 &&
        l->tei.info.DecodingSource == ETW_DECODING_XML_FILE && l->tei.info.EventNameOffset != 0) {
        etw_json_string(l->text, "EventName", "");
        return;
    }
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

static void json_sources(const etw_schema_listing *l)
{
    if (l->choice.among == NULL) {
        return;
    }
    json_source(l->text, "Source", &l->choice.among->items[l->choice.place]);
    if (l->choice.among->count > 1) {
        etw_json_open(l->text, "Alternatives", '[');
        for (uint32_t i = 0; i < l->choice.among->count; i++) {
            if (i != l->choice.place) {
                json_source(l->text, NULL, &l->choice.among->items[i]);
            }
        }
        etw_json_close(l->text, ']');
    }
    if (l->choice.among->left_out > 0) {
        etw_json_u64(l->text, "NotCompared", l->choice.among->left_out);
    }
}

static void json_head(etw_schema_listing *l)
{
    const etw_trace_event_info *info = &l->tei.info;
    const etw_event_descriptor *d = &info->EventDescriptor;
    etw_json_open(l->text, NULL, '{');
    etw_json_printf(l->text, "SchemaHash", "%016llx", (unsigned long long)l->schema->hash);
    etw_json_string(l->text, "Origin", etw_schema_origin_name(l->schema->origin));
    json_sources(l);
    json_name(l, "ProviderName", info->ProviderNameOffset);
    etw_json_guid(l->text, "ProviderId", &info->ProviderGuid);
    if (!etw_guid_is_zero(&info->EventGuid)) {
        etw_json_guid(l->text, "EventGuid", &info->EventGuid);
    }
    json_event_name(l, l->plan);
    etw_json_u64(l->text, "Id", d->Id);
    etw_json_u64(l->text, "Version", d->Version);
    etw_json_u64(l->text, "Channel", d->Channel);
    etw_json_u64(l->text, "Level", d->Level);
    etw_json_u64(l->text, "Opcode", d->Opcode);
    etw_json_u64(l->text, "Task", d->Task);
    etw_json_printf(l->text, "Keyword", "0x%llX", (unsigned long long)d->Keyword);
}

/* Names one after the other; an empty one ends them. */
static void json_keywords(etw_schema_listing *l, uint32_t offset)
{
    etw_bytes units;
    if (!etw_schema_listing_has(l, offset)) {
        return;
    }
    etw_json_open(l->text, "KeywordNames", '[');
    while (etw_tei_string(&l->tei, offset, &units) && units.size > 0) {
        etw_json_utf16(l->text, NULL, units);
        offset += (uint32_t)units.size + 2;
    }
    etw_json_close(l->text, ']');
}

static void json_schema(etw_schema_listing *l)
{
    const etw_trace_event_info *info = &l->tei.info;
    json_head(l);
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
    for (uint32_t i = 0; i < l->schema->map_count; i++) {
        json_map(l->text, l->schema->maps[i]);
    }
    etw_json_close(l->text, ']');
    etw_text_append(l->text, "}\n", 2);
}

static void json_damaged(const etw_schema *schema, etw_text *text)
{
    etw_json_open(text, NULL, '{');
    etw_json_printf(text, "SchemaHash", "%016llx", (unsigned long long)schema->hash);
    etw_json_string(text, "Error", "damaged");
    etw_text_append(text, "}\n", 2);
}

etw_status etw_schema_json(const etw_schema *schema, etw_schema_choice choice,
                           etw_plan_cache *plans, etw_text *text)
{
    etw_schema_listing l = {.choice = choice, .text = text};
    const etw_status status = etw_schema_listing_begin(&l, schema, plans);
    if (status == ETW_OK && l.is_damaged) {
        json_damaged(schema, text);
    } else if (status == ETW_OK) {
        json_schema(&l);
    }
    return status;
}
