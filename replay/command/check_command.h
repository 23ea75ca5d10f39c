/* A command of the user that is run on a trace, for its exit status. */
#ifndef ETW_REPLAY_CHECK_COMMAND_H
#define ETW_REPLAY_CHECK_COMMAND_H

#include "format/base/text.h"

/* Appends path for the shell that etw_check_run uses, as one word. */
void etw_check_append_path(etw_text *line, const char *path);

/* Runs the line by the system's shell, its output thrown away. *result: its exit status; of a
 * program that a signal ended 128 and the signal's number, as shells say. ETW_ERROR_STOPPED: the
 * user interrupted it; ETW_ERROR_INVALID_ARGUMENT: its shell says that there is no such command. */
etw_status etw_check_run(const char *line, int *result, etw_error *error);

#endif
