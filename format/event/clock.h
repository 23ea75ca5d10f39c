/* The clock of a trace: raw ticks in the records, system time for people.
 *
 * ProcessTrace converts to system time unless asked for raw time stamps; sources here always
 * deliver raw ticks, and whoever shows time converts (rules: etl log-file header, StartTime,
 * PerfFreq). */
#ifndef ETW_FORMAT_EVENT_CLOCK_H
#define ETW_FORMAT_EVENT_CLOCK_H

#include "format/base/text.h"

typedef enum etw_clock_type {
    ETW_CLOCK_RAW = 0, /* unknown: treated as QPC where a frequency is given */
    ETW_CLOCK_QPC = 1,
    ETW_CLOCK_SYSTEM_TIME = 2,
    ETW_CLOCK_CPU_CYCLE = 3
} etw_clock_type;

typedef struct etw_clock {
    uint32_t type;           /* an etw_clock_type, as the log-file header's ReservedFlags */
    uint32_t cpu_mhz;        /* of type CPU_CYCLE */
    uint64_t frequency_hz;   /* of type QPC */
    int64_t base_ticks;      /* raw time stamp ... */
    int64_t base_time_100ns; /* ... and the FILETIME (100 ns since 1601, UTC) that it equals */
} etw_clock;

/* FILETIME of raw ticks: truncated toward the past, saturated at the ends of int64. Never divides
 * by zero: a clock without a frequency, or with one above INT64_MAX, gives its base time plus the
 * ticks as 100 ns units. */
ETW_API int64_t etw_clock_to_filetime(const etw_clock *clock, int64_t ticks);

/* The smallest ticks whose FILETIME is >= time_100ns; for time filters. Saturates. */
ETW_API int64_t etw_clock_from_filetime(const etw_clock *clock, int64_t time_100ns);

/* "2020-07-29T00:07:10.6912345Z": seven digits. Times outside years 1601 to 30827 (FILETIME's
 * range) are written as decimal 100 ns units. */
ETW_API void etw_text_append_time(etw_text *text, int64_t time_100ns);

/* Reads what etw_text_append_time writes, with 0 to 9 fraction digits (rounded down), with 'T' or a
 * space, with Z, an offset (+02:00) or nothing (UTC); a date alone is its midnight. */
ETW_API bool etw_time_parse(const char *string, int64_t *time_100ns);

#endif
