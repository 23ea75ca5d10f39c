/* The traces that a command line names, read as one: merged by time, ties in the order in which
 * they are named, or one after the other.
 *
 * Up to ETW_TRACES_AT_ONCE are read side by side, each with its reader's memory; of more, each is
 * moved into a temporary file first, one after the other, and its file is opened for each read
 * alone. */
#ifndef ETW_REPLAY_TRACE_SET_H
#define ETW_REPLAY_TRACE_SET_H

#include "format/input/time_order.h"
#include "replay/command/progress.h"
#include "replay/command/tool.h"

typedef struct etw_trace_set_options {
    const etw_replay_arguments *arguments; /* inputs, times, schemas */
    etw_input *input;          /* the one input, opened; taken over. NULL: by the arguments */
    bool sorts_one;            /* a single trace is put in the order of time, too */
    etw_replay_options replay; /* of each; head is of all together */
    /* Called before a trace is opened, with its index, to set callbacks of its own. May be NULL. */
    void (*prepare)(void *context, uint32_t index, etw_replay_options *options);
    /* replay.follow, which needs a single file: called where the next event has to be waited for.
     * ETW_END: nobody waits any more. May be NULL. */
    etw_status (*waits)(void *context, etw_error *error);
    void *context;
} etw_trace_set_options;

typedef struct etw_trace_set etw_trace_set;

/* Finds the inputs; options are copied. */
etw_status etw_trace_set_new(const etw_trace_set_options *options, etw_trace_set **set,
                             etw_error *error);
uint32_t etw_trace_set_count(const etw_trace_set *set);
/* Opens all. */
etw_status etw_trace_set_open(etw_trace_set *set, etw_error *error);
/* index < the count, after opening. */
etw_replay *etw_trace_set_replay(const etw_trace_set *set, uint32_t index);
/* What the arguments add to its times. */
int64_t etw_trace_set_offset_100ns(const etw_trace_set *set, uint32_t index);
bool etw_trace_set_is_pipe(const etw_trace_set *set, uint32_t index);

/* The next event and the trace that it is of; *item is lent until the next call. ETW_END at the
 * end of all. A failure names its input. */
etw_status etw_trace_set_next(etw_trace_set *set, uint32_t *index, const etw_replay_item **item,
                              etw_error *error);
/* Whether whatever that trace has up to this time comes before all that the others have left; while
 * the set reads, from a callback of that trace. */
bool etw_trace_set_leads(const etw_trace_set *set, uint32_t index, int64_t until_100ns);
/* Has it show what is read; to be called once all are open, and to be ended before they are closed.
 */
void etw_trace_set_watch(const etw_trace_set *set, etw_progress *progress);
/* Of all of them so far. */
void etw_trace_set_get_totals(const etw_trace_set *set, etw_replay_totals *totals);
/* What looking at the events does not tell: see etw_tool_say_doubts. */
void etw_trace_set_say_doubts(const etw_trace_set *set);
/* NULL is fine. */
void etw_trace_set_close(etw_trace_set *set);

#endif
