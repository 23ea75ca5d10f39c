/* The provider's side of the drop-in API: callbacks, result codes, losses, what it tells of itself,
 * and what becomes of that which it writes. */
#include "replay/etwapi/etw_headers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <evntprov.h>

#define INFO_SET_TRAITS      2
#define INFO_TYPES           3
#define TYPE_EVENT_METADATA  1
#define ITEM_SCHEMA          11
#define PERFORMANCE_TRACE    0x1Fu
#define GROUP_MASKS          1u
#define INVALID_LENGTH       ((LONG)0xC0000004)
#define RING_FULL_AT_MOST    10000
#define SESSIONS             1000
#define WAIT_FOR_CALLBACK_MS 2000u

LONG WINAPI NtQuerySystemInformation(ULONG, void *, ULONG, ULONG *);
LONG WINAPI NtSetSystemInformation(ULONG, void *, ULONG);

static const GUID provider_id = {
    0xb0c5e101, 0x1111, 0x4222, {0x83, 0x33, 0x44, 0x44, 0x55, 0x55, 0x66, 0x66}};
static const GUID source_id = {
    0xb0c5e102, 0x1111, 0x4222, {0x83, 0x33, 0x44, 0x44, 0x55, 0x55, 0x66, 0x66}};

typedef struct properties {
    EVENT_TRACE_PROPERTIES head;
    WCHAR name[64];
} properties;

static void fresh(properties *of)
{
    memset(of, 0, sizeof *of);
    of->head.Wnode.BufferSize = sizeof *of;
    of->head.Wnode.Flags = WNODE_FLAG_TRACED_GUID;
    of->head.Wnode.ClientContext = 1;
    of->head.LogFileMode = EVENT_TRACE_REAL_TIME_MODE;
    of->head.LoggerNameOffset = offsetof(properties, name);
}

static TRACEHANDLE start(void)
{
    properties with;
    TRACEHANDLE session;
    fresh(&with);
    assert_int_equal(StartTraceW(&session, L"provider checks", &with.head), ERROR_SUCCESS);
    return session;
}

static properties control(TRACEHANDLE session, ULONG code)
{
    properties with;
    fresh(&with);
    assert_int_equal(ControlTraceW(session, NULL, &with.head, code), ERROR_SUCCESS);
    return with;
}

static void enable(TRACEHANDLE session, ULONG code, UCHAR level, ULONGLONG any)
{
    ENABLE_TRACE_PARAMETERS with = {.Version = ENABLE_TRACE_PARAMETERS_VERSION_2,
                                    .SourceId = source_id};
    assert_int_equal(EnableTraceEx2(session, &provider_id, code, level, any, 0, 0, &with),
                     ERROR_SUCCESS);
}

/* What a callback was told, the last time. */
typedef struct told {
    volatile LONG calls;
    ULONG code;
    UCHAR level;
    ULONGLONG any;
    GUID source;
    ULONG filter_type, filter_size;
    BYTE filter[64];
    ULONG instances, enables; /* EnumerateTraceGuidsEx inside the callback */
} told;

static void ask_for_instances(told *of)
{
    BYTE answer[512];
    ULONG size = 0;
    GUID id = provider_id;
    if (EnumerateTraceGuidsEx(TraceGuidQueryInfo, &id, sizeof id, answer, sizeof answer, &size) ==
        ERROR_SUCCESS) {
        const TRACE_PROVIDER_INSTANCE_INFO *first =
            (const TRACE_PROVIDER_INSTANCE_INFO *)(const void *)(answer + sizeof(TRACE_GUID_INFO));
        of->instances = ((const TRACE_GUID_INFO *)(const void *)answer)->InstanceCount;
        of->enables = first->Pid == GetCurrentProcessId() ? first->EnableCount : 0;
    }
}

static void NTAPI on_enable(LPCGUID source, ULONG code, UCHAR level, ULONGLONG any, ULONGLONG all,
                            PEVENT_FILTER_DESCRIPTOR filter, PVOID context)
{
    (void)all;
    told *of = context;
    of->filter_size = filter == NULL ? 0 : filter->Size;
    of->filter_type = filter == NULL ? 0 : filter->Type;
    if (of->filter_size > 0 && of->filter_size <= sizeof of->filter) {
        memcpy(of->filter, (const void *)(uintptr_t)filter->Ptr, of->filter_size);
    }
    of->code = code;
    of->level = level;
    of->any = any;
    of->source = *source;
    ask_for_instances(of);
    (void)InterlockedIncrement(&of->calls);
}

