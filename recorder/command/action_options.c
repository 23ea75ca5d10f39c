/* Options that ask for something else than a recording, and how much is said about it. */
#include "format/base/version.h"
#include "recorder/command/help.h"
#include "recorder/command/option.h"

#include <stdio.h>

static etw_status apply_list_sessions(const etw_option_use *use)
{
    use->arguments->action = ETW_RECORD_LIST_SESSIONS;
    return ETW_OK;
}

static etw_status apply_list_providers(const etw_option_use *use)
{
    use->arguments->action = ETW_RECORD_LIST_PROVIDERS;
    use->arguments->action_name = use->value;
    return ETW_OK;
}

static etw_status apply_kill(const etw_option_use *use)
{
    use->arguments->action = ETW_RECORD_KILL;
    use->arguments->action_name = use->value;
    return ETW_OK;
}

static etw_status apply_reclaim(const etw_option_use *use)
{
    use->arguments->reclaim_first = true;
    return ETW_OK;
}

static etw_status apply_quiet(const etw_option_use *use)
{
    use->arguments->quiet = true;
    return ETW_OK;
}

static etw_status apply_help(const etw_option_use *use)
{
    (void)use;
    fputs(etw_record_help, stdout);
    return ETW_END;
}

static etw_status apply_version(const etw_option_use *use)
{
    (void)use;
    puts("etw-record " ETW_VERSION);
    return ETW_END;
}

static const etw_option_row rows[] = {
    {"list-sessions", 0, no_argument, apply_list_sessions},
    {"list-providers", 0, optional_argument, apply_list_providers},
    {"kill", 0, required_argument, apply_kill},
    {"reclaim", 0, no_argument, apply_reclaim},
    {"quiet", 'q', no_argument, apply_quiet},
    {"help", 'h', no_argument, apply_help},
    {"version", 0, no_argument, apply_version},
};

const etw_option_group etw_action_options = {rows, ETW_COUNT_OF(rows)};
