/* verify: every byte of a trace read and checked; what is wrong is told with its place. */
#include "format/etwcap/verify.h"
#include "format/output/json_writer.h"
#include "replay/command/oracle_check.h"
#include "replay/command/progress.h"
#include "replay/command/stream.h"
#include "replay/command/tool.h"
#include "replay/command/verbs.h"

#include <inttypes.h>

typedef struct verification {
    etw_input *input;
    const char *path;
    const etw_replay_arguments *arguments;
    etw_stream *stream;
    etw_text problems;    /* of --json: elements of a list */
    etw_text differences; /* likewise */
} verification;

static void append_times(etw_text *text, int64_t from_100ns, int64_t to_100ns)
{
    if (from_100ns != 0 || to_100ns != 0) {
        etw_text_append_z(text, ", between ");
        etw_text_append_time(text, from_100ns);
        etw_text_append_z(text, " and ");
        etw_text_append_time(text, to_100ns);
    }
}

static void append_safe(etw_text *text, const char *utf8, etw_escape escape)
{
    etw_text_append_utf8(text, (const uint8_t *)utf8, strlen(utf8), escape);
}

/* .etwcap files. */

static void text_problem(const verification *v, const etw_verify_problem *problem)
{
    etw_text *text = &v->stream->text;
    append_safe(text, etw_tool_name(v->path), ETW_ESCAPE_LINE);
    etw_text_printf(text, ": at 0x%" PRIx64 ", %" PRIu64 " bytes: ", problem->offset,
                    problem->size);
    append_safe(text, problem->text, ETW_ESCAPE_LINE);
    if (problem->has_events && problem->event_count > 0) {
        etw_text_printf(text, " (events %" PRIu64 " to %" PRIu64, problem->first_event,
                        problem->first_event + problem->event_count - 1);
        append_times(text, problem->first_time_100ns, problem->last_time_100ns);
        etw_text_append_char(text, ')');
    }
    etw_text_append_char(text, '\n');
}

static void json_problem(verification *v, const etw_verify_problem *problem)
{
    etw_text *text = &v->problems;
    etw_json_open(text, NULL, '{');
    etw_json_u64(text, "Offset", problem->offset);
    etw_json_u64(text, "Bytes", problem->size);
    etw_json_u64(text, "BlockKind", problem->kind);
    if (problem->has_events) {
        etw_json_u64(text, "FirstEvent", problem->first_event);
        etw_json_u64(text, "Events", problem->event_count);
    }
    if (problem->first_time_100ns != 0 || problem->last_time_100ns != 0) {
        etw_json_time(text, "From", problem->first_time_100ns);
        etw_json_time(text, "To", problem->last_time_100ns);
    }
    etw_json_string(text, "Text", problem->text);
    etw_json_close(text, '}');
}

static void on_problem(void *context, const etw_verify_problem *problem)
{
    verification *v = context;
    if (v->arguments->json) {
        json_problem(v, problem);
    } else {
        text_problem(v, problem);
    }
}

static void text_report(const verification *v, const etw_verify_report *report)
{
    etw_text *text = &v->stream->text;
    append_safe(text, etw_tool_name(v->path), ETW_ESCAPE_LINE);
    etw_text_printf(text, ": %s: %" PRIu64 " events in %" PRIu64 " blocks, %" PRIu64 " schemas",
                    report->good ? "good" : (report->complete ? "damaged" : "incomplete"),
                    report->events, report->blocks, report->schemas);
    if (report->problems > 0) {
        etw_text_printf(text,
                        "; %" PRIu64 " problems, %" PRIu64 " damaged and %" PRIu64
                        " missing blocks, %" PRIu64 " events damaged",
                        report->problems, report->damaged_blocks, report->missing_blocks,
                        report->damaged_events);
    }
    if (report->loss_records > 0) {
        etw_text_printf(text, "; %" PRIu64 " loss records of %" PRIu64 " events%s",
                        report->loss_records, report->lost_events,
                        report->lost_unknown ? " and an unknown number more" : "");
    }
    if (report->received != 0) {
        etw_text_printf(text, "; received %" PRIu64 " = written %" PRIu64 " + dropped %" PRIu64,
                        report->received, report->received - report->dropped, report->dropped);
    }
    etw_text_append_char(text, '\n');
}

/* Texts that TDH gave on the recording machine, against ours. */

