/* The result codes that Windows' documentation names, one by one, against the drop-in API.
 * ETWAPI_TRACE names a trace of TraceLogging events of the provider Tests.Etwapi, each with one
 * property, a 32-bit integer "Count". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "format/event/tei.h"
#include "replay/etwapi/etw_headers.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#define NAME       L"etwapi checks"
#define OTHER_NAME L"etwapi checks 2"

#define INVALID_EVENT_DATA 15005u /* ERROR_EVT_INVALID_EVENT_DATA */
#define CTX_CLOSE_PENDING  7007u  /* ERROR_CTX_CLOSE_PENDING */
#define MAX_SESSIONS       64u

/* Declared by the Windows SDK; mingw-w64's tdh.h lacks them. */
ULONG WINAPI TdhFormatProperty(TRACE_EVENT_INFO *, EVENT_MAP_INFO *, ULONG, USHORT, USHORT, USHORT,
                               USHORT, BYTE *, ULONG *, WCHAR *, USHORT *);
ULONG WINAPI TdhLoadManifest(PWSTR path);

static const GUID any_provider = {0x11111111, 0x2222, 0x3333, {1, 2, 3, 4, 5, 6, 7, 8}};

typedef struct block {
    EVENT_TRACE_PROPERTIES head;
    WCHAR name[64];
    WCHAR file[64];
} block;

static block fresh(void)
{
    const block empty = {.head = {.Wnode = {.BufferSize = sizeof empty,
                                            .Flags = WNODE_FLAG_TRACED_GUID,
                                            .ClientContext = 1},
                                  .LogFileMode = EVENT_TRACE_REAL_TIME_MODE,
                                  .LoggerNameOffset = offsetof(block, name)}};
    return empty;
}

static TRACEHANDLE start(const WCHAR *name)
{
    block properties = fresh();
    TRACEHANDLE session = 0;
    assert_int_equal(StartTraceW(&session, name, &properties.head), ERROR_SUCCESS);
    assert_true(session != 0);
    return session;
}

static void stop(TRACEHANDLE session)
{
    block properties = fresh();
    assert_int_equal(ControlTraceW(session, NULL, &properties.head, EVENT_TRACE_CONTROL_STOP),
                     ERROR_SUCCESS);
}

/* --- controller ---------------------------------------------------------------------------------
 */

static void start_refuses_bad_arguments(void **state)
{
    (void)state;
    block properties = fresh();
    TRACEHANDLE session = 7;
    assert_int_equal(StartTraceW(NULL, NAME, &properties.head), ERROR_INVALID_PARAMETER);
    assert_int_equal(StartTraceW(&session, NULL, &properties.head), ERROR_INVALID_PARAMETER);
    assert_int_equal(StartTraceW(&session, NAME, NULL), ERROR_INVALID_PARAMETER);
    properties.head.Wnode.BufferSize = 8;
    assert_int_equal(StartTraceW(&session, NAME, &properties.head), ERROR_BAD_LENGTH);
    properties = fresh();
    properties.head.Wnode.Flags = 0;
    assert_int_equal(StartTraceW(&session, NAME, &properties.head), ERROR_INVALID_PARAMETER);
    assert_true(session == 0);
    properties.head.Wnode.Flags = WNODE_FLAG_ALL_DATA; /* as golang-etw has it */
    assert_int_equal(StartTraceW(&session, NAME, &properties.head), ERROR_SUCCESS);
    assert_int_equal(StopTraceW(session, NULL, &properties.head), ERROR_SUCCESS);
}

static void start_refuses_a_block_without_room_for_the_name(void **state)
{
    (void)state;
    block properties = fresh();
    TRACEHANDLE session;
    properties.head.Wnode.BufferSize = (ULONG)offsetof(block, name) + 4;
    assert_int_equal(StartTraceW(&session, NAME, &properties.head), ERROR_BAD_LENGTH);
    assert_int_equal(StartTraceA(&session, "etwapi checks", &properties.head), ERROR_BAD_LENGTH);
    properties = fresh();
    assert_int_equal(ControlTraceW(0, NAME, &properties.head, EVENT_TRACE_CONTROL_QUERY),
                     ERROR_WMI_INSTANCE_NOT_FOUND);
}

