/* --boot: sessions that Windows starts itself, set up, taken out, and made into a recording. */
#include "recorder/boot/boot_registry.h"
#include "recorder/command/jobs.h"
#include "recorder/command/report.h"
#include "recorder/command/session_request.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_BOOT_FILES 2u

/* ---- Install ---- */

static etw_status print_value(void *context, const etw_boot_value *value, etw_error *error)
{
    (void)error;
    etw_text text = {0};
    etw_boot_append_value(value, &text);
    fprintf(context, "%s\n", etw_text_z(&text));
    etw_text_free(&text);
    return ETW_OK;
}

/* All values are told before the first is written. */
static etw_status install(const etw_record_arguments *arguments, const etw_boot_request *request,
                          etw_error *error)
{
    FILE *to = arguments->dry_run ? stdout : stderr;
    etw_status status = ETW_OK;
    if (arguments->dry_run || !arguments->quiet) {
        status = etw_boot_plan(request, print_value, to, error);
    }
    if (status == ETW_OK && !arguments->dry_run) {
        status = etw_boot_install(request, error);
        if (status == ETW_OK) {
            etw_report_note(NULL, "Windows records each of its starts from now on: --boot collect "
                                  "makes the recording, --boot remove ends it");
        }
    }
    return status;
}

static etw_status install_request(const etw_record_arguments *arguments, etw_error *error)
{
    etw_session_options session = arguments->session;
    etw_text folder = {0};
    etw_provider_options *providers = calloc(arguments->provider_count + 1u, sizeof *providers);
    if (providers == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for the providers");
    }
    session.providers = providers;
    session.provider_count = arguments->provider_count;
    session.kernel_flags |= arguments->system_flags;
    etw_boot_append_windows_folder(&folder);
    const etw_boot_request request = {
        .session = &session,
        .max_file_mb = (uint32_t)((arguments->limits.max_total_bytes + 0xFFFFF) >> 20),
        .windows_folder = etw_text_z(&folder)};
    etw_status status = etw_record_find_providers(arguments, providers, error);
    if (status == ETW_OK && folder.failed) {
        status = etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for Windows' folder");
    }
    if (status == ETW_OK) {
        status = install(arguments, &request, error);
    }
    etw_text_free(&folder);
    free(providers);
    return status;
}

/* ---- Remove ---- */

static etw_status print_key(void *context, const etw_boot_session *session, etw_error *error)
{
    (void)error;
    fprintf(context, "HKEY_LOCAL_MACHINE\\%s\n", session->key);
    return ETW_OK;
}

static etw_status take_out(const etw_record_arguments *arguments, etw_error *error)
{
    const char *name = arguments->session.name;
    etw_status status = ETW_OK;
    if (arguments->dry_run || !arguments->quiet) {
        status = etw_boot_find(name, print_key, arguments->dry_run ? stdout : stderr, error);
    }
    return status == ETW_OK && !arguments->dry_run ? etw_boot_remove(name, error) : status;
}

/* ---- Collect ---- */

typedef struct boot_files {
    char *paths[MAX_BOOT_FILES]; /* owned */
    uint32_t count;
    bool misses; /* a session did not start */
} boot_files;

/* The session is stopped, which writes the last of its file; one that has ended is none. */
static etw_status stop_and_take(void *context, const etw_boot_session *session, etw_error *error)
{
    boot_files *files = context;
    if (session->was_started && session->code != 0) {
        etw_text text = {0};
        etw_text_printf(&text, "Windows could not start session '%s': error %" PRIu32,
                        session->name, session->code);
        etw_report_note(NULL, etw_text_z(&text));
        etw_text_free(&text);
        files->misses = true;
        return ETW_OK;
    }
    etw_status status = etw_boot_stop(session, error);
    if (status != ETW_OK && status != ETW_ERROR_NOT_FOUND) {
        return status;
    }
    etw_error_clear(error);
    char *path = strdup(session->file);
    if (path == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for a path");
    }
    files->paths[files->count++] = path;
    return ETW_OK;
}

static int record_files(const etw_record_arguments *arguments, const boot_files *files,
                        etw_stop_signal *signal)
{
    const char *inputs[MAX_BOOT_FILES] = {files->paths[0], files->paths[1]};
    etw_record_arguments whole = *arguments;
    whole.inputs = inputs;
    whole.input_count = files->count;
    const int exit_status = etw_record_files(&whole, signal);
    return exit_status == ETW_EXIT_WELL && files->misses ? ETW_EXIT_MISSING : exit_status;
}

static int collect(const etw_record_arguments *arguments, etw_stop_signal *signal, etw_error *error)
{
    boot_files files = {.count = 0};
    int exit_status = ETW_EXIT_FAILED;
    etw_status status = etw_boot_find(arguments->session.name, stop_and_take, &files, error);
    if (status == ETW_OK && files.count == 0) {
        status = etw_error_set(error, ETW_ERROR_NOT_FOUND, "the boot left no file");
    }
    if (status == ETW_OK) {
        exit_status = record_files(arguments, &files, signal);
    } else {
        etw_report_error(error);
    }
    for (uint32_t i = 0; i < files.count; i++) {
        free(files.paths[i]);
    }
    return exit_status;
}

int etw_record_boot(const etw_record_arguments *arguments, etw_stop_signal *signal)
{
    etw_error error = {0};
    if (arguments->boot == ETW_BOOT_COLLECT) {
        return collect(arguments, signal, &error);
    }
    const etw_status status = arguments->boot == ETW_BOOT_INSTALL
                                  ? install_request(arguments, &error)
                                  : take_out(arguments, &error);
    if (status != ETW_OK) {
        etw_report_error(&error);
    }
    return status == ETW_OK ? ETW_EXIT_WELL : ETW_EXIT_FAILED;
}
