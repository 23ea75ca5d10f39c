/* etw-record: from .etl files and, on Windows, live sessions to .etwcap files. */
#include "recorder/command/arguments.h"
#include "recorder/command/jobs.h"
#include "recorder/command/list_provider.h"
#include "recorder/command/record_catalog.h"
#include "recorder/command/report.h"
#include "recorder/command/service.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#ifdef __GLIBC__
#include <malloc.h>
#endif

/* Any user of the host names sessions, and whoever installs a provider names that. */
static void append_safe(etw_text *text, const char *name)
{
    etw_text_append_utf8(text, (const uint8_t *)name, strlen(name), ETW_ESCAPE_LINE);
}

static void print_session(void *context, const char *name, uint32_t log_file_mode,
                          const etw_session_losses *losses)
{
    (void)context;
    etw_text safe = {0};
    append_safe(&safe, name);
    printf("%s\tmode 0x%08" PRIX32 "\tevents lost %" PRIu64 "\tbuffers lost %" PRIu64 "\n",
           etw_text_z(&safe), log_file_mode, losses->events_lost,
           losses->log_buffers_lost + losses->realtime_buffers_lost);
    etw_text_free(&safe);
}

static void print_provider(void *context, const etw_guid *id, const char *name)
{
    (void)context;
    etw_text text = {0};
    etw_text_append_guid(&text, id);
    etw_text_append_char(&text, '\t');
    append_safe(&text, name);
    printf("%s\n", etw_text_z(&text));
    etw_text_free(&text);
}

static void print_counter(void *context, const etw_counter *counter)
{
    (void)context;
    etw_text text = {0};
    append_safe(&text, counter->name);
    etw_text_printf(&text, "\t%" PRIu32 "\t%" PRIu32 " to %" PRIu32, counter->interval,
                    counter->least, counter->most);
    printf("%s\n", etw_text_z(&text));
    etw_text_free(&text);
}

static etw_status reclaim(etw_error *error)
{
    uint32_t stopped = 0;
    const etw_status status = etw_session_reclaim(&stopped, error);
    fprintf(stderr, "etw-record: stopped %" PRIu32 " sessions left behind\n", stopped);
    return status;
}

static int capture(const etw_record_arguments *arguments, etw_stop_signal *signal)
{
    return etw_record_is_live(arguments) ? etw_record_live(arguments, signal)
                                         : etw_record_files(arguments, signal);
}

static int act(const etw_record_arguments *arguments, etw_stop_signal *signal)
{
    etw_error error = {0};
    etw_status status = ETW_OK;
    switch (arguments->action) {
    case ETW_RECORD_LIST_SESSIONS:
        status = etw_session_list(print_session, NULL, &error);
        break;
    case ETW_RECORD_LIST_PROVIDERS:
        status = etw_provider_list(arguments->action_name, print_provider, NULL, &error);
        break;
    case ETW_RECORD_LIST_PROVIDER:
        status = etw_list_provider(arguments->action_name, &error);
        break;
    case ETW_RECORD_LIST_COUNTERS:
        status = etw_counter_list(print_counter, NULL, &error);
        break;
    case ETW_RECORD_KILL:
        status = etw_session_kill(arguments->action_name, &error);
        break;
    case ETW_RECORD_RECLAIM:
        status = reclaim(&error);
        break;
    case ETW_RECORD_BOOT:
        return etw_record_boot(arguments, signal);
    case ETW_RECORD_CATALOG:
        return etw_record_catalog(arguments);
    case ETW_RECORD_CAPTURE:
        /* A service is told by its manager. The console's events are not for it: each logoff of
         * any user is one of them. */
        if (etw_record_is_live(arguments) && !arguments->service) {
            etw_stop_signal_install(signal);
        }
        return capture(arguments, signal);
    }
    if (status != ETW_OK) {
        etw_report_error(&error);
        return ETW_EXIT_FAILED;
    }
    return ETW_EXIT_WELL;
}

/* Large blocks go back to the system when they are freed. By default glibc keeps ever larger ones,
 * and a recording of many segments grows by what lies between them. */
static void keep_memory_flat(void)
{
#ifdef __GLIBC__
    (void)mallopt(M_MMAP_THRESHOLD, 128 << 10);
#endif
}

/* What the process is asked to do, in one place for the service manager's thread. */
typedef struct program {
    int argc;
    char **argv; /* UTF-8 */
    etw_stop_signal signal;
} program;

/* The log that the words themselves name: what is wrong with the others goes there, too. */
static const char *log_among(const program *self)
{
    const char *log = NULL;
    for (int i = 1; i < self->argc; i++) {
        if (strncmp(self->argv[i], "--log=", 6) == 0) {
            log = self->argv[i] + 6;
        } else if (strcmp(self->argv[i], "--log") == 0 && i + 1 < self->argc) {
            log = self->argv[i + 1];
        }
    }
    return log;
}

static bool log_to(const char *path)
{
    etw_error error = {0};
    if (path != NULL && etw_report_log_to(path, &error) != ETW_OK) {
        etw_report_error(&error);
        return false;
    }
    return true;
}

static int run_program(void *context)
{
    program *self = context;
    etw_record_arguments arguments;
    etw_error error = {0};
    etw_text output = {0};
    const char *log = log_among(self);
    if (!log_to(log)) {
        return ETW_EXIT_FAILED;
    }
    switch (etw_record_arguments_parse(self->argc, self->argv, &arguments, &output, &error)) {
    case ETW_OK:
        break;
    case ETW_END:
        return etw_console_print(&etw_record_console, &output) ? ETW_EXIT_WELL : ETW_EXIT_FAILED;
    case ETW_ERROR_NO_MEMORY:
        etw_report_error(&error);
        return ETW_EXIT_FAILED;
    default:
        etw_report_error(&error);
        fputs("Try 'etw-record --help'.\n", stderr);
        return ETW_EXIT_USAGE;
    }
    /* A profile may name it as well. */
    if (log == NULL && !log_to(arguments.log)) {
        etw_record_arguments_free(&arguments);
        return ETW_EXIT_FAILED;
    }
    etw_report_misnamed(&arguments);
    arguments.show_progress = !arguments.quiet && arguments.print == NULL && !arguments.service &&
                              arguments.log == NULL && etw_console_is_terminal();
    const int exit_status = act(&arguments, &self->signal);
    atomic_store(&self->signal.done, true);
    etw_record_arguments_free(&arguments);
    return exit_status;
}

static int run_as_service(program *self)
{
    int exit_status = ETW_EXIT_FAILED;
    etw_error error = {0};
    if (etw_service_run(run_program, self, &self->signal, &exit_status, &error) != ETW_OK) {
        etw_report_error(&error);
    }
    return exit_status;
}

int main(int argc, char **argv)
{
    keep_memory_flat();
    static program self; /* whose signal a handler looks at until the process ends */
    etw_stop_signal_prepare();
    etw_os_use_binary_stdio();
    etw_os_use_utf8_console();
    self.argv = etw_os_utf8_arguments(&argc, argv);
    self.argc = argc;
    if (self.argv == NULL) {
        fputs("etw-record: out of memory\n", stderr);
        return ETW_EXIT_FAILED;
    }
    return etw_service_is_asked(self.argc, self.argv) ? run_as_service(&self) : run_program(&self);
}
