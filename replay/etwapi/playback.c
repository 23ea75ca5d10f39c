/* The consumer's side: OpenTrace, ProcessTrace, CloseTrace over a saved trace (evntrace.h). */
#include "format/query/where.h"
#include "replay/etwapi/delivery.h"
#include "replay/etwapi/known_schemas.h"
#include "replay/etwapi/live_ring.h"
#include "replay/etwapi/settings.h"
#include "replay/replay.h"

#include <stdlib.h>
#include <string.h>

/* ProcessTrace takes at most so many handles (its documentation), so more need not be open. */
#define MAX_OPEN_TRACES 64u

/* A buffer callback comes after so many events, and a stop or a changed provider is seen then. */
#define EVENTS_PER_BUFFER 256u

/* While a session waits for a provider to be enabled, or for its end. */
#define WAIT_MS 10u

/* One open trace. Between OpenTrace and CloseTrace; the thread in ProcessTrace owns all but
 * closing. */
typedef struct playback {
    ULONG generation; /* odd while open; part of the handle */
    etw_replay *replay;
    const etw_event *event; /* the next one, NULL before the first and after the last */
    bool ended;
    bool is_real_time;
    bool is_raw, wants_records; /* PROCESS_TRACE_MODE_... */
    bool processing;
    volatile LONG closing;
    ULONG failure;          /* why the trace ended before its end; ERROR_SUCCESS: it did not */
    TRACEHANDLE session;    /* of a real-time trace */
    etwapi_ring *ring;      /* what providers write to the session; NULL for a file */
    etw_event_maker *maker; /* for filters that look into what they wrote; NULL for a file */
    bool is_looping;        /* begins again after its last event */
    bool is_rebased;        /* rebase_100ns is known */
    int64_t rebase_100ns;   /* from the trace's time to the one that is told */
    bool is_endless;        /* until the session is stopped, not until the saved trace ends */
    etwapi_session enabled; /* the session as it was last looked at */
    ULONG events_since_look, read_count, buffer_count;
    int64_t base_time_100ns; /* of a session: FILETIME and clock of one moment here */
    LARGE_INTEGER base_ticks;
    bool is_paced; /* the next two are set: when the first event was, in the trace and here */
    int64_t first_time_100ns;
    ULONGLONG first_tick_ms;
    EVENT_TRACE_LOGFILEW log;      /* what the callbacks get; its strings are owned */
    etw_extended_data_item *items; /* room for kept items */
    ULONG item_room;
} playback;

/* Handles are process-wide, as ETW's are. */
typedef struct open_traces {
    SRWLOCK lock;
    playback *traces[MAX_OPEN_TRACES];
    ULONG generations[MAX_OPEN_TRACES];
} open_traces;

static open_traces open = {.lock = SRWLOCK_INIT};

/* --- handles ------------------------------------------------------------------------------------
 */

static TRACEHANDLE add_trace(playback *trace)
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
static playback **place_of(TRACEHANDLE handle)
{
    const uint64_t index = (uint64_t)handle & 0xFFu;
    const bool ours = ((uint64_t)handle >> 40) == 1 && index < MAX_OPEN_TRACES;
    if (!ours || (ULONG)((uint64_t)handle >> 8) != open.generations[index]) {
        return NULL;
    }
    return open.traces[index] == NULL ? NULL : &open.traces[index];
}

static void free_trace(playback *trace)
{
    etw_replay_close(trace->replay);
    etwapi_ring_close(trace->ring);
    etw_event_maker_free(trace->maker);
    free(trace->log.LogFileName);
    free(trace->log.LoggerName);
    free(trace->log.LogfileHeader.LogFileName);
    free(trace->log.LogfileHeader.LoggerName);
    free(trace->items);
    free(trace);
}

/* --- opening ------------------------------------------------------------------------------------
 */

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

static uint64_t filetime(const FILETIME *time)
{
    return (uint64_t)time->dwHighDateTime << 32 | time->dwLowDateTime;
}

static LARGE_INTEGER large(int64_t value)
{
    LARGE_INTEGER result;
    result.QuadPart = value;
    return result;
}

