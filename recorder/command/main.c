/* etw-record: from .etl files and, on Windows, live sessions to .etwcap files. */
#include "recorder/command/arguments.h"
#include "recorder/command/jobs.h"
#include "recorder/command/report.h"
#include "recorder/command/service.h"
#include "recorder/session/provider_fields.h"

#include <inttypes.h>
#include <stdio.h>

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

typedef struct field_list {
    const char *kind;
} field_list;

static void print_field(void *context, uint64_t value, const char *name, const char *description)
{
    const field_list *list = context;
    etw_text text = {0};
    etw_text_printf(&text, "%s\t0x%" PRIX64 "\t", list->kind, value);
    append_safe(&text, name);
    etw_text_append_char(&text, '\t');
    append_safe(&text, description);
    printf("%s\n", etw_text_z(&text));
    etw_text_free(&text);
}

static etw_status list_provider(const char *name, etw_error *error)
{
    static const struct {
        etw_provider_field field;
        const char *kind;
    } fields[] = {{ETW_PROVIDER_KEYWORDS, "keyword"},
                  {ETW_PROVIDER_LEVELS, "level"},
                  {ETW_PROVIDER_CHANNELS, "channel"},
                  {ETW_PROVIDER_TASKS, "task"},
                  {ETW_PROVIDER_OPCODES, "opcode"}};
    etw_guid id;
    etw_status status = etw_provider_find(name, &id, error);
    for (size_t i = 0; status == ETW_OK && i < sizeof fields / sizeof fields[0]; i++) {
        field_list list = {fields[i].kind};
        status = etw_provider_fields(&id, fields[i].field, print_field, &list, error);
    }
    return status;
}

static etw_status reclaim(etw_error *error)
{
    uint32_t stopped = 0;
    const etw_status status = etw_session_reclaim(&stopped, error);
    fprintf(stderr, "etw-record: stopped %" PRIu32 " sessions left behind\n", stopped);
    return status;
}

/* What a capture needs, in one place for the service manager's thread. */
typedef struct capture_job {
    const etw_record_arguments *arguments;
    etw_stop_signal *signal;
} capture_job;

static int capture(void *context)
{
    const capture_job *job = context;
    return etw_record_is_live(job->arguments) ? etw_record_live(job->arguments, job->signal)
                                              : etw_record_files(job->arguments, job->signal);
}

static int capture_as_service(capture_job *job)
{
    int exit_status = ETW_EXIT_FAILED;
    etw_error error = {0};
    if (etw_service_run(capture, job, job->signal, &exit_status, &error) != ETW_OK) {
        etw_report_error(&error);
    }
    return exit_status;
}

static int act(const etw_record_arguments *arguments, etw_stop_signal *signal)
{
    capture_job job = {arguments, signal};
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
        status = list_provider(arguments->action_name, &error);
        break;
    case ETW_RECORD_KILL:
        status = etw_session_kill(arguments->action_name, &error);
        break;
    case ETW_RECORD_RECLAIM:
        status = reclaim(&error);
        break;
    case ETW_RECORD_CAPTURE:
        /* A service is told by its manager. The console's events are not for it: each logoff of
         * any user is one of them. */
        if (etw_record_is_live(arguments) && !arguments->service) {
            etw_stop_signal_install(signal);
        }
        return arguments->service ? capture_as_service(&job) : capture(&job);
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
    (void)mallopt(M_MMAP_THRESHOLD, 256 << 10);
#endif
}

int main(int argc, char **argv)
{
    keep_memory_flat();
    static etw_stop_signal signal;
    etw_stop_signal_prepare();
    etw_os_use_binary_stdio();
    char **utf8 = etw_os_utf8_arguments(&argc, argv);
    if (utf8 == NULL) {
        fputs("etw-record: out of memory\n", stderr);
        return ETW_EXIT_FAILED;
    }
    etw_record_arguments arguments;
    etw_error error = {0};
    etw_text output = {0};
    switch (etw_record_arguments_parse(argc, utf8, &arguments, &output, &error)) {
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
    arguments.show_progress =
        !arguments.quiet && arguments.print == NULL && etw_console_is_terminal();
    const int exit_status = act(&arguments, &signal);
    atomic_store(&signal.done, true);
    etw_record_arguments_free(&arguments);
    return exit_status;
}
