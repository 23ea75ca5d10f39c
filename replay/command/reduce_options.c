/* Options about reducing a trace to what makes a command fail. */
#include "replay/command/options.h"

#define IN(field) ETW_OPTION_STORES(etw_replay_arguments, field)

static const etw_option rows[] = {
    {.name = "check",
     .value = "COMMAND",
     .help = "fails on the trace; {} stands for its name, which else comes last",
     .group = ETW_TAKES_REDUCTION,
     IN(reduce.check)},
    {.name = "max-runs",
     .value = "N",
     .help = "run it so often at most (default 1000)",
     .group = ETW_TAKES_REDUCTION,
     .least = 1,
     IN(reduce.max_runs)},
    {.name = "keep-values",
     .help = "do not overwrite properties that do not matter",
     .group = ETW_TAKES_REDUCTION,
     IN(reduce.keeps_values)},
};

const etw_option_section etw_reduce_options = {"Reducing", rows, ETW_COUNT_OF(rows)};
