/* A trace made here, and sessions of the drop-in ETW API that deliver it; for programs of cmocka,
 * which is included before. */
#ifndef ETW_TESTS_PLAYED_SESSION_H
#define ETW_TESTS_PLAYED_SESSION_H

#include <stdio.h>
#include <stdlib.h>

#include "format/etwcap/writer.h"
#include "format/event/tei_builder.h"
#include "recorder/session/session.h"

#include <windows.h>

#include "replay/etwapi/etw_headers.h"

#define EVENTS     20000u
#define DELIVERED  (EVENTS + 1) /* and the header of the trace, which every session gives */
#define NAME_UNITS 1000u /* with it the trace is larger than the queue of the next-event form */
#define EVENT_ID   7
#define FIRST_TIME 132500000000000000LL

static const etw_guid alpha = {0xAAAAAAAAu, 1, 2, {1, 2, 3, 4, 5, 6, 7, 8}};
static const etw_guid beta = {0xBBBBBBBBu, 1, 2, {1, 2, 3, 4, 5, 6, 7, 8}};
static char trace_path[MAX_PATH * 3];

/* --- the trace ----------------------------------------------------------------------------------
 */

typedef struct payload {
    uint32_t number;
    wchar_t name[NAME_UNITS + 1];
} payload;

static inline uint8_t level_of(uint32_t i)
{
    return (uint8_t)(1 + i % 5);
}

static const etw_guid *provider_of(uint32_t i)
{
    return i % 2 == 0 ? &alpha : &beta;
}

static const etw_schema *add_schema(etw_schema_store *store)
{
    const etw_schema *kept = NULL;
    etw_schema schema = {.origin = ETW_SCHEMA_MANIFEST};
    etw_tei_builder *builder = etw_tei_builder_new();
    (void)etw_tei_builder_add(
        builder, 0,
        &(etw_tei_property_spec){
            .name = "Number", .in_type = ETW_IN_UINT32, .out_type = ETW_OUT_HEXINT32, .length = 4});
    (void)etw_tei_builder_add(builder, 0,
                              &(etw_tei_property_spec){.name = "Name",
                                                       .in_type = ETW_IN_UNICODESTRING,
                                                       .out_type = ETW_OUT_STRING});
    const etw_tei_event_spec event = {.provider_guid = alpha,
                                      .descriptor = {.Id = EVENT_ID},
                                      .provider_name = "Test-Alpha",
                                      .event_name = "Counted"};
    if (etw_tei_builder_finish(builder, &event, &schema.tei, NULL) == ETW_OK) {
        etw_ignore(etw_schema_store_intern(store, &schema, &kept, NULL));
    }
    etw_tei_builder_free(builder);
    return kept;
}

/* The event that opens each trace, with two empty names behind its structure. */
static inline etw_status add_header(etw_writer *writer)
{
    struct {
        TRACE_LOGFILE_HEADER header;
        wchar_t names[2];
    } body = {.header = {.BufferSize = 65536,
                         .NumberOfProcessors = 4,
                         .PointerSize = 8,
                         .TimerResolution = 156250,
                         .ReservedFlags = ETW_CLOCK_SYSTEM_TIME}};
    static const etw_guid header_class = {
        0x68fdd900u, 0x4a3e, 0x11d1, {0x84, 0xf4, 0x00, 0x00, 0xf8, 0x04, 0x64, 0xe3}};
    body.header.PerfFreq.QuadPart = 10000000;
    body.header.StartTime.QuadPart = FIRST_TIME;
    const etw_event_record record = {
        .EventHeader = {.Size = sizeof body + 80,
                        .Flags = ETW_FLAG_64_BIT_HEADER | ETW_FLAG_CLASSIC_HEADER,
                        .TimeStamp = FIRST_TIME,
                        .ProviderId = header_class},
        .UserData = &body,
        .UserDataLength = sizeof body};
    return etw_writer_add_event(writer, &record, 0, 0, NULL);
}

static inline etw_status add_event(etw_writer *writer, uint32_t i, uint32_t schema_id)
{
    static const uint8_t system_sid[] = {1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0};
    static payload body;
    static etw_guid related;
    body.number = i;
    for (uint32_t unit = 0; unit < NAME_UNITS; unit++) {
        body.name[unit] = (wchar_t)(L'a' + (i + unit) % 26);
    }
    related.Data1 = i;
    etw_extended_data_item items[] = {
        {0, ETW_EXT_RELATED_ACTIVITYID, 1, 16, (uint64_t)(uintptr_t)&related},
        {0, ETW_EXT_SID, 0, sizeof system_sid, (uint64_t)(uintptr_t)system_sid}};
    etw_event_record record = {.EventHeader = {.Size = 80 + sizeof body,
                                               .Flags = ETW_FLAG_64_BIT_HEADER,
                                               .ProcessId = 4,
                                               .ThreadId = 8,
                                               .TimeStamp = FIRST_TIME + (int64_t)i * 10,
                                               .ProviderId = *provider_of(i)},
                               .UserData = &body,
                               .UserDataLength = sizeof body};
    record.EventHeader.EventDescriptor.Id = EVENT_ID;
    record.EventHeader.EventDescriptor.Level = level_of(i);
    if (i % 4 == 0) {
        record.EventHeader.Flags |= ETW_FLAG_EXTENDED_INFO;
        record.ExtendedDataCount = 2;
        record.ExtendedData = items;
    }
    return etw_writer_add_event(writer, &record, 0, schema_id, NULL);
}

