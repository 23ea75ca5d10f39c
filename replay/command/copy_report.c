/* What is said of a copy, and its exit status. */
#include "replay/command/copy.h"

#include "format/base/names.h"
#include "replay/command/schema_pack.h"

#include <inttypes.h>

etw_exit etw_copy_exit(const etw_replay_arguments *arguments, etw_status status,
                       const etw_copy_counts *counts, const etw_error *error)
{
    if (etw_failed(status)) {
        return etw_tool_fail(error);
    }
    const etw_replay_totals totals = {.losses = counts->loss_records,
                                      .lost_events = counts->lost_events,
                                      .lost_unknown = counts->lost_unknown};
    return etw_tool_conclude(arguments, &totals);
}

etw_exit etw_copy_conclude(const etw_copy_options *options, etw_status status,
                           const etw_copy_counts *counts, const etw_error *error)
{
    const etw_replay_arguments *arguments = options->arguments;
    if (!arguments->quiet && counts->file_bytes > 0) {
        etw_tool_say("%s: %" PRIu64 " events, %" PRIu64 " schemas, %" PRIu64 " bytes",
                     strcmp(arguments->output, "-") == 0 ? "stdout" : arguments->output,
                     counts->events, counts->schemas, counts->file_bytes);
    }
    if (!arguments->quiet && counts->redacted.events > 0) {
        etw_tool_say("redacted %" PRIu64 " events; %" PRIu64
                     " of these lost all user data, whose layout depended on it",
                     counts->redacted.events, counts->redacted.emptied);
    }
    if (!arguments->quiet && counts->rundown_left_behind) {
        etw_tool_say("dropped the list of processes%s",
                     arguments->input_count > 1 ? ": the traces are not all of one boot of one host"
                                                : "");
    }
    if (!arguments->quiet && counts->left_behind > 0) {
        etw_tool_say("dropped %" PRIu64 " blocks that only an unchanged trace can keep",
                     counts->left_behind);
    }
    if (!arguments->quiet && counts->redacted.unexplained > 0) {
        etw_tool_say(counts->keeps_unexplained
                         ? "%" PRIu64 " events have no schema: what they say was left as it is"
                         : "%" PRIu64 " events have no schema: what they say was taken out "
                           "(--keep-unexplained leaves it)",
                     counts->redacted.unexplained);
    }
    return etw_copy_exit(arguments, status, counts, error);
}

bool etw_copy_refuses_name(const etw_replay_arguments *arguments)
{
    static const char *const endings[] = {".etl", ".gz", ".zst", ".zip", ".cab"};
    const char *output = arguments->output;
    const bool is_exported = etw_output_for_file(output) != NULL;
    bool is_other = is_exported;
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        is_other = is_other || etw_name_ends_with(output, endings[i]);
    }
    if (is_other) {
        etw_tool_say("%s: %s writes .etwcap files: end the name in .etwcap%s", output,
                     arguments->verb->row.name, is_exported ? ", or use export" : "");
    }
    return is_other;
}

etw_exit etw_copy_to_output(const etw_copy_options *options)
{
    etw_error error = {0};
    etw_copy_counts counts;
    if (etw_copy_refuses_name(options->arguments) ||
        etw_tool_writes_over_input(options->arguments)) {
        return ETW_EXIT_USAGE;
    }
    if (options->redaction == NULL && etw_schema_pack_are_all(options->arguments)) {
        return etw_schema_pack_copy(options->arguments);
    }
    const etw_status status = etw_copy_run(options, &counts, &error);
    return etw_copy_conclude(options, status, &counts, &error);
}
