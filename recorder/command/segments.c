#include "recorder/command/segments.h"

#include "recorder/command/report.h"

/* A single file from files has its name to itself: it is created, or replaced on request. */
static bool needs_lock(const etw_record_arguments *arguments)
{
    const etw_os *os = etw_os_default();
    const etw_capture_limits *limits = &arguments->limits;
    if (arguments->output == NULL || strcmp(arguments->output, "-") == 0 ||
        os->kind(os->context, arguments->output) == ETW_PATH_OTHER) {
        return false;
    }
    return etw_record_is_live(arguments) || limits->rotate_bytes != 0 || limits->rotate_ms != 0;
}

etw_status etw_segments_begin(etw_segments *segments, const etw_record_arguments *arguments,
                              etw_error *error)
{
    etw_status status = ETW_OK;
    if (needs_lock(arguments)) {
        status = etw_name_lock_take(arguments->output, &segments->lock, error);
    }
    return status == ETW_OK && arguments->on_segment != NULL
               ? etw_segment_command_start(arguments->on_segment, etw_report_error,
                                           &segments->commands, error)
               : status;
}

void etw_segments_closed(etw_segments *segments, const char *path)
{
    if (segments->commands != NULL) {
        etw_segment_command_put(segments->commands, path);
    }
}

int etw_segments_end(etw_segments *segments, int exit_status)
{
    const uint32_t failures = etw_segment_command_finish(segments->commands);
    etw_name_lock_release(segments->lock);
    *segments = (etw_segments){NULL, NULL};
    return failures > 0 ? ETW_EXIT_FAILED : exit_status;
}
