/* The session API, linked with the drop-in ETW API: a trace made here is what its sessions deliver.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "format/etwcap/writer.h"
#include "format/event/extended.h"
#include "format/event/tei_builder.h"
#include "recorder/rundown/kernel_rundown.h"
#include "recorder/session/session.h"
#include "recorder/session/session_control_windows.h"
#include "replay/replay.h"

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

static uint8_t level_of(uint32_t i)
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
static etw_status add_header(etw_writer *writer)
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

static etw_status add_event(etw_writer *writer, uint32_t i, uint32_t schema_id)
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

static int make_trace(void **state)
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

static int remove_trace(void **state)
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
static setup everything(void)
{
    return (setup){.providers = {{.id = alpha, .level = 255, .enable_properties = ETW_ENABLE_SID},
                                 {.id = beta, .level = 255, .enable_properties = ETW_ENABLE_SID}},
                   .options = {.provider_count = 2}};
}

static etw_session *open_session(setup *with)
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

static void match_session(void *context, const char *name, uint32_t mode,
                          const etw_session_losses *losses)
{
    (void)mode;
    (void)losses;
    name_search *search = context;
    search->found |= strcmp(name, search->name) == 0;
}

static bool is_listed(const char *name)
{
    name_search search = {name, false};
    assert_int_equal(etw_session_list(match_session, &search, NULL), ETW_OK);
    return search.found;
}

/* --- what consumers do --------------------------------------------------------------------------
 */

typedef struct counting {
    etw_session *session;
    uint32_t seen, wanted; /* ends at so many; 0: never */
    uint32_t by_provider[2];
} counting;

static etw_status count_event(const etw_event *event, void *context)
{
    counting *count = context;
    const etw_guid *provider = &etw_event_record_of(event)->EventHeader.ProviderId;
    count->by_provider[0] += etw_guid_equal(provider, &alpha);
    count->by_provider[1] += etw_guid_equal(provider, &beta);
    return ++count->seen == count->wanted ? ETW_END : ETW_OK;
}

/* All that a consumer can ask of an event, as text. */
typedef struct telling {
    etw_text text;
    uint32_t seen, wanted;
} telling;

static etw_status tell_event(const etw_event *event, void *context)
{
    telling *tell = context;
    const etw_event_record *record = etw_event_record_of(event);
    const char *provider = etw_event_provider_name(event);
    char numbers[160];
    etw_bytes sid = {NULL, 0};
    etw_guid related = {0};
    const bool has_related = etw_record_related_activity_id(record, &related);
    const bool has_sid = etw_record_user_sid(record, &sid);
    (void)snprintf(numbers, sizeof numbers, "%lld %lld %u %u %d %u %d %s ",
                   (long long)etw_event_time_100ns(event), (long long)record->EventHeader.TimeStamp,
                   record->EventHeader.EventDescriptor.Level, record->EventHeader.Flags,
                   has_related, (unsigned)related.Data1, has_sid, provider ? provider : "?");
    etw_text_append(&tell->text, numbers, strlen(numbers));
    etw_ignore(etw_event_property_text(event, "Number", &tell->text));
    etw_ignore(etw_event_property_text(event, "Name", &tell->text));
    return ++tell->seen == tell->wanted ? ETW_END : ETW_OK;
}

static void events_are_those_of_a_replay(void **state)
{
    (void)state;
    setup with = everything();
    etw_session *session = open_session(&with);
    telling live = {.wanted = DELIVERED}, saved = {.wanted = 0};
    assert_int_equal(etw_session_process(session, tell_event, &live, NULL), ETW_OK);
    etw_session_close(session);

    etw_replay *replay = NULL;
    assert_int_equal(etw_replay_open(trace_path, NULL, &replay, NULL), ETW_OK);
    assert_int_equal(etw_replay_process(replay, tell_event, &saved, NULL), ETW_OK);
    etw_replay_close(replay);

    assert_int_equal(live.seen, DELIVERED);
    assert_int_equal(saved.seen, DELIVERED);
    assert_non_null(strstr(etw_text_z(&saved.text), "0x4E1Ffghijk")); /* of the last event */
    assert_int_equal(live.text.size, saved.text.size);
    assert_memory_equal(live.text.data, saved.text.data, saved.text.size);
    etw_text_free(&live.text);
    etw_text_free(&saved.text);
}

static etw_status ignore_event(void *context, const etw_value *value)
{
    (void)context;
    (void)value;
    return ETW_OK;
}

static void assert_expired(const etw_event *event)
{
    static const etw_visitor visitor = {.value = ignore_event};
    etw_text text = {0};
    etw_walk_end end;
    assert_null(etw_event_record_of(event));
    assert_null(etw_event_schema(event));
    assert_true(etw_event_time_100ns(event) == INT64_MIN);
    assert_int_equal(etw_event_property_text(event, "Number", &text), ETW_ERROR_EXPIRED);
    assert_int_equal(etw_event_walk(event, &visitor, NULL, &end), ETW_ERROR_EXPIRED);
    etw_text_free(&text);
}

static etw_status keep_event(const etw_event *event, void *context)
{
    *(const etw_event **)context = event;
    return ETW_END;
}

