#include "recorder/capture/capture.h"

#include "format/etwcap/block.h"
#include "recorder/capture/event_filter.h"
#include "recorder/capture/segment_finisher.h"
#include "recorder/capture/segment_name.h"

#include <stdio.h>
#include <stdlib.h>

/* File-system checks cost a system call, event counts do not: disk and clock are looked at so
 * often. */
#define EVENTS_PER_TICK 4096u

typedef struct segment {
    char *path;
    uint64_t events, bytes;
    int64_t closed_ns, closed_100ns; /* by the machine's clock, by the events' */
} segment;

struct etw_capture {
    etw_capture_options options;
    const etw_os *os;
    etw_writer *writer; /* of the current segment; NULL once the capture is finished */
    etw_trace *traces;
    uint16_t trace_count;
    segment *kept; /* closed segments that still exist, oldest first; used by a ring */
    uint32_t kept_count;
    uint32_t segment_number; /* of the current one, from 1 */
    char *segment_path;
    /* The segment before the current one, while it is being finished; else NULL. */
    etw_segment_finisher *finisher;
    char *finishing_path;
    etw_writer_counts finishing; /* what was known of it when it was closed */
    int64_t start_ns, segment_start_ns;
    /* By the events' own times, where is_pulled: the latest, and the first of all and of the
     * segment; INT64_MIN: no event yet. */
    int64_t now_100ns, start_100ns, segment_start_100ns;
    uint32_t events_since_tick;
    /* What the current segment may still add to the file, at most, since it was flushed. */
    uint64_t unflushed_bytes;
    uint32_t newest_schema;   /* highest id in the current segment */
    etw_loss_cause end_cause; /* with totals.end_reason */
    bool has_refused;         /* the event that met the limit was not taken */
    uint64_t segment_events;  /* handed to the current segment */
    etw_event_filter *filter; /* NULL: all events are wanted */
    etw_capture_totals totals;
};

static bool is_segmented(const etw_capture *capture)
{
    const etw_capture_limits *limits = &capture->options.limits;
    return limits->rotate_bytes != 0 || limits->rotate_ms != 0;
}

static etw_status no_memory(etw_error *error)
{
    return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for the capture");
}

/* Creates the file and adds the traces. Where the disk is full the file is removed again: another
 * attempt must not find its name taken. */
static etw_status create_segment(const etw_capture *capture, const char *path, etw_writer **writer,
                                 etw_error *error)
{
    *writer = NULL;
    etw_status status =
        etw_writer_create(capture->os, path, &capture->options.writer, writer, error);
    if (status == ETW_ERROR_EXISTS) {
        return etw_error_set(error, status, "%s exists", path);
    }
    for (uint16_t i = 0; status == ETW_OK && i < capture->trace_count; i++) {
        uint16_t index;
        status = etw_writer_add_trace(*writer, &capture->traces[i], &index, error);
    }
    if (status == ETW_OK) {
        return ETW_OK;
    }
    etw_writer_free(*writer);
    if (status == ETW_ERROR_NO_SPACE) {
        (void)capture->os->remove(capture->os->context, path);
    }
    return status; /* the writer's messages name the path */
}

/* The next segment becomes the current one; after a failure the current one stays. Once a recording
 * runs, a name that is taken must not end it: the number behind it is tried. */
static etw_status open_segment(etw_capture *capture, etw_error *error)
{
    const bool is_first = capture->segment_number == 0;
    uint32_t number = capture->segment_number;
    etw_writer *writer = NULL;
    char *path = NULL;
    etw_status status = ETW_ERROR_EXISTS;
    while (status == ETW_ERROR_EXISTS && (path == NULL || !is_first)) {
        free(path);
        if (number == ETW_CAPTURE_MAX_SEGMENTS) {
            return etw_error_set(error, ETW_ERROR_LIMIT, "more than %u segments",
                                 ETW_CAPTURE_MAX_SEGMENTS);
        }
        number++;
        status =
            etw_segment_name_make(capture->os, capture->options.path, capture->options.expands_name,
                                  is_segmented(capture) ? number : 0, &path, error);
        if (status != ETW_OK) {
            return status;
        }
        status = create_segment(capture, path, &writer, error);
    }
    if (status != ETW_OK) {
        free(path);
        return status;
    }
    capture->segment_number = number;
    capture->segment_path = path;
    capture->writer = writer;
    capture->segment_events = 0;
    capture->segment_start_100ns = INT64_MIN;
    capture->unflushed_bytes = 0;
    capture->newest_schema = 0;
    capture->segment_start_ns = capture->os->monotonic_ns(capture->os->context);
    return ETW_OK;
}

