/* What the verbs of etw-replay share: talk on stderr, opening a trace by the command line, and the
 * exit status that tells whether something is missing. */
#ifndef ETW_REPLAY_TOOL_H
#define ETW_REPLAY_TOOL_H

#include "replay/command/arguments.h"
#include "replay/replay_input.h"

/* "etw-replay: ..." and a line feed on stderr. */
void etw_tool_say(const char *format, ...) ETW_PRINTF(1, 2);

/* Says the error and gives the exit status for it. */
etw_exit etw_tool_fail(const etw_error *error);

/* Prints the text to stdout and frees it. */
etw_exit etw_tool_print(etw_text *text);

/* Reports what is missing (not with --quiet), and gives the exit status. */
etw_exit etw_tool_conclude(const etw_replay_arguments *arguments, const etw_replay_totals *totals);

/* A message for the user; fits the note of etw_replay_options and etw_pipeline_options. */
void etw_tool_note(void *context, const char *message);

/* Opens input by the arguments: filter, times (relative ones need the trace's start), manifests.
 * options starts as arguments->replay and may have been changed by the verb. */
etw_status etw_tool_open(const etw_replay_arguments *arguments, const char *input,
                         etw_replay_options *options, etw_replay **replay, etw_error *error);
/* The same; takes over input, also where it fails. */
etw_status etw_tool_open_input(const etw_replay_arguments *arguments, etw_input *input,
                               etw_replay_options *options, etw_replay **replay, etw_error *error);

/* Whether a time of the arguments counts from the start or the end of the trace. */
bool etw_tool_has_relative_time(const etw_replay_arguments *arguments);

/* A time of an option, which may count from the trace's start. input can seek. */
etw_status etw_tool_time(const char *text, etw_input *input, int64_t *time_100ns, etw_error *error);

/* Opens what the arguments name, files in folders and archives too, one after the other, so that it
 * can be read more than once. A failure is said, and the next argument follows. */
etw_exit etw_tool_each_input(const etw_replay_arguments *arguments,
                             etw_status (*take)(void *context, etw_input *input, etw_error *error),
                             void *context);

/* How inputs are opened that are read once, as the arguments want them. */
etw_input_options etw_tool_input_options(const etw_replay_arguments *arguments);

/* All of them, opened at once, to be merged. */
typedef struct etw_tool_inputs {
    etw_input **inputs; /* owned, with what they point to; NULL where it was taken */
    uint32_t count;
} etw_tool_inputs;

etw_status etw_tool_collect_inputs(const etw_replay_arguments *arguments, etw_tool_inputs *list,
                                   etw_error *error);
void etw_tool_inputs_free(etw_tool_inputs *list);

/* Of two results the one that a script has to know. */
etw_exit etw_tool_worse(etw_exit result, etw_exit other);

/* Whether the output is one of the inputs by whatever name, which is said: what is read must not be
 * replaced by what is read from it. */
bool etw_tool_writes_over_input(const etw_replay_arguments *arguments);

/* Shows the name of an input in messages. */
static inline const char *etw_tool_name(const char *input)
{
    return strcmp(input, "-") == 0 ? "stdin" : input;
}

#endif
