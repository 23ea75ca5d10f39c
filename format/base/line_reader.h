/* A file's lines, one after the other: "-" is stdin. A line's end may be \n or \r\n; the last line
 * needs none. A byte order mark is passed over. */
#ifndef ETW_FORMAT_BASE_LINE_READER_H
#define ETW_FORMAT_BASE_LINE_READER_H

#include "format/base/os.h"
#include "format/base/text.h"

/* Lines may be as long as a text may be: ETW_TEXT_MAX_SIZE. */
typedef struct etw_line_reader {
    const etw_os *os;
    const char *path;
    int file;
    etw_text text; /* what was read; from at on, not yet given */
    size_t at;
    uint64_t number; /* of the line given last, from 1 */
    bool is_at_end;
} etw_line_reader;

/* path is lent. */
etw_status etw_line_reader_open(etw_line_reader *reader, const etw_os *os, const char *path,
                                etw_error *error);
/* The lines of a copy of a text in memory; name stands for it in messages. */
etw_status etw_line_reader_over(etw_line_reader *reader, etw_bytes text, const char *name,
                                etw_error *error);
/* *line may be changed, and is valid until the next call. ETW_END. */
etw_status etw_line_reader_next(etw_line_reader *reader, char **line, size_t *size,
                                etw_error *error);
void etw_line_reader_close(etw_line_reader *reader);

#endif
