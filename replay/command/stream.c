#include "replay/command/stream.h"

#include <errno.h>

#include "replay/command/tool.h"

etw_status etw_tool_explain_exists(const char *output, etw_status status, etw_error *error)
{
    return status == ETW_ERROR_EXISTS
               ? etw_error_set(error, status, "%s exists; --force replaces it", output)
               : status;
}

etw_status etw_tool_wants_part(const etw_os *os, const char *path, bool replace, bool *wants_part,
                               etw_error *error)
{
    const int kind = os->kind(os->context, path);
    *wants_part = kind != ETW_PATH_OTHER && kind != ETW_PATH_FOLDER;
    if (kind < 0) {
        return etw_error_set_os(error, -kind, "%s", path);
    }
    return kind == ETW_PATH_FILE && !replace
               ? etw_tool_explain_exists(path, ETW_ERROR_EXISTS, error)
               : ETW_OK;
}

etw_status etw_stream_open(etw_stream *stream, const etw_os *os, const char *path, bool replace,
                           etw_error *error)
{
    *stream = (etw_stream){.os = os, .path = "stdout", .file = ETW_FILE_STDOUT};
    if (path == NULL || strcmp(path, "-") == 0) {
        return ETW_OK;
    }
    stream->path = path;
    stream->replace = replace;
    stream->file = -1;
    bool wants_part;
    etw_status status = etw_tool_wants_part(os, path, replace, &wants_part, error);
    if (etw_failed(status)) {
        return status;
    }
    if (wants_part) {
        status = etw_part_create(os, path, &stream->part, &stream->file, error);
        if (etw_failed(status)) {
            etw_part_free(&stream->part);
        }
        return status;
    }
    stream->file = os->open(os->context, path, replace ? ETW_OPEN_REPLACE : ETW_OPEN_CREATE);
    return stream->file >= 0 ? ETW_OK
                             : etw_tool_explain_exists(
                                   path, etw_error_set_os(error, -stream->file, "%s", path), error);
}

etw_status etw_stream_write(etw_stream *stream, const char *bytes, size_t size, etw_error *error)
{
    etw_error cause = {0};
    if (stream->is_closed) {
        return ETW_OK;
    }
    size_t written = 0;
    const etw_status status =
        etw_os_write_full(stream->os, stream->file, bytes, size, &written, &cause);
    stream->has_written = stream->has_written || written > 0;
    if (etw_failed(status) && stream->file == ETW_FILE_STDOUT &&
        etw_os_is_reader_gone(cause.os_code)) {
        stream->is_closed = true;
        return ETW_OK;
    }
    if (etw_failed(status) && error != NULL) {
        *error = cause;
        return etw_error_wrap(error, status, "%s", stream->path);
    }
    return status;
}

etw_status etw_stream_flush(etw_stream *stream, etw_error *error)
{
    if (stream->text.failed) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "%s: no memory for the text",
                             stream->path);
    }
    if (stream->text.size == 0) {
        return ETW_OK;
    }
    const etw_status status = etw_stream_write(stream, stream->text.data, stream->text.size, error);
    etw_text_clear(&stream->text);
    return status;
}

etw_status etw_stream_flush_chunks(etw_stream *stream, etw_error *error)
{
    return stream->text.size < ETW_STREAM_CHUNK && !stream->text.failed
               ? ETW_OK
               : etw_stream_flush(stream, error);
}

/* A part is on the disk before it gets its name: a power failure must not leave half of it there.
 */
static etw_status sync_part(const etw_stream *stream, etw_error *error)
{
    if (stream->part.name.size == 0) {
        return ETW_OK;
    }
    const int synced = stream->os->sync(stream->os->context, stream->file);
    return synced < 0 && synced != -EINVAL
               ? etw_error_set_os(error, -synced, "%s: cannot sync", stream->path)
               : ETW_OK;
}

static etw_status close_file(etw_stream *stream, etw_status status, etw_error *error)
{
    etw_error ignored = {0};
    const bool is_first = !etw_failed(status);
    etw_status flushed = etw_stream_flush(stream, is_first ? error : &ignored);
    if (is_first && !etw_failed(flushed)) {
        flushed = sync_part(stream, error);
    }
    const int closed =
        stream->file == ETW_FILE_STDOUT ? 0 : stream->os->close(stream->os->context, stream->file);
    if (is_first) {
        status = flushed;
    }
    if (!etw_failed(status) && closed < 0 && !stream->is_closed) {
        status = etw_error_set_os(error, -closed, "%s", stream->path);
    }
    return status;
}

/* The part gets its name; after a failure it keeps its own, if there is anything in it. */
static etw_status settle_part(etw_stream *stream, etw_status status, etw_error *error)
{
    const etw_os *os = stream->os;
    if (!etw_failed(status)) {
        status = etw_part_settle(os, &stream->part, stream->path, stream->replace, error);
    }
    if (etw_failed(status) && stream->has_written) {
        etw_tool_say("partial output is in %s", etw_text_z(&stream->part.name));
    } else if (etw_failed(status)) {
        etw_part_remove(os, &stream->part);
    }
    return status;
}

etw_status etw_stream_close(etw_stream *stream, etw_status status, etw_error *error)
{
    if (stream->file >= 0) {
        status = close_file(stream, status, error);
        if (stream->part.name.size > 0) {
            status = settle_part(stream, status, error);
        }
    }
    etw_part_free(&stream->part);
    etw_text_free(&stream->text);
    return status;
}
