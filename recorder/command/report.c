#include "recorder/command/report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define LINE_INTERVAL_NS 250000000LL

/* A trace's names and the user's paths end up in messages: no control character of theirs reaches
 * the terminal. */
static void say(const char *before, const char *from_outside, const char *behind)
{
    etw_text safe = {0};
    etw_text_append_utf8(&safe, (const uint8_t *)from_outside, strlen(from_outside),
                         ETW_ESCAPE_LINE);
    fprintf(stderr, "%s%s%s", before, etw_text_z(&safe), behind);
    etw_text_free(&safe);
}

bool etw_status_line_is_due(etw_status_line *line)
{
    if (!line->enabled) {
        return false;
    }
    const int64_t now_ns = line->os->monotonic_ns(line->os->context);
    if (line->last_ns != 0 && now_ns - line->last_ns < LINE_INTERVAL_NS) {
        return false;
    }
    line->last_ns = now_ns;
    return true;
}

void etw_status_line_show(etw_status_line *line, const char *format, ...)
{
    char text[2 * ETW_ERROR_MESSAGE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    say("\r\033[K", text, "");
    (void)fflush(stderr);
    line->shown = true;
}

void etw_status_line_clear(etw_status_line *line)
{
    if (line->shown) {
        fputs("\r\033[K", stderr);
        line->shown = false;
    }
}

void etw_report_error(const etw_error *error)
{
    say("etw-record: ", error->message, "\n");
}

void etw_report_written(const char *path)
{
    say("etw-record: wrote ", path, "\n");
}

static void print_summary(const char *output, const etw_capture_totals *totals)
{
    say("", output, "");
    fprintf(stderr,
            ": %" PRIu64 " events, %" PRIu64 " with a schema (%" PRIu32 " schemas), %" PRIu64
            " bytes",
            totals->written, totals->with_schema, totals->schemas, totals->file_bytes);
    if (totals->segments > 1) {
        fprintf(stderr, ", %" PRIu32 " segments", totals->segments);
    }
    if (totals->removed_events > 0) {
        fprintf(stderr, ", %" PRIu64 " events in segments that the ring removed",
                totals->removed_events);
    }
    if (totals->end_reason != NULL) {
        fprintf(stderr, "; ended: %s", totals->end_reason);
    }
    fputc('\n', stderr);
}

static void print_losses(const etw_capture_totals *totals)
{
    if (totals->lost > 0) {
        fprintf(stderr, "etw-record: %" PRIu64 " events were lost before they were recorded\n",
                totals->lost);
    }
    if (totals->lost_unknown) {
        fprintf(stderr, "etw-record: something is missing whose number is unknown; "
                        "'etw-replay info' lists each loss\n");
    }
    if (totals->dropped > 0) {
        fprintf(stderr, "etw-record: %" PRIu64 " events were received but not written\n",
                totals->dropped);
    }
}

int etw_report_totals(const etw_record_arguments *arguments, const etw_resolver *resolver,
                      const etw_capture_totals *totals)
{
    if (etw_resolver_error_count(resolver) > 0) {
        fprintf(stderr, "etw-record: %" PRIu64 " schemas could not be read; first: ",
                etw_resolver_error_count(resolver));
        say("", etw_resolver_first_error(resolver), "\n");
    }
    if (!arguments->quiet) {
        print_summary(arguments->output, totals);
    }
    print_losses(totals);
    const bool missing = totals->lost > 0 || totals->lost_unknown || totals->dropped > 0;
    return missing ? ETW_EXIT_MISSING : ETW_EXIT_WELL;
}
