#include "format/etl/etl.h"
#include "format/event/merge.h"
#include "recorder/command/jobs.h"
#include "recorder/command/report.h"
#include "recorder/command/segments.h"

#include <stdlib.h>

typedef struct scanning {
    etw_status_line line;
    const char *path;
} scanning;

static void show_progress(void *context, uint64_t done_bytes, uint64_t total_bytes)
{
    scanning *scan = context;
    etw_status_line_progress(&scan->line, scan->path, done_bytes, total_bytes, "B");
}

static etw_status observe(void *context, const etw_event_record *record, const etw_trace *trace,
                          etw_error *error)
{
    (void)trace;
    return etw_resolver_observe(context, record, error);
}

/* Opens every input, which scans it and lets the resolver learn the schemas that it carries. */
static etw_status open_each(const etw_record_arguments *arguments, etw_resolver *resolver,
                            etw_source **sources, uint32_t *opened, etw_error *error)
{
    scanning scan = {0};
    etw_status_line_begin(&scan.line, etw_os_default(), arguments->show_progress);
    const etw_etl_options options = {.scan = observe,
                                     .scan_context = resolver,
                                     .scan_schemas_only = true,
                                     .progress = show_progress,
                                     .progress_context = &scan};
    etw_status status = ETW_OK;
    while (*opened < arguments->input_count && status == ETW_OK) {
        scan.path = arguments->inputs[*opened];
        status = etw_etl_open(scan.line.os, scan.path, &options, &sources[*opened], error);
        *opened += status == ETW_OK;
    }
    etw_status_line_clear(&scan.line);
    return status;
}

static etw_status open_inputs(const etw_record_arguments *arguments, etw_resolver *resolver,
                              etw_source **source, etw_error *error)
{
    etw_source **sources = calloc(arguments->input_count, sizeof(etw_source *));
    if (sources == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for the inputs");
    }
    uint32_t opened = 0;
    etw_status status = open_each(arguments, resolver, sources, &opened, error);
    if (status != ETW_OK) {
        for (uint32_t i = 0; i < opened; i++) {
            etw_source_close(sources[i]);
        }
    } else if (opened == 1) {
        *source = sources[0];
    } else {
        status = etw_merge_open(sources, opened, source, error);
    }
    free(sources);
    return status;
}

/* The job once the source is open. A failing source is reported, but what it gave is kept. */
static int record_source(const etw_capture_options *options, const etw_record_arguments *arguments,
                         etw_source *source)
{
    etw_error error = {0};
    etw_capture *capture = NULL;
    const etw_status opened = etw_capture_open(options, &capture, &error);
    if (etw_record_advise(ETW_STEP_OPEN_OUTPUT, opened, &error) != ETW_OK) {
        etw_report_error(&error);
        return ETW_EXIT_FAILED;
    }
    const etw_status pulled = etw_capture_pull(capture, source, &error);
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
    return finished != ETW_OK ? ETW_EXIT_FAILED : pulled != ETW_OK ? ETW_EXIT_MISSING : exit_status;
}

/* What is read must not be replaced by what is read from it. */
static bool writes_over_input(const etw_record_arguments *arguments)
{
    for (uint32_t i = 0; i < arguments->input_count; i++) {
        if (strcmp(arguments->output, "-") != 0 &&
            etw_os_is_same_file(arguments->inputs[i], arguments->output)) {
            etw_error error = {0};
            (void)etw_error_set(&error, ETW_ERROR_INVALID_ARGUMENT,
                                "%s is an input and cannot be the output", arguments->output);
            etw_report_error(&error);
            return true;
        }
    }
    return false;
}

typedef struct files_context {
    etw_stop_signal *signal;
    etw_segments segments;
} files_context;

static bool is_stopped(void *context)
{
    return etw_stop_signal_is_set(((files_context *)context)->signal);
}

static void segment_closed(void *context, const char *path)
{
    etw_segments_closed(&((files_context *)context)->segments, path);
}

int etw_record_files(const etw_record_arguments *arguments, etw_stop_signal *signal)
{
    files_context context = {.signal = signal};
    etw_error error = {0};
    if (writes_over_input(arguments)) {
        return ETW_EXIT_USAGE;
    }
    etw_schema_store *store = etw_schema_store_new();
    etw_resolver *resolver = NULL;
    etw_source *source = NULL;
    const etw_resolver_options resolver_options = {.manifest_paths = arguments->manifests,
                                                   .manifest_path_count = arguments->manifest_count,
                                                   .use_defaults = !arguments->no_default_schemas,
                                                   .language = arguments->language,
                                                   .note = etw_report_note};
    etw_status status =
        store == NULL ? etw_error_set(&error, ETW_ERROR_NO_MEMORY, "out of memory for schemas")
                      : etw_resolver_new(store, &resolver_options, &resolver, &error);
    if (status == ETW_OK) {
        status = open_inputs(arguments, resolver, &source, &error);
    }
    if (status == ETW_OK) {
        status = etw_segments_begin(&context.segments, arguments, &error);
    }
    int exit_status = ETW_EXIT_FAILED;
    if (status == ETW_OK) {
        /* Scanning may take long, and leaves nothing to end cleanly: until now a signal ends it. */
        etw_stop_signal_install(signal);
        const etw_capture_options options = {.path = arguments->output,
                                             .writer = arguments->writer,
                                             .limits = arguments->limits,
                                             .where = arguments->filter,
                                             .resolver = resolver,
                                             .store = store,
                                             .is_pulled = true,
                                             .is_stopped = is_stopped,
                                             .segment_closed = segment_closed,
                                             .expands_name = true,
                                             .context = &context};
        exit_status = record_source(&options, arguments, source);
    } else {
        etw_report_error(&error);
    }
    etw_source_close(source);
    etw_resolver_free(resolver);
    etw_schema_store_free(store);
    return etw_segments_end(&context.segments, exit_status);
}
