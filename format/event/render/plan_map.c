#include "format/event/render/plan_compiler.h"

#include <inttypes.h>
#include <stdlib.h>

/* The entries of all maps of one schema. */
#define MAX_MAP_ENTRIES ((size_t)1 << 16)

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

/* The number that entry stands for: maps without values count their strings, which in a bit map are
 * positions. With values a bit map holds masks, WBEM's as well (TEXT.md). */
static bool entry_value(const etw_map *map, uint32_t index, uint32_t *value)
{
    const uint32_t flag = map->info.Flag;
    const bool is_counted = (flag & ETW_MAP_WBEM_NO_MAP) != 0;
    *value = is_counted ? index : etw_map_entry(map, index).Value;
    if (is_counted && (flag & ETW_MAP_WBEM_BITMAP) != 0) {
        if (*value > 31) {
            return false;
        }
        *value = (uint32_t)1 << *value;
    }
    return true;
}

static etw_status compile_map_entries(etw_plan_compiler *c, const etw_map *map,
                                      etw_plan_map *compiled)
{
    etw_plan_map_entry *entries =
        etw_arena_alloc(&c->plan->arena, map->info.EntryCount * sizeof *entries);
    if (entries == NULL) {
        return etw_plan_no_memory(c);
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
        const etw_status status = etw_plan_name_from_units(c, units, &entry->text);
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

static etw_status compile_map(etw_plan_compiler *c, const etw_map *map, etw_plan_map **out)
{
    const uint32_t bits = ETW_MAP_MANIFEST_BITMAP | ETW_MAP_WBEM_BITMAP | ETW_MAP_WBEM_FLAG;
    c->map_entries += map->info.EntryCount;
    if (c->map_entries > MAX_MAP_ENTRIES) {
        return etw_error_set(c->error, ETW_ERROR_LIMIT,
                             "maps of a schema have more than %zu entries", MAX_MAP_ENTRIES);
    }
    etw_plan_map *compiled = etw_arena_alloc(&c->plan->arena, sizeof *compiled);
    if (compiled == NULL) {
        return etw_plan_no_memory(c);
    }
    *compiled = (etw_plan_map){.is_bit_map = (map->info.Flag & bits) != 0};
    *out = compiled;
    return compile_map_entries(c, map, compiled);
}

etw_status etw_plan_find_map(etw_plan_compiler *c, etw_bytes name, const etw_plan_map **found)
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
        if (c->maps[i] == NULL) {
            const etw_status compiled = compile_map(c, &map, &c->maps[i]);
            if (compiled != ETW_OK) {
                return compiled;
            }
        }
        *found = c->maps[i];
        return ETW_OK;
    }
    return ETW_OK;
}