static void wait_for(const told *of, LONG calls)
{
    for (ULONG waited = 0; of->calls < calls && waited < WAIT_FOR_CALLBACK_MS; waited++) {
        Sleep(1);
    }
    assert_int_equal(of->calls, calls);
}

static void test_an_enabled_provider_is_told_inside_its_registration(void **state)
{
    (void)state;
    const TRACEHANDLE session = start();
    enable(session, EVENT_CONTROL_CODE_ENABLE_PROVIDER, 0, 0);
    told of = {0};
    REGHANDLE handle;
    assert_int_equal(EventRegister(&provider_id, on_enable, &of, &handle), ERROR_SUCCESS);
    const GUID none = {0};
    assert_int_equal(of.calls, 1);
    assert_int_equal(of.code, EVENT_CONTROL_CODE_ENABLE_PROVIDER);
    /* Providers compare: what means everything to a session must let everything through. */
    assert_int_equal(of.level, 255);
    assert_true(of.any == UINT64_MAX);
    assert_memory_equal(&of.source, &none, sizeof none);
    assert_int_equal(of.instances, 1);
    assert_int_equal(of.enables, 1);
    assert_int_equal(EventUnregister(handle), ERROR_SUCCESS);
    (void)control(session, EVENT_TRACE_CONTROL_STOP);
}

static void test_each_change_is_told(void **state)
{
    (void)state;
    told of = {0};
    REGHANDLE handle;
    assert_int_equal(EventRegister(&provider_id, on_enable, &of, &handle), ERROR_SUCCESS);
    assert_int_equal(of.calls, 0);
    const TRACEHANDLE session = start();
    enable(session, EVENT_CONTROL_CODE_ENABLE_PROVIDER, 3, 6);
    wait_for(&of, 1);
    assert_int_equal(of.level, 3);
    assert_int_equal(of.any, 6);
    assert_memory_equal(&of.source, &source_id, sizeof source_id);
    assert_true(EventProviderEnabled(handle, 3, 2));
    assert_false(EventProviderEnabled(handle, 4, 2));
    assert_false(EventProviderEnabled(handle, 3, 8));
    enable(session, EVENT_CONTROL_CODE_CAPTURE_STATE, 0, 0);
    wait_for(&of, 2);
    assert_int_equal(of.code, EVENT_CONTROL_CODE_CAPTURE_STATE);
    enable(session, EVENT_CONTROL_CODE_DISABLE_PROVIDER, 0, 0);
    wait_for(&of, 3);
    assert_int_equal(of.code, EVENT_CONTROL_CODE_DISABLE_PROVIDER);
    enable(session, EVENT_CONTROL_CODE_ENABLE_PROVIDER, 5, 0);
    wait_for(&of, 4);
    (void)control(session, EVENT_TRACE_CONTROL_STOP);
    wait_for(&of, 5);
    assert_int_equal(of.code, EVENT_CONTROL_CODE_DISABLE_PROVIDER);
    assert_int_equal(EventUnregister(handle), ERROR_SUCCESS);
}

static void test_results_of_writing(void **state)
{
    (void)state;
    static BYTE bytes[0x10000];
    static EVENT_DATA_DESCRIPTOR many[MAX_EVENT_DATA_DESCRIPTORS + 1];
    const EVENT_DESCRIPTOR event = {.Id = 1};
    REGHANDLE handle;
    assert_int_equal(EventRegister(NULL, NULL, NULL, &handle), ERROR_INVALID_PARAMETER);
    assert_int_equal(EventRegister(&provider_id, NULL, &handle, &handle), ERROR_INVALID_PARAMETER);
    assert_int_equal(EventRegister(&provider_id, NULL, NULL, &handle), ERROR_SUCCESS);
    assert_int_equal(EventWrite(handle, &event, 0, NULL), ERROR_SUCCESS); /* nobody wants it */
    const TRACEHANDLE session = start();
    enable(session, EVENT_CONTROL_CODE_ENABLE_PROVIDER, 0, 0);
    EventDataDescCreate(&many[0], bytes, sizeof bytes);
    assert_int_equal(EventWrite(handle, &event, 1, many), ERROR_ARITHMETIC_OVERFLOW);
    assert_int_equal(EventWrite(handle, NULL, 0, NULL), ERROR_INVALID_PARAMETER);
    assert_int_equal(EventWrite(handle, &event, MAX_EVENT_DATA_DESCRIPTORS + 1, many),
                     ERROR_INVALID_PARAMETER);
    assert_int_equal(EventUnregister(handle), ERROR_SUCCESS);
    assert_int_equal(EventWrite(handle, &event, 0, NULL), ERROR_INVALID_HANDLE);
    assert_int_equal(EventUnregister(handle), ERROR_INVALID_HANDLE);
    (void)control(session, EVENT_TRACE_CONTROL_STOP);
}

