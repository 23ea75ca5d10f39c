/* --run: a command that is recorded while it runs. */
#ifndef ETW_RECORDER_RUN_WHILE_H
#define ETW_RECORDER_RUN_WHILE_H

#include "format/base/status.h"

typedef struct etw_run_while etw_run_while;

/* command outlives it. */
etw_status etw_run_while_start(const char *command, etw_run_while **started, etw_error *error);
/* NULL is not done. */
bool etw_run_while_is_done(etw_run_while *run);
/* Waits for its end; fails as etw_command_run does. NULL is fine. */
etw_status etw_run_while_end(etw_run_while *run, etw_error *error);

#endif
