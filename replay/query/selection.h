/* Which events are delivered where single events do not tell: the last ones, and those around the
 * ones that pass a filter. Two passes: a first one finds the places, a second one delivers. */
#ifndef ETW_REPLAY_QUERY_SELECTION_H
#define ETW_REPLAY_QUERY_SELECTION_H

#include "format/query/where.h"
#include "replay/query/spans.h"
#include "replay/replay.h"

/* Threads whose events are counted apart. */
#define ETW_PICK_MAX_THREADS ((uint32_t)1 << 20)

/* Where an event stands. */
typedef struct etw_place {
    uint64_t number;   /* among the events of the file, from 0; blocks passed over are counted */
    uint64_t sequence; /* among those of its thread; only where the pick counts threads */
    uint64_t thread;   /* the header's thread id, and which trace it is of */
    int64_t time_100ns;
} etw_place;

typedef struct etw_thread_counts etw_thread_counts;

/* What a replay delivers, by places. */
typedef struct etw_pick {
    bool is_made;      /* the sets are there; else all that follows from is wanted */
    uint64_t from;     /* the first number that is looked at */
    bool same_thread;  /* times are those of a thread, too */
    bool has_sequence; /* events of each thread are counted: every block has to be read */
    etw_spans numbers;
    etw_spans times;
    etw_spans thread_times;
    etw_spans sequences;
    etw_thread_counts *threads; /* NULL until one was counted */
} etw_pick;

/* The pick that delivers what options select of the input, which can seek; the caller's to free.
 * Gives the filter's expression with what was learned of it, too (NULL where there is none). */
etw_status etw_pick_make(const etw_replay_options *options, etw_input *input, etw_pick **pick,
                         etw_where **where, etw_error *error);
void etw_pick_free(etw_pick *pick);

/* Whether the pick may want one of count events from number first on, of these times. */
bool etw_pick_wants_block(void *pick, const etw_block_range *range);
/* Whether it surely wants all of them. */
bool etw_pick_has_block(const etw_pick *pick, const etw_block_range *range);
/* Whether it wants this one; place's sequence is set. Each event is asked for once. */
etw_status etw_pick_wants(etw_pick *pick, etw_place *place, bool *wants, etw_error *error);

/* No event before this number is wanted. */
uint64_t etw_pick_first_number(const etw_pick *pick);

/* The earliest time of the events that a pick of an .etwcap has by their numbers alone, as that of
 * the last ones; INT64_MIN where another kind of file would have to be read for it. */
etw_status etw_pick_first_time(etw_pick *pick, const etw_input *input, int64_t *time_100ns,
                               etw_error *error);

/* Of the event that the replay gave last; only where its options have a pick. */
void etw_replay_get_place(const etw_replay *replay, etw_place *place);
/* Gives the replay's own copy of the filter's expression away. */
etw_where *etw_replay_take_where(etw_replay *replay);

#endif
