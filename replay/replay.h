/* Replays a saved trace (.etwcap or .etl) through the event API of a live session.
 *
 *     etw_replay *replay;
 *     if (etw_replay_open("a.etwcap", NULL, &replay, &error) == ETW_OK) {
 *         etw_replay_process(replay, on_event, context, &error);
 *         etw_replay_close(replay);
 *     }
 */
#ifndef ETW_REPLAY_REPLAY_H
#define ETW_REPLAY_REPLAY_H

#include "format/base/os.h"
#include "format/etwcap/reader.h"
#include "format/event/consumer.h"
#include "format/event/unexplained.h"
#include "format/schema/resolver.h"
#include "replay/query/filter.h"
#include "replay/query/stacks.h"
#include "replay/query/state.h"

typedef struct etw_input etw_input;     /* format/input/input.h */
typedef struct etw_spool etw_spool;     /* format/event/sort.h */
typedef struct etw_symbols etw_symbols; /* replay/query/symbols.h */

/* Which events, where the filter alone does not say. A file is then read twice, as far as needed;
 * pipes are refused. Zeroed: all that pass the filter. */
typedef struct etw_selection {
    uint64_t tail; /* only the last so many of those that pass; 0: all */
    /* With each of them those around it, whatever the filter says: so many of the file's events,
     * and those within so much time. */
    uint64_t before_events, after_events;
    int64_t before_100ns, after_100ns;
    bool same_thread; /* of these only those of its own thread, by the headers */
} etw_selection;

/* Whether it chooses at all, so that a file is read twice. */
static inline bool etw_replay_is_selective(const etw_selection *selection)
{
    return selection->tail > 0 || selection->before_events > 0 || selection->after_events > 0 ||
           selection->before_100ns > 0 || selection->after_100ns > 0;
}

struct etw_pick; /* replay/query/selection.h */

/* A bad day: what a consumer of live sessions must survive. Probabilities are 0 to 1, for each
 * event; the same seed gives the same day. All zero: a good one. */
#define ETW_FAULTS_MAX_REORDER 1024u
#define ETW_FAULTS_MAX_MOMENTS 16u
/* What the detail of a loss that was asked for says. */
#define ETW_FAULTS_DETAIL "asked for"

/* Something that happens once, with the first event of that time or later. */
typedef struct etw_fault_moment {
    int64_t at_100ns; /* FILETIME; is_relative: since the first event */
    bool is_relative;
    uint64_t amount;
} etw_fault_moment;

typedef struct etw_fault_options {
    double drop;      /* the event does not come; no loss tells of it */
    double duplicate; /* it comes twice */
    double corrupt;   /* its user data is cut short, or one byte of it is another */
    uint32_t reorder; /* each event may come up to so many earlier than it should */
    uint64_t seed;
    /* The first event comes at that time (FILETIME), the others as much later as they were: for
     * consumers that look at the clock. */
    bool rebases;
    int64_t rebase_100ns;
    /* The trace comes so many times, one after the other; 0 is once. Times begin again with each,
     * but go on where they are rebased. Needs an input that can seek, and no selection. Traces and
     * names of providers that events gave are lent for their round only. */
    uint32_t rounds;
    etw_fault_moment losses[ETW_FAULTS_MAX_MOMENTS]; /* so many events do not come; a loss tells */
    uint32_t loss_count;
    etw_fault_moment stalls[ETW_FAULTS_MAX_MOMENTS]; /* nothing comes for so many milliseconds */
    uint32_t stall_count;
} etw_fault_options;

/* Sets one by its name, as text: "drop", "1%" or "0.01"; "duplicate", "corrupt"; "reorder", "8";
 * "seed", "5" or "random"; "rebase", "now" or a time; "loop", "3"; "lose", "100@+5s": so many
 * events and a time or how long after the first event; "stall", "2s@+5s". The last two add to those
 * before. ETW_ERROR_INVALID_ARGUMENT says what was expected; NOT_FOUND: there is no such name. */
ETW_API_CHECKED etw_status etw_fault_set(etw_fault_options *faults, const char *name,
                                         const char *value, etw_error *error);

static inline bool etw_is_bad_day(const etw_fault_options *faults)
{
    return faults->drop > 0 || faults->duplicate > 0 || faults->corrupt > 0 ||
           faults->reorder > 0 || faults->rebases || faults->rounds > 1 || faults->loss_count > 0 ||
           faults->stall_count > 0;
}

