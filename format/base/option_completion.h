/* Completion of a command line by shells, made from the table of its options. */
#ifndef ETW_FORMAT_BASE_OPTION_COMPLETION_H
#define ETW_FORMAT_BASE_OPTION_COMPLETION_H

#include "format/base/options.h"

/* Appends the script for bash, zsh, fish or powershell. ETW_ERROR_INVALID_ARGUMENT for any other
 * name, NULL too: the message lists these. */
etw_status etw_command_append_completion(const etw_command *command, const char *shell,
                                         etw_text *text, etw_error *error);

#endif