static void on_difference(void *context, const etw_schema *schema, uint64_t event_number,
                          const etw_oracle_difference *difference)
{
    verification *v = context;
    etw_text line = {0};
    etw_text_printf(&line, "schema %016llx, event %" PRIu64 ": ", (unsigned long long)schema->hash,
                    event_number);
    etw_oracle_append_difference(&line, difference);
    if (v->arguments->json) {
        etw_json_string(&v->differences, NULL, etw_text_z(&line));
    } else {
        append_safe(&v->stream->text, v->path, ETW_ESCAPE_LINE);
        etw_text_append_z(&v->stream->text, ": ");
        append_safe(&v->stream->text, etw_text_z(&line), ETW_ESCAPE_LINE);
        etw_text_append_char(&v->stream->text, '\n');
    }
    etw_text_free(&line);
}

static void oracle_report(const verification *v, const etw_oracle_check_counts *counts)
{
    etw_text *text = &v->stream->text;
    if (counts->blocks == 0) {
        return;
    }
    append_safe(text, v->path, ETW_ESCAPE_LINE);
    etw_text_printf(text,
                    ": %" PRIu64 " texts of TDH for %" PRIu64 " events: %" PRIu64
                    " differ from ours, %" PRIu64 " entries without their event",
                    counts->compared.texts, counts->compared.events, counts->compared.differences,
                    counts->unmatched);
    if (counts->skipped_bytes != 0) {
        etw_text_printf(text, ", %" PRIu64 " bytes not compared", counts->skipped_bytes);
    }
    etw_text_append_char(text, '\n');
}

static void json_report(const verification *v, const etw_verify_report *report,
                        const etw_oracle_check_counts *counts)
{
    etw_text *text = &v->stream->text;
    etw_json_open(text, NULL, '{');
    etw_json_string(text, "File", v->path);
    etw_json_flag(text, "Good", report->good);
    etw_json_flag(text, "Complete", report->complete);
    etw_json_u64(text, "Bytes", report->bytes);
    etw_json_u64(text, "Blocks", report->blocks);
    etw_json_u64(text, "EventBlocks", report->event_blocks);
    etw_json_u64(text, "DamagedBlocks", report->damaged_blocks);
    etw_json_u64(text, "MissingBlocks", report->missing_blocks);
    etw_json_u64(text, "Events", report->events);
    etw_json_u64(text, "DamagedEvents", report->damaged_events);
    etw_json_u64(text, "Received", report->received);
    etw_json_u64(text, "Dropped", report->dropped);
    etw_json_u64(text, "LossRecords", report->loss_records);
    etw_json_u64(text, "LostEvents", report->lost_events);
    etw_json_flag(text, "LostUnknown", report->lost_unknown);
    etw_json_u64(text, "Schemas", report->schemas);
    etw_json_u64(text, "EventsWithLostSchema", report->schemaless_events);
    etw_json_u64(text, "TornBytes", report->torn_bytes);
    etw_json_u64(text, "TrailingBytes", report->trailing_bytes);
    etw_json_list_of(text, "Problems", &v->problems);
    etw_json_u64(text, "RenderedTexts", counts->compared.texts);
    etw_json_u64(text, "RenderedDifferent", counts->compared.differences);
    etw_json_u64(text, "RenderedUnmatched", counts->unmatched);
    etw_json_list_of(text, "RenderedDifferences", &v->differences);
    etw_text_append(text, "}\n", 2);
}

static etw_exit verify_etwcap(verification *v, etw_status *status, etw_error *error)
{
    etw_verify_report report;
    etw_oracle_check_counts rendered = {0};
    *status = etw_verify(etw_input_os(v->input), v->path, on_problem, v, &report, error);
    if (!etw_failed(*status)) {
        *status =
            etw_oracle_check(etw_input_os(v->input), v->path, on_difference, v, &rendered, error);
    }
    if (etw_failed(*status)) {
        return ETW_EXIT_FAILED;
    }
    if (v->arguments->json) {
        json_report(v, &report, &rendered);
    } else {
        text_report(v, &report);
        oracle_report(v, &rendered);
    }
    if (rendered.compared.differences > 0) {
        return ETW_EXIT_FAILED;
    }
    return report.good && report.missing_records == 0 && report.dropped == 0 ? ETW_EXIT_WELL
                                                                             : ETW_EXIT_MISSING;
}

