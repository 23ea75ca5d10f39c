/* How the tools speak: messages and a status line on stderr, texts on stdout, exit statuses. */
#ifndef ETW_FORMAT_BASE_CONSOLE_H
#define ETW_FORMAT_BASE_CONSOLE_H

#include "format/base/os.h"
#include "format/base/text.h"

#include <stdarg.h>

typedef enum etw_exit {
    ETW_EXIT_WELL = 0,
    ETW_EXIT_FAILED = 1,
    ETW_EXIT_USAGE = 2,
    ETW_EXIT_MISSING = 3 /* finished, but something is missing: lost, damaged, cut off */
} etw_exit;

typedef enum etw_message_level {
    ETW_MESSAGE_ERROR,
    ETW_MESSAGE_WARNING, /* finished, but not all is well: printed with --quiet, too */
    ETW_MESSAGE_NOTE     /* not with --quiet */
} etw_message_level;

typedef struct etw_console {
    const char *tool; /* in front of each message: "etw-replay" */
    bool is_quiet;
} etw_console;

/* One line on stderr: the tool, ": ", the text. Names from a trace and paths of the user end up in
 * messages, so control characters are escaped: none reaches the terminal. */
void etw_console_say(const etw_console *console, etw_message_level level, const char *format, ...)
    ETW_PRINTF(3, 4);
void etw_console_say_list(const etw_console *console, etw_message_level level, const char *format,
                          va_list list);

/* Writes all of the text to stdout and frees it; false, with a message, where that failed. Data
 * goes through etw_os instead. */
bool etw_console_print(const etw_console *console, etw_text *text);

bool etw_console_is_terminal(void); /* stderr */

/* One line on a terminal's stderr that is written over again: what is being done and how far it is.
 * It appears after half a second, is renewed four times a second at most, and is plain text, spaces
 * and carriage returns, which any console understands. */
#define ETW_STATUS_LINE_COLUMNS 78u

typedef struct etw_status_line {
    const etw_os *os;
    bool is_on;
    size_t shown_columns; /* 0: nothing is shown */
    int64_t begun_ns;
    int64_t last_ns; /* 0: never shown */
} etw_status_line;

/* is_on false: the other calls do nothing. */
void etw_status_line_begin(etw_status_line *line, const etw_os *os, bool is_on);
/* True, and the moment noted, where it is time to show something new. */
bool etw_status_line_is_due(etw_status_line *line);
/* Replaces what is shown; longer texts are cut to ETW_STATUS_LINE_COLUMNS. */
void etw_status_line_show(etw_status_line *line, const char *format, ...) ETW_PRINTF(2, 3);
/* If it is due: what, how far of total, how fast, and the time left at that rate. unit "B" is shown
 * in k, M and G of 1024. total 0: unknown. */
void etw_status_line_progress(etw_status_line *line, const char *what, uint64_t done,
                              uint64_t total, const char *unit);
void etw_status_line_clear(etw_status_line *line);

/* The text of etw_status_line_progress, from the elapsed time; for tests. */
void etw_progress_text(etw_text *text, const char *what, uint64_t done, uint64_t total,
                       const char *unit, int64_t elapsed_ns);

#endif
