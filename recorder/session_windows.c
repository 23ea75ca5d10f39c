#include "recorder/session.h"

#include "format/base/os.h"
#include "format/etl/etl.h"
#include "recorder/session_errors_windows.h"
#include "recorder/session_filters_windows.h"
#include "recorder/session_properties_windows.h"
#include "recorder/session_queue.h"
#include "recorder/tdh_source.h"
#include "recorder/wide_windows.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

/* Losses are polled and ticks given so often: four times in the default interval of a writer, which
 * nothing else tells the time when no events come. */
#define POLL_INTERVAL_MS 250u
#define POLLS_PER_ANCHOR 240u

/* EnableTraceEx2 waits so long for the provider's callback; a hung provider must not hang us. */
#define ENABLE_TIMEOUT_MS 5000u

/* Class of the events by which a real-time session tells what it lost (evntrace documentation). */
static const etw_guid rt_lost_event_class = {
    0x6a399ae0u, 0x4bc6, 0x4de9, {0x87, 0x0b, 0x36, 0x57, 0xf8, 0x94, 0x7e, 0x7e}};

/* Class and opcode of the log-file header event, which opens every trace. */
static const etw_guid header_event_class = {
    0x68fdd900u, 0x4a3e, 0x11d1, {0x84, 0xf4, 0x00, 0x00, 0xf8, 0x04, 0x64, 0xe3}};

struct etw_session {
    etw_session_options options; /* pointers inside it are not used after open */
    wchar_t *name;
    char *utf8_name;
    TRACEHANDLE controller, consumer;
    etw_guid enabled[ETW_SESSION_MAX_PROVIDERS];
    uint32_t enabled_count;
    etw_provider_options *providers; /* owned copies, for a restart */
    uint32_t provider_count;
    SRWLOCK control; /* guards controller, enabled, running against stop from several threads */
    bool running;    /* the session exists */
    atomic_bool stop_asked;
    HANDLE wake; /* ends the control thread's wait early */

    etw_trace trace;
    bool trace_known;
    uint8_t *logfile_header;

    /* Of the loop. gate is held by whoever calls the sink: ETW's thread for each event, the control
     * thread once a second. Contended once a second at most. Whoever holds it may take control, not
     * the other way round. */
    const etw_session_sink *sink;
    SRWLOCK gate;
    etw_status sink_status; /* first that was not OK */
    etw_error sink_error;
    etw_session_losses losses, reported;
    uint32_t polls;

    /* Of the loop for consumers: schemas and the event they get. */
    etw_schema_store *store;
    etw_resolver *resolver;
    etw_event_maker *maker;
    etw_session_queue *queue;
    HANDLE queue_thread;
};

/* Remembers the first status that ends the loop, and asks for the end. */
static void note_status(etw_session *session, etw_status status)
{
    if (status == ETW_OK) {
        return;
    }
    if (session->sink_status == ETW_OK) {
        session->sink_status = status;
    }
    etw_session_stop(session);
}

/* Wine's ntdll says so itself. Its ETW functions are stubs, and a bare "access denied" of one of
 * them would send the user looking for rights. */
static bool is_wine(void)
{
    const HMODULE ntdll = GetModuleHandleW(L"ntdll.dll");
    return ntdll != NULL && GetProcAddress(ntdll, "wine_get_version") != NULL;
}

static int64_t filetime_now(void)
{
    FILETIME now;
    GetSystemTimePreciseAsFileTime(&now);
    return (int64_t)((uint64_t)now.dwHighDateTime << 32 | now.dwLowDateTime);
}

static int64_t ticks_now(uint32_t clock_type)
{
    if (clock_type == ETW_CLOCK_SYSTEM_TIME) {
        return filetime_now();
    }
    LARGE_INTEGER ticks;
    (void)QueryPerformanceCounter(&ticks);
    return ticks.QuadPart;
}

/* --- starting and enabling
 * ------------------------------------------------------------------------ */

