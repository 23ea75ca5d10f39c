/* The rundown of this machine: its processes and the images they have loaded. */
#ifndef ETW_RECORDER_HOST_RUNDOWN_H
#define ETW_RECORDER_HOST_RUNDOWN_H

#include "format/event/rundown.h"

/* Calls put with blobs of at most max_bytes, each of whole processes. What a process does not let
 * be asked stays empty: an administrator sees most, a user his own. */
etw_status etw_host_rundown(size_t max_bytes,
                            etw_status (*put)(void *context, etw_bytes blob, uint32_t processes,
                                              etw_error *error),
                            void *context, etw_error *error);

#endif
