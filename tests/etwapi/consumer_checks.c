/* What consumers that others wrote do with OpenTrace and ProcessTrace beside the usual, against the
 * drop-in API. ETWAPI_TRACE names a trace of TraceLogging events, which is opened as a file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "replay/etwapi/etw_headers.h"
#include "tests/etwapi/session_block.h"

#include <stdlib.h>
#include <string.h>
#include <wchar.h>

static const GUID nobody = {0xb0c5e107, 0x1111, 0x4222, {1, 2, 3, 4, 5, 6, 7, 8}};

static void WINAPI count_event(EVENT_RECORD *event)
{
    ++*(ULONG *)event->UserContext;
}

static ULONG WINAPI refuse_buffer(EVENT_TRACE_LOGFILEW *log)
{
    (void)log;
    return FALSE;
}

static TRACEHANDLE open_file(ULONG *events, PEVENT_TRACE_BUFFER_CALLBACKW on_buffer)
{
    EVENT_TRACE_LOGFILEW log = {
        .LogFileName = _wgetenv(L"ETWAPI_TRACE"), .BufferCallback = on_buffer, .Context = events};
    log.ProcessTraceMode = PROCESS_TRACE_MODE_EVENT_RECORD;
    log.EventRecordCallback = count_event;
    const TRACEHANDLE trace = OpenTraceW(&log);
    assert_true(trace != INVALID_PROCESSTRACE_HANDLE);
    return trace;
}

static TRACEHANDLE start(const WCHAR *name)
{
    block properties = fresh();
    TRACEHANDLE session = 0;
    assert_int_equal(StartTraceW(&session, name, &properties.head), ERROR_SUCCESS);
    return session;
}

static void stop(TRACEHANDLE session)
{
    block properties = fresh();
    assert_int_equal(ControlTraceW(session, NULL, &properties.head, EVENT_TRACE_CONTROL_STOP),
                     ERROR_SUCCESS);
}

static TRACEHANDLE open_session(WCHAR *name, ULONG *events)
{
    EVENT_TRACE_LOGFILEW log = {.LoggerName = name, .Context = events};
    log.ProcessTraceMode = PROCESS_TRACE_MODE_EVENT_RECORD | PROCESS_TRACE_MODE_REAL_TIME;
    log.EventRecordCallback = count_event;
    const TRACEHANDLE trace = OpenTraceW(&log);
    assert_true(trace != INVALID_PROCESSTRACE_HANDLE);
    return trace;
}

/* As Microsoft's etl2pcapng does: once for the interfaces, once for the packets. */
static void a_file_is_processed_again_from_its_start(void **state)
{
    (void)state;
    ULONG events = 0;
    TRACEHANDLE trace = open_file(&events, NULL);
    assert_int_equal(ProcessTrace(&trace, 1, NULL, NULL), ERROR_SUCCESS);
    const ULONG once = events;
    assert_true(once > 1);
    assert_int_equal(ProcessTrace(&trace, 1, NULL, NULL), ERROR_SUCCESS);
    assert_int_equal(events, 2 * once);
    assert_int_equal(CloseTrace(trace), ERROR_SUCCESS);
}

static void a_cancelled_file_begins_anew(void **state)
{
    (void)state;
    ULONG events = 0;
    TRACEHANDLE trace = open_file(&events, refuse_buffer);
    assert_int_equal(ProcessTrace(&trace, 1, NULL, NULL), ERROR_CANCELLED);
    const ULONG first_buffer = events;
    assert_int_equal(ProcessTrace(&trace, 1, NULL, NULL), ERROR_CANCELLED);
    assert_int_equal(events, 2 * first_buffer);
    assert_int_equal(CloseTrace(trace), ERROR_SUCCESS);
}