/* TRACE_LOGFILE_HEADER in this process' own layout, from what the trace said in its. */
static void fill_header(const etw_trace *trace, TRACE_LOGFILE_HEADER *header)
{
    header->BufferSize = trace->buffer_size_bytes;
    header->Version = trace->os_version;
    header->ProviderVersion = trace->os_build;
    header->NumberOfProcessors = trace->processor_count;
    header->EndTime = large(trace->end_time_100ns);
    header->TimerResolution = trace->timer_resolution_100ns;
    header->MaximumFileSize = trace->maximum_file_size_mb;
    header->LogFileMode = trace->log_file_mode;
    header->BuffersWritten = trace->buffers_written;
    header->StartBuffers = trace->start_buffers;
    header->PointerSize = trace->pointer_size;
    header->EventsLost = trace->events_lost;
    header->CpuSpeedInMHz = trace->cpu_mhz;
    header->TimeZone.Bias = trace->utc_bias_minutes;
    header->BootTime = large(trace->boot_time_100ns);
    header->PerfFreq = large((int64_t)trace->clock.frequency_hz);
    header->StartTime = large(trace->start_time_100ns);
    header->ReservedFlags = trace->clock.type;
    header->BuffersLost = trace->buffers_lost;
    header->LoggerName = widen(trace->session_name);
    header->LogFileName = widen(trace->log_file_name);
}

static ULONG open_again(playback *trace);

/* Looks ahead to the first event: the header of the trace is known from then on. */
static void advance(playback *trace)
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

static void count_loss(const playback *trace, ULONG events, ULONG buffers)
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
    const playback *trace = context;
    if (trace->is_real_time && strcmp(loss->detail, ETW_FAULTS_DETAIL) == 0) {
        count_loss(trace, (ULONG)loss->events, 0);
    }
}

/* where: what a session delivers; "" is everything. */
static ULONG open_replay(playback *trace, const char *path, const char *where)
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

/* The trace from its start; it was there before, and has an event. */
static ULONG open_again(playback *trace)
{
    etw_replay_close(trace->replay);
    trace->replay = NULL;
    const etwapi_settings *settings = etwapi_get_settings();
    const ULONG code = open_replay(trace, settings->trace_path, settings->where);
    if (code != ERROR_SUCCESS) {
        return code;
    }
    trace->is_paced = false;
    trace->is_rebased = false;
    return etw_replay_next(trace->replay, &trace->event, NULL) == ETW_OK
               ? (ULONG)ERROR_SUCCESS
               : (ULONG)ERROR_FILE_CORRUPT;
}

static ULONG open_file(playback *trace, const char *path, const char *where)
{
    const ULONG opened = open_replay(trace, path, where);
    if (opened != ERROR_SUCCESS) {
        return opened;
    }
    advance(trace);
    if (trace->event != NULL) {
        fill_header(etw_event_trace(trace->event), &trace->log.LogfileHeader);
    }
    return trace->failure;
}

static int64_t now_100ns(void)
{
    FILETIME now;
    GetSystemTimePreciseAsFileTime(&now);
    return (int64_t)((uint64_t)now.dwHighDateTime << 32 | now.dwLowDateTime);
}

/* A session over no saved trace: what this system is. */
static void describe_session(playback *trace)
{
    TRACE_LOGFILE_HEADER *header = &trace->log.LogfileHeader;
    const EVENT_TRACE_PROPERTIES *properties = &trace->enabled.properties;
    SYSTEM_INFO system;
    GetNativeSystemInfo(&system);
    LARGE_INTEGER frequency;
    (void)QueryPerformanceFrequency(&frequency);
    const int64_t started_100ns = now_100ns();
    header->BufferSize = properties->BufferSize * 1024u;
    header->NumberOfProcessors = system.dwNumberOfProcessors;
    header->TimerResolution = 156250;
    header->LogFileMode = properties->LogFileMode;
    header->PointerSize = sizeof(void *);
    header->PerfFreq = frequency;
    header->StartTime = large(started_100ns);
    header->BootTime = large(started_100ns - (int64_t)GetTickCount64() * 10000);
    header->ReservedFlags =
        properties->Wnode.ClientContext == 0 ? 1 : properties->Wnode.ClientContext;
    header->LoggerName = _wcsdup(trace->enabled.name);
}

/* What a real-time session over a saved trace says of itself: the host as in the trace, the clock
 * of this machine, and no start or pointer size, which are of no use there. */
static void take_live_clock(playback *trace)
{
    TRACE_LOGFILE_HEADER *header = &trace->log.LogfileHeader;
    const ULONG clock_type = trace->enabled.properties.Wnode.ClientContext;
    FILETIME now;
    GetSystemTimeAsFileTime(&now);
    header->ReservedFlags = clock_type == 0 ? ETW_CLOCK_QPC : clock_type;
    (void)QueryPerformanceFrequency(&header->PerfFreq);
    (void)QueryPerformanceCounter(&trace->base_ticks);
    trace->base_time_100ns = (int64_t)filetime(&now);
    header->StartTime = large(0);
    header->EndTime = large(0);
    header->PointerSize = 0;
}

