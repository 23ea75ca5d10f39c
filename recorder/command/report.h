/* What etw-record says on stderr, and how it exits. */
#ifndef ETW_RECORDER_REPORT_H
#define ETW_RECORDER_REPORT_H

#include "format/base/console.h"
#include "format/event/unexplained.h"
#include "recorder/command/arguments.h"

extern const etw_console etw_record_console;

/* Messages go to the end of this file from now on, each with its time: stderr is the process's, and
 * so is this. */
etw_status etw_report_log_to(const char *path, etw_error *error);

/* Each message goes to the service manager's event log as well, where the process is a service. */
void etw_report_error(const etw_error *error);
/* For what is passed over, such as a file of schemas that cannot be read. context is not used. */
void etw_report_note(void *context, const char *message);
/* What was being done when an error came. */
typedef enum etw_record_step {
    ETW_STEP_OPEN_OUTPUT,
    ETW_STEP_START_SESSION,
    ETW_STEP_FIND_PROVIDER,
    ETW_STEP_FIND_KEYWORD
} etw_record_step;

/* Adds which option helps, where one does: the library's messages name none. Gives status. */
etw_status etw_record_advise(etw_record_step step, etw_status status, etw_error *error);

void etw_report_written(const char *path);

/* Where the output's name says another format than it will have; nothing with --quiet. */
void etw_report_misnamed(const etw_record_arguments *arguments);

/* Prints the summary (unless quiet) and every kind of loss, and gives the exit status. */
int etw_report_totals(const etw_record_arguments *arguments, const etw_resolver *resolver,
                      const etw_capture_totals *totals);

/* Which recorded events have no schema, and what would give them one; nothing with --quiet. */
void etw_report_unexplained(const etw_record_arguments *arguments, etw_unexplained *unexplained,
                            const etw_schema_store *store);

#endif