/* ProcessTrace's page: "HandleArray" has files, or one session. */
static void files_and_sessions_are_not_processed_together(void **state)
{
    (void)state;
    WCHAR names[2][16] = {L"consumer one", L"consumer two"};
    const TRACEHANDLE sessions[2] = {start(names[0]), start(names[1])};
    ULONG events = 0;
    TRACEHANDLE mixed[2] = {open_file(&events, NULL), open_session(names[0], &events)};
    assert_int_equal(ProcessTrace(mixed, 2, NULL, NULL), ERROR_INVALID_PARAMETER);
    TRACEHANDLE two[2] = {mixed[1], open_session(names[1], &events)};
    assert_int_equal(ProcessTrace(two, 2, NULL, NULL), ERROR_INVALID_PARAMETER);
    assert_int_equal(events, 0);
    /* Nothing is in use after a refusal. */
    assert_int_equal(ProcessTrace(mixed, 1, NULL, NULL), ERROR_SUCCESS);
    assert_true(events > 0);
    assert_int_equal(CloseTrace(mixed[0]), ERROR_SUCCESS);
    assert_int_equal(CloseTrace(two[0]), ERROR_SUCCESS);
    assert_int_equal(CloseTrace(two[1]), ERROR_SUCCESS);
    stop(sessions[0]);
    stop(sessions[1]);
}

/* kanren3's etwconsumer calls ProcessTrace until it fails. */
static void a_session_that_ended_is_not_processed_again(void **state)
{
    (void)state;
    WCHAR name[] = L"consumer once";
    ULONG events = 0;
    const TRACEHANDLE session = start(name);
    assert_int_equal(EnableTrace(TRUE, 0, 255, &nobody, session), ERROR_SUCCESS);
    TRACEHANDLE trace = open_session(name, &events);
    assert_int_equal(ProcessTrace(&trace, 1, NULL, NULL), ERROR_SUCCESS);
    assert_int_equal(ProcessTrace(&trace, 1, NULL, NULL), ERROR_WMI_INSTANCE_NOT_FOUND);
    assert_int_equal(CloseTrace(trace), ERROR_SUCCESS);
    stop(session);
}

/* As PresentMon starts them: the flags and the GUID are what the call gives back. */
static void a_session_gets_flags_and_a_guid(void **state)
{
    (void)state;
    static const GUID none;
    block properties = fresh();
    properties.head.Wnode.Flags = 0;
    TRACEHANDLE session = 0;
    assert_int_equal(StartTraceW(&session, L"no flags", &properties.head), ERROR_SUCCESS);
    assert_true((properties.head.Wnode.Flags & WNODE_FLAG_TRACED_GUID) != 0);
    assert_memory_not_equal(&properties.head.Wnode.Guid, &none, sizeof none);
    stop(session);
}

typedef struct ansi_names {
    ULONG buffers;
    const char *file;
} ansi_names;

static ULONG WINAPI see_ansi_names(EVENT_TRACE_LOGFILEA *log)
{
    ansi_names *to = log->Context;
    to->buffers += strcmp(log->LogFileName, to->file) == 0 && log->LoggerName == NULL;
    return TRUE;
}

static void an_ansi_buffer_callback_gets_ansi_names(void **state)
{
    (void)state;
    ansi_names names = {0, getenv("ETWAPI_TRACE")};
    EVENT_TRACE_LOGFILEA log = {
        .LogFileName = getenv("ETWAPI_TRACE"), .BufferCallback = see_ansi_names, .Context = &names};
    TRACEHANDLE trace = OpenTraceA(&log);
    assert_true(trace != INVALID_PROCESSTRACE_HANDLE);
    assert_int_equal(ProcessTrace(&trace, 1, NULL, NULL), ERROR_SUCCESS);
    const ULONG once = names.buffers;
    assert_true(once > 0);
    assert_int_equal(ProcessTrace(&trace, 1, NULL, NULL), ERROR_SUCCESS);
    assert_int_equal(names.buffers, 2 * once);
    assert_int_equal(CloseTrace(trace), ERROR_SUCCESS);
}

/* As Windows 11 has it. */
static void a_file_is_opened_with_options(void **state)
{
    (void)state;
    ULONG events = 0, size = 0;
    TRACE_LOGFILE_HEADER header = {.PointerSize = 0};
    etwapi_open_options options = {.event_callback = count_event, .event_context = &events};
    TRACEHANDLE trace = OpenTraceFromFile(_wgetenv(L"ETWAPI_TRACE"), &options, &header);
    assert_true(trace != INVALID_PROCESSTRACE_HANDLE);
    assert_int_equal(header.PointerSize, 8);
    ETW_TRACE_PARTITION_INFORMATION partition = {.PartitionType = 7};
    assert_int_equal(QueryTraceProcessingHandle(trace, EtwQueryPartitionInformation, NULL, 0,
                                                &partition, sizeof partition, &size),
                     ERROR_SUCCESS);
    assert_int_equal(size, sizeof partition);
    assert_int_equal(partition.PartitionType, 0);
    assert_int_equal(ProcessTrace(&trace, 1, NULL, NULL), ERROR_SUCCESS);
    assert_true(events > 1);
    assert_int_equal(CloseTrace(trace), ERROR_SUCCESS);
    assert_int_equal(QueryTraceProcessingHandle(trace, EtwQueryPartitionInformation, NULL, 0,
                                                &partition, sizeof partition, &size),
                     ERROR_INVALID_HANDLE);
}

