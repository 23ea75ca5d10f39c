#include "recorder/session/session_control_windows.h"

#include "recorder/session/provider_argument.h"
#include "recorder/session/session.h"
#include "recorder/session/session_errors_windows.h"
#include "recorder/session/session_properties_windows.h"
#include "recorder/session/wide_windows.h"

#include <stdlib.h>
#include <strings.h>

#include <tdh.h>

#define GONE_WAIT_MS 2000u
#define GONE_POLL_MS 50u

/* More than any Windows allows (EtwMaxLoggers is at most 256). */
#define MAX_LISTED_SESSIONS 256u

/* A stopped session is gone when its last buffer was written; until then its name is taken. */
static void wait_until_gone(const wchar_t *name)
{
    for (unsigned waited_ms = 0; waited_ms < GONE_WAIT_MS; waited_ms += GONE_POLL_MS) {
        etw_session_properties properties;
        etw_session_properties_clear(&properties);
        if (ControlTraceW(0, name, &properties.head, EVENT_TRACE_CONTROL_QUERY) ==
            ERROR_WMI_INSTANCE_NOT_FOUND) {
            return;
        }
        Sleep(GONE_POLL_MS);
    }
}

/* handle 0: by its name. */
static etw_status stop_session(TRACEHANDLE handle, const wchar_t *wide, const char *name,
                               etw_error *error)
{
    etw_session_properties properties;
    etw_session_properties_clear(&properties);
    const ULONG code = wide == NULL ? ERROR_NOT_ENOUGH_MEMORY
                                    : ControlTraceW(handle, handle == 0 ? wide : NULL,
                                                    &properties.head, EVENT_TRACE_CONTROL_STOP);
    if (code == ERROR_WMI_INSTANCE_NOT_FOUND) {
        return etw_error_set(error, ETW_ERROR_NOT_FOUND, "there is no session named '%s'", name);
    }
    /* More data: the session was stopped, only its names did not fit behind the properties. */
    if (code != ERROR_SUCCESS && code != ERROR_MORE_DATA) {
        return etw_error_set_windows(error, code, "stopping session '%s'", name);
    }
    wait_until_gone(wide);
    return ETW_OK;
}

etw_status etw_session_kill(const char *name, etw_error *error)
{
    wchar_t *wide = etw_wide_from_utf8(name);
    const etw_status status = stop_session(0, wide, name, error);
    free(wide);
    return status;
}

static bool ends_ignoring_case(const char *text, const char *end)
{
    const size_t size = strlen(text), end_size = strlen(end);
    return size >= end_size && _stricmp(text + size - end_size, end) == 0;
}

/* By its number: another may have taken the name since it was asked for. */
static etw_status stop_if_it_writes(const etw_session_properties *asked, const wchar_t *wide,
                                    const char *name, const char *file_end, etw_error *error)
{
    char *file = etw_utf8_from_wide(asked->file_name);
    etw_status status = ETW_OK;
    if (file == NULL) {
        status = etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for a path");
    } else if (!ends_ignoring_case(file, file_end)) {
        status = etw_error_set(error, ETW_ERROR_EXISTS,
                               "session '%s' is somebody else's and runs on: it writes to %s%s",
                               name, file[0] == '\0' ? "no file" : file,
                               file[0] == '\0' ? "" : ", not to ours");
    } else {
        status = stop_session((TRACEHANDLE)asked->head.Wnode.HistoricalContext, wide, name, error);
    }
    free(file);
    return status;
}

etw_status etw_session_kill_writing(const char *name, const char *file_end, etw_error *error)
{
    wchar_t *wide = etw_wide_from_utf8(name);
    etw_session_properties properties;
    etw_session_properties_clear(&properties);
    const ULONG code = wide == NULL
                           ? ERROR_NOT_ENOUGH_MEMORY
                           : ControlTraceW(0, wide, &properties.head, EVENT_TRACE_CONTROL_QUERY);
    etw_status status;
    if (code == ERROR_WMI_INSTANCE_NOT_FOUND) {
        status = etw_error_set(error, ETW_ERROR_NOT_FOUND, "there is no session named '%s'", name);
    } else if (code != ERROR_SUCCESS) {
        status = etw_error_set_windows(error, code, "asking session '%s'", name);
    } else {
        status = stop_if_it_writes(&properties, wide, name, file_end, error);
    }
    free(wide);
    return status;
}

void etw_session_flush(const char *name)
{
    wchar_t *wide = etw_wide_from_utf8(name);
    etw_session_properties properties;
    etw_session_properties_clear(&properties);
    if (wide != NULL) {
        (void)ControlTraceW(0, wide, &properties.head, EVENT_TRACE_CONTROL_FLUSH);
    }
    free(wide);
}

typedef struct session_list {
    etw_session_properties *properties;
    EVENT_TRACE_PROPERTIES **heads;
    ULONG count;
} session_list;

static void free_list(session_list *list)
{
    free(list->properties);
    free(list->heads);
}

static etw_status query_sessions(session_list *list, etw_error *error)
{
    *list = (session_list){calloc(MAX_LISTED_SESSIONS, sizeof *list->properties),
                           calloc(MAX_LISTED_SESSIONS, sizeof *list->heads), 0};
    if (list->properties == NULL || list->heads == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for the session list");
    }
    for (uint32_t i = 0; i < MAX_LISTED_SESSIONS; i++) {
        etw_session_properties_clear(&list->properties[i]);
        list->heads[i] = &list->properties[i].head;
    }
    ULONG code = QueryAllTracesW(list->heads, MAX_LISTED_SESSIONS, &list->count);
    if (code == ERROR_INVALID_PARAMETER) {
        /* Systems before Windows 10 1703 refuse room for more than 64. */
        code = QueryAllTracesW(list->heads, ETW_SYSTEM_MAX_SESSIONS, &list->count);
    }
    return code == ERROR_SUCCESS ? ETW_OK
                                 : etw_error_set_windows(error, code, "listing the sessions");
}