static void test_events_without_room_are_counted(void **state)
{
    (void)state;
    static BYTE bytes[60000];
    const EVENT_DESCRIPTOR event = {.Id = 1};
    EVENT_DATA_DESCRIPTOR data;
    EventDataDescCreate(&data, bytes, sizeof bytes);
    REGHANDLE handle;
    assert_int_equal(EventRegister(&provider_id, NULL, NULL, &handle), ERROR_SUCCESS);
    const TRACEHANDLE session = start();
    enable(session, EVENT_CONTROL_CODE_ENABLE_PROVIDER, 0, 0);
    assert_int_equal(control(session, EVENT_TRACE_CONTROL_QUERY).head.BuffersWritten, 0);
    ULONG code = ERROR_SUCCESS, written = 0;
    while (code == ERROR_SUCCESS && written < RING_FULL_AT_MOST) {
        code = EventWrite(handle, &event, 1, &data);
        written++;
    }
    assert_int_equal(code, ERROR_NOT_ENOUGH_MEMORY);
    assert_int_equal(EventWrite(handle, &event, 1, &data), ERROR_NOT_ENOUGH_MEMORY);
    const properties now = control(session, EVENT_TRACE_CONTROL_QUERY);
    assert_int_equal(now.head.EventsLost, 2);
    assert_true(now.head.BuffersWritten > 0);
    (void)control(session, EVENT_TRACE_CONTROL_STOP);
    assert_int_equal(EventUnregister(handle), ERROR_SUCCESS);
}

static DWORD handles(void)
{
    DWORD count;
    assert_true(GetProcessHandleCount(GetCurrentProcess(), &count));
    return count;
}

static void test_sessions_that_end_leave_nothing_behind(void **state)
{
    (void)state;
    const EVENT_DESCRIPTOR event = {.Id = 1};
    REGHANDLE handle;
    assert_int_equal(EventRegister(&provider_id, NULL, NULL, &handle), ERROR_SUCCESS);
    DWORD after_first = 0;
    for (ULONG i = 0; i < SESSIONS; i++) {
        const TRACEHANDLE session = start();
        enable(session, EVENT_CONTROL_CODE_ENABLE_PROVIDER, 0, 0);
        assert_int_equal(EventWrite(handle, &event, 0, NULL), ERROR_SUCCESS);
        (void)control(session, EVENT_TRACE_CONTROL_STOP);
        after_first = i == 0 ? handles() : after_first;
    }
    assert_true(handles() < after_first + SESSIONS / 10);
    assert_int_equal(EventUnregister(handle), ERROR_SUCCESS);
}

static void test_traits_are_set_once_and_must_add_up(void **state)
{
    (void)state;
    BYTE traits[] = "\x07\x00Name";
    BYTE wrong[] = "\x08\x00Name";
    REGHANDLE handle;
    assert_int_equal(EventRegister(&provider_id, NULL, NULL, &handle), ERROR_SUCCESS);
    const EVENT_INFO_CLASS set = (EVENT_INFO_CLASS)INFO_SET_TRAITS;
    assert_int_equal(EventSetInformation(handle, set, wrong, sizeof wrong), ERROR_FILE_CORRUPT);
    assert_int_equal(EventSetInformation(handle, set, traits, sizeof traits), ERROR_SUCCESS);
    assert_int_equal(EventSetInformation(handle, set, traits, sizeof traits), ERROR_GEN_FAILURE);
    assert_int_equal(EventUnregister(handle), ERROR_SUCCESS);
}

