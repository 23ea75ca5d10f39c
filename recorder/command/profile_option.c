/* --profile: a file whose lines are options. */
#include "recorder/command/options.h"

/* Each line is applied as if it stood on the command line. getopt_long keeps its place in variables
 * of its own, so a profile read in the middle of a command line looks its options up itself. */
static etw_status apply_line(etw_record_arguments *arguments, char *line, etw_error *error)
{
    char *name = line + 2; /* behind the dashes that etw_profile_read puts there */
    char *equals = strchr(name, '=');
    if (equals != NULL) {
        *equals = '\0';
    }
    const etw_option *option =
        etw_command_option_find(&etw_record_command, etw_record_command.verbs, name);
    if (option != NULL && (option->apply == etw_apply_profile || option->role != ETW_ROLE_OWN ||
                           strcmp(option->name, "service") == 0)) {
        return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                             "option '%s' is not allowed in a profile", name);
    }
    return etw_command_apply(&etw_record_command, name, equals == NULL ? NULL : equals + 1,
                             arguments, error);
}

etw_status etw_apply_profile(const etw_option_use *use)
{
    etw_record_arguments *arguments = etw_record_arguments_of(use);
    if (arguments->profile_count == ETW_RECORD_MAX_PROFILES) {
        return etw_error_set(use->error, ETW_ERROR_LIMIT, "more than %u profiles",
                             ETW_RECORD_MAX_PROFILES);
    }
    etw_profile *profile = &arguments->profiles[arguments->profile_count];
    etw_status status = etw_profile_read(etw_os_default(), use->value, profile, use->error);
    if (status != ETW_OK) {
        return status;
    }
    arguments->profile_count++;
    for (int i = 0; i < profile->count && status == ETW_OK; i++) {
        status = apply_line(arguments, profile->words[i], use->error);
    }
    return status == ETW_OK ? ETW_OK : etw_error_wrap(use->error, status, "profile %s", use->value);
}
