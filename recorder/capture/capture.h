/* From events to files: schemas resolved at first sight, limits kept, segments rotated, losses
 * written in their place. Live sessions push events into a capture; files are pulled through one.
 * One thread at a time may call. */
#ifndef ETW_RECORDER_CAPTURE_H
#define ETW_RECORDER_CAPTURE_H

#include "format/etwcap/writer.h"
#include "format/query/where.h"
#include "format/schema/resolver.h"

/* Limits that the capture itself enforces; 0 means none. */
typedef struct etw_capture_limits {
    uint64_t max_events;      /* then the capture ends */
    uint64_t max_duration_ms; /* by the clock of the machine, or of the events: is_pulled */
    uint64_t max_total_bytes; /* of all segments together; a ring makes room instead of ending. Held
                                 to the byte where is_pulled; else looked at by ticks, so that a
                                 live recording may be a batch or so larger */
    uint64_t min_free_bytes;  /* ends when the target's file system has less */
    uint64_t rotate_bytes;    /* a segment that has grown to this size is closed, the next begins */
    uint64_t rotate_ms;
    uint32_t ring_segments; /* keep the newest so many segments (with 1: two until the older one is
                               finished), remove older ones */
    uint64_t max_age_ms;    /* closed segments are removed so long after */
    uint64_t ring_bytes; /* of a ring: also remove the oldest while there are more bytes in all */
} etw_capture_limits;

/* Numbered segments: "a.etwcap" becomes "a-0001.etwcap", "a-0002.etwcap", ... */
#define ETW_CAPTURE_MAX_SEGMENTS 999999u

typedef struct etw_capture_totals {
    uint64_t events; /* received; those of rundowns are among them */
    uint64_t rundown_events;
    uint64_t written;        /* in the files, removed ring segments included */
    uint64_t left_out;       /* not wanted by the filter, and not received; of closed segments */
    uint64_t dropped;        /* not taken: the queue was full, the disk, or a limit was met */
    uint64_t queued;         /* on their way; at the end 0: received = written + dropped */
    uint64_t lost;           /* lost before they came to us, known counts */
    bool lost_unknown;       /* and losses whose count is not known */
    uint64_t with_schema;    /* events that some schema explains */
    uint32_t schemas;        /* of the store */
    uint32_t segments;       /* files closed */
    uint64_t removed_events; /* in segments that the ring removed */
    uint64_t file_bytes;     /* of all segments, removed ones included */
    const char *end_reason;  /* a fixed text where a limit ended the capture, else NULL */
} etw_capture_totals;

typedef struct etw_capture_options {
    const etw_os *os;          /* NULL: the default */
    const char *path;          /* "-": stdout, without rotation */
    bool expands_name;         /* path has codes (segment_name.h), replaced for each segment */
    etw_writer_options writer; /* its store is set by the capture */
    etw_capture_limits limits;
    /* Only events that pass are written; NULL: all are. The others are counted in a loss record
     * FILTERED at the end of each segment. Copied. May not ask for names of processes or the time
     * of the last event: ETW_ERROR_UNSUPPORTED. */
    const etw_where *where;
    etw_resolver *resolver; /* with its store; both outlive the capture */
    etw_schema_store *store;
    /* Events come from files (etw_capture_pull): times of limits count by the events' own times,
     * and the disk may be waited for. */
    bool is_pulled;
    /* Pulled items name their schemas by ids of store; else each is looked up. */
    bool items_name_schemas;
    /* Sees each event with its schema before it is written, with its number in the segment; may be
     * NULL. TDH's texts that it gathers are written by etw_capture_oracle. */
    void (*event)(void *context, const etw_trace *trace, const etw_event_record *record,
                  const etw_schema *schema, uint64_t event_number);
    /* Called when a segment was opened and its traces were added; may be NULL. */
    void (*segment_opened)(void *context);
    /* Called before a segment is closed, when its last blocks can still be added; may be NULL. */
    void (*segment_closing)(void *context);
    bool (*is_stopped)(void *context); /* ends the capture once it is true; asked by ticks; may be
                                          NULL */
    /* Called when a segment was closed and will not change any more; may be NULL. */
    void (*segment_closed)(void *context, const char *path);
    void *context;
} etw_capture_options;

typedef struct etw_capture etw_capture;

/* Opens the first segment. */
ETW_API_CHECKED etw_status etw_capture_open(const etw_capture_options *options,
                                            etw_capture **capture, etw_error *error);

/* trace is copied; indexes are given out from 0. */
ETW_API_CHECKED etw_status etw_capture_add_trace(etw_capture *capture, const etw_trace *trace,
                                                 uint16_t *trace_index, etw_error *error);

