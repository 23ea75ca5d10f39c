/* OpenTraceFromFile and OpenTraceFromRealTimeLogger: OpenTrace as Windows 11 has it (evntrace.h).
 */
#include "replay/etwapi/etw_headers.h"

/* Raw buffers cannot be had from a saved trace: a callback for them is refused. */
static TRACEHANDLE open_with(EVENT_TRACE_LOGFILEW *log, const etwapi_open_options *options,
                             TRACE_LOGFILE_HEADER *header)
{
    if (options == NULL || options->buffer_callback != NULL) {
        SetLastError(options == NULL ? ERROR_INVALID_PARAMETER : ERROR_NOT_SUPPORTED);
        return INVALID_PROCESSTRACE_HANDLE;
    }
    log->ProcessTraceMode |= PROCESS_TRACE_MODE_EVENT_RECORD;
    if ((options->modes & ETWAPI_MODE_RAW_TIMESTAMP) != 0) {
        log->ProcessTraceMode |= PROCESS_TRACE_MODE_RAW_TIMESTAMP;
    }
    log->EventRecordCallback = options->event_callback;
    log->Context = options->event_context;
    const TRACEHANDLE handle = OpenTraceW(log);
    if (header != NULL && handle != INVALID_PROCESSTRACE_HANDLE) {
        *header = log->LogfileHeader;
    }
    return handle;
}

TRACEHANDLE WINAPI OpenTraceFromFile(LPCWSTR file, const etwapi_open_options *options,
                                     TRACE_LOGFILE_HEADER *header)
{
    EVENT_TRACE_LOGFILEW log = {.LogFileName = (wchar_t *)(uintptr_t)file};
    return open_with(&log, options, header);
}

TRACEHANDLE WINAPI OpenTraceFromRealTimeLogger(LPCWSTR session, const etwapi_open_options *options,
                                               TRACE_LOGFILE_HEADER *header)
{
    EVENT_TRACE_LOGFILEW log = {.LoggerName = (wchar_t *)(uintptr_t)session};
    log.ProcessTraceMode = PROCESS_TRACE_MODE_REAL_TIME;
    return open_with(&log, options, header);
}
