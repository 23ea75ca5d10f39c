#include "format/input/donor_file.h"
#include "recorder/command/discard.h"
#include "recorder/command/jobs.h"
#include "recorder/command/live_print.h"
#include "recorder/command/live_rundown.h"
#include "recorder/command/report.h"
#include "recorder/command/run_while.h"
#include "recorder/command/segments.h"
#include "recorder/command/session_request.h"
#include "recorder/session/oracle_source.h"
#include "recorder/session/queued_pump.h"
#include "recorder/session/system_providers.h"
#include "recorder/session/tdh_source.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* A live recording: what the session's sink feeds, on the main thread. */
typedef struct live {
    const etw_record_arguments *arguments;
    etw_stop_signal *signal;
    etw_schema_store *store;
    etw_resolver *resolver;
    etw_capture *capture;  /* to disk, or the flight recorder's own */
    etw_flight *flight;    /* NULL unless asked for */
    etw_live_print *print; /* NULL unless asked for */
    etw_segments segments;
    etw_run_while *run; /* NULL unless asked for */
    etw_session *session;
    etw_live_rundown rundown;
    etw_oracle_source *oracle; /* NULL unless asked for */
    bool trace_added;
    etw_status_line line;
    uint64_t last_events; /* at the last status line */
    int64_t last_line_ns; /* when that was; 0: there was none */
    etw_error error;      /* of the first failure inside the sink */
} live;

/* A segment was opened, which is to have its own. */
static void start_rundown(void *context)
{
    etw_live_rundown_start(&((live *)context)->rundown);
}

static etw_status add_trace(live *recording)
{
    if (recording->trace_added) {
        return ETW_OK;
    }
    recording->trace_added = true;
    uint16_t index;
    return etw_capture_add_trace(recording->capture, etw_session_trace(recording->session), &index,
                                 &recording->error);
}

static void write_rundown(live *recording)
{
    if (etw_live_rundown_is_ready(&recording->rundown) && add_trace(recording) == ETW_OK) {
        etw_live_rundown_write(&recording->rundown, recording->capture,
                               etw_session_trace(recording->session));
    }
}

static void segment_closed(void *context, const char *path)
{
    etw_segments_closed(&((live *)context)->segments, path);
}

static etw_status dump(live *recording)
{
    const char *path = NULL;
    const etw_status status = etw_flight_dump(recording->flight, &path, &recording->error);
    if (status == ETW_OK) {
        segment_closed(recording, path);
    }
    if (status == ETW_OK && !recording->arguments->quiet) {
        etw_status_line_clear(&recording->line);
        etw_report_written(path);
    }
    recording->capture = etw_flight_capture(recording->flight);
    return status;
}

static void show_event(void *context, const etw_trace *trace, const etw_event_record *record,
                       const etw_schema *schema, uint64_t event_number)
{
    live *recording = context;
    if (recording->print != NULL) {
        etw_live_print_event(recording->print, trace, record, schema);
    }
    if (recording->oracle != NULL) {
        const uint32_t pointer_size = etw_record_pointer_size(record, trace->pointer_size);
        etw_oracle_source_event(recording->oracle, record, schema, pointer_size, event_number);
    }
}

/* TDH's texts gathered so far go into the segment whose events they are about. They prove, they are
 * not evidence: where they do not fit, the recording goes on without them. */
static void write_texts(void *context)
{
    live *recording = context;
    etw_bytes blob = {NULL, 0};
    uint32_t events = 0;
    etw_error error;
    etw_status status = etw_oracle_source_take(recording->oracle, &blob, &events, &error);
    if (status == ETW_OK && events > 0) {
        status = etw_capture_oracle(recording->capture, blob, events, &error);
    }
    if (status != ETW_OK) {
        etw_report_error(&error);
    }
}

static etw_status on_event(void *context, const etw_event_record *record)
{
    live *recording = context;
    etw_status status = add_trace(recording);
    if (status == ETW_OK) {
        status = etw_resolver_observe(recording->resolver, record, &recording->error);
    }
    if (status == ETW_OK) {
        status = etw_capture_event(recording->capture, 0, record, &recording->error);
    }
    if (status == ETW_OK && recording->flight != NULL &&
        etw_flight_is_trigger(recording->flight, record)) {
        status = dump(recording);
    }
    return status;
}

static void print_loss(const live *recording, const etw_loss *loss)
{
    if (recording->print != NULL) {
        etw_live_print_loss(recording->print, loss);
    }
}

static etw_status on_loss(void *context, const etw_loss *loss)
{
    live *recording = context;
    const etw_status status = add_trace(recording);
    print_loss(recording, loss);
    return status == ETW_OK ? etw_capture_loss(recording->capture, loss, &recording->error)
                            : status;
}

