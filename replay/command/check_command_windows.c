#include "replay/command/check_command.h"

#include <errno.h>
#include <stdlib.h>

/* Names of files have no quotes. */
void etw_check_append_path(etw_text *line, const char *path)
{
    etw_text_printf(line, "\"%s\"", path);
}

etw_status etw_check_run(const char *line, int *result, etw_error *error)
{
    etw_text silent = {0};
    etw_text_printf(&silent, "(%s) >NUL 2>&1 <NUL", line);
    *result = silent.failed ? -1 : system(etw_text_z(&silent));
    const int why = silent.failed ? ENOMEM : errno;
    etw_text_free(&silent);
    return *result == -1 ? etw_error_set_os(error, why, "cannot run the command") : ETW_OK;
}
