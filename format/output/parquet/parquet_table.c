#include "format/output/parquet/parquet_table.h"

#include "format/base/grown.h"
#include "format/output/parquet/thrift.h"

#include <stdlib.h>
#include <zstd.h>

#define MAGIC          "PAR1"
#define CODEC_ZSTD     6
#define ENCODING_PLAIN 0
#define ENCODING_RLE   3
#define ENCODING_DICT  8
#define NO_TYPE        (-1)

typedef struct group {
    etw_parquet_chunk *chunks; /* one for each leaf */
    uint32_t rows;
} group;

struct etw_parquet_table {
    size_t group_bytes;
    const etw_parquet_node *nodes;
    uint32_t node_count, top_count;
    etw_parquet_column *columns;
    uint32_t *leaves; /* node of each column */
    uint32_t leaf_count;
    group *groups;
    uint32_t group_count, group_capacity;
    uint32_t rows; /* of the group being filled */
    uint64_t all_rows;
    uint64_t offset; /* bytes given out so far */
};

/* What a kind is in the format's terms: parquet.thrift, ConvertedType and LogicalType. */
typedef struct kind_row {
    int physical;  /* an etw_parquet_type, or NO_TYPE of a group */
    int converted; /* -1: none */
    int bits;      /* of integers */
    bool is_signed;
} kind_row;

static const kind_row kinds[] = {
    [ETW_PARQUET_GROUP] = {NO_TYPE, -1, 0, false},
    [ETW_PARQUET_MAP] = {NO_TYPE, 1, 0, false},
    [ETW_PARQUET_LIST] = {NO_TYPE, 3, 0, false},
    [ETW_PARQUET_STRING] = {ETW_PARQUET_BYTE_ARRAY, 0, 0, false},
    [ETW_PARQUET_BINARY] = {ETW_PARQUET_BYTE_ARRAY, -1, 0, false},
    [ETW_PARQUET_BOOL] = {ETW_PARQUET_BOOLEAN, -1, 0, false},
    [ETW_PARQUET_INT8] = {ETW_PARQUET_INT32, 15, 8, true},
    [ETW_PARQUET_INT16] = {ETW_PARQUET_INT32, 16, 16, true},
    [ETW_PARQUET_INT_32] = {ETW_PARQUET_INT32, 17, 32, true},
    [ETW_PARQUET_INT_64] = {ETW_PARQUET_INT64, 18, 64, true},
    [ETW_PARQUET_UINT8] = {ETW_PARQUET_INT32, 11, 8, false},
    [ETW_PARQUET_UINT16] = {ETW_PARQUET_INT32, 12, 16, false},
    [ETW_PARQUET_UINT32] = {ETW_PARQUET_INT32, 13, 32, false},
    [ETW_PARQUET_UINT64] = {ETW_PARQUET_INT64, 14, 64, false},
    [ETW_PARQUET_REAL] = {ETW_PARQUET_DOUBLE, -1, 0, true},
    [ETW_PARQUET_TIME_NS] = {ETW_PARQUET_INT64, -1, 0, true},
};

static bool is_unsigned(etw_parquet_kind kind)
{
    return kinds[kind].bits > 0 && !kinds[kind].is_signed;
}

/* Opening. */

/* Where the walk over the schema stands. */
typedef struct level {
    uint8_t definition, repetition;
    uint32_t depth;
} level;

static void add_leaf(etw_parquet_table *table, uint32_t at, level inside)
{
    const etw_parquet_kind kind = table->nodes[at].kind;
    etw_parquet_column *column = &table->columns[table->leaf_count];
    table->leaves[table->leaf_count++] = at;
    column->type = (etw_parquet_type)kinds[kind].physical;
    column->is_unsigned = is_unsigned(kind);
    column->max_definition = inside.definition;
    column->max_repetition = inside.repetition;
}

/* The leaves below count nodes from *index on; the depth is bounded by the caller's schema. */
static etw_status lay_out(etw_parquet_table *table, uint32_t *index, uint32_t count, level outside,
                          etw_error *error)
{
    if (outside.depth > ETW_PARQUET_MAX_DEPTH) {
        return etw_error_set(error, ETW_ERROR_LIMIT, "a table's columns nest too deeply");
    }
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t at = (*index)++;
        const etw_parquet_node *node = &table->nodes[at];
        const level inside = {
            (uint8_t)(outside.definition + (node->repeat != ETW_PARQUET_REQUIRED)),
            (uint8_t)(outside.repetition + (node->repeat == ETW_PARQUET_REPEATED)),
            outside.depth + 1};
        if (node->children == 0) {
            add_leaf(table, at, inside);
            continue;
        }
        const etw_status status = lay_out(table, index, node->children, inside, error);
        if (etw_failed(status)) {
            return status;
        }
    }
    return ETW_OK;
}

