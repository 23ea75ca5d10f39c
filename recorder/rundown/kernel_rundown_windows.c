#include "recorder/rundown/kernel_rundown.h"

#include "recorder/session/session.h"
#include "recorder/session/session_control_windows.h"

#include <windows.h>

#include <evntrace.h>

/* Of evntrace.h since Windows 8: no list of the hardware and services at the end. */
#define NO_SYSCONFIG 0x10000000u
/* All events come while StartTrace runs, before anybody reads: 16 MiB of buffers that are there
 * from the start, some 50,000 images. */
#define BUFFERS 256u
/* A session's tick comes every quarter of a second. */
#define MAX_SILENT_TICKS 8u
#define MAX_TICKS        40u

/* A session being read. */
typedef struct taking {
    etw_kernel_rundown *rundown;
    const char *session;
    size_t count, count_at_tick; /* events kept */
    uint32_t ticks;
    bool lost;
} taking;

static etw_status take_event(void *context, const etw_event_record *record)
{
    taking *work = context;
    work->count += etw_kernel_rundown_add(work->rundown, record);
    return work->rundown->bytes.failed || work->rundown->records.failed ? ETW_END : ETW_OK;
}

static etw_status note_loss(void *context, const etw_loss *loss)
{
    (void)loss;
    ((taking *)context)->lost = true;
    return ETW_END;
}

/* The end is where nothing more came since the last tick. The stop delivers what is left. */
static etw_status tick(void *context)
{
    taking *work = context;
    const bool is_quiet = work->count == work->count_at_tick;
    work->count_at_tick = work->count;
    if (work->ticks++ == 0) {
        etw_session_flush(work->session);
        return ETW_OK;
    }
    const bool is_over = work->count > 0 ? is_quiet : work->ticks > MAX_SILENT_TICKS;
    return is_over || work->ticks > MAX_TICKS ? ETW_END : ETW_OK;
}

static etw_status check(taking *work, etw_error *error)
{
    if (work->lost) {
        return etw_error_set(error, ETW_ERROR_LIMIT, "events of the session were lost");
    }
    if (!etw_kernel_rundown_sort(work->rundown)) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for its events");
    }
    return work->count > 0 ? ETW_OK
                           : etw_error_set(error, ETW_ERROR_NOT_FOUND, "the session told nothing");
}

etw_status etw_kernel_rundown_take(etw_kernel_rundown *rundown, etw_error *error)
{
    const etw_session_options options = {.kernel_flags = EVENT_TRACE_FLAG_PROCESS |
                                                         EVENT_TRACE_FLAG_IMAGE_LOAD | NO_SYSCONFIG,
                                         .system_logger = true,
                                         .minimum_buffers = BUFFERS,
                                         .clock_type = ETW_CLOCK_SYSTEM_TIME};
    taking work = {.rundown = rundown};
    const etw_session_sink sink = {
        .event = take_event, .loss = note_loss, .tick = tick, .context = &work};
    etw_session *session = NULL;
    etw_status status = etw_session_open(&options, &session, error);
    if (status == ETW_OK) {
        work.session = etw_session_name(session);
        status = etw_session_pump(session, &sink, error);
    }
    etw_session_close(session);
    return status == ETW_OK ? check(&work, error) : status;
}