/* What real Windows says, by Wine's tests of advapi32's event tracing. */
static void start_refuses_what_windows_refuses(void **state)
{
    (void)state;
    static const GUID system_trace_control = {
        0x9e814aad, 0x3204, 0x11d2, {0x9a, 0x82, 0x00, 0x60, 0x08, 0xa8, 0x69, 0x39}};
    const struct {
        ULONG file_offset, name_offset, mode;
        const GUID *guid;
        ULONG code;
    } rows[] = {
        {1, offsetof(block, name), EVENT_TRACE_REAL_TIME_MODE, NULL, ERROR_INVALID_PARAMETER},
        {0, 1, EVENT_TRACE_REAL_TIME_MODE, NULL, ERROR_INVALID_PARAMETER},
        {0, offsetof(block, name),
         EVENT_TRACE_FILE_MODE_SEQUENTIAL | EVENT_TRACE_FILE_MODE_CIRCULAR, NULL,
         ERROR_INVALID_PARAMETER},
        {0, offsetof(block, name), EVENT_TRACE_REAL_TIME_MODE, &system_trace_control,
         ERROR_INVALID_PARAMETER},
        {0, offsetof(block, name), 0, NULL, ERROR_BAD_PATHNAME},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        block properties = fresh();
        TRACEHANDLE session;
        properties.head.LogFileNameOffset = rows[i].file_offset;
        properties.head.LoggerNameOffset = rows[i].name_offset;
        properties.head.LogFileMode = rows[i].mode;
        if (rows[i].guid != NULL) {
            properties.head.Wnode.Guid = *rows[i].guid;
        }
        assert_int_equal(StartTraceW(&session, NAME, &properties.head), rows[i].code);
        assert_int_equal(StartTraceA(&session, "etwapi checks", &properties.head), rows[i].code);
    }
}

/* Microsoft's tracelog sample prints what a query gives. */
static void a_query_gives_the_file_and_the_buffers(void **state)
{
    (void)state;
    block properties = fresh();
    TRACEHANDLE session;
    SYSTEM_INFO system;
    GetSystemInfo(&system);
    properties.head.LogFileNameOffset = offsetof(block, file);
    wcscpy(properties.file, L"c:\\x.etl");
    assert_int_equal(StartTraceW(&session, NAME, &properties.head), ERROR_SUCCESS);
    properties = fresh();
    properties.head.LogFileNameOffset = offsetof(block, file);
    assert_int_equal(ControlTraceW(session, NULL, &properties.head, EVENT_TRACE_CONTROL_QUERY),
                     ERROR_SUCCESS);
    assert_int_equal(wcscmp(properties.file, L"c:\\x.etl"), 0);
    assert_int_equal(wcscmp(properties.name, NAME), 0);
    assert_int_equal(properties.head.MinimumBuffers, 2 * system.dwNumberOfProcessors);
    assert_true(properties.head.MaximumBuffers >= properties.head.MinimumBuffers);
    assert_int_equal(properties.head.FlushTimer, 1);
    assert_int_equal(QueryTraceA(session, NULL, &properties.head), ERROR_SUCCESS);
    assert_string_equal((const char *)properties.file, "c:\\x.etl");
    stop(session);
}

static void a_taken_name_is_refused_in_any_case(void **state)
{
    (void)state;
    const TRACEHANDLE session = start(NAME);
    block properties = fresh();
    TRACEHANDLE second;
    assert_int_equal(StartTraceW(&second, L"ETWAPI Checks", &properties.head),
                     ERROR_ALREADY_EXISTS);
    stop(session);
}

static void a_stopped_session_is_not_found(void **state)
{
    (void)state;
    const TRACEHANDLE session = start(NAME);
    block properties = fresh();
    stop(session);
    assert_int_equal(ControlTraceW(session, NULL, &properties.head, EVENT_TRACE_CONTROL_STOP),
                     ERROR_WMI_INSTANCE_NOT_FOUND);
    assert_int_equal(ControlTraceW(0, NAME, &properties.head, EVENT_TRACE_CONTROL_STOP),
                     ERROR_WMI_INSTANCE_NOT_FOUND);
    assert_int_equal(ControlTraceW(0, NULL, &properties.head, EVENT_TRACE_CONTROL_STOP),
                     ERROR_INVALID_PARAMETER);
}

static void a_query_gives_name_and_handle(void **state)
{
    (void)state;
    const TRACEHANDLE session = start(NAME);
    block properties = fresh();
    assert_int_equal(QueryTraceW(0, NAME, &properties.head), ERROR_SUCCESS);
    assert_true(properties.head.Wnode.HistoricalContext == (ULONG64)session);
    assert_int_equal(wcscmp(properties.name, NAME), 0);
    properties.head.Wnode.BufferSize = (ULONG)offsetof(block, name) + 4;
    assert_int_equal(QueryTraceW(session, NULL, &properties.head), ERROR_MORE_DATA);
    stop(session);
}

static void ansi_forms_meet_the_wide_ones(void **state)
{
    (void)state;
    block properties = fresh();
    TRACEHANDLE session = 0;
    assert_int_equal(StartTraceA(&session, "etwapi checks", &properties.head), ERROR_SUCCESS);
    assert_string_equal((char *)&properties + properties.head.LoggerNameOffset, "etwapi checks");
    properties = fresh();
    assert_int_equal(QueryTraceW(0, NAME, &properties.head), ERROR_SUCCESS);
    properties = fresh();
    assert_int_equal(QueryTraceA(session, NULL, &properties.head), ERROR_SUCCESS);
    assert_string_equal((char *)&properties + properties.head.LoggerNameOffset, "etwapi checks");
    assert_int_equal(StopTraceA(0, "etwapi checks", &properties.head), ERROR_SUCCESS);
}