etw_status etw_capture_open(const etw_capture_options *options, etw_capture **opened,
                            etw_error *error)
{
    if (opened != NULL) {
        *opened = NULL;
    }
    if (options == NULL || opened == NULL || options->path == NULL || options->resolver == NULL ||
        options->store == NULL) {
        return etw_error_set_missing(error, "options, their path, resolver and store, and capture");
    }
    etw_capture *capture = calloc(1, sizeof *capture);
    if (capture == NULL) {
        return no_memory(error);
    }
    capture->options = *options;
    capture->options.writer.store = options->store;
    capture->os = options->os != NULL ? options->os : etw_os_default();
    capture->start_ns = capture->os->monotonic_ns(capture->os->context);
    capture->now_100ns = capture->start_100ns = INT64_MIN;
    if (is_segmented(capture) && strcmp(options->path, "-") == 0) {
        etw_capture_free(capture);
        return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                             "a stream on stdout cannot be rotated");
    }
    /* A floor that cannot be watched is refused: a silent one would not keep the disk from filling.
     */
    const bool has_floor = options->limits.min_free_bytes != 0;
    const int64_t free_bytes =
        has_floor ? capture->os->free_space(capture->os->context, options->path) : 0;
    if (free_bytes < 0) {
        etw_capture_free(capture);
        return etw_error_set_os(error, (int)-free_bytes, "cannot query the free disk space for %s",
                                options->path);
    }
    etw_status status =
        options->where == NULL
            ? ETW_OK
            : etw_event_filter_new(options->where, options->store, &capture->filter, error);
    if (status == ETW_OK) {
        status = open_segment(capture, error);
    }
    if (status != ETW_OK) {
        etw_capture_free(capture);
        return status;
    }
    *opened = capture;
    return ETW_OK;
}

/* A live session cannot be asked to wait: what a full disk does not take is dropped and counted, as
 * on overload, and the writer tries again. */
static bool may_go_on(const etw_capture *capture, etw_status status)
{
    return status == ETW_OK ||
           (status == ETW_ERROR_NO_SPACE && capture->options.writer.overload == ETW_OVERLOAD_DROP);
}

static etw_status taken(const etw_capture *capture, etw_status status, etw_error *error)
{
    return may_go_on(capture, status) ? ETW_OK
                                      : etw_error_wrap(error, status, "%s", capture->segment_path);
}

etw_status etw_capture_add_trace(etw_capture *capture, const etw_trace *trace,
                                 uint16_t *trace_index, etw_error *error)
{
    if (capture->trace_count == ETW_MAX_TRACES) {
        return etw_error_set(error, ETW_ERROR_LIMIT, "more than %u traces", ETW_MAX_TRACES);
    }
    uint8_t *header = malloc(trace->logfile_header.size + 1);
    etw_trace *traces =
        realloc(capture->traces, (capture->trace_count + 1u) * sizeof *capture->traces);
    if (traces != NULL) {
        capture->traces = traces;
    }
    if (header == NULL || traces == NULL) {
        free(header);
        return no_memory(error);
    }
    if (trace->logfile_header.size > 0) {
        memcpy(header, trace->logfile_header.data, trace->logfile_header.size);
    }
    traces[capture->trace_count] = *trace;
    traces[capture->trace_count].logfile_header.data = header;
    capture->trace_count++;
    return taken(capture, etw_writer_add_trace(capture->writer, trace, trace_index, error), error);
}

static void add_counts(const etw_writer_counts *counts, etw_capture_totals *totals)
{
    totals->written += counts->written;
    totals->dropped += counts->dropped;
    totals->file_bytes += counts->bytes;
}

