#include "recorder/command/option_table.h"

#include <stdio.h>

const etw_option_row *etw_option_at(size_t index)
{
    static const etw_option_group *const groups[] = {
        &etw_file_options,         &etw_limit_options,  &etw_provider_option_group,
        &etw_session_option_group, &etw_action_options, &etw_profile_option};
    for (size_t i = 0; i < ETW_COUNT_OF(groups); i++) {
        if (index < groups[i]->count) {
            return &groups[i]->rows[index];
        }
        index -= groups[i]->count;
    }
    return NULL;
}

const etw_option_row *etw_option_find(const char *name)
{
    const etw_option_row *row;
    for (size_t i = 0; (row = etw_option_at(i)) != NULL; i++) {
        if (strcmp(row->name, name) == 0) {
            return row;
        }
    }
    return NULL;
}

etw_status etw_option_apply(const etw_option_row *row, etw_record_arguments *arguments,
                            const char *value, etw_error *error)
{
    char option[64];
    (void)snprintf(option, sizeof option, "--%s", row->name);
    const etw_option_use use = {arguments, option, value, error};
    return row->apply(&use);
}