static void sessions_are_listed_and_limited(void **state)
{
    (void)state;
    static block blocks[MAX_SESSIONS];
    EVENT_TRACE_PROPERTIES *list[MAX_SESSIONS];
    TRACEHANDLE sessions[MAX_SESSIONS];
    ULONG count = 0, before = 0;
    for (ULONG i = 0; i < MAX_SESSIONS; i++) {
        blocks[i] = fresh();
        list[i] = &blocks[i].head;
    }
    assert_int_equal(QueryAllTracesW(list, MAX_SESSIONS, &before), ERROR_SUCCESS);
    ULONG started = 0, code = ERROR_SUCCESS;
    for (; started < MAX_SESSIONS; started++) {
        block properties = fresh();
        WCHAR name[32];
        (void)swprintf(name, 32, L"etwapi checks #%lu", started);
        code = StartTraceW(&sessions[started], name, &properties.head);
        if (code != ERROR_SUCCESS) {
            break;
        }
    }
    assert_int_equal(started, MAX_SESSIONS - before);
    assert_true(before == 0 || code == ERROR_NO_SYSTEM_RESOURCES);
    assert_int_equal(QueryAllTracesW(list, 1, &count), ERROR_MORE_DATA);
    assert_int_equal(count, MAX_SESSIONS);
    block properties = fresh();
    TRACEHANDLE one_more;
    assert_int_equal(StartTraceW(&one_more, OTHER_NAME, &properties.head),
                     ERROR_NO_SYSTEM_RESOURCES);
    for (ULONG i = 0; i < started; i++) {
        stop(sessions[i]);
    }
}

static void enabling_wants_a_provider_and_a_session(void **state)
{
    (void)state;
    assert_int_equal(
        EnableTraceEx2(0, &any_provider, EVENT_CONTROL_CODE_ENABLE_PROVIDER, 5, 0, 0, 0, NULL),
        ERROR_INVALID_PARAMETER);
    const TRACEHANDLE session = start(NAME);
    assert_int_equal(
        EnableTraceEx2(session, NULL, EVENT_CONTROL_CODE_ENABLE_PROVIDER, 5, 0, 0, 0, NULL),
        ERROR_INVALID_PARAMETER);
    assert_int_equal(EnableTraceEx2(session, &any_provider, 77, 5, 0, 0, 0, NULL),
                     ERROR_INVALID_PARAMETER);
    assert_int_equal(EnableTrace(TRUE, 0, 5, &any_provider, session), ERROR_SUCCESS);
    assert_int_equal(EnableTraceEx(&any_provider, NULL, session, FALSE, 0, 0, 0, 0, NULL),
                     ERROR_SUCCESS);
    stop(session);
    assert_int_equal(EnableTraceEx2(session, &any_provider, EVENT_CONTROL_CODE_ENABLE_PROVIDER, 5,
                                    0, 0, 0, NULL),
                     ERROR_INVALID_HANDLE);
}

/* --- consumer -----------------------------------------------------------------------------------
 */

typedef struct seen {
    ULONG events, buffers;
    TRACEHANDLE trace;
    ULONG close_after; /* 0: never */
    ULONG closed;
    EVENT_RECORD last; /* with copies of what it points to */
    BYTE data[256];
    EVENT_HEADER_EXTENDED_DATA_ITEM item;
    BYTE item_data[256];
} seen;

/* Consumers keep copies and decode them later: the last TraceLogging event is kept. */
static void keep(seen *s, const EVENT_RECORD *event)
{
    for (USHORT i = 0; i < event->ExtendedDataCount; i++) {
        if (event->ExtendedData[i].ExtType == ETW_EXT_EVENT_SCHEMA_TL) {
            assert_true(event->UserDataLength <= sizeof s->data &&
                        event->ExtendedData[i].DataSize <= sizeof s->item_data);
            s->last = *event;
            s->item = event->ExtendedData[i];
            memcpy(s->data, event->UserData, event->UserDataLength);
            memcpy(s->item_data, (const void *)(uintptr_t)s->item.DataPtr, s->item.DataSize);
            s->item.DataPtr = (ULONGLONG)(uintptr_t)s->item_data;
            s->item.Linkage = 0;
            s->last.UserData = s->data;
            s->last.ExtendedData = &s->item;
            s->last.ExtendedDataCount = 1;
        }
    }
}

static void WINAPI on_record(EVENT_RECORD *event)
{
    seen *s = event->UserContext;
    s->events++;
    keep(s, event);
    if (s->events == s->close_after) {
        s->closed = CloseTrace(s->trace);
    }
}

static ULONG WINAPI on_buffer(EVENT_TRACE_LOGFILEW *log)
{
    seen *s = log->Context;
    s->buffers++;
    return log->BuffersRead == s->buffers;
}

