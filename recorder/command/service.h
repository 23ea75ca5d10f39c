/* --service: the recorder under Windows' service manager.
 *
 *     sc create etw-record binPath= "C:\etw\etw-record.exe --service --profile C:\etw\dns.profile"
 *
 * Stop and shutdown end the recording cleanly; the service reports how it ended. Relative paths are
 * taken from the program's own folder: the manager starts services in System32. */
#ifndef ETW_RECORDER_SERVICE_H
#define ETW_RECORDER_SERVICE_H

#include "format/base/console.h"
#include "recorder/command/stop_signal.h"

/* --service stands among the words. It must be known before anything else: the manager waits for
 * the process to connect, and hears of what is wrong with the other words only then. */
bool etw_service_is_asked(int argc, char *const *argv);

/* Runs job under the service manager and gives its exit status in *exit_status.
 * ETW_ERROR_UNSUPPORTED where the process was not started by it. */
etw_status etw_service_run(int (*job)(void *context), void *context, etw_stop_signal *signal,
                           int *exit_status, etw_error *error);

/* Puts a message into the Application event log, with the source "etw-record"; nothing where the
 * process is no service, and nothing for a NOTE. */
void etw_service_tell(etw_message_level level, const char *message);

#endif
