/* What EnumerateTraceGuidsEx and EnumerateTraceGuids tell of providers, by their pages, against the
 * drop-in API. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "replay/etwapi/etw_headers.h"
#include "tests/etwapi/session_block.h"

#include <evntprov.h>
#include <stdlib.h>
#include <string.h>

static const GUID provider = {0xb0c5e106, 0x1111, 0x4222, {1, 2, 3, 4, 5, 6, 7, 8}};

static TRACEHANDLE start_enabled(void)
{
    block with = fresh();
    TRACEHANDLE session = 0;
    with.head.Wnode.Flags = 0; /* as many programs leave it */
    assert_int_equal(StartTraceW(&session, L"query checks", &with.head), ERROR_SUCCESS);
    assert_int_equal(
        EnableTraceEx2(session, &provider, EVENT_CONTROL_CODE_ENABLE_PROVIDER, 4, 0x60, 0, 0, NULL),
        ERROR_SUCCESS);
    return session;
}

static void stop(TRACEHANDLE session)
{
    block with = fresh();
    assert_int_equal(ControlTraceW(session, NULL, &with.head, EVENT_TRACE_CONTROL_STOP),
                     ERROR_SUCCESS);
}

static ULONG times_listed(TRACE_QUERY_INFO_CLASS information)
{
    ULONG size = 0, room, found = 0;
    assert_int_equal(EnumerateTraceGuidsEx(information, NULL, 0, NULL, 0, &size),
                     ERROR_INSUFFICIENT_BUFFER);
    GUID *list = malloc(size);
    room = size;
    assert_int_equal(EnumerateTraceGuidsEx(information, NULL, 0, list, room, &size), ERROR_SUCCESS);
    for (ULONG i = 0; i < size / sizeof *list; i++) {
        found += memcmp(&list[i], &provider, sizeof provider) == 0;
    }
    free(list);
    return found;
}

static void a_registered_provider_is_listed_once(void **state)
{
    (void)state;
    REGHANDLE handles[2];
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(EventRegister(&provider, NULL, NULL, &handles[i]), ERROR_SUCCESS);
    }
    assert_int_equal(times_listed(TraceGuidQueryList), 1);
    assert_int_equal(times_listed(TraceGuidQueryProcess), 1);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(EventUnregister(handles[i]), ERROR_SUCCESS);
    }
    assert_int_equal(times_listed(TraceGuidQueryList), 0);
}

static void the_number_of_loggers_is_told(void **state)
{
    (void)state;
    ULONG loggers = 0, size = 0;
    assert_int_equal(
        EnumerateTraceGuidsEx(TraceMaxLoggersQuery, NULL, 0, &loggers, sizeof loggers, &size),
        ERROR_SUCCESS);
    assert_int_equal(loggers, 64);
    assert_int_equal(size, sizeof loggers);
    assert_int_equal(EnumerateTraceGuidsEx(MaxTraceSetInfoClass, NULL, 0, NULL, 0, &size),
                     ERROR_INVALID_PARAMETER);
}

/* Its LoggerId leads to the session, as in the example of EnumerateTraceGuids' page. */
static void a_provider_may_be_wanted_before_it_is_registered(void **state)
{
    (void)state;
    struct {
        TRACE_GUID_INFO head;
        TRACE_PROVIDER_INSTANCE_INFO instance;
        TRACE_ENABLE_INFO enable;
    } answer;
    GUID id = provider;
    ULONG size = 0;
    const TRACEHANDLE session = start_enabled();
    assert_int_equal(
        EnumerateTraceGuidsEx(TraceGuidQueryInfo, &id, sizeof id, &answer, sizeof answer, &size),
        ERROR_SUCCESS);
    assert_int_equal(size, sizeof answer);
    assert_int_equal(answer.head.InstanceCount, 1);
    assert_int_equal(answer.instance.Flags, TRACE_PROVIDER_FLAG_PRE_ENABLE);
    assert_int_equal(answer.instance.Pid, 0);
    assert_int_equal(answer.instance.EnableCount, 1);
    assert_int_equal(answer.enable.Level, 4);
    assert_true(answer.enable.MatchAnyKeyword == 0x60);
    block found = fresh();
    assert_int_equal(
        ControlTraceW(answer.enable.LoggerId, NULL, &found.head, EVENT_TRACE_CONTROL_QUERY),
        ERROR_SUCCESS);
    assert_true(found.head.Wnode.HistoricalContext == session);
    stop(session);
    assert_int_equal(
        EnumerateTraceGuidsEx(TraceGuidQueryInfo, &id, sizeof id, &answer, sizeof answer, &size),
        ERROR_SUCCESS);
    assert_int_equal(answer.head.InstanceCount, 0);
}

static void properties_tell_which_session_wants_a_provider(void **state)
{
    (void)state;
    REGHANDLE handle;
    ULONG count = 0, again, found = 0;
    TRACE_GUID_PROPERTIES *none = NULL;
    assert_int_equal(EventRegister(&provider, NULL, NULL, &handle), ERROR_SUCCESS);
    const TRACEHANDLE session = start_enabled();
    assert_int_equal(EnumerateTraceGuids(NULL, 1, &count), ERROR_INVALID_PARAMETER);
    assert_int_equal(EnumerateTraceGuids(&none, 0, &count), ERROR_MORE_DATA);
    TRACE_GUID_PROPERTIES *all = calloc(count, sizeof *all);
    TRACE_GUID_PROPERTIES **list = calloc(count, sizeof *list);
    for (ULONG i = 0; i < count; i++) {
        list[i] = &all[i];
    }
    assert_int_equal(EnumerateTraceGuids(list, count, &again), ERROR_SUCCESS);
    assert_int_equal(again, count);
    for (ULONG i = 0; i < count; i++) {
        if (memcmp(&all[i].Guid, &provider, sizeof provider) == 0) {
            found++;
            assert_true(all[i].IsEnable);
            assert_int_equal(all[i].LoggerId, session & 0xFFFF);
            assert_int_equal(all[i].EnableLevel, 4);
            assert_int_equal(all[i].EnableFlags, 0x60);
        }
    }
    assert_int_equal(found, 1);
    free(list);
    free(all);
    stop(session);
    assert_int_equal(EventUnregister(handle), ERROR_SUCCESS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_registered_provider_is_listed_once),
        cmocka_unit_test(the_number_of_loggers_is_told),
        cmocka_unit_test(a_provider_may_be_wanted_before_it_is_registered),
        cmocka_unit_test(properties_tell_which_session_wants_a_provider),
    };
    return cmocka_run_group_tests_name("queries for providers", tests, NULL, NULL);
}