/* .etl files: they carry no checks of their own, so what can be said is what reading them said. */

static void on_loss(void *context, const etw_loss *loss)
{
    verification *v = context;
    etw_text *text = v->arguments->json ? &v->problems : &v->stream->text;
    if (v->arguments->json) {
        etw_json_open(text, NULL, '{');
        etw_json_printf(text, "Text", "%s: %s", etw_loss_cause_name(loss->cause), loss->detail);
        etw_json_close(text, '}');
        return;
    }
    append_safe(text, etw_tool_name(v->path), ETW_ESCAPE_LINE);
    etw_text_printf(text, ": %s: ", etw_loss_cause_name(loss->cause));
    append_safe(text, loss->detail, ETW_ESCAPE_LINE);
    append_times(text, loss->from_time_100ns, loss->to_time_100ns);
    etw_text_append_char(text, '\n');
}

static void etl_report(const verification *v, const etw_replay_totals *totals)
{
    etw_text *text = &v->stream->text;
    if (!v->arguments->json) {
        append_safe(text, etw_tool_name(v->path), ETW_ESCAPE_LINE);
        etw_text_printf(text, ": %s: %" PRIu64 " events, an .etl file\n",
                        totals->losses == 0 ? "nothing is known to be missing"
                                            : "something is missing",
                        totals->events);
        return;
    }
    etw_json_open(text, NULL, '{');
    etw_json_string(text, "File", v->path);
    etw_json_flag(text, "Good", totals->losses == 0);
    etw_json_u64(text, "Events", totals->events);
    etw_json_u64(text, "LossRecords", totals->losses);
    etw_json_u64(text, "LostEvents", totals->lost_events);
    etw_json_flag(text, "LostUnknown", totals->lost_unknown);
    etw_json_list_of(text, "Problems", &v->problems);
    etw_text_append(text, "}\n", 2);
}

static etw_exit verify_etl(verification *v, etw_status *status, etw_error *error)
{
    etw_replay *replay;
    const etw_event *event;
    etw_replay_totals totals = {0};
    const etw_replay_options options = {.loss = on_loss, .loss_context = v, .input = v->input};
    *status = etw_replay_open(NULL, &options, &replay, error);
    if (etw_failed(*status)) {
        return ETW_EXIT_FAILED;
    }
    do {
        *status = etw_replay_next(replay, &event, error);
    } while (*status == ETW_OK);
    etw_replay_get_totals(replay, &totals);
    etw_replay_close(replay);
    if (etw_failed(*status)) {
        return ETW_EXIT_FAILED;
    }
    etl_report(v, &totals);
    return totals.losses == 0 ? ETW_EXIT_WELL : ETW_EXIT_MISSING;
}

static etw_exit verify_one(verification *v)
{
    etw_error error = {0};
    etw_status status;
    etw_progress progress;
    etw_progress_begin(&progress, v->arguments, "verifying", "B");
    etw_progress_watch(&progress, &v->input, 1);
    etw_exit result = verify_etwcap(v, &status, &error);
    if (status == ETW_ERROR_NOT_THIS) {
        result = verify_etl(v, &status, &error);
    }
    etw_progress_end(&progress);
    if (etw_failed(status)) {
        (void)etw_tool_fail(&error);
    }
    etw_text_free(&v->problems);
    etw_text_free(&v->differences);
    return result;
}

typedef struct verifying {
    const etw_replay_arguments *arguments;
    etw_stream *stream;
    etw_exit result;
} verifying;

static etw_status take(void *context, etw_input *input, etw_error *error)
{
    verifying *to = context;
    verification v = {.input = input,
                      .path = etw_input_name(input),
                      .arguments = to->arguments,
                      .stream = to->stream};
    (void)error;
    to->result = etw_tool_worse(to->result, verify_one(&v));
    etw_input_close(input);
    return ETW_OK;
}

etw_exit etw_verb_verify(const etw_replay_arguments *arguments)
{
    etw_error error = {0};
    etw_stream stream;
    verifying to = {.arguments = arguments, .stream = &stream, .result = ETW_EXIT_WELL};
    etw_status status = etw_stream_open(&stream, etw_os_default(), NULL, false, &error);
    to.result = etw_tool_worse(to.result, etw_tool_each_input(arguments, take, &to));
    status = etw_stream_close(&stream, status, &error);
    return etw_failed(status) ? etw_tool_fail(&error) : to.result;
}