static etw_status enable(etw_session *session, const etw_provider_options *provider,
                         etw_error *error)
{
    etw_filters filters;
    etw_status status = etw_filters_build(provider, &filters, error);
    if (status == ETW_OK) {
        ENABLE_TRACE_PARAMETERS parameters = {.Version = ENABLE_TRACE_PARAMETERS_VERSION_2,
                                              .EnableProperty = provider->enable_properties,
                                              .EnableFilterDesc =
                                                  filters.count == 0 ? NULL : filters.descriptors,
                                              .FilterDescCount = filters.count};
        const ULONG code = EnableTraceEx2(session->controller, (LPCGUID)&provider->id,
                                          EVENT_CONTROL_CODE_ENABLE_PROVIDER, provider->level,
                                          provider->any_keyword, provider->all_keyword,
                                          ENABLE_TIMEOUT_MS, &parameters);
        status = code == ERROR_SUCCESS ? ETW_OK
                                       : etw_error_set_windows(error, code, "enabling a provider");
    }
    etw_filters_free(&filters);
    if (status == ETW_OK && provider->capture_state) {
        const ULONG code = EnableTraceEx2(
            session->controller, (LPCGUID)&provider->id, EVENT_CONTROL_CODE_CAPTURE_STATE,
            provider->level, provider->any_keyword, provider->all_keyword, ENABLE_TIMEOUT_MS, NULL);
        if (code != ERROR_SUCCESS) {
            status = etw_error_set_windows(error, code, "asking a provider for its state");
        }
    }
    return status;
}

static bool is_enabled(const etw_session *session, const etw_guid *provider)
{
    for (uint32_t i = 0; i < session->enabled_count; i++) {
        if (etw_guid_equal(&session->enabled[i], provider)) {
            return true;
        }
    }
    return false;
}

static etw_status enable_and_note(etw_session *session, const etw_provider_options *provider,
                                  etw_error *error)
{
    if (!is_enabled(session, &provider->id)) {
        if (session->enabled_count == ETW_SESSION_MAX_PROVIDERS) {
            return etw_error_set(error, ETW_ERROR_LIMIT, "more than %u providers in a session",
                                 ETW_SESSION_MAX_PROVIDERS);
        }
    }
    const etw_status status = enable(session, provider, error);
    if (status != ETW_OK) {
        etw_text text = {0};
        etw_text_append_guid(&text, &provider->id);
        (void)etw_error_wrap(error, status, "provider %s", etw_text_z(&text));
        etw_text_free(&text);
    } else if (!is_enabled(session, &provider->id)) {
        session->enabled[session->enabled_count++] = provider->id;
    }
    return status;
}

static etw_status set_kernel_stacks(const etw_session *session, etw_error *error)
{
    const etw_session_options *options = &session->options;
    if (options->kernel_stack_count == 0) {
        return ETW_OK;
    }
    CLASSIC_EVENT_ID ids[ETW_MAX_KERNEL_STACKS] = {0};
    for (uint32_t i = 0; i < options->kernel_stack_count; i++) {
        memcpy(&ids[i].EventGuid, &options->kernel_stacks[i].event_class, sizeof(GUID));
        ids[i].Type = options->kernel_stacks[i].opcode;
    }
    const ULONG code = TraceSetInformation(session->controller, TraceStackTracingInfo, ids,
                                           (ULONG)(options->kernel_stack_count * sizeof ids[0]));
    return code == ERROR_SUCCESS
               ? ETW_OK
               : etw_error_set_windows(error, code, "asking for stacks of kernel events");
}

static void WINAPI on_event(EVENT_RECORD *event);

static etw_status open_consumer(etw_session *session, etw_error *error)
{
    EVENT_TRACE_LOGFILEW log = {.LoggerName = session->name,
                                .ProcessTraceMode = PROCESS_TRACE_MODE_REAL_TIME |
                                                    PROCESS_TRACE_MODE_EVENT_RECORD |
                                                    PROCESS_TRACE_MODE_RAW_TIMESTAMP,
                                .EventRecordCallback = on_event,
                                .Context = session};
    session->consumer = OpenTraceW(&log);
    if (session->consumer != INVALID_PROCESSTRACE_HANDLE) {
        return ETW_OK;
    }
    const etw_status status = etw_error_set_windows(
        error, GetLastError(), "opening session '%s' for reading", session->utf8_name);
    return is_wine() ? etw_error_wrap(error, status, "Wine has no event tracing") : status;
}

