#include "recorder/session/session_handle_windows.h"

#include "recorder/session/kernel_settings_windows.h"
#include "recorder/session/session_errors_windows.h"
#include "recorder/session/session_filters_windows.h"
#include "recorder/session/session_properties_windows.h"
#include "recorder/session/wide_windows.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

/* Nothing waits for a provider's callback: one suspended process that holds the provider would hold
 * us, and be no reason not to record the others. */
#define NO_WAIT 0u

/* The name of a session that was stopped is taken until its last buffer was written. */
#define TAKEN_WAIT_MS 2000u
#define TAKEN_POLL_MS 50u

/* ---- Names and memory ---- */

static char *generated_name(void)
{
    static atomic_uint number;
    char name[64];
    (void)snprintf(name, sizeof name, ETW_SESSION_PREFIX "%lu-%u", GetCurrentProcessId(),
                   atomic_fetch_add(&number, 1) + 1);
    return strdup(name);
}

const char *etw_session_fixed_name(const etw_session_options *options)
{
    return etw_session_wants_kernel(options) && !options->system_logger ? "NT Kernel Logger"
                                                                        : options->name;
}

static char *session_name(const etw_session_options *options)
{
    const char *name = etw_session_fixed_name(options);
    return name == NULL ? generated_name() : strdup(name);
}

static etw_status check_options(const etw_session_options *options, etw_error *error)
{
    if (options->attach) {
        return options->name != NULL && options->provider_count == 0 &&
                       !etw_session_wants_kernel(options)
                   ? ETW_OK
                   : etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                                   "attaching takes the name of a session and nothing else: what "
                                   "is enabled is its owner's");
    }
    if (options->provider_count == 0 && !etw_session_wants_kernel(options)) {
        return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                             "a session needs a provider or kernel flags");
    }
    if (options->counter_count > 0 && !etw_session_wants_kernel(options)) {
        return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                             "counters come with kernel events, of which none are wanted: "
                             "context switches are CSWITCH");
    }
    if (options->provider_count > ETW_SESSION_MAX_PROVIDERS ||
        options->kernel_stack_count > ETW_MAX_KERNEL_STACKS ||
        options->counted_event_count > ETW_MAX_KERNEL_STACKS) {
        return etw_error_set(error, ETW_ERROR_LIMIT,
                             "at most %u providers, and %u kernel events for stacks or counters, "
                             "in a session",
                             ETW_SESSION_MAX_PROVIDERS, ETW_MAX_KERNEL_STACKS);
    }
    if (options->clock_type == ETW_CLOCK_CPU_CYCLE) {
        return etw_error_set(error, ETW_ERROR_UNSUPPORTED,
                             "the clock 'cycle' cannot be recorded live: nothing relates a "
                             "processor's cycles to the time of day; take qpc");
    }
    if (options->name != NULL && strlen(options->name) >= ETW_SESSION_NAME_UNITS) {
        return etw_error_set(error, ETW_ERROR_LIMIT, "a session's name has at most %u characters",
                             ETW_SESSION_NAME_UNITS - 1);
    }
    return ETW_OK;
}

etw_status etw_session_handle_init(etw_session_handle *handle, const etw_session_options *options,
                                   PEVENT_RECORD_CALLBACK on_event, void *context, etw_error *error)
{
    const etw_status status = check_options(options, error);
    *handle = (etw_session_handle){.options = *options,
                                   .on_event = on_event,
                                   .context = context,
                                   .consumer = INVALID_PROCESSTRACE_HANDLE};
    InitializeSRWLock(&handle->lock);
    if (status != ETW_OK) {
        return status;
    }
    handle->utf8_name = session_name(options);
    handle->name = handle->utf8_name == NULL ? NULL : etw_wide_from_utf8(handle->utf8_name);
    handle->providers = calloc(options->provider_count + 1u, sizeof *handle->providers);
    if (handle->name == NULL || handle->providers == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for a session");
    }
    if (options->provider_count > 0) {
        memcpy(handle->providers, options->providers,
               options->provider_count * sizeof *handle->providers);
    }
    handle->provider_count = options->provider_count;
    return ETW_OK;
}

/* ---- Enabling ---- */

