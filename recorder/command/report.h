/* What etw-record says on stderr, and how it exits. */
#ifndef ETW_RECORDER_REPORT_H
#define ETW_RECORDER_REPORT_H

#include "recorder/command/arguments.h"

enum {
    ETW_EXIT_WELL = 0,
    ETW_EXIT_FAILED = 1,
    ETW_EXIT_USAGE = 2,
    ETW_EXIT_MISSING = 3 /* finished, but events are missing */
};

/* One line on a terminal that is written over again. */
typedef struct etw_status_line {
    const etw_os *os;
    bool enabled;
    bool shown;
    int64_t last_ns;
} etw_status_line;

/* True, and the moment noted, where the line is enabled and old enough to be written again. */
bool etw_status_line_is_due(etw_status_line *line);
/* Replaces what is shown. */
void etw_status_line_show(etw_status_line *line, const char *format, ...) ETW_PRINTF(2, 3);
void etw_status_line_clear(etw_status_line *line);

void etw_report_error(const etw_error *error);
void etw_report_written(const char *path);

/* Prints the summary (unless quiet) and every kind of loss, and gives the exit status. */
int etw_report_totals(const etw_record_arguments *arguments, const etw_resolver *resolver,
                      const etw_capture_totals *totals);

#endif
