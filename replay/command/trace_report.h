/* What `info` tells of a trace: gathered here, written by verb_info.c. Of an .etwcap file with an
 * index it takes a few reads, whatever the file's size, but for the events without a schema, for
 * which the kinds of events of a file of some million events are read; other files are read
 * through. */
#ifndef ETW_REPLAY_TRACE_REPORT_H
#define ETW_REPLAY_TRACE_REPORT_H

#include "format/base/sha1.h"
#include "format/etl/etl.h"
#include "replay/command/event_counts.h"
#include "replay/command/tool.h"

/* Losses that are listed one by one; the coverage line counts them all. */
#define ETW_REPORT_LOSSES 100u

typedef struct etw_trace_report {
    etw_input *input;
    const etw_replay_arguments *arguments;
    const char *path;
    const char *format; /* "etwcap" or "etl" */
    bool is_etl;
    etw_source *source; /* whose traces are told */
    etw_replay *replay; /* that the source is of; NULL: it stands alone */
    /* Read through, if only by kinds of events, and so knows what no schema explains; may be NULL.
     */
    etw_replay *looked_at;
    etw_file_summary summary; /* of an .etl: what reading it gave */
    etw_etl_statistics etl;
    etw_loss *losses; /* the first ETW_REPORT_LOSSES */
    uint32_t listed_losses;
    bool has_missing;     /* a loss that nobody asked for, if only of a block without events */
    etw_rundown *rundown; /* where it was asked for and is there */
    etw_state *state;     /* with it: what the events tell of the same processes */
    etw_event_counts *counts;
    uint8_t hash[ETW_SHA1_SIZE]; /* of the trace's bytes, unwrapped, where it was asked for */
} etw_trace_report;

/* Reads what the arguments ask for; input can seek, and stays the caller's. */
etw_status etw_trace_report_gather(etw_input *input, const etw_replay_arguments *arguments,
                                   etw_trace_report *r, etw_error *error);
/* Also after a failure. */
void etw_trace_report_free(etw_trace_report *r);

/* Whether nothing is known to be missing. */
bool etw_trace_report_is_whole(const etw_trace_report *r);

#endif
