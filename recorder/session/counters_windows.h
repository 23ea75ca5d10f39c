/* The processor's counters: what Windows calls profile sources. */
#ifndef ETW_RECORDER_COUNTERS_WINDOWS_H
#define ETW_RECORDER_COUNTERS_WINDOWS_H

#include "recorder/session/session.h"

#include <windows.h>

/* Looks the counters up by name (case ignored) and gives their numbers. Refuses unknown ones,
 * intervals outside their bounds, and more than the processor counts at a time, where Windows tells
 * that (10 1903 and later). */
etw_status etw_counters_find(const etw_counter_wish *wishes, uint32_t count,
                             ULONG ids[ETW_MAX_COUNTERS], etw_error *error);

#endif