etw_status etw_parquet_table_new(const etw_parquet_node *nodes, uint32_t node_count,
                                 uint32_t top_count, etw_parquet_table **table, etw_error *error)
{
    etw_parquet_table *made = calloc(1, sizeof *made);
    uint32_t index = 0;
    *table = NULL;
    if (node_count > ETW_PARQUET_MAX_NODES) {
        free(made);
        return etw_error_set(error, ETW_ERROR_LIMIT, "a table of %u columns", node_count);
    }
    if (made != NULL) {
        made->nodes = nodes;
        made->group_bytes = ETW_PARQUET_GROUP_BYTES;
        made->node_count = node_count;
        made->top_count = top_count;
        made->columns = calloc(node_count, sizeof *made->columns);
        made->leaves = calloc(node_count, sizeof *made->leaves);
    }
    if (made == NULL || made->columns == NULL || made->leaves == NULL) {
        etw_parquet_table_free(made);
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a table");
    }
    const etw_status status = lay_out(made, &index, top_count, (level){0, 0, 0}, error);
    if (etw_failed(status)) {
        etw_parquet_table_free(made);
        return status;
    }
    *table = made;
    return ETW_OK;
}

void etw_parquet_table_free(etw_parquet_table *table)
{
    if (table == NULL) {
        return;
    }
    for (uint32_t i = 0; i < table->leaf_count; i++) {
        etw_parquet_column_free(&table->columns[i]);
    }
    for (uint32_t i = 0; i < table->group_count; i++) {
        for (uint32_t j = 0; j < table->leaf_count; j++) {
            etw_text_free(&table->groups[i].chunks[j].least);
            etw_text_free(&table->groups[i].chunks[j].most);
        }
        free(table->groups[i].chunks);
    }
    free(table->groups);
    free(table->columns);
    free(table->leaves);
    free(table);
}

void etw_parquet_table_limit(etw_parquet_table *table, size_t group_bytes)
{
    table->group_bytes =
        group_bytes < ETW_PARQUET_GROUP_BYTES ? group_bytes : ETW_PARQUET_GROUP_BYTES;
}

/* Rows. */

void etw_parquet_table_begin(etw_parquet_table *table, etw_text *out)
{
    etw_text_append_z(out, MAGIC);
    table->offset += strlen(MAGIC);
}

void etw_parquet_table_put(etw_parquet_table *table, uint32_t leaf, uint8_t repetition,
                           uint8_t definition, const void *bytes, size_t size)
{
    etw_parquet_column_put(&table->columns[leaf], repetition, definition, bytes, size);
}

static etw_status add_group(etw_parquet_table *table, etw_error *error)
{
    group *longer =
        etw_grown(table->groups, &table->group_capacity, table->group_count, 8, sizeof *longer);
    if (longer == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a row group");
    }
    table->groups = longer;
    etw_parquet_chunk *chunks = calloc(table->leaf_count, sizeof *chunks);
    if (chunks == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a row group");
    }
    table->groups[table->group_count++] = (group){.chunks = chunks, .rows = table->rows};
    return ETW_OK;
}

static etw_status flush(etw_parquet_table *table, etw_text *out, etw_error *error)
{
    if (table->rows == 0) {
        return ETW_OK;
    }
    ZSTD_CCtx *zstd = ZSTD_createCCtx(); /* not kept: many tables may be open, each a MiB more */
    etw_status status = zstd == NULL
                            ? etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a row group")
                            : add_group(table, error);
    for (uint32_t i = 0; !etw_failed(status) && i < table->leaf_count; i++) {
        const size_t start = out->size;
        status = etw_parquet_column_flush(&table->columns[i], zstd, table->offset, out,
                                          &table->groups[table->group_count - 1].chunks[i], error);
        table->offset += out->size - start;
    }
    ZSTD_freeCCtx(zstd);
    table->all_rows += table->rows;
    table->rows = 0;
    return status;
}

