/* What the command line of etw-replay says, after options.h. */
#ifndef ETW_REPLAY_ARGUMENTS_H
#define ETW_REPLAY_ARGUMENTS_H

#include "format/base/arena.h"
#include "format/base/console.h"
#include "format/base/options.h"
#include "format/etwcap/writer.h"
#include "format/output/output.h"
#include "replay/command/short_forms.h"
#include "replay/replay.h"

typedef struct etw_replay_arguments etw_replay_arguments;

typedef struct etw_verb {
    etw_verb_row row; /* must be first: the table of verbs is made of these */
    etw_exit (*run)(const etw_replay_arguments *arguments);
    uint32_t minimum_inputs;
    uint32_t maximum_inputs;
    bool needs_output;
} etw_verb;

#define ETW_MAX_THREADS 16u

/* What `split --by` makes a file for each of. */
typedef enum etw_split_by { ETW_SPLIT_BY_PROVIDER = 1, ETW_SPLIT_BY_PROCESS } etw_split_by;

/* A column of `stats`: kind is an etw_calculation_kind; percent, where not 0, asks for that
 * percentile instead. */
typedef struct etw_stats_wish {
    uint32_t kind;
    uint32_t percent;
    const char *field;
} etw_stats_wish;

typedef struct etw_stats_arguments {
    const char **by; /* lists with commas between */
    uint32_t by_count;
    uint32_t top;
    uint64_t interval_ms; /* 0: none */
    etw_stats_wish *wishes;
    uint32_t wish_count;
    uint32_t pairs; /* an etw_pairs_by */
    bool csv;
} etw_stats_arguments;

typedef enum etw_when { ETW_WHEN_AUTO, ETW_WHEN_ALWAYS, ETW_WHEN_NEVER } etw_when;

/* Lists of names with commas between, as given. */
typedef struct etw_compare_arguments {
    const char **ignored;
    uint32_t ignored_count;
    const char **normalized;
    uint32_t normalized_count;
    const char **keys;
    uint32_t key_count;
    uint32_t max_differences; /* that are printed */
    bool only_schemas;        /* no events */
    bool update;              /* the expectation */
    const char *junit;        /* a file to write; NULL: none */
} etw_compare_arguments;

typedef struct etw_reduce_arguments {
    const char *check; /* a command; NULL: none */
    uint32_t max_runs;
    bool keeps_values;
} etw_reduce_arguments;

struct etw_replay_arguments {
    const etw_verb *verb;
    bool verb_is_named;  /* else it is the default */
    const char **inputs; /* owned array of words of argv */
    uint32_t input_count;
    const char *member;      /* --member: of archives, only files with this name */
    const char *output;      /* -o; NULL where not given */
    const char *export_path; /* of schemas: the pack to write; NULL where not given */
    bool covers;             /* of schemas: count the events that they explain */
    const char *format;      /* --format; NULL where not given */
    const char *since;       /* as given: relative times need the trace */
    const char *until;
    const char *around;   /* as given: TIME, TIME+-T */
    const char **offsets; /* the texts of --offset */
    uint32_t offset_count;
    bool in_order; /* several inputs one after the other */
    bool json;
    const char **counters;                        /* --counter; what rendering points to */
    bool per_event;                               /* a file for each kind of event */
    bool packets;                                 /* --packets: the format packets */
    bool processes;                               /* of info: list what ran on the recording host */
    bool all, brief, events, hash;                /* of info */
    uint64_t every_events, every_bytes, every_ms; /* of split; one of these, or by */
    uint32_t by;                                  /* an etw_split_by; 0: not given */
    bool print_seed;                              /* of a bad day */
    bool quiet;
    bool no_process_names;
    uint32_t color; /* an etw_when */
    bool has_width; /* rendering.width was given */
    bool no_pager;
    bool tree;           /* of ps */
    const char *at;      /* of ps and images; as given */
    const char *process; /* of images: only those of processes with this name */
    uint32_t threads;
    bool threads_said; /* else they are what pays here, and small traces get none */
    etw_compare_arguments compare;
    etw_reduce_arguments reduce;
    etw_replay_options replay; /* filter, head, speed, raw time, manifests */
    etw_output_options rendering;
    etw_writer_options writer;
    const char **redacted; /* names of properties */
    uint32_t redacted_count;
    bool drop_strings;
    etw_stats_arguments stats;
    bool keep_unexplained; /* of a redaction */
    bool allow_missing;    /* a redaction may name properties that no event has */
    /* What the lists of the filter point to. */
    etw_guid *providers;
    const char **provider_names;
    etw_short_forms shorts;
    const char **where; /* the texts of --where */
    uint32_t where_count;
    uint16_t *ids;
    uint32_t *process_ids;
    const char **columns;
    etw_arena texts; /* of columns */
    const char **manifests;
    const char **symbols; /* folders of symbol files */
    uint32_t symbol_count;
    bool no_default_schemas;
};

/* ETW_END: *output has a text to print and nothing else is to be done. ETW_ERROR_INVALID_ARGUMENT:
 * wrong usage, the message says what is wrong. argv must outlive the arguments; the text is the
 * caller's to free. */
etw_status etw_replay_arguments_parse(int argc, char **argv, etw_replay_arguments *arguments,
                                      etw_text *output, etw_error *error);
void etw_replay_arguments_free(etw_replay_arguments *arguments);

/* The list, with room for one more element at its end; NULL where memory ran out. Lists grow by
 * doubling from 8, so count says what room there is. */
void *etw_arguments_grown(void *list, uint32_t count, size_t element_size, etw_error *error);
etw_status etw_arguments_add_string(const char ***list, uint32_t *count, const char *value,
                                    etw_error *error);

/* "+1.5s" after start, or what etw_time_parse reads. Units: us, ms, s (also where none stands), m,
 * h. */
bool etw_replay_time_parse(const char *text, int64_t start_100ns, int64_t *time_100ns);
/* A time from 0 on: "2s", "1.5ms"; units as above. */
bool etw_replay_duration_parse(const char *text, int64_t *time_100ns);
/* TIME+-T, with "±" as well for the sign; T is 1s where none is given. Both ends are included. */
bool etw_replay_around_parse(const char *text, int64_t start_100ns, int64_t *from_100ns,
                             int64_t *to_100ns);
static inline bool etw_replay_time_is_relative(const char *text)
{
    return text != NULL && text[0] == '+';
}

#endif