static void close_consumer(etw_session *session)
{
    if (session->consumer != INVALID_PROCESSTRACE_HANDLE) {
        (void)CloseTrace(session->consumer);
        session->consumer = INVALID_PROCESSTRACE_HANDLE;
    }
}

static etw_status start(etw_session *session, etw_error *error)
{
    etw_session_properties properties;
    etw_session_properties_for_start(&session->options, &properties);
    const ULONG code = StartTraceW(&session->controller, session->name, &properties.head);
    if (code != ERROR_SUCCESS) {
        return etw_error_set_start(error, code, session->utf8_name,
                                   session->options.kernel_flags != 0);
    }
    session->running = true;
    etw_status status = open_consumer(session, error);
    if (status == ETW_OK) {
        status = set_kernel_stacks(session, error);
    }
    for (uint32_t i = 0; status == ETW_OK && i < session->provider_count; i++) {
        status = enable_and_note(session, &session->providers[i], error);
    }
    return status;
}

static char *generated_name(void)
{
    static atomic_uint number;
    char name[64];
    (void)snprintf(name, sizeof name, ETW_SESSION_PREFIX "%lu-%u", GetCurrentProcessId(),
                   atomic_fetch_add(&number, 1) + 1);
    return strdup(name);
}

static bool is_kernel_logger(const etw_session_options *options)
{
    return options->kernel_flags != 0 && !options->system_logger;
}

static char *session_name(const etw_session_options *options)
{
    if (is_kernel_logger(options)) {
        return etw_utf8_from_wide(KERNEL_LOGGER_NAMEW);
    }
    return options->name == NULL ? generated_name() : strdup(options->name);
}

static etw_status check_options(const etw_session_options *options, etw_error *error)
{
    if (options->provider_count == 0 && options->kernel_flags == 0) {
        return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                             "a session needs a provider or kernel flags");
    }
    if (options->provider_count > ETW_SESSION_MAX_PROVIDERS ||
        options->kernel_stack_count > ETW_MAX_KERNEL_STACKS) {
        return etw_error_set(error, ETW_ERROR_LIMIT,
                             "at most %u providers and %u kernel stacks in a session",
                             ETW_SESSION_MAX_PROVIDERS, ETW_MAX_KERNEL_STACKS);
    }
    if (options->name != NULL && strlen(options->name) >= ETW_SESSION_NAME_UNITS) {
        return etw_error_set(error, ETW_ERROR_LIMIT, "a session's name has at most %u characters",
                             ETW_SESSION_NAME_UNITS - 1);
    }
    return ETW_OK;
}

static etw_status prepare(etw_session *session, const etw_session_options *options,
                          etw_error *error)
{
    session->options = *options;
    session->consumer = INVALID_PROCESSTRACE_HANDLE;
    InitializeSRWLock(&session->control);
    InitializeSRWLock(&session->gate);
    session->wake = CreateEventW(NULL, TRUE, FALSE, NULL);
    session->utf8_name = session_name(options);
    session->name = session->utf8_name == NULL ? NULL : etw_wide_from_utf8(session->utf8_name);
    session->providers = calloc(options->provider_count + 1u, sizeof *session->providers);
    session->maker = etw_event_maker_new(false);
    session->store = etw_schema_store_new();
    if (session->wake == NULL || session->name == NULL || session->providers == NULL ||
        session->maker == NULL || session->store == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for a session");
    }
    if (options->provider_count > 0) {
        memcpy(session->providers, options->providers,
               options->provider_count * sizeof *session->providers);
    }
    session->provider_count = options->provider_count;
    return ETW_OK;
}