static ULONG WINAPI refuse_buffer(EVENT_TRACE_LOGFILEW *log)
{
    seen *s = log->Context;
    s->buffers++;
    return FALSE;
}

static const WCHAR *trace_path(void)
{
    const WCHAR *path = _wgetenv(L"ETWAPI_TRACE");
    assert_non_null(path);
    return path;
}

static TRACEHANDLE open_file(seen *s, PEVENT_TRACE_BUFFER_CALLBACKW buffer_callback)
{
    EVENT_TRACE_LOGFILEW log = {.LogFileName = (WCHAR *)(uintptr_t)trace_path(),
                                .BufferCallback = buffer_callback,
                                .Context = s};
    log.ProcessTraceMode = PROCESS_TRACE_MODE_EVENT_RECORD;
    log.EventRecordCallback = on_record;
    s->trace = OpenTraceW(&log);
    assert_true(s->trace != INVALID_PROCESSTRACE_HANDLE);
    assert_int_equal(log.LogfileHeader.PointerSize, 8);
    return s->trace;
}

static void open_says_why_not(void **state)
{
    (void)state;
    WCHAR missing[] = L"no such file.etl", session[] = L"no such session";
    EVENT_TRACE_LOGFILEW log = {.LogFileName = missing};
    assert_true(OpenTraceW(&log) == INVALID_PROCESSTRACE_HANDLE);
    assert_int_equal(GetLastError(), ERROR_FILE_NOT_FOUND);
    WCHAR program[MAX_PATH];
    assert_true(GetModuleFileNameW(NULL, program, MAX_PATH) > 0);
    log.LogFileName = program;
    assert_true(OpenTraceW(&log) == INVALID_PROCESSTRACE_HANDLE);
    assert_int_equal(GetLastError(), ERROR_FILE_CORRUPT);
    log = (EVENT_TRACE_LOGFILEW){.LoggerName = session};
    log.ProcessTraceMode = PROCESS_TRACE_MODE_REAL_TIME;
    assert_true(OpenTraceW(&log) == INVALID_PROCESSTRACE_HANDLE);
    assert_int_equal(GetLastError(), ERROR_WMI_INSTANCE_NOT_FOUND);
    log = (EVENT_TRACE_LOGFILEW){.LoggerName = NULL};
    assert_true(OpenTraceW(&log) == INVALID_PROCESSTRACE_HANDLE);
    assert_int_equal(GetLastError(), ERROR_BAD_PATHNAME);
}

static void processing_refuses_bad_arguments(void **state)
{
    (void)state;
    seen s = {0};
    TRACEHANDLE trace = open_file(&s, NULL);
    TRACEHANDLE bad = trace + 1000;
    FILETIME late = {2, 0}, early = {1, 0};
    assert_int_equal(ProcessTrace(NULL, 1, NULL, NULL), ERROR_INVALID_PARAMETER);
    assert_int_equal(ProcessTrace(&trace, 0, NULL, NULL), ERROR_BAD_LENGTH);
    assert_int_equal(ProcessTrace(&trace, 65, NULL, NULL), ERROR_BAD_LENGTH);
    assert_int_equal(ProcessTrace(&bad, 1, NULL, NULL), ERROR_INVALID_HANDLE);
    assert_int_equal(ProcessTrace(&trace, 1, &late, &early), ERROR_INVALID_TIME);
    assert_int_equal(s.events, 0);
    assert_int_equal(CloseTrace(trace), ERROR_SUCCESS);
    assert_int_equal(CloseTrace(trace), ERROR_INVALID_HANDLE);
    assert_int_equal(ProcessTrace(&trace, 1, NULL, NULL), ERROR_INVALID_HANDLE);
}

static void buffers_are_counted_and_may_end_the_trace(void **state)
{
    (void)state;
    seen s = {0};
    TRACEHANDLE trace = open_file(&s, on_buffer);
    assert_int_equal(ProcessTrace(&trace, 1, NULL, NULL), ERROR_SUCCESS);
    assert_true(s.events > 1 && s.buffers >= 1);
    assert_int_equal(CloseTrace(trace), ERROR_SUCCESS);
    const ULONG all = s.events;
    s = (seen){0};
    trace = open_file(&s, refuse_buffer);
    (void)ProcessTrace(&trace, 1, NULL, NULL);
    assert_true(s.buffers == 1 && s.events <= all);
    assert_int_equal(CloseTrace(trace), ERROR_SUCCESS);
}

static void a_trace_may_be_closed_in_its_callback(void **state)
{
    (void)state;
    seen s = {.close_after = 2};
    TRACEHANDLE trace = open_file(&s, NULL);
    assert_int_equal(ProcessTrace(&trace, 1, NULL, NULL), ERROR_SUCCESS);
    assert_int_equal(s.closed, CTX_CLOSE_PENDING);
    assert_int_equal(s.events, 2);
    assert_int_equal(CloseTrace(trace), ERROR_INVALID_HANDLE);
}

