#include "format/output/folder/property_columns.h"

#include "format/output/parquet/parquet_fields.h"
#include "format/output/unique_names.h"

#include <stdlib.h>

/* Of one property. Those of a struct's members follow it. */
typedef struct branch {
    etw_cell_kind kind; /* of its values, or OPEN_STRUCT */
    bool is_list;
    uint8_t repetition;    /* level of its elements, where it is a list */
    uint32_t leaf, leaves; /* from the first of all properties on */
    uint32_t end;          /* index of the branch behind it and its members */
} branch;

struct etw_property_columns {
    etw_parquet_node *nodes;
    uint32_t node_count, top_count, leaf_count;
    branch *branches;
    uint32_t branch_count;
    etw_arena memory;       /* for names */
    etw_unique_names names; /* their groups by the index of the node */
    etw_text name;
};

/* Unique within its group, for engines that do not look at case; NULL: no memory. */
static const char *name_of(etw_property_columns *c, uint32_t group, const etw_property *property,
                           const char *suffix)
{
    const etw_name *name = etw_property_name(property);
    etw_text_clear(&c->name);
    etw_text_append(&c->name, name->utf8, name->utf8_size);
    etw_name_cut(&c->name, ETW_PROPERTY_NAME_BYTES);
    etw_text_append_z(&c->name, name->utf8_size == 0 ? "_" : "");
    etw_text_append_z(&c->name, suffix);
    etw_unique_name(&c->names, group, " #", &c->name);
    return c->name.failed ? NULL : etw_arena_copy(&c->memory, c->name.data, c->name.size);
}

/* Columns. */

static const etw_parquet_kind kinds[] = {
    [ETW_CELL_NONE] = ETW_PARQUET_STRING,   [ETW_CELL_INT64] = ETW_PARQUET_INT_64,
    [ETW_CELL_UINT64] = ETW_PARQUET_UINT64, [ETW_CELL_REAL] = ETW_PARQUET_REAL,
    [ETW_CELL_BOOL] = ETW_PARQUET_BOOL,     [ETW_CELL_TIME] = ETW_PARQUET_TIME_NS,
    [ETW_CELL_TEXT] = ETW_PARQUET_STRING,   [ETW_CELL_BYTES] = ETW_PARQUET_BINARY,
    [ETW_CELL_MAPPED] = ETW_PARQUET_STRING, [ETW_CELL_OPEN_STRUCT] = ETW_PARQUET_GROUP,
};

#define LIST_NODES 3u /* the list, a group for each element, the element */

/* Takes what a property needs off left; false where that is too little. Structs nest at most
 * ETW_MAX_STRUCT_DEPTH deep: as the plan was compiled. */
static bool take_nodes(const etw_plan *plan, const etw_property *property, uint32_t *left)
{
    const uint32_t own = etw_property_is_array(property) ? LIST_NODES : 1;
    const uint32_t members = etw_property_member_count(property);
    const bool is_mapped = members == 0 && etw_typed_row_value_kind(property) == ETW_CELL_MAPPED;
    const uint32_t needed = is_mapped ? 2 * own : own;
    if (needed > *left) {
        return false;
    }
    *left -= needed;
    for (uint32_t i = 0; i < members; i++) {
        const uint32_t at = etw_property_first_member(property) + i;
        if (!take_nodes(plan, etw_plan_property(plan, at), left)) {
            return false;
        }
    }
    return true;
}

/* Returns the index of the node of the values. */
static uint32_t add_nodes(etw_property_columns *c, const char *name, bool is_list,
                          etw_parquet_kind kind)
{
    etw_parquet_node *to = &c->nodes[c->node_count];
    if (is_list) {
        *to++ = (etw_parquet_node){name, ETW_PARQUET_LIST, ETW_PARQUET_OPTIONAL, 1};
        *to++ = (etw_parquet_node){"list", ETW_PARQUET_GROUP, ETW_PARQUET_REPEATED, 1};
        name = "element";
    }
    *to++ = (etw_parquet_node){name, kind, ETW_PARQUET_OPTIONAL, 0};
    c->node_count = (uint32_t)(to - c->nodes);
    return c->node_count - 1;
}

