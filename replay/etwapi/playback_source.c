/* Where events come from: a saved trace, or a session over one, or over none. */
#include "format/query/where.h"
#include "replay/etwapi/known_schemas.h"
#include "replay/etwapi/playback.h"
#include "replay/etwapi/settings.h"

#include <stdlib.h>
#include <string.h>

void etwapi_playback_free(etwapi_playback *trace)
{
    etw_replay_close(trace->replay);
    etwapi_ring_close(trace->ring);
    etw_event_maker_free(trace->maker);
    free(trace->file_name);
    free(trace->log.LogFileName);
    free(trace->log.LoggerName);
    free(trace->log.LogfileHeader.LogFileName);
    free(trace->log.LogfileHeader.LoggerName);
    free(trace->items);
    free(trace);
}

static ULONG code_of(etw_status status)
{
    switch (status) {
    case ETW_ERROR_NOT_FOUND:
        return ERROR_FILE_NOT_FOUND;
    case ETW_ERROR_ACCESS:
        return ERROR_ACCESS_DENIED;
    case ETW_ERROR_NO_MEMORY:
        return ERROR_NOT_ENOUGH_MEMORY;
    case ETW_ERROR_NOT_THIS:
    case ETW_ERROR_DAMAGED:
        return ERROR_FILE_CORRUPT;
    default:
        return ERROR_BAD_PATHNAME;
    }
}

static wchar_t *widen(const char *utf8)
{
    const int size = MultiByteToWideChar(CP_UTF8, 0, utf8, -1, NULL, 0);
    wchar_t *wide = size <= 0 ? NULL : calloc((size_t)size, sizeof *wide);
    if (wide != NULL) {
        (void)MultiByteToWideChar(CP_UTF8, 0, utf8, -1, wide, size);
    }
    return wide;
}

/* TRACE_LOGFILE_HEADER in this process' own layout, from what the trace said in its. */
static void fill_header(const etw_trace *trace, TRACE_LOGFILE_HEADER *header)
{
    header->BufferSize = trace->buffer_size_bytes;
    header->Version = trace->os_version;
    header->ProviderVersion = trace->os_build;
    header->NumberOfProcessors = trace->processor_count;
    header->EndTime = etwapi_large(trace->end_time_100ns);
    header->TimerResolution = trace->timer_resolution_100ns;
    header->MaximumFileSize = trace->maximum_file_size_mb;
    header->LogFileMode = trace->log_file_mode;
    header->BuffersWritten = trace->buffers_written;
    header->StartBuffers = trace->start_buffers;
    header->PointerSize = trace->pointer_size;
    header->EventsLost = trace->events_lost;
    header->CpuSpeedInMHz = trace->cpu_mhz;
    header->TimeZone.Bias = trace->utc_bias_minutes;
    header->BootTime = etwapi_large(trace->boot_time_100ns);
    header->PerfFreq = etwapi_large((int64_t)trace->clock.frequency_hz);
    header->StartTime = etwapi_large(trace->start_time_100ns);
    header->ReservedFlags = trace->clock.type;
    header->BuffersLost = trace->buffers_lost;
    header->LoggerName = widen(trace->session_name);
    header->LogFileName = widen(trace->log_file_name);
}

static ULONG open_again(etwapi_playback *trace);

void etwapi_playback_advance(etwapi_playback *trace)
{
    if (trace->ended) {
        return;
    }
    const etw_status status = etw_replay_next(trace->replay, &trace->event, NULL);
    if (status != ETW_OK) {
        if (status == ETW_END && trace->is_looping && open_again(trace) == ERROR_SUCCESS) {
            return;
        }
        trace->ended = true;
        trace->event = NULL;
        /* Half a trace must not look like a whole one: ProcessTrace tells at its end. */
        trace->failure = status == ETW_END ? (ULONG)ERROR_SUCCESS : code_of(status);
        return;
    }
    etwapi_learn(trace->event);
}

