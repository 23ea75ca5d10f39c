/* The controller's side: StartTrace, ControlTrace and their kin (evntrace.h). */
#include "replay/etwapi/live_ring.h"
#include "replay/etwapi/session_information.h"
#include "replay/etwapi/session_table.h"
#include "replay/etwapi/settings.h"

#include <string.h>

#define DEFAULT_BUFFER_SIZE_KB 64u

/* Where the caller's block says its name strings are, and how much fits there. */
static wchar_t *name_place(EVENT_TRACE_PROPERTIES *properties, ULONG offset, ULONG *units)
{
    if (offset < sizeof *properties || offset >= properties->Wnode.BufferSize) {
        *units = 0;
        return NULL;
    }
    *units = (properties->Wnode.BufferSize - offset) / sizeof(wchar_t);
    return (wchar_t *)(void *)((BYTE *)properties + offset);
}

/* Fills the caller's block, which keeps its own size and offsets. */
static void replace_properties(EVENT_TRACE_PROPERTIES *properties,
                               const EVENT_TRACE_PROPERTIES *with)
{
    const ULONG size = properties->Wnode.BufferSize;
    const ULONG file_offset = properties->LogFileNameOffset;
    const ULONG name_offset = properties->LoggerNameOffset;
    *properties = *with;
    properties->Wnode.BufferSize = size;
    properties->LogFileNameOffset = file_offset;
    properties->LoggerNameOffset = name_offset;
}

/* Where the caller's block says a string goes; nowhere, where it has no place for one. */
static ULONG copy_text(EVENT_TRACE_PROPERTIES *properties, ULONG offset, const wchar_t *text)
{
    ULONG units;
    wchar_t *place = name_place(properties, offset, &units);
    if (place == NULL) {
        return ERROR_SUCCESS;
    }
    if (wcslen(text) >= units) {
        return ERROR_MORE_DATA;
    }
    memcpy(place, text, (wcslen(text) + 1) * sizeof *place);
    return ERROR_SUCCESS;
}

/* Copies what the session is and counts into the caller's block. */
static ULONG copy_out(const etwapi_session *session, EVENT_TRACE_PROPERTIES *properties)
{
    replace_properties(properties, &session->properties);
    const ULONG named = copy_text(properties, properties->LoggerNameOffset, session->name);
    const ULONG file = copy_text(properties, properties->LogFileNameOffset, session->file_name);
    return named == ERROR_SUCCESS ? file : named;
}

/* Full buffers of what providers wrote, so that a program that watches a session sees it move. */
static void count_buffers(etwapi_session *session, TRACEHANDLE handle)
{
    const LONG64 buffer_bytes = (LONG64)session->properties.BufferSize * 1024;
    etwapi_ring *ring = etwapi_ring_open(handle);
    if (ring != NULL && buffer_bytes > 0) {
        const LONG64 written = etwapi_ring_written(ring) / buffer_bytes;
        if (written > session->properties.BuffersWritten) {
            session->properties.BuffersWritten = (ULONG)written;
        }
    }
    etwapi_ring_close(ring);
}

/* SystemTraceControlGuid, which is the NT Kernel Logger's alone. */
static const GUID system_trace_control = {
    0x9e814aad, 0x3204, 0x11d2, {0x9a, 0x82, 0x00, 0x60, 0x08, 0xa8, 0x69, 0x39}};

/* Inside the structure itself no name can begin. */
static bool is_inside_structure(ULONG offset)
{
    return offset != 0 && offset < sizeof(EVENT_TRACE_PROPERTIES);
}

/* What StartTrace demands of the modes and of what belongs together, in the order in which it is
 * tested on Windows (Wine's tests of advapi32's event tracing state its results). has_file_name:
 * the caller's block holds a name that is not empty. */
