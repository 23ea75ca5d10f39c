/* The properties of one kind of event as columns of Parquet: values of their types, structs as
 * groups, arrays as lists. A mapped value is its text, its number the column with " #" behind its
 * name; so it is with lists of them. */
#ifndef ETW_FORMAT_OUTPUT_PROPERTY_COLUMNS_H
#define ETW_FORMAT_OUTPUT_PROPERTY_COLUMNS_H

#include "format/output/parquet/parquet_table.h"
#include "format/output/typed_rows.h"

/* Longer names of columns are cut, at a character. */
#define ETW_PROPERTY_NAME_BYTES 200u

typedef struct etw_property_columns etw_property_columns;

/* plan: NULL where the kind has no properties. A property that would make them more than most_nodes
 * has no columns. */
etw_status etw_property_columns_new(const etw_plan *plan, uint32_t most_nodes,
                                    etw_property_columns **columns, etw_error *error);
void etw_property_columns_free(etw_property_columns *columns);

/* Depth first, the top_count outermost among them; they live as long as columns. */
const etw_parquet_node *etw_property_columns_nodes(const etw_property_columns *columns,
                                                   uint32_t *count, uint32_t *top_count);

/* Where they are in a table. */
typedef struct etw_property_place {
    etw_parquet_table *table;
    uint32_t leaf;      /* the first of theirs */
    uint8_t definition; /* level of the group they are in */
} etw_property_place;

/* Puts the cells of a nested row. A value that fits no column is not there; it is appended to
 * misfits as JSON, a comma before each but the first. Returns how many leaves there are. */
uint32_t etw_property_columns_put(const etw_property_columns *columns,
                                  const etw_property_place *place, etw_row *row, etw_text *misfits);

#endif
