/* What a map says of a value. */
#include "format/event/render/plan_internal.h"

/* Map strings: the exact form keeps the one space that the message compiler puts behind each. */
static void append_map_text(etw_text *text, const etw_name *name, bool trim, etw_escape escape)
{
    const bool json = escape == ETW_ESCAPE_JSON;
    const char *from = json ? name->json : name->utf8;
    size_t size = json ? name->json_size : name->utf8_size;
    if (trim && size > 0 && from[size - 1] == ' ') {
        size--;
    }
    if (json || escape == ETW_ESCAPE_NONE) {
        etw_text_append(text, from, size);
    } else {
        etw_text_append_utf8(text, (const uint8_t *)from, size, escape);
    }
}

const etw_plan_map_entry *etw_plan_map_find(const etw_plan_map *map, uint32_t value)
{
    uint32_t low = 0;
    uint32_t high = map->count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (map->entries[middle].value < value) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    const bool found = low < map->count && map->entries[low].value == value;
    return found ? &map->entries[low] : NULL;
}

bool etw_plan_map_has_bits(const etw_plan_map_entry *entry, uint32_t value)
{
    return entry->value == 0 ? value == 0 : (value & entry->value) == entry->value;
}

const etw_name *etw_plan_map_name(const etw_plan_map *map, uint32_t value)
{
    const etw_plan_map_entry *entry = etw_plan_map_find(map, value);
    return entry == NULL ? NULL : &entry->text;
}

/* All names whose bits are set, joined by commas; an entry of value 0 names 0 alone. Bits without a
 * name follow in hex, except in the exact form (trim false); without any name there is no match. */
static bool append_bit_map(etw_text *text, const etw_plan_map *map, uint32_t value, bool trim,
                           etw_escape escape)
{
    uint32_t unnamed = value;
    bool is_named = false;
    for (uint32_t i = 0; i < map->count; i++) {
        const etw_plan_map_entry *entry = &map->entries[i];
        if (!etw_plan_map_has_bits(entry, value)) {
            continue;
        }
        if (is_named) {
            etw_text_append_char(text, ',');
        }
        append_map_text(text, &entry->text, trim, escape);
        is_named = true;
        unnamed &= ~entry->value;
    }
    if (is_named && trim && unnamed != 0) {
        etw_text_append_char(text, ',');
        etw_text_append_hex(text, unnamed);
    }
    return is_named;
}

bool etw_value_append_mapped(etw_text *text, const etw_plan_map *map, uint32_t value, bool trim,
                             etw_escape escape)
{
    if (map->is_bit_map) {
        return append_bit_map(text, map, value, trim, escape);
    }
    const etw_plan_map_entry *entry = etw_plan_map_find(map, value);
    if (entry == NULL) {
        return false;
    }
    append_map_text(text, &entry->text, trim, escape);
    return true;
}
