#include "replay/etwbox/merge_windows.h"

#include "recorder/command/jobs.h"
#include "recorder/command/report.h"
#include "replay/etwbox/words_windows.h"

#include <stdio.h>
#include <stdlib.h>

static bool run_recorder(etwbox_words *words)
{
    etw_record_arguments arguments = {0};
    etw_stop_signal signal = {0};
    etw_text output = {0};
    etw_error error = {0};
    bool is_done = etw_record_arguments_parse(words->count, words->words, &arguments, &output,
                                              &error) == ETW_OK;
    if (is_done) {
        /* What traces lost is not the box's to judge. */
        const int status = etw_record_files(&arguments, &signal);
        is_done = status == ETW_EXIT_WELL || status == ETW_EXIT_MISSING;
    } else {
        etw_report_error(&error);
    }
    etw_record_arguments_free(&arguments);
    etw_text_free(&output);
    return is_done;
}

bool etwbox_merge(const etwbox_options *options, wchar_t path[MAX_PATH])
{
    wchar_t folder[MAX_PATH];
    etwbox_words *words = calloc(1, sizeof *words);
    const DWORD units = GetTempPathW(MAX_PATH, folder);
    if (words == NULL || units == 0 || units >= MAX_PATH ||
        GetTempFileNameW(folder, L"etw", 0, path) == 0) {
        fputs("etwbox: no temporary file can be made\n", stderr);
        free(words);
        return false;
    }
    etwbox_words_add(words, L"etw-record");
    etwbox_words_add(words, L"--quiet");
    etwbox_words_add(words, L"--force");
    etwbox_words_option(words, L"--output", path);
    if (options->schemas != NULL) {
        etwbox_words_option(words, L"--schemas", options->schemas);
    }
    for (int i = 0; i < options->trace_count; i++) {
        etwbox_words_option(words, L"--input", options->traces[i]);
    }
    if (words->failed) {
        fputs("etwbox: out of memory\n", stderr);
    }
    const bool is_done = !words->failed && run_recorder(words);
    if (!is_done) {
        (void)DeleteFileW(path);
    }
    etwbox_words_free(words);
    free(words);
    return is_done;
}
