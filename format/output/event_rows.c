#include "format/output/event_rows.h"

#include "format/output/extended_info.h"
#include "format/output/json.h"
#include "format/output/properties.h"

#include "format/event/extended.h"

/* Fields. A field's size is known once it was written: begin keeps room for it. */

static size_t begin_field(etw_text *rows)
{
    const uint32_t none = ETW_ROW_NONE;
    const size_t start = rows->size;
    etw_text_append(rows, (const char *)&none, sizeof none);
    return start;
}

static void end_field(etw_text *rows, size_t start)
{
    if (!rows->failed) {
        const uint32_t size = (uint32_t)(rows->size - start - sizeof(uint32_t));
        memcpy(rows->data + start, &size, sizeof size);
    }
}

/* NULL and "" are not there. */
static void append_name(etw_text *rows, const char *utf8)
{
    const size_t start = begin_field(rows);
    if (utf8 != NULL && utf8[0] != '\0') {
        etw_text_append_utf8(rows, (const uint8_t *)utf8, strlen(utf8), ETW_ESCAPE_NONE);
        end_field(rows, start);
    }
}

static void append_bytes(etw_text *rows, etw_bytes bytes)
{
    const size_t start = begin_field(rows);
    if (bytes.size > 0) {
        etw_text_append(rows, (const char *)bytes.data, bytes.size);
        end_field(rows, start);
    }
}

/* Properties: the walk builds each one's name from those of what is open. */

#define MAX_PATH_BYTES 4096u

typedef struct row_walk {
    etw_text *rows;
    uint32_t form;
    size_t start; /* of the properties in rows */
    uint32_t count;
    char path[MAX_PATH_BYTES]; /* of the open structs, each with its dot */
    size_t path_size;
    size_t sizes[ETW_MAX_STRUCT_DEPTH + 1]; /* of the path, outside each of them */
    uint32_t depth;
} row_walk;

static void append_part(row_walk *w, etw_text *to, const etw_property *property, uint32_t element)
{
    const etw_name *name = etw_property_name(property);
    etw_text_append(to, w->path, w->path_size);
    etw_text_append(to, name->utf8, name->utf8_size);
    if (etw_property_nth(property) > 1) {
        etw_text_printf(to, "#%u", etw_property_nth(property));
    }
    if (etw_property_is_array(property)) {
        etw_text_printf(to, "[%u]", element);
    }
}

static etw_status on_value(void *context, const etw_value *value)
{
    row_walk *w = context;
    size_t start = begin_field(w->rows);
    append_part(w, w->rows, value->property, value->element);
    end_field(w->rows, start);
    start = begin_field(w->rows);
    (void)etw_value_append_text(value, w->form, ETW_ESCAPE_NONE, w->rows);
    end_field(w->rows, start);
    w->count++;
    return etw_properties_room(w->rows, w->start);
}

static etw_status on_open_struct(void *context, const etw_property *property, uint32_t element)
{
    row_walk *w = context;
    etw_text part = {0};
    const size_t outside = w->path_size;
    if (w->depth > ETW_MAX_STRUCT_DEPTH) {
        return ETW_ERROR_LIMIT;
    }
    append_part(w, &part, property, element);
    etw_text_append_char(&part, '.');
    const bool fits = !part.failed && part.size <= sizeof w->path;
    if (fits) {
        memcpy(w->path, part.data, part.size);
        w->path_size = part.size;
        w->sizes[w->depth++] = outside;
    }
    w->rows->failed |= part.failed;
    etw_text_free(&part);
    return fits ? ETW_OK : ETW_ERROR_LIMIT;
}

static etw_status on_close_struct(void *context, const etw_property *property)
{
    row_walk *w = context;
    (void)property;
    if (w->depth > 0) { /* 0: the one that did not fit */
        w->path_size = w->sizes[--w->depth];
    }
    return ETW_OK;
}

static uint32_t append_properties(const etw_output_options *options, const etw_event *event,
                                  etw_text *rows, etw_property_outcome *outcome)
{
    static const etw_visitor visitor = {on_value, on_open_struct, on_close_struct, NULL, NULL};
    row_walk walk = {
        .rows = rows, .form = options->exact ? ETW_TEXT_EXACT : 0, .start = rows->size};
    etw_properties_walk(event, &visitor, &walk, outcome);
    return walk.count;
}

/* Rows. */

static void fill_fixed(const etw_event *event, etw_row_fixed *fixed)
{
    const etw_event_record *record = etw_event_record_of(event);
    const etw_event_header *header = &record->EventHeader;
    const etw_event_descriptor *d = &header->EventDescriptor;
    *fixed = (etw_row_fixed){
        .schema = etw_event_schema(event),
        .trace = etw_event_trace(event),
        .time_100ns = etw_event_time_100ns(event),
        .keyword = d->Keyword,
        .provider_id = header->ProviderId,
        .activity_id = header->ActivityId,
        .process_id = header->ProcessId,
        .thread_id = header->ThreadId,
        .kernel_time = header->KernelTime,
        .user_time = header->UserTime,
        .id = d->Id,
        .task = d->Task,
        .processor = etw_record_processor(record),
        .flags = header->Flags,
        .event_property = header->EventProperty,
        .trace_number = etw_event_trace_number(event),
        .version = d->Version,
        .channel = d->Channel,
        .level = d->Level,
        .opcode = d->Opcode,
        .has_cpu_times = etw_trace_has_cpu_times(etw_event_trace(event), record),
    };
}

