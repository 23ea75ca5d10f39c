/* Writes TraceLogging events, as any program does that includes TraceLoggingProvider.h, for a live
 * recording to catch: one each 100 ms, for as many seconds as the argument says.
 *
 * Provider and event metadata are laid out as Microsoft's TraceLogging headers do: size, name,
 * fields; their descriptors say which of the two they are (EVENT_DATA_DESCRIPTOR.Type). */
#include "format/base/guid.h"

#include <windows.h>

#include <evntprov.h>

#include <stdio.h>
#include <stdlib.h>

#define PROVIDER         "Etwcap-Live-Test"
#define CHANNEL_OF_TRACE 11 /* WINEVENT_CHANNEL_TRACELOGGING */
#define SET_TRAITS       2  /* EventProviderSetTraits */
#define TYPE_EVENT       1  /* EVENT_DATA_DESCRIPTOR_TYPE_EVENT_METADATA */
#define TYPE_PROVIDER    2  /* EVENT_DATA_DESCRIPTOR_TYPE_PROVIDER_METADATA */
#define IN_UINT32        8  /* TlgInUINT32 */
#define EVENTS_A_SECOND  10u

/* UINT16 size of all, then the name with its NUL. */
static const char traits[] = "\x13\0" PROVIDER;
/* UINT16 size of all, no tags, the event's name, and one field: its name and type. */
static const char metadata[] = {0x13, 0,   0,   'C', 'o', 'u', 'n', 't', 'e',      'd',
                                0,    'N', 'u', 'm', 'b', 'e', 'r', 0,   IN_UINT32};

_Static_assert(sizeof traits == 0x13 && sizeof metadata == 0x13, "the sizes that they tell");

typedef ULONG(WINAPI *set_information)(REGHANDLE, int, PVOID, ULONG);

static EVENT_DATA_DESCRIPTOR describe(const void *data, size_t size, ULONG type)
{
    return (EVENT_DATA_DESCRIPTOR){
        .Ptr = (ULONGLONG)(uintptr_t)data, .Size = (ULONG)size, .Reserved = type};
}

static ULONG write_event(REGHANDLE provider, uint32_t number)
{
    static const EVENT_DESCRIPTOR descriptor = {.Channel = CHANNEL_OF_TRACE, .Level = 4};
    EVENT_DATA_DESCRIPTOR parts[] = {describe(traits, sizeof traits, TYPE_PROVIDER),
                                     describe(metadata, sizeof metadata, TYPE_EVENT),
                                     describe(&number, sizeof number, 0)};
    return EventWrite(provider, &descriptor, 3, parts);
}

int main(int argc, char **argv)
{
    const uint32_t seconds = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1;
    const etw_guid id = etw_guid_from_provider_name(PROVIDER);
    REGHANDLE provider = 0;
    ULONG code = EventRegister((LPCGUID)&id, NULL, NULL, &provider);
    /* Of Windows 8 and later. */
    const HMODULE advapi = GetModuleHandleW(L"advapi32.dll");
    const set_information set =
        advapi == NULL ? NULL
                       : (set_information)(void *)GetProcAddress(advapi, "EventSetInformation");
    if (code == ERROR_SUCCESS && set != NULL) {
        code = set(provider, SET_TRAITS, (PVOID)(uintptr_t)traits, sizeof traits);
    }
    for (uint32_t i = 0; code == ERROR_SUCCESS && i < seconds * EVENTS_A_SECOND; i++) {
        code = write_event(provider, i);
        Sleep(1000 / EVENTS_A_SECOND);
    }
    (void)EventUnregister(provider);
    if (code != ERROR_SUCCESS) {
        (void)fprintf(stderr, "error %lu\n", code);
    }
    return code != ERROR_SUCCESS;
}
