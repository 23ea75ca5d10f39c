/* Options about the files that are read and the file that is written. */
#include "format/base/quantities.h"
#include "recorder/command/option.h"

static etw_status apply_input(const etw_option_use *use)
{
    use->arguments->inputs[use->arguments->input_count++] = use->value;
    return ETW_OK;
}

static etw_status apply_manifest(const etw_option_use *use)
{
    use->arguments->manifests[use->arguments->manifest_count++] = use->value;
    return ETW_OK;
}

static etw_status apply_output(const etw_option_use *use)
{
    use->arguments->output = use->value;
    return ETW_OK;
}

static etw_status apply_force(const etw_option_use *use)
{
    use->arguments->writer.replace = true;
    return ETW_OK;
}

static etw_status apply_level(const etw_option_use *use)
{
    uint64_t level = 0;
    const etw_status status = etw_option_number(use, 1, 19, &level);
    use->arguments->writer.level = (int)level;
    return status;
}

static etw_status apply_threads(const etw_option_use *use)
{
    return etw_option_u32(use, 0, ETW_WRITER_MAX_THREADS, &use->arguments->writer.threads);
}

static etw_status apply_sync(const etw_option_use *use)
{
    static const etw_option_word words[] = {
        {"none", ETW_SYNC_NONE}, {"block", ETW_SYNC_BLOCK}, {"interval", ETW_SYNC_INTERVAL}};
    uint32_t sync = ETW_SYNC_NONE;
    if (!etw_option_word_find(words, ETW_COUNT_OF(words), use->value, &sync)) {
        return etw_option_bad_value(use, "none, block or interval");
    }
    use->arguments->writer.sync = (etw_sync)sync;
    return ETW_OK;
}

static etw_status apply_interval(const etw_option_use *use)
{
    uint64_t milliseconds = 0;
    if (!etw_parse_duration(use->value, &milliseconds) || milliseconds == 0 ||
        milliseconds > 86400000) {
        return etw_option_bad_value(use, "a time from 1ms to 1d");
    }
    use->arguments->writer.interval_ms = (uint32_t)milliseconds;
    return ETW_OK;
}

static etw_status apply_on_overload(const etw_option_use *use)
{
    static const etw_option_word words[] = {{"wait", ETW_OVERLOAD_WAIT},
                                            {"drop", ETW_OVERLOAD_DROP}};
    uint32_t policy = ETW_OVERLOAD_WAIT;
    if (!etw_option_word_find(words, ETW_COUNT_OF(words), use->value, &policy)) {
        return etw_option_bad_value(use, "wait or drop");
    }
    use->arguments->writer.overload = (etw_overload)policy;
    use->arguments->overload_given = true;
    return ETW_OK;
}

static const etw_option_row rows[] = {
    {"input", 'i', required_argument, apply_input},
    {"manifest", 'm', required_argument, apply_manifest},
    {"output", 'o', required_argument, apply_output},
    {"force", 'f', no_argument, apply_force},
    {"level", 0, required_argument, apply_level},
    {"threads", 0, required_argument, apply_threads},
    {"sync", 0, required_argument, apply_sync},
    {"interval", 0, required_argument, apply_interval},
    {"on-overload", 0, required_argument, apply_on_overload},
};

const etw_option_group etw_file_options = {rows, ETW_COUNT_OF(rows)};