/* ETW_END: a limit was reached, the source should be stopped (the event was still taken or
 * counted). Resolves the schema (quick for a kind seen before; a kind seen for the first time is
 * looked up here) and copies. Each 4096th event is a tick too: it looks at clock and disk, and may
 * open and remove segments; that of a closed one is finished on another thread. */
ETW_API_CHECKED etw_status etw_capture_event(etw_capture *capture, uint16_t trace_index,
                                             const etw_event_record *record, etw_error *error);

/* As etw_writer_has_room. */
ETW_API bool etw_capture_has_room(etw_capture *capture, uint32_t wait_ms);

/* What the source lost, told in its place: it was never received, and is among the totals' lost. */
ETW_API_CHECKED etw_status etw_capture_loss(etw_capture *capture, const etw_loss *loss,
                                            etw_error *error);

/* Events that came to the recorder and were dropped before the capture saw them: received, and not
 * written. ETW_END as for events. */
ETW_API_CHECKED etw_status etw_capture_dropped(etw_capture *capture, const etw_loss *loss,
                                               etw_error *error);

/* To be called about once a second by whoever feeds the capture: limits of time and disk, rotation.
 * A next segment that cannot be opened leaves the current one in use; where the disk is full and
 * the policy is to drop, that is no failure and later ticks try again. ETW_END as for events. */
ETW_API_CHECKED etw_status etw_capture_tick(etw_capture *capture, etw_error *error);

/* A blob of the host's rundown (format/event/rundown.h). */
ETW_API_CHECKED etw_status etw_capture_rundown(etw_capture *capture, etw_bytes blob,
                                               uint32_t processes, etw_error *error);

/* An event of the rundown, made by the recorder: kept whatever the filter, shown to nobody, and not
 * one of those that max_events counts. */
ETW_API_CHECKED etw_status etw_capture_rundown_event(etw_capture *capture, uint16_t trace_index,
                                                     const etw_event_record *record,
                                                     etw_error *error);

/* A blob of TDH's own texts (format/event/oracle.h) for events of the current segment. */
ETW_API_CHECKED etw_status etw_capture_oracle(etw_capture *capture, etw_bytes blob, uint32_t events,
                                              etw_error *error);

/* Closes the current segment and begins the next, whatever the limits say; waits until the closed
 * one is finished. */
ETW_API_CHECKED etw_status etw_capture_rotate(etw_capture *capture, etw_error *error);

/* Path of a closed segment that the ring still has, 0 being the oldest; NULL past the newest. Valid
 * until the capture is used again. */
ETW_API const char *etw_capture_kept_segment(const etw_capture *capture, uint32_t index);

/* "dir/a.etwcap" and 7 give "dir/a-0007.etwcap"; owned by the caller, NULL where memory is out. */
ETW_API char *etw_capture_segment_path(const char *path, uint32_t number);

/* raw ticks and FILETIME of the same moment, kept in the file. */
ETW_API_CHECKED etw_status etw_capture_anchor(etw_capture *capture, uint16_t trace_index,
                                              int64_t ticks, int64_t time_100ns, etw_error *error);

/* Closes the last segment, also after an error; totals (may be NULL) are those of the whole
 * capture. */
ETW_API_CHECKED etw_status etw_capture_finish(etw_capture *capture, etw_capture_totals *totals,
                                              etw_error *error);
/* NULL is fine. Without a finish before it the last segment stays incomplete. */
ETW_API void etw_capture_free(etw_capture *capture);

/* So far, of all segments. */
ETW_API void etw_capture_get_totals(const etw_capture *capture, etw_capture_totals *totals);

/* Pulls everything the source delivers through the capture. Ends when the source does or a limit is
 * reached. What is then left of the source has a LOSS in its place: FILTERED where a limit asked
 * for it (number of events, duration, total size), else TRUNCATED (is_stopped) or LIMIT (free
 * space), which count as missing. A source that fails half-way leaves a LOSS with its message; the
 * status is the source's, and the capture can still be finished: what was read is kept. */
ETW_API_CHECKED etw_status etw_capture_pull(etw_capture *capture, etw_source *source,
                                            etw_error *error);

/* Adds the traces of the source, which is pulled, that the capture does not have yet:
 * etw_capture_pull does it by itself; this is for whoever adds more about such a trace than items
 * tell. */
ETW_API_CHECKED etw_status etw_capture_add_traces_of(etw_capture *capture, const etw_source *source,
                                                     etw_error *error);

#endif
