/* The events of one kind as a Parquet table: the header's columns, EventProperties as a struct of
 * typed ones, and what could not be shown. */
#include "format/base/version.h"
#include "format/output/folder/kind_file.h"
#include "format/output/folder/property_columns.h"
#include "format/output/parquet/parquet_fields.h"

#include <stdlib.h>

#define OTHER_NODES    (ETW_PARQUET_HEADER_COUNT + 1 + ETW_PARQUET_TRAILER_COUNT)
#define MAX_PROPERTIES (ETW_PARQUET_MAX_NODES - OTHER_NODES) /* their nodes */

struct etw_kind_file {
    etw_parquet_table *table;
    etw_property_columns *properties;
    etw_parquet_node *nodes;
};

static void close_table(etw_kind_file *file)
{
    etw_parquet_table_free(file->table);
    etw_property_columns_free(file->properties);
    free(file->nodes);
    free(file);
}

static etw_status make_table(etw_kind_file *f, etw_error *error)
{
    static const etw_parquet_node header[] = {ETW_PARQUET_HEADER_NODES};
    static const etw_parquet_node trailer[] = {ETW_PARQUET_TRAILER_NODES};
    uint32_t count;
    uint32_t children;
    const etw_parquet_node *properties =
        etw_property_columns_nodes(f->properties, &count, &children);
    f->nodes = malloc((OTHER_NODES + (size_t)count) * sizeof *f->nodes);
    if (f->nodes == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a table");
    }
    etw_parquet_node *to = f->nodes;
    uint32_t top = ETW_PARQUET_HEADER_COUNT + ETW_PARQUET_TRAILER_COUNT;
    memcpy(to, header, sizeof header);
    to += ETW_PARQUET_HEADER_COUNT;
    if (count > 0) {
        *to++ = (etw_parquet_node){"EventProperties", ETW_PARQUET_GROUP, ETW_PARQUET_OPTIONAL,
                                   children};
        memcpy(to, properties, count * sizeof *to);
        to += count;
        top++;
    }
    memcpy(to, trailer, sizeof trailer);
    to += ETW_PARQUET_TRAILER_COUNT;
    return etw_parquet_table_new(f->nodes, (uint32_t)(to - f->nodes), top, &f->table, error);
}

static etw_status open_table(const etw_plan *plan, etw_kind_file **file, etw_text *out,
                             etw_error *error)
{
    etw_kind_file *made = calloc(1, sizeof *made);
    *file = NULL;
    if (made == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a table");
    }
    etw_status status = etw_property_columns_new(plan, MAX_PROPERTIES, &made->properties, error);
    if (!etw_failed(status)) {
        status = make_table(made, error);
    }
    if (etw_failed(status)) {
        close_table(made);
        return status;
    }
    etw_parquet_table_limit(made->table, ETW_KIND_FILE_BYTES);
    etw_parquet_table_begin(made->table, out);
    *file = made;
    return ETW_OK;
}

/* A value that fits no column is told where the row says what is wrong with it. */
static etw_status put_row(etw_kind_file *file, etw_row *row, etw_text *out, etw_error *error)
{
    etw_parquet_place at = {.table = file->table};
    etw_bytes problem = row->fields[ETW_ROW_PROBLEM];
    etw_text misfits = {0};
    etw_parquet_put_header(&at, row);
    const etw_property_place properties = {file->table, at.leaf, 1};
    at.leaf += etw_property_columns_put(file->properties, &properties, row, &misfits);
    if (misfits.size > 0 && problem.data == NULL) {
        etw_text_append_z(&misfits, " fit no column");
        problem = etw_text_bytes(&misfits);
    }
    etw_parquet_put_trailer(&at, row, problem);
    out->failed |= misfits.failed;
    etw_text_free(&misfits);
    return etw_parquet_table_end_row(file->table, out, error);
}

static etw_status finish_table(etw_kind_file *file, etw_text *out, etw_error *error)
{
    return etw_parquet_table_end(file->table, "etwcap " ETW_VERSION, out, error);
}

const etw_kind_form etw_kind_parquet = {".parquet", open_table, put_row, finish_table, close_table};
