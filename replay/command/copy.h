/* Traces copied into a new .etwcap file: what cut, merge, repack and recover have in common.
 *
 * Events keep their bytes and their schemas; losses keep their place. Of one input they keep their
 * order, too; several are merged by system time, ties in the order of the inputs. */
#ifndef ETW_REPLAY_COPY_H
#define ETW_REPLAY_COPY_H

#include "replay/command/redact.h"
#include "replay/command/tool.h"

/* An output in parts, one after the other: each ends before the first event that is too much. */
typedef struct etw_copy_parts {
    uint64_t most_events; /* 0: any number */
    uint64_t most_bytes;  /* of the file, which exceeds it by a block at most; 0: any number */
    int64_t most_100ns;   /* from the first event on, in steps of this; 0: any time */
    /* The name of a part, from 1 on; lent until the next call. NULL: no memory. */
    const char *(*name)(void *context, uint32_t number);
    void *context;
} etw_copy_parts;

typedef struct etw_copy_options {
    const etw_replay_arguments *arguments; /* inputs, output, writer, threads */
    etw_input *input;                      /* the one input, opened; taken over. NULL: by name */
    const etw_redaction *redaction;        /* NULL: bytes stay as they are */
    bool sorts_one;     /* the order of time also for a single input; several have it anyhow, unless
                           the arguments want one after the other */
    bool is_part;       /* the output is a part already, which the caller settles */
    bool carry_blocks;  /* texts of TDH and private blocks, which number events:
                           for one input of which nothing is left out */
    bool carry_rundown; /* where carry_blocks does not say so: the list of processes, unless the
                           inputs are not all of one boot of one host */
    bool takes_blocks;  /* events blocks of an .etwcap are copied as they are where all of their
                           events are wanted and nothing about them changes */
    /* Whether the event of that number, from 0, of the one input is copied; NULL: all are. */
    bool (*keeps)(void *context, uint64_t number);
    void *keeps_context;
    const char *filtered_detail; /* why events were left out; NULL: none is */
    const char *progress;        /* "cutting" */
    const etw_copy_parts *parts; /* NULL: one output, that of the arguments */
} etw_copy_options;

typedef struct etw_copy_counts {
    uint64_t events;      /* written */
    uint64_t dropped;     /* that the writer could not keep: its own loss records tell of them */
    uint32_t files;       /* that have their names */
    uint64_t passed_over; /* left out by the filter, as far as that is known */
    uint64_t schemas;
    uint64_t loss_records; /* carried over */
    uint64_t lost_events;  /* the sum of their known counts */
    bool lost_unknown;
    uint64_t file_bytes;
    uint64_t left_behind; /* blocks whose events or meaning the copy cannot keep */
    bool rundown_left_behind;
    etw_redaction_counts redacted;
    bool keeps_unexplained;
} etw_copy_counts;

etw_status etw_copy_run(const etw_copy_options *options, etw_copy_counts *counts, etw_error *error);

/* "12 schemas, 3400 events, 120 kB" on stderr (not with --quiet), and the exit status. */
etw_exit etw_copy_conclude(const etw_copy_options *options, etw_status status,
                           const etw_copy_counts *counts, const etw_error *error);

/* The exit status alone, after the error, or what is missing, was said. */
etw_exit etw_copy_exit(const etw_replay_arguments *arguments, etw_status status,
                       const etw_copy_counts *counts, const etw_error *error);

/* A name that promises another format than .etwcap would be believed: it is refused, and said. */
bool etw_copy_refuses_name(const etw_replay_arguments *arguments);

/* Runs it, unless the output is one of the inputs or promises another format, and concludes. Of
 * packs, which have no events, the schemas are copied, unless something is to be taken out. */
etw_exit etw_copy_to_output(const etw_copy_options *options);

#endif