static etw_status enable(etw_session_handle *handle, const etw_provider_options *provider,
                         etw_error *error)
{
    etw_filters filters;
    etw_status status = etw_filters_build(provider, &filters, error);
    if (status == ETW_OK) {
        /* What chooses among stacks asks for none. */
        const bool chooses = provider->stack_ids.count > 0 || provider->stack_names != NULL ||
                             provider->stack_level.is_set;
        const uint32_t stacks = chooses ? ETW_ENABLE_STACK_TRACE : 0;
        ENABLE_TRACE_PARAMETERS parameters = {
            .Version = ENABLE_TRACE_PARAMETERS_VERSION_2,
            .EnableProperty = provider->enable_properties | stacks,
            .EnableFilterDesc = filters.count == 0 ? NULL : filters.descriptors,
            .FilterDescCount = filters.count};
        const ULONG code = EnableTraceEx2(
            handle->controller, (LPCGUID)&provider->id, EVENT_CONTROL_CODE_ENABLE_PROVIDER,
            provider->level, provider->any_keyword, provider->all_keyword, NO_WAIT, &parameters);
        status = code == ERROR_SUCCESS ? ETW_OK : etw_error_set_enable(error, code);
    }
    etw_filters_free(&filters);
    return status;
}

static etw_status ask_for_state(const etw_session_handle *handle,
                                const etw_provider_options *provider, etw_error *error)
{
    if (!provider->capture_state) {
        return ETW_OK;
    }
    const ULONG code = EnableTraceEx2(handle->controller, (LPCGUID)&provider->id,
                                      EVENT_CONTROL_CODE_CAPTURE_STATE, provider->level,
                                      provider->any_keyword, provider->all_keyword, NO_WAIT, NULL);
    return code == ERROR_SUCCESS
               ? ETW_OK
               : etw_error_set_windows(error, code, "asking a provider for its state");
}

static bool is_enabled(const etw_session_handle *handle, const etw_guid *provider)
{
    for (uint32_t i = 0; i < handle->enabled_count; i++) {
        if (etw_guid_equal(&handle->enabled[i], provider)) {
            return true;
        }
    }
    return false;
}

static etw_status enable_and_note(etw_session_handle *handle, const etw_provider_options *provider,
                                  etw_error *error)
{
    if (!is_enabled(handle, &provider->id)) {
        if (handle->enabled_count == ETW_SESSION_MAX_PROVIDERS) {
            return etw_error_set(error, ETW_ERROR_LIMIT, "more than %u providers in a session",
                                 ETW_SESSION_MAX_PROVIDERS);
        }
    }
    const etw_status status = enable(handle, provider, error);
    if (status != ETW_OK) {
        etw_text text = {0};
        etw_text_append_guid(&text, &provider->id);
        (void)etw_error_wrap(error, status, "provider %s", etw_text_z(&text));
        etw_text_free(&text);
    } else if (!is_enabled(handle, &provider->id)) {
        handle->enabled[handle->enabled_count++] = provider->id;
    }
    return status;
}

etw_status etw_session_handle_enable(etw_session_handle *handle,
                                     const etw_provider_options *provider, etw_error *error)
{
    AcquireSRWLockExclusive(&handle->lock);
    etw_status status =
        handle->running ? enable_and_note(handle, provider, error)
                        : etw_error_set(error, ETW_ERROR_STOPPED, "the session has been stopped");
    if (status == ETW_OK) {
        status = ask_for_state(handle, provider, error);
    }
    ReleaseSRWLockExclusive(&handle->lock);
    return status;
}

/* ---- Reading ---- */

/* Wine's ntdll says so itself. Its ETW functions are stubs, and a bare "access denied" of one of
 * them would send the user looking for rights. */
static bool is_wine(void)
{
    const HMODULE ntdll = GetModuleHandleW(L"ntdll.dll");
    return ntdll != NULL && GetProcAddress(ntdll, "wine_get_version") != NULL;
}

static etw_status open_consumer(etw_session_handle *handle, etw_error *error)
{
    EVENT_TRACE_LOGFILEW log = {.LoggerName = handle->name,
                                .ProcessTraceMode = PROCESS_TRACE_MODE_REAL_TIME |
                                                    PROCESS_TRACE_MODE_EVENT_RECORD |
                                                    PROCESS_TRACE_MODE_RAW_TIMESTAMP,
                                .EventRecordCallback = handle->on_event,
                                .Context = handle->context};
    handle->consumer = OpenTraceW(&log);
    if (handle->consumer != INVALID_PROCESSTRACE_HANDLE) {
        handle->header = log.LogfileHeader;
        return ETW_OK;
    }
    const etw_status status = etw_error_set_windows(
        error, GetLastError(), "opening session '%s' for reading", handle->utf8_name);
    return is_wine() ? etw_error_wrap(error, status, "Wine has no event tracing") : status;
}

static void close_consumer(etw_session_handle *handle)
{
    if (handle->consumer != INVALID_PROCESSTRACE_HANDLE) {
        (void)CloseTrace(handle->consumer);
        handle->consumer = INVALID_PROCESSTRACE_HANDLE;
    }
}

