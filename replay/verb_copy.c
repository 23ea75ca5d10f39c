/* cut, merge, repack and recover: traces written into a new file. */
#include "replay/copy.h"
#include "replay/verbs.h"

/* A file that is read must not be replaced by what is read from it. */
static bool writes_over_input(const etw_replay_arguments *arguments)
{
    for (uint32_t i = 0; i < arguments->input_count; i++) {
        if (strcmp(arguments->inputs[i], "-") != 0 &&
            strcmp(arguments->inputs[i], arguments->output) == 0) {
            etw_tool_say("%s is read and cannot be written at the same time", arguments->output);
            return true;
        }
    }
    return false;
}

static etw_exit copy(const etw_copy_options *options)
{
    etw_error error = {0};
    etw_copy_counts counts;
    if (writes_over_input(options->arguments)) {
        return ETW_EXIT_USAGE;
    }
    const etw_status status = etw_copy_run(options, &counts, &error);
    return etw_copy_conclude(options, status, &counts, &error);
}

/* "provider=a id=3 since=...": which events were wanted, for the loss record of those left out. */
static void describe_filter(const etw_replay_arguments *arguments, etw_text *text)
{
    const etw_filter *filter = &arguments->replay.filter;
    etw_text_append_z(text, "cut, kept only:");
    for (uint32_t i = 0; i < filter->provider_name_count; i++) {
        etw_text_printf(text, " provider=%s", filter->provider_names[i]);
    }
    for (uint32_t i = 0; i < filter->provider_count; i++) {
        etw_text_append_z(text, " provider=");
        etw_text_append_guid(text, &filter->providers[i]);
    }
    for (uint32_t i = 0; i < filter->id_count; i++) {
        etw_text_printf(text, " id=%u", filter->ids[i]);
    }
    for (uint32_t i = 0; i < filter->process_id_count; i++) {
        etw_text_printf(text, " pid=%u", filter->process_ids[i]);
    }
    if (filter->has_level) {
        etw_text_printf(text, " level=%u", filter->max_level);
    }
    if (arguments->since != NULL) {
        etw_text_printf(text, " since=%s", arguments->since);
    }
    if (arguments->until != NULL) {
        etw_text_printf(text, " until=%s", arguments->until);
    }
    if (arguments->replay.head != 0) {
        etw_text_printf(text, " head=%llu", (unsigned long long)arguments->replay.head);
    }
}

etw_exit etw_verb_cut(const etw_replay_arguments *arguments)
{
    const etw_redaction redaction = {.names = arguments->redacted,
                                     .name_count = arguments->redacted_count,
                                     .strings = arguments->drop_strings};
    const bool redacts = redaction.name_count > 0 || redaction.strings;
    etw_text filter = {0};
    describe_filter(arguments, &filter);
    const etw_copy_options options = {.arguments = arguments,
                                      .redaction = redacts ? &redaction : NULL,
                                      .filtered_detail = etw_text_z(&filter),
                                      .progress = "cutting, events"};
    const etw_exit result = copy(&options);
    etw_text_free(&filter);
    return result;
}

etw_exit etw_verb_merge(const etw_replay_arguments *arguments)
{
    const etw_copy_options options = {.arguments = arguments, .progress = "merging, events"};
    return copy(&options);
}

etw_exit etw_verb_repack(const etw_replay_arguments *arguments)
{
    const etw_copy_options options = {.arguments = arguments, .progress = "repacking, events"};
    return copy(&options);
}

/* The output is read again before success is told: a recovery that wrote nonsense would be worse
 * than none. */
static etw_status read_again(const etw_replay_arguments *arguments, uint64_t events,
                             etw_error *error)
{
    etw_replay *replay;
    const etw_event *event;
    etw_status status = etw_replay_open(arguments->output, NULL, &replay, error);
    while (status == ETW_OK) {
        status = etw_replay_next(replay, &event, error);
    }
    if (status == ETW_END) {
        etw_replay_totals totals;
        etw_replay_get_totals(replay, &totals);
        status = totals.events == events
                     ? ETW_OK
                     : etw_error_set(error, ETW_ERROR_INTERNAL,
                                     "%s: %llu events were written, %llu are read again",
                                     arguments->output, (unsigned long long)events,
                                     (unsigned long long)totals.events);
    }
    etw_replay_close(replay);
    return status;
}

etw_exit etw_verb_recover(const etw_replay_arguments *arguments)
{
    const etw_copy_options options = {
        .arguments = arguments, .ignore_index = true, .progress = "recovering, events"};
    etw_error error = {0};
    etw_copy_counts counts;
    if (writes_over_input(arguments)) {
        return ETW_EXIT_USAGE;
    }
    etw_status status = etw_copy_run(&options, &counts, &error);
    if (!etw_failed(status) && strcmp(arguments->output, "-") != 0) {
        status = read_again(arguments, counts.events, &error);
    }
    return etw_copy_conclude(&options, status, &counts, &error);
}