void etwapi_playback_count_loss(const etwapi_playback *trace, ULONG events, ULONG buffers)
{
    etwapi_session *table = etwapi_lock_sessions();
    etwapi_session *session = table == NULL ? NULL : etwapi_by_handle(table, trace->session);
    if (session != NULL) {
        session->properties.EventsLost += events;
        session->properties.RealTimeBuffersLost += buffers;
    }
    etwapi_unlock_sessions();
}

/* Losses that were asked for, not those of the trace. */
static void on_loss(void *context, const etw_loss *loss)
{
    const etwapi_playback *trace = context;
    if (trace->is_real_time && strcmp(loss->detail, ETW_FAULTS_DETAIL) == 0) {
        etwapi_playback_count_loss(trace, (ULONG)loss->events, 0);
    }
}

/* where: what a session delivers; "" is everything. */
static ULONG open_replay(etwapi_playback *trace, const char *path, const char *where)
{
    const etwapi_settings *settings = etwapi_get_settings();
    const char *manifests[] = {settings->manifest_path};
    etw_replay_options options = {.raw_time = true,
                                  .manifest_paths = manifests,
                                  .manifest_path_count = settings->manifest_path[0] == '\0' ? 0 : 1,
                                  .faults = settings->faults,
                                  .loss = on_loss,
                                  .loss_context = trace};
    if (settings->has_wrong_faults) {
        return ERROR_INVALID_PARAMETER;
    }
    if (where[0] != '\0' && etw_where_compile(where, &options.filter.where, NULL) != ETW_OK) {
        return ERROR_INVALID_PARAMETER;
    }
    const etw_status status = etw_replay_open(path, &options, &trace->replay, NULL);
    etw_where_free(options.filter.where);
    return status == ETW_OK ? (ULONG)ERROR_SUCCESS : code_of(status);
}

/* The path of an opened log file. */
static ULONG log_file_path(const wchar_t *name, char path[ETWAPI_MAX_PATH_BYTES])
{
    return WideCharToMultiByte(CP_UTF8, 0, name, -1, path, ETWAPI_MAX_PATH_BYTES, NULL, NULL) > 0
               ? (ULONG)ERROR_SUCCESS
               : (ULONG)ERROR_BAD_PATHNAME;
}

static ULONG open_its_replay(etwapi_playback *trace)
{
    if (trace->is_real_time) {
        const etwapi_settings *settings = etwapi_get_settings();
        return open_replay(trace, settings->trace_path, settings->where);
    }
    char path[ETWAPI_MAX_PATH_BYTES];
    const ULONG code = log_file_path(trace->file_name, path);
    return code == ERROR_SUCCESS ? open_replay(trace, path, "") : code;
}

/* The trace from its start; it was there before, and has an event. */
static ULONG open_again(etwapi_playback *trace)
{
    etw_replay_close(trace->replay);
    trace->replay = NULL;
    trace->event = NULL;
    const ULONG code = open_its_replay(trace);
    if (code != ERROR_SUCCESS) {
        return code;
    }
    trace->is_paced = false;
    trace->is_rebased = false;
    return etw_replay_next(trace->replay, &trace->event, NULL) == ETW_OK
               ? (ULONG)ERROR_SUCCESS
               : (ULONG)ERROR_FILE_CORRUPT;
}

static ULONG open_file(etwapi_playback *trace, const char *path, const char *where)
{
    const ULONG opened = open_replay(trace, path, where);
    if (opened != ERROR_SUCCESS) {
        return opened;
    }
    etwapi_playback_advance(trace);
    if (trace->event != NULL) {
        fill_header(etw_event_trace(trace->event), &trace->log.LogfileHeader);
    }
    return trace->failure;
}

int64_t etwapi_now_100ns(void)
{
    FILETIME now;
    GetSystemTimePreciseAsFileTime(&now);
    return (int64_t)etwapi_filetime(&now);
}

