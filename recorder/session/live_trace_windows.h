/* What a live session says of itself and its host, and the clocks of this machine. */
#ifndef ETW_RECORDER_LIVE_TRACE_WINDOWS_H
#define ETW_RECORDER_LIVE_TRACE_WINDOWS_H

#include "format/event/source.h"

#include <windows.h>

#include <evntrace.h>

/* All zero: nothing is known. */
typedef struct etw_live_trace {
    etw_trace trace;
    bool known;              /* the first event was seen */
    uint8_t *logfile_header; /* owned; the trace points to it */
} etw_live_trace;

void etw_live_trace_free(etw_live_trace *live);

/* What can be asked of this machine, now. clock_type: an etw_clock_type; 0: QPC. header: of
 * OpenTrace, where a real-time session tells its host's facts, as no event does (Windows' pages
 * about retrieving event metadata). Not taken from it: the size of pointers and the start, which
 * are of no use there, and the names, which are memory of its own. */
void etw_live_trace_describe(etw_live_trace *live, uint32_t clock_type, const char *session_name,
                             const TRACE_LOGFILE_HEADER *header);

/* Takes what the header event carries, with the clock's base, where the session's first event is
 * one, as in a trace that is played back; else what was described stands. */
void etw_live_trace_learn(etw_live_trace *live, const etw_event_record *first);

int64_t etw_filetime_now(void);
/* Of a clock whose type is known. */
int64_t etw_ticks_now(uint32_t clock_type);

#endif
