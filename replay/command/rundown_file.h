/* The host's rundown that a live recording carries (format/event/rundown.h), read ahead of the
 * events. */
#ifndef ETW_REPLAY_RUNDOWN_FILE_H
#define ETW_REPLAY_RUNDOWN_FILE_H

#include "format/event/rundown.h"
#include "format/input/input.h"

/* What of it is kept. */
#define ETW_RUNDOWN_FILE_MAX_BYTES ((size_t)64 << 20)

/* Hands each blob of it to take, unless the file has none, is no .etwcap file, or cannot seek.
 * Events are not read: with an index this takes a few reads. What take returns but ETW_OK ends it.
 */
etw_status etw_rundown_file_each(const etw_input *input,
                                 etw_status (*take)(void *context, etw_bytes blob,
                                                    etw_error *error),
                                 void *context, etw_error *error);

/* *rundown: NULL where the file has none, is no .etwcap file, or cannot seek. A blob that is
 * damaged is passed over. */
etw_status etw_rundown_file_read(const etw_input *input, etw_rundown **rundown, etw_error *error);

#endif
