#include "recorder/session/provider_catalog.h"

#include "recorder/session/session.h"
#include "recorder/session/tdh_maps_windows.h"

#include <stdlib.h>
#include <string.h>

#include <windows.h>

#include <evntcons.h>
#include <tdh.h>

/* These two are in tdh.dll since Windows 8.1, and not in mingw-w64's header. */
typedef struct provider_events {
    ULONG count;
    ULONG reserved;
    EVENT_DESCRIPTOR descriptors[];
} provider_events;
ULONG WINAPI TdhEnumerateManifestProviderEvents(GUID *provider, provider_events *events,
                                                ULONG *size);
ULONG WINAPI TdhGetManifestEventInformation(GUID *provider, EVENT_DESCRIPTOR *event,
                                            TRACE_EVENT_INFO *info, ULONG *size);

typedef struct catalog {
    const etw_definition_visitor *visitor;
    etw_schema_store *names;
    etw_provider_catalog_counts *counts;
    uint32_t build;
    etw_status status; /* of the visitor or the store; ends it */
    etw_error *error;
} catalog;

/* What Windows says of itself whatever a program claims to know: GetVersionEx does not. */
static uint32_t build_of_windows(void)
{
    typedef LONG(WINAPI * get_version)(OSVERSIONINFOW *);
    const HMODULE ntdll = GetModuleHandleW(L"ntdll.dll");
    const get_version get =
        ntdll == NULL ? NULL : (get_version)(void *)GetProcAddress(ntdll, "RtlGetVersion");
    OSVERSIONINFOW version = {.dwOSVersionInfoSize = sizeof version};
    return get != NULL && get(&version) == 0 ? (uint32_t)version.dwBuildNumber : 0;
}

static void take_event(catalog *c, const GUID *provider, const EVENT_DESCRIPTOR *event,
                       TRACE_EVENT_INFO *info, ULONG size)
{
    etw_event_record record = {.EventHeader = {.Flags = ETW_FLAG_64_BIT_HEADER}};
    etw_bytes maps[ETW_MAX_MAPS_PER_SCHEMA];
    memcpy(&record.EventHeader.ProviderId, provider, sizeof *provider);
    memcpy(&record.EventHeader.EventDescriptor, event, sizeof *event);
    etw_schema schema = {
        .origin = ETW_SCHEMA_TDH, .tei = {(const uint8_t *)info, size}, .maps = maps};
    schema.map_count = etw_tdh_maps_get(&record, schema.tei, maps);
    c->status =
        c->visitor->take(c->visitor->context, &schema, "registered provider", c->build, c->error);
    etw_tdh_maps_free(maps, schema.map_count);
    c->counts->events++;
}

/* What TDH does not tell of one event costs no other. */
static void ask_event(catalog *c, GUID *provider, EVENT_DESCRIPTOR *event)
{
    ULONG size = 0;
    TRACE_EVENT_INFO *info = NULL;
    ULONG code = TdhGetManifestEventInformation(provider, event, NULL, &size);
    if (code == ERROR_INSUFFICIENT_BUFFER && size <= ETW_MAX_TEI_SIZE) {
        info = malloc(size);
        code = info == NULL ? (ULONG)ERROR_OUTOFMEMORY
                            : TdhGetManifestEventInformation(provider, event, info, &size);
    }
    if (code == ERROR_SUCCESS && info != NULL) {
        take_event(c, provider, event, info, size);
    } else {
        c->counts->failed++;
    }
    free(info);
}

/* *events is NULL where the provider has no manifest, or one without events. */
static bool list_events(GUID *provider, provider_events **events)
{
    ULONG size = 0;
    *events = NULL;
    ULONG code = TdhEnumerateManifestProviderEvents(provider, NULL, &size);
    if (code == ERROR_INSUFFICIENT_BUFFER || (code == ERROR_SUCCESS && size > 0)) {
        *events = malloc(size);
        code = *events == NULL ? (ULONG)ERROR_OUTOFMEMORY
                               : TdhEnumerateManifestProviderEvents(provider, *events, &size);
    }
    if (code != ERROR_SUCCESS || size < sizeof **events ||
        (*events)->count > (size - sizeof **events) / sizeof *(*events)->descriptors) {
        free(*events);
        *events = NULL;
    }
    return code == ERROR_SUCCESS || code == ERROR_NOT_FOUND || code == ERROR_EMPTY ||
           code == ERROR_FILE_NOT_FOUND || code == ERROR_RESOURCE_TYPE_NOT_FOUND;
}

static void take_provider(void *context, const etw_guid *id, const char *name)
{
    catalog *c = context;
    provider_events *events = NULL;
    GUID provider;
    memcpy(&provider, id, sizeof provider);
    if (c->status != ETW_OK) {
        return;
    }
    if (name != NULL) {
        c->status = etw_schema_store_set_provider_name(c->names, id, name, c->error);
    }
    if (c->status == ETW_OK && !list_events(&provider, &events)) {
        c->counts->failed++;
    }
    c->counts->providers += events != NULL;
    for (ULONG i = 0; events != NULL && i < events->count && c->status == ETW_OK; i++) {
        ask_event(c, &provider, &events->descriptors[i]);
    }
    free(events);
}

etw_status etw_provider_catalog(const etw_guid *provider, const etw_definition_visitor *visitor,
                                etw_schema_store *names, etw_provider_catalog_counts *counts,
                                etw_error *error)
{
    *counts = (etw_provider_catalog_counts){0};
    catalog c = {.visitor = visitor,
                 .names = names,
                 .counts = counts,
                 .build = build_of_windows(),
                 .error = error};
    if (provider != NULL) {
        take_provider(&c, provider, NULL);
        return c.status;
    }
    const etw_status status = etw_provider_list(NULL, take_provider, &c, error);
    return status == ETW_OK ? c.status : status;
}
