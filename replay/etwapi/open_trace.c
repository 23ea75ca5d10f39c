/* OpenTrace, ProcessTrace, CloseTrace (evntrace.h): handles of open traces. */
#include "replay/etwapi/playback.h"

#include <stdlib.h>
#include <string.h>

/* ProcessTrace takes at most so many handles (its documentation), so more need not be open. */
#define MAX_OPEN_TRACES 64u

/* Handles are process-wide, as ETW's are. */
typedef struct open_traces {
    SRWLOCK lock;
    etwapi_playback *traces[MAX_OPEN_TRACES];
    ULONG generations[MAX_OPEN_TRACES];
} open_traces;

static open_traces open = {.lock = SRWLOCK_INIT};

static TRACEHANDLE add_trace(etwapi_playback *trace)
{
    TRACEHANDLE handle = INVALID_PROCESSTRACE_HANDLE;
    AcquireSRWLockExclusive(&open.lock);
    for (ULONG i = 0; i < MAX_OPEN_TRACES; i++) {
        if (open.traces[i] == NULL) {
            open.traces[i] = trace;
            open.generations[i]++;
            /* Bit 40 keeps these apart from sessions' handles. */
            handle = (TRACEHANDLE)((uint64_t)1 << 40 | (uint64_t)open.generations[i] << 8 | i);
            break;
        }
    }
    ReleaseSRWLockExclusive(&open.lock);
    return handle;
}

/* The lock is held. */
static etwapi_playback **place_of(TRACEHANDLE handle)
{
    const uint64_t index = (uint64_t)handle & 0xFFu;
    const bool ours = ((uint64_t)handle >> 40) == 1 && index < MAX_OPEN_TRACES;
    if (!ours || (ULONG)((uint64_t)handle >> 8) != open.generations[index]) {
        return NULL;
    }
    return open.traces[index] == NULL ? NULL : &open.traces[index];
}

/* ansi: NULL, or the same with the names as the caller has them. */
static TRACEHANDLE open_trace(EVENT_TRACE_LOGFILEW *log, const EVENT_TRACE_LOGFILEA *ansi)
{
    etwapi_playback *trace = NULL;
    const ULONG code =
        log == NULL ? (ULONG)ERROR_INVALID_PARAMETER : etwapi_playback_open(log, ansi, &trace);
    if (code != ERROR_SUCCESS) {
        SetLastError(code);
        return INVALID_PROCESSTRACE_HANDLE;
    }
    const TRACEHANDLE handle = add_trace(trace);
    if (handle == INVALID_PROCESSTRACE_HANDLE) {
        etwapi_playback_free(trace);
        SetLastError(ERROR_NO_SYSTEM_RESOURCES);
        return handle;
    }
    /* The caller sees the header at once, its strings lent until CloseTrace. */
    log->LogfileHeader = trace->log.LogfileHeader;
    log->IsKernelTrace = trace->log.IsKernelTrace;
    return handle;
}

TRACEHANDLE WINAPI OpenTraceW(EVENT_TRACE_LOGFILEW *log)
{
    return open_trace(log, NULL);
}

static wchar_t *widen_ansi(const char *ansi)
{
    if (ansi == NULL) {
        return NULL;
    }
    const int size = MultiByteToWideChar(CP_ACP, 0, ansi, -1, NULL, 0);
    wchar_t *wide = size <= 0 ? NULL : calloc((size_t)size, sizeof *wide);
    if (wide != NULL) {
        (void)MultiByteToWideChar(CP_ACP, 0, ansi, -1, wide, size);
    }
    return wide;
}

/* The two structures differ in the types of their strings and of the buffer callback only. */
_Static_assert(sizeof(EVENT_TRACE_LOGFILEA) == sizeof(EVENT_TRACE_LOGFILEW), "one layout");

TRACEHANDLE WINAPI OpenTraceA(EVENT_TRACE_LOGFILEA *log)
{
    if (log == NULL) {
        SetLastError(ERROR_INVALID_PARAMETER);
        return INVALID_PROCESSTRACE_HANDLE;
    }
    EVENT_TRACE_LOGFILEW wide;
    memcpy(&wide, log, sizeof wide);
    wide.LogFileName = widen_ansi(log->LogFileName);
    wide.LoggerName = widen_ansi(log->LoggerName);
    const TRACEHANDLE handle = open_trace(&wide, log);
    log->LogfileHeader = wide.LogfileHeader;
    log->IsKernelTrace = wide.IsKernelTrace;
    free(wide.LogFileName);
    free(wide.LoggerName);
    return handle;
}

