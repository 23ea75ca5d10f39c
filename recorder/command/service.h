/* --service: the recorder under Windows' service manager.
 *
 *     sc create etw-record binPath= "C:\etw\etw-record.exe --service --profile C:\etw\dns.profile"
 *
 * Stop and shutdown end the recording cleanly; the service reports how it ended. */
#ifndef ETW_RECORDER_SERVICE_H
#define ETW_RECORDER_SERVICE_H

#include "format/base/status.h"
#include "recorder/command/stop_signal.h"

/* Runs job under the service manager and gives its exit status in *exit_status.
 * ETW_ERROR_UNSUPPORTED where the process was not started by it. */
etw_status etw_service_run(int (*job)(void *context), void *context, etw_stop_signal *signal,
                           int *exit_status, etw_error *error);

#endif
