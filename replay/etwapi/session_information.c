/* TraceSetInformation, TraceQueryInformation (evntrace.h): the kernel's groups, and settings of
 * stacks, samples and counters, which are checked as their pages say and change nothing: the trace
 * has what was recorded. */
#include "replay/etwapi/session_information.h"

#include "replay/etwapi/session_table.h"

#include <string.h>

/* TRACE_VERSION_INFO.EtwTraceProcessingVersion of Windows 10. */
#define TRACE_PROCESSING_VERSION 1u
/* TRACE_QUERY_INFO_CLASS of Windows 10 1903; mingw-w64 stops before. */
#define MAX_COUNTERS_QUERY 22
/* TraceStackTracingInfo's page; the list of events that bring counters is of the same kind. */
#define MAX_CLASSIC_EVENTS 256u
/* Of a processor. */
#define MAX_COUNTERS 4u

/* As a processor of our own has them. */
static const struct {
    const wchar_t *name;
    ULONG source, least, most, interval;
} counters[] = {{L"Timer", 0, 1221, 1000000, 10000},
                {L"TotalIssues", 2, 4096, 2147483647, 65536},
                {L"BranchInstructions", 6, 4096, 2147483647, 65536},
                {L"CacheMisses", 10, 4096, 2147483647, 65536},
                {L"BranchMispredictions", 11, 4096, 2147483647, 65536},
                {L"TotalCycles", 19, 4096, 2147483647, 65536}};
#define COUNTERS (sizeof counters / sizeof counters[0])

bool etwapi_may_profile(void)
{
    PRIVILEGE_SET needed = {.PrivilegeCount = 1, .Control = PRIVILEGE_SET_ALL_NECESSARY};
    HANDLE token = NULL;
    BOOL held = FALSE;
    if (!LookupPrivilegeValueW(NULL, L"SeSystemProfilePrivilege", &needed.Privilege[0].Luid) ||
        !OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token)) {
        return false;
    }
    const bool known = PrivilegeCheck(token, &needed, &held) != FALSE;
    (void)CloseHandle(token);
    return known && held != FALSE;
}

/* COUNTERS: no such one. */
static size_t counter_of(ULONG source)
{
    size_t i = 0;
    while (i < COUNTERS && counters[i].source != source) {
        i++;
    }
    return i;
}

/* ---- Setting ---- */

/* Of the whole system: no session is named. */
static ULONG set_interval(const void *data, ULONG size)
{
    TRACE_PROFILE_INTERVAL wanted;
    if (data == NULL || size != sizeof wanted) {
        return ERROR_BAD_LENGTH;
    }
    memcpy(&wanted, data, sizeof wanted);
    const size_t counter = counter_of(wanted.Source);
    if (!etwapi_may_profile()) {
        return ERROR_PRIVILEGE_NOT_HELD;
    }
    return counter == COUNTERS || wanted.Interval < counters[counter].least ||
                   wanted.Interval > counters[counter].most
               ? ERROR_INVALID_PARAMETER
               : ERROR_SUCCESS;
}

static ULONG set_counters(const void *data, ULONG size)
{
    ULONG sources[MAX_COUNTERS];
    if (data == NULL || size == 0 || size % sizeof sources[0] != 0) {
        return ERROR_BAD_LENGTH;
    }
    if (!etwapi_may_profile()) {
        return ERROR_PRIVILEGE_NOT_HELD;
    }
    if (size > sizeof sources) {
        return ERROR_INVALID_PARAMETER;
    }
    memcpy(sources, data, size);
    for (size_t i = 0; i < size / sizeof sources[0]; i++) {
        if (counter_of(sources[i]) == COUNTERS) {
            return ERROR_INVALID_PARAMETER;
        }
    }
    return ERROR_SUCCESS;
}

static ULONG set_events(const void *data, ULONG size)
{
    const ULONG one = sizeof(CLASSIC_EVENT_ID);
    return (data == NULL && size > 0) || size % one != 0 ? ERROR_BAD_LENGTH
           : size / one > MAX_CLASSIC_EVENTS             ? ERROR_INVALID_PARAMETER
                                                         : ERROR_SUCCESS;
}

/* EnableFlags alone, or group masks (PERFINFO_GROUPMASK) that begin with them. */
static ULONG set_masks(etwapi_session *session, const void *data, ULONG size)
{
    if (data == NULL || size < sizeof(ULONG) || size % sizeof(ULONG) != 0 ||
        size > sizeof session->group_masks) {
        return ERROR_BAD_LENGTH;
    }
    memcpy(session->group_masks, data, size);
    session->properties.EnableFlags = session->group_masks[0];
    session->change++;
    return ERROR_SUCCESS;
}