static void describe_host(etw_session *session)
{
    etw_trace *trace = &session->trace;
    SYSTEM_INFO system;
    GetNativeSystemInfo(&system);
    LARGE_INTEGER frequency;
    (void)QueryPerformanceFrequency(&frequency);
    trace->clock.type =
        session->options.clock_type == 0 ? ETW_CLOCK_QPC : session->options.clock_type;
    trace->clock.frequency_hz = (uint64_t)frequency.QuadPart;
    trace->clock.base_ticks = ticks_now(trace->clock.type);
    trace->clock.base_time_100ns = filetime_now();
    trace->pointer_size = system.wProcessorArchitecture == PROCESSOR_ARCHITECTURE_INTEL ? 4 : 8;
    trace->processor_count = system.dwNumberOfProcessors;
    trace->start_time_100ns = trace->clock.base_time_100ns;
    (void)snprintf(trace->session_name, sizeof trace->session_name, "%s", session->utf8_name);
    wchar_t host[MAX_COMPUTERNAME_LENGTH + 1];
    DWORD size = MAX_COMPUTERNAME_LENGTH + 1;
    char *utf8 = GetComputerNameW(host, &size) ? etw_utf8_from_wide(host) : NULL;
    if (utf8 != NULL) {
        (void)snprintf(trace->host_name, sizeof trace->host_name, "%s", utf8);
        free(utf8);
    }
}

etw_status etw_session_open(const etw_session_options *options, etw_session **opened,
                            etw_error *error)
{
    etw_status status = check_options(options, error);
    if (status != ETW_OK) {
        return status;
    }
    etw_session *session = calloc(1, sizeof *session);
    if (session == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for a session");
    }
    status = prepare(session, options, error);
    if (status == ETW_OK) {
        status = start(session, error);
    }
    if (status != ETW_OK) {
        etw_session_close(session);
        return status;
    }
    describe_host(session);
    *opened = session;
    return ETW_OK;
}

/* --- stopping
 * ------------------------------------------------------------------------------------- */

static void take_losses(etw_session *session, const EVENT_TRACE_PROPERTIES *properties)
{
    session->losses =
        (etw_session_losses){.events_lost = properties->EventsLost,
                             .log_buffers_lost = properties->LogBuffersLost,
                             .realtime_buffers_lost = properties->RealTimeBuffersLost};
}

/* Providers first: a provider that is still enabled logs into a session that is being torn down.
 * The stop call's own counters are the last word on what was lost. */
static void stop_session(etw_session *session)
{
    AcquireSRWLockExclusive(&session->control);
    if (session->running) {
        for (uint32_t i = 0; i < session->enabled_count; i++) {
            (void)EnableTraceEx2(session->controller, (LPCGUID)&session->enabled[i],
                                 EVENT_CONTROL_CODE_DISABLE_PROVIDER, 0, 0, 0, ENABLE_TIMEOUT_MS,
                                 NULL);
        }
        session->enabled_count = 0;
        etw_session_properties properties;
        etw_session_properties_clear(&properties);
        if (ControlTraceW(session->controller, NULL, &properties.head, EVENT_TRACE_CONTROL_STOP) ==
            ERROR_SUCCESS) {
            take_losses(session, &properties.head);
        }
        session->running = false;
    }
    ReleaseSRWLockExclusive(&session->control);
}

void etw_session_stop(etw_session *session)
{
    atomic_store(&session->stop_asked, true);
    (void)SetEvent(session->wake);
}

static void stop_queue(etw_session *session);

void etw_session_close(etw_session *session)
{
    if (session == NULL) {
        return;
    }
    stop_queue(session);
    stop_session(session);
    close_consumer(session);
    if (session->wake != NULL) {
        (void)CloseHandle(session->wake);
    }
    etw_session_queue_free(session->queue);
    etw_event_maker_free(session->maker);
    etw_resolver_free(session->resolver);
    etw_schema_store_free(session->store);
    free(session->providers);
    free(session->logfile_header);
    free(session->name);
    free(session->utf8_name);
    free(session);
}

/* --- the loop
 * ------------------------------------------------------------------------------------- */

static etw_status report_loss(etw_session *session, uint32_t cause, uint64_t events,
                              uint64_t buffers, const char *detail)
{
    if (events == 0 && buffers == 0) {
        return ETW_OK;
    }
    const int64_t now_100ns = filetime_now();
    etw_loss loss = {.cause = cause,
                     .events = events,
                     .buffers = buffers,
                     .from_time_100ns = now_100ns,
                     .to_time_100ns = now_100ns};
    etw_loss_set_detail(&loss, "%s", detail);
    return session->sink->loss == NULL ? ETW_OK
                                       : session->sink->loss(session->sink->context, &loss);
}

