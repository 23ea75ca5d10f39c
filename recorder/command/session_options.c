/* Options about the live session as a whole. */
#include "format/base/quantities.h"
#include "recorder/command/option.h"

static etw_status take_kernel_flag(const etw_option_use *use, const char *part, void *context)
{
    uint32_t flag = 0;
    if (!etw_kernel_flag_parse(part, &flag)) {
        return etw_error_set(use->error, ETW_ERROR_INVALID_ARGUMENT,
                             "%s: '%s' is no kernel flag; they are named as EVENT_TRACE_FLAG_... "
                             "without that prefix: PROCESS, THREAD, IMAGE_LOAD, ...",
                             use->option, part);
    }
    *(uint32_t *)context |= flag;
    return ETW_OK;
}

static etw_status apply_kernel(const etw_option_use *use)
{
    return etw_option_each_part(use, use->value, &use->arguments->session.kernel_flags,
                                take_kernel_flag);
}

static etw_status apply_kernel_stack(const etw_option_use *use)
{
    etw_session_options *session = &use->arguments->session;
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
    etw_kernel_stack *stack = &use->arguments->kernel_stacks[session->kernel_stack_count];
    if (!etw_guid_parse(guid, &stack->event_class)) {
        return etw_option_bad_value(use, "GUID:OPCODE of a kernel event");
    }
    stack->opcode = (uint8_t)opcode;
    session->kernel_stacks = use->arguments->kernel_stacks;
    session->kernel_stack_count++;
    return ETW_OK;
}

static etw_status apply_system_logger(const etw_option_use *use)
{
    use->arguments->session.system_logger = true;
    return ETW_OK;
}

static etw_status apply_session(const etw_option_use *use)
{
    use->arguments->session.name = use->value;
    return use->value[0] == '\0' ? etw_option_bad_value(use, "a name") : ETW_OK;
}

static etw_status apply_replace_session(const etw_option_use *use)
{
    use->arguments->replace_session = true;
    return ETW_OK;
}

static etw_status apply_restart(const etw_option_use *use)
{
    use->arguments->session.restart = true;
    return ETW_OK;
}

static etw_status apply_buffer_size(const etw_option_use *use)
{
    return etw_option_u32(use, 4, 16384, &use->arguments->session.buffer_size_kb);
}

static etw_status apply_min_buffers(const etw_option_use *use)
{
    return etw_option_u32(use, 1, 65536, &use->arguments->session.minimum_buffers);
}

static etw_status apply_max_buffers(const etw_option_use *use)
{
    return etw_option_u32(use, 1, 65536, &use->arguments->session.maximum_buffers);
}

static etw_status apply_flush(const etw_option_use *use)
{
    return etw_option_u32(use, 1, 86400, &use->arguments->session.flush_seconds);
}

static etw_status apply_clock(const etw_option_use *use)
{
    static const etw_option_word words[] = {
        {"qpc", ETW_CLOCK_QPC}, {"system", ETW_CLOCK_SYSTEM_TIME}, {"cycle", ETW_CLOCK_CPU_CYCLE}};
    return etw_option_word_find(words, ETW_COUNT_OF(words), use->value,
                                &use->arguments->session.clock_type)
               ? ETW_OK
               : etw_option_bad_value(use, "qpc, system or cycle");
}

static etw_status apply_no_independent(const etw_option_use *use)
{
    use->arguments->session.not_independent = true;
    return ETW_OK;
}

static etw_status apply_oracle(const etw_option_use *use)
{
    return etw_option_u32(use, 0, 1000, &use->arguments->oracle_events);
}

static etw_status apply_no_rundown(const etw_option_use *use)
{
    use->arguments->no_rundown = true;
    return ETW_OK;
}

static etw_status apply_service(const etw_option_use *use)
{
    use->arguments->service = true;
    return ETW_OK;
}

static const etw_option_row rows[] = {
    {"kernel", 'k', required_argument, apply_kernel},
    {"kernel-stack", 0, required_argument, apply_kernel_stack},
    {"system-logger", 0, no_argument, apply_system_logger},
    {"session", 0, required_argument, apply_session},
    {"replace-session", 0, no_argument, apply_replace_session},
    {"restart", 0, no_argument, apply_restart},
    {"buffer-size", 0, required_argument, apply_buffer_size},
    {"min-buffers", 0, required_argument, apply_min_buffers},
    {"max-buffers", 0, required_argument, apply_max_buffers},
    {"flush", 0, required_argument, apply_flush},
    {"clock", 0, required_argument, apply_clock},
    {"no-independent", 0, no_argument, apply_no_independent},
    {"oracle", 0, required_argument, apply_oracle},
    {"no-rundown", 0, no_argument, apply_no_rundown},
    {"service", 0, no_argument, apply_service},
};

const etw_option_group etw_session_option_group = {rows, ETW_COUNT_OF(rows)};
