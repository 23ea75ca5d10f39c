/* The names of the files that a recording writes. */
#ifndef ETW_RECORDER_SEGMENT_NAME_H
#define ETW_RECORDER_SEGMENT_NAME_H

#include "format/base/os.h"

/* A segment's name: with its number (etw_capture_segment_path), unless that is 0. expands: %h is
 * replaced by this host's name, %Y %m %d %H %M %S by the time now, in UTC, as strftime does, and %%
 * by %; any other code is ETW_ERROR_INVALID_ARGUMENT. *name is owned by the caller. */
etw_status etw_segment_name_make(const etw_os *os, const char *pattern, bool expands,
                                 uint32_t number, char **name, etw_error *error);

#endif