etw_status etw_session_handle_process(etw_session_handle *handle, etw_error *error)
{
    TRACEHANDLE consumer = handle->consumer; /* which another thread may close meanwhile */
    if (consumer == INVALID_PROCESSTRACE_HANDLE) {
        return ETW_OK;
    }
    const ULONG code = ProcessTrace(&consumer, 1, NULL, NULL);
    AcquireSRWLockExclusive(&handle->lock);
    close_consumer(handle);
    ReleaseSRWLockExclusive(&handle->lock);
    return code == ERROR_SUCCESS || code == ERROR_CANCELLED
               ? ETW_OK
               : etw_error_set_windows(error, code, "reading session '%s'", handle->utf8_name);
}

void etw_session_handle_free(etw_session_handle *handle)
{
    close_consumer(handle);
    free(handle->providers);
    free(handle->name);
    free(handle->utf8_name);
}

/* ---- Starting ---- */

/* again: the session was stopped a moment ago, and its name may be taken for another. */
static ULONG start_or_wait(etw_session_handle *handle, bool again)
{
    for (unsigned waited_ms = 0;; waited_ms += TAKEN_POLL_MS) {
        etw_session_properties properties;
        etw_session_properties_for_start(&handle->options, &properties);
        const ULONG code = etw_kernel_start_trace(&handle->options, &handle->controller,
                                                  handle->name, &properties.head);
        if (!again || code != ERROR_ALREADY_EXISTS || waited_ms >= TAKEN_WAIT_MS) {
            return code;
        }
        Sleep(TAKEN_POLL_MS);
    }
}

static void take_losses(etw_session_handle *handle, const EVENT_TRACE_PROPERTIES *properties)
{
    handle->losses = (etw_session_losses){.events_lost = properties->EventsLost,
                                          .log_buffers_lost = properties->LogBuffersLost,
                                          .realtime_buffers_lost = properties->RealTimeBuffersLost};
}

/* What was lost before is not ours: taken off by sums modulo 2^64. */
static void count_from_now(etw_session_handle *handle)
{
    const etw_session_losses before = handle->losses;
    handle->earlier =
        (etw_session_losses){.events_lost = 0 - before.events_lost,
                             .log_buffers_lost = 0 - before.log_buffers_lost,
                             .realtime_buffers_lost = 0 - before.realtime_buffers_lost};
}

/* The session that somebody else started. Inside the lock. */
static etw_status attach(etw_session_handle *handle, etw_error *error)
{
    etw_session_properties properties;
    etw_session_properties_clear(&properties);
    const ULONG code = ControlTraceW(0, handle->name, &properties.head, EVENT_TRACE_CONTROL_QUERY);
    if (code == ERROR_WMI_INSTANCE_NOT_FOUND) {
        return etw_error_set(error, ETW_ERROR_NOT_FOUND, "there is no session named '%s'",
                             handle->utf8_name);
    }
    if (code != ERROR_SUCCESS && code != ERROR_MORE_DATA) {
        return etw_error_set_windows(error, code, "asking session '%s'", handle->utf8_name);
    }
    if ((properties.head.LogFileMode & EVENT_TRACE_REAL_TIME_MODE) == 0) {
        return etw_error_set(error, ETW_ERROR_UNSUPPORTED,
                             "session '%s' is not one of real time: it writes to a file, which can "
                             "be read instead",
                             handle->utf8_name);
    }
    if (properties.head.Wnode.ClientContext == ETW_CLOCK_CPU_CYCLE) {
        return etw_error_set(error, ETW_ERROR_UNSUPPORTED,
                             "session '%s' counts a processor's cycles, which nothing relates to "
                             "the time of day",
                             handle->utf8_name);
    }
    handle->options.clock_type = properties.head.Wnode.ClientContext;
    take_losses(handle, &properties.head);
    count_from_now(handle);
    handle->controller = (TRACEHANDLE)properties.head.Wnode.HistoricalContext;
    handle->running = true;
    return open_consumer(handle, error);
}

/* Inside the lock. All providers are enabled before any is asked for its state: the answers of one
 * would fill the buffers while the others are not heard. */
