#include "recorder/session/kernel_settings_windows.h"

#include "recorder/session/counters_windows.h"
#include "recorder/session/privilege_windows.h"
#include "recorder/session/session_errors_windows.h"

/* SE_SYSTEM_PROFILE_NAME, wide whatever the build. */
#define PROFILE_PRIVILEGE L"SeSystemProfilePrivilege"

/* Thread's CSwitch. */
static const etw_kernel_event context_switch = {
    {0x3D6FA8D1, 0xFE05, 0x11D0, {0x9D, 0xDA, 0x00, 0xC0, 0x4F, 0xD7, 0xBA, 0x7C}}, 36};

/* Sampling wants a right that administrators hold switched off. */
static bool profile_on(bool needed)
{
    bool was_on = true;
    return needed && etw_privilege_set(PROFILE_PRIVILEGE, true, &was_on) && !was_on;
}

static void profile_off(bool switched)
{
    if (switched) {
        (void)etw_privilege_set(PROFILE_PRIVILEGE, false, NULL);
    }
}

static ULONG set_with_right(TRACEHANDLE session, TRACE_INFO_CLASS information, void *data,
                            size_t size)
{
    const bool switched = profile_on(true);
    const ULONG code = TraceSetInformation(session, information, data, (ULONG)size);
    profile_off(switched);
    return code;
}

ULONG etw_kernel_start_trace(const etw_session_options *options, TRACEHANDLE *session,
                             const wchar_t *name, EVENT_TRACE_PROPERTIES *properties)
{
    const bool switched = profile_on((options->kernel_flags & EVENT_TRACE_FLAG_PROFILE) != 0);
    const ULONG code = StartTraceW(session, name, properties);
    profile_off(switched);
    return code;
}

/* Source 0 is the timer, its interval in 100 ns. */
static etw_status set_interval(ULONG source, ULONG interval, etw_error *error)
{
    TRACE_PROFILE_INTERVAL wanted = {source, interval};
    const ULONG code = set_with_right(0, TraceSampledProfileIntervalInfo, &wanted, sizeof wanted);
    return code == ERROR_SUCCESS
               ? ETW_OK
               : etw_error_set_windows(error, code, "setting the interval of samples");
}

/* ERROR_BUSY: somebody else counts, and only a few counters can be used at a time. */
static etw_status counters_done(ULONG code, etw_error *error)
{
    if (code == ERROR_BUSY) {
        return etw_error_set(error, ETW_ERROR_LIMIT,
                             "the processor's counters are in use by another session or tool");
    }
    return code == ERROR_SUCCESS
               ? ETW_OK
               : etw_error_set_windows(error, code, "choosing the processor's counters");
}

static etw_status set_sampled_counters(const etw_session_options *options, etw_error *error)
{
    ULONG ids[ETW_MAX_COUNTERS];
    const uint32_t count = options->sampled_counter_count;
    etw_status status = etw_counters_find(options->sampled_counters, count, ids, error);
    for (uint32_t i = 0; status == ETW_OK && i < count; i++) {
        const uint32_t interval = options->sampled_counters[i].interval;
        status = interval == 0 ? ETW_OK : set_interval(ids[i], interval, error);
    }
    return status == ETW_OK ? counters_done(set_with_right(0, TraceProfileSourceConfigInfo, ids,
                                                           count * sizeof ids[0]),
                                            error)
                            : status;
}

etw_status etw_kernel_settings_of_system(const etw_session_options *options, etw_error *error)
{
    etw_status status = ETW_OK;
    if (options->sample_interval_100ns != 0) {
        status = set_interval(0, options->sample_interval_100ns, error);
    }
    return status == ETW_OK && options->sampled_counter_count > 0
               ? set_sampled_counters(options, error)
               : status;
}

static ULONG set_events(TRACEHANDLE session, TRACE_INFO_CLASS information,
                        const etw_kernel_event *events, uint32_t count)
{
    CLASSIC_EVENT_ID ids[ETW_MAX_KERNEL_STACKS] = {0};
    for (uint32_t i = 0; i < count; i++) {
        memcpy(&ids[i].EventGuid, &events[i].event_class, sizeof(GUID));
        ids[i].Type = events[i].opcode;
    }
    return TraceSetInformation(session, information, ids, (ULONG)(count * sizeof ids[0]));
}

static etw_status set_stacks(const etw_session_options *options, TRACEHANDLE session,
                             etw_error *error)
{
    const ULONG code = set_events(session, TraceStackTracingInfo, options->kernel_stacks,
                                  options->kernel_stack_count);
    return code == ERROR_SUCCESS
               ? ETW_OK
               : etw_error_set_windows(error, code, "asking for stacks of kernel events");
}

static etw_status set_counters(const etw_session_options *options, TRACEHANDLE session,
                               etw_error *error)
{
    ULONG ids[ETW_MAX_COUNTERS];
    const bool has_events = options->counted_event_count > 0;
    etw_status status = etw_counters_find(options->counters, options->counter_count, ids, error);
    if (status == ETW_OK) {
        status = counters_done(set_with_right(session, TracePmcCounterListInfo, ids,
                                              options->counter_count * sizeof ids[0]),
                               error);
    }
    return status == ETW_OK
               ? counters_done(set_events(session, TracePmcEventListInfo,
                                          has_events ? options->counted_events : &context_switch,
                                          has_events ? options->counted_event_count : 1),
                               error)
               : status;
}

/* The masks that the flags made, and what is wanted beside them. */
static etw_status set_groups(const etw_session_options *options, TRACEHANDLE session,
                             etw_error *error)
{
    ULONG masks[ETW_KERNEL_MASKS] = {0};
    ULONG size = 0;
    ULONG code =
        TraceQueryInformation(session, TraceSystemTraceEnableFlagsInfo, masks, sizeof masks, &size);
    masks[0] |= options->kernel_flags;
    for (size_t i = 1; i < ETW_KERNEL_MASKS; i++) {
        masks[i] |= options->kernel_groups[i];
    }
    if (code == ERROR_SUCCESS) {
        code = set_with_right(session, TraceSystemTraceEnableFlagsInfo, masks, sizeof masks);
    }
    return code == ERROR_SUCCESS
               ? ETW_OK
               : etw_error_set_windows(error, code, "asking for groups of kernel events");
}

static bool has_groups(const etw_session_options *options)
{
    bool any = false;
    for (size_t i = 1; i < ETW_KERNEL_MASKS; i++) {
        any |= options->kernel_groups[i] != 0;
    }
    return any;
}

etw_status etw_kernel_settings_of_session(const etw_session_options *options, TRACEHANDLE session,
                                          etw_error *error)
{
    etw_status status = ETW_OK;
    if (options->kernel_stack_count > 0) {
        status = set_stacks(options, session, error);
    }
    if (status == ETW_OK && options->counter_count > 0) {
        status = set_counters(options, session, error);
    }
    return status == ETW_OK && has_groups(options) ? set_groups(options, session, error) : status;
}
