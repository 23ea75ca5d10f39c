/* Options that choose the last events, and those around others. */
#include "replay/command/options.h"

#include <stdlib.h>

#define IN(field) ETW_OPTION_STORES(etw_replay_arguments, field)

#define MOST_EVENTS 1000000u

/* "5" events, or "2s" of time. */
static etw_status take_context(const etw_option_use *use, uint64_t *events, int64_t *time_100ns)
{
    char *end;
    *events = strtoull(use->value, &end, 10);
    if (end != use->value && *end == '\0' && use->value[0] != '-' && *events <= MOST_EVENTS) {
        return ETW_OK;
    }
    *events = 0;
    return etw_replay_duration_parse(use->value, time_100ns)
               ? ETW_OK
               : etw_option_bad_value(use, "a number of events, at most 1000000, or a time such as "
                                           "2s or 500ms");
}

static etw_status apply_after(const etw_option_use *use)
{
    etw_selection *selection = &((etw_replay_arguments *)use->arguments)->replay.selection;
    return take_context(use, &selection->after_events, &selection->after_100ns);
}

static etw_status apply_before(const etw_option_use *use)
{
    etw_selection *selection = &((etw_replay_arguments *)use->arguments)->replay.selection;
    return take_context(use, &selection->before_events, &selection->before_100ns);
}

static etw_status apply_context(const etw_option_use *use)
{
    const etw_status status = apply_after(use);
    return etw_failed(status) ? status : apply_before(use);
}

static etw_status apply_around(const etw_option_use *use)
{
    etw_replay_arguments *arguments = use->arguments;
    int64_t from, to;
    arguments->around = use->value;
    return etw_replay_around_parse(use->value, 0, &from, &to)
               ? ETW_OK
               : etw_option_bad_value(use, "a time such as 2024-05-01T12:00:00.5Z or +10m, and how "
                                           "far around it: +10m+-2s");
}

static const etw_option rows[] = {
    {.name = "tail",
     .value = "N",
     .help = "only the last N of them",
     .group = ETW_TAKES_FILTER,
     .least = 1,
     .most = MOST_EVENTS,
     IN(replay.selection.tail)},
    {.name = "around",
     .value = "TIME[+-T]",
     .help = "only events from T before this time to T after it (default 1s): 12:00 and 2s are "
             "2024-05-01T12:00:00Z+-2s",
     .group = ETW_TAKES_FILTER,
     .apply = apply_around},
    {.name = "after-context",
     .letter = 'A',
     .value = "N|T",
     .help = "with each event that passes the options above, the N events after it, or those of "
             "the time T after it, whatever they are",
     .group = ETW_TAKES_FILTER,
     .apply = apply_after},
    {.name = "before-context",
     .letter = 'B',
     .value = "N|T",
     .help = "the same before it",
     .group = ETW_TAKES_FILTER,
     .apply = apply_before},
    {.name = "context",
     .letter = 'C',
     .value = "N|T",
     .help = "the same before and after it",
     .group = ETW_TAKES_FILTER,
     .apply = apply_context},
    {.name = "same-thread",
     .help = "with -A, -B, -C: of these only the events of the same thread",
     .group = ETW_TAKES_FILTER,
     IN(replay.selection.same_thread)},
};

const etw_option_section etw_selection_options = {"The last events, and those around others", rows,
                                                  ETW_COUNT_OF(rows)};
