#include "recorder/command/segment_command.h"

#include "recorder/session/session_errors_windows.h"
#include "recorder/session/wide_windows.h"

#include <stdio.h>
#include <stdlib.h>

#include <windows.h>

/* COMMAND "PATH", or COMMAND alone: a path has no quotes. CreateProcess may write into it. */
static wchar_t *command_line(const char *command, const char *path)
{
    const size_t size = strlen(command) + (path == NULL ? 0 : strlen(path)) + 4;
    char *utf8 = malloc(size);
    wchar_t *wide = NULL;
    if (utf8 != NULL) {
        const char *quote = path == NULL ? "" : "\"", *before = path == NULL ? "" : " ";
        (void)snprintf(utf8, size, "%s%s%s%s%s", command, before, quote, path == NULL ? "" : path,
                       quote);
        wide = etw_wide_from_utf8(utf8);
    }
    free(utf8);
    return wide;
}

static etw_status wait_for(HANDLE process, etw_error *error)
{
    DWORD exit_code = 0;
    (void)WaitForSingleObject(process, INFINITE);
    if (!GetExitCodeProcess(process, &exit_code)) {
        return etw_error_set_windows(error, GetLastError(), "waiting for the command");
    }
    return exit_code == 0 ? ETW_OK
                          : etw_error_set(error, ETW_ERROR_IO, "exit status %lu", exit_code);
}

/* Inherits no handles: stdout may be a recording. */
etw_status etw_command_run(const char *command, const char *path, etw_error *error)
{
    wchar_t *line = command_line(command, path);
    if (line == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for a command");
    }
    STARTUPINFOW startup = {.cb = sizeof startup};
    PROCESS_INFORMATION process;
    const BOOL started = CreateProcessW(NULL, line, NULL, NULL, FALSE, CREATE_NO_WINDOW, NULL, NULL,
                                        &startup, &process);
    const DWORD code = GetLastError();
    free(line);
    if (!started) {
        return etw_error_set_windows(error, code, "%s", command);
    }
    const etw_status status = wait_for(process.hProcess, error);
    (void)CloseHandle(process.hThread);
    (void)CloseHandle(process.hProcess);
    return status;
}