static void test_activities_are_a_threads_own(void **state)
{
    (void)state;
    const GUID none = {0};
    GUID id;
    assert_int_equal(EventActivityIdControl(EVENT_ACTIVITY_CTRL_GET_ID, &id), ERROR_SUCCESS);
    assert_memory_equal(&id, &none, sizeof id);
    id = source_id;
    assert_int_equal(EventActivityIdControl(EVENT_ACTIVITY_CTRL_GET_SET_ID, &id), ERROR_SUCCESS);
    assert_memory_equal(&id, &none, sizeof id);
    assert_int_equal(EventActivityIdControl(EVENT_ACTIVITY_CTRL_CREATE_SET_ID, &id), ERROR_SUCCESS);
    assert_memory_equal(&id, &source_id, sizeof id);
    assert_int_equal(EventActivityIdControl(6, &id), ERROR_INVALID_PARAMETER);
}

static void test_filter_data_reach_the_callback(void **state)
{
    (void)state;
    struct {
        EVENT_FILTER_HEADER head;
        char command[16];
    } data = {.head = {.Id = 7, .Size = sizeof data}, .command = "Key\0Value"};
    EVENT_FILTER_DESCRIPTOR filter = {
        .Ptr = (uintptr_t)&data, .Size = sizeof data, .Type = EVENT_FILTER_TYPE_SCHEMATIZED};
    ENABLE_TRACE_PARAMETERS with = {.Version = ENABLE_TRACE_PARAMETERS_VERSION_2,
                                    .EnableFilterDesc = &filter,
                                    .FilterDescCount = 1};
    told of = {0};
    REGHANDLE handle;
    assert_int_equal(EventRegister(&provider_id, on_enable, &of, &handle), ERROR_SUCCESS);
    const TRACEHANDLE session = start();
    assert_int_equal(EnableTraceEx2(session, &provider_id, EVENT_CONTROL_CODE_ENABLE_PROVIDER, 0, 0,
                                    0, 0, &with),
                     ERROR_SUCCESS);
    wait_for(&of, 1);
    assert_int_equal(of.filter_type, EVENT_FILTER_TYPE_SCHEMATIZED);
    assert_int_equal(of.filter_size, sizeof data);
    assert_memory_equal(of.filter, &data, sizeof data);
    assert_int_equal(EventUnregister(handle), ERROR_SUCCESS);
    (void)control(session, EVENT_TRACE_CONTROL_STOP);
}

/* --- what is written ----------------------------------------------------------------------------
 */

#define MOST_SEEN 4u
#define LAST_ID   0xFFFFu /* ends the reading */

typedef struct seen {
    TRACEHANDLE session;
    ULONG count;
    struct {
        EVENT_HEADER header;
        USHORT item_type, item_size; /* the first extended item; 0: none */
        BYTE item[32];
        USHORT size;
        BYTE data[32];
    } events[MOST_SEEN];
} seen;

static void NTAPI on_record(EVENT_RECORD *record)
{
    seen *to = record->UserContext;
    if (record->EventHeader.EventDescriptor.Id == LAST_ID || to->count == MOST_SEEN) {
        properties with;
        fresh(&with);
        (void)ControlTraceW(to->session, NULL, &with.head, EVENT_TRACE_CONTROL_STOP);
        return;
    }
    to->events[to->count].header = record->EventHeader;
    to->events[to->count].size = record->UserDataLength;
    memcpy(to->events[to->count].data, record->UserData,
           record->UserDataLength <= 32 ? record->UserDataLength : 32);
    if (record->ExtendedDataCount > 0) {
        const EVENT_HEADER_EXTENDED_DATA_ITEM *item = record->ExtendedData;
        to->events[to->count].item_type = item->ExtType;
        to->events[to->count].item_size = item->DataSize;
        memcpy(to->events[to->count].item, (const void *)(uintptr_t)item->DataPtr,
               item->DataSize <= 32 ? item->DataSize : 32);
    }
    to->count++;
}