static void append_message(const etw_output_options *options, const etw_event *event,
                           etw_text *rows)
{
    const etw_plan *plan = etw_event_plan(event);
    const size_t start = begin_field(rows);
    if (plan != NULL && etw_plan_event_message(plan)->utf8_size > 0) {
        etw_properties_append_message(event, options->exact ? ETW_TEXT_EXACT : 0, ETW_ESCAPE_NONE,
                                      rows);
        end_field(rows, start);
    }
}

static void append_extended(const etw_output_options *options, const etw_event *event,
                            etw_text *rows)
{
    const size_t start = begin_field(rows);
    if (etw_extended_info_any(event, options)) {
        etw_json_append_extended_info(options, event, rows);
        end_field(rows, start);
    }
}

static void end_row(etw_text *rows, size_t start, const etw_row_fixed *fixed)
{
    if (!rows->failed) {
        const uint32_t size = (uint32_t)(rows->size - start - sizeof size);
        memcpy(rows->data + start, &size, sizeof size);
        memcpy(rows->data + start + sizeof size, fixed, sizeof *fixed);
    }
}

/* The properties come first: what is said of them is known then. */
void etw_row_append_with(const etw_output_options *options, const etw_event *event,
                         etw_row_properties append, etw_text *rows)
{
    const etw_plan *plan = etw_event_plan(event);
    const etw_event_process *process = etw_event_process_of(event);
    etw_row_fixed fixed;
    etw_property_outcome outcome = {0};
    const size_t start = begin_field(rows);
    fill_fixed(event, &fixed);
    fixed.owner_id = process == NULL ? fixed.process_id : process->process_id;
    fixed.parent_id = process == NULL ? 0 : process->parent_id;
    etw_text_append(rows, (const char *)&fixed, sizeof fixed);
    const size_t properties = begin_field(rows);
    if (plan == NULL) {
        etw_properties_unknown(event, &outcome);
        fixed.property_count = ETW_ROW_NONE;
    } else {
        fixed.property_count = append(options, event, rows, &outcome);
        end_field(rows, properties);
    }
    append_name(rows, etw_event_provider_name(event));
    append_name(rows, plan == NULL ? NULL : etw_plan_event_name(plan)->utf8);
    append_message(options, event, rows);
    append_name(rows, outcome.problem);
    append_bytes(rows, outcome.undecoded);
    append_extended(options, event, rows);
    append_name(rows, process == NULL ? NULL : process->name);
    end_row(rows, start, &fixed);
}

void etw_row_append(const etw_output_options *options, const etw_event *event, etw_text *rows)
{
    etw_row_append_with(options, event, append_properties, rows);
}

static void append_loss(const etw_loss *loss, etw_text *rows)
{
    const size_t start = begin_field(rows);
    etw_json_append_loss(loss, rows);
    end_field(rows, start);
}

void etw_row_append_loss(const etw_loss *loss, etw_text *rows)
{
    const etw_row_fixed fixed = {.is_loss = true};
    const size_t start = begin_field(rows);
    etw_text_append(rows, (const char *)&fixed, sizeof fixed);
    (void)begin_field(rows); /* no properties */
    for (int field = 0; field < ETW_ROW_FIELD_COUNT; field++) {
        if (field == ETW_ROW_EXTENDED_INFO) {
            append_loss(loss, rows);
        } else {
            append_name(rows, field == ETW_ROW_PROBLEM ? etw_loss_cause_name(loss->cause) : NULL);
        }
    }
    end_row(rows, start, &fixed);
}

/* Reading: what this process wrote itself. */

static etw_bytes take_field(const uint8_t **at)
{
    const uint32_t size = etw_load_u32(*at);
    etw_bytes field = {NULL, 0};
    *at += sizeof size;
    if (size != ETW_ROW_NONE) {
        field = (etw_bytes){*at, size};
        *at += size;
    }
    return field;
}

bool etw_row_next(etw_bytes *rows, etw_row *row)
{
    if (rows->size == 0) {
        return false;
    }
    const uint32_t size = etw_load_u32(rows->data);
    const uint8_t *at = rows->data + sizeof size;
    memcpy(&row->fixed, at, sizeof row->fixed);
    at += sizeof row->fixed;
    const etw_bytes properties = take_field(&at);
    row->end = at;
    row->at = at - properties.size;
    for (int field = 0; field < ETW_ROW_FIELD_COUNT; field++) {
        row->fields[field] = take_field(&at);
    }
    rows->data += sizeof size + size;
    rows->size -= sizeof size + size;
    return true;
}

bool etw_row_next_property(etw_row *row, etw_bytes *name, etw_bytes *text)
{
    if (row->at == row->end) {
        return false;
    }
    *name = take_field(&row->at);
    *text = take_field(&row->at);
    return true;
}