/* A raw time stamp of this machine's clock for a moment of the trace. */
static int64_t ticks_of(const playback *trace, int64_t time_100ns)
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

static ULONG open_session(playback *trace, const wchar_t *name)
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

static ULONG open_log_file(playback *trace, const wchar_t *name)
{
    char path[ETWAPI_MAX_PATH_BYTES];
    if (WideCharToMultiByte(CP_UTF8, 0, name, -1, path, (int)sizeof path, NULL, NULL) <= 0) {
        return ERROR_BAD_PATHNAME;
    }
    return open_file(trace, path, "");
}

static ULONG open_playback(const EVENT_TRACE_LOGFILEW *log, playback **opened)
{
    playback *trace = calloc(1, sizeof *trace);
    if (trace == NULL) {
        return ERROR_NOT_ENOUGH_MEMORY;
    }
    trace->log = *log;
    trace->log.LogFileName = log->LogFileName == NULL ? NULL : _wcsdup(log->LogFileName);
    trace->log.LoggerName = log->LoggerName == NULL ? NULL : _wcsdup(log->LoggerName);
    memset(&trace->log.LogfileHeader, 0, sizeof trace->log.LogfileHeader);
    trace->is_real_time = (log->ProcessTraceMode & PROCESS_TRACE_MODE_REAL_TIME) != 0;
    trace->is_raw = (log->ProcessTraceMode & PROCESS_TRACE_MODE_RAW_TIMESTAMP) != 0;
    trace->wants_records = (log->ProcessTraceMode & PROCESS_TRACE_MODE_EVENT_RECORD) != 0;
    ULONG code = ERROR_INVALID_PARAMETER;
    if (trace->is_real_time && log->LoggerName != NULL) {
        code = open_session(trace, log->LoggerName);
    } else if (!trace->is_real_time && log->LogFileName != NULL) {
        code = open_log_file(trace, log->LogFileName);
    }
    if (code != ERROR_SUCCESS) {
        free_trace(trace);
        return code;
    }
    *opened = trace;
    return ERROR_SUCCESS;
}

TRACEHANDLE WINAPI OpenTraceW(EVENT_TRACE_LOGFILEW *log)
{
    playback *trace = NULL;
    ULONG code = log == NULL ? (ULONG)ERROR_INVALID_PARAMETER : open_playback(log, &trace);
    if (code != ERROR_SUCCESS) {
        SetLastError(code);
        return INVALID_PROCESSTRACE_HANDLE;
    }
    const TRACEHANDLE handle = add_trace(trace);
    if (handle == INVALID_PROCESSTRACE_HANDLE) {
        free_trace(trace);
        SetLastError(ERROR_NO_SYSTEM_RESOURCES);
        return handle;
    }
    /* The caller sees the header at once, its strings lent until CloseTrace. */
    log->LogfileHeader = trace->log.LogfileHeader;
    log->IsKernelTrace = trace->log.IsKernelTrace;
    return handle;
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
    const TRACEHANDLE handle = OpenTraceW(&wide);
    log->LogfileHeader = wide.LogfileHeader;
    log->IsKernelTrace = wide.IsKernelTrace;
    free(wide.LogFileName);
    free(wide.LoggerName);
    return handle;
}

ULONG WINAPI CloseTrace(TRACEHANDLE handle)
{
    playback *trace = NULL;
    bool pending = false;
    AcquireSRWLockExclusive(&open.lock);
    playback **place = place_of(handle);
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
    free_trace(trace);
    return ERROR_SUCCESS;
}

/* --- delivering ---------------------------------------------------------------------------------
 */

/* What became of the session since the last look: its providers, or its end. */
static bool look_at_session(playback *trace)
{
    etwapi_session *table = etwapi_lock_sessions();
    const etwapi_session *session = table == NULL ? NULL : etwapi_by_handle(table, trace->session);
    if (session != NULL && session->change != trace->enabled.change) {
        trace->enabled = *session;
    }
    const bool exists = session != NULL;
    etwapi_unlock_sessions();
    return exists;
}

/* Whether the buffer at hand is one of those that are lost on request. */
static bool is_lost_buffer(const playback *trace)
{
    const uint32_t each = etwapi_get_settings()->lose_each_buffer;
    return trace->is_real_time && each != 0 && (trace->buffer_count + 1) % each == 0;
}