/* Reads what waits in the session, and stops it. */
static void read_all(TRACEHANDLE session, seen *to)
{
    WCHAR name[] = L"provider checks";
    const EVENT_DESCRIPTOR last = {.Id = LAST_ID};
    REGHANDLE handle;
    assert_int_equal(EventRegister(&provider_id, NULL, NULL, &handle), ERROR_SUCCESS);
    assert_int_equal(EventWrite(handle, &last, 0, NULL), ERROR_SUCCESS);
    EVENT_TRACE_LOGFILEW log = {.LoggerName = name, .Context = to};
    log.ProcessTraceMode = PROCESS_TRACE_MODE_REAL_TIME | PROCESS_TRACE_MODE_EVENT_RECORD;
    log.EventRecordCallback = on_record;
    *to = (seen){.session = session};
    TRACEHANDLE trace = OpenTraceW(&log);
    assert_int_equal(ProcessTrace(&trace, 1, NULL, NULL), ERROR_SUCCESS);
    assert_int_equal(CloseTrace(trace), ERROR_SUCCESS);
    assert_int_equal(EventUnregister(handle), ERROR_SUCCESS);
}

static TRACEHANDLE start_enabled(REGHANDLE *handle)
{
    assert_int_equal(EventRegister(&provider_id, NULL, NULL, handle), ERROR_SUCCESS);
    const TRACEHANDLE session = start();
    enable(session, EVENT_CONTROL_CODE_ENABLE_PROVIDER, 4, 0);
    return session;
}

static void test_a_string_is_written_with_its_end(void **state)
{
    (void)state;
    REGHANDLE handle;
    const TRACEHANDLE session = start_enabled(&handle);
    assert_int_equal(EventWriteString(handle, 3, 0x10, L"hi"), ERROR_SUCCESS);
    assert_int_equal(EventWriteString(handle, 5, 0x10, L"above the level"), ERROR_SUCCESS);
    assert_int_equal(EventWriteString(handle, 3, 0x10, NULL), ERROR_INVALID_PARAMETER);
    seen all;
    read_all(session, &all);
    assert_int_equal(all.count, 1);
    assert_true((all.events[0].header.Flags & EVENT_HEADER_FLAG_STRING_ONLY) != 0);
    assert_int_equal(all.events[0].header.EventDescriptor.Level, 3);
    assert_int_equal(all.events[0].header.EventDescriptor.Keyword, 0x10);
    assert_int_equal(all.events[0].size, sizeof L"hi");
    assert_memory_equal(all.events[0].data, L"hi", sizeof L"hi");
    assert_int_equal(EventUnregister(handle), ERROR_SUCCESS);
}

static void test_activities_and_sessions_left_out_are_chosen_by_the_call(void **state)
{
    (void)state;
    REGHANDLE handle;
    const TRACEHANDLE session = start_enabled(&handle);
    const EVENT_DESCRIPTOR event = {.Id = 9, .Level = 4}, above = {.Id = 9, .Level = 5};
    assert_true(EventEnabled(handle, &event));
    assert_false(EventEnabled(handle, &above));
    assert_int_equal(EventWriteEx(handle, &event, 1ull << (session & 63), 0, NULL, NULL, 0, NULL),
                     ERROR_SUCCESS);
    assert_int_equal(EventWriteEx(handle, &event, 0, 0, &source_id, &provider_id, 0, NULL),
                     ERROR_SUCCESS);
    GUID id = provider_id;
    assert_int_equal(EventActivityIdControl(EVENT_ACTIVITY_CTRL_SET_ID, &id), ERROR_SUCCESS);
    assert_int_equal(EventWrite(handle, &event, 0, NULL), ERROR_SUCCESS);
    memset(&id, 0, sizeof id);
    assert_int_equal(EventActivityIdControl(EVENT_ACTIVITY_CTRL_SET_ID, &id), ERROR_SUCCESS);
    seen all;
    read_all(session, &all);
    assert_int_equal(all.count, 2);
    assert_memory_equal(&all.events[0].header.ActivityId, &source_id, sizeof source_id);
    assert_int_equal(all.events[0].item_type, EVENT_HEADER_EXT_TYPE_RELATED_ACTIVITYID);
    assert_memory_equal(all.events[0].item, &provider_id, sizeof provider_id);
    assert_memory_equal(&all.events[1].header.ActivityId, &provider_id, sizeof provider_id);
    assert_int_equal(all.events[1].item_type, 0);
    assert_int_equal(EventUnregister(handle), ERROR_SUCCESS);
}

