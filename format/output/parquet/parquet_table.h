/* A Parquet file: a schema, row groups, a footer. Rows are given leaf by leaf; bytes of the file
 * come out as row groups fill, in bounded memory.
 * https://github.com/apache/parquet-format, version 2.10. Pages are compressed by zstd. */
#ifndef ETW_FORMAT_PARQUET_TABLE_H
#define ETW_FORMAT_PARQUET_TABLE_H

#include "format/output/parquet/parquet_column.h"

/* A row group ends at either limit. */
#define ETW_PARQUET_GROUP_ROWS  ((uint32_t)1 << 17)
#define ETW_PARQUET_GROUP_BYTES ((size_t)32 << 20)

typedef enum etw_parquet_kind {
    ETW_PARQUET_GROUP, /* a struct of the nodes below it */
    ETW_PARQUET_MAP,
    ETW_PARQUET_LIST,
    ETW_PARQUET_STRING,
    ETW_PARQUET_BINARY,
    ETW_PARQUET_BOOL,
    ETW_PARQUET_INT8,
    ETW_PARQUET_INT16,
    ETW_PARQUET_INT_32,
    ETW_PARQUET_INT_64,
    ETW_PARQUET_UINT8,
    ETW_PARQUET_UINT16,
    ETW_PARQUET_UINT32,
    ETW_PARQUET_UINT64,
    ETW_PARQUET_REAL,
    ETW_PARQUET_TIME_NS /* since 1970, UTC */
} etw_parquet_kind;

typedef enum etw_parquet_repeat {
    ETW_PARQUET_REQUIRED = 0,
    ETW_PARQUET_OPTIONAL = 1,
    ETW_PARQUET_REPEATED = 2
} etw_parquet_repeat;

/* The schema as the format writes it: depth first, each node with the number of its children. The
 * root is not among them. */
typedef struct etw_parquet_node {
    const char *name;
    etw_parquet_kind kind;
    etw_parquet_repeat repeat;
    uint32_t children; /* 0: a leaf */
} etw_parquet_node;

#define ETW_PARQUET_MAX_NODES 4096u
/* A property's structs, each in a list (a group, an element), in a struct; and a list in them. */
#define ETW_PARQUET_MAX_DEPTH 104u

typedef struct etw_parquet_table etw_parquet_table;

/* nodes and their names must live as long as the table; top_count of them are the root's. */
etw_status etw_parquet_table_new(const etw_parquet_node *nodes, uint32_t node_count,
                                 uint32_t top_count, etw_parquet_table **table, etw_error *error);
void etw_parquet_table_free(etw_parquet_table *table);

/* A row group ends at so many bytes, or at ETW_PARQUET_GROUP_BYTES if that is less. */
void etw_parquet_table_limit(etw_parquet_table *table, size_t group_bytes);

/* The magic; before all else. */
void etw_parquet_table_begin(etw_parquet_table *table, etw_text *out);

/* Leaf number leaf, from 0 in the order of the schema: one entry (parquet_column.h). */
void etw_parquet_table_put(etw_parquet_table *table, uint32_t leaf, uint8_t repetition,
                           uint8_t definition, const void *bytes, size_t size);
/* Every leaf has its entries of the row. Appends a row group where one is full. */
etw_status etw_parquet_table_end_row(etw_parquet_table *table, etw_text *out, etw_error *error);

/* The last row group and the footer. */
etw_status etw_parquet_table_end(etw_parquet_table *table, const char *application, etw_text *out,
                                 etw_error *error);

#endif