static etw_status on_dropped(void *context, const etw_loss *loss)
{
    live *recording = context;
    const etw_status status = add_trace(recording);
    print_loss(recording, loss);
    return status == ETW_OK ? etw_capture_dropped(recording->capture, loss, &recording->error)
                            : status;
}

static bool has_room(void *context, uint32_t wait_ms)
{
    return etw_capture_has_room(((live *)context)->capture, wait_ms);
}

static etw_status on_anchor(void *context, int64_t ticks, int64_t time_100ns)
{
    live *recording = context;
    return recording->trace_added
               ? etw_capture_anchor(recording->capture, 0, ticks, time_100ns, &recording->error)
               : ETW_OK;
}

/* Where the reader of stdout has gone, a file is still recorded to; without one that is the end. */
static etw_status print_what_came(live *recording)
{
    if (recording->print == NULL) {
        return ETW_OK;
    }
    const etw_status status = etw_live_print_flush(recording->print, &recording->error);
    if (status == ETW_END && recording->arguments->output != NULL) {
        etw_error_clear(&recording->error);
        return ETW_OK;
    }
    return status;
}

/* Events a second since the last status line, by the clock. */
static uint64_t rate_since_last(live *recording, uint64_t events)
{
    const etw_os *os = recording->line.os;
    const int64_t now_ns = os->monotonic_ns(os->context);
    const int64_t from_ns =
        recording->last_line_ns == 0 ? recording->line.begun_ns : recording->last_line_ns;
    const uint64_t rate = now_ns <= from_ns ? 0
                                            : (uint64_t)((double)(events - recording->last_events) *
                                                         1e9 / (double)(now_ns - from_ns));
    recording->last_line_ns = now_ns;
    recording->last_events = events;
    return rate;
}

static void show_status(live *recording)
{
    if (!etw_status_line_is_due(&recording->line)) {
        return;
    }
    etw_capture_totals totals;
    etw_capture_get_totals(recording->capture, &totals);
    etw_status_line_show(&recording->line,
                         "%" PRIu64 " events (%" PRIu64 "/s), %.1f MB, %" PRIu64 " lost, %" PRIu64
                         " dropped, %" PRIu64 " queued",
                         totals.events, rate_since_last(recording, totals.events),
                         (double)totals.file_bytes / 1e6, totals.lost, totals.dropped,
                         totals.queued);
}

static etw_status on_tick(void *context)
{
    live *recording = context;
    show_status(recording);
    if (etw_stop_signal_is_set(recording->signal) || etw_run_while_is_done(recording->run)) {
        /* What the session delivers until it ends is still recorded. */
        etw_session_stop(recording->session);
    }
    if (recording->flight != NULL && atomic_exchange(&recording->signal->dump, false)) {
        const etw_status status = dump(recording);
        if (status != ETW_OK) {
            return status;
        }
    }
    if (recording->oracle != NULL && recording->flight == NULL) {
        write_texts(recording);
    }
    write_rundown(recording);
    const etw_status status = print_what_came(recording);
    return status == ETW_OK ? etw_capture_tick(recording->capture, &recording->error) : status;
}

static etw_status open_with_options(const etw_record_arguments *arguments,
                                    const etw_session_options *options, etw_session **session,
                                    etw_error *error)
{
    const char *name = etw_session_fixed_name(options);
    etw_status status = etw_session_open(options, session, error);
    if (status == ETW_ERROR_EXISTS && arguments->replace_session && name != NULL) {
        status = etw_session_kill(name, error);
        if (status == ETW_OK || status == ETW_ERROR_NOT_FOUND) {
            status = etw_session_open(options, session, error);
        }
    }
    return etw_record_advise(ETW_STEP_START_SESSION, status, error);
}

/* The kernel's events behind the providers that were named: by providers of their own, or flags;
 * by flags too where groups are wanted, which stand beside them. */
static void add_system(const etw_record_arguments *arguments, etw_session_options *options,
                       etw_provider_options *providers)
{
    if (etw_has_system_providers() && !etw_session_wants_kernel(options)) {
        options->provider_count +=
            etw_system_providers(arguments->system_flags, providers + options->provider_count);
    } else {
        options->kernel_flags |= arguments->system_flags;
    }
}

/* A session of the kernel begins with the images that are loaded, if nothing chooses among its
 * events: they are not to be in the file twice. Processes stay, as the rundown has their start
 * keys.
 */