/* Before a provider asks for types their field is whatever the stack held. */
/* EtwEventWriteFull and EtwEventWriteNoRegistration of ntdll. */
static void test_the_calls_of_ntdll_write_as_well(void **state)
{
    (void)state;
    REGHANDLE handle;
    const TRACEHANDLE session = start_enabled(&handle);
    const EVENT_DESCRIPTOR one = {.Id = 1, .Level = 4}, two = {.Id = 2, .Level = 4};
    const GUID nobody = {.Data1 = 1};
    assert_int_equal(EventWriteFull(handle, &one, 2, &source_id, NULL, 0, NULL), ERROR_SUCCESS);
    assert_int_equal(EventWriteFull(0, &one, 0, NULL, NULL, 0, NULL), ERROR_INVALID_HANDLE);
    assert_int_equal(EventWriteNoRegistration(&provider_id, &two, 0, NULL), ERROR_SUCCESS);
    assert_int_equal(EventWriteNoRegistration(&nobody, &two, 0, NULL), ERROR_SUCCESS);
    assert_int_equal(EventWriteNoRegistration(NULL, &two, 0, NULL), ERROR_INVALID_PARAMETER);
    seen all;
    read_all(session, &all);
    assert_int_equal(all.count, 2);
    assert_int_equal(all.events[0].header.EventDescriptor.Id, 1);
    assert_int_equal(all.events[0].header.EventProperty, 2);
    assert_memory_equal(&all.events[0].header.ActivityId, &source_id, sizeof source_id);
    assert_int_equal(all.events[1].header.EventDescriptor.Id, 2);
    assert_memory_equal(&all.events[1].header.ProviderId, &provider_id, sizeof provider_id);
    assert_int_equal(EventUnregister(handle), ERROR_SUCCESS);
}

static void test_types_of_data_count_once_they_are_asked_for(void **state)
{
    (void)state;
    static const BYTE schema[] = "\x06\x00\x00Me";
    REGHANDLE handle;
    const TRACEHANDLE session = start_enabled(&handle);
    const EVENT_DESCRIPTOR event = {.Id = 9, .Level = 4};
    EVENT_DATA_DESCRIPTOR data;
    EventDataDescCreate(&data, schema, sizeof schema);
    data.Reserved = TYPE_EVENT_METADATA;
    assert_int_equal(EventWrite(handle, &event, 1, &data), ERROR_SUCCESS);
    BYTE yes = 1, wrong = 2;
    const EVENT_INFO_CLASS types = (EVENT_INFO_CLASS)INFO_TYPES;
    assert_int_equal(EventSetInformation(handle, types, &wrong, 1), ERROR_INVALID_PARAMETER);
    assert_int_equal(EventSetInformation(handle, types, &yes, 1), ERROR_SUCCESS);
    assert_int_equal(EventWrite(handle, &event, 1, &data), ERROR_SUCCESS);
    seen all;
    read_all(session, &all);
    assert_int_equal(all.count, 2);
    assert_int_equal(all.events[0].size, sizeof schema);
    assert_int_equal(all.events[0].item_type, 0);
    assert_int_equal(all.events[1].size, 0);
    assert_int_equal(all.events[1].item_type, ITEM_SCHEMA);
    assert_int_equal(all.events[1].item_size, sizeof schema);
    assert_int_equal(EventUnregister(handle), ERROR_SUCCESS);
}

static ULONG WINAPI on_control(WMIDPREQUESTCODE code, PVOID context, ULONG *reserved, PVOID buffer)
{
    (void)reserved;
    *(TRACEHANDLE *)context = code == WMI_ENABLE_EVENTS ? GetTraceLoggerHandle(buffer) : 0;
    return ERROR_SUCCESS;
}

