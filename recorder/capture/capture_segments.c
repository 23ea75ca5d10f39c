#include "recorder/capture/capture_inside.h"
#include "recorder/capture/segment_name.h"

#include <stdlib.h>
#include <string.h>

bool etw_segments_are_used(const etw_capture *capture)
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

etw_status etw_segments_open(etw_capture *capture, etw_error *error)
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
                                  etw_segments_are_used(capture) ? number : 0, &path, error);
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

static void add_counts(const etw_writer_counts *counts, etw_capture_totals *totals)
{
    totals->written += counts->written;
    totals->dropped += counts->dropped;
    totals->file_bytes += counts->bytes;
}

void etw_segments_add_counts(const etw_capture *capture, etw_capture_totals *totals)
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
    etw_segment *closed = &capture->kept[at];
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

/* Bytes of all segments that still exist. */
static uint64_t bytes_now(const etw_capture *capture)
{
    etw_capture_totals at_work = {0};
    etw_segments_add_counts(capture, &at_work);
    uint64_t bytes = at_work.file_bytes;
    for (uint32_t i = 0; i < capture->kept_count; i++) {
        bytes += capture->kept[i].bytes;
    }
    return bytes;
}

void etw_segments_make_room(etw_capture *capture, uint32_t left)
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
           etw_capture_elapsed_ms(capture, capture->kept[stuck].closed_ns,
                                  capture->kept[stuck].closed_100ns) >= limits->max_age_ms) {
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
    etw_segment *kept = realloc(capture->kept, (capture->kept_count + 1u) * sizeof *kept);
    if (kept == NULL) {
        free(path);
        return no_memory(error);
    }
    capture->kept = kept;
    kept[capture->kept_count++] =
        (etw_segment){.path = path,
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
    etw_loss_set_detail(&loss, "of the etw_segment before, some perhaps told there: %s",
                        cause->message);
    etw_ignore(etw_writer_add_loss(capture->writer, &loss, NULL));
}

etw_status etw_segments_collect(etw_capture *capture, bool wait, etw_error *error)
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
    if (etw_capture_may_go_on(capture, status)) {
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

etw_status etw_segments_begin_next(etw_capture *capture, etw_error *error)
{
    const uint32_t ring = capture->options.limits.ring_segments;
    etw_writer *writer = capture->writer;
    char *path = capture->segment_path;
    say_closing(capture);
    etw_segments_make_room(capture, ring < 2 ? 0 : ring - 2);
    etw_status status = etw_segments_open(capture, error);
    if (status != ETW_OK) {
        return etw_capture_may_go_on(capture, status) ? ETW_OK : status;
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
    return etw_capture_may_go_on(capture, status) ? ETW_OK : status;
}

etw_status etw_segments_finish_current(etw_capture *capture, etw_error *error)
{
    say_closing(capture);
    etw_writer *writer = capture->writer;
    char *path = capture->segment_path;
    capture->writer = NULL;
    capture->segment_path = NULL;
    return finish_here(capture, writer, path, error);
}
