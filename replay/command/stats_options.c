/* Options of `stats`. */
#include "replay/command/options.h"
#include "replay/command/stats.h"
#include "replay/query/pairs.h"

#define IN(field) ETW_OPTION_STORES(etw_replay_arguments, field)

static etw_status apply_by(const etw_option_use *use)
{
    etw_replay_arguments *arguments = use->arguments;
    return etw_arguments_add_string(&arguments->stats.by, &arguments->stats.by_count, use->value,
                                    use->error);
}

static const etw_option_word calculations[] = {{"sum", ETW_CALCULATE_SUM},
                                               {"min", ETW_CALCULATE_MIN},
                                               {"max", ETW_CALCULATE_MAX},
                                               {"avg", ETW_CALCULATE_AVG},
                                               {NULL, 0}};

/* Percentiles are named p50 and so on. */
static etw_status apply_calculation(const etw_option_use *use)
{
    etw_replay_arguments *arguments = use->arguments;
    const char *name = use->option->name;
    etw_stats_wish wish = {.field = use->value};
    if (!etw_option_word_find(calculations, name, &wish.kind)) {
        wish.percent = (uint32_t)(10 * (name[1] - '0') + name[2] - '0');
    }
    etw_stats_wish *longer = etw_arguments_grown(
        arguments->stats.wishes, arguments->stats.wish_count, sizeof wish, use->error);
    if (longer == NULL) {
        return ETW_ERROR_NO_MEMORY;
    }
    arguments->stats.wishes = longer;
    longer[arguments->stats.wish_count++] = wish;
    return ETW_OK;
}

static const etw_option_word pairs[] = {{"auto", ETW_PAIRS_AUTO},
                                        {"activity", ETW_PAIRS_ACTIVITY},
                                        {"thread", ETW_PAIRS_THREAD},
                                        {NULL, 0}};

static etw_status apply_pairs(const etw_option_use *use)
{
    etw_replay_arguments *arguments = use->arguments;
    arguments->stats.pairs = ETW_PAIRS_AUTO;
    return use->value == NULL ? ETW_OK : etw_option_choose(use, &arguments->stats.pairs);
}

#define CALCULATION(word, text)                                                                    \
    {                                                                                              \
        .name = word, .value = "FIELD", .help = text, .group = ETW_TAKES_STATS,                    \
        .apply = apply_calculation                                                                 \
    }

static const etw_option rows[] = {
    {.name = "by",
     .value = "FIELD[,FIELD...]",
     .help = "one row for each value of these fields, named as in --where (default ProviderName, "
             "EventName, Id; for several files one row each)",
     .group = ETW_TAKES_STATS,
     .apply = apply_by},
    {.name = "top",
     .value = "N",
     .help = "the N largest rows; the others are summed",
     .group = ETW_TAKES_STATS,
     .least = 1,
     IN(stats.top)},
    {.name = "interval",
     .value = "TIME",
     .help = "rows for each interval of this length, such as 1s or 100ms",
     .group = ETW_TAKES_STATS,
     .unit = ETW_UNIT_MS,
     .least = 1,
     .most = 86400000,
     IN(stats.interval_ms)},
    CALCULATION("sum", "the sum of this field's values; repeatable, as those below"),
    CALCULATION("min", "the least value"),
    CALCULATION("max", "the greatest value"),
    CALCULATION("avg", "the average"),
    CALCULATION("p50", "the value that half of them do not exceed, within 1 %"),
    CALCULATION("p90", "the same for 90 % of them"),
    CALCULATION("p95", "the same for 95 %"),
    CALCULATION("p99", "the same for 99 %"),
    {.name = "pairs",
     .value = "WAY",
     .value_is_optional = true,
     .help = "how long it is from each Start event to its Stop, matched by activity, by thread, or "
             "(auto) by activity where there is one; times in ms",
     .group = ETW_TAKES_STATS,
     .words = pairs,
     .apply = apply_pairs},
    {.name = "csv", .help = "print CSV", .group = ETW_TAKES_STATS, IN(stats.csv)},
};

const etw_option_section etw_stats_options = {"Statistics", rows, ETW_COUNT_OF(rows)};