static void test_messages_are_written_with_what_their_flags_ask_for(void **state)
{
    (void)state;
    const TRACEHANDLE session = start();
    enable(session, EVENT_CONTROL_CODE_ENABLE_PROVIDER, 4, 0x60);
    TRACEHANDLE logger = 0, registration;
    TRACE_GUID_REGISTRATION class_registration = {&source_id, NULL};
    assert_int_equal(RegisterTraceGuidsA(NULL, &logger, &provider_id, 1, &class_registration, NULL,
                                         NULL, &registration),
                     ERROR_INVALID_PARAMETER);
    assert_int_equal(RegisterTraceGuidsA(on_control, &logger, &provider_id, 1, &class_registration,
                                         NULL, NULL, &registration),
                     ERROR_SUCCESS);
    assert_int_equal(GetTraceEnableLevel(logger), 4);
    assert_int_equal(GetTraceEnableFlags(logger), 0x60);
    const ULONG flags = TRACE_MESSAGE_GUID | TRACE_MESSAGE_SYSTEMINFO;
    const ULONG number = 5;
    assert_int_equal(
        TraceMessage(logger, flags, &source_id, 12, "ab", (size_t)2, &number, sizeof number, NULL),
        ERROR_SUCCESS);
    assert_int_equal(TraceMessage(logger, 0, &source_id, 13, NULL), ERROR_SUCCESS);
    assert_int_equal(TraceMessage(0, flags, &source_id, 12, NULL), ERROR_INVALID_HANDLE);
    seen all;
    read_all(session, &all);
    const GUID none = {0};
    assert_int_equal(all.count, 2);
    assert_true((all.events[0].header.Flags & EVENT_HEADER_FLAG_TRACE_MESSAGE) != 0);
    assert_int_equal(all.events[0].header.EventDescriptor.Id, 12);
    assert_memory_equal(&all.events[0].header.ProviderId, &source_id, sizeof source_id);
    assert_int_equal(all.events[0].header.ProcessId, GetCurrentProcessId());
    assert_int_equal(all.events[0].size, 6);
    assert_memory_equal(all.events[0].data, "ab\5\0\0\0", 6);
    assert_memory_equal(&all.events[1].header.ProviderId, &none, sizeof none);
    assert_int_equal(all.events[1].header.ProcessId, 0);
    assert_int_equal(UnregisterTraceGuids(registration), ERROR_SUCCESS);
}

/* --- of kernel sessions -------------------------------------------------------------------------
 */

static void test_group_masks_of_a_kernel_session(void **state)
{
    (void)state;
    struct {
        ULONG information;
        ULONG64 session;
        ULONG masks[8];
    } masks = {.information = GROUP_MASKS, .session = start()};
    ULONG size = 0;
    assert_int_equal(NtQuerySystemInformation(PERFORMANCE_TRACE, &masks, sizeof masks, &size), 0);
    assert_int_equal(size, sizeof masks);
    masks.masks[0] = 5;
    masks.masks[1] = 2;
    assert_int_equal(NtSetSystemInformation(PERFORMANCE_TRACE, &masks, sizeof masks), 0);
    assert_int_equal(NtSetSystemInformation(PERFORMANCE_TRACE, &masks, 16), INVALID_LENGTH);
    memset(masks.masks, 0, sizeof masks.masks);
    assert_int_equal(NtQuerySystemInformation(PERFORMANCE_TRACE, &masks, sizeof masks, &size), 0);
    assert_int_equal(masks.masks[0], 5);
    assert_int_equal(masks.masks[1], 2);
    const properties now = control(masks.session, EVENT_TRACE_CONTROL_STOP);
    assert_int_equal(now.head.EnableFlags, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_enabled_provider_is_told_inside_its_registration),
        cmocka_unit_test(test_each_change_is_told),
        cmocka_unit_test(test_filter_data_reach_the_callback),
        cmocka_unit_test(test_a_string_is_written_with_its_end),
        cmocka_unit_test(test_activities_and_sessions_left_out_are_chosen_by_the_call),
        cmocka_unit_test(test_the_calls_of_ntdll_write_as_well),
        cmocka_unit_test(test_types_of_data_count_once_they_are_asked_for),
        cmocka_unit_test(test_messages_are_written_with_what_their_flags_ask_for),
        cmocka_unit_test(test_results_of_writing),
        cmocka_unit_test(test_events_without_room_are_counted),
        cmocka_unit_test(test_sessions_that_end_leave_nothing_behind),
        cmocka_unit_test(test_traits_are_set_once_and_must_add_up),
        cmocka_unit_test(test_activities_are_a_threads_own),
        cmocka_unit_test(test_group_masks_of_a_kernel_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
