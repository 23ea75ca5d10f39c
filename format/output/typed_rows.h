/* Rows (event_rows.h) whose properties are cells with values of their types, one for each property
 * of the event's schema, in its order: for tables with a column for each property.
 *
 * Integers, reals and booleans are what they are; all else is its text. Structs and arrays are one
 * cell with JSON, or in a nested row the cells of what is in them, between OPEN_STRUCT or OPEN_LIST
 * and CLOSE. Where a payload ends early the cells behind it are missing. */
#ifndef ETW_FORMAT_OUTPUT_TYPED_ROWS_H
#define ETW_FORMAT_OUTPUT_TYPED_ROWS_H

#include "format/output/event_rows.h"

typedef enum etw_cell_kind {
    ETW_CELL_NONE,
    ETW_CELL_INT64,
    ETW_CELL_UINT64,
    ETW_CELL_REAL,
    ETW_CELL_BOOL, /* as.uint64 */
    ETW_CELL_TIME, /* as.int64: FILETIME; and its text */
    ETW_CELL_TEXT, /* UTF-8 */
    ETW_CELL_JSON,
    ETW_CELL_BYTES,
    ETW_CELL_MAPPED, /* as.uint64, and its text */
    ETW_CELL_OPEN_STRUCT,
    ETW_CELL_OPEN_LIST,
    ETW_CELL_CLOSE
} etw_cell_kind;

typedef struct etw_cell {
    etw_cell_kind kind;
    union {
        int64_t int64;
        uint64_t uint64;
        double real;
    } as;
    etw_bytes bytes; /* lent by the row */
} etw_cell;

void etw_typed_row_append(const etw_output_options *options, const etw_event *event,
                          etw_text *rows);
void etw_nested_row_append(const etw_output_options *options, const etw_event *event,
                           etw_text *rows);
/* The row's cells, one after another; false behind the last. */
bool etw_typed_row_next(etw_row *row, etw_cell *cell);

/* A JSON value behind `before`: numbers and booleans bare, mapped values as texts. */
void etw_typed_cell_append_json(const etw_cell *cell, const char *before, etw_text *text);

/* The kind that all cells of a property have which are not NONE, or BYTES because they do not fit.
 */
etw_cell_kind etw_typed_row_kind(const etw_property *property);
/* And the kind of its values, where it is an array. Not for structs. */
etw_cell_kind etw_typed_row_value_kind(const etw_property *property);

/* The plan behind a row's cells, for its columns: to be freed where *owns says so; NULL where
 * nothing explains the event. */
etw_status etw_typed_row_plan(const etw_row *row, const etw_plan **plan, bool *owns,
                              etw_error *error);

#endif