etw_status etw_parquet_table_end_row(etw_parquet_table *table, etw_text *out, etw_error *error)
{
    table->rows++;
    if (table->rows < ETW_PARQUET_GROUP_ROWS && table->rows % 256 != 0) {
        return ETW_OK;
    }
    size_t size = 0;
    for (uint32_t i = 0; i < table->leaf_count; i++) {
        size += etw_parquet_column_size(&table->columns[i]);
    }
    return table->rows >= ETW_PARQUET_GROUP_ROWS || size >= table->group_bytes
               ? flush(table, out, error)
               : ETW_OK;
}

/* The footer: parquet.thrift, FileMetaData. */

/* An empty struct of a union says which one it is. */
static void mark(etw_thrift *t, int16_t field)
{
    etw_thrift_struct(t, field);
    etw_thrift_end_struct(t);
}

static void append_logical_type(etw_thrift *t, etw_parquet_kind kind)
{
    etw_thrift_struct(t, 10);
    if (kind == ETW_PARQUET_STRING) {
        mark(t, 1);
    } else if (kind == ETW_PARQUET_MAP) {
        mark(t, 2);
    } else if (kind == ETW_PARQUET_LIST) {
        mark(t, 3);
    } else if (kind == ETW_PARQUET_TIME_NS) {
        etw_thrift_struct(t, 8);
        etw_thrift_bool(t, 1, true);
        etw_thrift_struct(t, 2);
        mark(t, 3);
        etw_thrift_end_struct(t);
        etw_thrift_end_struct(t);
    } else if (kinds[kind].bits > 0) {
        etw_thrift_struct(t, 10);
        etw_thrift_byte(t, 1, (int8_t)kinds[kind].bits);
        etw_thrift_bool(t, 2, kinds[kind].is_signed);
        etw_thrift_end_struct(t);
    }
    etw_thrift_end_struct(t);
}

static bool has_logical_type(etw_parquet_kind kind)
{
    return kinds[kind].converted >= 0 || kind == ETW_PARQUET_TIME_NS;
}

static void append_node(etw_thrift *t, const etw_parquet_node *node)
{
    const kind_row *kind = &kinds[node->kind];
    etw_thrift_element(t);
    if (node->children == 0) {
        etw_thrift_i32(t, 1, kind->physical);
    }
    etw_thrift_i32(t, 3, (int32_t)node->repeat);
    etw_thrift_string(t, 4, node->name);
    if (node->children > 0) {
        etw_thrift_i32(t, 5, (int32_t)node->children);
    }
    if (kind->converted >= 0) {
        etw_thrift_i32(t, 6, kind->converted);
    }
    if (has_logical_type(node->kind)) {
        append_logical_type(t, node->kind);
    }
    etw_thrift_end_struct(t);
}

static void append_schema(etw_thrift *t, const etw_parquet_table *table)
{
    etw_thrift_list(t, 2, table->node_count + 1, ETW_THRIFT_STRUCT);
    etw_thrift_element(t);
    etw_thrift_string(t, 4, "schema");
    etw_thrift_i32(t, 5, (int32_t)table->top_count);
    etw_thrift_end_struct(t);
    for (uint32_t i = 0; i < table->node_count; i++) {
        append_node(t, &table->nodes[i]);
    }
}

/* Nodes from the top to the one at index: found by walking the schema anew, as chunks are few. */
static uint32_t find_path(const etw_parquet_table *table, uint32_t wanted,
                          uint32_t path[ETW_PARQUET_MAX_DEPTH])
{
    uint32_t left[ETW_PARQUET_MAX_DEPTH + 1] = {table->top_count};
    uint32_t depth = 0;
    for (uint32_t i = 0; i < table->node_count; i++) {
        while (depth > 0 && left[depth] == 0) {
            depth--;
        }
        left[depth]--;
        path[depth] = i;
        if (i == wanted) {
            return depth + 1;
        }
        if (table->nodes[i].children > 0) {
            left[++depth] = table->nodes[i].children;
        }
    }
    return 0;
}

