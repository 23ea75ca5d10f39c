/* --profile: a file whose lines are options. */
#include "recorder/command/option.h"
#include "recorder/command/option_table.h"

static etw_status apply_profile(const etw_option_use *use);

/* Each line is applied as if it stood on the command line. getopt_long keeps its place in variables
 * of its own, so a profile read in the middle of a command line looks its options up itself. */
static etw_status apply_line(etw_record_arguments *arguments, char *line, etw_error *error)
{
    char *name = line + 2; /* behind the dashes that etw_profile_read puts there */
    char *equals = strchr(name, '=');
    if (equals != NULL) {
        *equals = '\0';
    }
    const etw_option_row *row = etw_option_find(name);
    if (row == NULL || row->apply == apply_profile) {
        return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT, "'%s' is no option for a profile",
                             name);
    }
    if (row->has_value != optional_argument &&
        (row->has_value == required_argument) != (equals != NULL)) {
        return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT, "'%s' %s", name,
                             equals == NULL ? "needs a value" : "takes no value");
    }
    return etw_option_apply(row, arguments, equals == NULL ? NULL : equals + 1, error);
}

static etw_status apply_profile(const etw_option_use *use)
{
    etw_record_arguments *arguments = use->arguments;
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

static const etw_option_row rows[] = {
    {"profile", 0, required_argument, apply_profile},
};

const etw_option_group etw_profile_option = {rows, ETW_COUNT_OF(rows)};
