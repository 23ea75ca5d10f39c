/* Options about a bad day: what a consumer must survive. */
#include "replay/command/options.h"

static etw_status apply_fault(const etw_option_use *use)
{
    etw_error error = {0};
    etw_replay_arguments *arguments = use->arguments;
    return etw_fault_set(&arguments->replay.faults, use->option->name, use->value, &error) == ETW_OK
               ? ETW_OK
               : etw_option_bad_value(use, error.message);
}

#define FAULT(name_, value_, help_)                                                                \
    {                                                                                              \
        .name = name_, .value = value_, .help = help_, .group = ETW_TAKES_FAULTS,                  \
        .apply = apply_fault                                                                       \
    }

static const etw_option rows[] = {
    FAULT("drop", "P", "leave out each event with this probability: 0.01 or 1%"),
    FAULT("duplicate", "P", "give an event twice"),
    FAULT("reorder", "N", "let events come up to N earlier than they should"),
    FAULT("corrupt", "P", "cut the data of an event short, or change a byte of it"),
    FAULT("seed", "N",
          "of the chances above (default 0; random: another each time): the same gives the same"),
    {.name = "print-seed",
     .help = "tell the seed on stderr, with --quiet, too",
     .group = ETW_TAKES_FAULTS,
     ETW_OPTION_STORES(etw_replay_arguments, print_seed)},
    FAULT("lose", "N@TIME",
          "leave out N events from this time on (as --since takes it), and tell of them by a loss; "
          "repeatable"),
    FAULT("stall", "T@TIME", "give nothing for the time T then, such as 2s@+5s; repeatable"),
    FAULT("loop", "N", "give the trace N times, one after the other"),
    FAULT("rebase", "TIME",
          "let the first event be of that time, or of now, and the others follow"),
};

const etw_option_section etw_fault_options_section = {"A bad day", rows, ETW_COUNT_OF(rows)};