static void WINAPI close_and_forget(EVENT_RECORD *event)
{
    seen *s = event->UserContext;
    (void)CloseTrace(s->trace);
    s->trace = INVALID_PROCESSTRACE_HANDLE;
}

/* krabsetw's stop does so. */
static void the_callers_handle_may_be_reset_while_it_is_processed(void **state)
{
    (void)state;
    seen s = {0};
    EVENT_TRACE_LOGFILEW log = {.LogFileName = (WCHAR *)(uintptr_t)trace_path(), .Context = &s};
    log.ProcessTraceMode = PROCESS_TRACE_MODE_EVENT_RECORD;
    log.EventRecordCallback = close_and_forget;
    s.trace = OpenTraceW(&log);
    const TRACEHANDLE trace = s.trace;
    assert_int_equal(ProcessTrace(&s.trace, 1, NULL, NULL), ERROR_SUCCESS);
    assert_true(s.trace == INVALID_PROCESSTRACE_HANDLE);
    assert_int_equal(CloseTrace(trace), ERROR_INVALID_HANDLE);
}

/* EVENT_FILTER_EVENT_ID of evntprov.h: its size is exactly that of its ids. */
static void event_id_filters_have_the_size_they_say(void **state)
{
    (void)state;
    struct {
        BOOLEAN filter_in;
        UCHAR reserved;
        USHORT count;
        USHORT events[65];
    } ids = {.filter_in = TRUE};
    const struct {
        USHORT count;
        ULONG size, code;
    } rows[] = {{1, 6, ERROR_SUCCESS},
                {1, 4, ERROR_INVALID_PARAMETER},
                {1, 8, ERROR_INVALID_PARAMETER},
                {64, 4 + 64 * 2, ERROR_SUCCESS},
                {65, 4 + 65 * 2, ERROR_INVALID_PARAMETER}};
    const TRACEHANDLE session = start(NAME);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        EVENT_FILTER_DESCRIPTOR filter = {(ULONGLONG)(uintptr_t)&ids, rows[i].size, 0x80000200u};
        ENABLE_TRACE_PARAMETERS parameters = {.Version = 2, .EnableFilterDesc = &filter};
        parameters.FilterDescCount = 1;
        ids.count = rows[i].count;
        assert_int_equal(EnableTraceEx2(session, &any_provider, 1, 5, 0, 0, 0, &parameters),
                         rows[i].code);
    }
    stop(session);
}

/* The small trace is TraceLogging's, which no manifest defines. */
static void events_of_no_manifest_are_not_found(void **state)
{
    (void)state;
    GUID provider = any_provider;
    EVENT_DESCRIPTOR event = {.Id = 1};
    WCHAR missing[] = L"no such file.dll";
    ULONG size = 0;
    assert_int_equal(TdhEnumerateManifestProviderEvents(&provider, NULL, &size), ERROR_NOT_FOUND);
    assert_int_equal(TdhEnumerateManifestProviderEvents(NULL, NULL, &size),
                     ERROR_INVALID_PARAMETER);
    assert_int_equal(TdhGetManifestEventInformation(&provider, &event, NULL, &size),
                     ERROR_NOT_FOUND);
    assert_int_equal(TdhGetManifestEventInformation(&provider, NULL, NULL, &size),
                     ERROR_INVALID_PARAMETER);
    assert_int_equal(TdhLoadManifestFromBinary(missing), ERROR_FILE_NOT_FOUND);
}

static void a_provider_is_in_eight_sessions_at_most(void **state)
{
    (void)state;
    TRACEHANDLE sessions[9];
    for (ULONG i = 0; i < 9; i++) {
        WCHAR name[32];
        (void)swprintf(name, 32, L"etwapi checks #%lu", i);
        sessions[i] = start(name);
        assert_int_equal(EnableTraceEx2(sessions[i], &any_provider, 1, 5, 0, 0, 0, NULL),
                         i < 8 ? ERROR_SUCCESS : ERROR_NO_SYSTEM_RESOURCES);
    }
    for (ULONG i = 0; i < 9; i++) {
        stop(sessions[i]);
    }
}

/* --- TDH ----------------------------------------------------------------------------------------
 */

/* SystemConfig_V2_CPU, one of the classes that are built in: five numbers, then ComputerName of 256
 * characters. */