etw_status etw_session_list(etw_session_visit visit, void *context, etw_error *error)
{
    session_list list;
    const etw_status status = query_sessions(&list, error);
    for (ULONG i = 0; status == ETW_OK && i < list.count; i++) {
        const EVENT_TRACE_PROPERTIES *head = list.heads[i];
        const etw_session_losses losses = {.events_lost = head->EventsLost,
                                           .log_buffers_lost = head->LogBuffersLost,
                                           .realtime_buffers_lost = head->RealTimeBuffersLost};
        char *name = etw_utf8_from_wide(list.properties[i].session_name);
        if (name != NULL) {
            visit(context, name, head->LogFileMode, &losses);
        }
        free(name);
    }
    free_list(&list);
    return status;
}

/* "etwcap-1234-1": the process that started it, 0 where the name is not of that form. */
static DWORD owner_of(const char *name)
{
    const size_t prefix = sizeof ETW_SESSION_PREFIX - 1;
    return strncmp(name, ETW_SESSION_PREFIX, prefix) == 0 ? (DWORD)strtoul(name + prefix, NULL, 10)
                                                          : 0;
}

static bool is_process_alive(DWORD process_id)
{
    const HANDLE process =
        OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION | SYNCHRONIZE, FALSE, process_id);
    if (process == NULL) {
        /* Access denied means that it is there. */
        return GetLastError() == ERROR_ACCESS_DENIED;
    }
    const bool alive = WaitForSingleObject(process, 0) == WAIT_TIMEOUT;
    (void)CloseHandle(process);
    return alive;
}

typedef struct reclaiming {
    uint32_t stopped;
    etw_status status;
    etw_error *error;
} reclaiming;

static void reclaim_orphan(void *context, const char *name, uint32_t log_file_mode,
                           const etw_session_losses *losses)
{
    (void)log_file_mode;
    (void)losses;
    reclaiming *work = context;
    const DWORD owner = owner_of(name);
    if (owner == 0 || owner == GetCurrentProcessId() || is_process_alive(owner)) {
        return;
    }
    const etw_status status = etw_session_kill(name, work->error);
    if (status == ETW_OK) {
        work->stopped++;
    } else if (work->status == ETW_OK) {
        work->status = status;
    }
}

etw_status etw_session_reclaim(uint32_t *stopped, etw_error *error)
{
    reclaiming work = {.error = error};
    const etw_status status = etw_session_list(reclaim_orphan, &work, error);
    *stopped = work.stopped;
    return status == ETW_OK ? work.status : status;
}

static etw_status enumerate_providers(PROVIDER_ENUMERATION_INFO **providers, ULONG *size,
                                      etw_error *error)
{
    *providers = NULL;
    *size = 0;
    ULONG code = TdhEnumerateProviders(NULL, size);
    /* Providers may be registered between the two calls. */
    while (code == ERROR_INSUFFICIENT_BUFFER) {
        void *grown = realloc(*providers, *size);
        if (grown == NULL) {
            code = ERROR_NOT_ENOUGH_MEMORY;
            break;
        }
        *providers = grown;
        code = TdhEnumerateProviders(*providers, size);
    }
    return code == ERROR_SUCCESS ? ETW_OK
                                 : etw_error_set_windows(error, code, "listing the providers");
}

static bool contains_ignoring_case(const char *text, const char *part)
{
    const size_t size = strlen(part);
    for (; *text != '\0'; text++) {
        if (strncasecmp(text, part, size) == 0) {
            return true;
        }
    }
    return size == 0;
}

etw_status etw_provider_list(const char *name_part, etw_provider_visit visit, void *context,
                             etw_error *error)
{
    PROVIDER_ENUMERATION_INFO *providers;
    ULONG size;
    const etw_status status = enumerate_providers(&providers, &size, error);
    for (ULONG i = 0; status == ETW_OK && i < providers->NumberOfProviders; i++) {
        const TRACE_PROVIDER_INFO *provider = &providers->TraceProviderInfoArray[i];
        if (provider->ProviderNameOffset >= size) {
            continue;
        }
        const wchar_t *wide = (const wchar_t *)(const void *)((const uint8_t *)providers +
                                                              provider->ProviderNameOffset);
        char *name = etw_utf8_from_wide(wide);
        if (name != NULL && (name_part == NULL || contains_ignoring_case(name, name_part))) {
            visit(context, (const etw_guid *)&provider->ProviderGuid, name);
        }
        free(name);
    }
    free(providers);
    return status;
}

typedef struct provider_search {
    const char *name;
    etw_guid *id;
    bool found;
} provider_search;

static void match_provider(void *context, const etw_guid *id, const char *name)
{
    provider_search *search = context;
    if (!search->found && strcasecmp(name, search->name) == 0) {
        *search->id = *id;
        search->found = true;
    }
}

etw_status etw_provider_find(const char *name_or_guid, etw_guid *id, etw_error *error)
{
    if (etw_provider_parse(name_or_guid, id)) {
        return ETW_OK;
    }
    provider_search search = {name_or_guid, id, false};
    const etw_status status = etw_provider_list(name_or_guid, match_provider, &search, error);
    if (status != ETW_OK || search.found) {
        return status;
    }
    return etw_error_set(error, ETW_ERROR_NOT_FOUND,
                         "no registered provider is named '%s'; an EventSource or TraceLogging "
                         "provider is named '*%s'",
                         name_or_guid, name_or_guid);
}
