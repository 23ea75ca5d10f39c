#include "format/output/typed_rows.h"

#include "format/output/json.h"
#include "format/output/put.h"

/* A cell is its kind (a byte), eight bytes of number where the kind has one, and 32 bits of size
 * and so many bytes where it has those. */
static bool has_number(etw_cell_kind kind)
{
    return (kind >= ETW_CELL_INT64 && kind <= ETW_CELL_TIME) || kind == ETW_CELL_MAPPED;
}

static bool has_bytes(etw_cell_kind kind)
{
    return kind >= ETW_CELL_TIME && kind <= ETW_CELL_MAPPED;
}

typedef struct cell_walk {
    etw_json_walk json; /* first: the nested parts are its own */
    uint32_t depth;
    uint32_t count;
    size_t size_at; /* of the open cell's size */
} cell_walk;

static void put_kind(etw_text *rows, etw_cell_kind kind, uint64_t number)
{
    etw_text_append_char(rows, (char)kind);
    if (has_number(kind)) {
        etw_text_append(rows, (const char *)&number, sizeof number);
    }
}

static void begin_bytes(cell_walk *w)
{
    const uint32_t none = 0;
    w->size_at = w->json.nesting.text->size;
    etw_text_append(w->json.nesting.text, (const char *)&none, sizeof none);
}

static void end_bytes(cell_walk *w)
{
    etw_text *rows = w->json.nesting.text;
    if (!rows->failed) {
        const uint32_t size = (uint32_t)(rows->size - w->size_at - sizeof size);
        memcpy(rows->data + w->size_at, &size, sizeof size);
    }
}

static void put_text(cell_walk *w, etw_cell_kind kind, uint64_t number, const etw_value *value)
{
    put_kind(w->json.nesting.text, kind, number);
    begin_bytes(w);
    (void)etw_value_append_text(value, w->json.form, ETW_ESCAPE_NONE, w->json.nesting.text);
    end_bytes(w);
}

static void put_binary(cell_walk *w, etw_bytes bytes)
{
    put_kind(w->json.nesting.text, ETW_CELL_BYTES, 0);
    begin_bytes(w);
    etw_text_append(w->json.nesting.text, (const char *)bytes.data, bytes.size);
    end_bytes(w);
}

static void put_scalar(cell_walk *w, const etw_value *value)
{
    etw_typed_value typed;
    uint64_t number = 0;
    const etw_cell_kind kind = etw_typed_row_value_kind(value->property);
    etw_value_get(value, &typed);
    memcpy(&number, &typed.as, sizeof typed.as.uint64);
    switch (typed.kind) {
    case ETW_VALUE_NONE:
        put_kind(w->json.nesting.text, ETW_CELL_NONE, 0);
        return;
    case ETW_VALUE_BINARY:
        if (kind == ETW_CELL_TEXT && etw_property_value_kind(value->property) == ETW_VALUE_BINARY) {
            break;
        }
        put_binary(w, typed.bytes);
        return;
    case ETW_VALUE_BOOL:
        number = typed.as.boolean;
        break;
    default:
        break;
    }
    if (!has_number(kind) || kind == ETW_CELL_TIME || kind == ETW_CELL_MAPPED) {
        put_text(w, kind, number, value);
    } else {
        put_kind(w->json.nesting.text, kind, number);
    }
}

static etw_status on_value(void *context, const etw_value *value)
{
    cell_walk *w = context;
    if (w->depth > 0) {
        return etw_json_on_value(context, value);
    }
    w->count++;
    put_scalar(w, value);
    return etw_properties_room(w->json.nesting.text, w->json.nesting.start);
}

/* The outermost struct or array begins a cell. Its JSON stands alone: as an element without a name.
 */
static void open_part(cell_walk *w)
{
    if (w->depth++ == 0) {
        w->count++;
        put_kind(w->json.nesting.text, ETW_CELL_JSON, 0);
        begin_bytes(w);
        w->json.nesting.is_first = true;
        w->json.nesting.in_list = true;
        w->json.nesting.list_of_struct = 0;
    }
}

static void close_part(cell_walk *w)
{
    if (--w->depth == 0) {
        end_bytes(w);
    }
}

static etw_status on_open_struct(void *context, const etw_property *property, uint32_t element)
{
    open_part(context);
    return etw_nesting_on_open_struct(context, property, element);
}

static etw_status on_close_struct(void *context, const etw_property *property)
{
    const etw_status status = etw_nesting_on_close_struct(context, property);
    close_part(context);
    return status;
}

static etw_status on_open_array(void *context, const etw_property *property, uint32_t count)
{
    open_part(context);
    return etw_nesting_on_open_array(context, property, count);
}

static etw_status on_close_array(void *context, const etw_property *property)
{
    const etw_status status = etw_nesting_on_close_array(context, property);
    close_part(context);
    return status;
}

/* A nested row has no JSON: what opens and closes are cells. */

static etw_status on_nested_value(void *context, const etw_value *value)
{
    cell_walk *w = context;
    w->count++;
    put_scalar(w, value);
    return etw_properties_room(w->json.nesting.text, w->json.nesting.start);
}

static etw_status put_mark(cell_walk *w, etw_cell_kind kind)
{
    put_kind(w->json.nesting.text, kind, 0);
    return etw_properties_room(w->json.nesting.text, w->json.nesting.start);
}

static etw_status on_nested_struct(void *context, const etw_property *property, uint32_t element)
{
    (void)property;
    (void)element;
    return put_mark(context, ETW_CELL_OPEN_STRUCT);
}

static etw_status on_nested_array(void *context, const etw_property *property, uint32_t count)
{
    (void)property;
    (void)count;
    return put_mark(context, ETW_CELL_OPEN_LIST);
}

