/* All options of etw-record. */
#ifndef ETW_RECORDER_OPTION_TABLE_H
#define ETW_RECORDER_OPTION_TABLE_H

#include "recorder/command/option.h"

/* There are at most so many. */
#define ETW_MAX_OPTIONS 64u

/* NULL past the last. */
const etw_option_row *etw_option_at(size_t index);
/* By its whole name; NULL where there is none. */
const etw_option_row *etw_option_find(const char *name);

/* value: NULL where the option was given none. */
etw_status etw_option_apply(const etw_option_row *row, etw_record_arguments *arguments,
                            const char *value, etw_error *error);

#endif
