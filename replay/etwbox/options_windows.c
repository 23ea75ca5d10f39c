#include "replay/etwbox/options_windows.h"

#include "replay/replay.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Options that only set a variable (ETWAPI.md). */
static const struct {
    const wchar_t *option, *variable;
    const wchar_t *value; /* NULL: the option's own */
    bool is_path;
} settings[] = {
    {L"--speed", L"ETWAPI_SPEED", NULL, false},
    {L"--schemas", L"ETWAPI_MANIFESTS", NULL, true},
    {L"--wait", L"ETWAPI_AT_END", L"wait", false},
    {L"--loop", L"ETWAPI_AT_END", L"loop", false},
    {L"--rebase", L"ETWAPI_REBASE", L"now", false},
    {L"--only-provider", L"ETWAPI_ONLY", NULL, false},
    {L"--where", L"ETWAPI_WHERE", NULL, false},
    {L"--all", L"ETWAPI_FILTER", L"off", false},
    {L"--deny-start", L"ETWAPI_DENY", L"start", false},
};

/* Those of a bad day (replay/replay.h), which go together into one variable. */
static const wchar_t *const faults[] = {L"--drop", L"--duplicate", L"--reorder", L"--corrupt",
                                        L"--lose", L"--stall",     L"--seed"};
#define FAULTS_VARIABLE L"ETWAPI_FAULTS"

void etwbox_print_help(void)
{
    puts("usage: etwbox [OPTION]... [TRACE]... -- PROGRAM [ARGUMENT]...\n"
         "       etwbox --record OUT.etwcap [--provider NAME|GUID]... -- PROGRAM [ARGUMENT]...\n"
         "\n"
         "Runs a program, unchanged, with Windows' event tracing replaced: its sessions deliver\n"
         "the events of TRACE (.etl or .etwcap; several are merged by time into a temporary\n"
         "file), and those that it and its children write. No rights are needed, and nothing\n"
         "outside these processes changes.\n"
         "\n"
         "  --record FILE     record what the program and its children write\n"
         "  --provider NAME   record this provider only (repeatable): a GUID, or *Name\n"
         "  --schemas PATH    manifests, programs, TMF, PDB or MOF files that explain events\n"
         "  --speed N         1: at the recorded pace; 10: ten times as fast (default: at once)\n"
         "  --drop P          leave out each event with this probability: 0.01 or 1%; a number\n"
         "                    from 2 on: lose every Nth event, and count it in EventsLost\n"
         "  --duplicate P --reorder N --corrupt P --lose N@TIME --stall T@TIME --seed N\n"
         "                    a bad day, as etw-replay has it: 'etw-replay help cat'\n"
         "  --wait            keep a session open after the last event of TRACE\n"
         "  --loop            begin again after the last event of TRACE, until the session is "
         "stopped\n"
         "  --rebase          times as if the first event of TRACE happened now\n"
         "  --only-provider G deliver the events of this provider only: a GUID, or some with "
         "commas\n"
         "  --where EXPR      deliver only events that pass, as etw-replay --where\n"
         "  --all             deliver every event, whatever was enabled\n"
         "  --deny-start      refuse to start sessions, as without administrator's rights\n"
         "  --join PID        only bring in a process that was started suspended, for the box of\n"
         "                    the other width: etwbox.exe for 64-bit programs, etwbox32.exe for\n"
         "                    32-bit ones\n"
         "  --help            this text\n"
         "\n"
         "The exit status is the program's; 125 where it could not be started.\n"
         "etwapi.dll lies beside etwbox.exe; with etwapi32.dll and etwbox32.exe there too,\n"
         "32-bit programs run in the box as well.");
}

static bool needs(const wchar_t *option, const wchar_t *value)
{
    if (value == NULL) {
        fprintf(stderr, "etwbox: %ls needs a value\n", option);
    }
    return value != NULL;
}

/* Children may run in another folder. */
static bool set_variable(const wchar_t *name, const wchar_t *value, bool is_path)
{
    wchar_t path[4096];
    if (is_path) {
        const DWORD units = GetFullPathNameW(value, 4096, path, NULL);
        if (units == 0 || units >= 4096) {
            fprintf(stderr, "etwbox: %ls: no path, or too long a one\n", value);
            return false;
        }
        value = path;
    }
    return SetEnvironmentVariableW(name, value) != 0;
}

/* 0: no such setting; else how many words it took, negative for an error. */
static int take_setting(etwbox_options *options, wchar_t **words)
{
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        if (wcscmp(words[0], settings[i].option) != 0) {
            continue;
        }
        const bool has_value = settings[i].value == NULL;
        const wchar_t *value = has_value ? words[1] : settings[i].value;
        if (settings[i].is_path) {
            options->schemas = value;
        }
        return needs(words[0], value) &&
                       set_variable(settings[i].variable, value, settings[i].is_path)
                   ? (has_value ? 2 : 1)
                   : -1;
    }
    return 0;
}