/* Adds a property to a group; its members, as deep as structs nest. False: no memory. */
static bool add_property(etw_property_columns *c, const etw_plan *plan,
                         const etw_property *property, uint32_t group, uint8_t repetition,
                         uint32_t *children)
{
    const uint32_t members = etw_property_member_count(property);
    const uint32_t at = c->branch_count++;
    branch *b = &c->branches[at];
    b->is_list = etw_property_is_array(property);
    b->kind = members > 0 ? ETW_CELL_OPEN_STRUCT : etw_typed_row_value_kind(property);
    b->repetition = (uint8_t)(repetition + (b->is_list ? 1 : 0));
    b->leaf = c->leaf_count;
    const char *name = name_of(c, group, property, "");
    const uint32_t node = add_nodes(c, name, b->is_list, kinds[b->kind]);
    bool is_well = name != NULL;
    uint32_t inside = 0;
    for (uint32_t i = 0; is_well && i < members; i++) {
        is_well =
            add_property(c, plan, etw_plan_property(plan, etw_property_first_member(property) + i),
                         node, b->repetition, &inside);
    }
    c->nodes[node].children = inside;
    c->leaf_count += members == 0;
    *children += 1;
    if (b->kind == ETW_CELL_MAPPED) {
        name = name_of(c, group, property, " #");
        (void)add_nodes(c, name, b->is_list, ETW_PARQUET_UINT64);
        is_well = is_well && name != NULL;
        c->leaf_count++;
        *children += 1;
    }
    b->leaves = c->leaf_count - b->leaf;
    b->end = c->branch_count;
    return is_well;
}

/* All that fit are added: those behind one that does not have no columns, too. */
static bool add_properties(etw_property_columns *c, const etw_plan *plan, uint32_t most_nodes)
{
    const uint32_t count = plan == NULL ? 0 : etw_plan_top_count(plan);
    uint32_t left = most_nodes;
    uint32_t after = left;
    uint32_t fitting = 0;
    while (fitting < count && take_nodes(plan, etw_plan_property(plan, fitting), &after)) {
        left = after;
        fitting++;
    }
    c->nodes = calloc((size_t)(most_nodes - left) + 1, sizeof *c->nodes);
    c->branches = calloc((size_t)(most_nodes - left) + 1, sizeof *c->branches);
    bool is_well = c->nodes != NULL && c->branches != NULL;
    for (uint32_t i = 0; is_well && i < fitting; i++) {
        is_well = add_property(c, plan, etw_plan_property(plan, i), UINT32_MAX, 0, &c->top_count);
    }
    return is_well;
}

etw_status etw_property_columns_new(const etw_plan *plan, uint32_t most_nodes,
                                    etw_property_columns **columns, etw_error *error)
{
    etw_property_columns *made = calloc(1, sizeof *made);
    *columns = made;
    if (made == NULL || !add_properties(made, plan, most_nodes)) {
        etw_property_columns_free(made);
        *columns = NULL;
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a table");
    }
    return ETW_OK;
}

void etw_property_columns_free(etw_property_columns *columns)
{
    if (columns != NULL) {
        etw_arena_free(&columns->memory);
        etw_unique_names_free(&columns->names);
        etw_text_free(&columns->name);
        free(columns->nodes);
        free(columns->branches);
        free(columns);
    }
}

const etw_parquet_node *etw_property_columns_nodes(const etw_property_columns *columns,
                                                   uint32_t *count, uint32_t *top_count)
{
    *count = columns->node_count;
    *top_count = columns->top_count;
    return columns->nodes;
}

/* Values. Levels are those of the format: Dremel's. */

typedef struct shredder {
    const branch *branches;
    const etw_property_place *place;
    etw_row *row;
    etw_text *misfits;
} shredder;

typedef struct levels {
    uint8_t repetition, definition;
} levels;

static void put(const shredder *s, uint32_t leaf, levels at, bool is_there, const void *bytes,
                size_t size)
{
    etw_parquet_table_put(s->place->table, s->place->leaf + leaf, at.repetition,
                          (uint8_t)(at.definition + (is_there ? 1 : 0)), bytes, size);
}

static void put_nothing(const shredder *s, const branch *b, levels at)
{
    for (uint32_t i = 0; i < b->leaves; i++) {
        put(s, b->leaf + i, at, false, NULL, 0);
    }
}

