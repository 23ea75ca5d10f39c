/* Beside session.h: what only Windows' own parts ask of a running session. */
#ifndef ETW_RECORDER_SESSION_CONTROL_WINDOWS_H
#define ETW_RECORDER_SESSION_CONTROL_WINDOWS_H

#include "format/base/status.h"

/* Delivers what is in its buffers now, rather than when they are full or their time has come. */
void etw_session_flush(const char *name);

/* As etw_session_kill, but of a session alone whose file's path ends so (case ignored).
 * ETW_ERROR_EXISTS where it is another's: it runs on, and the message tells its file. */
etw_status etw_session_kill_writing(const char *name, const char *file_end, etw_error *error);

#endif
