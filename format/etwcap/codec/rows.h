/* The payloads of a block while it is written or read, kind by kind, so that a later row can be
 * told from an earlier one. Writer and reader keep the same table. */
#ifndef ETW_FORMAT_ETWCAP_ROWS_H
#define ETW_FORMAT_ETWCAP_ROWS_H

#include "format/etwcap/codec/codec.h"
#include "format/etwcap/codec/column.h"
#include "format/etwcap/codec/event_arrays.h"
#include "format/etwcap/codec/layout.h"
#include "format/etwcap/codec/references.h"
#include "format/event/record.h"

/* Rows times regions of a block. A row of 24 regions takes 144 bytes of a batch at least, so that a
 * full batch stays below. */
#define ETW_ROWS_MAX_CELLS ((size_t)1 << 21)

/* One column of a kind: the texts of a region's string, or an integer of a region. */
typedef struct etw_field {
    uint16_t region;
    uint16_t offset; /* of an integer within its region */
    uint8_t width;   /* of an integer; 0: a string */
} etw_field;

#define ETW_MAX_FIELDS (ETW_LAYOUT_MAX_REGIONS + ETW_LAYOUT_MAX_PIECES)

/* The rows of one kind that its layout fits. */
typedef struct etw_row_group {
    uint32_t first_row, count;
    uint32_t first_cell; /* of bases and strings: region by region, row by row */
    uint32_t region_count;
    bool has_strings; /* else no strings are kept for its rows */
} etw_row_group;

typedef struct etw_rows {
    uint32_t row_count;
    uint32_t capacity;                /* rows, and groups */
    etw_bytes *rows;                  /* this and the next three: of the block's arrays */
    const etw_event_record **records; /* of which these are the payloads; headers are known */
    uint32_t *group_of;
    etw_row_group *groups;
    uint32_t group_count;
    uint16_t *bases;   /* where each region of each row starts */
    uint32_t *strings; /* the number of the text behind each region of each row */
    size_t cell_count, cell_capacity;
} etw_rows;

/* What a table takes of a block's arrays, in bytes an event: touched by all of them, and by few. */
enum {
    ETW_ROWS_EVENT_BYTES = sizeof(etw_bytes) + sizeof(etw_event_record *) + sizeof(uint32_t),
    ETW_ROWS_RARE_BYTES = sizeof(etw_row_group)
};

/* Starts a block, with a table that is zeroed or was used before, and takes its arrays; the block's
 * events are the most rows and groups that it takes. */
void etw_rows_begin(etw_rows *rows, etw_event_arrays *arrays);
void etw_rows_free(etw_rows *rows);
/* Adds count rows of a layout. Their bytes and records, from row_count on, the caller sets before
 * or after; their bases and strings after. NULL where memory ran out or a limit was met. */
const etw_row_group *etw_rows_add_group(etw_rows *rows, uint32_t count, const etw_layout *layout);

/* Takes back the group added last. */
void etw_rows_drop_group(etw_rows *rows);

/* The fields of a layout: strings, then integers, each in order of place. list: ETW_MAX_FIELDS. */
uint32_t etw_list_fields(const etw_layout *layout, etw_field *list);

static inline size_t etw_group_cell(const etw_row_group *group, uint32_t region)
{
    return group->first_cell + (size_t)region * group->count;
}

/* Up to 8 bytes as a number. */
static inline uint64_t etw_load_width(const uint8_t *from, uint32_t width)
{
    uint64_t value = 0;
    switch (width) {
    case 1:
        return *from;
    case 2:
        return etw_load_u16(from);
    case 4:
        return etw_load_u32(from);
    case 8:
        return etw_load_u64(from);
    default:
        memcpy(&value, from, width);
        return value;
    }
}

/* The value of a field in any row; false where that row has no such place. */
static inline bool etw_rows_field_at(const etw_rows *rows, uint32_t row, const etw_field *of,
                                     uint64_t *value)
{
    const etw_row_group *group = &rows->groups[rows->group_of[row]];
    if (of->region >= group->region_count) {
        return false;
    }
    const size_t cell = etw_group_cell(group, of->region) + (row - group->first_row);
    if (of->width == 0) {
        *value = group->has_strings ? rows->strings[cell] : 0;
        return true;
    }
    const uint32_t from = (uint32_t)rows->bases[cell] + of->offset;
    if (from + of->width > rows->rows[row].size) {
        return false;
    }
    *value = etw_load_width(rows->rows[row].data + from, of->width);
    return true;
}

/* What a field's values may be told from. Stored: modes of a column. */
enum {
    ETW_TOLD_BY_REFERENCE = ETW_COLUMN_FIRST_GUESS, /* the same place in the referred row, or 0 */
    ETW_TOLD_BY_FIELD,                              /* the integer field before it in the list */
    ETW_TOLD_BY_FIELD2,                             /* the one before that */
    ETW_TOLD_BY_THREAD,                             /* ThreadId */
    ETW_TOLD_BY_PROCESS,
    ETW_TOLD_BY_TIME, /* TimeStamp */
    ETW_TOLD_END
};

typedef struct etw_told {
    const etw_rows *table;
    const etw_row_group *group;
    const etw_field *of;
    const etw_field *by;   /* of BY_FIELD and BY_FIELD2; NULL: there is none */
    const uint32_t *found; /* of BY_REFERENCE: for each row of the group */
    uint32_t mode;
} etw_told;

/* What row i of the group is told to hold. Needs only what a reader has when it comes to that row.
 */
static inline uint64_t etw_rows_tell(const etw_told *told, uint32_t i)
{
    uint64_t value = 0;
    const uint32_t row = told->group->first_row + i;
    switch (told->mode) {
    case ETW_TOLD_BY_REFERENCE:
        return told->found[i] != ETW_NO_REFERENCE &&
                       etw_rows_field_at(told->table, told->found[i], told->of, &value)
                   ? value
                   : 0;
    case ETW_TOLD_BY_FIELD:
    case ETW_TOLD_BY_FIELD2:
        return told->by != NULL && etw_rows_field_at(told->table, row, told->by, &value) ? value
                                                                                         : 0;
    case ETW_TOLD_BY_THREAD:
        return told->table->records[row]->EventHeader.ThreadId;
    case ETW_TOLD_BY_PROCESS:
        return told->table->records[row]->EventHeader.ProcessId;
    case ETW_TOLD_BY_TIME:
        return (uint64_t)told->table->records[row]->EventHeader.TimeStamp;
    default:
        return 0;
    }
}

/* Fields are numbered as listed. by: as etw_told.by. */
static inline const etw_field *etw_told_by(const etw_field *list, uint32_t field, uint32_t mode)
{
    const uint32_t back = mode == ETW_TOLD_BY_FIELD ? 1 : 2;
    return field >= back && list[field - back].width != 0 ? &list[field - back] : NULL;
}

#endif
