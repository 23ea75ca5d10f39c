#include "recorder/command/report.h"

#include "format/event/clock.h"
#include "format/output/output.h"
#include "format/schema/unexplained_report.h"
#include "recorder/command/service.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const etw_console etw_record_console = {.tool = "etw-record"};

static bool is_log; /* stderr, a file */

etw_status etw_report_log_to(const char *path, etw_error *error)
{
    const int result = etw_os_append_stderr_to(path);
    if (result < 0) {
        return etw_error_set_os(error, -result, "%s: cannot write to it", path);
    }
    is_log = true;
    return ETW_OK;
}

static void say(etw_message_level level, const char *format, ...) ETW_PRINTF(2, 3);

static void say(etw_message_level level, const char *format, ...)
{
    char message[2 * ETW_ERROR_MESSAGE_SIZE];
    va_list list;
    va_start(list, format);
    (void)vsnprintf(message, sizeof message, format, list);
    va_end(list);
    etw_trim_partial_utf8(message, sizeof message);
    etw_text time = {0};
    if (is_log) {
        const etw_os *os = etw_os_default();
        etw_text_append_time(&time, os->filetime_now(os->context));
        etw_text_append_char(&time, ' ');
    }
    etw_console_say(&etw_record_console, level, "%s%s", etw_text_z(&time), message);
    etw_service_tell(level, message);
    etw_text_free(&time);
}

void etw_report_error(const etw_error *error)
{
    say(ETW_MESSAGE_ERROR, "%s", error->message);
}

void etw_report_note(void *context, const char *message)
{
    (void)context;
    say(ETW_MESSAGE_WARNING, "%s", message);
}

void etw_report_misnamed(const etw_record_arguments *arguments)
{
    const char *output = arguments->output;
    if (output != NULL && !arguments->quiet && etw_output_for_file(output) != NULL) {
        say(ETW_MESSAGE_WARNING,
            "%s: this will be an .etwcap file, whatever its name says; 'etw-replay export' writes "
            "other formats",
            output);
    }
}

etw_status etw_record_advise(etw_record_step step, etw_status status, etw_error *error)
{
    static const struct {
        etw_record_step step;
        etw_status status;
        const char *advice;
    } rows[] = {
        {ETW_STEP_OPEN_OUTPUT, ETW_ERROR_EXISTS, "; --force replaces it"},
        {ETW_STEP_OPEN_OUTPUT, ETW_ERROR_INVALID_ARGUMENT, "; name a file with -o"},
        {ETW_STEP_START_SESSION, ETW_ERROR_EXISTS,
         "; stop it with --kill or --replace-session, or choose another --session name"},
        {ETW_STEP_START_SESSION, ETW_ERROR_LIMIT,
         "; --list-sessions shows them, --reclaim stops those that crashed recorders left behind"},
        {ETW_STEP_FIND_PROVIDER, ETW_ERROR_NOT_FOUND, "; --list-providers shows all"},
        {ETW_STEP_FIND_KEYWORD, ETW_ERROR_NOT_FOUND, "; --list-provider NAME shows its keywords"},
    };
    for (size_t i = 0; error != NULL && i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].step == step && rows[i].status == status) {
            const size_t size = strlen(error->message);
            (void)snprintf(error->message + size, sizeof error->message - size, "%s",
                           rows[i].advice);
        }
    }
    return status;
}

void etw_report_written(const char *path)
{
    say(ETW_MESSAGE_NOTE, "wrote %s", path);
}

static void append_summary(etw_text *text, const char *output, const etw_capture_totals *totals)
{
    etw_text_printf(text,
                    "%s: %" PRIu64 " events, %" PRIu64 " with a schema (%" PRIu32
                    " schemas), %" PRIu64 " bytes",
                    output, totals->written, totals->with_schema, totals->schemas,
                    totals->file_bytes);
    if (totals->left_out > 0) {
        etw_text_printf(text, ", %" PRIu64 " events left out by --where", totals->left_out);
    }
    if (totals->segments > 1) {
        etw_text_printf(text, ", %" PRIu32 " segments", totals->segments);
    }
    if (totals->removed_events > 0) {
        etw_text_printf(text, ", %" PRIu64 " events in segments that the ring removed",
                        totals->removed_events);
    }
    if (totals->end_reason != NULL) {
        etw_text_printf(text, "; ended: %s", totals->end_reason);
    }
}

static void print_summary(const char *output, const etw_capture_totals *totals)
{
    etw_text text = {0};
    append_summary(&text, output, totals);
    say(ETW_MESSAGE_NOTE, "%s", etw_text_z(&text));
    etw_text_free(&text);
}

static void print_losses(const etw_capture_totals *totals)
{
    if (totals->lost > 0) {
        say(ETW_MESSAGE_WARNING, "%" PRIu64 " events were lost before they were recorded",
            totals->lost);
    }
    if (totals->lost_unknown) {
        say(ETW_MESSAGE_WARNING, "an unknown number of events is missing; 'etw-replay info' lists "
                                 "each loss");
    }
    if (totals->dropped > 0) {
        say(ETW_MESSAGE_WARNING, "%" PRIu64 " events were received but not written",
            totals->dropped);
    }
}

int etw_report_totals(const etw_record_arguments *arguments, const etw_resolver *resolver,
                      const etw_capture_totals *totals)
{
    if (etw_resolver_error_count(resolver) > 0) {
        say(ETW_MESSAGE_WARNING, "%" PRIu64 " schemas could not be read; first: %s",
            etw_resolver_error_count(resolver), etw_resolver_first_error(resolver));
    }
    if (!arguments->quiet && arguments->output != NULL) {
        print_summary(arguments->output, totals);
    }
    print_losses(totals);
    const bool missing = totals->lost > 0 || totals->lost_unknown || totals->dropped > 0;
    return missing ? ETW_EXIT_MISSING : ETW_EXIT_WELL;
}

void etw_report_unexplained(const etw_record_arguments *arguments, etw_unexplained *unexplained,
                            const etw_schema_store *store)
{
    if (!arguments->quiet) {
        etw_unexplained_report(unexplained, store, "--schemas", etw_report_note, NULL);
    }
}