/* What the writers at work have done, added to what finished ones had. */
static void add_current_counts(const etw_capture *capture, etw_capture_totals *totals)
{
    if (capture->finisher != NULL) {
        add_counts(&capture->finishing, totals);
    }
    if (capture->writer != NULL) {
        etw_writer_counts counts;
        etw_writer_get_counts(capture->writer, &counts);
        add_counts(&counts, totals);
    }
}

/* False where it is still there, as on Windows while somebody reads it: it is tried again later. */
static bool remove_segment(etw_capture *capture, uint32_t at)
{
    segment *closed = &capture->kept[at];
    const int removed = capture->os->remove(capture->os->context, closed->path);
    if (removed < 0 && capture->os->kind(capture->os->context, closed->path) == ETW_PATH_FILE) {
        return false;
    }
    capture->totals.removed_events += removed == 0 ? closed->events : 0;
    free(closed->path);
    capture->kept_count--;
    memmove(closed, closed + 1, (capture->kept_count - at) * sizeof *closed);
    return true;
}

/* Since one of the starts: by the events where they are pulled, else by the machine's clock. */
static uint64_t elapsed_ms(const etw_capture *capture, int64_t since_ns, int64_t since_100ns)
{
    int64_t passed_100ns;
    if (!capture->options.is_pulled) {
        return (uint64_t)(capture->os->monotonic_ns(capture->os->context) - since_ns) / 1000000u;
    }
    if (since_100ns == INT64_MIN) {
        return 0;
    }
    return __builtin_sub_overflow(capture->now_100ns, since_100ns, &passed_100ns)
               ? UINT64_MAX
               : (uint64_t)passed_100ns / 10000u;
}

/* Bytes of all segments that still exist. */
static uint64_t bytes_now(const etw_capture *capture)
{
    etw_capture_totals at_work = {0};
    add_current_counts(capture, &at_work);
    uint64_t bytes = at_work.file_bytes;
    for (uint32_t i = 0; i < capture->kept_count; i++) {
        bytes += capture->kept[i].bytes;
    }
    return bytes;
}

/* Removes closed segments until at most so many are left, not more bytes than the ring has, and
 * none that is too old. */
static void make_room(etw_capture *capture, uint32_t left)
{
    const etw_capture_limits *limits = &capture->options.limits;
    uint32_t stuck = 0; /* the oldest that are left cannot be removed now */
    while (limits->ring_segments != 0 && capture->kept_count > left &&
           stuck < capture->kept_count) {
        stuck += !remove_segment(capture, stuck);
    }
    stuck = 0;
    while (limits->ring_bytes != 0 && stuck < capture->kept_count &&
           bytes_now(capture) > limits->ring_bytes) {
        stuck += !remove_segment(capture, stuck);
    }
    stuck = 0;
    while (limits->max_age_ms != 0 && stuck < capture->kept_count &&
           elapsed_ms(capture, capture->kept[stuck].closed_ns, capture->kept[stuck].closed_100ns) >=
               limits->max_age_ms) {
        stuck += !remove_segment(capture, stuck);
    }
}

/* Takes path over. */
static etw_status keep_in_ring(etw_capture *capture, char *path, const etw_writer_counts *counts,
                               etw_error *error)
{
    const etw_capture_limits *limits = &capture->options.limits;
    if (limits->ring_segments == 0 && limits->max_age_ms == 0) {
        free(path);
        return ETW_OK;
    }
    segment *kept = realloc(capture->kept, (capture->kept_count + 1u) * sizeof *kept);
    if (kept == NULL) {
        free(path);
        return no_memory(error);
    }
    capture->kept = kept;
    kept[capture->kept_count++] =
        (segment){.path = path,
                  .events = counts->written,
                  .bytes = counts->bytes,
                  .closed_ns = capture->os->monotonic_ns(capture->os->context),
                  .closed_100ns = capture->now_100ns};
    return ETW_OK;
}

/* The end of a segment's writer, whoever called finish: its last counts, its place in the ring.
 * Takes path over. */
