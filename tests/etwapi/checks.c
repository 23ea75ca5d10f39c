/* The result codes that Windows' documentation names, one by one, against the drop-in API:
 * controllers and consumers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/etwapi/seen.h"
#include "tests/etwapi/session_block.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#define NAME              L"etwapi checks"
#define OTHER_NAME        L"etwapi checks 2"
#define CTX_CLOSE_PENDING 7007u /* ERROR_CTX_CLOSE_PENDING */
#define MAX_SESSIONS      64u

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
    assert_int_equal(StartTraceW(&session, L"", &properties.head), ERROR_INVALID_PARAMETER);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
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
        cmocka_unit_test(a_provider_is_in_eight_sessions_at_most),
        cmocka_unit_test(events_of_no_manifest_are_not_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