/* A session over no saved trace: what this system is. */
static void describe_session(etwapi_playback *trace)
{
    TRACE_LOGFILE_HEADER *header = &trace->log.LogfileHeader;
    const EVENT_TRACE_PROPERTIES *properties = &trace->enabled.properties;
    SYSTEM_INFO system;
    GetNativeSystemInfo(&system);
    LARGE_INTEGER frequency;
    (void)QueryPerformanceFrequency(&frequency);
    const int64_t started_100ns = etwapi_now_100ns();
    header->BufferSize = properties->BufferSize * 1024u;
    header->NumberOfProcessors = system.dwNumberOfProcessors;
    header->TimerResolution = 156250;
    header->LogFileMode = properties->LogFileMode;
    header->PointerSize = sizeof(void *);
    header->PerfFreq = frequency;
    header->StartTime = etwapi_large(started_100ns);
    header->BootTime = etwapi_large(started_100ns - (int64_t)GetTickCount64() * 10000);
    header->ReservedFlags =
        properties->Wnode.ClientContext == 0 ? 1 : properties->Wnode.ClientContext;
    header->LoggerName = _wcsdup(trace->enabled.name);
}

/* What a real-time session over a saved trace says of itself: the host as in the trace, the clock
 * of this machine, and no start or pointer size, which are of no use there. */
static void take_live_clock(etwapi_playback *trace)
{
    TRACE_LOGFILE_HEADER *header = &trace->log.LogfileHeader;
    const ULONG clock_type = trace->enabled.properties.Wnode.ClientContext;
    FILETIME now;
    GetSystemTimeAsFileTime(&now);
    header->ReservedFlags = clock_type == 0 ? ETW_CLOCK_QPC : clock_type;
    (void)QueryPerformanceFrequency(&header->PerfFreq);
    (void)QueryPerformanceCounter(&trace->base_ticks);
    trace->base_time_100ns = (int64_t)etwapi_filetime(&now);
    header->StartTime = etwapi_large(0);
    header->EndTime = etwapi_large(0);
    header->PointerSize = 0;
}

int64_t etwapi_playback_ticks(const etwapi_playback *trace, int64_t time_100ns)
{
    const TRACE_LOGFILE_HEADER *header = &trace->log.LogfileHeader;
    if (header->ReservedFlags == ETW_CLOCK_SYSTEM_TIME) {
        return time_100ns;
    }
    const int64_t passed_100ns = time_100ns - trace->base_time_100ns;
    const int64_t second_100ns = 10000000, frequency = header->PerfFreq.QuadPart;
    return trace->base_ticks.QuadPart + passed_100ns / second_100ns * frequency +
           passed_100ns % second_100ns * frequency / second_100ns;
}

static ULONG open_session(etwapi_playback *trace, const wchar_t *name)
{
    etwapi_session *table = etwapi_lock_sessions();
    const etwapi_session *session = table == NULL ? NULL : etwapi_by_name(table, name);
    if (session != NULL) {
        trace->session = etwapi_handle_of(table, session);
        trace->enabled = *session;
    }
    etwapi_unlock_sessions();
    if (session == NULL) {
        return ERROR_WMI_INSTANCE_NOT_FOUND;
    }
    const char *path = etwapi_get_settings()->trace_path;
    trace->is_endless = path[0] == '\0' || etwapi_get_settings()->wait_at_end;
    trace->ring = etwapi_ring_open(trace->session);
    trace->maker = etw_event_maker_new(true);
    if (trace->ring == NULL || trace->maker == NULL) {
        return ERROR_NO_SYSTEM_RESOURCES;
    }
    if (path[0] != '\0') {
        trace->is_looping = etwapi_get_settings()->loop_at_end;
        const ULONG code = open_file(trace, path, etwapi_get_settings()->where);
        if (code == ERROR_SUCCESS && !etwapi_get_settings()->header_event) {
            take_live_clock(trace);
        }
        return code;
    }
    describe_session(trace);
    return ERROR_SUCCESS;
}

static ULONG open_log_file(etwapi_playback *trace, const wchar_t *name)
{
    char path[ETWAPI_MAX_PATH_BYTES];
    const ULONG code = log_file_path(name, path);
    return code == ERROR_SUCCESS ? open_file(trace, path, "") : code;
}

static bool is_running(TRACEHANDLE handle)
{
    etwapi_session *table = etwapi_lock_sessions();
    const bool found = table != NULL && etwapi_by_handle(table, handle) != NULL;
    etwapi_unlock_sessions();
    return found;
}