/* A trace's events flow once something is enabled: a session without providers stays silent, and a
 * consumer that enables them after ProcessTrace began must not miss the start. */
static bool is_silent(const playback *trace)
{
    ULONG asked = trace->enabled.provider_count | trace->enabled.properties.EnableFlags;
    for (ULONG i = 1; i < ETWAPI_GROUP_MASKS; i++) {
        asked |= trace->enabled.group_masks[i];
    }
    return trace->is_real_time && etwapi_get_settings()->filter && asked == 0;
}

static void give_classic(const playback *trace, const etw_event_record *record)
{
    const etw_event_header *header = &record->EventHeader;
    EVENT_TRACE event = {.MofData = record->UserData, .MofLength = record->UserDataLength};
    event.Header.Size = header->Size;
    event.Header.Class.Type = header->EventDescriptor.Opcode;
    event.Header.Class.Level = header->EventDescriptor.Level;
    event.Header.Class.Version = header->EventDescriptor.Version;
    event.Header.ThreadId = header->ThreadId;
    event.Header.ProcessId = header->ProcessId;
    event.Header.TimeStamp = large(header->TimeStamp);
    memcpy(&event.Header.Guid, &header->ProviderId, sizeof event.Header.Guid);
    event.Header.ProcessorTime = header->ProcessorTime;
    memcpy(&event.BufferContext, &record->BufferContext, sizeof event.BufferContext);
    trace->log.EventCallback(&event);
}

static bool reserve_items(playback *trace, ULONG count)
{
    if (count <= trace->item_room) {
        return true;
    }
    etw_extended_data_item *items = realloc(trace->items, count * sizeof *items);
    if (items == NULL) {
        return false;
    }
    trace->items = items;
    trace->item_room = count;
    return true;
}

/* The record has its time as the consumer wants it; the rest of it is changed here. */
static void give_record(playback *trace, etw_event_record *record)
{
    trace->log.CurrentTime = record->EventHeader.TimeStamp;
    record->UserContext = trace->log.Context;
    if (trace->wants_records && trace->log.EventRecordCallback != NULL) {
        trace->log.EventRecordCallback((EVENT_RECORD *)record);
    } else if (!trace->wants_records && trace->log.EventCallback != NULL) {
        give_classic(trace, record);
    }
}

/* The time of the event at hand, moved to now where that was asked for. */
static int64_t told_time_100ns(playback *trace)
{
    const int64_t time_100ns = etw_event_time_100ns(trace->event);
    if (!trace->is_real_time || !etwapi_get_settings()->rebase) {
        return time_100ns;
    }
    if (!trace->is_rebased) {
        trace->is_rebased = true;
        trace->rebase_100ns = now_100ns() - time_100ns;
    }
    return time_100ns + trace->rebase_100ns;
}

static void give(playback *trace, ULONG enable_property, bool keep_all_items)
{
    etw_event_record record = *etw_event_record_of(trace->event);
    const int64_t time_100ns = told_time_100ns(trace);
    if (!trace->is_raw) {
        record.EventHeader.TimeStamp = time_100ns;
    } else if (trace->is_real_time && !etwapi_get_settings()->header_event) {
        record.EventHeader.TimeStamp = ticks_of(trace, time_100ns);
    }
    if (!keep_all_items && record.ExtendedDataCount > 0) {
        /* Without memory for the choice, no items rather than items nobody asked for. */
        const bool has_room = reserve_items(trace, record.ExtendedDataCount);
        record.ExtendedDataCount =
            has_room ? etwapi_keep_items(&record, enable_property, trace->items) : 0;
        record.ExtendedData = trace->items;
        if (record.ExtendedDataCount == 0) {
            record.EventHeader.Flags &= (uint16_t)~ETW_FLAG_EXTENDED_INFO;
        }
    }
    give_record(trace, &record);
}

/* Counts an event, and loses it on request. */
static bool is_lost(playback *trace)
{
    const uint32_t each = etwapi_get_settings()->lose_each;
    trace->read_count++;
    if (!trace->is_real_time || each == 0 || trace->read_count % each != 0) {
        return false;
    }
    count_loss(trace, 1, 0);
    trace->log.EventsLost++;
    return true;
}

/* Whether ETWAPI_ONLY lets the event through. */
static bool is_chosen(const etw_event_record *record)
{
    const etwapi_settings *settings = etwapi_get_settings();
    for (uint32_t i = 0; i < settings->only_count; i++) {
        if (etw_guid_equal(&settings->only[i], &record->EventHeader.ProviderId)) {
            return true;
        }
    }
    return settings->only_count == 0;
}

