#include "recorder/command/service.h"

etw_status etw_service_run(int (*job)(void *context), void *context, etw_stop_signal *signal,
                           int *exit_status, etw_error *error)
{
    (void)job;
    (void)context;
    (void)signal;
    *exit_status = 1;
    return etw_error_set(error, ETW_ERROR_UNSUPPORTED, "--service is for Windows' service manager");
}

void etw_service_tell(etw_message_level level, const char *message)
{
    (void)level;
    (void)message;
}
