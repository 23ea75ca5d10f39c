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
    /* Stacks are those of events from that time on; of an .etwcap only what tells of them is read.
     * INT64_MIN and 0: of all. */
    int64_t stacks_from_100ns;
} etw_state_pass;

/* *stacks: of depth ETW_STATE_STACKS; may be NULL for others. */
ETW_API_CHECKED etw_status etw_state_read(const etw_state_pass *pass, etw_state **state,
                                          etw_stacks **stacks, etw_error *error);

/* For etw_reader_options.block, with the state as context: takes lists of processes and images. */
ETW_API_CHECKED etw_status etw_state_take_block(void *state, const etw_side_block *block,
                                                etw_error *error);

#endif
