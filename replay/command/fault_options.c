/* Options about a bad day: what a consumer must survive. */
#include "replay/command/options.h"

#include <stdlib.h>

#define IN(field) ETW_OPTION_STORES(etw_replay_arguments, field)

static etw_status take_probability(const etw_option_use *use, double *probability)
{
    char *end;
    *probability = strtod(use->value, &end);
    const bool is_percent = *end == '%';
    *probability = is_percent ? *probability / 100 : *probability;
    return end != use->value && end[is_percent] == '\0' && *probability >= 0 && *probability <= 1
               ? ETW_OK
               : etw_option_bad_value(use, "0 to 1, or 0% to 100%");
}

static etw_fault_options *faults_of(const etw_option_use *use)
{
    return &((etw_replay_arguments *)use->arguments)->replay.faults;
}

static etw_status apply_drop(const etw_option_use *use)
{
    return take_probability(use, &faults_of(use)->drop);
}

static etw_status apply_duplicate(const etw_option_use *use)
{
    return take_probability(use, &faults_of(use)->duplicate);
}

static etw_status apply_corrupt(const etw_option_use *use)
{
    return take_probability(use, &faults_of(use)->corrupt);
}

static etw_status apply_rebase(const etw_option_use *use)
{
    const etw_os *os = etw_os_default();
    etw_fault_options *faults = faults_of(use);
    faults->rebases = true;
    if (strcmp(use->value, "now") == 0) {
        faults->rebase_100ns = os->filetime_now(os->context);
        return ETW_OK;
    }
    return etw_time_parse(use->value, &faults->rebase_100ns)
               ? ETW_OK
               : etw_option_bad_value(use, "now, or a time such as 2024-05-01T12:00:00Z");
}

static const etw_option rows[] = {
    {.name = "drop",
     .value = "P",
     .help = "leave out each event with this probability: 0.01 or 1%",
     .group = ETW_TAKES_FAULTS,
     .apply = apply_drop},
    {.name = "duplicate",
     .value = "P",
     .help = "give an event twice",
     .group = ETW_TAKES_FAULTS,
     .apply = apply_duplicate},
    {.name = "reorder",
     .value = "N",
     .help = "let events come up to N earlier than they should",
     .group = ETW_TAKES_FAULTS,
     .most = ETW_FAULTS_MAX_REORDER,
     IN(replay.faults.reorder)},
    {.name = "corrupt",
     .value = "P",
     .help = "cut the data of an event short, or change a byte of it",
     .group = ETW_TAKES_FAULTS,
     .apply = apply_corrupt},
    {.name = "seed",
     .value = "N",
     .help = "of the chances above (default 0): the same gives the same",
     .group = ETW_TAKES_FAULTS,
     IN(replay.faults.seed)},
    {.name = "rebase",
     .value = "TIME",
     .help = "let the first event be of that time, or of now, and the others follow",
     .group = ETW_TAKES_FAULTS,
     .apply = apply_rebase},
};

const etw_option_section etw_fault_options_section = {"A bad day", rows, ETW_COUNT_OF(rows)};