static etw_status note_closed(etw_capture *capture, char *path, const etw_writer_counts *counts,
                              etw_status finished, etw_error *error)
{
    add_counts(counts, &capture->totals);
    if (finished == ETW_OK) {
        capture->totals.segments++;
        if (capture->options.segment_closed != NULL) {
            capture->options.segment_closed(capture->options.context, path);
        }
    } else {
        (void)etw_error_wrap(error, finished, "%s", path);
    }
    const etw_status kept = keep_in_ring(capture, path, counts, error);
    return finished == ETW_OK ? kept : finished;
}

/* What the segment before could not say of itself, since it could not be finished. */
static void carry_loss_over(etw_capture *capture, uint64_t events, const etw_error *cause)
{
    etw_loss loss = {.cause = ETW_LOSS_DISK, .events = events};
    etw_loss_set_detail(&loss, "of the segment before, some perhaps told there: %s",
                        cause->message);
    etw_ignore(etw_writer_add_loss(capture->writer, &loss, NULL));
}

/* Takes back the segment before the current one once it is finished; wait: waits for that. */
static etw_status collect(etw_capture *capture, bool wait, etw_error *error)
{
    if (capture->finisher == NULL || (!wait && !etw_segment_finisher_is_done(capture->finisher))) {
        return ETW_OK;
    }
    etw_error failure = {0};
    etw_writer_counts counts;
    etw_status status = etw_segment_finisher_end(capture->finisher, &counts, &failure);
    capture->finisher = NULL;
    status = note_closed(capture, capture->finishing_path, &counts, status, &failure);
    capture->finishing_path = NULL;
    if (status != ETW_OK && counts.dropped > 0) {
        carry_loss_over(capture, counts.dropped, &failure);
    }
    if (may_go_on(capture, status)) {
        return ETW_OK;
    }
    if (error != NULL) {
        *error = failure;
    }
    return status;
}

static etw_status finish_here(etw_capture *capture, etw_writer *writer, char *path,
                              etw_error *error)
{
    const etw_status status = etw_writer_finish(writer, error);
    etw_writer_counts counts;
    etw_writer_get_counts(writer, &counts);
    etw_writer_free(writer);
    return note_closed(capture, path, &counts, status, error);
}

/* The segment says how many events were not wanted. */
static void tell_left_out(etw_capture *capture)
{
    etw_loss loss;
    if (capture->filter != NULL && etw_event_filter_take_count(capture->filter, &loss)) {
        capture->totals.left_out += loss.events;
        etw_ignore(etw_writer_add_loss(capture->writer, &loss, NULL));
    }
}

static void say_closing(etw_capture *capture)
{
    tell_left_out(capture);
    if (capture->options.segment_closing != NULL) {
        capture->options.segment_closing(capture->options.context);
    }
}

/* Opens the next segment, then lets a thread finish the one before; none is being finished now. A
 * disk that is full leaves a live recording in its segment: the next tick tries again. */
static etw_status begin_next(etw_capture *capture, etw_error *error)
{
    const uint32_t ring = capture->options.limits.ring_segments;
    etw_writer *writer = capture->writer;
    char *path = capture->segment_path;
    say_closing(capture);
    make_room(capture, ring < 2 ? 0 : ring - 2);
    etw_status status = open_segment(capture, error);
    if (status != ETW_OK) {
        return may_go_on(capture, status) ? ETW_OK : status;
    }
    etw_writer_get_counts(writer, &capture->finishing);
    capture->finisher = etw_segment_finisher_start(writer, capture->options.store);
    if (capture->finisher != NULL) {
        capture->finishing_path = path;
    } else {
        status = finish_here(capture, writer, path, error);
    }
    if (capture->options.segment_opened != NULL) {
        capture->options.segment_opened(capture->options.context);
    }
    return may_go_on(capture, status) ? ETW_OK : status;
}

/* FILTERED: the user asked for it, so that nothing counts as missing. */
static etw_status ended(etw_capture *capture, etw_loss_cause cause, const char *reason)
{
    capture->totals.end_reason = reason;
    capture->end_cause = cause;
    return ETW_END;
}

static bool is_duration_over(const etw_capture *capture)
{
    const uint64_t most = capture->options.limits.max_duration_ms;
    return most != 0 && elapsed_ms(capture, capture->start_ns, capture->start_100ns) >= most;
}