static inline int make_trace(void **state)
{
    (void)state;
    etw_schema_store *store = etw_schema_store_new();
    const etw_schema *schema = add_schema(store);
    const etw_writer_options options = {.replace = true, .store = store};
    const etw_trace trace = {.pointer_size = 8,
                             .processor_count = 4,
                             .clock = {.type = ETW_CLOCK_SYSTEM_TIME,
                                       .frequency_hz = 10000000,
                                       .base_ticks = FIRST_TIME,
                                       .base_time_100ns = FIRST_TIME}};
    uint16_t index;
    etw_writer *writer = NULL;
    etw_status status = etw_writer_create(etw_os_default(), trace_path, &options, &writer, NULL);
    if (status == ETW_OK) {
        status = etw_writer_add_trace(writer, &trace, &index, NULL);
    }
    if (status == ETW_OK) {
        status = add_header(writer);
    }
    for (uint32_t i = 0; i < EVENTS && status == ETW_OK; i++) {
        status = add_event(writer, i, schema->id);
    }
    if (status == ETW_OK) {
        status = etw_writer_finish(writer, NULL);
    }
    etw_writer_free(writer);
    etw_schema_store_free(store);
    return status != ETW_OK;
}

static inline int remove_trace(void **state)
{
    (void)state;
    return remove(trace_path);
}

/* --- opening ------------------------------------------------------------------------------------
 */

typedef struct setup {
    etw_provider_options providers[2];
    etw_session_options options;
} setup;

/* Both providers, everything they have. */
static inline setup everything(void)
{
    return (setup){.providers = {{.id = alpha, .level = 255, .enable_properties = ETW_ENABLE_SID},
                                 {.id = beta, .level = 255, .enable_properties = ETW_ENABLE_SID}},
                   .options = {.provider_count = 2}};
}

static inline etw_session *open_session(setup *with)
{
    etw_session *session = NULL;
    etw_error error = {0};
    with->options.providers = with->providers;
    if (etw_session_open(&with->options, &session, &error) != ETW_OK) {
        print_error("%s\n", error.message);
    }
    assert_non_null(session);
    return session;
}

typedef struct name_search {
    const char *name;
    bool found;
} name_search;

static inline void match_session(void *context, const char *name, uint32_t mode,
                                 const etw_session_losses *losses)
{
    (void)mode;
    (void)losses;
    name_search *search = context;
    search->found |= strcmp(name, search->name) == 0;
}

static inline bool is_listed(const char *name)
{
    name_search search = {name, false};
    assert_int_equal(etw_session_list(match_session, &search, NULL), ETW_OK);
    return search.found;
}

typedef struct counting {
    etw_session *session;
    uint32_t seen, wanted; /* ends at so many; 0: never */
    uint32_t by_provider[2];
} counting;

static inline etw_status count_event(const etw_event *event, void *context)
{
    counting *count = context;
    const etw_guid *provider = &etw_event_record_of(event)->EventHeader.ProviderId;
    count->by_provider[0] += etw_guid_equal(provider, &alpha);
    count->by_provider[1] += etw_guid_equal(provider, &beta);
    return ++count->seen == count->wanted ? ETW_END : ETW_OK;
}

static inline bool set_environment(void)
{
    wchar_t folder[MAX_PATH], path[MAX_PATH + 64];
    if (GetTempPathW(MAX_PATH, folder) == 0) {
        return false;
    }
    (void)swprintf(path, MAX_PATH + 64, L"%ls\\etwcap-session-%lu.etwcap", folder,
                   GetCurrentProcessId());
    return SetEnvironmentVariableW(L"ETWAPI_TRACE", path) &&
           SetEnvironmentVariableW(L"ETWAPI_AT_END", L"wait") &&
           SetEnvironmentVariableW(L"ETWAPI_HEADER_EVENT", L"on") &&
           WideCharToMultiByte(CP_UTF8, 0, path, -1, trace_path, (int)sizeof trace_path, NULL,
                               NULL) > 0;
}

#endif