static bool tells_images(const etw_record_arguments *arguments, const etw_session_options *options)
{
    static const uint32_t process_and_image_load = 0x5; /* EVENT_TRACE_FLAG_... */
    return arguments->filter == NULL && !options->attach &&
           (options->kernel_flags & process_and_image_load) == process_and_image_load;
}

static etw_status open_session(live *recording)
{
    const etw_record_arguments *arguments = recording->arguments;
    etw_error *error = &recording->error;
    /* What a killed recorder left runs until the next boot if nobody stops it. Others' rights and
     * troubles are no reason not to record, unless this was asked for. */
    uint32_t stopped = 0;
    const etw_status reclaimed = etw_session_reclaim(&stopped, error);
    if (reclaimed != ETW_OK && arguments->reclaim_first) {
        return reclaimed;
    }
    etw_error_clear(error);
    etw_provider_options *providers =
        calloc(arguments->provider_count + ETW_MAX_SYSTEM_PROVIDERS, sizeof *providers);
    if (providers == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for the providers");
    }
    etw_session_options options = arguments->session;
    options.providers = providers;
    options.provider_count = arguments->provider_count;
    options.sample_interval_100ns = arguments->sample_interval_us * 10;
    add_system(arguments, &options, providers);
    recording->rundown.session_tells_images = tells_images(arguments, &options);
    etw_status status = etw_record_find_providers(arguments, providers, error);
    if (status == ETW_OK) {
        status = open_with_options(arguments, &options, &recording->session, error);
    }
    /* What somebody else started is not ours to stop. */
    if (status == ETW_OK && !options.attach) {
        atomic_store(&recording->signal->session, etw_session_name(recording->session));
    }
    free(providers);
    return status;
}

static etw_status open_schemas(live *recording)
{
    const etw_record_arguments *arguments = recording->arguments;
    const etw_resolver_options options = {.manifest_paths = arguments->manifests,
                                          .manifest_path_count = arguments->manifest_count,
                                          .open_donor = etw_donor_open,
                                          .use_defaults = !arguments->no_default_schemas,
                                          .language = arguments->language,
                                          .note = etw_report_note};
    recording->store = etw_schema_store_new();
    if (recording->store == NULL) {
        return etw_error_set(&recording->error, ETW_ERROR_NO_MEMORY, "out of memory for schemas");
    }
    const etw_status status =
        etw_resolver_new(recording->store, &options, &recording->resolver, &recording->error);
    return status == ETW_OK ? etw_resolver_add_source(recording->resolver, etw_tdh_source_new(),
                                                      &recording->error)
                            : status;
}

static etw_status open_print(live *recording)
{
    if (recording->arguments->print == NULL) {
        return ETW_OK;
    }
    recording->print = etw_live_print_new(recording->arguments->print, recording->store);
    return recording->print == NULL
               ? etw_error_set(&recording->error, ETW_ERROR_NO_MEMORY, "out of memory for printing")
               : ETW_OK;
}

static etw_status open_capture(live *recording)
{
    const etw_record_arguments *arguments = recording->arguments;
    if (arguments->oracle_events > 0) {
        recording->oracle = etw_oracle_source_new(arguments->oracle_events);
        if (recording->oracle == NULL) {
            return etw_error_set(&recording->error, ETW_ERROR_NO_MEMORY,
                                 "out of memory for TDH's texts");
        }
    }
    const bool has_oracle = recording->oracle != NULL;
    const bool keeps = arguments->output != NULL;
    const etw_capture_options options = {.os = keeps ? NULL : &etw_discard_os,
                                         .path = keeps ? arguments->output : "nowhere",
                                         .event = show_event,
                                         .expands_name = keeps,
                                         .segment_opened = start_rundown,
                                         .segment_closed = segment_closed,
                                         .segment_closing = has_oracle ? write_texts : NULL,
                                         .context = recording,
                                         .writer = arguments->writer,
                                         .limits = arguments->limits,
                                         .where = arguments->filter,
                                         .resolver = recording->resolver,
                                         .store = recording->store};
    if (arguments->flight.max_bytes == 0) {
        return etw_record_advise(ETW_STEP_OPEN_OUTPUT,
                                 etw_capture_open(&options, &recording->capture, &recording->error),
                                 &recording->error);
    }
    const etw_status status =
        etw_flight_open(&arguments->flight, &options, &recording->flight, &recording->error);
    if (status == ETW_OK) {
        recording->capture = etw_flight_capture(recording->flight);
    }
    return status;
}

/* The rundown before the session: it takes time in which the queue would run full. The file
 * last: where the session is refused, none is left that looks like a recording. */
