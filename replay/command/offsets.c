#include "replay/command/offsets.h"

#include "format/input/input.h"

/* "FILE=+3s" or "FILE=-3s". */
static bool parse(const char *text, size_t *name_size, int64_t *offset_100ns)
{
    const char *equals = strrchr(text, '=');
    etw_text magnitude = {0};
    int64_t size_100ns = 0;
    if (equals == NULL || equals == text || (equals[1] != '+' && equals[1] != '-')) {
        return false;
    }
    etw_text_printf(&magnitude, "+%s", equals + 2);
    const bool is_time = etw_replay_time_parse(etw_text_z(&magnitude), 0, &size_100ns);
    etw_text_free(&magnitude);
    *name_size = (size_t)(equals - text);
    *offset_100ns = equals[1] == '-' ? -size_100ns : size_100ns;
    return is_time;
}

etw_status etw_offset_apply(const etw_option_use *use)
{
    etw_replay_arguments *arguments = use->arguments;
    size_t name_size;
    int64_t offset_100ns;
    return parse(use->value, &name_size, &offset_100ns)
               ? etw_arguments_add_string(&arguments->offsets, &arguments->offset_count, use->value,
                                          use->error)
               : etw_error_set(use->error, ETW_ERROR_INVALID_ARGUMENT,
                               "--offset: expected FILE=+3s or FILE=-3s, not '%s'", use->value);
}

static bool is_name_of(const char *name, size_t name_size, const char *input_name)
{
    const size_t size = strlen(input_name);
    if (size < name_size || memcmp(input_name + size - name_size, name, name_size) != 0) {
        return false;
    }
    const char before = size == name_size ? '/' : input_name[size - name_size - 1];
    return before == '/' || before == '\\';
}

int64_t etw_offset_of(const etw_replay_arguments *arguments, const char *input_name)
{
    int64_t sum_100ns = 0;
    for (uint32_t i = 0; i < arguments->offset_count; i++) {
        const char *text = arguments->offsets[i];
        size_t name_size;
        int64_t offset_100ns;
        if (parse(text, &name_size, &offset_100ns) && is_name_of(text, name_size, input_name)) {
            sum_100ns = etw_offset_add(sum_100ns, offset_100ns);
        }
    }
    return sum_100ns;
}

etw_status etw_offsets_check(const etw_replay_arguments *arguments, etw_input *const *inputs,
                             uint32_t count, etw_error *error)
{
    for (uint32_t i = 0; i < arguments->offset_count; i++) {
        const char *text = arguments->offsets[i];
        size_t name_size = 0;
        int64_t offset_100ns;
        bool is_found = false;
        (void)parse(text, &name_size, &offset_100ns);
        for (uint32_t k = 0; k < count; k++) {
            is_found = is_found || is_name_of(text, name_size, etw_input_name(inputs[k]));
        }
        if (!is_found) {
            return etw_error_set(error, ETW_ERROR_NOT_FOUND, "--offset %s: no input is named so",
                                 text);
        }
    }
    return ETW_OK;
}

int64_t etw_offset_add(int64_t time_100ns, int64_t offset_100ns)
{
    int64_t sum_100ns;
    if (__builtin_add_overflow(time_100ns, offset_100ns, &sum_100ns)) {
        return offset_100ns < 0 ? INT64_MIN : INT64_MAX;
    }
    return sum_100ns;
}

static void shift_known(int64_t *time_100ns, int64_t offset_100ns)
{
    if (*time_100ns != 0) {
        *time_100ns = etw_offset_add(*time_100ns, offset_100ns);
    }
}

void etw_offset_trace(etw_trace *trace, int64_t offset_100ns)
{
    trace->clock.base_time_100ns = etw_offset_add(trace->clock.base_time_100ns, offset_100ns);
    shift_known(&trace->boot_time_100ns, offset_100ns);
    shift_known(&trace->start_time_100ns, offset_100ns);
    shift_known(&trace->end_time_100ns, offset_100ns);
}
