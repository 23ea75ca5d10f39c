/* The state of a whole file, by reading it once: blocks of an .etwcap that cannot tell of processes
 * are passed over. */
#ifndef ETW_REPLAY_QUERY_STATE_PASS_H
#define ETW_REPLAY_QUERY_STATE_PASS_H

#include "format/etwcap/reader.h"
#include "format/input/input.h"
#include "replay/query/stacks.h"
#include "replay/query/state.h"

/* input can seek. counts: etw_state_count for each event, too, which reads all of them. */
typedef struct etw_state_pass {
    const etw_input *input;
    etw_state_depth depth;
    bool counts;
    uint32_t
        threads; /* that decode an .etwcap's blocks besides; etw_reader_options.decode_threads */
    /* Stacks are those of events from that time on; of an .etwcap only what tells of them is read.
     * INT64_MIN and 0: of all. */
    int64_t stacks_from_100ns;
    etw_stacks_limits stacks_limits;
    /* Called before stacks that were found may end to live: whoever has them elsewhere is done with
     * them when it returns. May be NULL. */
    void (*settle)(void *context);
    void *settle_context;
} etw_state_pass;

/* Stacks of the file's events, read as far ahead of them as the limits allow. */
typedef struct etw_stack_reader etw_stack_reader;

/* *stacks: of depth ETW_STATE_STACKS, to be freed before the input; may be NULL for others. */
ETW_API_CHECKED etw_status etw_state_read(const etw_state_pass *pass, etw_state **state,
                                          etw_stack_reader **stacks, etw_error *error);

ETW_API void etw_stack_reader_free(etw_stack_reader *reader);
/* The stack of an event, as etw_stacks_find has it. To be called in the order of time. What *stack
 * points to lives until settle is called. Fails where memory is out alone. */
ETW_API_CHECKED etw_status etw_stack_reader_find(etw_stack_reader *reader,
                                                 const etw_event_record *record,
                                                 const etw_trace *trace, etw_event_stack *stack,
                                                 bool *is_found, etw_error *error);
/* From the first event again. */
ETW_API_CHECKED etw_status etw_stack_reader_begin_again(etw_stack_reader *reader, etw_error *error);
/* How many are above a limit. */
ETW_API uint64_t etw_stack_reader_dropped(const etw_stack_reader *reader);

/* For etw_reader_options.block, with the state as context: takes lists of processes and images. */
ETW_API_CHECKED etw_status etw_state_take_block(void *state, const etw_side_block *block,
                                                etw_error *error);

#endif