/* One event is due: it is delivered, filtered out, or lost on request. */
static void deliver(playback *trace)
{
    const etwapi_settings *settings = etwapi_get_settings();
    const etw_event_record *record = etw_event_record_of(trace->event);
    ULONG enable_property = 0;
    const bool filtered = trace->is_real_time && settings->filter;
    if (is_lost_buffer(trace) ||
        (trace->is_real_time && !settings->header_event && etwapi_is_header_event(record))) {
        return;
    }
    if (filtered && !etwapi_wants(&trace->enabled, trace->event, &enable_property)) {
        return;
    }
    if ((trace->is_real_time && !is_chosen(record)) || is_lost(trace)) {
        return;
    }
    give(trace, enable_property, !filtered);
}

/* After each buffer's worth of events: the consumer's buffer callback, and a look at the session.
 * False ends ProcessTrace. */
static bool end_buffer(playback *trace, bool *session_gone)
{
    trace->events_since_look = 0;
    if (is_lost_buffer(trace)) {
        count_loss(trace, 0, 1);
    }
    trace->buffer_count++;
    trace->log.BuffersRead++;
    trace->log.BufferSize = trace->log.LogfileHeader.BufferSize;
    trace->log.Filled = trace->log.BufferSize;
    if (trace->log.BufferCallback != NULL && !trace->log.BufferCallback(&trace->log)) {
        return false;
    }
    if (trace->is_real_time && !look_at_session(trace)) {
        *session_gone = true;
    }
    return true;
}

static bool is_in_range(const playback *trace, const FILETIME *start, const FILETIME *end)
{
    const uint64_t time = (uint64_t)etw_event_time_100ns(trace->event);
    return (start == NULL || time >= filetime(start)) && (end == NULL || time <= filetime(end));
}

/* The trace whose next event is the oldest; NULL where none has one. */
static playback *oldest(playback *const *traces, ULONG count)
{
    playback *found = NULL;
    for (ULONG i = 0; i < count; i++) {
        if (traces[i]->event != NULL && (found == NULL || etw_event_time_100ns(traces[i]->event) <
                                                              etw_event_time_100ns(found->event))) {
            found = traces[i];
        }
    }
    return found;
}

/* A paced session's event waits for its time. The wait is here and not in the replay, so that the
 * session can be stopped and the trace be closed meanwhile. */
static bool is_due(playback *trace)
{
    const double speed = etwapi_get_settings()->speed;
    if (!trace->is_real_time || speed <= 0) {
        return true;
    }
    const int64_t time_100ns = etw_event_time_100ns(trace->event);
    const ULONGLONG tick_ms = GetTickCount64();
    if (!trace->is_paced) {
        trace->is_paced = true;
        trace->first_time_100ns = time_100ns;
        trace->first_tick_ms = tick_ms;
    }
    const double elapsed_100ns = (double)(tick_ms - trace->first_tick_ms) * 10000.0 * speed;
    return (double)(time_100ns - trace->first_time_100ns) <= elapsed_100ns;
}

static bool any_closing(playback *const *traces, ULONG count)
{
    for (ULONG i = 0; i < count; i++) {
        if (traces[i]->closing != 0) {
            return true;
        }
    }
    return false;
}

/* What providers wrote, up to a buffer's worth. False: the consumer wants no more. */
static bool drain(playback *trace, bool *delivered)
{
    etw_extended_data_item items[ETWAPI_MAX_LIVE_ITEMS];
    etw_event_record record;
    bool session_gone;
    const ULONG clock_type = trace->enabled.properties.Wnode.ClientContext;
    while (trace->closing == 0 && etwapi_ring_read(trace->ring, &record, items)) {
        *delivered = true;
        etwapi_observe(&record);
        if (!trace->is_raw) {
            record.EventHeader.TimeStamp =
                etwapi_ring_time_100ns(trace->ring, record.EventHeader.TimeStamp, clock_type);
        }
        if (etwapi_keeps_written(&trace->enabled, trace->maker, &record) && !is_lost(trace)) {
            give_record(trace, &record);
        }
        etwapi_ring_release(trace->ring);
        if (++trace->events_since_look >= EVENTS_PER_BUFFER) {
            return end_buffer(trace, &session_gone);
        }
    }
    return trace->closing != 0 || trace->event != NULL || trace->events_since_look == 0 ||
           end_buffer(trace, &session_gone);
}

