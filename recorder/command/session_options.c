/* Options about the live session as a whole. */
#include "format/base/quantities.h"
#include "recorder/command/options.h"

#include <stdlib.h>

static etw_status take_kernel_name(const etw_option_use *use, const char *part, void *context)
{
    return etw_kernel_name_parse(part, context)
               ? ETW_OK
               : etw_error_set(use->error, ETW_ERROR_INVALID_ARGUMENT,
                               "--%s: '%s' is not a kernel flag or group; flags are named as "
                               "EVENT_TRACE_FLAG_... without that prefix (PROCESS, THREAD, "
                               "IMAGE_LOAD, ...), further groups as on the manual page (MEMINFO, "
                               "POWER, ...)",
                               use->option->name, part);
}

/* The first mask goes to flags. */
static etw_status take_kernel_list(const etw_option_use *use, uint32_t *flags)
{
    uint32_t masks[ETW_KERNEL_MASKS] = {0};
    uint32_t *groups = etw_record_arguments_of(use)->session.kernel_groups;
    const etw_status status = etw_option_each_part(use, use->value, masks, take_kernel_name);
    *flags |= masks[0];
    for (size_t i = 1; i < ETW_KERNEL_MASKS; i++) {
        groups[i] |= masks[i];
    }
    return status;
}

static etw_status apply_kernel(const etw_option_use *use)
{
    return take_kernel_list(use, &etw_record_arguments_of(use)->session.kernel_flags);
}

static etw_status apply_system(const etw_option_use *use)
{
    etw_record_arguments *arguments = etw_record_arguments_of(use);
    arguments->session.system_logger = true;
    return take_kernel_list(use, &arguments->system_flags);
}

static etw_status apply_attach(const etw_option_use *use)
{
    etw_session_options *session = &etw_record_arguments_of(use)->session;
    session->attach = true;
    session->name = use->value;
    return use->value[0] == '\0' ? etw_option_bad_value(use, "a session's name") : ETW_OK;
}

/* GUID:OPCODE */
static bool parse_kernel_event(const char *text, etw_kernel_event *event)
{
    const char *colon = strchr(text, ':');
    char guid[ETW_GUID_TEXT_SIZE + 1];
    const size_t size = colon == NULL ? sizeof guid : (size_t)(colon - text);
    uint64_t opcode = 0;
    if (size >= sizeof guid || !etw_parse_number(colon + 1, &opcode) || opcode > 255) {
        return false;
    }
    memcpy(guid, text, size);
    guid[size] = '\0';
    event->opcode = (uint8_t)opcode;
    return etw_guid_parse(guid, &event->event_class);
}

static etw_status add_kernel_event(const etw_option_use *use, etw_kernel_event *events,
                                   uint32_t *count)
{
    if (*count == ETW_MAX_KERNEL_STACKS || !parse_kernel_event(use->value, &events[*count])) {
        return etw_option_bad_value(use, "GUID:OPCODE of a kernel event, at most 256 times");
    }
    (*count)++;
    return ETW_OK;
}

static etw_status apply_kernel_stack(const etw_option_use *use)
{
    etw_record_arguments *arguments = etw_record_arguments_of(use);
    arguments->session.kernel_stacks = arguments->kernel_stacks;
    return add_kernel_event(use, arguments->kernel_stacks, &arguments->session.kernel_stack_count);
}

static etw_status apply_count_at(const etw_option_use *use)
{
    etw_record_arguments *arguments = etw_record_arguments_of(use);
    arguments->session.counted_events = arguments->counted_events;
    return add_kernel_event(use, arguments->counted_events,
                            &arguments->session.counted_event_count);
}

/* Where one counter goes. */
typedef struct counter_list {
    etw_counter_wish *wishes;
    uint32_t *count;
    bool has_intervals;
} counter_list;

static etw_status take_counter(const etw_option_use *use, const char *part, void *context)
{
    const counter_list *list = context;
    etw_record_arguments *arguments = etw_record_arguments_of(use);
    char *name = strdup(part);
    if (name == NULL) {
        return etw_error_set(use->error, ETW_ERROR_NO_MEMORY, "out of memory for a counter");
    }
    char *equals = list->has_intervals ? strchr(name, '=') : NULL;
    uint64_t interval = 0;
    const bool is_good = *list->count < ETW_MAX_COUNTERS && name[0] != '\0' && equals != name &&
                         (equals == NULL || (etw_parse_number(equals + 1, &interval) &&
                                             interval > 0 && interval <= UINT32_MAX));
    if (!is_good) {
        free(name);
        return etw_option_bad_value(use, "at most 16 of the counters that --list-counters names, "
                                         "',' between them");
    }
    if (equals != NULL) {
        *equals = '\0';
    }
    arguments->counter_names[arguments->counter_name_count++] = name;
    list->wishes[(*list->count)++] = (etw_counter_wish){name, (uint32_t)interval};
    return ETW_OK;
}

static etw_status apply_pmc(const etw_option_use *use)
{
    etw_record_arguments *arguments = etw_record_arguments_of(use);
    etw_session_options *session = &arguments->session;
    counter_list list = {arguments->sampled, &session->sampled_counter_count, true};
    session->sampled_counters = arguments->sampled;
    (void)etw_kernel_name_parse("PMC_PROFILE", session->kernel_groups);
    return etw_option_each_part(use, use->value, &list, take_counter);
}

static etw_status apply_counters(const etw_option_use *use)
{
    etw_record_arguments *arguments = etw_record_arguments_of(use);
    counter_list list = {arguments->counters, &arguments->session.counter_count, false};
    arguments->session.counters = arguments->counters;
    return etw_option_each_part(use, use->value, &list, take_counter);
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
     .help = "kernel events: PROCESS,THREAD,IMAGE_LOAD,DISK_IO,NETWORK_TCPIP,..., groups that have "
             "no flag: MEMINFO,POWER,..., or xperf's sets: Base, Diag, DiagEasy, Latency, FileIO, "
             "IOTrace, ResumeTrace, SysProf, ResidentSet, ReferenceSet, Network",
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
    {.name = "pmc",
     .value = "LIST",
     .help = "sample whenever one of these counters of the processor has counted N: COUNTER[=N], "
             "',' between them; N is the whole system's, which keeps it",
     .apply = apply_pmc},
    {.name = "counters",
     .value = "LIST",
     .help = "values of these counters of the processor with each event of --count-at",
     .apply = apply_counters},
    {.name = "count-at",
     .value = "GUID:OPCODE",
     .help = "kernel events that bring counters (default: context switches)",
     .apply = apply_count_at},
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
