#include "format/etwcap/codec/rows.h"

#include <stdlib.h>

void etw_rows_begin(etw_rows *rows, etw_event_arrays *arrays)
{
    rows->rows = etw_event_array(arrays, sizeof *rows->rows);
    rows->records = etw_event_array(arrays, sizeof *rows->records);
    rows->group_of = etw_event_array(arrays, sizeof *rows->group_of);
    rows->groups = etw_event_array_rare(arrays, sizeof *rows->groups);
    rows->capacity = arrays->capacity;
    rows->row_count = 0;
    rows->group_count = 0;
    rows->cell_count = 0;
}

void etw_rows_free(etw_rows *rows)
{
    free(rows->bases);
    free(rows->strings);
    memset(rows, 0, sizeof *rows);
}

static bool reserve_cells(etw_rows *rows, size_t cells)
{
    if (cells <= rows->cell_capacity) {
        return true;
    }
    /* Large from the first: such memory grows without being copied. */
    const size_t wanted = cells + 4 * (size_t)rows->capacity;
    uint16_t *bases = realloc(rows->bases, wanted * sizeof *bases);
    rows->bases = bases == NULL ? rows->bases : bases;
    uint32_t *strings = realloc(rows->strings, wanted * sizeof *strings);
    rows->strings = strings == NULL ? rows->strings : strings;
    if (bases == NULL || strings == NULL) {
        return false;
    }
    rows->cell_capacity = wanted;
    return true;
}

static bool has_strings(const etw_layout *layout)
{
    bool found = false;
    for (uint32_t r = 0; r < layout->region_count; r++) {
        found = found || etw_tail_is_string(layout->regions[r].tail);
    }
    return found;
}

const etw_row_group *etw_rows_add_group(etw_rows *rows, uint32_t count, const etw_layout *layout)
{
    const uint64_t cells = rows->cell_count + (uint64_t)count * layout->region_count;
    if (count > rows->capacity - rows->row_count || rows->group_count == rows->capacity ||
        cells > ETW_ROWS_MAX_CELLS || !reserve_cells(rows, (size_t)cells)) {
        return NULL;
    }
    etw_row_group *group = &rows->groups[rows->group_count];
    *group = (etw_row_group){.first_row = rows->row_count,
                             .count = count,
                             .first_cell = (uint32_t)rows->cell_count,
                             .region_count = layout->region_count,
                             .has_strings = has_strings(layout)};
    if (group->has_strings) {
        memset(rows->strings + rows->cell_count, 0,
               (size_t)count * layout->region_count * sizeof *rows->strings);
    }
    for (uint32_t i = 0; i < count; i++) {
        rows->group_of[rows->row_count + i] = rows->group_count;
    }
    rows->cell_count = (size_t)cells;
    rows->row_count += count;
    rows->group_count++;
    return group;
}

void etw_rows_drop_group(etw_rows *rows)
{
    const etw_row_group *last = &rows->groups[--rows->group_count];
    rows->row_count -= last->count;
    rows->cell_count -= (size_t)last->count * last->region_count;
}

uint32_t etw_list_fields(const etw_layout *layout, etw_field *list)
{
    uint32_t count = 0;
    for (uint32_t r = 0; r < layout->region_count; r++) {
        if (etw_tail_is_string(layout->regions[r].tail)) {
            list[count++] = (etw_field){(uint16_t)r, 0, 0};
        }
    }
    for (uint32_t r = 0; r < layout->region_count; r++) {
        const etw_region *region = &layout->regions[r];
        uint32_t offset = 0;
        for (uint32_t p = 0; p < region->piece_count; p++) {
            const etw_piece *piece = &layout->pieces[region->first_piece + p];
            if (!piece->constant) {
                list[count++] = (etw_field){(uint16_t)r, (uint16_t)offset, (uint8_t)piece->size};
            }
            offset += piece->size;
        }
    }
    return count;
}