static bool is_segment_time_over(const etw_capture *capture)
{
    const uint64_t most = capture->options.limits.rotate_ms;
    return most != 0 &&
           elapsed_ms(capture, capture->segment_start_ns, capture->segment_start_100ns) >= most;
}

static etw_status check_end(etw_capture *capture)
{
    const etw_capture_limits *limits = &capture->options.limits;
    if (capture->options.is_stopped != NULL &&
        capture->options.is_stopped(capture->options.context)) {
        return ended(capture, ETW_LOSS_TRUNCATED, "interrupted");
    }
    if (is_duration_over(capture)) {
        return ended(capture, ETW_LOSS_FILTERED, "duration reached");
    }
    if (limits->max_total_bytes != 0) {
        etw_capture_totals now = capture->totals;
        add_current_counts(capture, &now);
        if (now.file_bytes >= limits->max_total_bytes) {
            return ended(capture, ETW_LOSS_FILTERED, "total size reached");
        }
    }
    if (limits->min_free_bytes != 0) {
        const int64_t free_bytes =
            capture->os->free_space(capture->os->context, capture->options.path);
        if (free_bytes >= 0 && (uint64_t)free_bytes < limits->min_free_bytes) {
            return ended(capture, ETW_LOSS_LIMIT, "free space of the target at its floor");
        }
    }
    return ETW_OK;
}

static bool is_segment_full(const etw_capture *capture)
{
    const etw_capture_limits *limits = &capture->options.limits;
    etw_writer_counts counts;
    etw_writer_get_counts(capture->writer, &counts);
    return (limits->rotate_bytes != 0 && counts.bytes >= limits->rotate_bytes) ||
           is_segment_time_over(capture);
}

/* A live session does not wait for the segment before to be finished: it rotates at a later tick.
 */
etw_status etw_capture_tick(etw_capture *capture, etw_error *error)
{
    capture->events_since_tick = 0;
    const bool full = is_segmented(capture) && is_segment_full(capture);
    const bool can_wait = capture->options.writer.overload == ETW_OVERLOAD_WAIT;
    etw_status status = collect(capture, full && can_wait, error);
    if (status == ETW_OK) {
        make_room(capture, capture->options.limits.ring_segments - 1);
        status = check_end(capture);
    }
    etw_writer_tick(capture->writer);
    return status == ETW_OK && full && capture->finisher == NULL ? begin_next(capture, error)
                                                                 : status;
}

etw_status etw_capture_rundown(etw_capture *capture, etw_bytes blob, uint32_t processes,
                               etw_error *error)
{
    return taken(capture,
                 etw_writer_add_block(capture->writer, ETW_BLOCK_RUNDOWN, processes, blob, error),
                 error);
}

etw_status etw_capture_oracle(etw_capture *capture, etw_bytes blob, uint32_t events,
                              etw_error *error)
{
    return taken(capture,
                 etw_writer_add_block(capture->writer, ETW_BLOCK_ORACLE, events, blob, error),
                 error);
}

etw_status etw_capture_rotate(etw_capture *capture, etw_error *error)
{
    etw_status status = collect(capture, true, error);
    if (status == ETW_OK) {
        status = begin_next(capture, error);
    }
    return status == ETW_OK ? collect(capture, true, error) : status;
}

const char *etw_capture_kept_segment(const etw_capture *capture, uint32_t index)
{
    return index < capture->kept_count ? capture->kept[index].path : NULL;
}

etw_status etw_capture_anchor(etw_capture *capture, uint16_t trace_index, int64_t ticks,
                              int64_t time_100ns, etw_error *error)
{
    return taken(
        capture,
        etw_writer_add_clock_anchor(capture->writer, trace_index, ticks, time_100ns, error), error);
}

/* The event's time, where limits count by it. A limit of time is met by the first event beyond it,
 * which is not taken, or begins the next segment. */
