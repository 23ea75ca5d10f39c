#include "format/output/schema_listing_inside.h"

static void append_string(etw_schema_listing *l, uint32_t offset, etw_escape escape)
{
    etw_bytes units;
    if (etw_tei_string(&l->tei, offset, &units)) {
        etw_text_append_utf16(l->text, units.data, units.size, escape);
    }
}

static void append_type(etw_text *text, const char *name, uint16_t number)
{
    if (name != NULL) {
        etw_text_append_z(text, name);
    } else {
        etw_text_printf(text, "%u", number);
    }
}

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
    etw_text_printf(text, " of %s\n", etw_schema_map_kind(map.info.Flag));
    for (uint32_t i = 0; i < map.info.EntryCount; i++) {
        const etw_event_map_entry entry = etw_map_entry(&map, i);
        etw_text_append_z(text, "    ");
        etw_text_append_hex(text, entry.Value);
        etw_text_append_z(text, " = ");
        text_map_string(text, &map, entry.OutputOffset);
        etw_text_append_char(text, '\n');
    }
}

static void text_reference(etw_schema_listing *l, uint32_t index)
{
    if (index < l->tei.info.PropertyCount) {
        append_string(l, etw_tei_property(&l->tei, index).NameOffset, ETW_ESCAPE_LINE);
    }
}

static void text_size(etw_schema_listing *l, const etw_event_property_info *p)
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

static void text_properties(etw_schema_listing *l, uint32_t first, uint32_t count, uint32_t depth)
{
    for (uint32_t i = first; i < first + count && etw_schema_listing_may(l, i); i++) {
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
        if (etw_schema_listing_has(l, p.MapNameOffset)) {
            etw_text_append_z(l->text, " map=");
            append_string(l, p.MapNameOffset, ETW_ESCAPE_LINE);
        }
        etw_text_append_char(l->text, '\n');
    }
}

static void text_name(etw_schema_listing *l, const char *label, uint32_t offset)
{
    if (etw_schema_listing_has(l, offset)) {
        etw_text_printf(l->text, "  %s ", label);
        append_string(l, offset, ETW_ESCAPE_LINE);
        etw_text_append_char(l->text, '\n');
    }
}

static void text_head(etw_schema_listing *l)
{
    const etw_trace_event_info *info = &l->tei.info;
    const etw_event_descriptor *d = &info->EventDescriptor;
    append_string(l, info->ProviderNameOffset, ETW_ESCAPE_LINE);
    etw_text_append_char(l->text, '/');
    if (l->plan != NULL) {
        const etw_name *name = etw_plan_event_name(l->plan);
        etw_text_append_utf8(l->text, (const uint8_t *)name->utf8, name->utf8_size,
                             ETW_ESCAPE_LINE);
    }
    etw_text_printf(l->text, " id %u version %u level %u opcode %u task %u keyword 0x%llX\n", d->Id,
                    d->Version, d->Level, d->Opcode, d->Task, (unsigned long long)d->Keyword);
    etw_text_printf(l->text, "  schema %016llx from %s, provider ",
                    (unsigned long long)l->schema->hash, etw_schema_origin_name(l->schema->origin));
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

static void text_sources(const etw_schema_listing *l)
{
    for (uint32_t i = 0; l->choice.among != NULL && i < l->choice.among->count; i++) {
        const uint32_t at = i == 0                 ? l->choice.place
                            : i <= l->choice.place ? i - 1
                                                   : i; /* the chosen one first */
        text_source(l->text,
                    i == 0 ? "  read from " : "  not taken: ", &l->choice.among->items[at]);
    }
    if (l->choice.among != NULL && l->choice.among->left_out > 0) {
        etw_text_printf(l->text, "  not compared: %u more\n", l->choice.among->left_out);
    }
}

static void text_schema(etw_schema_listing *l)
{
    const etw_trace_event_info *info = &l->tei.info;
    text_head(l);
    text_sources(l);
    text_name(l, "task", info->TaskNameOffset);
    text_name(l, "opcode", info->OpcodeNameOffset);
    text_name(l, "level", info->LevelNameOffset);
    text_name(l, "channel", info->ChannelNameOffset);
    text_name(l, "message", info->EventMessageOffset);
    text_properties(l, 0, info->TopLevelPropertyCount, 1);
    for (uint32_t i = 0; i < l->schema->map_count; i++) {
        text_map(l->text, l->schema->maps[i]);
    }
}

etw_status etw_schema_text(const etw_schema *schema, etw_schema_choice choice,
                           etw_plan_cache *plans, etw_text *text)
{
    etw_schema_listing l = {.choice = choice, .text = text};
    const etw_status status = etw_schema_listing_begin(&l, schema, plans);
    if (status != ETW_OK) {
        return status;
    }
    if (l.is_damaged) {
        etw_text_printf(text, "schema %016llx: damaged\n", (unsigned long long)schema->hash);
        return ETW_OK;
    }
    text_schema(&l);
    if (l.problem != NULL) {
        etw_text_append_z(text, "  cannot be used: ");
        etw_text_append_utf8(text, (const uint8_t *)l.problem, strlen(l.problem), ETW_ESCAPE_LINE);
        etw_text_append_char(text, '\n');
    }
    return ETW_OK;
}
