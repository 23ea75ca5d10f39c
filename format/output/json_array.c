/* The objects of the JSON form as one array, for those who cannot read them line by line. */
#include "format/output/output.h"

#include <stdlib.h>

struct etw_collector {
    bool has_begun;
};

static void close_array(etw_collector *collector)
{
    free(collector);
}

static etw_status open_array(const etw_output_options *options, const etw_collector_target *target,
                             etw_collector **collector, etw_error *error)
{
    (void)options;
    (void)target;
    *collector = calloc(1, sizeof **collector);
    return *collector != NULL ? ETW_OK
                              : etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for an array");
}

/* An object is a line, and there is no other line end. */
static etw_status take_lines(etw_collector *collector, etw_bytes rows, etw_text *out,
                             etw_error *error)
{
    (void)error;
    while (rows.size > 0) {
        const uint8_t *end = memchr(rows.data, '\n', rows.size);
        const size_t size = end == NULL ? rows.size : (size_t)(end - rows.data);
        etw_text_append_z(out, collector->has_begun ? ",\n" : "[\n");
        etw_text_append(out, (const char *)rows.data, size);
        collector->has_begun = true;
        rows.data += size + (end == NULL ? 0 : 1);
        rows.size -= size + (end == NULL ? 0 : 1);
    }
    return ETW_OK;
}

static etw_status finish_array(etw_collector *collector, etw_text *out, etw_error *error)
{
    (void)error;
    etw_text_append_z(out, collector->has_begun ? "\n]\n" : "[]\n");
    return ETW_OK;
}

static etw_output *open_renderer(const etw_output_options *options)
{
    return etw_output_json.open(options);
}

static void close_renderer(etw_output *output)
{
    etw_output_json.close(output);
}

static void render_event(etw_output *output, const etw_event *event, etw_text *text)
{
    etw_output_json.event(output, event, text);
}

static void render_loss(etw_output *output, const etw_loss *loss, etw_text *text)
{
    etw_output_json.loss(output, loss, text);
}

static const etw_collector_kind collector = {open_array, take_lines, finish_array, close_array};

static etw_output *open_columns(const etw_output_options *options)
{
    return etw_output_json_columns.open(options);
}

static void close_columns(etw_output *output)
{
    etw_output_json_columns.close(output);
}

static void render_columns(etw_output *output, const etw_event *event, etw_text *text)
{
    etw_output_json_columns.event(output, event, text);
}

static const etw_output_format with_columns = {
    .name = "json-array",
    .open = open_columns,
    .close = close_columns,
    .event = render_columns,
    .loss = render_loss,
    .collector = &collector,
};

const etw_output_format etw_output_json_array = {
    .name = "json-array",
    .help = "the objects of json as one array",
    .with_columns = &with_columns,
    .open = open_renderer,
    .close = close_renderer,
    .event = render_event,
    .loss = render_loss,
    .collector = &collector,
};