static ULONG set_of_session(etwapi_session *session, TRACE_INFO_CLASS information, const void *data,
                            ULONG size)
{
    switch (information) {
    case TraceSystemTraceEnableFlagsInfo:
        return set_masks(session, data, size);
    case TraceStackTracingInfo:
    case TracePmcEventListInfo:
        return set_events(data, size);
    case TracePmcCounterListInfo:
        return set_counters(data, size);
    default:
        return ERROR_SUCCESS;
    }
}

ULONG WINAPI TraceSetInformation(TRACEHANDLE handle, TRACE_INFO_CLASS information, void *data,
                                 ULONG size)
{
    if (information == TraceSampledProfileIntervalInfo) {
        return set_interval(data, size);
    }
    if (information == TraceProfileSourceConfigInfo) {
        return set_counters(data, size);
    }
    etwapi_session *table = etwapi_lock_sessions();
    etwapi_session *session = table == NULL ? NULL : etwapi_by_handle(table, handle);
    const ULONG code = session == NULL ? (ULONG)ERROR_INVALID_HANDLE
                                       : set_of_session(session, information, data, size);
    etwapi_unlock_sessions();
    return code;
}

/* ---- Asking ---- */

static ULONG give(void *into, ULONG room, const void *from, ULONG size, ULONG *returned)
{
    if (returned != NULL) {
        *returned = size;
    }
    if (into == NULL || room < size) {
        return ERROR_BAD_LENGTH;
    }
    memcpy(into, from, size);
    return ERROR_SUCCESS;
}

/* EnableFlags for who asks for as much, else all masks. */
static ULONG give_masks(const etwapi_session *session, void *data, ULONG room, ULONG *returned)
{
    ULONG masks[ETWAPI_GROUP_MASKS];
    memcpy(masks, session->group_masks, sizeof masks);
    masks[0] = session->properties.EnableFlags;
    return give(data, room, masks,
                room < sizeof masks ? (ULONG)sizeof masks[0] : (ULONG)sizeof masks, returned);
}

/* PROFILE_SOURCE_INFO, each with its name and room to the next, which begins at 8 bytes. */
static ULONG give_counters(void *data, ULONG room, ULONG *returned)
{
    BYTE list[COUNTERS * 96] = {0};
    ULONG at = 0;
    for (size_t i = 0; i < COUNTERS; i++) {
        const ULONG name_size = (ULONG)((wcslen(counters[i].name) + 1) * sizeof(wchar_t));
        const ULONG head_size = offsetof(PROFILE_SOURCE_INFO, Description);
        const ULONG size = (head_size + name_size + 7u) & ~7u;
        const PROFILE_SOURCE_INFO head = {.NextEntryOffset = i + 1 < COUNTERS ? size : 0,
                                          .Source = counters[i].source,
                                          .MinInterval = counters[i].least,
                                          .MaxInterval = counters[i].most};
        memcpy(list + at, &head, head_size);
        memcpy(list + at + head_size, counters[i].name, name_size);
        at += size;
    }
    return give(data, room, list, at, returned);
}

static ULONG give_interval(void *data, ULONG room, ULONG *returned)
{
    TRACE_PROFILE_INTERVAL asked;
    if (data == NULL || room < sizeof asked) {
        return ERROR_BAD_LENGTH;
    }
    memcpy(&asked, data, sizeof asked);
    const size_t counter = counter_of(asked.Source);
    if (counter == COUNTERS) {
        return ERROR_INVALID_PARAMETER;
    }
    asked.Interval = counters[counter].interval;
    return give(data, room, &asked, sizeof asked, returned);
}

ULONG WINAPI TraceQueryInformation(TRACEHANDLE handle, TRACE_INFO_CLASS information, void *data,
                                   ULONG size, ULONG *returned)
{
    const TRACE_VERSION_INFO version = {.EtwTraceProcessingVersion = TRACE_PROCESSING_VERSION};
    const ULONG max_loggers = ETWAPI_MAX_SESSIONS, max_counters = MAX_COUNTERS;
    switch ((int)information) {
    case TraceVersionInfo:
        return give(data, size, &version, sizeof version, returned);
    case TraceMaxLoggersQuery:
        return give(data, size, &max_loggers, sizeof max_loggers, returned);
    case MAX_COUNTERS_QUERY:
        return give(data, size, &max_counters, sizeof max_counters, returned);
    case TraceProfileSourceListInfo:
        return give_counters(data, size, returned);
    case TraceSampledProfileIntervalInfo:
        return give_interval(data, size, returned);
    case TraceSystemTraceEnableFlagsInfo: {
        etwapi_session *table = etwapi_lock_sessions();
        const etwapi_session *session = table == NULL ? NULL : etwapi_by_handle(table, handle);
        const ULONG code = session == NULL ? (ULONG)ERROR_INVALID_HANDLE
                                           : give_masks(session, data, size, returned);
        etwapi_unlock_sessions();
        return code;
    }
    default:
        return ERROR_NOT_SUPPORTED;
    }
}