static void an_element_of_a_character_array_is_one_character(void **state)
{
    (void)state;
    static BYTE data[20 + 512 + 264 + 8];
    WCHAR *computer = (WCHAR *)(void *)(data + 20);
    computer[0] = L'P';
    computer[1] = L'C';
    EVENT_RECORD event = {.UserData = data, .UserDataLength = sizeof data};
    event.EventHeader.ProviderId =
        (GUID){0x01853a65, 0x418f, 0x4f36, {0xae, 0xfc, 0xdc, 0x0f, 0x1d, 0x2f, 0xd2, 0x35}};
    event.EventHeader.Flags = EVENT_HEADER_FLAG_CLASSIC_HEADER | EVENT_HEADER_FLAG_64_BIT_HEADER;
    event.EventHeader.EventDescriptor.Version = 2;
    event.EventHeader.EventDescriptor.Opcode = 10;
    const struct {
        ULONG index, code, size;
        WCHAR first;
    } rows[] = {{0, ERROR_SUCCESS, 2, L'P'},
                {1, ERROR_SUCCESS, 2, L'C'},
                {255, ERROR_SUCCESS, 2, 0},
                {256, ERROR_NOT_FOUND, 0, 0},
                {ULONG_MAX, ERROR_SUCCESS, 512, L'P'}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        PROPERTY_DATA_DESCRIPTOR property = {(ULONGLONG)(uintptr_t)L"ComputerName", rows[i].index,
                                             0};
        ULONG size = 0;
        WCHAR text[256] = {0};
        assert_int_equal(TdhGetPropertySize(&event, 0, NULL, 1, &property, &size), rows[i].code);
        assert_int_equal(size, rows[i].size);
        assert_int_equal(TdhGetProperty(&event, 0, NULL, 1, &property, size, (BYTE *)text),
                         rows[i].code);
        assert_int_equal(text[0], rows[i].first);
    }
}

static const seen *played(void)
{
    static seen s;
    if (s.events == 0) {
        TRACEHANDLE trace = open_file(&s, NULL);
        assert_int_equal(ProcessTrace(&trace, 1, NULL, NULL), ERROR_SUCCESS);
        assert_int_equal(CloseTrace(trace), ERROR_SUCCESS);
        assert_non_null(s.last.UserData);
    }
    return &s;
}

static void information_comes_in_the_size_it_asked_for(void **state)
{
    (void)state;
    EVENT_RECORD event = played()->last;
    ULONG size = 0;
    assert_int_equal(TdhGetEventInformation(&event, 0, NULL, NULL, NULL), ERROR_INVALID_PARAMETER);
    assert_int_equal(TdhGetEventInformation(&event, 0, NULL, NULL, &size),
                     ERROR_INSUFFICIENT_BUFFER);
    TRACE_EVENT_INFO *info = malloc(size);
    const ULONG needed = size;
    size--;
    assert_int_equal(TdhGetEventInformation(&event, 0, NULL, info, &size),
                     ERROR_INSUFFICIENT_BUFFER);
    assert_int_equal(size, needed);
    assert_int_equal(TdhGetEventInformation(&event, 0, NULL, info, &size), ERROR_SUCCESS);
    assert_int_equal(info->PropertyCount, 1);
    free(info);
    event.ExtendedDataCount = 0;
    event.EventHeader.ProviderId = any_provider;
    assert_int_equal(TdhGetEventInformation(&event, 0, NULL, NULL, &size), ERROR_NOT_FOUND);
}