static etw_status start(etw_session_handle *handle, bool again, etw_error *error)
{
    if (handle->options.attach) {
        return attach(handle, error);
    }
    const etw_status set = etw_kernel_settings_of_system(&handle->options, error);
    if (set != ETW_OK) {
        return set;
    }
    const ULONG code = start_or_wait(handle, again);
    if (code != ERROR_SUCCESS) {
        return etw_error_set_start(error, code, handle->utf8_name,
                                   etw_session_wants_kernel(&handle->options) ||
                                       handle->options.system_logger);
    }
    handle->running = true;
    etw_status status = open_consumer(handle, error);
    if (status == ETW_OK) {
        status = etw_kernel_settings_of_session(&handle->options, handle->controller, error);
    }
    for (uint32_t i = 0; status == ETW_OK && i < handle->provider_count; i++) {
        status = enable_and_note(handle, &handle->providers[i], error);
    }
    for (uint32_t i = 0; status == ETW_OK && i < handle->provider_count; i++) {
        status = ask_for_state(handle, &handle->providers[i], error);
    }
    return status;
}

etw_status etw_session_handle_start(etw_session_handle *handle, etw_error *error)
{
    AcquireSRWLockExclusive(&handle->lock);
    const etw_status status = start(handle, false, error);
    ReleaseSRWLockExclusive(&handle->lock);
    return status;
}

static void add_losses(etw_session_losses *to, const etw_session_losses *more)
{
    to->events_lost += more->events_lost;
    to->log_buffers_lost += more->log_buffers_lost;
    to->realtime_buffers_lost += more->realtime_buffers_lost;
}

void etw_session_handle_get_losses(etw_session_handle *handle, etw_session_losses *losses)
{
    AcquireSRWLockExclusive(&handle->lock);
    *losses = handle->earlier;
    add_losses(losses, &handle->losses);
    ReleaseSRWLockExclusive(&handle->lock);
}

etw_status etw_session_handle_lost(etw_session_handle *handle, etw_error *error)
{
    AcquireSRWLockExclusive(&handle->lock);
    handle->running = false;
    handle->enabled_count = 0;
    add_losses(&handle->earlier, &handle->losses);
    handle->losses = (etw_session_losses){0};
    const etw_status status =
        handle->options.restart && !handle->options.attach && !handle->stop_asked
            ? start(handle, true, error)
            : etw_error_set(error, ETW_ERROR_STOPPED, "session '%s' was stopped from outside",
                            handle->utf8_name);
    ReleaseSRWLockExclusive(&handle->lock);
    return status;
}

/* ---- Stopping ---- */

/* Where somebody else stopped the session a moment ago, its number may be another's by now, and so
 * may its name: both together are ours. */
static bool is_still_ours(const etw_session_handle *handle)
{
    etw_session_properties properties;
    etw_session_properties_clear(&properties);
    const ULONG code = ControlTraceW(0, handle->name, &properties.head, EVENT_TRACE_CONTROL_QUERY);
    return (code == ERROR_SUCCESS || code == ERROR_MORE_DATA) &&
           properties.head.Wnode.HistoricalContext == handle->controller;
}

/* Providers first: a provider that is still enabled logs into a session that is being torn down.
 * The stop call's own counters are the last word on what was lost. */
void etw_session_handle_stop(etw_session_handle *handle)
{
    AcquireSRWLockExclusive(&handle->lock);
    handle->stop_asked = true;
    if (handle->running && handle->options.attach) {
        /* Only the reading ends; ERROR_CTX_CLOSE_PENDING: when ProcessTrace has returned. */
        close_consumer(handle);
        handle->running = false;
    }
    if (handle->running) {
        for (uint32_t i = 0; i < handle->enabled_count; i++) {
            (void)EnableTraceEx2(handle->controller, (LPCGUID)&handle->enabled[i],
                                 EVENT_CONTROL_CODE_DISABLE_PROVIDER, 0, 0, 0, NO_WAIT, NULL);
        }
        handle->enabled_count = 0;
        etw_session_properties properties;
        etw_session_properties_clear(&properties);
        if (is_still_ours(handle) && ControlTraceW(handle->controller, NULL, &properties.head,
                                                   EVENT_TRACE_CONTROL_STOP) == ERROR_SUCCESS) {
            take_losses(handle, &properties.head);
        }
        handle->running = false;
    }
    ReleaseSRWLockExclusive(&handle->lock);
}

void etw_session_handle_query_losses(etw_session_handle *handle)
{
    AcquireSRWLockExclusive(&handle->lock);
    if (handle->running) {
        etw_session_properties properties;
        etw_session_properties_clear(&properties);
        if (ControlTraceW(handle->controller, NULL, &properties.head, EVENT_TRACE_CONTROL_QUERY) ==
            ERROR_SUCCESS) {
            take_losses(handle, &properties.head);
        }
    }
    ReleaseSRWLockExclusive(&handle->lock);
}