static ULONG check_start(const EVENT_TRACE_PROPERTIES *properties, const wchar_t *name,
                         bool has_file_name)
{
    const ULONG mode = properties->LogFileMode;
    const ULONG both = EVENT_TRACE_FILE_MODE_SEQUENTIAL | EVENT_TRACE_FILE_MODE_CIRCULAR;
    if ((mode & both) == both) {
        return ERROR_INVALID_PARAMETER;
    }
    if (memcmp(&properties->Wnode.Guid, &system_trace_control, sizeof system_trace_control) == 0 &&
        _wcsicmp(name, KERNEL_LOGGER_NAMEW) != 0) {
        return ERROR_INVALID_PARAMETER;
    }
    const bool needs_no_file =
        (mode & (EVENT_TRACE_REAL_TIME_MODE | EVENT_TRACE_BUFFERING_MODE)) != 0;
    return has_file_name || needs_no_file ? ERROR_SUCCESS : ERROR_BAD_PATHNAME;
}

static ULONG check_properties(const EVENT_TRACE_PROPERTIES *properties)
{
    if (properties == NULL) {
        return ERROR_INVALID_PARAMETER;
    }
    return properties->Wnode.BufferSize < sizeof *properties ? ERROR_BAD_LENGTH : ERROR_SUCCESS;
}

/* WNODE_HEADER's page: a session without a GUID gets one; the NT Kernel Logger has its own. */
static void name_by_guid(etwapi_session *session, TRACEHANDLE handle)
{
    static const GUID none;
    GUID *id = &session->properties.Wnode.Guid;
    FILETIME now;
    if (_wcsicmp(session->name, KERNEL_LOGGER_NAMEW) == 0) {
        *id = system_trace_control;
    } else if (memcmp(id, &none, sizeof none) == 0) {
        GetSystemTimePreciseAsFileTime(&now);
        memcpy(id, &now, sizeof now);
        memcpy(id->Data4, &handle, sizeof id->Data4);
    }
}

static void set_started(etwapi_session *session, TRACEHANDLE handle)
{
    EVENT_TRACE_PROPERTIES *properties = &session->properties;
    properties->Wnode.HistoricalContext = (ULONG64)handle;
    properties->Wnode.Flags |= WNODE_FLAG_TRACED_GUID;
    name_by_guid(session, handle);
    if (properties->BufferSize == 0) {
        properties->BufferSize = DEFAULT_BUFFER_SIZE_KB;
    }
    /* EVENT_TRACE_PROPERTIES' page: at least two for each processor, and room above them. */
    const ULONG least = 2 * GetActiveProcessorCount(ALL_PROCESSOR_GROUPS);
    if (properties->MinimumBuffers < least) {
        properties->MinimumBuffers = least;
    }
    if (properties->MaximumBuffers < properties->MinimumBuffers) {
        properties->MaximumBuffers = properties->MinimumBuffers + 20;
    }
    /* The same page: of a real-time session 0 means a second. */
    if (properties->FlushTimer == 0 &&
        (properties->LogFileMode & EVENT_TRACE_REAL_TIME_MODE) != 0) {
        properties->FlushTimer = 1;
    }
    properties->NumberOfBuffers = properties->MinimumBuffers;
    properties->EventsLost = 0;
    properties->LogBuffersLost = 0;
    properties->RealTimeBuffersLost = 0;
    properties->BuffersWritten = 0;
}

/* Whether the caller's block has room for the session's name where it says so; a session must not
 * be started first and refused afterwards. */
static bool fits_name(EVENT_TRACE_PROPERTIES *properties, const wchar_t *name)
{
    ULONG units;
    return properties->LoggerNameOffset == 0 ||
           (name_place(properties, properties->LoggerNameOffset, &units) != NULL &&
            wcslen(name) < units);
}

/* Sessions with the system-logger mode beside the two that Windows keeps. */
#define MAX_SYSTEM_LOGGERS 6u

static bool has_system_loggers(const etwapi_session *table)
{
    ULONG loggers = 0;
    for (ULONG i = 0; i < ETWAPI_MAX_SESSIONS; i++) {
        loggers += etwapi_is_used(&table[i]) &&
                   (table[i].properties.LogFileMode & EVENT_TRACE_SYSTEM_LOGGER_MODE) != 0;
    }
    return loggers >= MAX_SYSTEM_LOGGERS;
}