/* What the counters gained since the last report. Inside the gate. */
static etw_status report_losses(etw_session *session)
{
    const etw_session_losses now = session->losses, before = session->reported;
    session->reported = now;
    etw_status status =
        report_loss(session, ETW_LOSS_ETW_EVENTS, now.events_lost - before.events_lost, 0,
                    "EventsLost of the session");
    if (status == ETW_OK) {
        const uint64_t buffers = now.log_buffers_lost - before.log_buffers_lost;
        status =
            report_loss(session, ETW_LOSS_ETW_BUFFERS, buffers == 0 ? 0 : ETW_LOSS_COUNT_UNKNOWN,
                        buffers, "LogBuffersLost of the session");
    }
    if (status == ETW_OK) {
        const uint64_t buffers = now.realtime_buffers_lost - before.realtime_buffers_lost;
        status = report_loss(session, ETW_LOSS_REALTIME_BUFFERS,
                             buffers == 0 ? 0 : ETW_LOSS_COUNT_UNKNOWN, buffers,
                             "RealTimeBuffersLost of the session");
    }
    return status;
}

static void query_losses(etw_session *session)
{
    AcquireSRWLockExclusive(&session->control);
    if (session->running) {
        etw_session_properties properties;
        etw_session_properties_clear(&properties);
        if (ControlTraceW(session->controller, NULL, &properties.head, EVENT_TRACE_CONTROL_QUERY) ==
            ERROR_SUCCESS) {
            take_losses(session, &properties.head);
        }
    }
    ReleaseSRWLockExclusive(&session->control);
}

static etw_status give_anchor(etw_session *session)
{
    const etw_session_sink *sink = session->sink;
    if (sink->anchor == NULL || session->polls++ % POLLS_PER_ANCHOR != 0) {
        return ETW_OK;
    }
    const int64_t ticks = ticks_now(session->trace.clock.type);
    return sink->anchor(sink->context, ticks, filetime_now());
}

static void poll(etw_session *session)
{
    query_losses(session);
    AcquireSRWLockExclusive(&session->gate);
    if (session->sink_status == ETW_OK) {
        etw_status status = report_losses(session);
        if (status == ETW_OK && session->trace_known) {
            status = give_anchor(session);
        }
        if (status == ETW_OK && session->sink->tick != NULL) {
            status = session->sink->tick(session->sink->context);
        }
        note_status(session, status);
    }
    ReleaseSRWLockExclusive(&session->gate);
}

/* Stops the session from its own thread: a stop asked for inside the callback must not wait for
 * ETW's thread, which is the one that is inside the callback. */
static DWORD WINAPI control_thread(void *context)
{
    etw_session *session = context;
    while (!atomic_load(&session->stop_asked)) {
        (void)WaitForSingleObject(session->wake, POLL_INTERVAL_MS);
        if (!atomic_load(&session->stop_asked)) {
            (void)ResetEvent(session->wake);
            poll(session);
        }
    }
    stop_session(session);
    return 0;
}

/* The header event carries what the session says of itself, with the clock's base. Where a session
 * does not send one, what describe_host found stands. */
static void learn_trace(etw_session *session, const etw_event_record *record)
{
    session->trace_known = true;
    if (!etw_guid_equal(&record->EventHeader.ProviderId, &header_event_class) ||
        record->EventHeader.EventDescriptor.Opcode != 0) {
        return;
    }
    etw_trace trace = session->trace;
    const etw_bytes payload = etw_record_user_data(record);
    if (etw_trace_from_logfile_header(payload, etw_record_pointer_size(record, trace.pointer_size),
                                      record->EventHeader.TimeStamp, &trace, NULL) != ETW_OK) {
        return;
    }
    session->logfile_header = malloc(payload.size + 1);
    if (session->logfile_header == NULL) {
        return;
    }
    memcpy(session->logfile_header, payload.data, payload.size);
    trace.logfile_header = (etw_bytes){session->logfile_header, payload.size};
    memcpy(trace.host_name, session->trace.host_name, sizeof trace.host_name);
    session->trace = trace;
}

