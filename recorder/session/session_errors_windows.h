/* Windows' error codes as statuses and text. */
#ifndef ETW_RECORDER_SESSION_ERRORS_WINDOWS_H
#define ETW_RECORDER_SESSION_ERRORS_WINDOWS_H

#include "format/base/status.h"

/* As etw_error_set_os, for a code of GetLastError's kind. */
etw_status etw_error_set_windows(etw_error *error, unsigned long code, const char *format, ...)
    ETW_PRINTF(3, 4);

/* What StartTrace's codes mean to a user: a taken name, a missing right, no session left. */
etw_status etw_error_set_start(etw_error *error, unsigned long code, const char *session_name,
                               bool is_kernel);

/* Of EnableTraceEx2. */
etw_status etw_error_set_enable(etw_error *error, unsigned long code);

#endif
