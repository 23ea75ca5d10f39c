/* The events of one kind as a Parquet table: the header's columns, and EventProperties as a struct
 * of typed ones. A mapped value is its text, its number is the member with " #" behind its name;
 * structs and arrays are JSON. */
#include "format/base/arena.h"
#include "format/base/table.h"
#include "format/base/version.h"
#include "format/output/folder/kind_file.h"
#include "format/output/parquet/parquet_fields.h"

#include <stdlib.h>

/* Of a row group: 16 tables are open at one time. */
#define GROUP_BYTES ((size_t)8 << 20)
/* What stands besides properties: the struct itself, and the columns behind it. */
#define MORE_NODES     6u
#define MAX_PROPERTIES ((ETW_PARQUET_MAX_NODES - ETW_PARQUET_HEADER_COUNT - MORE_NODES) / 2)

struct etw_kind_file {
    etw_parquet_table *table;
    etw_parquet_node *nodes;
    uint32_t node_count;
    uint32_t properties; /* with columns */
    etw_cell_kind *kinds;
    etw_arena memory; /* for names */
    etw_table names;
    etw_text name;
};

static void close_table(etw_kind_file *file)
{
    etw_parquet_table_free(file->table);
    etw_arena_free(&file->memory);
    etw_table_free(&file->names);
    etw_text_free(&file->name);
    free(file->nodes);
    free(file->kinds);
    free(file);
}

/* Unique among the properties, whatever their case; NULL: no memory. */
static const char *name_of(etw_kind_file *f, const etw_name *name, const char *suffix)
{
    etw_text_clear(&f->name);
    etw_text_append(&f->name, name->utf8, name->utf8_size);
    etw_text_append_z(&f->name, name->utf8_size == 0 ? "_" : "");
    etw_text_append_z(&f->name, suffix);
    const size_t size = f->name.size;
    for (uint32_t n = 2; !f->name.failed; n++) {
        const char *copy = etw_arena_copy(&f->memory, f->name.data, f->name.size);
        char *lower = etw_arena_copy(&f->memory, f->name.data, f->name.size);
        for (size_t i = 0; lower != NULL && i < f->name.size; i++) {
            lower[i] = (char)(lower[i] >= 'A' && lower[i] <= 'Z' ? lower[i] + 32 : lower[i]);
        }
        if (copy == NULL || lower == NULL) {
            return NULL;
        }
        if (etw_table_get(&f->names, lower, f->name.size) == NULL) {
            return etw_table_set(&f->names, lower, f->name.size, lower) ? copy : NULL;
        }
        f->name.size = size;
        etw_text_printf(&f->name, " #%u", n);
    }
    return NULL;
}

static const etw_parquet_kind columns[] = {
    [ETW_CELL_NONE] = ETW_PARQUET_STRING,   [ETW_CELL_INT64] = ETW_PARQUET_INT_64,
    [ETW_CELL_UINT64] = ETW_PARQUET_UINT64, [ETW_CELL_REAL] = ETW_PARQUET_REAL,
    [ETW_CELL_BOOL] = ETW_PARQUET_BOOL,     [ETW_CELL_TIME] = ETW_PARQUET_TIME_NS,
    [ETW_CELL_TEXT] = ETW_PARQUET_STRING,   [ETW_CELL_JSON] = ETW_PARQUET_STRING,
    [ETW_CELL_BYTES] = ETW_PARQUET_BINARY,  [ETW_CELL_MAPPED] = ETW_PARQUET_STRING,
};

static void add_node(etw_kind_file *f, const char *name, etw_parquet_kind kind, uint32_t children)
{
    f->nodes[f->node_count++] = (etw_parquet_node){name, kind, ETW_PARQUET_OPTIONAL, children};
}

static bool add_properties(etw_kind_file *f, const etw_plan *plan)
{
    const uint32_t group = f->node_count;
    uint32_t children = 0;
    add_node(f, "EventProperties", ETW_PARQUET_GROUP, 0);
    for (uint32_t i = 0; i < f->properties; i++) {
        const etw_property *property = etw_plan_property(plan, i);
        const char *name = name_of(f, etw_property_name(property), "");
        f->kinds[i] = etw_typed_row_kind(property);
        if (name == NULL) {
            return false;
        }
        add_node(f, name, columns[f->kinds[i]], 0);
        children++;
        if (f->kinds[i] == ETW_CELL_MAPPED) {
            name = name_of(f, etw_property_name(property), " #");
            if (name == NULL) {
                return false;
            }
            add_node(f, name, ETW_PARQUET_UINT64, 0);
            children++;
        }
    }
    f->nodes[group].children = children;
    return true;
}