static void WINAPI on_event(EVENT_RECORD *event)
{
    etw_session *session = event->UserContext;
    const etw_event_record *record = (const etw_event_record *)event;
    AcquireSRWLockExclusive(&session->gate);
    if (session->sink_status == ETW_OK) {
        if (!session->trace_known) {
            learn_trace(session, record);
        }
        note_status(session, session->sink->event(session->sink->context, record));
        if (etw_guid_equal(&record->EventHeader.ProviderId, &rt_lost_event_class)) {
            (void)SetEvent(session->wake);
        }
    }
    ReleaseSRWLockExclusive(&session->gate);
}

static etw_status consume(etw_session *session, etw_error *error)
{
    const ULONG code = ProcessTrace(&session->consumer, 1, NULL, NULL);
    close_consumer(session);
    return code == ERROR_SUCCESS || code == ERROR_CANCELLED
               ? ETW_OK
               : etw_error_set_windows(error, code, "reading session '%s'", session->utf8_name);
}

/* ProcessTrace came back though nobody asked: somebody stopped the session by its name. */
static etw_status stopped_from_outside(etw_session *session, etw_error *error)
{
    etw_loss loss = {.cause = ETW_LOSS_TRUNCATED, .events = ETW_LOSS_COUNT_UNKNOWN};
    loss.from_time_100ns = loss.to_time_100ns = filetime_now();
    etw_loss_set_detail(&loss, "session '%s' was stopped from outside%s", session->utf8_name,
                        session->options.restart ? " and started again" : "");
    if (session->sink->loss != NULL) {
        AcquireSRWLockExclusive(&session->gate);
        note_status(session, session->sink->loss(session->sink->context, &loss));
        ReleaseSRWLockExclusive(&session->gate);
    }
    AcquireSRWLockExclusive(&session->control);
    session->running = false;
    session->enabled_count = 0;
    session->losses = session->reported = (etw_session_losses){0};
    etw_status status = etw_error_set(error, ETW_ERROR_STOPPED,
                                      "session '%s' was stopped from outside", session->utf8_name);
    if (session->options.restart) {
        status = start(session, error);
    }
    ReleaseSRWLockExclusive(&session->control);
    return status;
}

static etw_status run_loop(etw_session *session, etw_error *error)
{
    for (;;) {
        etw_status status = consume(session, error);
        if (status != ETW_OK || atomic_load(&session->stop_asked)) {
            return status;
        }
        status = stopped_from_outside(session, error);
        if (status != ETW_OK) {
            return status;
        }
    }
}

etw_status etw_session_pump(etw_session *session, const etw_session_sink *sink, etw_error *error)
{
    session->sink = sink;
    session->sink_status = ETW_OK;
    const HANDLE control = CreateThread(NULL, 0, control_thread, session, 0, NULL);
    if (control == NULL) {
        return etw_error_set_windows(error, GetLastError(), "starting the control thread");
    }
    const etw_status status = run_loop(session, error);
    etw_session_stop(session);
    (void)WaitForSingleObject(control, INFINITE);
    (void)CloseHandle(control);
    const etw_status reported = report_losses(session);
    if (session->sink_status == ETW_OK) {
        session->sink_status = reported;
    }
    if (status != ETW_OK) {
        return status;
    }
    return session->sink_status == ETW_END ? ETW_OK : session->sink_status;
}

/* --- events for consumers
 * ------------------------------------------------------------------------- */

static etw_status make_resolver(etw_session *session, etw_error *error)
{
    if (session->resolver != NULL) {
        return ETW_OK;
    }
    const etw_status status = etw_resolver_new(session->store, NULL, &session->resolver, error);
    return status == ETW_OK
               ? etw_resolver_add_source(session->resolver, etw_tdh_source_new(), error)
               : status;
}

