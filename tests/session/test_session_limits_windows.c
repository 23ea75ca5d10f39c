/* The session API, linked with the drop-in ETW API: names, limits, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "recorder/rundown/kernel_rundown.h"
#include "recorder/session/session_control_windows.h"
#include "tests/session/played_session.h"

static void a_taken_name_is_told_and_can_be_freed(void **state)
{
    (void)state;
    setup with = everything();
    with.options.name = "taken name";
    etw_session *first = open_session(&with), *second = NULL;
    etw_error error = {0};
    assert_int_equal(etw_session_open(&with.options, &second, &error), ETW_ERROR_EXISTS);
    assert_non_null(strstr(error.message, "'taken name'"));
    assert_true(is_listed("taken name")); /* the failed attempt left the first alone */
    assert_int_equal(etw_session_kill("taken name", &error), ETW_OK);
    second = open_session(&with);
    etw_session_close(first); /* is over already: the second is not touched */
    assert_true(is_listed("taken name"));
    etw_session_close(second);
    assert_int_equal(etw_session_kill("taken name", &error), ETW_ERROR_NOT_FOUND);
    assert_non_null(strstr(error.message, "taken name"));
}

typedef struct full_properties {
    EVENT_TRACE_PROPERTIES head;
    wchar_t names[512];
} full_properties;

static ULONG start_plain(TRACEHANDLE *handle, uint32_t number)
{
    full_properties properties = {
        .head = {.Wnode = {.BufferSize = sizeof properties, .Flags = WNODE_FLAG_TRACED_GUID},
                 .LogFileMode = EVENT_TRACE_REAL_TIME_MODE,
                 .LoggerNameOffset = offsetof(full_properties, names)}};
    wchar_t name[32];
    (void)swprintf(name, 32, L"filler %u", (unsigned)number);
    return StartTraceW(handle, name, &properties.head);
}

static void stop_plain(TRACEHANDLE handle)
{
    full_properties properties = {.head = {.Wnode = {.BufferSize = sizeof properties}}};
    (void)ControlTraceW(handle, NULL, &properties.head, EVENT_TRACE_CONTROL_STOP);
}

static void the_systems_limit_is_named(void **state)
{
    (void)state;
    TRACEHANDLE handles[ETW_SYSTEM_MAX_SESSIONS];
    uint32_t count = 0;
    while (count < ETW_SYSTEM_MAX_SESSIONS &&
           start_plain(&handles[count], count) == ERROR_SUCCESS) {
        count++;
    }
    setup with = everything();
    with.options.providers = with.providers;
    etw_session *session = NULL;
    etw_error error = {0};
    const etw_status status = etw_session_open(&with.options, &session, &error);
    for (uint32_t i = 0; i < count; i++) {
        stop_plain(handles[i]);
    }
    assert_int_equal(status, ETW_ERROR_LIMIT);
    assert_non_null(strstr(error.message, "64 sessions"));
    etw_session_close(open_session(&with));
}

