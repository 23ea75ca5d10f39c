#include "replay/etwbox/record_windows.h"

#include "recorder/command/jobs.h"
#include "recorder/command/report.h"
#include "replay/etwbox/words_windows.h"

#include <stdio.h>
#include <stdlib.h>

#include <evntprov.h>

/* etw-record's name for all providers at once: etwapi_every_provider. */
#define EVERY_PROVIDER "{ffffffff-ffff-ffff-ffff-ffffffffffff}:255"

#define WAIT_MS 5u

struct etwbox_recording {
    etwbox_words words;
    etw_record_arguments arguments;
    etw_stop_signal signal;
    HANDLE thread;
    int status;
};

static BOOL CALLBACK stop_at_first(HMODULE module, LPCWSTR type, LPWSTR name, LONG_PTR found)
{
    (void)module, (void)type, (void)name;
    *(bool *)found = true;
    return FALSE;
}

/* Whether the program brings the manifest of its providers in its resources. */
static bool has_manifest(const wchar_t *program)
{
    bool found = false;
    const HMODULE file = LoadLibraryExW(program, NULL, LOAD_LIBRARY_AS_DATAFILE);
    if (file != NULL) {
        (void)EnumResourceNamesW(file, L"WEVT_TEMPLATE", stop_at_first, (LONG_PTR)&found);
        (void)FreeLibrary(file);
    }
    return found;
}

/* The command line of an etw-record that does this. */
static void make_words(etwbox_words *words, const etwbox_options *options)
{
    wchar_t name[64], program[MAX_PATH];
    (void)swprintf(name, 64, L"etwbox-%lu", GetCurrentProcessId());
    etwbox_words_add(words, L"etw-record");
    etwbox_words_add(words, L"--quiet");
    etwbox_words_add(words, L"--no-rundown");
    etwbox_words_option(words, L"--session", name);
    etwbox_words_option(words, L"--output", options->record);
    for (int i = 0; i < options->provider_count; i++) {
        etwbox_words_option(words, L"--provider", options->providers[i]);
    }
    if (options->provider_count == 0) {
        etwbox_words_option(words, L"--provider", L"" EVERY_PROVIDER);
    }
    if (options->schemas != NULL) {
        etwbox_words_option(words, L"--schemas", options->schemas);
    }
    if (SearchPathW(NULL, options->program[0], L".exe", MAX_PATH, program, NULL) > 0 &&
        has_manifest(program)) {
        etwbox_words_option(words, L"--schemas", program);
    }
}

static DWORD WINAPI record(void *context)
{
    etwbox_recording *recording = context;
    recording->status = etw_record_live(&recording->arguments, &recording->signal);
    return 0;
}

/* The provider that is enabled last. */
static bool find_last_provider(const etw_record_arguments *arguments, GUID *provider)
{
    etw_guid id;
    etw_error error = {0};
    const etw_status status =
        etw_provider_find(arguments->providers[arguments->provider_count - 1].name, &id, &error);
    if (status != ETW_OK) {
        etw_report_error(&error);
        return false;
    }
    memcpy(provider, &id, sizeof *provider);
    return true;
}

/* A registration of that provider tells when the session wants it. False: the recorder ended
 * before. */
static bool wait_until_enabled(const etwbox_recording *recording, const GUID *provider)
{
    REGHANDLE probe;
    if (EventRegister(provider, NULL, NULL, &probe) != ERROR_SUCCESS) {
        return false;
    }
    bool runs = true;
    while (runs && !EventProviderEnabled(probe, 0, 0)) {
        runs = WaitForSingleObject(recording->thread, WAIT_MS) == WAIT_TIMEOUT;
    }
    /* It stays registered: so the session's events stay, while no other process has them open. */
    return runs;
}

static void free_recording(etwbox_recording *recording)
{
    etwbox_words_free(&recording->words);
    etw_record_arguments_free(&recording->arguments);
    free(recording);
}

static bool start(etwbox_recording *recording)
{
    etw_error error = {0};
    etw_text output = {0};
    GUID provider;
    if (etw_record_arguments_parse(recording->words.count, recording->words.words,
                                   &recording->arguments, &output, &error) != ETW_OK) {
        etw_report_error(&error);
        return false;
    }
    if (!find_last_provider(&recording->arguments, &provider)) {
        return false;
    }
    recording->thread = CreateThread(NULL, 0, record, recording, 0, NULL);
    return recording->thread != NULL && wait_until_enabled(recording, &provider);
}

etwbox_recording *etwbox_record_start(const etwbox_options *options)
{
    etwbox_recording *recording = calloc(1, sizeof *recording);
    if (recording == NULL) {
        fputs("etwbox: out of memory\n", stderr);
        return NULL;
    }
    make_words(&recording->words, options);
    if (recording->words.failed) {
        fputs("etwbox: out of memory\n", stderr);
    }
    if (recording->words.failed || !start(recording)) {
        free_recording(recording);
        return NULL;
    }
    return recording;
}

bool etwbox_record_stop(etwbox_recording *recording)
{
    atomic_store(&recording->signal.stop, true);
    (void)WaitForSingleObject(recording->thread, INFINITE);
    const bool done = recording->status == ETW_EXIT_WELL;
    (void)CloseHandle(recording->thread);
    free_recording(recording);
    return done;
}