/* And all up to its end, where it opens something. */
static void tell_misfit(const shredder *s, etw_cell cell)
{
    uint32_t open = 0;
    do {
        if (cell.kind == ETW_CELL_CLOSE) {
            open--;
        } else if (cell.kind == ETW_CELL_OPEN_STRUCT || cell.kind == ETW_CELL_OPEN_LIST) {
            open++;
        } else if (cell.kind != ETW_CELL_NONE) {
            etw_typed_cell_append_json(&cell, s->misfits->size == 0 ? "" : ",", s->misfits);
        }
    } while (open > 0 && etw_typed_row_next(s->row, &cell));
}

static void put_scalar(const shredder *s, const branch *b, const etw_cell *cell, levels at)
{
    int64_t time_ns = 0;
    uint8_t yes = 0;
    switch (b->kind) {
    case ETW_CELL_INT64:
    case ETW_CELL_UINT64:
    case ETW_CELL_REAL:
        put(s, b->leaf, at, true, &cell->as, sizeof cell->as);
        break;
    case ETW_CELL_BOOL:
        yes = cell->as.uint64 != 0;
        put(s, b->leaf, at, true, &yes, sizeof yes);
        break;
    case ETW_CELL_TIME:
        put(s, b->leaf, at, etw_parquet_time_ns(cell->as.int64, &time_ns), &time_ns,
            sizeof time_ns);
        break;
    case ETW_CELL_MAPPED:
        put(s, b->leaf, at, true, cell->bytes.data, cell->bytes.size);
        put(s, b->leaf + 1, at, true, &cell->as, sizeof cell->as);
        break;
    default:
        put(s, b->leaf, at, true, cell->bytes.data, cell->bytes.size);
        break;
    }
}

static void put_property(const shredder *s, const branch *b, const etw_cell *cell, levels at);

/* Up to its CLOSE. */
static void put_members(const shredder *s, const branch *b, levels at)
{
    etw_cell cell;
    bool is_open = true;
    const levels inside = {at.repetition, (uint8_t)(at.definition + 1)};
    for (const branch *m = b + 1; m < s->branches + b->end; m = s->branches + m->end) {
        is_open = is_open && etw_typed_row_next(s->row, &cell) && cell.kind != ETW_CELL_CLOSE;
        if (is_open) {
            put_property(s, m, &cell, inside);
        } else {
            put_nothing(s, m, inside);
        }
    }
    while (is_open && etw_typed_row_next(s->row, &cell) && cell.kind != ETW_CELL_CLOSE) {
        tell_misfit(s, cell);
    }
}

static void put_value(const shredder *s, const branch *b, const etw_cell *cell, levels at)
{
    if (cell->kind != b->kind) {
        put_nothing(s, b, at);
        tell_misfit(s, *cell);
    } else if (cell->kind == ETW_CELL_OPEN_STRUCT) {
        put_members(s, b, at);
    } else {
        put_scalar(s, b, cell, at);
    }
}

static void put_list(const shredder *s, const branch *b, levels at)
{
    etw_cell cell;
    levels inside = {at.repetition, (uint8_t)(at.definition + 2)};
    bool is_empty = true;
    while (etw_typed_row_next(s->row, &cell) && cell.kind != ETW_CELL_CLOSE) {
        put_value(s, b, &cell, inside);
        inside.repetition = b->repetition;
        is_empty = false;
    }
    if (is_empty) {
        put_nothing(s, b, (levels){at.repetition, (uint8_t)(at.definition + 1)});
    }
}

static void put_property(const shredder *s, const branch *b, const etw_cell *cell, levels at)
{
    if (!b->is_list) {
        put_value(s, b, cell, at);
    } else if (cell->kind == ETW_CELL_OPEN_LIST) {
        put_list(s, b, at);
    } else {
        put_nothing(s, b, at);
        tell_misfit(s, *cell);
    }
}

uint32_t etw_property_columns_put(const etw_property_columns *columns,
                                  const etw_property_place *place, etw_row *row, etw_text *misfits)
{
    const shredder s = {columns->branches, place, row, misfits};
    const levels at = {0, place->definition};
    etw_cell cell;
    for (uint32_t i = 0; i < columns->branch_count; i = columns->branches[i].end) {
        if (etw_typed_row_next(row, &cell)) {
            put_property(&s, &columns->branches[i], &cell, at);
        } else {
            put_nothing(&s, &columns->branches[i], at);
        }
    }
    while (etw_typed_row_next(row, &cell)) { /* without columns */
        tell_misfit(&s, cell);
    }
    return columns->leaf_count;
}
