/* Options that are short forms of an expression: `--id 1-5,9,!7` is Id in (1..5) or Id == 9, and
 * not Id == 7. Values of one option are joined by or, those with a ! before them are left out
 * (not of --grep, where it is text), options are joined by and. */
#ifndef ETW_REPLAY_SHORT_FORMS_H
#define ETW_REPLAY_SHORT_FORMS_H

#include "format/base/options.h"

typedef enum etw_short_form {
    ETW_SHORT_PROVIDER,
    ETW_SHORT_EVENT,
    ETW_SHORT_ID,
    ETW_SHORT_PID,
    ETW_SHORT_TID,
    ETW_SHORT_PROCESS,
    ETW_SHORT_KEYWORD,
    ETW_SHORT_OPCODE,
    ETW_SHORT_ACTIVITY,
    ETW_SHORT_GREP,
    ETW_SHORT_COUNT
} etw_short_form;

typedef struct etw_short_forms {
    etw_text wanted[ETW_SHORT_COUNT]; /* expressions */
    etw_text unwanted[ETW_SHORT_COUNT];
    bool is_needed[ETW_SHORT_COUNT]; /* the filter's own lists cannot say it */
} etw_short_forms;

/* Takes the value of an option; of a list with commas, where the option takes one, all of it. */
etw_status etw_short_forms_take(etw_short_forms *forms, etw_short_form form,
                                const etw_option_use *use);

/* Appends the expression of what is needed; nothing where nothing is. */
void etw_short_forms_append(const etw_short_forms *forms, etw_text *text);
void etw_short_forms_free(etw_short_forms *forms);

#endif
