#include "recorder/command/options.h"

static const etw_option_section *const sections[] = {&etw_input_options,
                                                     &etw_output_options_section,
                                                     &etw_limit_options,
                                                     &etw_flight_options_section,
                                                     &etw_provider_options_section,
                                                     &etw_session_options_section,
                                                     &etw_action_options,
                                                     &etw_other_options};

static const etw_verb_row only_verb = {.name = NULL};

const etw_command etw_record_command = {
    .tool = "etw-record",
    .synopsis =
        "Usage: etw-record --input FILE.etl [--input FILE.etl]... -o OUT.etwcap\n"
        "       etw-record --provider NAME|GUID[:LEVEL[:ANY[:ALL]]]... -o OUT.etwcap  (Windows)\n"
        "       etw-record --kernel FLAG[,FLAG]... -o OUT.etwcap                      (Windows)\n"
        "       etw-record --provider NAME --print[=FORMAT]                           (Windows)\n"
        "Records Windows event traces into a compact, self-contained file.\n",
    .verbs = &only_verb,
    .verb_size = sizeof only_verb,
    .verb_count = 1,
    .sections = sections,
    .section_count = ETW_COUNT_OF(sections),
    .notes = "\n"
             "Live recording needs an elevated administrator or a member of Performance Log\n"
             "Users; kernel events need an administrator.\n"
             "Memory: at most 64 MiB with one thread at the default compression, about 25 MiB\n"
             "for each additional thread, up to 140 MiB at --compression 19; with rotation\n"
             "30 MiB more while one segment is finished and the next one begun; live, 32 MiB\n"
             "more for events that wait while a schema is looked up or the disk is slow; and the\n"
             "size given to --flight. The session's own buffers, 64 MB or more by default, belong\n"
             "to Windows.\n"
             "Exit status: 0 all well, 1 failed, 2 wrong usage, 3 recorded but something is\n"
             "missing.\n",
};