static etw_status note_time(etw_capture *capture, const etw_event_record *record,
                            const etw_trace *trace, etw_error *error)
{
    const int64_t time_100ns = etw_clock_to_filetime(&trace->clock, record->EventHeader.TimeStamp);
    if (time_100ns > capture->now_100ns) {
        capture->now_100ns = time_100ns;
    }
    if (capture->start_100ns == INT64_MIN) {
        capture->start_100ns = time_100ns;
    }
    if (is_duration_over(capture)) {
        capture->has_refused = true;
        return ended(capture, ETW_LOSS_FILTERED, "duration reached");
    }
    etw_status status = ETW_OK;
    if (is_segment_time_over(capture)) {
        status = collect(capture, true, error);
        status = status == ETW_OK ? begin_next(capture, error) : status;
    }
    if (capture->segment_start_100ns == INT64_MIN) {
        capture->segment_start_100ns = time_100ns;
    }
    return status;
}

/* What the index and the summary take, at most, of a file of so few blocks. */
#define TAIL_BYTES ((uint64_t)4096)

/* Flushes when what waits could bring the files above their total size; ends when there is hardly
 * room left. */
static etw_status keep_total(etw_capture *capture, const etw_event_record *record,
                             const etw_schema *schema, etw_error *error)
{
    const uint64_t most = capture->options.limits.max_total_bytes;
    capture->unflushed_bytes += sizeof *record + record->UserDataLength;
    for (uint32_t i = 0; i < record->ExtendedDataCount; i++) {
        capture->unflushed_bytes += sizeof *record->ExtendedData + record->ExtendedData[i].DataSize;
    }
    if (schema != NULL && schema->id > capture->newest_schema) {
        capture->newest_schema = schema->id;
        capture->unflushed_bytes += schema->tei.size + sizeof *schema;
    }
    etw_capture_totals now = capture->totals;
    add_current_counts(capture, &now);
    const uint64_t tail = TAIL_BYTES + most / 64;
    if (now.file_bytes + capture->unflushed_bytes + tail < most) {
        return ETW_OK;
    }
    const etw_status status = etw_writer_flush(capture->writer, error);
    capture->unflushed_bytes = 0;
    now = capture->totals;
    add_current_counts(capture, &now);
    const uint64_t floor = tail + most / 16;
    return status == ETW_OK && now.file_bytes + floor >= most
               ? ended(capture, ETW_LOSS_FILTERED, "total size reached")
               : status;
}

static bool has_all_events(const etw_capture *capture)
{
    const uint64_t most = capture->options.limits.max_events;
    return most != 0 && capture->totals.events - capture->totals.rundown_events >= most;
}

static etw_status count_to_tick(etw_capture *capture, etw_error *error)
{
    return ++capture->events_since_tick < EVENTS_PER_TICK ? ETW_OK
                                                          : etw_capture_tick(capture, error);
}

static etw_status write_event(etw_capture *capture, uint16_t trace_index,
                              const etw_event_record *record, const etw_schema *schema,
                              etw_error *error)
{
    capture->segment_events++;
    capture->totals.events++;
    capture->totals.with_schema += schema != NULL;
    return taken(capture,
                 etw_writer_add_event(capture->writer, record, trace_index,
                                      schema == NULL ? 0 : schema->id, error),
                 error);
}

static etw_status add_event(etw_capture *capture, uint16_t trace_index,
                            const etw_event_record *record, const etw_schema *schema,
                            etw_error *error)
{
    if (capture->options.event != NULL) {
        capture->options.event(capture->options.context, &capture->traces[trace_index], record,
                               schema, capture->segment_events);
    }
    const etw_status status = write_event(capture, trace_index, record, schema, error);
    if (status != ETW_OK) {
        return status;
    }
    if (has_all_events(capture)) {
        return ended(capture, ETW_LOSS_FILTERED, "number of events reached");
    }
    return capture->options.is_pulled && capture->options.limits.max_total_bytes != 0
               ? keep_total(capture, record, schema, error)
               : ETW_OK;
}

