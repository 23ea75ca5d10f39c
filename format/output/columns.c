/* Chosen fields of each event, as text with tabs between, CSV or JSON. */
#include "format/output/csv_field.h"
#include "format/output/extended_info.h"
#include "format/output/json.h"
#include "format/output/terminal.h"
#include "format/output/time_stamp.h"
#include "format/query/field.h"

#include <stdlib.h>
#include <strings.h>

typedef enum column_kind {
    FIELD,
    TIME_STAMP,
    PROPERTIES,
    EXTENDED_INFO,
    TRACE_NUMBER,
    TRACE_FILE
} column_kind;

typedef struct column {
    column_kind kind;
    const char *name; /* as it was given */
    etw_field *field; /* of a FIELD */
} column;

typedef struct columns_output {
    etw_output base;
    etw_put_time_cache time;
    column *columns;
    uint32_t count;
    etw_text field; /* a field's text before it is quoted */
} columns_output;

static void columns_close(etw_output *output)
{
    columns_output *self = (columns_output *)output;
    for (uint32_t i = 0; i < self->count; i++) {
        etw_field_close(self->columns[i].field);
    }
    free(self->columns);
    etw_text_free(&self->field);
    etw_output_free(output);
}

static column_kind kind_of(const char *name)
{
    return strcasecmp(name, "TimeStamp") == 0         ? TIME_STAMP
           : strcasecmp(name, "EventProperties") == 0 ? PROPERTIES
           : strcasecmp(name, "ExtendedInfo") == 0    ? EXTENDED_INFO
           : strcasecmp(name, "Trace") == 0           ? TRACE_NUMBER
           : strcasecmp(name, "TraceFile") == 0       ? TRACE_FILE
                                                      : FIELD;
}

bool etw_output_is_extended_info(const char *name)
{
    return kind_of(name) == EXTENDED_INFO;
}

/* The names were checked by etw_output_check_columns. */
static etw_output *columns_open(const etw_output_options *options)
{
    columns_output *self = (columns_output *)etw_output_new(sizeof *self, options);
    if (self == NULL) {
        return NULL;
    }
    self->columns = calloc(options->column_count + 1u, sizeof *self->columns);
    bool is_well = self->columns != NULL;
    for (uint32_t i = 0; is_well && i < options->column_count; i++) {
        column *c = &self->columns[self->count++];
        c->name = options->columns[i];
        c->kind = kind_of(c->name);
        is_well = c->kind != FIELD || !etw_failed(etw_field_open(c->name, &c->field, NULL));
    }
    if (!is_well) {
        columns_close(&self->base);
        return NULL;
    }
    return &self->base;
}

etw_status etw_output_check_columns(const etw_output_options *options, bool *wants_processes,
                                    etw_error *error)
{
    *wants_processes = false;
    for (uint32_t i = 0; i < options->column_count; i++) {
        etw_field *field = NULL;
        if (kind_of(options->columns[i]) != FIELD) {
            continue;
        }
        const etw_status status = etw_field_open(options->columns[i], &field, error);
        if (etw_failed(status)) {
            return status;
        }
        *wants_processes |= etw_field_wants_processes(field);
        etw_field_close(field);
    }
    return ETW_OK;
}

/* A field that fails is shown as one that is not there: a regular expression is not in it. */
static etw_field_value get(const column *c, const etw_event *event, etw_text *text)
{
    etw_field_value value = {0};
    if (etw_failed(etw_field_get(c->field, event, &value, NULL))) {
        text->failed = true;
    }
    return value;
}

/* The column's value as text; nothing where the event has none. */
static void append_plain(columns_output *self, const column *c, const etw_event *event,
                         etw_text *text)
{
    const etw_output_options *options = &self->base.options;
    etw_property_outcome outcome;
    switch (c->kind) {
    case TIME_STAMP:
        etw_text_append_time_stamp(text, &self->time, options, event);
        return;
    case PROPERTIES:
        if (etw_event_plan(event) != NULL) {
            etw_json_append_properties(options, event, text, &outcome);
        }
        return;
    case EXTENDED_INFO:
        if (etw_extended_info_any(event, options)) {
            etw_json_append_extended_info(options, event, text);
        }
        return;
    case TRACE_NUMBER: /* where there are several */
        if (etw_event_trace_number(event) != 0) {
            etw_text_append_u64(text, etw_event_trace_number(event));
        }
        return;
    case TRACE_FILE:
        etw_text_append_z(text, etw_event_trace(event)->source_path);
        return;
    case FIELD:
        break;
    }
    const etw_field_value value = get(c, event, text);
    etw_text_append(text, value.text, value.is_there ? value.text_size : 0);
}

/* Text. */

