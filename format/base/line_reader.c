#include "format/base/line_reader.h"

#define CHUNK ((size_t)64 << 10)

etw_status etw_line_reader_open(etw_line_reader *reader, const etw_os *os, const char *path,
                                etw_error *error)
{
    const bool is_stdin = strcmp(path, "-") == 0;
    *reader = (etw_line_reader){.os = os, .path = is_stdin ? "stdin" : path};
    reader->file = is_stdin ? ETW_FILE_STDIN : os->open(os->context, path, ETW_OPEN_READ);
    return reader->file >= 0 ? ETW_OK : etw_error_set_os(error, -reader->file, "%s", path);
}

etw_status etw_line_reader_over(etw_line_reader *reader, etw_bytes text, const char *name,
                                etw_error *error)
{
    *reader = (etw_line_reader){.path = name, .file = -1, .is_at_end = true};
    etw_text_append(&reader->text, (const char *)text.data, text.size);
    return reader->text.failed ? etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a text")
                               : ETW_OK;
}

/* Reads on; what was given goes. */
static etw_status fill(etw_line_reader *reader, etw_error *error)
{
    etw_text *text = &reader->text;
    size_t got = 0;
    if (reader->at > 0) {
        memmove(text->data, text->data + reader->at, text->size - reader->at);
        text->size -= reader->at;
        reader->at = 0;
    }
    char *to = etw_text_reserve(text, CHUNK);
    if (to == NULL) {
        return etw_error_set(error, ETW_ERROR_LIMIT, "%s: line %llu: longer than %zu bytes",
                             reader->path, (unsigned long long)reader->number + 1,
                             ETW_TEXT_MAX_SIZE);
    }
    const etw_status status = etw_os_read_full(reader->os, reader->file, to, CHUNK, &got, error);
    if (etw_failed(status)) {
        return etw_error_wrap(error, status, "%s", reader->path);
    }
    text->size += got;
    reader->is_at_end = got < CHUNK;
    return ETW_OK;
}

static void pass_mark(etw_line_reader *reader)
{
    const char *data = reader->text.data + reader->at;
    if (reader->number == 0 && reader->text.size - reader->at >= 3 &&
        memcmp(data, "\xEF\xBB\xBF", 3) == 0) {
        reader->at += 3;
    }
}

static void give(etw_line_reader *reader, size_t length, char **line, size_t *size)
{
    pass_mark(reader);
    const size_t end = reader->at > length ? reader->at : length;
    *line = reader->text.data + reader->at;
    *size = end - reader->at;
    if (*size > 0 && (*line)[*size - 1] == '\r') {
        (*size)--;
    }
    reader->number++;
    reader->at = end < reader->text.size ? end + 1 : end;
}

etw_status etw_line_reader_next(etw_line_reader *reader, char **line, size_t *size,
                                etw_error *error)
{
    size_t searched = 0; /* of what was not given yet */
    for (;;) {
        const etw_text *text = &reader->text;
        const size_t left = text->size - reader->at;
        const char *end = left > searched
                              ? memchr(text->data + reader->at + searched, '\n', left - searched)
                              : NULL;
        if (end != NULL || (reader->is_at_end && left > 0)) {
            give(reader, end != NULL ? (size_t)(end - text->data) : text->size, line, size);
            return ETW_OK;
        }
        if (reader->is_at_end) {
            return ETW_END;
        }
        searched = left;
        const etw_status status = fill(reader, error);
        if (etw_failed(status)) {
            return status;
        }
    }
}

void etw_line_reader_close(etw_line_reader *reader)
{
    if (reader->os != NULL && reader->file > ETW_FILE_STDIN) {
        (void)reader->os->close(reader->os->context, reader->file);
    }
    etw_text_free(&reader->text);
}
