/* A program that writes events of each kind, as others do: it knows nothing of the box.
 *
 *     etwbox_provider COUNT [again|crash|paced]
 *
 * Each of COUNT rounds writes a manifest, a TraceLogging and a classic event with the round's
 * number. again: then a child does the same. crash: at the end, by a bad pointer. paced: 200,000
 * events a second. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#include <evntrace.h>

#include <evntprov.h>

#define INFO_SET_TRAITS 2
#define ROUNDS_A_MS     67 /* of three events */

/* Tests.Etwbox.Manifest of the test's manifest, the GUID of the name Tests.Etwbox.TraceLogging, and
 * a classic provider with its class. */
static const GUID manifest_id = {
    0xb0c5e001, 0x1111, 0x4222, {0x83, 0x33, 0x44, 0x44, 0x55, 0x55, 0x66, 0x66}};
static const GUID tracelogging_id = {
    0xb0c5e002, 0x1111, 0x4222, {0x83, 0x33, 0x44, 0x44, 0x55, 0x55, 0x66, 0x66}};
static const GUID control_id = {
    0xb0c5e003, 0x1111, 0x4222, {0x83, 0x33, 0x44, 0x44, 0x55, 0x55, 0x66, 0x66}};
static const GUID class_id = {
    0xb0c5e004, 0x1111, 0x4222, {0x83, 0x33, 0x44, 0x44, 0x55, 0x55, 0x66, 0x66}};

/* Sizes, then names; the field's type is TlgInUINT32. */
static const BYTE traits[] = "\x1C\x00"
                             "Tests.Etwbox.TraceLogging";
static const BYTE schema[] = "\x12\x00\x00"
                             "Counted\0"
                             "Count\0"
                             "\x08";

typedef struct classic_event {
    EVENT_TRACE_HEADER header;
    ULONG number;
} classic_event;

typedef struct providers {
    REGHANDLE manifest, tracelogging;
    TRACEHANDLE registration, logger;
    UCHAR level; /* what the callback of the manifest provider was told */
} providers;

static void NTAPI on_enable(LPCGUID source, ULONG is_enabled, UCHAR level, ULONGLONG any,
                            ULONGLONG all, PEVENT_FILTER_DESCRIPTOR filter, PVOID context)
{
    (void)source, (void)any, (void)all, (void)filter;
    ((providers *)context)->level = is_enabled ? level : 0;
}

static ULONG WINAPI on_control(WMIDPREQUESTCODE code, PVOID context, ULONG *reserved, PVOID buffer)
{
    (void)reserved;
    ((providers *)context)->logger = code == WMI_ENABLE_EVENTS ? GetTraceLoggerHandle(buffer) : 0;
    return ERROR_SUCCESS;
}

/* As TraceLoggingProvider.h calls it, since Windows 7 may lack it. */
static ULONG set_traits(REGHANDLE provider)
{
    typedef ULONG WINAPI set_information(REGHANDLE, ULONG, PVOID, ULONG);
    set_information *call = (set_information *)(uintptr_t)GetProcAddress(
        GetModuleHandleA("advapi32"), "EventSetInformation");
    return call == NULL ? ERROR_PROC_NOT_FOUND
                        : call(provider, INFO_SET_TRAITS, (void *)traits, sizeof traits);
}

static ULONG open_providers(providers *all)
{
    static TRACE_GUID_REGISTRATION class_registration = {&class_id, NULL};
    ULONG code = EventRegister(&manifest_id, on_enable, all, &all->manifest);
    code = code != 0 ? code : EventRegister(&tracelogging_id, NULL, NULL, &all->tracelogging);
    code = code != 0 ? code : set_traits(all->tracelogging);
    return code != 0 ? code
                     : RegisterTraceGuidsW(on_control, all, &control_id, 1, &class_registration,
                                           NULL, NULL, &all->registration);
}

static ULONG write_manifest_event(const providers *all, ULONG number)
{
    static const EVENT_DESCRIPTOR descriptor = {.Id = 1, .Level = 4, .Keyword = 1};
    static const WCHAR text[] = L"caf\u00e9";
    EVENT_DATA_DESCRIPTOR data[2];
    EventDataDescCreate(&data[0], &number, sizeof number);
    EventDataDescCreate(&data[1], text, sizeof text);
    return EventWrite(all->manifest, &descriptor, 2, data);
}

static ULONG write_tracelogging_event(const providers *all, ULONG number)
{
    static const EVENT_DESCRIPTOR descriptor = {.Channel = 11, .Level = 5, .Keyword = 2};
    EVENT_DATA_DESCRIPTOR data[2];
    EventDataDescCreate(&data[0], schema, sizeof schema - 1);
    data[0].Reserved = 1; /* event metadata */
    EventDataDescCreate(&data[1], &number, sizeof number);
    return EventWriteTransfer(all->tracelogging, &descriptor, NULL, &class_id, 2, data);
}

static ULONG write_classic_event(const providers *all, ULONG number)
{
    classic_event event = {.number = number};
    event.header.Size = sizeof event.header + sizeof event.number;
    event.header.Flags = WNODE_FLAG_TRACED_GUID;
    event.header.Guid = class_id;
    event.header.Class.Type = 7;
    event.header.Class.Version = 3;
    return TraceEvent(all->logger, &event.header);
}

static void wait_for_turn(ULONG round, ULONGLONG begin_ms)
{
    while (round / ROUNDS_A_MS > GetTickCount64() - begin_ms) {
        Sleep(1);
    }
}

static ULONG run_again(const char *count)
{
    char path[MAX_PATH], line[MAX_PATH + 32];
    STARTUPINFOA start = {.cb = sizeof start};
    PROCESS_INFORMATION child;
    (void)GetModuleFileNameA(NULL, path, sizeof path);
    (void)snprintf(line, sizeof line, "\"%s\" %s", path, count);
    if (!CreateProcessA(NULL, line, NULL, NULL, FALSE, 0, NULL, NULL, &start, &child)) {
        return GetLastError();
    }
    DWORD status = 1;
    (void)WaitForSingleObject(child.hProcess, INFINITE);
    (void)GetExitCodeProcess(child.hProcess, &status);
    return status;
}

int main(int argc, char **argv)
{
    providers all = {0};
    ULONG code = open_providers(&all);
    const ULONG count = argc > 1 ? strtoul(argv[1], NULL, 10) : 1;
    const bool is_paced = argc > 2 && strcmp(argv[2], "paced") == 0;
    const ULONGLONG begin_ms = GetTickCount64();
    for (ULONG i = 0; i < count && code == 0; i++) {
        if (is_paced) {
            wait_for_turn(i, begin_ms);
        }
        code = write_manifest_event(&all, i);
        code = code != 0 ? code : write_tracelogging_event(&all, i);
        code = code != 0 ? code : write_classic_event(&all, i);
    }
    printf("%lu level %u\n", code, all.level);
    fflush(stdout);
    if (argc > 2 && strcmp(argv[2], "again") == 0 && code == 0) {
        code = run_again(argv[1]);
    }
    if (argc > 2 && strcmp(argv[2], "crash") == 0) {
        RaiseException(EXCEPTION_ACCESS_VIOLATION, EXCEPTION_NONCONTINUABLE, 0, NULL);
    }
    (void)EventUnregister(all.manifest);
    (void)EventUnregister(all.tracelogging);
    (void)UnregisterTraceGuids(all.registration);
    return (int)code;
}
