#include "format/input/donor_file.h"
#include "recorder/command/jobs.h"
#include "recorder/command/record_inputs.h"
#include "recorder/command/report.h"
#include "recorder/command/segments.h"

#include <inttypes.h>

/* The job once the inputs are open. A failing one is reported, but what it gave is kept. */
static int record_source(const etw_capture_options *options, const etw_record_arguments *arguments,
                         etw_record_inputs *inputs)
{
    etw_error error = {0};
    etw_capture *capture = NULL;
    const etw_status opened = etw_capture_open(options, &capture, &error);
    if (etw_record_advise(ETW_STEP_OPEN_OUTPUT, opened, &error) != ETW_OK) {
        etw_report_error(&error);
        return ETW_EXIT_FAILED;
    }
    etw_status pulled = etw_record_inputs_feed(inputs, capture, &error);
    if (pulled == ETW_OK) {
        pulled = etw_capture_pull(capture, etw_record_inputs_source(inputs), &error);
    }
    if (pulled != ETW_OK) {
        etw_report_error(&error);
    }
    etw_capture_totals totals;
    etw_error failure = {0};
    const etw_status finished = etw_capture_finish(capture, &totals, &failure);
    etw_capture_free(capture);
    if (finished != ETW_OK && strcmp(failure.message, error.message) != 0) {
        etw_report_error(&failure);
    }
    const int exit_status = etw_report_totals(arguments, options->resolver, &totals);
    if (finished != ETW_OK || (pulled != ETW_OK && arguments->from_json)) {
        return ETW_EXIT_FAILED; /* of a text nothing may be left out: it can be corrected */
    }
    return pulled != ETW_OK ? ETW_EXIT_MISSING : exit_status;
}

typedef struct files_context {
    etw_stop_signal *signal;
    etw_record_inputs *inputs;
    etw_segments segments;
    etw_unexplained *unexplained; /* NULL: not counted, for lack of memory */
} files_context;

static bool is_stopped(void *context)
{
    return etw_stop_signal_is_set(((files_context *)context)->signal);
}

static void segment_opened(void *context)
{
    etw_record_inputs_segment_opened(((files_context *)context)->inputs);
}

static void see_event(void *context, const etw_trace *trace, const etw_event_record *record,
                      const etw_schema *schema, uint64_t event_number)
{
    const files_context *files = context;
    (void)trace;
    (void)event_number;
    if (schema == NULL && files->unexplained != NULL) {
        etw_unexplained_note(files->unexplained, record);
    }
}

static void segment_closed(void *context, const char *path)
{
    etw_segments_closed(&((files_context *)context)->segments, path);
}

static int record_inputs(const etw_record_arguments *arguments, files_context *context,
                         etw_resolver *resolver, etw_schema_store *store)
{
    /* Scanning may take long, and leaves nothing to end cleanly: until now a signal ends it. */
    etw_stop_signal_install(context->signal);
    etw_capture_options options = {.path = arguments->output,
                                   .writer = arguments->writer,
                                   .limits = arguments->limits,
                                   .where = arguments->filter,
                                   .resolver = resolver,
                                   .store = store,
                                   .is_pulled = true,
                                   .items_name_schemas = true,
                                   .event = see_event,
                                   .is_stopped = is_stopped,
                                   .segment_opened = segment_opened,
                                   .segment_closed = segment_closed,
                                   .expands_name = true,
                                   .context = context};
    options.writer.redacted = etw_record_inputs_redacted(context->inputs);
    const int exit_status = record_source(&options, arguments, context->inputs);
    if (context->unexplained != NULL) {
        etw_report_unexplained(arguments, context->unexplained, store);
    }
    const uint64_t left_behind = etw_record_inputs_left_behind(context->inputs);
    if (left_behind > 0) {
        etw_text text = {0};
        etw_text_printf(&text,
                        "without %" PRIu64 " blocks that are no events; 'etw-replay repack' keeps "
                        "them",
                        left_behind);
        etw_report_note(NULL, etw_text_z(&text));
        etw_text_free(&text);
    }
    return exit_status;
}

int etw_record_files(const etw_record_arguments *arguments, etw_stop_signal *signal)
{
    files_context context = {.signal = signal, .unexplained = etw_unexplained_new()};
    etw_error error = {0};
    etw_schema_store *store = etw_schema_store_new();
    etw_resolver *resolver = NULL;
    const etw_resolver_options resolver_options = {.manifest_paths = arguments->manifests,
                                                   .manifest_path_count = arguments->manifest_count,
                                                   .open_donor = etw_donor_open,
                                                   .use_defaults = !arguments->no_default_schemas,
                                                   .language = arguments->language,
                                                   .note = etw_report_note};
    etw_status status =
        store == NULL ? etw_error_set(&error, ETW_ERROR_NO_MEMORY, "out of memory for schemas")
                      : etw_resolver_new(store, &resolver_options, &resolver, &error);
    if (status == ETW_OK) {
        status =
            etw_record_inputs_open(arguments, resolver, store, signal, &context.inputs, &error);
    }
    if (status == ETW_OK) {
        status = etw_segments_begin(&context.segments, arguments, &error);
    }
    int exit_status = status == ETW_ERROR_INVALID_ARGUMENT ? ETW_EXIT_USAGE : ETW_EXIT_FAILED;
    if (status == ETW_OK) {
        exit_status = record_inputs(arguments, &context, resolver, store);
    } else {
        etw_report_error(&error);
    }
    etw_unexplained_free(context.unexplained);
    etw_record_inputs_close(context.inputs);
    etw_resolver_free(resolver);
    etw_schema_store_free(store);
    return etw_segments_end(&context.segments, exit_status);
}
