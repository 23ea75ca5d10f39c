/* The inside of a replay, for the files that it is made of: replay_open.c opens and closes it,
 * replay.c gives its events. */
#ifndef ETW_REPLAY_REPLAY_INSIDE_H
#define ETW_REPLAY_REPLAY_INSIDE_H

#include "format/event/sort.h"
#include "format/query/where.h"
#include "format/schema/resolver.h"
#include "replay/faults.h"
#include "replay/query/provider_guids.h"
#include "replay/query/selection.h"
#include "replay/query/state.h"
#include "replay/query/state_pass.h"
#include "replay/replay.h"
#include "replay/whole_blocks.h"

#include <stdatomic.h>

/* The names of the last providers, by their GUIDs: most events are of few. */
#define ETW_NAMED_PROVIDERS 16u
typedef struct etw_named_provider {
    etw_guid provider;
    const char *name; /* NULL: nothing is kept here */
    bool is_final;    /* the store's own; else it is known while the store has no more names */
    uint32_t names;   /* that the store had */
} etw_named_provider;

struct etw_replay {
    etw_replay_options options;
    etw_input *input;
    bool owns_input;
    const etw_os *os; /* the input's */
    etw_source *source;
    etw_sort *sort; /* the source's events in order; NULL: they come from the source */
    bool is_etl;
    etw_where *where;           /* the filter's copy; NULL: none */
    bool asks_time;             /* it does */
    etw_pick *pick;             /* of the selection; NULL: none, or the options' */
    etw_place place;            /* of the last event, where there is a pick */
    uint64_t etl_events;        /* read so far, of an .etl */
    etw_guid_list wanted;       /* for the reader, where the filter names providers */
    etw_schema_store *store;    /* all schemas of events, the file's own and those found here */
    etw_resolver *resolver;     /* for events that name no schema of the file */
    const etw_schema **of_file; /* the file's schema ids, from 1, to schemas of store */
    uint32_t of_file_count;
    uint32_t of_file_capacity;
    etw_event_maker *maker;
    etw_faults *faults;        /* NULL: a good day */
    etw_event_process process; /* of the event that next gave */
    etw_event_stack stack;
    etw_stack_reader *stacks; /* NULL: they were not asked for */
    etw_state *state;         /* NULL: processes were not asked for */
    etw_owner_memory owners;
    etw_named_provider named[ETW_NAMED_PROVIDERS];
    bool names_processes;
    bool learns;                /* it is fed as events come */
    etw_block_taker take_block; /* NULL: none is given */
    void *take_block_context;
    etw_buffer block_schemas; /* of the block being given: const etw_schema * for each kind */
    etw_replay_totals totals;
    etw_unexplained *unexplained; /* NULL: all was explained so far */
    uint16_t trace_index;         /* of the last event */
    bool has_times;               /* of an .etl's scan; the two below are set */
    int64_t first_100ns, last_100ns;
    bool has_first_since; /* the filter's own, which a seek does not lift */
    int64_t first_since_100ns;
    atomic_bool stopped;
    bool is_paced; /* the two below are set */
    int64_t pace_time_100ns;
    int64_t pace_start_ns;
};

/* Where its events come from; also once more, after that was closed. */
etw_status etw_replay_open_source(etw_replay *replay, etw_error *error);

/* What explains an event of the source; NULL where nothing does. Lent as long as the replay. */
etw_status etw_replay_find_schema(etw_replay *replay, const etw_item *item,
                                  const etw_schema **schema, etw_error *error);

/* So many events that nothing explains; record: one of them. Only told at the end: lack of memory
 * costs the figure, not the event. */
void etw_replay_note_unexplained(etw_replay *replay, const etw_event_record *record,
                                 uint64_t events);

#endif
