/* Options about the live session as a whole. */
#include "format/base/quantities.h"
#include "recorder/command/options.h"

static etw_status take_kernel_flag(const etw_option_use *use, const char *part, void *context)
{
    uint32_t flag = 0;
    if (!etw_kernel_flag_parse(part, &flag)) {
        return etw_error_set(
            use->error, ETW_ERROR_INVALID_ARGUMENT,
            "--%s: '%s' is not a kernel flag; flags are named as EVENT_TRACE_FLAG_... "
            "without that prefix: PROCESS, THREAD, IMAGE_LOAD, ...",
            use->option->name, part);
    }
    *(uint32_t *)context |= flag;
    return ETW_OK;
}

static etw_status apply_kernel(const etw_option_use *use)
{
    return etw_option_each_part(
        use, use->value, &etw_record_arguments_of(use)->session.kernel_flags, take_kernel_flag);
}

static etw_status apply_system(const etw_option_use *use)
{
    etw_record_arguments *arguments = etw_record_arguments_of(use);
    arguments->session.system_logger = true;
    return etw_option_each_part(use, use->value, &arguments->system_flags, take_kernel_flag);
}

static etw_status apply_attach(const etw_option_use *use)
{
    etw_session_options *session = &etw_record_arguments_of(use)->session;
    session->attach = true;
    session->name = use->value;
    return use->value[0] == '\0' ? etw_option_bad_value(use, "a session's name") : ETW_OK;
}

static etw_status apply_kernel_stack(const etw_option_use *use)
{
    etw_record_arguments *arguments = etw_record_arguments_of(use);
    etw_session_options *session = &arguments->session;
    const char *colon = strchr(use->value, ':');
    char guid[ETW_GUID_TEXT_SIZE + 1];
    const size_t size = colon == NULL ? sizeof guid : (size_t)(colon - use->value);
    uint64_t opcode = 0;
    if (size >= sizeof guid || !etw_parse_number(colon + 1, &opcode) || opcode > 255 ||
        session->kernel_stack_count == ETW_MAX_KERNEL_STACKS) {
        return etw_option_bad_value(use, "GUID:OPCODE of a kernel event, at most 256 times");
    }
    memcpy(guid, use->value, size);
    guid[size] = '\0';
    etw_kernel_stack *stack = &arguments->kernel_stacks[session->kernel_stack_count];
    if (!etw_guid_parse(guid, &stack->event_class)) {
        return etw_option_bad_value(use, "GUID:OPCODE of a kernel event");
    }
    stack->opcode = (uint8_t)opcode;
    session->kernel_stacks = arguments->kernel_stacks;
    session->kernel_stack_count++;
    return ETW_OK;
}

static etw_status apply_session(const etw_option_use *use)
{
    etw_record_arguments_of(use)->session.name = use->value;
    return use->value[0] == '\0' ? etw_option_bad_value(use, "a name") : ETW_OK;
}

static const etw_option_word clock_words[] = {{"qpc", ETW_CLOCK_QPC},
                                              {"system", ETW_CLOCK_SYSTEM_TIME},
                                              {"cycle", ETW_CLOCK_CPU_CYCLE},
                                              /* refused with its reason */ {NULL, 0}};

static const etw_option rows[] = {
    {.name = "kernel",
     .letter = 'k',
     .value = "LIST",
     .help =
         "kernel events: PROCESS,THREAD,IMAGE_LOAD,DISK_IO,NETWORK_TCPIP,..., or groups of them: "
         "Base, DiagEasy, Latency, FileIO, IOTrace, SysProf, Network",
     .apply = apply_kernel},
    {.name = "system",
     .value = "LIST",
     .help = "the same events in a session of its own, with --provider if wanted: by system "
             "providers where Windows has them (build 20348 and later), else by flags",
     .apply = apply_system},
    {.name = "sample-interval",
     .value = "N",
     .help = "microseconds between two samples of PROFILE, for the whole system, which keeps it",
     .least = 100,
     .most = 1000000,
     ETW_RECORD_STORES(sample_interval_us)},
    {.name = "kernel-stack",
     .value = "GUID:OPCODE",
     .help = "stacks for this kernel event",
     .apply = apply_kernel_stack},
    {.name = "system-logger",
     .help =
         "kernel events, or system providers (Windows 10 20348 and later), in a private session",
     ETW_RECORD_STORES(session.system_logger)},
    {.name = "attach",
     .value = "NAME",
     .help = "record from this session, which runs already (real time) and goes on afterwards",
     .apply = apply_attach},
    {.name = "session",
     .value = "NAME",
     .help = "the session's name (default etwcap-PROCESS-N)",
     .apply = apply_session},
    {.name = "replace-session",
     .help = "stop a session of that name first",
     ETW_RECORD_STORES(replace_session)},
    {.name = "restart",
     .help = "start again when the session is stopped from outside",
     ETW_RECORD_STORES(session.restart)},
    {.name = "buffer-size",
     .value = "KB",
     .help = "size of the session's buffers, 4 to 16384",
     .least = 4,
     .most = 16384,
     ETW_RECORD_STORES(session.buffer_size_kb)},
    {.name = "min-buffers",
     .value = "N",
     .help = "buffers that the session begins with",
     .least = 1,
     .most = 65536,
     ETW_RECORD_STORES(session.minimum_buffers)},
    {.name = "max-buffers",
     .value = "N",
     .help = "buffers that the session may have (default: 64 MB of them, or 2 MB for each "
             "processor where that is more)",
     .least = 1,
     .most = 65536,
     ETW_RECORD_STORES(session.maximum_buffers)},
    {.name = "flush",
     .value = "SECONDS",
     .help = "deliver buffers at least this often",
     .least = 1,
     .most = 86400,
     ETW_RECORD_STORES(session.flush_seconds)},
    {.name = "clock",
     .value = "NAME",
     .help = "qpc (default) or system",
     .words = clock_words,
     ETW_RECORD_STORES(session.clock_type)},
    {.name = "no-independent",
     .help = "without EVENT_TRACE_INDEPENDENT_SESSION_MODE",
     ETW_RECORD_STORES(session.not_independent)},
    {.name = "oracle",
     .value = "K",
     .help = "keep TDH's own text for the first K events of each schema",
     .most = 1000,
     ETW_RECORD_STORES(oracle_events)},
    {.name = "no-rundown",
     .help = "without the list and events of processes and images at the start of each segment",
     ETW_RECORD_STORES(no_rundown)},
    {.name = "service",
     .help = "run under the service manager; not in a profile",
     ETW_RECORD_STORES(service)},
};

const etw_option_section etw_session_options_section = {"Live sessions (Windows)", rows,
                                                        ETW_COUNT_OF(rows)};
