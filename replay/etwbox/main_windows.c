/* etwbox: runs a program with Windows' event tracing replaced by a saved trace and by what the
 * program writes itself. */
#include "replay/etwbox/merge_windows.h"
#include "replay/etwbox/options_windows.h"
#include "replay/etwbox/record_windows.h"
#include "replay/etwbox/start_windows.h"

#include <stdio.h>

#include <shellapi.h>

/* The program, and a recording of what it writes where one is asked for. */
static int run(const etwbox_options *options)
{
    if (options->record == NULL) {
        return (int)etwbox_run(options->program, options->program_count);
    }
    etwbox_recording *recording = etwbox_record_start(options);
    if (recording == NULL) {
        return ETWBOX_EXIT_NOT_STARTED;
    }
    const DWORD status = etwbox_run(options->program, options->program_count);
    return etwbox_record_stop(recording) ? (int)status : ETWBOX_EXIT_NOT_STARTED;
}

int main(void)
{
    int argc;
    wchar_t **argv = CommandLineToArgvW(GetCommandLineW(), &argc);
    etwbox_options options = {0};
    if (argv == NULL || !etwbox_parse(argc, argv, &options)) {
        fputs("Try 'etwbox --help'.\n", stderr);
        return ETWBOX_EXIT_NOT_STARTED;
    }
    if (options.help) {
        etwbox_print_help();
        return 0;
    }
    if (options.join != 0) {
        return (int)etwbox_join(options.join);
    }
    wchar_t merged[MAX_PATH] = L"";
    if (options.trace_count > 1 && !etwbox_merge(&options, merged)) {
        return ETWBOX_EXIT_NOT_STARTED;
    }
    int status = ETWBOX_EXIT_NOT_STARTED;
    if (options.trace_count == 0 ||
        etwbox_use_trace(options.trace_count > 1 ? merged : options.traces[0])) {
        status = run(&options);
    }
    if (merged[0] != L'\0') {
        (void)DeleteFileW(merged);
    }
    return status;
}