static etw_status open_all(live *recording)
{
    etw_status status =
        etw_segments_begin(&recording->segments, recording->arguments, &recording->error);
    if (status != ETW_OK) {
        return status;
    }
    start_rundown(recording);
    status = open_schemas(recording);
    if (status == ETW_OK) {
        etw_live_rundown_wait(&recording->rundown);
        status = open_session(recording);
    }
    if (status == ETW_OK) {
        status = open_capture(recording);
    }
    if (status == ETW_OK) {
        status = open_print(recording);
    }
    if (status == ETW_OK && recording->arguments->run != NULL) {
        status = etw_run_while_start(recording->arguments->run, &recording->run, &recording->error);
    }
    if (status == ETW_OK) {
        write_rundown(recording);
    }
    return status;
}

/* What came after the failure is in no file: the last one says so, if it still can. */
static void tell_failure(live *recording)
{
    etw_loss loss = {.cause = ETW_LOSS_TRUNCATED, .events = ETW_LOSS_COUNT_UNKNOWN};
    etw_loss_set_detail(&loss, "%s", recording->error.message);
    etw_ignore(etw_capture_loss(recording->capture, &loss, NULL));
}

static etw_status run(live *recording)
{
    const etw_queued_sink to = {.sink = {.event = on_event,
                                         .loss = on_loss,
                                         .tick = on_tick,
                                         .anchor = on_anchor,
                                         .context = recording},
                                .dropped = on_dropped,
                                .has_room = has_room,
                                .waits =
                                    recording->arguments->writer.overload == ETW_OVERLOAD_WAIT};
    etw_error error = recording->error;
    const etw_status status = etw_session_pump_queued(recording->session, &to, &error);
    /* A failure inside the sink has left its own message; the pump's is about the session, and was
     * told to the sink. */
    if (status != ETW_OK && recording->error.status == ETW_OK) {
        recording->error = error;
    } else if (status != ETW_OK) {
        tell_failure(recording);
    }
    return status;
}

/* The end of what is printed; a reader that has gone is no failure. */
static etw_status finish_print(live *recording)
{
    if (recording->print == NULL) {
        return ETW_OK;
    }
    const etw_status status = etw_live_print_finish(recording->print, &recording->error);
    return status == ETW_END ? ETW_OK : status;
}

/* Closes the files; the exit status is that of the whole recording. */
static int finish(live *recording, etw_status status)
{
    if (status != ETW_OK) {
        etw_report_error(&recording->error);
    }
    etw_capture_totals totals;
    etw_status finished = recording->flight != NULL
                              ? dump(recording)
                              : etw_capture_finish(recording->capture, &totals, &recording->error);
    if (recording->flight != NULL) {
        etw_capture_get_totals(recording->capture, &totals);
    }
    if (finished == ETW_OK) {
        finished = finish_print(recording);
    }
    if (finished != ETW_OK) {
        etw_report_error(&recording->error);
    }
    const int exit_status = etw_report_totals(recording->arguments, recording->resolver, &totals);
    if (finished != ETW_OK) {
        return ETW_EXIT_FAILED;
    }
    return status == ETW_OK ? exit_status : ETW_EXIT_MISSING;
}

int etw_record_live(const etw_record_arguments *arguments, etw_stop_signal *signal)
{
    live recording = {.arguments = arguments, .signal = signal};
    etw_status_line_begin(&recording.line, etw_os_default(), arguments->show_progress);
    signal->break_dumps = arguments->flight.max_bytes != 0;
    recording.rundown.is_wanted =
        !arguments->no_rundown && arguments->output != NULL && arguments->flight.max_bytes == 0;
    recording.rundown.is_quiet = arguments->quiet;
    int exit_status = ETW_EXIT_FAILED;
    if (open_all(&recording) == ETW_OK) {
        const etw_status status = run(&recording);
        etw_status_line_clear(&recording.line);
        exit_status = finish(&recording, status);
    } else {
        etw_report_error(&recording.error);
    }
    atomic_store(&signal->session, NULL);
    etw_session_close(recording.session);
    if (etw_run_while_end(recording.run, &recording.error) != ETW_OK) {
        etw_report_error(&recording.error);
        exit_status = ETW_EXIT_FAILED;
    }
    if (recording.flight != NULL) {
        etw_flight_free(recording.flight);
    } else {
        etw_capture_free(recording.capture);
    }
    etw_live_rundown_free(&recording.rundown);
    etw_live_print_free(recording.print);
    etw_oracle_source_free(recording.oracle);
    etw_resolver_free(recording.resolver);
    etw_schema_store_free(recording.store);
    return etw_segments_end(&recording.segments, exit_status);
}
