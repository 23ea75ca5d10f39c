/* Providers and consumers of the time before EVENT_RECORD, against the drop-in API: instances of
 * events, EVENT_TRACE, and callbacks for one class. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "replay/etwapi/etw_headers.h"
#include "tests/etwapi/session_block.h"

#include <string.h>

#define SESSION L"classic checks"
#define LAST    99 /* the type of the event that ends a test */

static const GUID control = {0xb0c5e103, 0x1111, 0x4222, {1, 2, 3, 4, 5, 6, 7, 8}};
static const GUID classes[2] = {{0xb0c5e104, 0x1111, 0x4222, {1, 2, 3, 4, 5, 6, 7, 8}},
                                {0xb0c5e105, 0x1111, 0x4222, {1, 2, 3, 4, 5, 6, 7, 8}}};

static ULONG WINAPI on_control(WMIDPREQUESTCODE code, PVOID context, ULONG *reserved, PVOID buffer)
{
    (void)reserved;
    *(TRACEHANDLE *)context = code == WMI_ENABLE_EVENTS ? GetTraceLoggerHandle(buffer) : 0;
    return ERROR_SUCCESS;
}

/* A session with an enabled classic provider of two classes. */
typedef struct scene {
    TRACEHANDLE session, logger, registration;
    TRACE_GUID_REGISTRATION classes[2];
} scene;

static void begin(scene *of)
{
    block with = fresh();
    of->classes[0].Guid = &classes[0];
    of->classes[1].Guid = &classes[1];
    with.head.Wnode.Flags = 0; /* as many programs leave it */
    assert_int_equal(StartTraceW(&of->session, SESSION, &with.head), ERROR_SUCCESS);
    assert_int_equal(EnableTrace(TRUE, 0x60, 4, &control, of->session), ERROR_SUCCESS);
    assert_int_equal(RegisterTraceGuidsW(on_control, &of->logger, &control, 2, of->classes, NULL,
                                         NULL, &of->registration),
                     ERROR_SUCCESS);
    assert_true(of->logger != 0);
}

/* What consumers saw: the callback has no context. */
static struct {
    ULONG events, of_class;
    EVENT_TRACE last;
    BYTE data[8];
} seen;

static void WINAPI on_event(EVENT_TRACE *event)
{
    if (event->Header.Class.Type == LAST) {
        block with = fresh();
        (void)ControlTraceW(0, SESSION, &with.head, EVENT_TRACE_CONTROL_STOP);
        return;
    }
    seen.events++;
    seen.last = *event;
    memcpy(seen.data, event->MofData, event->MofLength <= 8 ? event->MofLength : 8);
}

static void WINAPI on_class(EVENT_TRACE *event)
{
    assert_memory_equal(&event->Header.Guid, &classes[0], sizeof classes[0]);
    seen.of_class++;
}

static ULONG write(const scene *of, const GUID *class_id, UCHAR type)
{
    EVENT_TRACE_HEADER event = {.Size = sizeof event, .Guid = *class_id};
    event.Flags = WNODE_FLAG_TRACED_GUID;
    event.Class.Type = type;
    return TraceEvent(of->logger, &event);
}

/* Reads what waits in the session, which ends then. */
static void end(scene *of)
{
    WCHAR name[] = SESSION;
    EVENT_TRACE_LOGFILEW log = {.LoggerName = name};
    log.ProcessTraceMode = PROCESS_TRACE_MODE_REAL_TIME;
    log.EventCallback = on_event;
    memset(&seen, 0, sizeof seen);
    assert_int_equal(write(of, &classes[1], LAST), ERROR_SUCCESS);
    TRACEHANDLE trace = OpenTraceW(&log);
    assert_int_equal(ProcessTrace(&trace, 1, NULL, NULL), ERROR_SUCCESS);
    assert_int_equal(CloseTrace(trace), ERROR_SUCCESS);
    assert_int_equal(UnregisterTraceGuids(of->registration), ERROR_SUCCESS);
}