/* Where the caller's block has a name of a file, it is the session's from now on. */
static void take_file_name(etwapi_session *session, EVENT_TRACE_PROPERTIES *properties)
{
    ULONG units;
    const wchar_t *file = name_place(properties, properties->LogFileNameOffset, &units);
    if (units == 0 || file[0] == L'\0') {
        return;
    }
    size_t i = 0;
    for (; i < units && i + 1 < ETWAPI_NAME_UNITS && file[i] != L'\0'; i++) {
        session->file_name[i] = file[i];
    }
    session->file_name[i] = L'\0';
}

static ULONG start_in(etwapi_session *table, TRACEHANDLE *handle, const wchar_t *name,
                      EVENT_TRACE_PROPERTIES *properties)
{
    if (etwapi_by_name(table, name) != NULL) {
        return ERROR_ALREADY_EXISTS;
    }
    if ((properties->LogFileMode & EVENT_TRACE_SYSTEM_LOGGER_MODE) != 0 &&
        has_system_loggers(table)) {
        return ERROR_NO_SYSTEM_RESOURCES;
    }
    etwapi_session *session = etwapi_take_slot(table);
    if (session == NULL) {
        return ERROR_NO_SYSTEM_RESOURCES;
    }
    memcpy(session->name, name, (wcslen(name) + 1) * sizeof *name);
    session->properties = *properties;
    take_file_name(session, properties);
    *handle = etwapi_handle_of(table, session);
    set_started(session, *handle);
    return copy_out(session, properties);
}

/* On request; kernel: as to a member of Performance Log Users. */
static bool is_denied(const EVENT_TRACE_PROPERTIES *properties)
{
    const etwapi_settings *settings = etwapi_get_settings();
    const bool is_kernels =
        (properties->LogFileMode & EVENT_TRACE_SYSTEM_LOGGER_MODE) != 0 ||
        memcmp(&properties->Wnode.Guid, &system_trace_control, sizeof system_trace_control) == 0;
    return settings->deny_start || (settings->deny_kernel && is_kernels);
}

ULONG WINAPI StartTraceW(TRACEHANDLE *handle, LPCWSTR name, EVENT_TRACE_PROPERTIES *properties)
{
    const ULONG code = check_properties(properties);
    if (handle == NULL || name == NULL || code != ERROR_SUCCESS) {
        return code != ERROR_SUCCESS ? code : ERROR_INVALID_PARAMETER;
    }
    *handle = 0;
    /* The documentation asks for WNODE_FLAG_TRACED_GUID, but golang-etw sets WNODE_FLAG_ALL_DATA in
     * its place, PresentMon nothing, and both work on Windows. */
    if (wcslen(name) >= ETWAPI_NAME_UNITS || name[0] == L'\0' ||
        is_inside_structure(properties->LogFileNameOffset) ||
        is_inside_structure(properties->LoggerNameOffset)) {
        return ERROR_INVALID_PARAMETER;
    }
    if (!fits_name(properties, name)) {
        return ERROR_BAD_LENGTH;
    }
    ULONG units;
    const wchar_t *file = name_place(properties, properties->LogFileNameOffset, &units);
    const ULONG refused = check_start(properties, name, units > 0 && file[0] != L'\0');
    if (refused != ERROR_SUCCESS) {
        return refused;
    }
    if (is_denied(properties)) {
        return ERROR_ACCESS_DENIED;
    }
    if ((properties->EnableFlags & EVENT_TRACE_FLAG_PROFILE) != 0 && !etwapi_may_profile()) {
        return ERROR_PRIVILEGE_NOT_HELD;
    }
    etwapi_session *table = etwapi_lock_sessions();
    const ULONG started = table == NULL ? (ULONG)ERROR_NO_SYSTEM_RESOURCES
                                        : start_in(table, handle, name, properties);
    etwapi_unlock_sessions();
    return started;
}

static void update(etwapi_session *session, EVENT_TRACE_PROPERTIES *properties)
{
    take_file_name(session, properties);
    session->properties.EnableFlags = properties->EnableFlags;
    if (properties->FlushTimer != 0) {
        session->properties.FlushTimer = properties->FlushTimer;
    }
    if (properties->MaximumBuffers != 0) {
        session->properties.MaximumBuffers = properties->MaximumBuffers;
    }
    session->change++;
}

