/* The options of etw-record, in the order of the help: CONTRIBUTING.md says how to add one. */
#ifndef ETW_RECORDER_OPTIONS_H
#define ETW_RECORDER_OPTIONS_H

#include "format/base/options.h"
#include "recorder/command/arguments.h"

/* Each in the file of its name. */
extern const etw_option_section etw_input_options;
extern const etw_option_section etw_output_options_section;
extern const etw_option_section etw_limit_options;
extern const etw_option_section etw_flight_options_section;
extern const etw_option_section etw_provider_options_section;
extern const etw_option_section etw_session_options_section;
extern const etw_option_section etw_action_options;
extern const etw_option_section etw_other_options;

/* --profile FILE */
etw_status etw_apply_profile(const etw_option_use *use);

/* All of them, for etw_command_parse. */
extern const etw_command etw_record_command;

static inline etw_record_arguments *etw_record_arguments_of(const etw_option_use *use)
{
    return use->arguments;
}

#define ETW_RECORD_STORES(field) ETW_OPTION_STORES(etw_record_arguments, field)

#endif