static void instances_are_numbered_for_each_class(void **state)
{
    (void)state;
    scene of;
    begin(&of);
    EVENT_INSTANCE_INFO info;
    for (ULONG i = 1; i <= 2; i++) {
        assert_int_equal(CreateTraceInstanceId(of.classes[0].RegHandle, &info), ERROR_SUCCESS);
        assert_int_equal(info.InstanceId, i);
        assert_ptr_equal(info.RegHandle, of.classes[0].RegHandle);
    }
    assert_int_equal(CreateTraceInstanceId(of.classes[1].RegHandle, &info), ERROR_SUCCESS);
    assert_int_equal(info.InstanceId, 1);
    assert_int_equal(CreateTraceInstanceId(NULL, &info), ERROR_INVALID_PARAMETER);
    assert_int_equal(CreateTraceInstanceId(of.classes[0].RegHandle, NULL), ERROR_INVALID_PARAMETER);
    assert_int_equal(CreateTraceInstanceId(&of, &info), ERROR_INVALID_PARAMETER);
    end(&of);
}

static void an_instance_tells_its_parent(void **state)
{
    (void)state;
    scene of;
    begin(&of);
    struct {
        EVENT_INSTANCE_HEADER head;
        ULONG number;
    } event = {.head = {.Size = sizeof event}, .number = 7};
    EVENT_INSTANCE_INFO child, parent;
    assert_int_equal(CreateTraceInstanceId(of.classes[0].RegHandle, &child), ERROR_SUCCESS);
    assert_int_equal(CreateTraceInstanceId(of.classes[1].RegHandle, &parent), ERROR_SUCCESS);
    assert_int_equal(CreateTraceInstanceId(of.classes[1].RegHandle, &parent), ERROR_SUCCESS);
    assert_int_equal(TraceEventInstance(of.logger, &event.head, &child, &parent),
                     ERROR_INVALID_FLAGS);
    event.head.Flags = WNODE_FLAG_TRACED_GUID;
    event.head.Class.Type = 3;
    assert_int_equal(TraceEventInstance(of.logger, NULL, &child, &parent), ERROR_INVALID_PARAMETER);
    assert_int_equal(TraceEventInstance(of.logger, &event.head, NULL, NULL),
                     ERROR_INVALID_PARAMETER);
    assert_int_equal(TraceEventInstance(0, &event.head, &child, NULL), ERROR_INVALID_PARAMETER);
    assert_int_equal(TraceEventInstance(of.logger, &event.head, &child, &parent), ERROR_SUCCESS);
    end(&of);
    assert_int_equal(seen.events, 1);
    assert_memory_equal(&seen.last.Header.Guid, &classes[0], sizeof classes[0]);
    assert_int_equal(seen.last.Header.Class.Type, 3);
    assert_int_equal(seen.last.InstanceId, 1);
    assert_int_equal(seen.last.ParentInstanceId, 2);
    assert_memory_equal(&seen.last.ParentGuid, &classes[1], sizeof classes[1]);
    assert_int_equal(seen.last.MofLength, sizeof event - sizeof event.head);
    assert_memory_equal(seen.data, &event.number, sizeof event.number);
}

/* EventClassCallback's page: EventCallback gets each event, the class' function its own. */
static void a_class_has_a_callback_beside_the_traces(void **state)
{
    (void)state;
    scene of;
    begin(&of);
    assert_int_equal(SetTraceCallback(NULL, on_class), ERROR_INVALID_PARAMETER);
    assert_int_equal(SetTraceCallback(&classes[0], NULL), ERROR_INVALID_PARAMETER);
    assert_int_equal(SetTraceCallback(&classes[0], on_class), ERROR_SUCCESS);
    assert_int_equal(write(&of, &classes[0], 1), ERROR_SUCCESS);
    assert_int_equal(write(&of, &classes[1], 1), ERROR_SUCCESS);
    end(&of);
    assert_int_equal(seen.events, 2);
    assert_int_equal(seen.of_class, 1);
    assert_int_equal(RemoveTraceCallback(NULL), ERROR_INVALID_PARAMETER);
    assert_int_equal(RemoveTraceCallback(&classes[1]), ERROR_WMI_GUID_NOT_FOUND);
    assert_int_equal(RemoveTraceCallback(&classes[0]), ERROR_SUCCESS);
    assert_int_equal(RemoveTraceCallback(&classes[0]), ERROR_WMI_GUID_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(instances_are_numbered_for_each_class),
        cmocka_unit_test(an_instance_tells_its_parent),
        cmocka_unit_test(a_class_has_a_callback_beside_the_traces),
    };
    return cmocka_run_group_tests_name("classic providers", tests, NULL, NULL);
}
