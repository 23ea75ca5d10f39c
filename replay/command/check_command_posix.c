#include "replay/command/check_command.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

/* What a shell gives for a command that it does not find, or may not run (POSIX, 2.8.2). */
enum { NOT_EXECUTABLE = 126, NOT_FOUND = 127 };

void etw_check_append_path(etw_text *line, const char *path)
{
    etw_text_append_char(line, '\'');
    for (; *path != '\0'; path++) {
        etw_text_append_z(line, *path == '\'' ? "'\\'" : "");
        etw_text_append_char(line, *path);
    }
    etw_text_append_char(line, '\'');
}

static bool is_interrupted(int status)
{
    const int by = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status) - 128;
    return by == SIGINT || by == SIGQUIT;
}

etw_status etw_check_run(const char *line, int *result, etw_error *error)
{
    etw_text silent = {0};
    etw_text_printf(&silent, "( %s\n) >/dev/null 2>&1 </dev/null", line);
    const int status = silent.failed ? -1 : system(etw_text_z(&silent));
    const int why = silent.failed ? ENOMEM : errno;
    etw_text_free(&silent);
    if (status == -1) {
        return etw_error_set_os(error, why, "cannot run the command");
    }
    if (is_interrupted(status)) {
        return etw_error_set(error, ETW_ERROR_STOPPED, "interrupted");
    }
    *result = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    return *result == NOT_FOUND || *result == NOT_EXECUTABLE
               ? etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                               "the shell cannot run the command: exit status %d", *result)
               : ETW_OK;
}
