/* What TraceSetInformation tells the kernel: groups, stacks, samples, counters. */
#ifndef ETW_RECORDER_KERNEL_SETTINGS_WINDOWS_H
#define ETW_RECORDER_KERNEL_SETTINGS_WINDOWS_H

#include "recorder/session/session.h"

#include <windows.h>

#include <evntrace.h>

/* StartTrace with SeSystemProfilePrivilege on, where what is wanted needs it. */
ULONG etw_kernel_start_trace(const etw_session_options *options, TRACEHANDLE *session,
                             const wchar_t *name, EVENT_TRACE_PROPERTIES *properties);

/* Of the whole system, before a session is started: the intervals and counters that are sampled. */
etw_status etw_kernel_settings_of_system(const etw_session_options *options, etw_error *error);

/* Of a session that was started. The groups last: what belongs to their events stands then. */
etw_status etw_kernel_settings_of_session(const etw_session_options *options, TRACEHANDLE session,
                                          etw_error *error);

#endif