static void an_event_ends_with_its_callback(void **state)
{
    (void)state;
    setup with = everything();
    etw_session *session = open_session(&with);
    const etw_event *event = NULL;
    assert_int_equal(etw_session_process(session, keep_event, &event, NULL), ETW_OK);
    assert_non_null(event);
    assert_expired(event);
    etw_session_close(session);
}

/* --- options while it runs ----------------------------------------------------------------------
 */

#define RAISED_AT  2000u
#define LOWERED_AT 8000u
/* A change is seen at the next buffer, of 256 read events. */
#define SETTLED 300u

typedef struct changing {
    etw_session *session;
    uint32_t number; /* of the event at hand */
    uint32_t too_detailed_before, detailed_between, too_detailed_after, of_beta;
} changing;

static void set_level(etw_session *session, uint8_t level)
{
    const etw_provider_options changed = {.id = alpha, .level = level};
    assert_int_equal(etw_session_update(session, &changed, NULL), ETW_OK);
}

/* Half-way everything of alpha, later only what is critical again, and then beta too. */
static etw_status change_event(const etw_event *event, void *context)
{
    changing *change = context;
    const etw_event_record *record = etw_event_record_of(event);
    if (record->EventHeader.EventDescriptor.Id != EVENT_ID) {
        return ETW_OK;
    }
    const uint32_t number = etw_load_u32(record->UserData), before = change->number;
    const bool detailed = record->EventHeader.EventDescriptor.Level > 1;
    change->number = number;
    change->too_detailed_before += detailed && number <= RAISED_AT;
    change->detailed_between += detailed && number > RAISED_AT + SETTLED && number <= LOWERED_AT;
    change->too_detailed_after += detailed && number > LOWERED_AT + 2 * SETTLED &&
                                  etw_guid_equal(&record->EventHeader.ProviderId, &alpha);
    change->of_beta += etw_guid_equal(&record->EventHeader.ProviderId, &beta);
    if (before < RAISED_AT && number >= RAISED_AT) {
        set_level(change->session, 5);
    }
    if (before < LOWERED_AT && number >= LOWERED_AT) {
        set_level(change->session, 1);
        const etw_provider_options added = {.id = beta, .level = 5};
        assert_int_equal(etw_session_update(change->session, &added, NULL), ETW_OK);
    }
    return number >= EVENTS - 10 ? ETW_END : ETW_OK;
}

static void options_change_while_it_runs(void **state)
{
    (void)state;
    setup with = {.providers = {{.id = alpha, .level = 1}}, .options = {.provider_count = 1}};
    changing change = {.session = open_session(&with)};
    assert_int_equal(etw_session_process(change.session, change_event, &change, NULL), ETW_OK);
    assert_int_equal(change.too_detailed_before, 0);
    /* Alpha has every second event; of five, four have a level above 1. */
    assert_in_range(change.detailed_between, (LOWERED_AT - RAISED_AT - SETTLED) * 2 / 5 - 300,
                    (LOWERED_AT - RAISED_AT) * 2 / 5);
    assert_int_equal(change.too_detailed_after, 0);
    assert_in_range(change.of_beta, (EVENTS - LOWERED_AT) / 2 - SETTLED, EVENTS / 2);
    etw_session_close(change.session);
}

static void a_stopped_session_takes_no_options(void **state)
{
    (void)state;
    setup with = everything();
    etw_session *session = open_session(&with);
    counting count = {.session = session, .wanted = 1};
    assert_int_equal(etw_session_process(session, count_event, &count, NULL), ETW_OK);
    assert_int_equal(etw_session_update(session, &with.providers[0], NULL), ETW_ERROR_STOPPED);
    etw_session_close(session);
}

/* --- ends ---------------------------------------------------------------------------------------
 */

static etw_status stop_here(const etw_event *event, void *context)
{
    (void)event;
    etw_session_stop(context);
    etw_session_stop(context);
    return ETW_OK;
}

static void it_stops_from_the_callback(void **state)
{
    (void)state;
    setup with = everything();
    etw_session *session = open_session(&with);
    assert_int_equal(etw_session_process(session, stop_here, session, NULL), ETW_OK);
    assert_false(is_listed(etw_session_name(session)));
    etw_session_stop(session);
    etw_session_close(session);
    etw_session_close(NULL);
}

static DWORD WINAPI stop_later(void *context)
{
    Sleep(300);
    etw_session_stop(context);
    return 0;
}

static DWORD WINAPI kill_later(void *context)
{
    Sleep(300);
    return (DWORD)etw_session_kill(context, NULL);
}

static void join(HANDLE thread)
{
    assert_int_equal(WaitForSingleObject(thread, 60000), WAIT_OBJECT_0);
    (void)CloseHandle(thread);
}

static void it_stops_from_another_thread(void **state)
{
    (void)state;
    setup with = everything();
    etw_session *session = open_session(&with);
    const HANDLE thread = CreateThread(NULL, 0, stop_later, session, 0, NULL);
    counting count = {0};
    assert_int_equal(etw_session_process(session, count_event, &count, NULL), ETW_OK);
    join(thread);
    etw_session_close(session);
}

