#include "recorder/rundown/host_services_windows.h"

#include "recorder/rundown/rundown_events.h"
#include "recorder/session/wide_windows.h"

#include <stdlib.h>

#include <windows.h>

#include <winsvc.h>

/* EnumServicesStatusEx takes no larger list at a time. */
#define LIST_BYTES ((DWORD)256 << 10)
/* Some hundreds run; a list that does not end is given up. */
#define MAX_LISTS 64u

static void add(etw_buffer *events, const ENUM_SERVICE_STATUS_PROCESSW *service)
{
    char *name = etw_utf8_from_wide(service->lpServiceName);
    char *display_name = etw_utf8_from_wide(service->lpDisplayName);
    const SERVICE_STATUS_PROCESS *status = &service->ServiceStatusProcess;
    if (name != NULL && display_name != NULL && status->dwProcessId != 0) {
        const etw_rundown_service_facts facts = {status->dwProcessId, status->dwCurrentState, name,
                                                 display_name};
        etw_rundown_events_service(events, &facts);
    }
    free(name);
    free(display_name);
}

static DWORD list(SC_HANDLE manager, ENUM_SERVICE_STATUS_PROCESSW *services, etw_buffer *events)
{
    DWORD resume = 0, code = ERROR_MORE_DATA;
    for (uint32_t i = 0; i < MAX_LISTS && code == ERROR_MORE_DATA; i++) {
        DWORD needed = 0, count = 0;
        const BOOL done = EnumServicesStatusExW(manager, SC_ENUM_PROCESS_INFO, SERVICE_WIN32,
                                                SERVICE_ACTIVE, (BYTE *)(void *)services,
                                                LIST_BYTES, &needed, &count, &resume, NULL);
        code = done ? (DWORD)ERROR_SUCCESS : GetLastError();
        for (DWORD k = 0; (done || code == ERROR_MORE_DATA) && k < count; k++) {
            add(events, &services[k]);
        }
    }
    return code;
}

uint32_t etw_host_services(etw_buffer *events)
{
    const SC_HANDLE manager = OpenSCManagerW(NULL, NULL, SC_MANAGER_ENUMERATE_SERVICE);
    if (manager == NULL) {
        return GetLastError();
    }
    ENUM_SERVICE_STATUS_PROCESSW *services = malloc(LIST_BYTES);
    const DWORD code =
        services == NULL ? (DWORD)ERROR_NOT_ENOUGH_MEMORY : list(manager, services, events);
    free(services);
    (void)CloseServiceHandle(manager);
    return code;
}
