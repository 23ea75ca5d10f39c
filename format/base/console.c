#include "format/base/console.h"

#include <stdio.h>
#include <unistd.h>

#define FIRST_AFTER_NS    500000000LL
#define LINE_INTERVAL_NS  250000000LL
#define STDERR_DESCRIPTOR 2
#define LINE_SIZE         (2u * ETW_ERROR_MESSAGE_SIZE)
#define BEFORE_SIZE       64u

/* Characters of a line that each byte of it may become: \xXX. */
#define MAX_ESCAPED 4u

/* In one piece: a stream without a buffer would write byte after byte, and a console that is given
 * half a character shows something else. */
static void print_whole(const etw_text *text)
{
    (void)fwrite(text->data, 1, text->size, stderr);
    (void)fflush(stderr);
}

/* Takes no memory: there may be none, and that is what is to be said. */
static void print_safe(const char *before, const char *format, va_list list)
{
    char line[LINE_SIZE];
    char escaped[BEFORE_SIZE + MAX_ESCAPED * LINE_SIZE + 1];
    etw_text safe = {escaped, 0, sizeof escaped, false};
    (void)vsnprintf(line, sizeof line, format, list);
    etw_trim_partial_utf8(line, sizeof line);
    etw_text_append_z(&safe, before);
    etw_text_append_utf8(&safe, (const uint8_t *)line, strlen(line), ETW_ESCAPE_LINE);
    etw_text_append_char(&safe, '\n');
    print_whole(&safe);
}

void etw_console_say_list(const etw_console *console, etw_message_level level, const char *format,
                          va_list list)
{
    char before[BEFORE_SIZE];
    if (level == ETW_MESSAGE_NOTE && console->is_quiet) {
        return;
    }
    (void)snprintf(before, sizeof before, "%s: ", console->tool);
    print_safe(before, format, list);
}

void etw_console_say(const etw_console *console, etw_message_level level, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    etw_console_say_list(console, level, format, list);
    va_end(list);
}

bool etw_console_print(const etw_console *console, etw_text *text)
{
    const etw_os *os = etw_os_default();
    etw_error error = {0};
    size_t written = 0;
    etw_status status =
        text->failed
            ? etw_error_set(&error, ETW_ERROR_NO_MEMORY, "out of memory for a text")
            : etw_os_write_full(os, ETW_FILE_STDOUT, text->data, text->size, &written, &error);
    if (status != ETW_OK) {
        etw_console_say(console, ETW_MESSAGE_ERROR, "stdout: %s", error.message);
    }
    etw_text_free(text);
    return status == ETW_OK;
}

bool etw_console_is_terminal(void)
{
    return isatty(STDERR_DESCRIPTOR) != 0;
}

/* The status line. */

void etw_status_line_begin(etw_status_line *line, const etw_os *os, bool is_on)
{
    *line = (etw_status_line){.os = os, .is_on = is_on};
    line->begun_ns = is_on ? os->monotonic_ns(os->context) : 0;
}

bool etw_status_line_is_due(etw_status_line *line)
{
    if (!line->is_on) {
        return false;
    }
    const int64_t now_ns = line->os->monotonic_ns(line->os->context);
    if (now_ns - line->begun_ns < FIRST_AFTER_NS ||
        (line->last_ns != 0 && now_ns - line->last_ns < LINE_INTERVAL_NS)) {
        return false;
    }
    line->last_ns = now_ns;
    return true;
}

/* Bytes of text that fill at most ETW_STATUS_LINE_COLUMNS, taking each character for one column. */
static size_t fitting_size(const etw_text *text, size_t *columns)
{
    size_t size = 0;
    *columns = 0;
    while (size < text->size && *columns < ETW_STATUS_LINE_COLUMNS) {
        uint32_t ignored;
        const size_t step =
            etw_utf8_decode((const uint8_t *)text->data + size, text->size - size, &ignored);
        size += step == 0 ? 1 : step;
        (*columns)++;
    }
    return size;
}

static void replace_line(etw_status_line *line, const char *shown)
{
    etw_text safe = {0};
    etw_text_append_utf8(&safe, (const uint8_t *)shown, strlen(shown), ETW_ESCAPE_LINE);
    size_t columns;
    const size_t size = fitting_size(&safe, &columns);
    const size_t spaces = line->shown_columns > columns ? line->shown_columns - columns : 0;
    etw_text whole = {0};
    etw_text_printf(&whole, "\r%.*s%*s", (int)size, etw_text_z(&safe), (int)spaces, "");
    print_whole(&whole);
    line->shown_columns = columns;
    etw_text_free(&whole);
    etw_text_free(&safe);
}

void etw_status_line_show(etw_status_line *line, const char *format, ...)
{
    char text[2 * ETW_ERROR_MESSAGE_SIZE];
    va_list list;
    va_start(list, format);
    (void)vsnprintf(text, sizeof text, format, list);
    va_end(list);
    replace_line(line, text);
}

void etw_status_line_clear(etw_status_line *line)
{
    if (line->shown_columns > 0) {
        etw_text whole = {0};
        etw_text_printf(&whole, "\r%*s\r", (int)line->shown_columns, "");
        print_whole(&whole);
        etw_text_free(&whole);
        line->shown_columns = 0;
    }
}

static void append_amount(etw_text *text, double amount, const char *unit)
{
    static const char prefixes[] = " kMGT";
    size_t prefix = 0;
    while (strcmp(unit, "B") == 0 && amount >= 1024 && prefixes[prefix + 1] != '\0') {
        amount /= 1024;
        prefix++;
    }
    if (prefix == 0) {
        etw_text_printf(text, "%.0f %s", amount, unit);
    } else {
        etw_text_printf(text, "%.1f %c%s", amount, prefixes[prefix], unit);
    }
}

void etw_progress_text(etw_text *text, const char *what, uint64_t done, uint64_t total,
                       const char *unit, int64_t elapsed_ns)
{
    const double seconds = (double)elapsed_ns / 1e9;
    const double rate = seconds > 0 ? (double)done / seconds : 0;
    etw_text_append_z(text, what);
    if (total > 0 && done <= total) {
        etw_text_printf(text, " %3.0f %% of ", 100.0 * (double)done / (double)total);
        append_amount(text, (double)total, unit);
    } else {
        etw_text_append_char(text, ' ');
        append_amount(text, (double)done, unit);
    }
    etw_text_append_z(text, ", ");
    append_amount(text, rate, unit);
    etw_text_append_z(text, "/s");
    if (total > done && rate > 0) {
        const double left = (double)(total - done) / rate;
        const unsigned long whole = left > 359999 ? 359999 : (unsigned long)(left + 0.5);
        etw_text_printf(text, ", %lu:%02lu left", whole / 60, whole % 60);
    }
}

void etw_status_line_progress(etw_status_line *line, const char *what, uint64_t done,
                              uint64_t total, const char *unit)
{
    if (!etw_status_line_is_due(line)) {
        return;
    }
    etw_text text = {0};
    etw_progress_text(&text, what, done, total, unit, line->last_ns - line->begun_ns);
    replace_line(line, etw_text_z(&text));
    etw_text_free(&text);
}