/* Of a trace of the host itself it is zeros. */
ULONG WINAPI QueryTraceProcessingHandle(TRACEHANDLE handle,
                                        ETW_PROCESS_HANDLE_INFO_TYPE information, void *in,
                                        ULONG in_size, void *out, ULONG out_size, ULONG *returned)
{
    const ETW_TRACE_PARTITION_INFORMATION host = {.PartitionType = 0};
    (void)in;
    (void)in_size;
    AcquireSRWLockShared(&open.lock);
    const bool is_open = place_of(handle) != NULL;
    ReleaseSRWLockShared(&open.lock);
    if (!is_open) {
        return ERROR_INVALID_HANDLE;
    }
    if (information != EtwQueryPartitionInformation || returned == NULL) {
        return ERROR_INVALID_PARAMETER;
    }
    *returned = sizeof host;
    if (out == NULL || out_size < sizeof host) {
        return ERROR_INSUFFICIENT_BUFFER;
    }
    memcpy(out, &host, sizeof host);
    return ERROR_SUCCESS;
}

ULONG WINAPI CloseTrace(TRACEHANDLE handle)
{
    etwapi_playback *trace = NULL;
    bool pending = false;
    AcquireSRWLockExclusive(&open.lock);
    etwapi_playback **place = place_of(handle);
    if (place != NULL) {
        trace = *place;
        pending = trace->processing;
        if (pending) {
            trace->closing = 1; /* ProcessTrace frees it when it is done with it */
        } else {
            *place = NULL;
        }
    }
    ReleaseSRWLockExclusive(&open.lock);
    if (trace == NULL) {
        return ERROR_INVALID_HANDLE;
    }
    if (pending) {
        return ERROR_CTX_CLOSE_PENDING;
    }
    etwapi_playback_free(trace);
    return ERROR_SUCCESS;
}

/* Marks the traces as being processed; false where a handle is not open, already in use, or given
 * twice. */
static bool take(const TRACEHANDLE *handles, ULONG count, etwapi_playback **traces)
{
    ULONG taken = 0;
    AcquireSRWLockExclusive(&open.lock);
    for (; taken < count; taken++) {
        etwapi_playback **place = place_of(handles[taken]);
        if (place == NULL || (*place)->processing) {
            break;
        }
        traces[taken] = *place;
        traces[taken]->processing = true;
    }
    for (ULONG i = 0; taken < count && i < taken; i++) {
        traces[i]->processing = false;
    }
    ReleaseSRWLockExclusive(&open.lock);
    return taken == count;
}

static void give_back(const TRACEHANDLE *handles, ULONG count, etwapi_playback *const *traces)
{
    for (ULONG i = 0; i < count; i++) {
        AcquireSRWLockExclusive(&open.lock);
        traces[i]->processing = false;
        const bool closing = traces[i]->closing != 0;
        if (closing) {
            *place_of(handles[i]) = NULL;
        }
        ReleaseSRWLockExclusive(&open.lock);
        if (closing) {
            etwapi_playback_free(traces[i]);
        }
    }
}

/* ProcessTrace's page: files, or one session; neither both nor two of them. */
static ULONG check_kinds(etwapi_playback *const *traces, ULONG count)
{
    ULONG sessions = 0;
    for (ULONG i = 0; i < count; i++) {
        sessions += traces[i]->is_real_time;
    }
    return sessions == 0 || count == 1 ? ERROR_SUCCESS : ERROR_INVALID_PARAMETER;
}

static ULONG rewind_all(etwapi_playback *const *traces, ULONG count)
{
    ULONG code = check_kinds(traces, count);
    for (ULONG i = 0; code == ERROR_SUCCESS && i < count; i++) {
        code = etwapi_playback_rewind(traces[i]);
    }
    return code;
}

ULONG WINAPI ProcessTrace(TRACEHANDLE *handles, ULONG count, FILETIME *start, FILETIME *end)
{
    if (handles == NULL) {
        return ERROR_INVALID_PARAMETER;
    }
    etwapi_playback *traces[MAX_OPEN_TRACES];
    TRACEHANDLE own[MAX_OPEN_TRACES]; /* the caller may change its array meanwhile */
    if (count == 0 || count > MAX_OPEN_TRACES) {
        return ERROR_BAD_LENGTH;
    }
    memcpy(own, handles, count * sizeof own[0]);
    if (start != NULL && end != NULL && etwapi_filetime(end) < etwapi_filetime(start)) {
        return ERROR_INVALID_TIME;
    }
    if (!take(own, count, traces)) {
        return ERROR_INVALID_HANDLE;
    }
    ULONG code = rewind_all(traces, count);
    if (code == ERROR_SUCCESS) {
        code = etwapi_playback_run(traces, count, start, end);
    }
    give_back(own, count, traces);
    return code;
}