/* schema_id: of the store, or 0 where it is to be looked up. */
static etw_status take_event(etw_capture *capture, uint16_t trace_index,
                             const etw_event_record *record, uint32_t schema_id, etw_error *error)
{
    const etw_trace *trace = &capture->traces[trace_index];
    const etw_schema *schema =
        schema_id == 0 ? NULL : etw_schema_store_get(capture->options.store, schema_id);
    etw_resolver_set_build(capture->options.resolver, trace->os_build);
    etw_status status =
        capture->options.is_pulled ? note_time(capture, record, trace, error) : ETW_OK;
    if (status != ETW_OK) {
        return status;
    }
    const etw_verdict verdict = capture->filter == NULL
                                    ? ETW_VERDICT_YES
                                    : etw_event_filter_header(capture->filter, record, trace);
    bool is_wanted = verdict != ETW_VERDICT_NO;
    if (is_wanted && schema == NULL) {
        status =
            etw_resolver_find(capture->options.resolver, record,
                              etw_record_pointer_size(record, trace->pointer_size), &schema, error);
    }
    if (status == ETW_OK && verdict == ETW_VERDICT_OPEN) {
        status = etw_event_filter_event(capture->filter, record, trace, schema, &is_wanted, error);
    }
    if (status == ETW_OK && is_wanted) {
        status = add_event(capture, trace_index, record, schema, error);
    }
    return status == ETW_OK ? count_to_tick(capture, error) : status;
}

etw_status etw_capture_rundown_event(etw_capture *capture, uint16_t trace_index,
                                     const etw_event_record *record, etw_error *error)
{
    const etw_trace *trace = &capture->traces[trace_index];
    const etw_schema *schema = NULL;
    etw_resolver_set_build(capture->options.resolver, trace->os_build);
    const etw_status status =
        etw_resolver_find(capture->options.resolver, record,
                          etw_record_pointer_size(record, trace->pointer_size), &schema, error);
    if (status != ETW_OK) {
        return status;
    }
    capture->totals.rundown_events++;
    return write_event(capture, trace_index, record, schema, error);
}

etw_status etw_capture_event(etw_capture *capture, uint16_t trace_index,
                             const etw_event_record *record, etw_error *error)
{
    return take_event(capture, trace_index, record, 0, error);
}

etw_status etw_capture_loss(etw_capture *capture, const etw_loss *loss, etw_error *error)
{
    if (loss->cause != ETW_LOSS_FILTERED) {
        if (loss->events == ETW_LOSS_COUNT_UNKNOWN) {
            capture->totals.lost_unknown = true;
        } else {
            capture->totals.lost += loss->events;
            capture->totals.lost_unknown |= loss->events == 0;
        }
    }
    return taken(capture, etw_writer_add_loss(capture->writer, loss, error), error);
}

bool etw_capture_has_room(etw_capture *capture, uint32_t wait_ms)
{
    return etw_writer_has_room(capture->writer, wait_ms);
}

etw_status etw_capture_dropped(etw_capture *capture, const etw_loss *loss, etw_error *error)
{
    capture->totals.events += loss->events;
    const etw_status status =
        taken(capture, etw_writer_add_loss(capture->writer, loss, error), error);
    return status == ETW_OK && has_all_events(capture)
               ? ended(capture, ETW_LOSS_FILTERED, "number of events reached")
               : status;
}

void etw_capture_get_totals(const etw_capture *capture, etw_capture_totals *totals)
{
    *totals = capture->totals;
    add_current_counts(capture, totals);
    const uint64_t not_written = totals->events - totals->written;
    if (capture->writer == NULL || totals->dropped > not_written) {
        totals->dropped = not_written;
    }
    totals->queued = not_written - totals->dropped;
    totals->schemas = etw_schema_store_count(capture->options.store);
}

etw_status etw_capture_finish(etw_capture *capture, etw_capture_totals *totals, etw_error *error)
{
    etw_status status = ETW_OK;
    if (capture->writer != NULL) {
        status = collect(capture, true, error);
        say_closing(capture);
        etw_writer *writer = capture->writer;
        etw_error failure = {0};
        char *path = capture->segment_path;
        capture->writer = NULL;
        capture->segment_path = NULL;
        const etw_status finished = finish_here(capture, writer, path, &failure);
        if (status == ETW_OK && finished != ETW_OK) {
            status = finished;
            if (error != NULL) {
                *error = failure;
            }
        }
        make_room(capture, capture->options.limits.ring_segments);
    }
    if (totals != NULL) {
        etw_capture_get_totals(capture, totals);
    }
    return status;
}

