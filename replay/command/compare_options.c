/* Options about what counts when events are compared, and what an expectation is. */
#include "replay/command/options.h"

#define IN(field) ETW_OPTION_STORES(etw_replay_arguments, field)

static etw_status apply_ignore(const etw_option_use *use)
{
    etw_compare_arguments *compare = &((etw_replay_arguments *)use->arguments)->compare;
    return etw_arguments_add_string(&compare->ignored, &compare->ignored_count, use->value,
                                    use->error);
}

static etw_status apply_normalize(const etw_option_use *use)
{
    etw_compare_arguments *compare = &((etw_replay_arguments *)use->arguments)->compare;
    return etw_arguments_add_string(&compare->normalized, &compare->normalized_count, use->value,
                                    use->error);
}

static etw_status apply_key(const etw_option_use *use)
{
    etw_compare_arguments *compare = &((etw_replay_arguments *)use->arguments)->compare;
    return etw_arguments_add_string(&compare->keys, &compare->key_count, use->value, use->error);
}

static const etw_option rows[] = {
    {.name = "ignore",
     .value = "FIELD,...",
     .help = "fields that may differ, which may have * and ? in them: TimeStamp,*Address; "
             "repeatable, as the two below",
     .group = ETW_TAKES_COMPARISON,
     .apply = apply_ignore},
    {.name = "normalize",
     .value = "KIND,...",
     .help = "number values in the order in which they appear, so that only which are the same "
             "counts: time, pid, tid, guid, address, handle",
     .group = ETW_TAKES_COMPARISON,
     .apply = apply_normalize},
    {.name = "key",
     .value = "FIELD,...",
     .help = "take one event for another only if they share these fields, beside provider, id and "
             "version",
     .group = ETW_TAKES_COMPARISON,
     .apply = apply_key},
    {.name = "count",
     .value = "N",
     .help = "print at most N differences (default 10)",
     .group = ETW_TAKES_COMPARISON,
     .least = 1,
     IN(compare.max_differences)},
    {.name = "only-schemas",
     .help = "compare what explains the events, not the events",
     .group = ETW_TAKES_SCHEMAS_ALONE,
     IN(compare.only_schemas)},
    {.name = "update",
     .help = "write what the trace gives into the file, with these options at its head",
     .group = ETW_TAKES_EXPECTATION,
     IN(compare.update)},
    {.name = "junit",
     .value = "FILE",
     .help = "write the result as JUnit XML, too",
     .group = ETW_TAKES_EXPECTATION,
     .hint = ETW_HINT_FILE,
     IN(compare.junit)},
};

const etw_option_section etw_compare_options = {"Comparing", rows, ETW_COUNT_OF(rows)};
