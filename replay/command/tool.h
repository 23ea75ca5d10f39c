/* What the verbs of etw-replay share: talk on stderr, data to a file or stdout, opening a trace by
 * the command line, and the exit status that tells whether something is missing. */
#ifndef ETW_REPLAY_TOOL_H
#define ETW_REPLAY_TOOL_H

#include "format/base/part_file.h"
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

/* What a look at the events alone does not tell, said on stderr once they have been read: schemas
 * in the trace that could not be read, and a filter that no event matches, with the nearest names
 * of providers that the trace has. others_match: events of other traces, so that the filter is not
 * in doubt. */
void etw_tool_say_doubts(const etw_replay_arguments *arguments, const etw_replay *replay,
                         bool others_match);

/* A message for the user; fits the note of etw_replay_options and etw_pipeline_options. */
void etw_tool_note(void *context, const char *message);

/* Which delivered events have no schema, and what would give them one; nothing with --quiet. */
void etw_tool_say_unexplained(const etw_replay_arguments *arguments, const etw_replay *replay);

/* The part of it about names in --where that no schema has. */
void etw_tool_say_unseen_names(const etw_replay *replay);

/* A status line, see console.h; nothing with --quiet. */
typedef struct etw_progress {
    etw_status_line line;
    const char *what;
    const char *unit;         /* of done and total */
    etw_input *const *inputs; /* that are watched */
    uint32_t input_count;
    uint64_t bytes_before; /* of all inputs, when watching began */
    uint64_t size;         /* 0: not known */
} etw_progress;

void etw_progress_begin(etw_progress *progress, const etw_replay_arguments *arguments,
                        const char *what, const char *unit);
/* context is the etw_progress; fits etw_replay_options.progress. */
void etw_progress_show(void *context, uint64_t done, uint64_t total);
/* Shows with each read how much of the inputs was read since. The list and the inputs must live
 * until the progress ends. */
void etw_progress_watch(etw_progress *progress, etw_input *const *inputs, uint32_t count);
void etw_progress_end(etw_progress *progress);

/* Where the data goes. A reader that went away (| head) is no failure: is_closed is set, and
 * whoever writes on stops.
 *
 * A file is written under its name with ETW_PART_SUFFIX behind it, and gets its own name when all
 * of it is there. Pipes and devices are written as they are. */
#define ETW_STREAM_CHUNK ((size_t)256 << 10)

typedef struct etw_stream {
    const etw_os *os;
    const char *path;
    etw_part_file part; /* until it is closed; none where it is written as it is */
    int file;
    bool replace;
    bool is_closed;
    bool has_written;
    etw_text text; /* waits to be written */
} etw_stream;

/* path NULL or "-": stdout. */
etw_status etw_stream_open(etw_stream *stream, const etw_os *os, const char *path, bool replace,
                           etw_error *error);
/* Writes what waits in text. */
etw_status etw_stream_flush(etw_stream *stream, etw_error *error);
/* As etw_stream_flush, but only if it is at least a chunk. */
etw_status etw_stream_flush_chunks(etw_stream *stream, etw_error *error);
/* Writes bytes past text, which must have been flushed. */
etw_status etw_stream_write(etw_stream *stream, const char *bytes, size_t size, etw_error *error);
/* Writes all and closes; also after a failure, then *error and the status stay those of status, and
 * what was written stays under the name of the part, which is said. */
etw_status etw_stream_close(etw_stream *stream, etw_status status, etw_error *error);

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

/* Where the output exists and may not be replaced, the error says what to do. Gives status. */
/* Whether an output is written into a part of its own until it is whole: a file, or a name that is
 * free; not a pipe or a device. ETW_ERROR_EXISTS: a file is there and replace does not say that it
 * may be. */
etw_status etw_tool_wants_part(const etw_os *os, const char *path, bool replace, bool *wants_part,
                               etw_error *error);
etw_status etw_tool_explain_exists(const char *output, etw_status status, etw_error *error);

/* Shows the name of an input in messages. */
static inline const char *etw_tool_name(const char *input)
{
    return strcmp(input, "-") == 0 ? "stdin" : input;
}

#endif
