/* The command line of etw-replay: one table of options, and which verb takes which. */
#ifndef ETW_REPLAY_ARGUMENTS_H
#define ETW_REPLAY_ARGUMENTS_H

#include "format/etwcap/writer.h"
#include "replay/output/output.h"
#include "replay/replay.h"

/* Exit statuses of the tool. */
typedef enum etw_exit {
    ETW_EXIT_WELL = 0,
    ETW_EXIT_FAILED = 1,
    ETW_EXIT_USAGE = 2,
    ETW_EXIT_MISSING = 3 /* finished, but something is missing: lost, damaged, cut off */
} etw_exit;

typedef struct etw_replay_arguments etw_replay_arguments;

typedef struct etw_verb {
    const char *name;
    etw_exit (*run)(const etw_replay_arguments *arguments);
    int minimum_inputs;
    int maximum_inputs;
    bool needs_output;
    const char *usage; /* what stands behind the verb */
    const char *help;  /* one line */
    uint32_t takes;    /* groups of options, see arguments.c */
} etw_verb;

#define ETW_MAX_THREADS 16u

struct etw_replay_arguments {
    const etw_verb *verb;
    const char **inputs;
    uint32_t input_count;
    const char *output; /* -o; NULL where not given */
    const char *format; /* --format; NULL where not given */
    const char *since;  /* as given: relative times need the trace */
    const char *until;
    bool json;
    bool processes; /* of info: list what ran on the recording host */
    bool quiet;
    uint32_t threads;
    uint32_t max_differences;
    etw_replay_options replay; /* filter, head, speed, raw time, manifests */
    etw_output_options rendering;
    etw_writer_options writer;
    const char **redacted; /* names of properties */
    uint32_t redacted_count;
    bool drop_strings;
    /* What the lists of the filter point to. */
    etw_guid *providers;
    const char **provider_names;
    uint16_t *ids;
    uint32_t *process_ids;
    const char **manifests;
};

/* ETW_END: --help or --version was asked for and printed. ETW_ERROR_INVALID_ARGUMENT: wrong usage,
 * the message says which option. argv must outlive the arguments. */
etw_status etw_replay_arguments_parse(int argc, char **argv, etw_replay_arguments *arguments,
                                      etw_error *error);
void etw_replay_arguments_free(etw_replay_arguments *arguments);

/* "+1.5s" after start, or what etw_time_parse reads. Units: us, ms, s (also where none stands), m,
 * h. */
bool etw_replay_time_parse(const char *text, int64_t start_100ns, int64_t *time_100ns);
static inline bool etw_replay_time_is_relative(const char *text)
{
    return text != NULL && text[0] == '+';
}

#endif