/* The event that consumers see: valid until the next one is made. */
static etw_status make_event(etw_session *session, const etw_event_record *record,
                             const etw_event **event, etw_error *error)
{
    const uint32_t pointer_size = etw_record_pointer_size(record, session->trace.pointer_size);
    const etw_schema *schema = NULL;
    etw_status status = etw_resolver_observe(session->resolver, record, pointer_size, error);
    if (status == ETW_OK) {
        status = etw_resolver_find(session->resolver, record, pointer_size, &schema, error);
    }
    if (status == ETW_OK) {
        *event = etw_event_make(
            session->maker, record, &session->trace, schema,
            etw_schema_store_provider_name(session->store, &record->EventHeader.ProviderId));
    }
    return status;
}

typedef struct processing {
    etw_session *session;
    etw_event_callback callback;
    void *context;
} processing;

static etw_status process_event(void *context, const etw_event_record *record)
{
    const processing *loop = context;
    const etw_event *event = NULL;
    etw_status status = make_event(loop->session, record, &event, &loop->session->sink_error);
    if (status == ETW_OK) {
        status = loop->callback(event, loop->context);
        etw_event_expire(loop->session->maker);
    }
    return status;
}

etw_status etw_session_process(etw_session *session, etw_event_callback callback, void *context,
                               etw_error *error)
{
    processing loop = {session, callback, context};
    const etw_session_sink sink = {.event = process_event, .context = &loop};
    const etw_status status = make_resolver(session, error);
    return status == ETW_OK ? etw_session_pump(session, &sink, error) : status;
}

static etw_status queue_event(void *context, const etw_event_record *record)
{
    etw_session_queue_push(context, record);
    return ETW_OK;
}

static DWORD WINAPI queue_thread(void *context)
{
    etw_session *session = context;
    const etw_session_sink sink = {.event = queue_event, .context = session->queue};
    etw_error error = {0};
    const etw_status status = etw_session_pump(session, &sink, &error);
    etw_session_queue_end(session->queue, status, &error);
    return 0;
}

static etw_status start_queue(etw_session *session, etw_error *error)
{
    if (session->queue != NULL) {
        return ETW_OK;
    }
    const etw_status status = make_resolver(session, error);
    if (status != ETW_OK) {
        return status;
    }
    session->queue = etw_session_queue_new();
    session->queue_thread =
        session->queue == NULL ? NULL : CreateThread(NULL, 0, queue_thread, session, 0, NULL);
    return session->queue_thread == NULL
               ? etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for the event queue")
               : ETW_OK;
}

static void stop_queue(etw_session *session)
{
    if (session->queue_thread == NULL) {
        return;
    }
    etw_session_stop(session);
    (void)WaitForSingleObject(session->queue_thread, INFINITE);
    (void)CloseHandle(session->queue_thread);
    session->queue_thread = NULL;
}

etw_status etw_session_next(etw_session *session, uint32_t timeout_ms, const etw_event **event,
                            etw_error *error)
{
    etw_event_expire(session->maker);
    etw_status status = start_queue(session, error);
    const etw_event_record *record = NULL;
    if (status == ETW_OK) {
        status = etw_session_queue_pop(session->queue, timeout_ms, &record, error);
    }
    return status == ETW_OK ? make_event(session, record, event, error) : status;
}

/* --- what a caller may ask and change
 * --------------------------------------------------------------- */

etw_status etw_session_update(etw_session *session, const etw_provider_options *provider,
                              etw_error *error)
{
    AcquireSRWLockExclusive(&session->control);
    etw_status status =
        session->running ? enable_and_note(session, provider, error)
                         : etw_error_set(error, ETW_ERROR_STOPPED, "the session has been stopped");
    ReleaseSRWLockExclusive(&session->control);
    return status;
}

const etw_trace *etw_session_trace(const etw_session *session)
{
    return &session->trace;
}

void etw_session_get_losses(const etw_session *session, etw_session_losses *losses)
{
    *losses = session->losses;
    losses->dropped_by_queue =
        session->queue == NULL ? 0 : etw_session_queue_dropped(session->queue);
}

const char *etw_session_name(const etw_session *session)
{
    return session->utf8_name;
}