void etw_capture_free(etw_capture *capture)
{
    if (capture == NULL) {
        return;
    }
    if (capture->finisher != NULL) {
        etw_writer_counts counts;
        (void)etw_segment_finisher_end(capture->finisher, &counts, NULL);
    }
    etw_writer_free(capture->writer);
    for (uint16_t i = 0; i < capture->trace_count; i++) {
        free((void *)(uintptr_t)capture->traces[i].logfile_header.data);
    }
    for (uint32_t i = 0; i < capture->kept_count; i++) {
        free(capture->kept[i].path);
    }
    free(capture->traces);
    free(capture->kept);
    free(capture->segment_path);
    free(capture->finishing_path);
    etw_event_filter_free(capture->filter);
    free(capture);
}

etw_status etw_capture_add_traces_of(etw_capture *capture, const etw_source *source,
                                     etw_error *error)
{
    while (capture->trace_count < etw_source_trace_count(source)) {
        uint16_t index;
        const etw_status status = etw_capture_add_trace(
            capture, etw_source_trace(source, capture->trace_count), &index, error);
        if (status != ETW_OK) {
            return status;
        }
    }
    return ETW_OK;
}

static void record_failure(etw_capture *capture, const etw_error *failure)
{
    etw_loss loss = {.cause = ETW_LOSS_TRUNCATED, .events = ETW_LOSS_COUNT_UNKNOWN};
    etw_loss_set_detail(&loss, "%s", failure->message);
    etw_ignore(etw_capture_loss(capture, &loss, NULL));
}

/* The rest of the source is not read any more: the file says so, if it still can. */
static etw_status give_up(etw_capture *capture, etw_status status, etw_error *error)
{
    etw_error failure = {0};
    if (error == NULL) {
        (void)etw_error_set(&failure, status, "%s", etw_status_name(status));
    }
    record_failure(capture, error == NULL ? &failure : error);
    return status;
}

/* Whether the source has another event. Losses before it are written; so is a failure. */
static etw_status has_more(etw_capture *capture, etw_source *source, bool *more, etw_error *error)
{
    etw_item item;
    etw_error failure = {0};
    for (;;) {
        const etw_status status = etw_source_next(source, &item, &failure);
        *more = status == ETW_OK && item.kind == ETW_ITEM_EVENT;
        if (status == ETW_OK && item.kind == ETW_ITEM_LOSS) {
            const etw_status kept = etw_capture_loss(capture, item.loss, error);
            if (etw_failed(kept)) {
                return kept;
            }
            continue;
        }
        if (etw_failed(status)) {
            record_failure(capture, &failure);
            if (error != NULL) {
                *error = failure;
            }
        }
        return status == ETW_END ? ETW_OK : status;
    }
}

/* A limit, or a stop, ended the capture: the file says that the source went on. */
static etw_status note_rest(etw_capture *capture, etw_source *source, etw_error *error)
{
    bool more = capture->has_refused;
    const etw_status status = more ? ETW_OK : has_more(capture, source, &more, error);
    if (etw_failed(status) || !more) {
        return status;
    }
    etw_loss loss = {.cause = capture->end_cause, .events = ETW_LOSS_COUNT_UNKNOWN};
    etw_loss_set_detail(&loss, "%s: the rest of the input was not read",
                        capture->totals.end_reason);
    return etw_capture_loss(capture, &loss, error);
}

etw_status etw_capture_pull(etw_capture *capture, etw_source *source, etw_error *error)
{
    for (;;) {
        etw_item item;
        etw_error failure;
        etw_error_clear(&failure);
        etw_status status = etw_source_next(source, &item, &failure);
        if (status == ETW_END) {
            return ETW_OK;
        }
        if (status != ETW_OK) {
            record_failure(capture, &failure);
            if (error != NULL) {
                *error = failure;
            }
            return status;
        }
        if (item.trace_index >= capture->trace_count) {
            status = etw_capture_add_traces_of(capture, source, error);
        }
        if (status == ETW_OK) {
            status =
                item.kind == ETW_ITEM_EVENT
                    ? take_event(capture, item.trace_index, item.record,
                                 capture->options.items_name_schemas ? item.schema_id : 0, error)
                    : etw_capture_loss(capture, item.loss, error);
        }
        if (status != ETW_OK) {
            return status == ETW_END ? note_rest(capture, source, error)
                                     : give_up(capture, status, error);
        }
    }
}
