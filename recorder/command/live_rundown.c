#include "recorder/command/live_rundown.h"

#include "recorder/command/report.h"
#include "recorder/rundown/rundown_events.h"

#include <inttypes.h>

/* A rundown has more events at once than a session: they wait for the encoders rather than be
 * dropped; events of the session have their own queue meanwhile. */
#define ROOM_WAIT_MS 1000u

void etw_live_rundown_start(etw_live_rundown *rundown)
{
    if (!rundown->is_wanted || rundown->job != NULL) {
        return;
    }
    if (rundown->identities == NULL) {
        rundown->identities = etw_identity_cache_new();
    }
    if (rundown->identities != NULL) {
        rundown->job = etw_rundown_job_start(rundown->identities);
    }
}

void etw_live_rundown_wait(etw_live_rundown *rundown)
{
    if (rundown->job != NULL) {
        (void)etw_rundown_job_is_done(rundown->job, true);
    }
}

bool etw_live_rundown_is_ready(const etw_live_rundown *rundown)
{
    return rundown->job != NULL && etw_rundown_job_is_done(rundown->job, false);
}

static etw_status put_list(void *context, etw_bytes blob, uint32_t processes, etw_error *error)
{
    return etw_capture_rundown(context, blob, processes, error);
}

static etw_status put_events(const etw_live_rundown *rundown, etw_capture *capture,
                             const etw_trace *trace, etw_error *error)
{
    etw_bytes left = etw_rundown_job_events(rundown->job);
    const etw_os *os = etw_os_default();
    const int64_t now = etw_clock_from_filetime(&trace->clock, os->filetime_now(os->context));
    etw_rundown_event event;
    etw_status status = ETW_OK;
    while (status == ETW_OK && etw_rundown_events_next(&left, &event)) {
        if (rundown->session_tells_images && etw_rundown_is_image(&event.record)) {
            continue;
        }
        int64_t *time = &event.record.EventHeader.TimeStamp;
        *time = event.record.BufferContext.LoggerId == ETW_RUNDOWN_KERNEL_LOGGER_ID
                    ? etw_clock_from_filetime(&trace->clock, *time)
                    : now;
        (void)etw_capture_has_room(capture, ROOM_WAIT_MS);
        status = etw_capture_rundown_event(capture, 0, &event.record, error);
    }
    return status;
}

/* The services are those of a manager that may not answer; the kernel's session needs rights, and
 * there are few. */
static void tell_others(const etw_rundown_gaps *gaps)
{
    etw_text text = {0};
    if (gaps->services_code != 0) {
        etw_text_printf(&text, "the names of services could not be listed (error %" PRIu32 ")",
                        gaps->services_code);
        etw_report_note(NULL, etw_text_z(&text));
    }
    if (gaps->kernel.status != ETW_OK) {
        etw_text_clear(&text);
        etw_text_printf(&text,
                        "processes and images are those of snapshots, not the kernel's own (%s)",
                        gaps->kernel.message);
        etw_report_note(NULL, etw_text_z(&text));
    }
    etw_text_free(&text);
}

/* Once: with an administrator's rights there are few, and each segment would tell of them again. */
static void tell_gaps(etw_live_rundown *rundown)
{
    const etw_rundown_gaps *gaps = etw_rundown_job_gaps(rundown->job);
    if (rundown->told_gaps || rundown->is_quiet) {
        return;
    }
    rundown->told_gaps = gaps->closed != 0 || gaps->imageless != 0 || gaps->services_code != 0 ||
                         gaps->kernel.status != ETW_OK;
    tell_others(gaps);
    if (gaps->closed == 0 && gaps->imageless == 0) {
        return;
    }
    etw_text text = {0};
    etw_text_printf(&text,
                    "of %" PRIu32 " processes, %" PRIu32 " could not be asked for path, user and "
                    "command line, %" PRIu32 " not for their images (last: error %" PRIu32
                    "); an elevated administrator sees most",
                    gaps->processes, gaps->closed, gaps->imageless, gaps->last_code);
    etw_report_note(NULL, etw_text_z(&text));
    etw_text_free(&text);
}

void etw_live_rundown_write(etw_live_rundown *rundown, etw_capture *capture, const etw_trace *trace)
{
    etw_error error = {0};
    etw_status status = etw_rundown_job_take(rundown->job, put_list, capture, &error);
    if (status == ETW_OK) {
        status = put_events(rundown, capture, trace, &error);
        rundown->session_tells_images = false;
    }
    if (status != ETW_OK) {
        etw_report_error(&error);
    }
    tell_gaps(rundown);
    etw_rundown_job_free(rundown->job);
    rundown->job = NULL;
}

void etw_live_rundown_free(etw_live_rundown *rundown)
{
    etw_rundown_job_free(rundown->job);
    etw_identity_cache_free(rundown->identities);
    *rundown = (etw_live_rundown){.is_wanted = false};
}
