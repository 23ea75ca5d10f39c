#include "replay/etwbox/options_windows.h"

#include <stdio.h>
#include <string.h>

/* Options that only set a variable (ETWAPI.md). */
static const struct {
    const wchar_t *option, *variable;
    const wchar_t *value; /* NULL: the option's own */
    bool is_path;
} settings[] = {
    {L"--speed", L"ETWAPI_SPEED", NULL, false},
    {L"--drop", L"ETWAPI_LOSE", NULL, false},
    {L"--schemas", L"ETWAPI_MANIFESTS", NULL, true},
    {L"--wait", L"ETWAPI_AT_END", L"wait", false},
    {L"--loop", L"ETWAPI_AT_END", L"loop", false},
    {L"--rebase", L"ETWAPI_REBASE", L"now", false},
    {L"--only-provider", L"ETWAPI_ONLY", NULL, false},
    {L"--where", L"ETWAPI_WHERE", NULL, false},
    {L"--all", L"ETWAPI_FILTER", L"off", false},
    {L"--deny-start", L"ETWAPI_DENY", L"start", false},
};

void etwbox_print_help(void)
{
    puts("usage: etwbox [OPTION]... [TRACE] -- PROGRAM [ARGUMENT]...\n"
         "       etwbox --record OUT.etwcap [--provider NAME|GUID]... -- PROGRAM [ARGUMENT]...\n"
         "\n"
         "Runs a program, unchanged, with Windows' event tracing replaced: its sessions deliver\n"
         "the events of TRACE (.etl or .etwcap), and those that it and its children write. No\n"
         "rights are needed, and nothing outside these processes changes.\n"
         "\n"
         "  --record FILE     record what the program and its children write\n"
         "  --provider NAME   record this provider only (repeatable): a GUID, or *Name\n"
         "  --schemas PATH    manifests, programs, TMF, PDB or MOF files that explain events\n"
         "  --speed N         1: at the recorded pace; 10: ten times as fast (default: at once)\n"
         "  --drop N          lose every Nth event, and count it in EventsLost\n"
         "  --wait            keep a session open after the last event of TRACE\n"
         "  --loop            begin again after the last event of TRACE, until the session is "
         "stopped\n"
         "  --rebase          times as if the first event of TRACE happened now\n"
         "  --only-provider G deliver the events of this provider only: a GUID, or some with "
         "commas\n"
         "  --where EXPR      deliver only events that pass, as etw-replay --where\n"
         "  --all             deliver every event, whatever was enabled\n"
         "  --deny-start      refuse to start sessions, as without administrator's rights\n"
         "  --help            this text\n"
         "\n"
         "The exit status is the program's; 125 where it could not be started.\n"
         "etwapi.dll lies beside etwbox.exe.");
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

static bool add_provider(etwbox_options *options, const wchar_t *provider)
{
    if (options->provider_count == ETWBOX_MAX_PROVIDERS) {
        fprintf(stderr, "etwbox: more than %d providers\n", ETWBOX_MAX_PROVIDERS);
        return false;
    }
    options->providers[options->provider_count++] = provider;
    return true;
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
    if (options->trace != NULL) {
        fprintf(stderr, "etwbox: %ls: a second trace; sessions deliver one\n", word);
        return false;
    }
    if (GetFileAttributesW(word) == INVALID_FILE_ATTRIBUTES) {
        fprintf(stderr, "etwbox: %ls: there is no such trace\n", word);
        return false;
    }
    options->trace = word;
    return set_variable(L"ETWAPI_TRACE", word, true);
}

bool etwbox_parse(int argc, wchar_t **argv, etwbox_options *options)
{
    int i = 1;
    while (i < argc && wcscmp(argv[i], L"--") != 0) {
        int taken = take_setting(options, &argv[i]);
        taken = taken == 0 ? take_own(options, &argv[i]) : taken;
        if (options->help) {
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