/* A TMF file that a decoding handle is given. */
static void wpp_messages_are_answered(void **state)
{
    (void)state;
    static const char tmf[] = "11111111-2222-3333-0102-030405060708 Driver // SRC=a.c MJ= MN=\n"
                              "#typev a_c7 10 \"%0n=%10!d!\" //   LEVEL=Info FUNC=Open\n"
                              "{\nn, ItemLong -- 10\n}\n";
    WCHAR path[MAX_PATH + 32];
    DWORD written;
    const DWORD used = GetTempPathW(MAX_PATH, path);
    wcscpy(path + used, L"etwapi_checks.tmf");
    const HANDLE file = CreateFileW(path, GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, 0, NULL);
    assert_true(WriteFile(file, tmf, sizeof tmf - 1, &written, NULL));
    CloseHandle(file);
    HANDLE handle = NULL;
    TDH_CONTEXT context = {.ParameterValue = (uintptr_t)path,
                           .ParameterType = TDH_CONTEXT_WPP_TMFFILE};
    ULONG number = 7;
    EVENT_RECORD event = {.EventHeader = {.Flags = 8, .ThreadId = 5, .ProviderId = any_provider},
                          .UserData = &number,
                          .UserDataLength = sizeof number};
    event.EventHeader.EventDescriptor.Id = 10;
    assert_int_equal(TdhOpenDecodingHandle(&handle), ERROR_SUCCESS);
    assert_int_equal(TdhSetDecodingParameter(handle, &context), ERROR_SUCCESS);
    /* The file stays: what is loaded is read again when more is loaded. */
    WCHAR text[32];
    ULONG size = 0;
    assert_int_equal(TdhGetWppMessage(handle, &event, &size, NULL), ERROR_INSUFFICIENT_BUFFER);
    assert_int_equal(size, sizeof L"n=7");
    assert_int_equal(TdhGetWppMessage(handle, &event, &size, (BYTE *)text), ERROR_SUCCESS);
    assert_int_equal(wcscmp(text, L"n=7"), 0);
    static const struct {
        const WCHAR *name, *text;
    } names[] = {{L"FormattedString", L"n=7"},
                 {L"FunctionName", L"Open"},
                 {L"ComponentName", L"Driver"},
                 {L"GuidTypeName", L"a_c7"},
                 {L"LevelName", L"Info"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        size = sizeof text;
        assert_int_equal(
            TdhGetWppProperty(handle, &event, (PWSTR)names[i].name, &size, (BYTE *)text),
            ERROR_SUCCESS);
        assert_int_equal(wcscmp(text, names[i].text), 0);
    }
    size = sizeof number;
    assert_int_equal(TdhGetWppProperty(handle, &event, (PWSTR)L"ThreadId", &size, (BYTE *)&number),
                     ERROR_SUCCESS);
    assert_int_equal(number, 5);
    assert_int_equal(TdhGetWppProperty(handle, &event, (PWSTR)L"Nothing", &size, (BYTE *)text),
                     ERROR_NOT_FOUND);
    assert_int_equal(TdhGetWppProperty(handle, NULL, (PWSTR)L"LevelName", &size, (BYTE *)text),
                     ERROR_INVALID_PARAMETER);
    event.EventHeader.EventDescriptor.Id = 11;
    assert_int_equal(TdhGetWppMessage(handle, &event, &size, (BYTE *)text), ERROR_NOT_FOUND);
    assert_int_equal(TdhCloseDecodingHandle(handle), ERROR_SUCCESS);
}

static void properties_are_found_by_name(void **state)
{
    (void)state;
    EVENT_RECORD event = played()->last;
    PROPERTY_DATA_DESCRIPTOR path = {.PropertyName = (uintptr_t)L"Count", .ArrayIndex = ULONG_MAX};
    ULONG size = 0;
    BYTE bytes[4];
    assert_int_equal(TdhGetPropertySize(&event, 0, NULL, 1, &path, &size), ERROR_SUCCESS);
    assert_int_equal(size, 4);
    assert_int_equal(TdhGetProperty(&event, 0, NULL, 1, &path, 3, bytes),
                     ERROR_INSUFFICIENT_BUFFER);
    assert_int_equal(TdhGetProperty(&event, 0, NULL, 1, &path, 4, bytes), ERROR_SUCCESS);
    assert_memory_equal(bytes, event.UserData, 4);
    assert_int_equal(TdhGetPropertySize(&event, 0, NULL, 0, NULL, &size), ERROR_INVALID_PARAMETER);
    path.PropertyName = (uintptr_t)L"NoSuchProperty";
    assert_int_equal(TdhGetPropertySize(&event, 0, NULL, 1, &path, &size), ERROR_NOT_FOUND);
    EVENT_MAP_INFO map;
    WCHAR no_map[] = L"NoSuchMap";
    assert_int_equal(TdhGetEventMapInformation(&event, no_map, &map, &size), ERROR_NOT_FOUND);
}

static void format_tells_small_buffers_from_bad_data(void **state)
{
    (void)state;
    BYTE data[4] = {1, 0, 0, 0};
    WCHAR text[8];
    ULONG size = 0;
    USHORT used = 0;
    assert_int_equal(TdhFormatProperty(NULL, NULL, 8, ETW_IN_UINT32, ETW_OUT_NULL, 4, 4, data,
                                       &size, NULL, &used),
                     ERROR_INSUFFICIENT_BUFFER);
    assert_int_equal(size, 2 * sizeof *text);
    assert_int_equal(TdhFormatProperty(NULL, NULL, 8, ETW_IN_UINT32, ETW_OUT_NULL, 4, 4, data,
                                       &size, text, &used),
                     ERROR_SUCCESS);
    assert_true(text[0] == '1' && text[1] == 0 && used == 4);
    size = sizeof text;
    assert_int_equal(TdhFormatProperty(NULL, NULL, 8, ETW_IN_UINT32, ETW_OUT_NULL, 4, 3, data,
                                       &size, text, &used),
                     INVALID_EVENT_DATA);
    assert_int_equal(TdhFormatProperty(NULL, NULL, 5, ETW_IN_UINT32, ETW_OUT_NULL, 4, 4, data,
                                       &size, text, &used),
                     ERROR_INVALID_PARAMETER);
}

/* A value map with one word: 1 is "on". */
typedef struct small_map {
    EVENT_MAP_INFO head;
    WCHAR name[2], word[4];
} small_map;

static void format_refuses_a_value_that_the_map_does_not_name(void **state)
{
    (void)state;
    small_map map = {.head = {.NameOffset = offsetof(small_map, name),
                              .Flag = EVENTMAP_INFO_FLAG_MANIFEST_VALUEMAP,
                              .EntryCount = 1,
                              .MapEntryArray = {{offsetof(small_map, word), {1}}}},
                     .name = L"M",
                     .word = L"on "};
    BYTE data[4] = {1, 0, 0, 0};
    WCHAR text[8];
    ULONG size = sizeof text;
    USHORT used = 0;
    assert_int_equal(TdhFormatProperty(NULL, &map.head, 8, ETW_IN_UINT32, ETW_OUT_NULL, 4, 4, data,
                                       &size, text, &used),
                     ERROR_SUCCESS);
    assert_int_equal(wcscmp(text, L"on "), 0);
    data[0] = 2;
    size = sizeof text;
    assert_int_equal(TdhFormatProperty(NULL, &map.head, 8, ETW_IN_UINT32, ETW_OUT_NULL, 4, 4, data,
                                       &size, text, &used),
                     INVALID_EVENT_DATA);
}

static ULONG times_listed(const PROVIDER_ENUMERATION_INFO *list, const WCHAR *wanted)
{
    ULONG times = 0;
    for (ULONG i = 0; i < list->NumberOfProviders; i++) {
        const BYTE *name = (const BYTE *)list + list->TraceProviderInfoArray[i].ProviderNameOffset;
        times += wcscmp((const WCHAR *)(const void *)name, wanted) == 0;
    }
    return times;
}

/* Those of the trace, and those of every Windows: a program that wants several by name starts. */
static void providers_are_found_before_the_trace_is_played(void **state)
{
    (void)state;
    ULONG size = 0;
    assert_int_equal(TdhEnumerateProviders(NULL, &size), ERROR_INSUFFICIENT_BUFFER);
    PROVIDER_ENUMERATION_INFO *list = malloc(size);
    assert_int_equal(TdhEnumerateProviders(list, &size), ERROR_SUCCESS);
    assert_int_equal(times_listed(list, L"Tests.Etwapi"), 1);
    assert_int_equal(times_listed(list, L"Microsoft-Windows-DNS-Client"), 1);
    assert_int_equal(times_listed(list, L"Microsoft-Windows-No-Such"), 0);
    const ULONG count = list->NumberOfProviders;
    assert_int_equal(
        TdhEnumerateProvidersForDecodingSource(DecodingSourceXMLFile, list, size, &size),
        ERROR_SUCCESS);
    assert_int_equal(list->NumberOfProviders, count);
    assert_int_equal(TdhEnumerateProvidersForDecodingSource(DecodingSourceWbem, list, size, &size),
                     ERROR_SUCCESS);
    assert_int_equal(list->NumberOfProviders, 0);
    assert_int_equal(TdhEnumerateProvidersForDecodingSource(DecodingSourceWPP, list, size, &size),
                     ERROR_INVALID_PARAMETER);
    free(list);
}

static void manifests_that_are_none_are_refused(void **state)
{
    (void)state;
    WCHAR missing[] = L"no such manifest.man", program[MAX_PATH];
    assert_true(GetModuleFileNameW(NULL, program, MAX_PATH) > 0);
    assert_int_equal(TdhLoadManifest(NULL), ERROR_INVALID_PARAMETER);
    assert_int_equal(TdhLoadManifest(missing), ERROR_FILE_NOT_FOUND);
    assert_int_equal(TdhLoadManifest(program), ERROR_XML_PARSE_ERROR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(providers_are_found_before_the_trace_is_played),
        cmocka_unit_test(start_refuses_bad_arguments),
        cmocka_unit_test(start_refuses_a_block_without_room_for_the_name),
        cmocka_unit_test(start_refuses_what_windows_refuses),
        cmocka_unit_test(a_query_gives_the_file_and_the_buffers),
        cmocka_unit_test(a_taken_name_is_refused_in_any_case),
        cmocka_unit_test(a_stopped_session_is_not_found),
        cmocka_unit_test(a_query_gives_name_and_handle),
        cmocka_unit_test(ansi_forms_meet_the_wide_ones),
        cmocka_unit_test(sessions_are_listed_and_limited),
        cmocka_unit_test(enabling_wants_a_provider_and_a_session),
        cmocka_unit_test(open_says_why_not),
        cmocka_unit_test(processing_refuses_bad_arguments),
        cmocka_unit_test(buffers_are_counted_and_may_end_the_trace),
        cmocka_unit_test(a_trace_may_be_closed_in_its_callback),
        cmocka_unit_test(the_callers_handle_may_be_reset_while_it_is_processed),
        cmocka_unit_test(event_id_filters_have_the_size_they_say),
        cmocka_unit_test(an_element_of_a_character_array_is_one_character),
        cmocka_unit_test(a_provider_is_in_eight_sessions_at_most),
        cmocka_unit_test(events_of_no_manifest_are_not_found),
        cmocka_unit_test(information_comes_in_the_size_it_asked_for),
        cmocka_unit_test(properties_are_found_by_name),
        cmocka_unit_test(wpp_messages_are_answered),
        cmocka_unit_test(format_tells_small_buffers_from_bad_data),
        cmocka_unit_test(format_refuses_a_value_that_the_map_does_not_name),
        cmocka_unit_test(manifests_that_are_none_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
