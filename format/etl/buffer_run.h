/* One buffer of a trace file as a run of records: a window moves over it, unpacking as it goes.
 *
 * Positions inside a buffer count from the start of its header, also in what a compressed buffer
 * expands to. Records lie in the window, whole, and are lent until the window moves. */
#ifndef ETW_FORMAT_ETL_BUFFER_RUN_H
#define ETW_FORMAT_ETL_BUFFER_RUN_H

#include "format/base/os.h"
#include "format/etl/buffer_table.h"
#include "format/etl/trace_record.h"
#include "format/etl/xpress.h"

/* Room for the largest record (64 KiB), what XPRESS may copy from (8 KiB), and progress. */
#define ETW_RUN_WINDOW ((uint32_t)96 << 10)
/* Compressed bytes are read in pieces of this size. */
#define ETW_RUN_SCRATCH ((uint32_t)32 << 10)

typedef struct etw_run_input {
    const etw_os *os;
    int file;
    uint8_t *scratch; /* ETW_RUN_SCRATCH bytes, shared by all runs */
} etw_run_input;

typedef struct etw_run {
    struct etw_run *next; /* waits for the end of this one: the processor's next buffer */
    uint8_t *window;      /* ETW_RUN_WINDOW bytes; NULL: not loaded */
    uint32_t window_begin;
    uint32_t window_end; /* never beyond limit */
    uint32_t at;         /* the record that frame tells of */
    uint32_t limit;      /* end of the records that can be read */
    etw_frame frame;     /* ticks filled in where the record itself has none */
    int64_t last_ticks;
    etw_buffer_context context;
    uint16_t extra_flags; /* ETW_FLAG_PROCESSOR_INDEX or 0 */
    bool compressed;
    bool cut;                /* the file ends in this buffer */
    bool used_unknown;       /* its header is damaged: padding may follow the records */
    const char *end_problem; /* why limit is below used_size */
    uint32_t used_size;
    uint32_t stored_size;
    uint32_t fill_size; /* bytes of the window to use */
    uint32_t number;
    uint32_t restarts; /* how often a compressed run lost its window */
    uint64_t offset;
    int64_t flush_ticks;
    uint32_t input_at; /* the next compressed byte */
    etw_xpress xpress;
} etw_run;

typedef enum etw_run_step {
    ETW_RUN_RECORD, /* run->frame is set, all of the record is in the window */
    ETW_RUN_DAMAGE, /* *damage tells what was passed over; go on */
    ETW_RUN_END,
    ETW_RUN_FAILED /* reading failed: error is set */
} etw_run_step;

typedef struct etw_run_damage {
    const char *problem;
    uint32_t at;
    uint32_t bytes;
    bool cut;
} etw_run_damage;

/* Without a window. entry is of a kind that has a header. */
void etw_run_start(etw_run *run, const etw_buffer_entry *entry, const etw_buffer_header *header);

/* Gives it a window that holds the first size bytes of the buffer, its header included. Compressed
 * ones have no use for that. */
void etw_run_adopt(etw_run *run, uint8_t *window, size_t size);

/* Takes the window away; the run goes on at the same record when it has one again. */
void etw_run_unload(etw_run *run);

/* Finds the record at run->at, whole; needs a window. */
etw_run_step etw_run_locate(etw_run *run, const etw_run_input *input, etw_run_damage *damage,
                            etw_error *error);

/* The time of the first record, for the table; reads as little as possible. END: none is known. */
etw_run_step etw_run_first_ticks(etw_run *run, const etw_run_input *input, int64_t *ticks,
                                 etw_error *error);

static inline const uint8_t *etw_run_record(const etw_run *run)
{
    return run->window + (run->at - run->window_begin);
}

/* The usual case of etw_run_locate: true where the window holds the record. */
static inline bool etw_run_locate_quick(etw_run *run)
{
    const size_t left = run->window_end - run->at;
    return run->at < run->window_end &&
           etw_frame_read(etw_run_record(run), left, &run->frame) == ETW_FRAME_RECORD &&
           run->frame.size <= left && run->frame.ticks != INT64_MIN;
}

static inline void etw_run_pass(etw_run *run)
{
    run->last_ticks = run->frame.ticks;
    run->at += etw_record_span(run->frame.size);
}

#endif
