/* Beside session.h: what only Windows' own parts ask of a running session. */
#ifndef ETW_RECORDER_SESSION_CONTROL_WINDOWS_H
#define ETW_RECORDER_SESSION_CONTROL_WINDOWS_H

/* Delivers what is in its buffers now, rather than when they are full or their time has come. */
void etw_session_flush(const char *name);

#endif