static bool is_fault(const wchar_t *option)
{
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        if (wcscmp(option, faults[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* Adds "name=value" to the variable. */
static bool add_fault(const wchar_t *name, const wchar_t *value)
{
    wchar_t all[4096];
    const DWORD units = GetEnvironmentVariableW(FAULTS_VARIABLE, all, 4096);
    const size_t used = units < 4096 ? units : 0;
    return swprintf(all + used, 4096 - used, L"%ls%ls=%ls", used == 0 ? L"" : L" ", name, value) >
               0 &&
           set_variable(FAULTS_VARIABLE, all, false);
}

static int take_fault(wchar_t **words)
{
    if (!is_fault(words[0])) {
        return 0;
    }
    if (!needs(words[0], words[1])) {
        return -1;
    }
    wchar_t *end;
    const unsigned long each = wcstoul(words[1], &end, 10);
    if (wcscmp(words[0], L"--drop") == 0 && each > 1 && *end == L'\0') {
        return set_variable(L"ETWAPI_LOSE", words[1], false) ? 2 : -1;
    }
    char name[16];
    char value[64];
    etw_fault_options checked = {0};
    etw_error error = {0};
    (void)snprintf(name, sizeof name, "%ls", words[0] + 2);
    (void)snprintf(value, sizeof value, "%ls", words[1]);
    if (etw_fault_set(&checked, name, value, &error) != ETW_OK) {
        fprintf(stderr, "etwbox: %ls '%ls': expected %s\n", words[0], words[1], error.message);
        return -1;
    }
    return add_fault(words[0] + 2, words[1]) ? 2 : -1;
}

static bool add_provider(etwbox_options *options, const wchar_t *provider)
{
    if (options->provider_count == ETWBOX_MAX_PROVIDERS) {
        fprintf(stderr, "etwbox: more than %d providers\n", ETWBOX_MAX_PROVIDERS);
        return false;
    }
    options->providers[options->provider_count++] = provider;
    return true;
}

static bool take_process(etwbox_options *options, const wchar_t *id)
{
    options->join = wcstoul(id, NULL, 10);
    if (options->join == 0) {
        fprintf(stderr, "etwbox: --join %ls: expected the id of a process\n", id);
    }
    return options->join != 0;
}

/* As take_setting. */
static int take_own(etwbox_options *options, wchar_t **words)
{
    if (wcscmp(words[0], L"--help") == 0 || wcscmp(words[0], L"-h") == 0) {
        options->help = true;
        return 1;
    }
    if (wcscmp(words[0], L"--record") == 0) {
        options->record = words[1];
        return needs(words[0], words[1]) ? 2 : -1;
    }
    if (wcscmp(words[0], L"--join") == 0) {
        return needs(words[0], words[1]) && take_process(options, words[1]) ? 2 : -1;
    }
    if (wcscmp(words[0], L"--provider") == 0) {
        return needs(words[0], words[1]) && add_provider(options, words[1]) ? 2 : -1;
    }
    return 0;
}

static bool take_trace(etwbox_options *options, const wchar_t *word)
{
    if (word[0] == L'-') {
        fprintf(stderr, "etwbox: unknown option %ls\n", word);
        return false;
    }
    if (options->trace_count == ETWBOX_MAX_TRACES) {
        fprintf(stderr, "etwbox: more than %d traces\n", ETWBOX_MAX_TRACES);
        return false;
    }
    if (GetFileAttributesW(word) == INVALID_FILE_ATTRIBUTES) {
        fprintf(stderr, "etwbox: %ls: there is no such trace\n", word);
        return false;
    }
    options->traces[options->trace_count++] = word;
    return true;
}

bool etwbox_use_trace(const wchar_t *path)
{
    return set_variable(L"ETWAPI_TRACE", path, true);
}

bool etwbox_parse(int argc, wchar_t **argv, etwbox_options *options)
{
    int i = 1;
    while (i < argc && wcscmp(argv[i], L"--") != 0) {
        int taken = take_setting(options, &argv[i]);
        taken = taken == 0 ? take_fault(&argv[i]) : taken;
        taken = taken == 0 ? take_own(options, &argv[i]) : taken;
        if (options->help || options->join != 0) {
            return true;
        }
        if (taken < 0 || (taken == 0 && !take_trace(options, argv[i]))) {
            return false;
        }
        i += taken == 0 ? 1 : taken;
    }
    options->program = &argv[i + 1];
    options->program_count = argc - i - 1;
    if (options->program_count <= 0) {
        fputs("etwbox: no program given after --\n", stderr);
        return false;
    }
    return true;
}
