/* What `info` writes of a trace (trace_report.h): info_text.c, info_json.c; verb_info.c is the
 * verb. */
#ifndef ETW_REPLAY_INFO_H
#define ETW_REPLAY_INFO_H

#include "replay/command/trace_report.h"

/* Append to text. */
void etw_info_text(const etw_trace_report *r, etw_text *text);
/* --brief: one line of each file. */
void etw_info_line(const etw_trace_report *r, etw_text *text);
void etw_info_json(const etw_trace_report *r, etw_text *text);

/* What both forms ask of a report. */
const char *etw_info_clock_name(uint32_t type);
void etw_info_append_hash(const etw_trace_report *r, etw_text *text);
const etw_state_process *etw_info_told(const etw_trace_report *r, uint32_t process_id);
etw_unexplained *etw_info_unexplained(const etw_trace_report *r);

#endif
