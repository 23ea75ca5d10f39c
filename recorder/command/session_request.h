/* From what the user named to what a session is opened with. */
#ifndef ETW_RECORDER_SESSION_REQUEST_H
#define ETW_RECORDER_SESSION_REQUEST_H

#include "recorder/command/arguments.h"

/* Fills as many providers as were named, their names and keywords looked up. */
etw_status etw_record_find_providers(const etw_record_arguments *arguments,
                                     etw_provider_options *providers, etw_error *error);

#endif