typedef struct etw_replay_options {
    const etw_os *os; /* NULL: the default */
    etw_filter filter;
    etw_selection selection;
    uint64_t head; /* stop after so many events; 0: all */
    double speed;  /* 0: as fast as possible; 1: as recorded; 2: twice as fast; ... */
    etw_fault_options faults;
    bool raw_time;     /* TimeStamp stays in raw ticks */
    bool headers_only; /* no user data, no items */
    /* Finds the process that each event is about (etw_event_process_of). A file is read once more
     * first, so that what its end tells is known from its start; of a pipe only what came before.
     * A filter with ProcessName asks for it, too. */
    bool processes;
    bool images; /* the same of images: etw_replay_state tells of them, too */
    /* Joins stacks that came in events of their own to the events they belong to
     * (etw_event_stack_of); not of a pipe. */
    bool stacks;
    etw_stacks_limits stacks_limits; /* of what is read ahead of the events; 0: the default */
    /* Called before stacks of items that next_item gave may end to live: whoever has items
     * elsewhere is done with them when it returns. May be NULL. */
    void (*settle)(void *context);
    void *settle_context;
    uint32_t threads; /* that decode an .etwcap's blocks while it is read ahead; as without them */
    /* Names native code in stacks (etw_state_get_namer); must outlive the replay. NULL: nothing
     * does. */
    etw_symbols *symbols;
    const char *const *manifest_paths;
    uint32_t manifest_path_count;
    bool use_default_schemas; /* look at $ETWCAP_SCHEMAS and the user's folder of schemas, too */
    const char *language;     /* of messages in .mui files; NULL: en-US */
    /* Called with what is wrong with a file of schemas that is passed over. May be NULL. */
    void (*note)(void *context, const char *message);
    void *note_context;
    /* Called for each loss in its place; may be NULL. */
    void (*loss)(void *context, const etw_loss *loss);
    void *loss_context;
    /* Called for blocks of an .etwcap that deliver no events, in their place: clock anchors, texts
     * of TDH, private kinds (format/etwcap/block.h). A failure ends the replay. May be NULL. */
    etw_status (*block)(void *context, const etw_side_block *block, etw_error *error);
    void *block_context;
    /* As in etw_reader_options: keeps the records of an .etwcap's block valid while the next is
     * read. */
    etw_decoder *(*exchange)(void *context, etw_decoder *used);
    void (*drained)(void *context); /* as the reader's (format/etwcap/reader.h) */
    void *exchange_context;
    void (*progress)(void *context, uint64_t done_bytes, uint64_t total_bytes);
    void *progress_context;
    /* Read instead of a path, which may then be NULL; NULL: the path is opened. */
    etw_input *input;
    bool owns_input;       /* it is closed with the replay, and where opening fails */
    struct etw_pick *pick; /* for the replay's own use: NULL */
    /* Events come in the order of their times: where the trace has another order, through this
     * file, which must outlive the replay. NULL: as the trace has them. */
    etw_spool *spool;
    /* A file that is being written: where it ends for now, next gives ETW_END, and more when it is
     * called again. Processes are known from what came before, as of a pipe; stacks in events of
     * their own are not joined. Of a selection only tail: the last of what is there now, and all
     * that comes. An .etl file's events are in the order of time among those that came together.
     * Pipes and what was unwrapped do not grow: this is then without effect. */
    bool follow;
    bool spools_all; /* with a spool: also where they are in order, so that less memory is kept */
    /* Where the schemas of its events are kept, so that ids are the same in several replays; must
     * outlive the replay. NULL: a store of its own. */
    etw_schema_store *store;
} etw_replay_options;

typedef struct etw_replay etw_replay;

/* path: an .etwcap or .etl file, told apart by content, or one of them within .gz, .zst or .zip; a
 * pipe; "-" for stdin. It is opened once. options may be NULL.
 * ETW_ERROR_NOT_THIS where it is neither. An .etl file is scanned once before this returns. */
ETW_API_CHECKED etw_status etw_replay_open(const char *path, const etw_replay_options *options,
                                           etw_replay **replay, etw_error *error);
/* Blocking, one callback per event, until the trace ends, the callback says so, or etw_replay_stop.
 */
ETW_API_CHECKED etw_status etw_replay_process(etw_replay *replay, etw_event_callback callback,
                                              void *context, etw_error *error);
/* The next-event form; *event is valid until the next call. ETW_END at the end. */
ETW_API_CHECKED etw_status etw_replay_next(etw_replay *replay, const etw_event **event,
                                           etw_error *error);
