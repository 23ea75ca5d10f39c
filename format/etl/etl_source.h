/* The inside of a reader of trace files, shared by the sources that make it up: etl.c opens and
 * closes, etl_scan.c makes the first pass, etl_merge.c delivers, etl_losses.c tells what is
 * missing, etl_entry.c what can be read of a buffer. */
#ifndef ETW_FORMAT_ETL_ETL_SOURCE_H
#define ETW_FORMAT_ETL_ETL_SOURCE_H

#include "format/etl/buffer_chain.h"
#include "format/etl/buffer_run.h"
#include "format/etl/buffer_table.h"
#include "format/etl/etl.h"

/* Opening one buffer, or one step in it, reports this many losses at most. */
#define ETW_ETL_MAX_QUEUED_LOSSES 10u

/* As the processor index of a buffer has 11 bits. */
#define ETW_ETL_MAX_PROCESSORS 2048u

/* The sequence numbers of the buffers found: a session counts those that it fills. */
typedef struct etw_etl_sequence {
    uint64_t count;
    int64_t highest;
} etw_etl_sequence;

/* What is known of a processor's buffers where the session's clock can be set back. */
typedef struct etw_etl_processor {
    int64_t sequence; /* of the buffer found last */
    int64_t ticks;    /* the latest first record of those found so far */
    etw_run *last;    /* the run in the merge, or waiting, that was taken last; NULL: none */
} etw_etl_processor;

/* A run that is being merged, by its next record. */
typedef struct etw_merge_entry {
    int64_t ticks;
    uint64_t offset;
    etw_run *run;
} etw_merge_entry;

typedef struct etw_window {
    uint8_t *memory;
    etw_run *owner; /* NULL: free */
} etw_window;

/* Of the scan's table of providers, by a part of their GUID. */
#define ETW_NAMED_PROVIDERS 256u

typedef struct etw_etl_source {
    etw_source base;
    const etw_os *os;
    int file;
    etw_run_input input;
    etw_chain chain;
    etw_buffer_table table;
    etw_trace trace;
    etw_etl_statistics statistics;
    etw_guid named[ETW_NAMED_PROVIDERS]; /* whose names the scan has handed over */
    /* The log-file header event's record, delivered first; NULL where it cannot be read. */
    uint8_t *header_record;
    etw_frame header_frame;
    etw_buffer_context header_context;
    uint16_t header_flags;
    uint64_t header_offset; /* of it in the file */
    bool is_recognized;     /* as a trace, by its first buffer */
    bool is_growing;        /* options.follow, and its session has not closed it */
    etw_etl_options options;
    bool header_delivered;
    bool end_checked;
    etw_etl_sequence sequence;
    etw_etl_processor *processors; /* ETW_ETL_MAX_PROCESSORS; NULL: all merging goes by time */
    size_t run_count;              /* those in the merge and those that wait behind them */
    /* A heap: the run with the earliest record is the first. */
    etw_merge_entry *merge;
    size_t merge_count;
    size_t merge_capacity;
    /* The first run goes on while its next record is before this: no other's can be. */
    int64_t limit_ticks;
    uint64_t limit_offset;
    bool lent; /* the first run's record was delivered and is to be passed */
    etw_window windows[ETW_ETL_MAX_WINDOWS];
    size_t window_count;
    etw_loss losses[ETW_ETL_MAX_QUEUED_LOSSES];
    size_t loss_count;
    size_t loss_at;
    size_t usual_bytes;      /* what to read with the header of the next buffer */
    uint32_t damaged_number; /* the buffer whose damage was counted last, + 1 */
    etw_event_record record;
    etw_extended_data_item items[ETW_MAX_RECORD_ITEMS];
} etw_etl_source;

/* The next item; an etw_source_ops function. */
etw_status etw_etl_next(etw_source *source, etw_item *item, etw_error *error);

/* The first pass: fills the table. */
etw_status etw_etl_find_buffers(etw_etl_source *self, const etw_etl_options *options,
                                etw_error *error);

/* Of a file that grows, where all that was found has been delivered: *found tells whether there is
 * more to deliver by now. */
etw_status etw_etl_look_again(etw_etl_source *self, bool *found, etw_error *error);
/* How far whole buffers reach. */
etw_status etw_etl_find_whole(const etw_etl_source *self, uint64_t *end, etw_error *error);

/* Gives the run a window, which may be taken from another run. */
etw_status etw_etl_get_window(etw_etl_source *self, etw_run *run, etw_error *error);
void etw_etl_put_window(etw_etl_source *self, etw_run *run);
/* Gives back a run of the merge and its window. */
void etw_etl_drop_run(etw_etl_source *self, etw_run *run);

/* Whether an entry of the table can have records. */
bool etw_etl_has_records(const etw_etl_source *self, const etw_buffer_entry *entry);
/* The first bytes of an entry that has records, into room for at least a header; *got of them were
 * there. The header is made usable where it is not. */
etw_status etw_etl_read_start(etw_etl_source *self, const etw_buffer_entry *entry, etw_room into,
                              size_t *got, etw_buffer_header *header, etw_error *error);
/* In the first buffer, moves behind the log-file header event, which is delivered by itself. */
void etw_etl_skip_header_event(const etw_etl_source *self, etw_run *run);

/* Losses wait in a queue and are delivered before anything else. The first two leave the detail,
 * and what else is known, to the caller; ticks INT64_MIN: no time is known. */
etw_loss *etw_etl_queue_loss(etw_etl_source *self, etw_loss_cause cause, int64_t ticks);
etw_loss *etw_etl_queue_damage(etw_etl_source *self, etw_loss_cause cause, int64_t ticks,
                               uint64_t events, uint64_t bytes, uint32_t number);
void etw_etl_queue_run_damage(etw_etl_source *self, const etw_run *run,
                              const etw_run_damage *damage);
/* The run's record contradicts itself. */
void etw_etl_queue_record_problem(etw_etl_source *self, const etw_run *run, const char *problem);
/* What the flags of a buffer tell of the time before it. */
void etw_etl_queue_flag_losses(etw_etl_source *self, const etw_buffer_entry *entry, uint16_t flags);
/* The counts of the log-file header. */
void etw_etl_queue_header_losses(etw_etl_source *self);
/* A file with fewer buffers than its header counts, or whose session never closed it. */
void etw_etl_queue_missing_buffers(etw_etl_source *self);
/* The header is not what it was when the buffer was found. */
void etw_etl_queue_changed(etw_etl_source *self, const etw_buffer_entry *entry,
                           const etw_buffer_header *header);
/* What is wrong with the entry as a whole. */
void etw_etl_queue_entry_damage(etw_etl_source *self, const etw_buffer_entry *entry);
/* The limits ETW_ETL_MAX_RUNS and ETW_ETL_MAX_RESTARTS. */
void etw_etl_queue_too_many(etw_etl_source *self, const etw_buffer_entry *entry);
void etw_etl_queue_given_up(etw_etl_source *self, const etw_run *run);

#endif