/* ProcessTrace's page. Some programs call it again for as long as it succeeds: a saved trace that
 * ended counts as a session that did. */
static ULONG check_session(const etwapi_playback *trace)
{
    const bool is_over = trace->ended && !trace->is_endless;
    return is_over || !is_running(trace->session) ? ERROR_WMI_INSTANCE_NOT_FOUND : ERROR_SUCCESS;
}

ULONG etwapi_playback_rewind(etwapi_playback *trace)
{
    const bool was_played = trace->was_played;
    trace->was_played = true;
    if (!was_played) {
        return ERROR_SUCCESS;
    }
    if (trace->is_real_time) {
        return check_session(trace);
    }
    trace->ended = false;
    trace->events_since_look = 0;
    trace->buffer_count = 0;
    trace->log.BuffersRead = 0;
    trace->failure = open_again(trace);
    trace->ended = trace->failure != ERROR_SUCCESS;
    return trace->failure;
}

/* What OpenTrace says where neither a file nor a session is named is ERROR_BAD_PATHNAME, by its
 * page. */
static ULONG open_what_is_named(etwapi_playback *trace, const EVENT_TRACE_LOGFILEW *log)
{
    if (trace->is_real_time) {
        return log->LoggerName == NULL ? (ULONG)ERROR_INVALID_PARAMETER
                                       : open_session(trace, log->LoggerName);
    }
    return log->LogFileName == NULL ? (ULONG)ERROR_BAD_PATHNAME
                                    : open_log_file(trace, log->LogFileName);
}

/* The layouts are one: a pointer in the ANSI form stands where the wide one would. */
static void copy_names(const EVENT_TRACE_LOGFILEW *log, const EVENT_TRACE_LOGFILEA *ansi,
                       etwapi_playback *trace)
{
    const bool has_file = log->LogFileName != NULL, has_logger = log->LoggerName != NULL;
    trace->file_name = has_file ? _wcsdup(log->LogFileName) : NULL;
    if (ansi != NULL) {
        trace->log.LogFileName = has_file ? (void *)_strdup(ansi->LogFileName) : NULL;
        trace->log.LoggerName = has_logger ? (void *)_strdup(ansi->LoggerName) : NULL;
    } else {
        trace->log.LogFileName = has_file ? _wcsdup(log->LogFileName) : NULL;
        trace->log.LoggerName = has_logger ? _wcsdup(log->LoggerName) : NULL;
    }
}

static bool is_kernels(const etwapi_playback *trace, const EVENT_TRACE_LOGFILEW *log)
{
    const wchar_t *name =
        trace->is_real_time ? log->LoggerName : trace->log.LogfileHeader.LoggerName;
    return name != NULL && _wcsicmp(name, KERNEL_LOGGER_NAMEW) == 0;
}

ULONG etwapi_playback_open(const EVENT_TRACE_LOGFILEW *log, const EVENT_TRACE_LOGFILEA *ansi,
                           etwapi_playback **opened)
{
    etwapi_playback *trace = calloc(1, sizeof *trace);
    if (trace == NULL) {
        return ERROR_NOT_ENOUGH_MEMORY;
    }
    trace->log = *log;
    copy_names(log, ansi, trace);
    memset(&trace->log.LogfileHeader, 0, sizeof trace->log.LogfileHeader);
    trace->is_real_time = (log->ProcessTraceMode & PROCESS_TRACE_MODE_REAL_TIME) != 0;
    trace->is_raw = (log->ProcessTraceMode & PROCESS_TRACE_MODE_RAW_TIMESTAMP) != 0;
    trace->wants_records = (log->ProcessTraceMode & PROCESS_TRACE_MODE_EVENT_RECORD) != 0;
    const ULONG code = open_what_is_named(trace, log);
    if (code != ERROR_SUCCESS) {
        etwapi_playback_free(trace);
        return code;
    }
    trace->log.IsKernelTrace = is_kernels(trace, log);
    *opened = trace;
    return ERROR_SUCCESS;
}
