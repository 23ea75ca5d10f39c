/* The rundown of a live recording: made on its own thread for each segment, written once it is
 * there. */
#ifndef ETW_RECORDER_LIVE_RUNDOWN_H
#define ETW_RECORDER_LIVE_RUNDOWN_H

#include "recorder/capture/capture.h"
#include "recorder/rundown/rundown_job.h"

/* All zero: none is wanted. */
typedef struct etw_live_rundown {
    bool is_wanted;
    bool is_quiet;        /* says nothing of what could not be asked */
    etw_rundown_job *job; /* being made, or NULL */
    etw_identity_cache *identities;
    bool told_gaps;
    bool session_tells_images; /* the first segment has the session's own Image/DCStart events */
} etw_live_rundown;

/* Begins one where it is wanted and none is being made. */
void etw_live_rundown_start(etw_live_rundown *rundown);
void etw_live_rundown_wait(etw_live_rundown *rundown);
bool etw_live_rundown_is_ready(const etw_live_rundown *rundown);
/* Of a ready one: the list, and the events as if they had been logged just now, into the capture's
 * first trace. It helps to read the events; where it cannot be had they are recorded all the same,
 * and what went wrong is reported. */
void etw_live_rundown_write(etw_live_rundown *rundown, etw_capture *capture,
                            const etw_trace *trace);
void etw_live_rundown_free(etw_live_rundown *rundown);

#endif