static void opening_with_options_says_why_not(void **state)
{
    (void)state;
    etwapi_open_options options = {.buffer_callback = &options};
    assert_true(OpenTraceFromFile(_wgetenv(L"ETWAPI_TRACE"), &options, NULL) ==
                INVALID_PROCESSTRACE_HANDLE);
    assert_int_equal(GetLastError(), ERROR_NOT_SUPPORTED);
    assert_true(OpenTraceFromFile(_wgetenv(L"ETWAPI_TRACE"), NULL, NULL) ==
                INVALID_PROCESSTRACE_HANDLE);
    assert_int_equal(GetLastError(), ERROR_INVALID_PARAMETER);
    options.buffer_callback = NULL;
    assert_true(OpenTraceFromFile(NULL, &options, NULL) == INVALID_PROCESSTRACE_HANDLE);
    assert_int_equal(GetLastError(), ERROR_BAD_PATHNAME);
    assert_true(OpenTraceFromRealTimeLogger(L"no such session", &options, NULL) ==
                INVALID_PROCESSTRACE_HANDLE);
    assert_int_equal(GetLastError(), ERROR_WMI_INSTANCE_NOT_FOUND);
}

/* ControlTrace's page: LogFileNameOffset of an update names another file. */
static void an_update_changes_the_files_name(void **state)
{
    (void)state;
    struct {
        EVENT_TRACE_PROPERTIES head;
        WCHAR name[64], file[64];
    } with;
    const TRACEHANDLE session = start(L"file names");
    memset(&with, 0, sizeof with);
    with.head.Wnode.BufferSize = sizeof with;
    with.head.LogFileNameOffset = offsetof(__typeof__(with), file);
    with.head.LoggerNameOffset = offsetof(__typeof__(with), name);
    wcscpy(with.file, L"c:\\second.etl");
    assert_int_equal(UpdateTraceW(session, NULL, &with.head), ERROR_SUCCESS);
    memset(with.file, 0, sizeof with.file);
    assert_int_equal(QueryTraceW(session, NULL, &with.head), ERROR_SUCCESS);
    assert_int_equal(wcscmp(with.file, L"c:\\second.etl"), 0);
    stop(session);
}

static void rights_are_given_and_asked(void **state)
{
    (void)state;
    GUID id = {.Data1 = 1};
    BYTE sid[12] = {1, 1, 0, 0, 0, 0, 0, 1}, descriptor[64];
    ULONG size = 0;
    assert_int_equal(EventAccessControl(&id, EventSecuritySetDACL, sid, 0x400, TRUE),
                     ERROR_SUCCESS);
    assert_int_equal(EventAccessControl(NULL, EventSecuritySetDACL, sid, 0x400, TRUE),
                     ERROR_INVALID_PARAMETER);
    assert_int_equal(EventAccessQuery(&id, NULL, &size), ERROR_MORE_DATA);
    assert_true(size > 0 && size <= sizeof descriptor);
    assert_int_equal(EventAccessQuery(&id, descriptor, &size), ERROR_SUCCESS);
    assert_true(IsValidSecurityDescriptor(descriptor));
    assert_int_equal(EventAccessRemove(&id), ERROR_SUCCESS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_processed_again_from_its_start),
        cmocka_unit_test(a_cancelled_file_begins_anew),
        cmocka_unit_test(files_and_sessions_are_not_processed_together),
        cmocka_unit_test(a_session_that_ended_is_not_processed_again),
        cmocka_unit_test(a_session_gets_flags_and_a_guid),
        cmocka_unit_test(an_ansi_buffer_callback_gets_ansi_names),
        cmocka_unit_test(a_file_is_opened_with_options),
        cmocka_unit_test(opening_with_options_says_why_not),
        cmocka_unit_test(an_update_changes_the_files_name),
        cmocka_unit_test(rights_are_given_and_asked),
    };
    return cmocka_run_group_tests_name("consumers of the drop-in API", tests, NULL, NULL);
}
