/* Schemas as text, so that a test states what it expects in one string; and records made by hand.
 */
#ifndef ETW_TESTS_UNIT_SCHEMA_TEXT_H
#define ETW_TESTS_UNIT_SCHEMA_TEXT_H

#include "format/event/schema.h"
#include "format/event/tei.h"

#include <inttypes.h>

static inline void append_units(etw_text *text, bool found, etw_bytes units)
{
    if (found) {
        etw_text_append_utf16(text, units.data, units.size, ETW_ESCAPE_LINE);
    } else {
        etw_text_append_z(text, "<bad>");
    }
}

/* " label=text" for a string that is there. */
static inline void append_tei_string(etw_text *text, const etw_tei *tei, const char *label,
                                     uint32_t offset)
{
    etw_bytes units;
    if (offset != 0) {
        etw_text_printf(text, " %s=", label);
        append_units(text, etw_tei_string(tei, offset, &units), units);
    }
}

static inline void append_count(etw_text *text, const char *label, bool by_property, uint16_t value,
                                uint16_t usual)
{
    if (by_property) {
        etw_text_printf(text, " %s<-%u", label, value);
    } else if (value != usual) {
        etw_text_printf(text, " %s=%u", label, value);
    }
}

/* "Name in/out", then only what is not the usual: a flag that the rest does not tell, a count other
 * than 1, a length other than 0, a map, tags. References are "count<-INDEX". */
static inline void append_property(etw_text *text, const etw_tei *tei, uint32_t index)
{
    const etw_event_property_info property = etw_tei_property(tei, index);
    const uint32_t told = ETW_PROP_STRUCT | ETW_PROP_PARAM_LENGTH | ETW_PROP_PARAM_COUNT |
                          ETW_PROP_HAS_TAGS | ETW_PROP_HAS_CUSTOM_SCHEMA;
    etw_bytes name;
    append_units(text, etw_tei_string(tei, property.NameOffset, &name), name);
    if ((property.Flags & ETW_PROP_STRUCT) != 0) {
        etw_text_printf(text, " struct(%u+%u)", property.StructStartIndex,
                        property.NumOfStructMembers);
    } else {
        etw_text_printf(text, " %u/%u", property.InType, property.OutType);
    }
    if ((property.Flags & ~told) != 0) {
        etw_text_printf(text, " flags=0x%" PRIx32, property.Flags & ~told);
    }
    append_count(text, "count", (property.Flags & ETW_PROP_PARAM_COUNT) != 0, property.count, 1);
    append_count(text, "length", (property.Flags & ETW_PROP_PARAM_LENGTH) != 0, property.length, 0);
    if ((property.Flags & ETW_PROP_HAS_CUSTOM_SCHEMA) != 0) {
        const bool inside = property.CustomSchemaOffset + UINT64_C(4) <= tei->bytes.size;
        const uint8_t *custom = tei->bytes.data + (inside ? property.CustomSchemaOffset : 0);
        etw_text_printf(text, " custom=%u:%u", etw_load_u16(custom), etw_load_u16(custom + 2));
    } else {
        append_tei_string(text, tei, "map", property.MapNameOffset);
    }
    if ((property.Flags & ETW_PROP_HAS_TAGS) != 0) {
        etw_text_printf(text, " tags=0x%" PRIx32, property.Tags >> ETW_TEI_TAGS_SHIFT);
    }
}

/* All properties in their order, joined by "; ". */
static inline void append_properties(etw_text *text, etw_bytes blob)
{
    etw_tei tei;
    if (etw_tei_open(blob, &tei, NULL) != ETW_OK) {
        etw_text_append_z(text, "<bad>");
        return;
    }
    for (uint32_t i = 0; i < tei.info.PropertyCount; i++) {
        etw_text_append_z(text, i == 0 ? "" : "; ");
        append_property(text, &tei, i);
    }
}

static inline void append_keywords(etw_text *text, const etw_tei *tei)
{
    uint32_t offset = tei->info.KeywordsNameOffset;
    etw_bytes units = {0};
    for (uint32_t i = 0; offset != 0; i++) {
        const bool found = etw_tei_string(tei, offset, &units);
        if (found && units.size == 0) {
            return;
        }
        etw_text_append_z(text, i == 0 ? " keywords=" : ",");
        append_units(text, found, units);
        if (!found) {
            return;
        }
        offset += (uint32_t)units.size + 2;
    }
}

/* The event's own part: all but the descriptor and the properties. */
static inline void append_event(etw_text *text, etw_bytes blob)
{
    etw_tei tei;
    if (etw_tei_open(blob, &tei, NULL) != ETW_OK) {
        etw_text_append_z(text, "<bad>");
        return;
    }
    etw_text_printf(text, "source=%" PRIu32 " flags=0x%" PRIx32 " properties=%" PRIu32 "/%" PRIu32,
                    tei.info.DecodingSource, tei.info.Flags, tei.info.TopLevelPropertyCount,
                    tei.info.PropertyCount);
    if (!etw_guid_is_zero(&tei.info.EventGuid)) {
        etw_text_append_z(text, " event=");
        etw_text_append_guid(text, &tei.info.EventGuid);
    }
    append_tei_string(text, &tei, "provider", tei.info.ProviderNameOffset);
    append_tei_string(text, &tei, "level", tei.info.LevelNameOffset);
    append_tei_string(text, &tei, "channel", tei.info.ChannelNameOffset);
    append_keywords(text, &tei);
    append_tei_string(text, &tei, "task", tei.info.TaskNameOffset);
    append_tei_string(text, &tei, "opcode", tei.info.OpcodeNameOffset);
    append_tei_string(text, &tei, "message", tei.info.EventMessageOffset);
    append_tei_string(text, &tei, "provider_message", tei.info.ProviderMessageOffset);
    append_tei_string(text, &tei, "name", tei.info.EventNameOffset);
    append_tei_string(text, &tei, "attributes", tei.info.EventAttributesOffset);
}

/* "Name flag=1: 0x0=Text ; 0x1=..." */
static inline void append_map(etw_text *text, etw_bytes blob)
{
    etw_map map;
    etw_bytes units;
    if (etw_map_open(blob, &map, NULL) != ETW_OK) {
        etw_text_append_z(text, "<bad>");
        return;
    }
    append_units(text, etw_map_string(&map, map.info.NameOffset, &units), units);
    etw_text_printf(text, " flag=%" PRIu32 ":", map.info.Flag);
    for (uint32_t i = 0; i < map.info.EntryCount; i++) {
        const etw_event_map_entry entry = etw_map_entry(&map, i);
        etw_text_printf(text, "%s0x%" PRIx32 "=", i == 0 ? " " : "; ", entry.Value);
        append_units(text, etw_map_string(&map, entry.OutputOffset, &units), units);
    }
}

#endif