static void wrong_options_are_refused(void **state)
{
    (void)state;
    static char long_name[2000];
    memset(long_name, 'x', sizeof long_name - 1);
    const struct {
        const char *name;
        uint32_t provider_count, kernel_stack_count;
        etw_status expected;
    } rows[] = {
        {NULL, 0, 0, ETW_ERROR_INVALID_ARGUMENT},
        {NULL, ETW_SESSION_MAX_PROVIDERS + 1, 0, ETW_ERROR_LIMIT},
        {NULL, 1, ETW_MAX_KERNEL_STACKS + 1, ETW_ERROR_LIMIT},
        {long_name, 1, 0, ETW_ERROR_LIMIT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        setup with = everything();
        with.options = (etw_session_options){.name = rows[i].name,
                                             .providers = with.providers,
                                             .provider_count = rows[i].provider_count,
                                             .kernel_stack_count = rows[i].kernel_stack_count};
        etw_session *session = NULL;
        assert_int_equal(etw_session_open(&with.options, &session, NULL), rows[i].expected);
        assert_null(session);
    }
}

static void cycles_are_no_clock(void **state)
{
    (void)state;
    setup with = everything();
    with.options.providers = with.providers;
    with.options.clock_type = ETW_CLOCK_CPU_CYCLE;
    etw_session *session = NULL;
    etw_error error = {0};
    assert_int_equal(etw_session_open(&with.options, &session, &error), ETW_ERROR_UNSUPPORTED);
    assert_non_null(strstr(error.message, "qpc"));
}

static void the_limit_of_a_provider_is_told_apart(void **state)
{
    (void)state;
    setup with = everything();
    etw_session *sessions[8], *ninth = NULL;
    for (size_t i = 0; i < 8; i++) {
        sessions[i] = open_session(&with);
    }
    etw_error error = {0};
    const etw_status status = etw_session_open(&with.options, &ninth, &error);
    for (size_t i = 0; i < 8; i++) {
        etw_session_close(sessions[i]);
    }
    assert_int_equal(status, ETW_ERROR_LIMIT);
    assert_non_null(strstr(error.message, "for one provider (8)"));
}

/* System providers need the mode, and no kernel flags. */
static void system_loggers_need_no_kernel_flags_and_are_few(void **state)
{
    (void)state;
    setup with = everything();
    with.options.system_logger = true;
    with.options.provider_count = 1;
    etw_session *sessions[6], *seventh = NULL;
    for (size_t i = 0; i < 6; i++) {
        sessions[i] = open_session(&with);
    }
    etw_error error = {0}, told = {0};
    const etw_status status = etw_session_open(&with.options, &seventh, &error);
    etw_kernel_rundown kernel = {.bytes = {0}};
    const etw_status taken = etw_kernel_rundown_take(&kernel, &told);
    for (size_t i = 0; i < 6; i++) {
        etw_session_close(sessions[i]);
    }
    assert_int_equal(status, ETW_ERROR_LIMIT);
    assert_non_null(strstr(error.message, "8 sessions for kernel events"));
    /* What the kernel tells of what runs comes in such a session, too. */
    assert_int_equal(taken, ETW_ERROR_LIMIT);
    assert_non_null(strstr(told.message, "8 sessions for kernel events"));
    etw_kernel_rundown_free(&kernel);
}

/* A session that writes to a file, as Windows starts them at boot. */
static void start_writing(const wchar_t *name, const wchar_t *file)
{
    struct {
        EVENT_TRACE_PROPERTIES head;
        wchar_t name[64], file[256];
    } properties = {
        .head = {.Wnode = {.BufferSize = sizeof properties, .Flags = WNODE_FLAG_TRACED_GUID},
                 .LogFileMode = EVENT_TRACE_FILE_MODE_SEQUENTIAL}};
    TRACEHANDLE handle;
    properties.head.LoggerNameOffset = sizeof properties.head;
    properties.head.LogFileNameOffset = sizeof properties.head + sizeof properties.name;
    (void)wcscpy(properties.file, file);
    assert_int_equal(StartTraceW(&handle, name, &properties.head), ERROR_SUCCESS);
}

static void a_session_is_stopped_by_name_and_file(void **state)
{
    (void)state;
    etw_error error = {0};
    static const char end[] = "\\System32\\LogFiles\\WMI\\Ours.etl";
    start_writing(L"boot", L"c:\\windows\\SYSTEM32\\LogFiles\\WMI\\Theirs.etl");
    assert_int_equal(etw_session_kill_writing("boot", end, &error), ETW_ERROR_EXISTS);
    assert_non_null(strstr(error.message, "Theirs.etl, not to ours"));
    assert_int_equal(etw_session_kill("boot", &error), ETW_OK); /* it ran on */
    start_writing(L"boot", L"c:\\windows\\SYSTEM32\\LogFiles\\WMI\\Ours.etl");
    assert_int_equal(etw_session_kill_writing("boot", end, &error), ETW_OK);
    assert_int_equal(etw_session_kill_writing("boot", end, &error), ETW_ERROR_NOT_FOUND);
}

/* Of the trace that sessions deliver: what its files say of the events that manifests define. */
static void events_of_a_manifest_are_listed(void **state)
{
    (void)state;
    GUID provider;
    memcpy(&provider, &alpha, sizeof provider);
    BYTE bytes[4096];
    PROVIDER_EVENT_INFO *events = (PROVIDER_EVENT_INFO *)(void *)bytes;
    TRACE_EVENT_INFO *info = (TRACE_EVENT_INFO *)(void *)bytes;
    ULONG size = 0;
    assert_int_equal(TdhEnumerateManifestProviderEvents(&provider, NULL, &size),
                     ERROR_INSUFFICIENT_BUFFER);
    assert_int_equal(TdhEnumerateManifestProviderEvents(&provider, events, &size), ERROR_SUCCESS);
    assert_int_equal(events->NumberOfEvents, 1);
    EVENT_DESCRIPTOR event = events->EventDescriptorsArray[0];
    assert_int_equal(event.Id, EVENT_ID);
    size = sizeof bytes;
    assert_int_equal(TdhGetManifestEventInformation(&provider, &event, info, &size), ERROR_SUCCESS);
    assert_int_equal(info->TopLevelPropertyCount, 2);
    event.Version++;
    assert_int_equal(TdhGetManifestEventInformation(&provider, &event, info, &size),
                     ERROR_NOT_FOUND);
}

/* Equality of text is IS: EQ is for numbers, which TDH refuses for others. */
static void payload_predicates_are_checked_against_their_types(void **state)
{
    (void)state;
    static const struct {
        const char *filter;
        bool is_good;
    } rows[] = {{"7: Number>5", true},    {"7:0: Number=0x10, Name=abc", true},
                {"7: Name!=5", true},     {"7: Name~bc, Number<=9", true},
                {"7: Number=abc", false}, {"7: Name>5", false},
                {"7: Missing=1", false},  {"8: Number=1", false},
                {"7:1: Number=1", false}, {"7: Number", false},
                {"Number=1", false}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        setup with = everything();
        etw_session *session = NULL;
        etw_error error = {0};
        with.options.provider_count = 1;
        with.options.providers = with.providers;
        with.providers[0].payload_filter = rows[i].filter;
        const etw_status status = etw_session_open(&with.options, &session, &error);
        etw_session_close(session);
        assert_int_equal(status, rows[i].is_good ? ETW_OK : ETW_ERROR_INVALID_ARGUMENT);
    }
    wchar_t name[] = L"Name", value[] = L"abc";
    PAYLOAD_FILTER_PREDICATE predicate = {name, 0, value}; /* EQ */
    const EVENT_DESCRIPTOR event = {.Id = EVENT_ID};
    PVOID filter = NULL;
    GUID provider;
    memcpy(&provider, &alpha, sizeof provider);
    assert_int_equal(TdhCreatePayloadFilter(&provider, &event, FALSE, 1, &predicate, &filter),
                     ERROR_INVALID_PARAMETER);
    assert_null(filter);
}

static void match_provider(void *context, const etw_guid *id, const char *name)
{
    *(bool *)context |= etw_guid_equal(id, &alpha) && strcmp(name, "Test-Alpha") == 0;
}

static void providers_are_found_by_name_and_guid(void **state)
{
    (void)state;
    static const struct {
        const char *part;
        bool listed;
    } rows[] = {{NULL, true}, {"alpha", true}, {"TEST-", true}, {"gamma", false}};
    /* The drop-in API knows a provider once an event of it was read. */
    setup with = everything();
    etw_session *session = open_session(&with);
    counting count = {.wanted = 10};
    assert_int_equal(etw_session_process(session, count_event, &count, NULL), ETW_OK);
    etw_session_close(session);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bool listed = false;
        assert_int_equal(etw_provider_list(rows[i].part, match_provider, &listed, NULL), ETW_OK);
        assert_int_equal(listed, rows[i].listed);
    }
    static const char *const names[] = {"test-alpha", "AAAAAAAA-0001-0002-0102-030405060708",
                                        "{aaaaaaaa-0001-0002-0102-030405060708}"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        etw_guid id;
        assert_int_equal(etw_provider_find(names[i], &id, NULL), ETW_OK);
        assert_true(etw_guid_equal(&id, &alpha));
    }
    etw_guid id;
    etw_error error = {0};
    assert_int_equal(etw_provider_find("No-Such-Provider", &id, &error), ETW_ERROR_NOT_FOUND);
    assert_non_null(strstr(error.message, "No-Such-Provider"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_taken_name_is_told_and_can_be_freed),
        cmocka_unit_test(the_systems_limit_is_named),
        cmocka_unit_test(wrong_options_are_refused),
        cmocka_unit_test(cycles_are_no_clock),
        cmocka_unit_test(the_limit_of_a_provider_is_told_apart),
        cmocka_unit_test(system_loggers_need_no_kernel_flags_and_are_few),
        cmocka_unit_test(a_session_is_stopped_by_name_and_file),
        cmocka_unit_test(events_of_a_manifest_are_listed),
        cmocka_unit_test(payload_predicates_are_checked_against_their_types),
        cmocka_unit_test(providers_are_found_by_name_and_guid),
    };
    return set_environment() ? cmocka_run_group_tests(tests, make_trace, remove_trace) : 1;
}
