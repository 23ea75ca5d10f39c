/* The inside of a capture, for the files that it is made of: capture.c takes events and keeps the
 * limits, capture_segments.c has the files, capture_pull.c reads a source to its end. */
#ifndef ETW_RECORDER_CAPTURE_INSIDE_H
#define ETW_RECORDER_CAPTURE_INSIDE_H

#include "recorder/capture/capture.h"
#include "recorder/capture/event_filter.h"
#include "recorder/capture/segment_finisher.h"

typedef struct etw_segment {
    char *path;
    uint64_t events, bytes;
    int64_t closed_ns, closed_100ns; /* by the machine's clock, by the events' */
} etw_segment;

struct etw_capture {
    etw_capture_options options;
    const etw_os *os;
    etw_writer *writer; /* of the current segment; NULL once the capture is finished */
    etw_trace *traces;
    uint16_t trace_count;
    etw_segment *kept; /* closed segments that still exist, oldest first; used by a ring */
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

/* ---- capture.c ---- */

/* A live session cannot be asked to wait: what a full disk does not take is dropped and counted, as
 * on overload, and the writer tries again. */
bool etw_capture_may_go_on(const etw_capture *capture, etw_status status);
/* schema_id: of the store, or 0 where it is to be looked up. */
etw_status etw_capture_take_event(etw_capture *capture, uint16_t trace_index,
                                  const etw_event_record *record, uint32_t schema_id,
                                  etw_error *error);
/* Since one of the starts: by the events where they are pulled, else by the machine's clock. */
uint64_t etw_capture_elapsed_ms(const etw_capture *capture, int64_t since_ns, int64_t since_100ns);

/* ---- capture_segments.c ---- */

bool etw_segments_are_used(const etw_capture *capture);
/* The next segment becomes the current one; after a failure the current one stays. Once a recording
 * runs, a name that is taken must not end it: the number behind it is tried. */
etw_status etw_segments_open(etw_capture *capture, etw_error *error);
/* Opens the next segment, then lets a thread finish the one before; none is being finished now. A
 * disk that is full leaves a live recording in its segment: the next tick tries again. */
etw_status etw_segments_begin_next(etw_capture *capture, etw_error *error);
/* Takes back the segment before the current one once it is finished; wait: waits for that. */
etw_status etw_segments_collect(etw_capture *capture, bool wait, etw_error *error);
/* Finishes the current segment on this thread; the capture has none then. */
etw_status etw_segments_finish_current(etw_capture *capture, etw_error *error);
/* Removes closed segments until at most so many are left, not more bytes than the ring has, and
 * none that is too old. */
void etw_segments_make_room(etw_capture *capture, uint32_t left);
/* What the writers at work have done, added to what finished ones had. */
void etw_segments_add_counts(const etw_capture *capture, etw_capture_totals *totals);

#endif