/* Whether a session is still there that lasts until it is stopped. To be asked before the last look
 * at its events. */
static bool any_lives(playback *const *traces, ULONG count)
{
    bool found = false;
    for (ULONG i = 0; i < count; i++) {
        found |= traces[i]->is_endless && look_at_session(traces[i]);
    }
    return found;
}

static bool drain_all(playback *const *traces, ULONG count, bool *delivered)
{
    bool wants_more = true;
    for (ULONG i = 0; i < count && wants_more; i++) {
        wants_more = traces[i]->ring == NULL || drain(traces[i], delivered);
    }
    return wants_more;
}

static ULONG first_failure(playback *const *traces, ULONG count)
{
    for (ULONG i = 0; i < count; i++) {
        if (traces[i]->failure != ERROR_SUCCESS) {
            return traces[i]->failure;
        }
    }
    return ERROR_SUCCESS;
}

/* CloseTrace lets a session's events that are in a buffer already come. */
static bool has_buffered(const playback *trace)
{
    return trace != NULL && trace->is_real_time && trace->events_since_look > 0;
}

/* What was enabled between OpenTrace and now counts from the first event on. */
static void look_at_sessions(playback *const *traces, ULONG count)
{
    for (ULONG i = 0; i < count; i++) {
        if (traces[i]->is_real_time) {
            (void)look_at_session(traces[i]);
        }
    }
}

static ULONG process(playback *const *traces, ULONG count, const FILETIME *start,
                     const FILETIME *end)
{
    look_at_sessions(traces, count);
    for (;;) {
        playback *trace = oldest(traces, count);
        if (any_closing(traces, count) && !has_buffered(trace)) {
            return ERROR_SUCCESS;
        }

        const bool lives = trace == NULL && any_lives(traces, count);
        bool delivered = false;
        if (!drain_all(traces, count, &delivered)) {
            return ERROR_CANCELLED;
        }
        if (trace == NULL) {
            if (!lives && !delivered) {
                return first_failure(traces, count);
            }
            Sleep(delivered ? 0 : WAIT_MS);
            continue;
        }
        if (is_silent(trace) || !is_due(trace)) {
            if (any_closing(traces, count)) {
                return ERROR_SUCCESS; /* what has not happened yet is in no buffer */
            }
            Sleep(WAIT_MS);
            trace->ended |= !look_at_session(trace);
        } else {
            if (is_in_range(trace, start, end)) {
                deliver(trace);
            }
            advance(trace);
            bool session_gone = false;
            if (++trace->events_since_look >= EVENTS_PER_BUFFER &&
                !end_buffer(trace, &session_gone)) {
                return ERROR_CANCELLED;
            }
            trace->ended |= session_gone;
        }
        if (trace->ended) {
            trace->event = NULL;
        }
    }
}

/* Marks the traces as being processed; false where a handle is not open, already in use, or given
 * twice. */
static bool take(const TRACEHANDLE *handles, ULONG count, playback **traces)
{
    ULONG taken = 0;
    AcquireSRWLockExclusive(&open.lock);
    for (; taken < count; taken++) {
        playback **place = place_of(handles[taken]);
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

static void give_back(const TRACEHANDLE *handles, ULONG count, playback *const *traces)
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
            free_trace(traces[i]);
        }
    }
}

ULONG WINAPI ProcessTrace(TRACEHANDLE *handles, ULONG count, FILETIME *start, FILETIME *end)
{
    if (handles == NULL) {
        return ERROR_INVALID_PARAMETER;
    }
    playback *traces[MAX_OPEN_TRACES];
    TRACEHANDLE own[MAX_OPEN_TRACES]; /* the caller may change its array meanwhile */
    if (count == 0 || count > MAX_OPEN_TRACES) {
        return ERROR_BAD_LENGTH;
    }
    memcpy(own, handles, count * sizeof own[0]);
    if (start != NULL && end != NULL && filetime(end) < filetime(start)) {
        return ERROR_INVALID_TIME;
    }
    if (!take(own, count, traces)) {
        return ERROR_INVALID_HANDLE;
    }
    const ULONG code = process(traces, count, start, end);
    bool session_ended = false;
    for (ULONG i = 0; i < count; i++) {
        if (code != ERROR_CANCELLED && traces[i]->events_since_look > 0) {
            (void)end_buffer(traces[i], &session_ended);
        }
    }
    give_back(own, count, traces);
    return code;
}
