/* The inside of a copy, for the files that it is made of: copy.c opens, reads and closes,
 * copy_numbers.c gives traces and schemas their numbers in the copy, copy_blocks.c has what is
 * copied block by block. */
#ifndef ETW_REPLAY_COPY_INSIDE_H
#define ETW_REPLAY_COPY_INSIDE_H

#include "format/base/part_file.h"
#include "format/etwcap/block.h"
#include "replay/command/copy.h"
#include "replay/command/trace_set.h"
#include "replay/whole_blocks.h"

typedef struct etw_copy etw_copy;

/* One trace file that is read. */
typedef struct etw_copy_input {
    etw_copy *copy; /* for the loss callback */
    etw_replay *replay;
    bool is_pipe;
    int64_t offset_100ns; /* to be added to its times */
    uint32_t *schemas;    /* ids of the replay's store, from 1, to ids of the copy's store */
    uint32_t schema_count;
    uint16_t *traces; /* the source's trace indexes to the writer's */
    uint16_t trace_count;
    uint64_t damaged_events; /* that the reader passed over, known counts */
} etw_copy_input;

struct etw_copy {
    const etw_copy_options *options;
    etw_copy_input *inputs;
    uint32_t input_count;
    etw_trace_set *set;
    etw_schema_store *store;
    etw_redactor *redactor;
    bool takes_blocks;      /* its store has schemas that no event may use */
    uint64_t number;        /* of the next event, where the caller chooses by it */
    etw_event_maker *maker; /* for the redactor */
    etw_writer *writer;
    const char *output;     /* the name of the one that is being written */
    etw_part_file part;     /* of it; none: it has its own name from the start */
    uint32_t output_number; /* from 1 */
    uint64_t output_events;
    int64_t
        output_end_100ns; /* where the next begins; with parts by time, once there is an event */
    etw_text redacted;    /* for the file info */
    etw_copy_counts *counts;
    etw_status loss_status; /* of the callback, which cannot return one */
    etw_error loss_error;
};

/* Errors of the output name it, as those of an input name that. */
etw_status etw_copy_wrote(const etw_copy *c, etw_status status, etw_error *error);

/* Whether what comes at that time belongs to the next part of the output; begins it. */
bool etw_copy_is_full(const etw_copy *c, int64_t time_100ns);
etw_status etw_copy_next_output(etw_copy *c, etw_error *error);

/* Those that the input has told since the last call. */
etw_status etw_copy_add_new_traces(etw_copy *c, etw_copy_input *in, etw_error *error);
/* Of providers. Done at the beginning, for blocks written early, and again at the end, when all
 * names are known. */
etw_status etw_copy_add_names(etw_copy *c, etw_error *error);
/* *id: the number in the copy; 0 where schema, of the input's replay, is NULL. */
etw_status etw_copy_map_schema(etw_copy *c, etw_copy_input *in, const etw_schema *schema,
                               uint32_t *id, etw_error *error);
/* Schemas that events of the copy use. */
uint32_t etw_copy_count_schemas(const etw_copy *c);

/* A block that delivers no events; context: an etw_copy_input. */
etw_status etw_copy_on_block(void *context, const etw_side_block *block, etw_error *error);
/* Whatever events are wanted, and wherever reading ends. Pipes cannot be read ahead. */
etw_status etw_copy_rundowns(etw_copy *c, etw_error *error);
/* Has events blocks copied as they are, where the options ask for it and all of a block is wanted,
 * unchanged. Before the first event. */
etw_status etw_copy_take_blocks(etw_copy *c, etw_error *error);

#endif
