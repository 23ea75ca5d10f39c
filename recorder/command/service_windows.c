#include "recorder/command/service.h"

#include "recorder/session/session_errors_windows.h"

#include <windows.h>

/* A service that stops may take so long to write its last blocks. */
#define STOP_HINT_MS 30000u

/* The service manager calls back without a context; a process is one service. */
typedef struct service {
    int (*job)(void *context);
    void *context;
    etw_stop_signal *signal;
    SERVICE_STATUS_HANDLE handle;
    int exit_status;
} service;

static service the_service;

static void report(DWORD state, int exit_status)
{
    const bool running = state == SERVICE_RUNNING;
    SERVICE_STATUS status = {.dwServiceType = SERVICE_WIN32_OWN_PROCESS,
                             .dwCurrentState = state,
                             .dwControlsAccepted =
                                 running ? SERVICE_ACCEPT_STOP | SERVICE_ACCEPT_SHUTDOWN : 0,
                             .dwWaitHint = state == SERVICE_STOP_PENDING ? STOP_HINT_MS : 0};
    if (exit_status != 0) {
        status.dwWin32ExitCode = ERROR_SERVICE_SPECIFIC_ERROR;
        status.dwServiceSpecificExitCode = (DWORD)exit_status;
    }
    (void)SetServiceStatus(the_service.handle, &status);
}

static DWORD WINAPI on_control(DWORD control, DWORD type, void *data, void *context)
{
    (void)type;
    (void)data;
    (void)context;
    switch (control) {
    case SERVICE_CONTROL_STOP:
    case SERVICE_CONTROL_SHUTDOWN:
        report(SERVICE_STOP_PENDING, 0);
        atomic_store(&the_service.signal->stop, true);
        return NO_ERROR;
    case SERVICE_CONTROL_INTERROGATE:
        return NO_ERROR;
    default:
        return ERROR_CALL_NOT_IMPLEMENTED;
    }
}

static void WINAPI service_main(DWORD argc, wchar_t **argv)
{
    (void)argc;
    (void)argv;
    the_service.handle = RegisterServiceCtrlHandlerExW(L"etw-record", on_control, NULL);
    report(SERVICE_RUNNING, 0);
    the_service.exit_status = the_service.job(the_service.context);
    report(SERVICE_STOPPED, the_service.exit_status);
}

etw_status etw_service_run(int (*job)(void *context), void *context, etw_stop_signal *signal,
                           int *exit_status, etw_error *error)
{
    static wchar_t name[] = L"etw-record";
    the_service = (service){.job = job, .context = context, .signal = signal, .exit_status = 1};
    const SERVICE_TABLE_ENTRYW table[] = {{name, service_main}, {NULL, NULL}};
    if (!StartServiceCtrlDispatcherW(table)) {
        const DWORD code = GetLastError();
        if (code == ERROR_FAILED_SERVICE_CONTROLLER_CONNECT) {
            return etw_error_set(error, ETW_ERROR_UNSUPPORTED,
                                 "--service is for the service manager: create the service with "
                                 "sc create, or leave the option out to record here");
        }
        return etw_error_set_windows(error, code, "connecting to the service manager");
    }
    *exit_status = the_service.exit_status;
    return ETW_OK;
}
