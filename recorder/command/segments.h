/* What both jobs do for the files that they write: the lock on the name, the command for each. */
#ifndef ETW_RECORDER_SEGMENTS_H
#define ETW_RECORDER_SEGMENTS_H

#include "recorder/command/arguments.h"
#include "recorder/command/name_lock.h"
#include "recorder/command/segment_command.h"

/* All zero: nothing was begun. */
typedef struct etw_segments {
    etw_name_lock *lock;
    etw_segment_command *commands;
} etw_segments;

/* To be ended whatever the result. */
etw_status etw_segments_begin(etw_segments *segments, const etw_record_arguments *arguments,
                              etw_error *error);
/* A file is finished and will not change any more. */
void etw_segments_closed(etw_segments *segments, const char *path);
/* Waits for the commands. exit_status as it is without them; theirs were reported. */
int etw_segments_end(etw_segments *segments, int exit_status);

#endif