ULONG WINAPI ControlTraceW(TRACEHANDLE handle, LPCWSTR name, EVENT_TRACE_PROPERTIES *properties,
                           ULONG control)
{
    const ULONG code = check_properties(properties);
    if (code != ERROR_SUCCESS) {
        return code;
    }
    if (handle == 0 && name == NULL) {
        return ERROR_INVALID_PARAMETER;
    }
    etwapi_session *table = etwapi_lock_sessions();
    etwapi_session *session = NULL;
    if (table != NULL) {
        session = name != NULL ? etwapi_by_name(table, name) : etwapi_by_handle(table, handle);
    }
    ULONG result = ERROR_WMI_INSTANCE_NOT_FOUND;
    if (session != NULL) {
        if (control == EVENT_TRACE_CONTROL_UPDATE) {
            update(session, properties);
        }
        count_buffers(session, etwapi_handle_of(table, session));
        result = control <= EVENT_TRACE_CONTROL_FLUSH ? copy_out(session, properties)
                                                      : (ULONG)ERROR_INVALID_PARAMETER;
        if (control == EVENT_TRACE_CONTROL_STOP) {
            etwapi_release_slot(session);
        }
    }
    etwapi_unlock_sessions();
    return result;
}

/* --- names in ANSI
 * ---------------------------------------------------------------------------------
 */

static bool widen(const char *ansi, wchar_t wide[ETWAPI_NAME_UNITS])
{
    return ansi != NULL &&
           MultiByteToWideChar(CP_ACP, 0, ansi, -1, wide, (int)ETWAPI_NAME_UNITS) > 0;
}

/* The wide call without the caller's name strings; then those of the session in ANSI at their
 * place.
 */
static ULONG copy_ansi(EVENT_TRACE_PROPERTIES *properties, ULONG offset, const wchar_t *name)
{
    if (offset < sizeof *properties || offset >= properties->Wnode.BufferSize) {
        return ERROR_SUCCESS;
    }
    const int room = (int)(properties->Wnode.BufferSize - offset);
    return WideCharToMultiByte(CP_ACP, 0, name, -1, (char *)properties + offset, room, NULL, NULL) >
                   0
               ? ERROR_SUCCESS
               : ERROR_MORE_DATA;
}

/* A block with room for the wide name, made from the caller's. */
typedef struct wide_properties {
    EVENT_TRACE_PROPERTIES head;
    wchar_t name[ETWAPI_NAME_UNITS];
    wchar_t file[ETWAPI_NAME_UNITS];
} wide_properties;

static void begin_wide(const EVENT_TRACE_PROPERTIES *properties, wide_properties *wide)
{
    memset(wide, 0, sizeof *wide);
    wide->head = *properties;
    wide->head.Wnode.BufferSize = sizeof *wide;
    wide->head.LogFileNameOffset = offsetof(wide_properties, file);
    wide->head.LoggerNameOffset = offsetof(wide_properties, name);
    const ULONG offset = properties->LogFileNameOffset;
    const char *file = (const char *)properties + offset;
    if (offset >= sizeof *properties && offset < properties->Wnode.BufferSize &&
        memchr(file, 0, properties->Wnode.BufferSize - offset) != NULL) {
        wide->file[0] = widen(file, wide->file) ? wide->file[0] : L'\0';
    }
}

static ULONG end_wide(EVENT_TRACE_PROPERTIES *properties, const wide_properties *wide)
{
    replace_properties(properties, &wide->head);
    const ULONG named = copy_ansi(properties, properties->LoggerNameOffset, wide->name);
    const ULONG file = copy_ansi(properties, properties->LogFileNameOffset, wide->file);
    return named == ERROR_SUCCESS ? file : named;
}

static ULONG copy_out_ansi(const etwapi_session *session, EVENT_TRACE_PROPERTIES *properties)
{
    wide_properties wide;
    begin_wide(properties, &wide);
    (void)copy_out(session, &wide.head);
    return end_wide(properties, &wide);
}