static void append_statistics(etw_thrift *t, const etw_parquet_chunk *chunk, bool is_flat)
{
    etw_thrift_struct(t, 12);
    if (is_flat) {
        etw_thrift_i64(t, 3, chunk->nulls);
    }
    if (chunk->has_statistics) {
        etw_thrift_binary(t, 5, chunk->most.data, chunk->most.size);
        etw_thrift_binary(t, 6, chunk->least.data, chunk->least.size);
    }
    etw_thrift_end_struct(t);
}

static void append_chunk(etw_thrift *t, const etw_parquet_table *table, uint32_t leaf,
                         const etw_parquet_chunk *chunk)
{
    uint32_t path[ETW_PARQUET_MAX_DEPTH];
    const uint32_t depth = find_path(table, table->leaves[leaf], path);
    const bool has_dictionary = chunk->dictionary_offset != 0;
    etw_thrift_element(t);
    etw_thrift_i64(t, 2, (int64_t)(has_dictionary ? chunk->dictionary_offset : chunk->data_offset));
    etw_thrift_struct(t, 3);
    etw_thrift_i32(t, 1, (int32_t)table->columns[leaf].type);
    etw_thrift_list(t, 2, has_dictionary ? 3 : 2, ETW_THRIFT_I32);
    etw_thrift_list_i32(t, ENCODING_PLAIN);
    etw_thrift_list_i32(t, ENCODING_RLE);
    if (has_dictionary) {
        etw_thrift_list_i32(t, ENCODING_DICT);
    }
    etw_thrift_list(t, 3, depth, ETW_THRIFT_BINARY);
    for (uint32_t i = 0; i < depth; i++) {
        etw_thrift_list_string(t, table->nodes[path[i]].name);
    }
    etw_thrift_i32(t, 4, CODEC_ZSTD);
    etw_thrift_i64(t, 5, chunk->entries);
    etw_thrift_i64(t, 6, (int64_t)chunk->raw_bytes);
    etw_thrift_i64(t, 7, (int64_t)chunk->stored_bytes);
    etw_thrift_i64(t, 9, (int64_t)chunk->data_offset);
    if (has_dictionary) {
        etw_thrift_i64(t, 11, (int64_t)chunk->dictionary_offset);
    }
    append_statistics(t, chunk, table->columns[leaf].max_repetition == 0);
    etw_thrift_end_struct(t);
    etw_thrift_end_struct(t);
}

static void append_groups(etw_thrift *t, const etw_parquet_table *table)
{
    etw_thrift_list(t, 4, table->group_count, ETW_THRIFT_STRUCT);
    for (uint32_t i = 0; i < table->group_count; i++) {
        const group *g = &table->groups[i];
        uint64_t raw = 0;
        etw_thrift_element(t);
        etw_thrift_list(t, 1, table->leaf_count, ETW_THRIFT_STRUCT);
        for (uint32_t leaf = 0; leaf < table->leaf_count; leaf++) {
            append_chunk(t, table, leaf, &g->chunks[leaf]);
            raw += g->chunks[leaf].raw_bytes;
        }
        etw_thrift_i64(t, 2, (int64_t)raw);
        etw_thrift_i64(t, 3, g->rows);
        etw_thrift_end_struct(t);
    }
}

/* Every column is ordered as its type says: without this readers ignore the bounds. */
static void append_orders(etw_thrift *t, const etw_parquet_table *table)
{
    etw_thrift_list(t, 7, table->leaf_count, ETW_THRIFT_STRUCT);
    for (uint32_t i = 0; i < table->leaf_count; i++) {
        etw_thrift_element(t);
        mark(t, 1);
        etw_thrift_end_struct(t);
    }
}

etw_status etw_parquet_table_end(etw_parquet_table *table, const char *application, etw_text *out,
                                 etw_error *error)
{
    etw_thrift t;
    const etw_status status = flush(table, out, error);
    if (etw_failed(status)) {
        return status;
    }
    const size_t start = out->size;
    etw_thrift_begin(&t, out);
    etw_thrift_i32(&t, 1, 2);
    append_schema(&t, table);
    etw_thrift_i64(&t, 3, (int64_t)table->all_rows);
    append_groups(&t, table);
    etw_thrift_string(&t, 6, application);
    append_orders(&t, table);
    etw_thrift_end_struct(&t);
    const uint32_t size = (uint32_t)(out->size - start);
    etw_text_append(out, (const char *)&size, sizeof size);
    etw_text_append_z(out, MAGIC);
    return out->failed ? etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for the footer")
                       : ETW_OK;
}
