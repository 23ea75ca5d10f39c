/* --on-segment: a command for each finished segment, one at a time, on a thread of its own. */
#ifndef ETW_RECORDER_SEGMENT_COMMAND_H
#define ETW_RECORDER_SEGMENT_COMMAND_H

#include "format/base/status.h"

#include <stdint.h>

/* Segments that wait for the command; one more is reported as a failure. */
#define ETW_SEGMENT_COMMAND_MAX_WAITING 1024u

typedef struct etw_segment_command etw_segment_command;

/* command outlives it. report is called from any thread, with what went wrong. */
etw_status etw_segment_command_start(const char *command, void (*report)(const etw_error *error),
                                     etw_segment_command **started, etw_error *error);
/* Does not wait. path is copied. */
void etw_segment_command_put(etw_segment_command *commands, const char *path);
/* Waits until all have run; gives how many failed. NULL is fine: none. */
uint32_t etw_segment_command_finish(etw_segment_command *commands);

/* Runs the command, with path as its last argument unless that is NULL, without input, and waits
 * for its end: an exit status other than 0 is ETW_ERROR_IO. By the shell, or by CreateProcess on
 * Windows. */
etw_status etw_command_run(const char *command, const char *path, etw_error *error);

#endif