static etw_status on_nested_close(void *context, const etw_property *property)
{
    cell_walk *w = context;
    (void)property;
    put_kind(w->json.nesting.text, ETW_CELL_CLOSE, 0);
    return ETW_OK;
}

static uint32_t walk_cells(const etw_output_options *options, const etw_event *event,
                           const etw_visitor *visitor, etw_text *rows,
                           etw_property_outcome *outcome)
{
    cell_walk walk = {.json = {.nesting = {.text = rows,
                                           .start = rows->size,
                                           .separator = ',',
                                           .begin = etw_json_begin_member},
                               .form = options->exact ? ETW_TEXT_EXACT : 0u,
                               .typed = options->typed}};
    etw_properties_walk(event, visitor, &walk, outcome);
    return walk.count;
}

static uint32_t append_cells(const etw_output_options *options, const etw_event *event,
                             etw_text *rows, etw_property_outcome *outcome)
{
    static const etw_visitor visitor = {on_value, on_open_struct, on_close_struct, on_open_array,
                                        on_close_array};
    return walk_cells(options, event, &visitor, rows, outcome);
}

static uint32_t append_nested(const etw_output_options *options, const etw_event *event,
                              etw_text *rows, etw_property_outcome *outcome)
{
    static const etw_visitor visitor = {on_nested_value, on_nested_struct, on_nested_close,
                                        on_nested_array, on_nested_close};
    return walk_cells(options, event, &visitor, rows, outcome);
}

void etw_typed_row_append(const etw_output_options *options, const etw_event *event, etw_text *rows)
{
    etw_row_append_with(options, event, append_cells, rows);
}

void etw_nested_row_append(const etw_output_options *options, const etw_event *event,
                           etw_text *rows)
{
    etw_row_append_with(options, event, append_nested, rows);
}

bool etw_typed_row_next(etw_row *row, etw_cell *cell)
{
    if (row->at == row->end) {
        return false;
    }
    *cell = (etw_cell){.kind = (etw_cell_kind)*row->at++};
    if (has_number(cell->kind)) {
        memcpy(&cell->as, row->at, sizeof cell->as);
        row->at += sizeof cell->as;
    }
    if (has_bytes(cell->kind)) {
        const uint32_t size = etw_load_u32(row->at);
        cell->bytes = (etw_bytes){row->at + sizeof size, size};
        row->at += sizeof size + size;
    }
    return true;
}

/* JSON has neither infinities nor NaN. */
static bool is_finite(double value)
{
    return value - value == 0.0;
}

void etw_typed_cell_append_json(const etw_cell *cell, const char *before, etw_text *text)
{
    etw_text_append_z(text, before);
    switch (cell->kind) {
    case ETW_CELL_NONE:
        etw_text_append_z(text, "null");
        break;
    case ETW_CELL_INT64:
        etw_text_append_i64(text, cell->as.int64);
        break;
    case ETW_CELL_UINT64:
        etw_text_append_u64(text, cell->as.uint64);
        break;
    case ETW_CELL_BOOL:
        etw_text_append_z(text, cell->as.uint64 != 0 ? "true" : "false");
        break;
    case ETW_CELL_REAL:
        etw_text_printf(text, is_finite(cell->as.real) ? "%.17g" : "null", cell->as.real);
        break;
    case ETW_CELL_JSON:
        etw_text_append(text, (const char *)cell->bytes.data, cell->bytes.size);
        break;
    case ETW_CELL_BYTES:
        etw_text_append_z(text, "\"0x");
        etw_text_append_hex_bytes(text, cell->bytes.data, cell->bytes.size);
        etw_text_append_char(text, '"');
        break;
    default:
        etw_text_append_char(text, '"');
        etw_text_append_utf8(text, cell->bytes.data, cell->bytes.size, ETW_ESCAPE_JSON);
        etw_text_append_char(text, '"');
        break;
    }
}

etw_cell_kind etw_typed_row_kind(const etw_property *property)
{
    if (etw_property_is_array(property) || etw_property_member_count(property) > 0) {
        return ETW_CELL_JSON;
    }
    return etw_typed_row_value_kind(property);
}

etw_cell_kind etw_typed_row_value_kind(const etw_property *property)
{
    if (etw_property_has_map(property)) {
        return ETW_CELL_MAPPED;
    }
    switch (etw_property_value_kind(property)) {
    case ETW_VALUE_INT64:
        return ETW_CELL_INT64;
    case ETW_VALUE_UINT64:
        return ETW_CELL_UINT64;
    case ETW_VALUE_DOUBLE:
        return ETW_CELL_REAL;
    case ETW_VALUE_BOOL:
        return ETW_CELL_BOOL;
    case ETW_VALUE_FILETIME:
        return ETW_CELL_TIME;
    case ETW_VALUE_BINARY: /* of compressed text: the text */
        return etw_property_shows_words(property) ? ETW_CELL_TEXT : ETW_CELL_BYTES;
    default:
        return ETW_CELL_TEXT;
    }
}

etw_status etw_typed_row_plan(const etw_row *row, const etw_plan **plan, bool *owns,
                              etw_error *error)
{
    *plan = NULL;
    *owns = false;
    if (row->fixed.property_count == ETW_ROW_NONE) {
        return ETW_OK;
    }
    if (row->fixed.schema == NULL) {
        *plan = etw_plan_string_only();
        return ETW_OK;
    }
    etw_plan *compiled;
    const etw_status status = etw_plan_compile(row->fixed.schema, &compiled, error);
    if (!etw_failed(status)) {
        *plan = compiled;
        *owns = true;
    }
    return status;
}