static ULONG query_all(EVENT_TRACE_PROPERTIES **array, ULONG room, ULONG *count,
                       ULONG (*copy)(const etwapi_session *session,
                                     EVENT_TRACE_PROPERTIES *properties))
{
    if (array == NULL || count == NULL || room == 0) {
        return ERROR_INVALID_PARAMETER;
    }
    etwapi_session *table = etwapi_lock_sessions();
    ULONG found = 0;
    for (ULONG i = 0; table != NULL && i < ETWAPI_MAX_SESSIONS; i++) {
        if (!etwapi_is_used(&table[i])) {
            continue;
        }
        if (found < room) {
            (void)copy(&table[i], array[found]);
        }
        found++;
    }
    etwapi_unlock_sessions();
    *count = found;
    return found > room ? ERROR_MORE_DATA : ERROR_SUCCESS;
}

ULONG WINAPI QueryAllTracesW(EVENT_TRACE_PROPERTIES **array, ULONG room, ULONG *count)
{
    return query_all(array, room, count, copy_out);
}

ULONG WINAPI QueryAllTracesA(EVENT_TRACE_PROPERTIES **array, ULONG room, ULONG *count)
{
    return query_all(array, room, count, copy_out_ansi);
}

/* --- ANSI forms ---------------------------------------------------------------------------------
 */

ULONG WINAPI StartTraceA(TRACEHANDLE *handle, LPCSTR name, EVENT_TRACE_PROPERTIES *properties)
{
    const ULONG checked = check_properties(properties);
    wchar_t wide_name[ETWAPI_NAME_UNITS];
    if (checked != ERROR_SUCCESS || !widen(name, wide_name)) {
        return checked != ERROR_SUCCESS ? checked : ERROR_INVALID_PARAMETER;
    }
    const ULONG offset = properties->LoggerNameOffset;
    if (is_inside_structure(offset) || is_inside_structure(properties->LogFileNameOffset)) {
        return ERROR_INVALID_PARAMETER;
    }
    if (offset != 0 && (offset >= properties->Wnode.BufferSize ||
                        properties->Wnode.BufferSize - offset <= strlen(name))) {
        return ERROR_BAD_LENGTH;
    }
    wide_properties wide;
    begin_wide(properties, &wide);
    const ULONG code = StartTraceW(handle, wide_name, &wide.head);
    return code == ERROR_SUCCESS ? end_wide(properties, &wide) : code;
}

ULONG WINAPI ControlTraceA(TRACEHANDLE handle, LPCSTR name, EVENT_TRACE_PROPERTIES *properties,
                           ULONG control)
{
    const ULONG checked = check_properties(properties);
    wchar_t wide_name[ETWAPI_NAME_UNITS];
    if (checked != ERROR_SUCCESS || (name != NULL && !widen(name, wide_name))) {
        return checked != ERROR_SUCCESS ? checked : ERROR_INVALID_PARAMETER;
    }
    wide_properties wide;
    begin_wide(properties, &wide);
    const ULONG code = ControlTraceW(handle, name == NULL ? NULL : wide_name, &wide.head, control);
    return code == ERROR_SUCCESS ? end_wide(properties, &wide) : code;
}

#define CONTROL(function, code)                                                                    \
    ULONG WINAPI function##W(TRACEHANDLE handle, LPCWSTR name, EVENT_TRACE_PROPERTIES *properties) \
    {                                                                                              \
        return ControlTraceW(handle, name, properties, code);                                      \
    }                                                                                              \
    ULONG WINAPI function##A(TRACEHANDLE handle, LPCSTR name, EVENT_TRACE_PROPERTIES *properties)  \
    {                                                                                              \
        return ControlTraceA(handle, name, properties, code);                                      \
    }

CONTROL(QueryTrace, EVENT_TRACE_CONTROL_QUERY)
CONTROL(StopTrace, EVENT_TRACE_CONTROL_STOP)
CONTROL(UpdateTrace, EVENT_TRACE_CONTROL_UPDATE)
CONTROL(FlushTrace, EVENT_TRACE_CONTROL_FLUSH)
