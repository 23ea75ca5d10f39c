/* What etw-record --help prints. */
#ifndef ETW_RECORDER_HELP_H
#define ETW_RECORDER_HELP_H

extern const char etw_record_help[];

#endif