static void text_event(etw_output *output, const etw_event *event, etw_text *text)
{
    columns_output *self = (columns_output *)output;
    const size_t start = text->size;
    for (uint32_t i = 0; i < self->count; i++) {
        etw_text_append_z(text, i == 0 ? "" : "\t");
        etw_text_clear(&self->field);
        append_plain(self, &self->columns[i], event, &self->field);
        text->failed |= self->field.failed;
        etw_text_append_utf8(text, (const uint8_t *)self->field.data, self->field.size,
                             ETW_ESCAPE_LINE);
    }
    etw_terminal_finish_line(&output->options,
                             etw_event_record_of(event)->EventHeader.EventDescriptor.Level, start,
                             text);
}

static void text_loss(etw_output *output, const etw_loss *loss, etw_text *text)
{
    etw_output_text.loss(output, loss, text);
}

/* CSV. */

static void csv_begin(etw_output *output, etw_text *text)
{
    const columns_output *self = (columns_output *)output;
    for (uint32_t i = 0; i < self->count; i++) {
        etw_text_append_z(text, i == 0 ? "" : ",");
        const char *name = self->columns[i].name;
        if (strpbrk(name, ",\"\r\n") == NULL) {
            etw_text_append_z(text, name);
        } else {
            etw_csv_append_first(text, name, strlen(name));
        }
    }
    etw_text_append_z(text, "\r\n");
}

static void csv_event(etw_output *output, const etw_event *event, etw_text *text)
{
    columns_output *self = (columns_output *)output;
    for (uint32_t i = 0; i < self->count; i++) {
        const column *c = &self->columns[i];
        etw_text_append_z(text, i == 0 ? "" : ",");
        etw_text_clear(&self->field);
        append_plain(self, c, event, &self->field);
        text->failed |= self->field.failed;
        const bool is_plain =
            self->field.size > 0 && strpbrk(etw_text_z(&self->field), ",\"\r\n ") == NULL;
        if (is_plain) {
            etw_text_append(text, self->field.data, self->field.size);
        } else {
            etw_csv_append_first(text, self->field.data, self->field.size);
        }
    }
    etw_text_append_z(text, "\r\n");
}

/* JSON. */

static void append_string(etw_text *text, const char *utf8, size_t size)
{
    etw_text_append_char(text, '"');
    etw_text_append_utf8(text, (const uint8_t *)utf8, size, ETW_ESCAPE_JSON);
    etw_text_append_char(text, '"');
}

/* Whether the text of a number is one in JSON, too. */
static bool is_decimal(const etw_field_value *value)
{
    return value->has_number && (value->text[0] != '0' || value->text_size == 1);
}

static void append_json_field(const columns_output *self, const etw_field_value *value,
                              etw_text *text)
{
    const etw_output_options *options = &self->base.options;
    const uint32_t form =
        (options->exact ? ETW_TEXT_EXACT : 0u) | (options->hex_numbers ? ETW_JSON_HEX_NUMBERS : 0u);
    if (value->property != NULL && options->typed) {
        etw_value_append_json(value->property, form, text);
    } else if (value->property == NULL && is_decimal(value)) {
        etw_text_append(text, value->text, value->text_size);
    } else {
        append_string(text, value->text, value->text_size);
    }
}

/* Appends `"Name":value` and what separates it; nothing where the event has none. */
static void append_json_member(columns_output *self, const column *c, const etw_event *event,
                               bool *is_first, etw_text *text)
{
    etw_field_value value = {0};
    etw_text *field = &self->field;
    etw_text_clear(field);
    if (c->kind == FIELD) {
        value = get(c, event, text);
    } else {
        append_plain(self, c, event, field);
        value.is_there = field->size > 0;
        text->failed |= field->failed;
    }
    if (!value.is_there) {
        return;
    }
    etw_text_append_z(text, *is_first ? "" : ",");
    *is_first = false;
    append_string(text, c->name, strlen(c->name));
    etw_text_append_char(text, ':');
    if (c->kind == FIELD) {
        append_json_field(self, &value, text);
    } else if (c->kind == TRACE_FILE ||
               (c->kind == TIME_STAMP && !etw_time_stamp_is_number(&self->base.options))) {
        append_string(text, field->data, field->size);
    } else {
        etw_text_append(text, field->data, field->size);
    }
}

static void json_event(etw_output *output, const etw_event *event, etw_text *text)
{
    columns_output *self = (columns_output *)output;
    bool is_first = true;
    etw_text_append_char(text, '{');
    for (uint32_t i = 0; i < self->count; i++) {
        append_json_member(self, &self->columns[i], event, &is_first, text);
    }
    etw_text_append_z(text, "}\n");
}

static void json_loss(etw_output *output, const etw_loss *loss, etw_text *text)
{
    etw_output_json.loss(output, loss, text);
}

const etw_output_format etw_output_text_columns = {
    .name = "text",
    .open = columns_open,
    .close = columns_close,
    .event = text_event,
    .tells_filtered = true,
    .loss = text_loss,
};

const etw_output_format etw_output_csv_columns = {
    .name = "csv",
    .open = columns_open,
    .close = columns_close,
    .begin = csv_begin,
    .event = csv_event,
};

const etw_output_format etw_output_json_columns = {
    .name = "json",
    .open = columns_open,
    .close = columns_close,
    .event = json_event,
    .loss = json_loss,
};
