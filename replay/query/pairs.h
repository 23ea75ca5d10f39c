/* How long things took: a Start event and the Stop that ends it, of one provider and name, and of
 * one activity or, where there is none, one thread. A start within another of the same kind is
 * ended first.
 *
 * Starts and stops are those of opcode 1 and 2; where the opcode is 0, those whose names end so. */
#ifndef ETW_REPLAY_QUERY_PAIRS_H
#define ETW_REPLAY_QUERY_PAIRS_H

#include "format/event/event.h"

/* Starts that wait for their stop, at most; the next ones are not taken. */
#define ETW_PAIRS_MAX_OPEN 65536u

typedef enum etw_pairs_by {
    ETW_PAIRS_NONE,
    ETW_PAIRS_AUTO, /* the activity where the event has one, else the thread */
    ETW_PAIRS_ACTIVITY,
    ETW_PAIRS_THREAD
} etw_pairs_by;

typedef struct etw_pairs_counts {
    uint64_t pairs;
    uint64_t lone_starts; /* without a stop so far */
    uint64_t lone_stops;
    uint64_t not_taken; /* starts beyond the limit */
} etw_pairs_counts;

typedef struct etw_pairs etw_pairs;

/* NULL: no memory. */
ETW_API etw_pairs *etw_pairs_new(etw_pairs_by by);
ETW_API void etw_pairs_free(etw_pairs *pairs);

/* True where the event ends a pair: *duration_100ns is from its start to it. */
ETW_API bool etw_pairs_take(etw_pairs *pairs, const etw_event *event, int64_t *duration_100ns);
ETW_API void etw_pairs_get_counts(const etw_pairs *pairs, etw_pairs_counts *counts);

/* The event's name without Start or Stop; "" where it has none. */
ETW_API void etw_pairs_append_name(const etw_event *event, etw_text *text);

#endif
