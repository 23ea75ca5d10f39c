/* cut: selected events in a new file, redacted where that is asked for. */
#include "replay/command/copy.h"
#include "replay/command/verbs.h"

/* "provider=a id=3 since=...": which events were wanted, for the loss record of those left out. An
 * expression may hold the very text that is redacted: then it is not told. */
static void describe_filter(const etw_replay_arguments *arguments, bool redacts, etw_text *text)
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
    etw_text shorts = {0};
    etw_short_forms_append(&arguments->shorts, &shorts);
    if (shorts.size > 0) {
        etw_text_printf(text, " where=%s", redacts ? "(redacted)" : etw_text_z(&shorts));
    }
    text->failed = text->failed || shorts.failed;
    etw_text_free(&shorts);
    for (uint32_t i = 0; i < arguments->where_count; i++) {
        etw_text_printf(text, " where=%s", redacts ? "(redacted)" : arguments->where[i]);
    }
    if (arguments->since != NULL) {
        etw_text_printf(text, " since=%s", arguments->since);
    }
    if (arguments->until != NULL) {
        etw_text_printf(text, " until=%s", arguments->until);
    }
    if (arguments->around != NULL) {
        etw_text_printf(text, " around=%s", arguments->around);
    }
    if (arguments->replay.selection.tail != 0) {
        etw_text_printf(text, " tail=%llu", (unsigned long long)arguments->replay.selection.tail);
    }
    if (arguments->replay.head != 0) {
        etw_text_printf(text, " head=%llu", (unsigned long long)arguments->replay.head);
    }
}

etw_exit etw_verb_cut(const etw_replay_arguments *arguments)
{
    const etw_redaction redaction = {.names = arguments->redacted,
                                     .name_count = arguments->redacted_count,
                                     .strings = arguments->drop_strings,
                                     .keeps_unexplained = arguments->keep_unexplained};
    const bool redacts = redaction.name_count > 0 || redaction.strings;
    etw_text filter = {0};
    describe_filter(arguments, redacts, &filter);
    if (filter.failed) {
        etw_text_free(&filter);
        etw_tool_say("no memory for the filter's text");
        return ETW_EXIT_FAILED;
    }
    const etw_copy_options options = {.arguments = arguments,
                                      .redaction = redacts ? &redaction : NULL,
                                      .carry_rundown = !redacts,
                                      .takes_blocks = true,
                                      .filtered_detail = etw_text_z(&filter),
                                      .progress = "cutting"};
    const etw_exit result = etw_copy_to_output(&options);
    etw_text_free(&filter);
    return result;
}
