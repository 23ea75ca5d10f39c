#include "recorder/command/service.h"

#include "recorder/session/session_errors_windows.h"
#include "recorder/session/wide_windows.h"

#include <stdlib.h>

#include <windows.h>

/* A service that stops may take so long to write its last blocks. At a shutdown the system kills
 * services some 5 s after SHUTDOWN; those that accept PRESHUTDOWN are asked before and waited for
 * (10 s, 180 s before Windows 10 15063). */
#define STOP_HINT_MS 30000u

/* winnt.h: SERVICE_ACCEPT_PRESHUTDOWN, SERVICE_CONTROL_PRESHUTDOWN; mingw-w64 hides them below
 * Windows Vista. */
#define ACCEPT_PRESHUTDOWN  0x100u
#define CONTROL_PRESHUTDOWN 0xFu

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
                                 running ? SERVICE_ACCEPT_STOP | ACCEPT_PRESHUTDOWN : 0,
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
    case CONTROL_PRESHUTDOWN:
        report(SERVICE_STOP_PENDING, 0);
        atomic_store(&the_service.signal->stop, true);
        return NO_ERROR;
    case SERVICE_CONTROL_INTERROGATE:
        return NO_ERROR;
    default:
        return ERROR_CALL_NOT_IMPLEMENTED;
    }
}

/* To the folder of the program; where that fails, relative paths stay System32's. */
static void leave_system_folder(void)
{
    wchar_t path[MAX_PATH];
    const DWORD size = GetModuleFileNameW(NULL, path, MAX_PATH);
    wchar_t *last = size == 0 || size >= MAX_PATH ? NULL : wcsrchr(path, L'\\');
    if (last != NULL) {
        *last = L'\0';
        (void)SetCurrentDirectoryW(path);
    }
}

void etw_service_tell(etw_message_level level, const char *message)
{
    if (the_service.handle == NULL || level == ETW_MESSAGE_NOTE) {
        return;
    }
    const HANDLE log = RegisterEventSourceW(NULL, L"etw-record");
    wchar_t *wide = etw_wide_from_utf8(message);
    const wchar_t *texts[] = {wide};
    if (log != NULL && wide != NULL) {
        const WORD type = level == ETW_MESSAGE_ERROR ? EVENTLOG_ERROR_TYPE : EVENTLOG_WARNING_TYPE;
        (void)ReportEventW(log, type, 0, 1, NULL, 1, 0, texts, NULL);
    }
    if (log != NULL) {
        (void)DeregisterEventSource(log);
    }
    free(wide);
}

static void WINAPI service_main(DWORD argc, wchar_t **argv)
{
    (void)argc;
    (void)argv;
    the_service.handle = RegisterServiceCtrlHandlerExW(L"etw-record", on_control, NULL);
    leave_system_folder();
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