/* What an event is made of (etw_event_make, format/event/event.h), for callers that make it
 * elsewhere, such as on another thread. record's TimeStamp is raw ticks; record is lent until the
 * next call, the others live as long as the replay. */
typedef struct etw_replay_item {
    const etw_event_record *record;
    const etw_trace *trace;
    const etw_schema *schema;
    const char *provider_name;
    uint16_t trace_number; /* etw_event_set_trace_number */
    const char *file;      /* etw_event_set_file; NULL as a replay gives it */
    bool has_stack;
    etw_event_stack stack; /* has_stack: etw_event_set_stack; lives until settle */
    bool has_process;
    etw_event_process
        process; /* has_process: etw_event_set_process; its texts live as the replay */
} etw_replay_item;
/* As etw_replay_next, without making the event. */
ETW_API_CHECKED etw_status etw_replay_next_item(etw_replay *replay, etw_replay_item *item,
                                                etw_error *error);

/* Goes on, forwards or backwards, at the first event at or after that time (FILETIME); options'
 * filter holds as before. ETW_ERROR_UNSUPPORTED for an .etl file or a pipe. Not from the callback.
 */
ETW_API_CHECKED etw_status etw_replay_seek(etw_replay *replay, int64_t time_100ns,
                                           etw_error *error);

/* Index of the trace that the last event came from, in the source of etw_replay_source. */
ETW_API uint16_t etw_replay_trace_index(const etw_replay *replay);
/* From any thread or from the callback: process ends with ETW_OK, next with ETW_END, soon. */
ETW_API void etw_replay_stop(etw_replay *replay);
/* Idempotent for NULL. Not from the callback. */
ETW_API void etw_replay_close(etw_replay *replay);

/* Whether all of the trace was written: of a file that is followed, no more will come. */
ETW_API bool etw_replay_is_complete(const etw_replay *replay);

/* The same as the one handle that a live session has too. */
ETW_API_CHECKED etw_status etw_replay_consumer(const char *path, const etw_replay_options *options,
                                               etw_consumer **consumer, etw_error *error);

/* What was delivered and what is missing, so far. */
typedef struct etw_replay_totals {
    uint64_t events;         /* delivered */
    uint64_t passed_over;    /* read, but not wanted by the filter */
    uint64_t losses;         /* loss records met; those left out on request not counted */
    uint64_t lost_events;    /* the sum of their known counts */
    bool lost_unknown;       /* and at least one whose count is unknown */
    uint64_t dropped_stacks; /* call stacks above the limits (replay/query/stacks.h): their events
                                come without */
} etw_replay_totals;
ETW_API void etw_replay_get_totals(const etw_replay *replay, etw_replay_totals *totals);

typedef struct etw_fault_counts {
    uint64_t dropped, duplicated, corrupted, reordered;
    uint64_t lost; /* and told by a loss */
    uint32_t stalls;
} etw_fault_counts;
/* What the faults asked for have done so far; all 0 where none were. Totals count the events that
 * were delivered. */
ETW_API void etw_replay_get_faults(const etw_replay *replay, etw_fault_counts *counts);

/* How many schemas in the trace could not be read so far (manifests that are no XML, damaged
 * metadata), and what was wrong with the first, "" where nothing was; lent by the replay. */
ETW_API uint64_t etw_replay_schema_errors(const etw_replay *replay, const char **first);

/* Delivered events that no schema explains, so far; NULL where there are none. */
ETW_API etw_unexplained *etw_replay_unexplained(const etw_replay *replay);

/* The definitions from files (options->manifest_paths) among which a schema of etw_replay_schemas
 * was chosen, and its place among them; NULL where it came from none. */
ETW_API const etw_candidates *etw_replay_candidates(const etw_replay *replay,
                                                    const etw_schema *schema, uint32_t *place);

/* The provider names that the trace has told so far, by index; NULL past the last. */
ETW_API const char *etw_replay_provider_name_at(const etw_replay *replay, size_t index);

/* Processes and threads of the trace, where options asked for images or stacks also these: all of a
 * file, of a pipe what came so far. NULL where options asked for none of it. */
ETW_API const etw_state *etw_replay_state(const etw_replay *replay);

/* The source behind it: statistics, traces, schemas. */
ETW_API etw_source *etw_replay_source(etw_replay *replay);
ETW_API bool etw_replay_is_etl(const etw_replay *replay);
/* The schemas of events delivered so far, whatever told them. */
ETW_API const etw_schema_store *etw_replay_schemas(const etw_replay *replay);

#endif
