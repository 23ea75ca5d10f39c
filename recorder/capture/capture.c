#include "recorder/capture/capture_inside.h"

#include "format/etwcap/block.h"

#include <stdio.h>
#include <stdlib.h>

/* File-system checks cost a system call, event counts do not: disk and clock are looked at so
 * often. */
#define EVENTS_PER_TICK 4096u

static etw_status no_memory(etw_error *error)
{
    return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for the capture");
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
    if (etw_segments_are_used(capture) && strcmp(options->path, "-") == 0) {
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
        status = etw_segments_open(capture, error);
    }
    if (status != ETW_OK) {
        etw_capture_free(capture);
        return status;
    }
    *opened = capture;
    return ETW_OK;
}

bool etw_capture_may_go_on(const etw_capture *capture, etw_status status)
{
    return status == ETW_OK ||
           (status == ETW_ERROR_NO_SPACE && capture->options.writer.overload == ETW_OVERLOAD_DROP);
}

uint64_t etw_capture_elapsed_ms(const etw_capture *capture, int64_t since_ns, int64_t since_100ns)
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

static etw_status taken(const etw_capture *capture, etw_status status, etw_error *error)
{
    return etw_capture_may_go_on(capture, status)
               ? ETW_OK
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
    return most != 0 &&
           etw_capture_elapsed_ms(capture, capture->start_ns, capture->start_100ns) >= most;
}

static bool is_segment_time_over(const etw_capture *capture)
{
    const uint64_t most = capture->options.limits.rotate_ms;
    return most != 0 && etw_capture_elapsed_ms(capture, capture->segment_start_ns,
                                               capture->segment_start_100ns) >= most;
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
        etw_segments_add_counts(capture, &now);
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
    const bool full = etw_segments_are_used(capture) && is_segment_full(capture);
    const bool can_wait = capture->options.writer.overload == ETW_OVERLOAD_WAIT;
    etw_status status = etw_segments_collect(capture, full && can_wait, error);
    if (status == ETW_OK) {
        etw_segments_make_room(capture, capture->options.limits.ring_segments - 1);
        status = check_end(capture);
    }
    etw_writer_tick(capture->writer);
    return status == ETW_OK && full && capture->finisher == NULL
               ? etw_segments_begin_next(capture, error)
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
    etw_status status = etw_segments_collect(capture, true, error);
    if (status == ETW_OK) {
        status = etw_segments_begin_next(capture, error);
    }
    return status == ETW_OK ? etw_segments_collect(capture, true, error) : status;
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

static bool goes_by_time(const etw_capture *capture)
{
    return capture->options.is_pulled &&
           (capture->options.limits.max_duration_ms != 0 || etw_segments_are_used(capture));
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
        status = etw_segments_collect(capture, true, error);
        status = status == ETW_OK ? etw_segments_begin_next(capture, error) : status;
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
    etw_segments_add_counts(capture, &now);
    const uint64_t tail = TAIL_BYTES + most / 64;
    if (now.file_bytes + capture->unflushed_bytes + tail < most) {
        return ETW_OK;
    }
    const etw_status status = etw_writer_flush(capture->writer, error);
    capture->unflushed_bytes = 0;
    now = capture->totals;
    etw_segments_add_counts(capture, &now);
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

etw_status etw_capture_take_event(etw_capture *capture, uint16_t trace_index,
                                  const etw_event_record *record, uint32_t schema_id,
                                  etw_error *error)
{
    const etw_trace *trace = &capture->traces[trace_index];
    const etw_schema *schema =
        schema_id == 0 ? NULL : etw_schema_store_get(capture->options.store, schema_id);
    etw_resolver_set_build(capture->options.resolver, trace->os_build);
    etw_status status = goes_by_time(capture) ? note_time(capture, record, trace, error) : ETW_OK;
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
    return etw_capture_take_event(capture, trace_index, record, 0, error);
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
    etw_segments_add_counts(capture, totals);
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
        status = etw_segments_collect(capture, true, error);
        etw_error failure = {0};
        const etw_status finished = etw_segments_finish_current(capture, &failure);
        if (status == ETW_OK && finished != ETW_OK) {
            status = finished;
            if (error != NULL) {
                *error = failure;
            }
        }
        etw_segments_make_room(capture, capture->options.limits.ring_segments);
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
