#include "recorder/command/ordered_input.h"

#include <stdlib.h>

typedef struct ordered {
    etw_source base;
    etw_source *source;
    etw_sort *sort;
    etw_ordered_input_options options;
    uint64_t bytes_before; /* read of the input when watching began */
    bool is_read;          /* all of the source, into the spool */
} ordered;

/* The status line. */

static void show_read(void *context)
{
    const ordered *self = context;
    etw_input *input = self->options.input;
    const uint64_t done = etw_input_bytes_read(input) - self->bytes_before;
    const uint64_t size = etw_input_size(input);
    etw_status_line_progress(self->options.line, etw_input_name(input), done,
                             done > size ? 0 : size, "B");
}

static void watch(ordered *self)
{
    self->bytes_before = etw_input_bytes_read(self->options.input);
    if (self->options.line->is_on) {
        etw_input_watch(self->options.input, show_read, self);
    }
}

static void watch_no_longer(const ordered *self)
{
    etw_input_watch(self->options.input, NULL, NULL);
    etw_status_line_clear(self->options.line);
}

/* The source. */

static etw_status ordered_next(etw_source *source, etw_item *item, etw_error *error)
{
    ordered *self = (ordered *)source;
    if (self->is_read) {
        return etw_sort_next(self->sort, item, error);
    }
    watch(self);
    const etw_status status = etw_sort_next(self->sort, item, error);
    watch_no_longer(self);
    self->is_read = true;
    return status;
}

static const etw_trace *ordered_trace(const etw_source *source, uint16_t trace_index)
{
    return etw_source_trace(((const ordered *)source)->source, trace_index);
}

static uint16_t ordered_trace_count(const etw_source *source)
{
    return etw_source_trace_count(((const ordered *)source)->source);
}

static void ordered_close(etw_source *source)
{
    ordered *self = (ordered *)source;
    etw_sort_close(self->sort);
    etw_source_close(self->source);
    free(self);
}

etw_status etw_ordered_input_open(etw_source *source, const etw_ordered_input_options *options,
                                  etw_source **made, etw_error *error)
{
    static const etw_source_ops ops = {ordered_next, ordered_trace, ordered_trace_count,
                                       ordered_close};
    ordered *self = calloc(1, sizeof *self);
    *made = source;
    if (self == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for the inputs");
    }
    self->base.ops = &ops;
    self->options = *options;
    watch(self);
    const etw_status status = etw_time_order_open(options->input, source, options->spool,
                                                  options->spools_all, &self->sort, error);
    watch_no_longer(self);
    if (etw_failed(status) || self->sort == NULL) {
        free(self);
        return status;
    }
    self->source = source;
    *made = &self->base;
    return ETW_OK;
}