static void closing_without_processing_stops_it(void **state)
{
    (void)state;
    setup with = everything();
    etw_session *session = open_session(&with);
    char name[64];
    (void)snprintf(name, sizeof name, "%s", etw_session_name(session));
    assert_memory_equal(name, ETW_SESSION_PREFIX, sizeof ETW_SESSION_PREFIX - 1);
    assert_true(is_listed(name));
    etw_session_close(session);
    assert_false(is_listed(name));
}

static void an_end_from_outside_is_its_own_status(void **state)
{
    (void)state;
    setup with = everything();
    with.options.name = "ended from outside";
    etw_session *session = open_session(&with);
    const HANDLE thread =
        CreateThread(NULL, 0, kill_later, (void *)(uintptr_t)with.options.name, 0, NULL);
    counting count = {0};
    etw_error error = {0};
    assert_int_equal(etw_session_process(session, count_event, &count, &error), ETW_ERROR_STOPPED);
    assert_non_null(strstr(error.message, with.options.name));
    join(thread);
    etw_session_close(session);
}

/* The session that takes the place of the killed one delivers the trace from its start again. */
static void a_session_killed_from_outside_is_started_again(void **state)
{
    (void)state;
    setup with = everything();
    with.options.name = "started again";
    with.options.restart = true;
    etw_session *session = open_session(&with);
    const HANDLE thread =
        CreateThread(NULL, 0, kill_later, (void *)(uintptr_t)with.options.name, 0, NULL);
    counting count = {.wanted = EVENTS + EVENTS / 2};
    assert_int_equal(etw_session_process(session, count_event, &count, NULL), ETW_OK);
    assert_int_equal(count.seen, count.wanted);
    join(thread);
    etw_session_close(session);
}

/* --- names and limits ---------------------------------------------------------------------------
 */

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

/* --- several, and one event at a time -----------------------------------------------------------
 */

static DWORD WINAPI process_here(void *context)
{
    counting *count = context;
    return (DWORD)etw_session_process(count->session, count_event, count, NULL);
}

static void two_sessions_run_side_by_side(void **state)
{
    (void)state;
    counting counts[2] = {{.wanted = EVENTS / 2 + 1}, {.wanted = EVENTS / 2 + 1}};
    HANDLE threads[2];
    for (uint32_t i = 0; i < 2; i++) {
        setup with = {.providers = {{.id = i == 0 ? alpha : beta, .level = 5}},
                      .options = {.provider_count = 1}};
        counts[i].session = open_session(&with);
        threads[i] = CreateThread(NULL, 0, process_here, &counts[i], 0, NULL);
    }
    for (uint32_t i = 0; i < 2; i++) {
        join(threads[i]);
        assert_int_equal(counts[i].by_provider[i], EVENTS / 2);
        assert_int_equal(counts[i].by_provider[1 - i], 0);
        etw_session_close(counts[i].session);
    }
}

/* The caller is slower than the trace, whose events together are larger than the queue. */
static void next_gives_what_fits_the_queue_and_counts_the_rest(void **state)
{
    (void)state;
    setup with = everything();
    etw_session *session = open_session(&with);
    const etw_event *event = NULL, *before = NULL;
    assert_int_equal(etw_session_next(session, 60000, &event, NULL), ETW_OK);
    etw_session_losses losses = {0};
    for (uint32_t waited = 0; waited < 600 && losses.dropped_by_queue == 0; waited++) {
        Sleep(100);
        etw_session_get_losses(session, &losses);
    }
    assert_true(losses.dropped_by_queue > 0);
    uint32_t taken = 1;
    etw_status status;
    before = event;
    while ((status = etw_session_next(session, 1000, &event, NULL)) == ETW_OK) {
        assert_non_null(etw_event_record_of(event));
        before = event;
        taken++;
    }
    assert_int_equal(status, ETW_AGAIN); /* the session is there, and silent */
    assert_expired(before);
    etw_session_get_losses(session, &losses);
    assert_int_equal(taken + losses.dropped_by_queue, DELIVERED);
    etw_session_stop(session);
    assert_int_equal(etw_session_next(session, 60000, &event, NULL), ETW_END);
    assert_int_equal(etw_session_next(session, 60000, &event, NULL), ETW_END);
    etw_session_close(session);
}

static bool set_environment(void)
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_are_those_of_a_replay),
        cmocka_unit_test(an_event_ends_with_its_callback),
        cmocka_unit_test(options_change_while_it_runs),
        cmocka_unit_test(a_stopped_session_takes_no_options),
        cmocka_unit_test(it_stops_from_the_callback),
        cmocka_unit_test(it_stops_from_another_thread),
        cmocka_unit_test(closing_without_processing_stops_it),
        cmocka_unit_test(an_end_from_outside_is_its_own_status),
        cmocka_unit_test(a_session_killed_from_outside_is_started_again),
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
        cmocka_unit_test(two_sessions_run_side_by_side),
        cmocka_unit_test(next_gives_what_fits_the_queue_and_counts_the_rest),
    };
    return set_environment() ? cmocka_run_group_tests(tests, make_trace, remove_trace) : 1;
}
