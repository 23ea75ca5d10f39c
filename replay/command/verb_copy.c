/* merge, repack and recover: traces written into a new file. */
#include "format/base/part_file.h"
#include "format/etwcap/recover.h"
#include "format/etwcap/verify.h"
#include "replay/command/copy.h"
#include "replay/command/progress.h"
#include "replay/command/stream.h"
#include "replay/command/verbs.h"

#include <inttypes.h>

etw_exit etw_verb_merge(const etw_replay_arguments *arguments)
{
    const etw_copy_options options = {.arguments = arguments,
                                      .sorts_one = true,
                                      .carry_rundown = true,
                                      .takes_blocks = true,
                                      .progress = "merging"};
    return etw_copy_to_output(&options);
}

etw_exit etw_verb_repack(const etw_replay_arguments *arguments)
{
    const etw_copy_options options = {
        .arguments = arguments, .carry_blocks = true, .progress = "repacking"};
    return etw_copy_to_output(&options);
}

/* recover. An .etl file has no blocks to look for: what its reader can read is copied. */

static void tell_recovered(const etw_replay_arguments *arguments, const etw_recover_report *report)
{
    static const struct {
        uint16_t kind;
        const char *name;
    } kinds[] = {{ETW_BLOCK_EVENTS, "events"},
                 {ETW_BLOCK_SCHEMAS, "schema"},
                 {ETW_BLOCK_TRACE, "trace"},
                 {ETW_BLOCK_LOSS, "loss"},
                 {ETW_BLOCK_CLOCK_ANCHORS, "clock anchor"},
                 {ETW_BLOCK_ORACLE, "oracle text"},
                 {0, "other"}};
    if (arguments->quiet) {
        return;
    }
    etw_tool_say("%s: %" PRIu64 " events recovered, %" PRIu64 " known to be lost%s, %" PRIu64
                 " bytes without a block",
                 arguments->output, report->events, report->lost_events,
                 report->lost_unknown ? " and an unknown number more" : "", report->skipped_bytes);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        const etw_recover_count *count = &report->kinds[kinds[i].kind];
        if (count->recovered > 0 || count->lost > 0) {
            etw_tool_say("%s blocks: %" PRIu64 " recovered, %" PRIu64 " lost", kinds[i].name,
                         count->recovered, count->lost);
        }
    }
    if (report->unreadable) {
        etw_tool_say("part of %s could not be read and was treated as zeros", arguments->inputs[0]);
    }
    if (report->missing_blocks > 0) {
        etw_tool_say("blocks without a trace: %" PRIu64, report->missing_blocks);
    }
}

static bool is_whole(const etw_recover_report *report)
{
    uint64_t lost = report->missing_blocks;
    for (size_t i = 0; i < sizeof report->kinds / sizeof report->kinds[0]; i++) {
        lost += report->kinds[i].lost;
    }
    return report->was_complete && lost == 0 && report->lost_events == 0 && !report->lost_unknown &&
           report->skipped_bytes == 0;
}

/* Into part, which is verified and gets its name only then; etw_recover has looked at that. */
static etw_status recover_etl_by(const etw_replay_arguments *arguments, etw_input *input,
                                 etw_part_file *part, etw_copy_counts *counts, etw_error *error)
{
    const char *name = etw_text_z(&part->name);
    const etw_os *os = etw_os_default();
    etw_replay_arguments into_part = *arguments;
    const etw_copy_options options = {
        .arguments = &into_part, .input = input, .is_part = true, .progress = "recovering"};
    etw_verify_report report;
    into_part.output = name;
    into_part.writer.replace = true; /* it is reserved */
    etw_status status = etw_copy_run(&options, counts, error);
    if (!etw_failed(status)) {
        status = etw_verify(os, name, NULL, NULL, &report, error);
    }
    if (!etw_failed(status) && (!report.good || report.events != counts->events)) {
        status = etw_error_set(error, ETW_ERROR_INTERNAL, "%s: the new file does not verify", name);
    }
    if (!etw_failed(status)) {
        status = etw_part_settle(os, part, arguments->output, arguments->writer.replace, error);
    }
    if (etw_failed(status)) {
        etw_part_remove(os, part);
        counts->file_bytes = 0; /* there is no file */
    }
    return status;
}

/* Takes over input. */
static etw_exit recover_etl(const etw_replay_arguments *arguments, etw_input *input)
{
    const etw_copy_options options = {.arguments = arguments, .input = input};
    etw_error error = {0};
    etw_copy_counts counts = {0};
    etw_part_file part = {0};
    etw_status status = etw_part_reserve(etw_os_default(), arguments->output, &part, &error);
    if (etw_failed(status)) {
        etw_input_close(input);
    } else {
        status = recover_etl_by(arguments, input, &part, &counts, &error);
    }
    etw_part_free(&part);
    return etw_copy_conclude(&options, status, &counts, &error);
}

etw_exit etw_verb_recover(const etw_replay_arguments *arguments)
{
    etw_error error = {0};
    etw_progress progress;
    etw_recover_report report;
    etw_input *input;
    const etw_input_options how = {.rereads = true, .any_bytes = true, .member = arguments->member};
    if (strcmp(arguments->output, "-") == 0) {
        etw_tool_say("recover verifies its output, which must be a file");
        return ETW_EXIT_USAGE;
    }
    if (etw_copy_refuses_name(arguments)) {
        return ETW_EXIT_USAGE;
    }
    if (etw_tool_writes_over_input(arguments)) {
        return ETW_EXIT_USAGE;
    }
    etw_status status =
        etw_input_open(etw_os_default(), arguments->inputs[0], &how, &input, &error);
    if (etw_failed(status)) {
        return etw_tool_fail(&error);
    }
    etw_progress_begin(&progress, arguments, "recovering", "B");
    const etw_recover_options options = {.replace = arguments->writer.replace,
                                         .progress = etw_progress_show,
                                         .progress_context = &progress};
    status = etw_recover(etw_input_os(input), etw_input_name(input), arguments->output, &options,
                         &report, &error);
    etw_progress_end(&progress);
    if (status == ETW_ERROR_NOT_THIS) {
        return recover_etl(arguments, input);
    }
    etw_input_close(input);
    if (etw_failed(status)) {
        (void)etw_tool_explain_exists(arguments->output, status, &error);
        return etw_tool_fail(&error);
    }
    tell_recovered(arguments, &report);
    return is_whole(&report) ? ETW_EXIT_WELL : ETW_EXIT_MISSING;
}
