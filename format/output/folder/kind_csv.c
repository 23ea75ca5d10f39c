/* The events of one kind as comma-separated values: the header's columns, then one for each
 * property, then what could not be shown. A mapped value is its text, its number is the column with
 * " #" behind its name. */
#include "format/output/csv_field.h"
#include "format/output/folder/kind_file.h"
#include "format/output/put.h"

#include <stdlib.h>

struct etw_kind_file {
    uint32_t properties;
    bool *is_mapped;
    etw_put_time_cache time;
    etw_text field;
};

static void close_rows(etw_kind_file *file)
{
    etw_text_free(&file->field);
    free(file->is_mapped);
    free(file);
}

static void append_names(etw_kind_file *f, const etw_plan *plan, etw_text *out)
{
    for (uint32_t i = 0; i < f->properties; i++) {
        const etw_property *property = etw_plan_property(plan, i);
        const etw_name *name = etw_property_name(property);
        f->is_mapped[i] = etw_typed_row_kind(property) == ETW_CELL_MAPPED;
        etw_csv_append_quoted(out, name->utf8_size == 0 ? "_" : name->utf8,
                              name->utf8_size == 0 ? 1 : name->utf8_size);
        if (f->is_mapped[i]) {
            etw_text_clear(&f->field);
            etw_text_append(&f->field, name->utf8, name->utf8_size);
            etw_text_append_z(&f->field, " #");
            etw_csv_append_quoted(out, f->field.data, f->field.size);
        }
    }
}

static etw_status open_rows(const etw_plan *plan, etw_kind_file **file, etw_text *out,
                            etw_error *error)
{
    etw_kind_file *made = calloc(1, sizeof *made);
    *file = made;
    if (made != NULL) {
        made->properties = plan == NULL ? 0 : etw_plan_top_count(plan);
        made->is_mapped = calloc((size_t)made->properties + 1, sizeof *made->is_mapped);
    }
    if (made == NULL || made->is_mapped == NULL) {
        free(made);
        *file = NULL;
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a table");
    }
    etw_text_append_z(out, "TimeStamp,ProviderName,EventName,Id,Version,Level,Opcode,Task,Keyword,"
                           "ProcessId,ThreadId,ProcessName,ProcessorIndex,ActivityId,Message");
    append_names(made, plan, out);
    etw_text_append_z(out, ",EventPropertiesError,UserData,ExtendedInfo,Trace,Loss,TraceFile\r\n");
    return ETW_OK;
}

static void append_bytes(etw_text *out, etw_bytes bytes)
{
    etw_csv_append_quoted(out, (const char *)bytes.data, bytes.size);
}

static void append_header(etw_kind_file *f, const etw_row *row, etw_text *out)
{
    const etw_row_fixed *x = &row->fixed;
    char time[ETW_PUT_TIME_MAX];
    const char *end = etw_put_time(time, &f->time, x->time_100ns);
    if (x->is_loss) {
        etw_text_append_z(out, ",,,,,,,,,,,,,,");
        return;
    }
    etw_text_append(out, time, (size_t)(end - time));
    append_bytes(out, row->fields[ETW_ROW_PROVIDER_NAME]);
    append_bytes(out, row->fields[ETW_ROW_EVENT_NAME]);
    etw_text_printf(out, ",%u,%u,%u,%u,%u,", x->id, x->version, x->level, x->opcode, x->task);
    etw_text_append_hex(out, x->keyword);
    etw_text_printf(out, ",%u,%u", x->process_id, x->thread_id);
    append_bytes(out, row->fields[ETW_ROW_PROCESS_NAME]);
    etw_text_printf(out, ",%u,", x->processor);
    if (!etw_guid_is_zero(&x->activity_id)) {
        etw_text_append_guid(out, &x->activity_id);
    }
    append_bytes(out, row->fields[ETW_ROW_MESSAGE]);
}

/* Bare numbers and booleans as JSON has them; bytes in hex. */
static void append_cell(const etw_cell *cell, etw_text *out)
{
    switch (cell->kind) {
    case ETW_CELL_NONE:
        etw_text_append_char(out, ',');
        break;
    case ETW_CELL_BYTES:
        etw_text_append_z(out, ",0x");
        etw_text_append_hex_bytes(out, cell->bytes.data, cell->bytes.size);
        break;
    case ETW_CELL_TIME:
    case ETW_CELL_TEXT:
    case ETW_CELL_JSON:
    case ETW_CELL_MAPPED:
        append_bytes(out, cell->bytes);
        break;
    default:
        etw_typed_cell_append_json(cell, ",", out);
        break;
    }
}

static void append_properties(const etw_kind_file *f, etw_row *row, etw_text *out)
{
    for (uint32_t i = 0; i < f->properties; i++) {
        etw_cell cell = {0};
        (void)etw_typed_row_next(row, &cell);
        append_cell(&cell, out);
        if (f->is_mapped[i]) {
            etw_text_append_char(out, ',');
            if (cell.kind == ETW_CELL_MAPPED) {
                etw_text_append_u64(out, cell.as.uint64);
            }
        }
    }
}

static etw_status put_row(etw_kind_file *file, etw_row *row, etw_text *out, etw_error *error)
{
    const etw_bytes none = {NULL, 0};
    const bool is_loss = row->fixed.is_loss;
    const etw_bytes problem = row->fields[ETW_ROW_PROBLEM];
    const etw_bytes user_data = row->fields[ETW_ROW_USER_DATA];
    const char *path = row->fixed.trace == NULL ? "" : row->fixed.trace->source_path;
    const etw_bytes source = {(const uint8_t *)path, strlen(path)};
    (void)error;
    append_header(file, row, out);
    append_properties(file, row, out);
    append_bytes(out, is_loss ? none : problem);
    etw_text_append_char(out, ',');
    etw_text_append_hex_bytes(out, user_data.data, user_data.size);
    append_bytes(out, row->fields[ETW_ROW_EXTENDED_INFO]);
    etw_text_append_char(out, ',');
    if (row->fixed.trace_number != 0) {
        etw_text_append_u64(out, row->fixed.trace_number);
    }
    append_bytes(out, is_loss ? problem : none);
    append_bytes(out, source);
    etw_text_append_z(out, "\r\n");
    return ETW_OK;
}

static etw_status finish_rows(etw_kind_file *file, etw_text *out, etw_error *error)
{
    (void)file;
    (void)out;
    (void)error;
    return ETW_OK;
}

const etw_kind_form etw_kind_csv = {".csv", open_rows, put_row, finish_rows, close_rows};