static bool add_nodes(etw_kind_file *f, const etw_plan *plan)
{
    static const etw_parquet_node header[] = {ETW_PARQUET_HEADER_NODES};
    const uint32_t count = plan == NULL ? 0 : etw_plan_top_count(plan);
    f->properties = count < MAX_PROPERTIES ? count : MAX_PROPERTIES;
    f->nodes =
        calloc(ETW_PARQUET_HEADER_COUNT + MORE_NODES + 2 * (size_t)f->properties, sizeof *f->nodes);
    f->kinds = calloc((size_t)f->properties + 1, sizeof *f->kinds);
    if (f->nodes == NULL || f->kinds == NULL) {
        return false;
    }
    memcpy(f->nodes, header, sizeof header);
    f->node_count = ETW_PARQUET_HEADER_COUNT;
    if (f->properties > 0 && !add_properties(f, plan)) {
        return false;
    }
    add_node(f, "EventPropertiesError", ETW_PARQUET_STRING, 0);
    add_node(f, "UserData", ETW_PARQUET_BINARY, 0);
    add_node(f, "ExtendedInfo", ETW_PARQUET_STRING, 0);
    add_node(f, "Trace", ETW_PARQUET_UINT16, 0);
    add_node(f, "Loss", ETW_PARQUET_STRING, 0);
    return true;
}

static etw_status open_table(const etw_plan *plan, etw_kind_file **file, etw_text *out,
                             etw_error *error)
{
    etw_kind_file *made = calloc(1, sizeof *made);
    *file = NULL;
    if (made == NULL || !add_nodes(made, plan)) {
        if (made != NULL) {
            close_table(made);
        }
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a table");
    }
    const uint32_t top = ETW_PARQUET_HEADER_COUNT + MORE_NODES - (made->properties > 0 ? 0 : 1);
    const etw_status status =
        etw_parquet_table_new(made->nodes, made->node_count, top, &made->table, error);
    if (etw_failed(status)) {
        close_table(made);
        return status;
    }
    etw_parquet_table_limit(made->table, GROUP_BYTES);
    etw_parquet_table_begin(made->table, out);
    *file = made;
    return ETW_OK;
}

/* A value that does not fit its type is not there: the row's UserData has its bytes. */
static void put_cell(etw_parquet_place *at, etw_cell_kind kind, const etw_cell *cell)
{
    const bool is_its = cell->kind == kind;
    switch (kind) {
    case ETW_CELL_INT64:
    case ETW_CELL_UINT64:
    case ETW_CELL_REAL:
        etw_parquet_put(at, is_its, &cell->as, sizeof cell->as);
        break;
    case ETW_CELL_BOOL: {
        const uint8_t yes = cell->as.uint64 != 0;
        etw_parquet_put(at, is_its, &yes, 1);
        break;
    }
    case ETW_CELL_TIME:
        etw_parquet_put_time(at, is_its, cell->as.int64);
        break;
    case ETW_CELL_MAPPED:
        etw_parquet_put(at, is_its, cell->bytes.data, cell->bytes.size);
        etw_parquet_put(at, is_its, &cell->as, sizeof cell->as);
        break;
    default:
        etw_parquet_put(at, is_its, cell->bytes.data, cell->bytes.size);
        break;
    }
}

static bool put_properties(const etw_kind_file *f, etw_parquet_place *at, etw_row *row,
                           etw_text *misfits)
{
    etw_cell cell;
    const etw_cell none = {0};
    uint32_t i = 0;
    at->outside = 1;
    for (; i < f->properties && etw_typed_row_next(row, &cell); i++) {
        put_cell(at, f->kinds[i], &cell);
        if (cell.kind != ETW_CELL_NONE && cell.kind != f->kinds[i]) {
            etw_typed_cell_append_json(&cell, misfits->size == 0 ? "[" : ",", misfits);
        }
    }
    for (; i < f->properties; i++) {
        put_cell(at, f->kinds[i], &none);
    }
    while (etw_typed_row_next(row, &cell)) { /* beyond the columns of a table */
        etw_typed_cell_append_json(&cell, misfits->size == 0 ? "[" : ",", misfits);
    }
    at->outside = 0;
    return misfits->size > 0;
}

static etw_status put_row(etw_kind_file *file, etw_row *row, etw_text *out, etw_error *error)
{
    etw_parquet_place at = {.table = file->table};
    const bool is_loss = row->fixed.is_loss;
    const etw_bytes none = {NULL, 0};
    const etw_bytes problem = row->fields[ETW_ROW_PROBLEM];
    etw_text misfits = {0};
    etw_parquet_put_header(&at, row);
    if (file->properties > 0 && put_properties(file, &at, row, &misfits)) {
        etw_text_append_z(&misfits, "] fit no column");
    }
    const bool has_misfits = misfits.size > 0 && problem.data == NULL;
    etw_parquet_put_text(&at, is_loss ? none : has_misfits ? etw_text_bytes(&misfits) : problem);
    etw_parquet_put_text(&at, row->fields[ETW_ROW_USER_DATA]);
    etw_parquet_put_text(&at, row->fields[ETW_ROW_EXTENDED_INFO]);
    etw_parquet_put_u32(&at, row->fixed.trace_number != 0, row->fixed.trace_number);
    etw_parquet_put_text(&at, is_loss ? problem : none);
    out->failed |= misfits.failed;
    etw_text_free(&misfits);
    return etw_parquet_table_end_row(file->table, out, error);
}

static etw_status finish_table(etw_kind_file *file, etw_text *out, etw_error *error)
{
    return etw_parquet_table_end(file->table, "etwcap " ETW_VERSION, out, error);
}

const etw_kind_form etw_kind_parquet = {".parquet", open_table, put_row, finish_table, close_table};
