/* Where a verb writes its data: to a file or to stdout. */
#ifndef ETW_REPLAY_STREAM_H
#define ETW_REPLAY_STREAM_H

#include "format/base/part_file.h"
#include "replay/command/arguments.h"

/* A reader that went away (| head) is no failure: is_closed is set, and whoever writes on stops.
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

/* Whether an output is written into a part of its own until it is whole: a file, or a name that is
 * free; not a pipe or a device. ETW_ERROR_EXISTS: a file is there and replace does not say that it
 * may be. */
etw_status etw_tool_wants_part(const etw_os *os, const char *path, bool replace, bool *wants_part,
                               etw_error *error);
/* Where the output exists and may not be replaced, the error says what to do. Gives status. */
etw_status etw_tool_explain_exists(const char *output, etw_status status, etw_error *error);

#endif
