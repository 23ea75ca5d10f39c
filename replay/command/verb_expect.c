/* expect: a golden test, a trace against the events that it shall give. */
#include "format/query/where.h"
#include "replay/command/comparison_side.h"
#include "replay/command/difference.h"
#include "replay/command/expectation.h"
#include "replay/command/screen.h"
#include "replay/command/stream.h"
#include "replay/command/tool.h"
#include "replay/command/verbs.h"

/* Differences that a report of JUnit holds, in bytes; what is more is counted alone. */
#define MAX_REPORT ((size_t)1 << 20)

typedef struct expect {
    etw_replay_arguments arguments; /* those given, with the filter of the expectation */
    etw_expectation expectation;
    etw_comparison_result result;
    etw_stream stream;
    etw_text report; /* the differences without colours */
    uint64_t told;
    bool colours;
} expect;

/* The filter. */

static etw_status keep_where(expect *e, etw_error *error)
{
    const etw_replay_arguments *given = &e->arguments;
    for (uint32_t i = 0; i < given->where_count; i++) {
        etw_expectation_add_where(&e->expectation, given->where[i]);
    }
    return e->expectation.where.failed ? etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory")
                                       : ETW_OK;
}

/* Compiles the expectation's expression beside the one of the command line, which the replay has
 * in its own form. */
static etw_status compile_where(expect *e, etw_error *error)
{
    etw_replay_arguments *a = &e->arguments;
    const char *texts[2];
    etw_text shorts = {0};
    uint32_t count = 0;
    a->replay.filter.where = NULL;
    if (e->expectation.where.size > 0) {
        texts[count++] = etw_text_z(&e->expectation.where);
    }
    etw_short_forms_append(&a->shorts, &shorts);
    if (shorts.size > 0) {
        texts[count++] = etw_text_z(&shorts);
    }
    const etw_status status =
        count == 0 ? ETW_OK : etw_where_compile_all(texts, count, &a->replay.filter.where, error);
    etw_text_free(&shorts);
    return status;
}

static etw_status prepare(expect *e, etw_error *error)
{
    const char *expected = e->arguments.inputs[1];
    const etw_os *os = etw_os_default();
    const int kind = strcmp(expected, "-") == 0 ? ETW_PATH_OTHER : os->kind(os->context, expected);
    etw_status status = ETW_OK;
    if (kind == ETW_PATH_NOTHING && !e->arguments.compare.update) {
        return etw_error_set(error, ETW_ERROR_NOT_FOUND, "%s: not there yet; --update writes it",
                             expected);
    }
    if (kind == ETW_PATH_FILE || !e->arguments.compare.update) {
        status = etw_expectation_read(&e->expectation, expected, error);
    }
    status = etw_failed(status) ? status : keep_where(e, error);
    status = etw_failed(status) ? status : compile_where(e, error);
    return etw_failed(status) ? status
                              : etw_comparison_rules(&e->arguments, &e->expectation.rules, error);
}

/* --update. */

static etw_status write_events(expect *e, etw_side *side, etw_error *error)
{
    etw_entry entry = {0};
    etw_status status = ETW_OK;
    etw_expectation_append(&e->expectation, &e->stream.text);
    while (status == ETW_OK) {
        status = etw_side_next(side, &entry, &e->stream.text, error);
        if (status == ETW_OK) {
            e->result.events[0]++;
            etw_text_append_char(&e->stream.text, '\n');
            status = etw_stream_flush_chunks(&e->stream, error);
        }
    }
    etw_entry_free(&entry);
    return etw_failed(status) ? status : ETW_OK;
}

static etw_status update(expect *e, etw_error *error)
{
    etw_side side = {0};
    const etw_side_options how = {.input = e->arguments.inputs[0],
                                  .gives_losses = true,
                                  .has_names = !e->arguments.no_process_names,
                                  .rules = &e->expectation.rules};
    etw_status status = etw_side_open(&side, &e->arguments, &how, error);
    if (!etw_failed(status)) {
        status = etw_stream_open(&e->stream, etw_os_default(), e->arguments.inputs[1], true, error);
        status = etw_failed(status) ? status : write_events(e, &side, error);
        status = etw_stream_close(&e->stream, status, error);
    }
    etw_side_close(&side);
    if (!etw_failed(status) && !e->arguments.quiet) {
        etw_tool_say("%s: %llu events are expected from now on", e->arguments.inputs[1],
                     (unsigned long long)e->result.events[0]);
    }
    return status;
}

/* Checking. */

static etw_status take_difference(void *context, const etw_difference *difference, etw_error *error)
{
    expect *e = context;
    etw_status status = ETW_OK;
    if (e->arguments.compare.junit != NULL && e->report.size < MAX_REPORT) {
        status = etw_difference_append_text(difference, false, &e->report);
    }
    if (!etw_failed(status) && e->told++ < e->arguments.compare.max_differences) {
        status = etw_difference_append_text(difference, e->colours, &e->stream.text);
    }
    return etw_failed(status) ? etw_error_set(error, status, "no memory for a difference")
                              : etw_stream_flush(&e->stream, error);
}

static etw_status check(expect *e, etw_error *error)
{
    const etw_comparison_options options = {
        .names = {e->arguments.inputs[1], e->arguments.inputs[0]},
        .is_text = {true, false},
        .compares_losses = true,
        .passes_first_line = e->expectation.has_head,
        .rules = &e->expectation.rules,
        .tell = take_difference,
        .context = e};
    e->colours = etw_screen_wants_colors(&e->arguments);
    etw_status status = etw_stream_open(&e->stream, etw_os_default(), NULL, false, error);
    if (!etw_failed(status)) {
        status = etw_compare(&e->arguments, &options, &e->result, error);
    }
    return etw_stream_close(&e->stream, status, error);
}

/* JUnit. */

static void append_xml(etw_text *text, const char *utf8, size_t size)
{
    etw_text_append_utf8(text, (const uint8_t *)utf8, size, ETW_ESCAPE_XML);
}

static void append_report(expect *e, const char *summary, etw_text *xml)
{
    const bool fails = etw_comparison_differences(&e->result) > 0;
    etw_text_printf(xml,
                    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                    "<testsuite name=\"etw-replay expect\" tests=\"1\" failures=\"%d\">\n"
                    "  <testcase classname=\"etwcap\" name=\"",
                    fails);
    append_xml(xml, e->arguments.inputs[1], strlen(e->arguments.inputs[1]));
    if (!fails) {
        etw_text_append_z(xml, "\"/>\n</testsuite>\n");
        return;
    }
    etw_text_append_z(xml, "\">\n    <failure message=\"");
    append_xml(xml, summary, strlen(summary));
    etw_text_append_z(xml, "\">");
    append_xml(xml, e->report.data, e->report.size);
    etw_text_append_z(xml, "</failure>\n  </testcase>\n</testsuite>\n");
}

static etw_status write_report(expect *e, const char *summary, etw_error *error)
{
    etw_stream stream;
    etw_status status =
        etw_stream_open(&stream, etw_os_default(), e->arguments.compare.junit, true, error);
    if (!etw_failed(status)) {
        append_report(e, summary, &stream.text);
    }
    return etw_stream_close(&stream, status, error);
}

static etw_exit conclude(expect *e)
{
    etw_error error = {0};
    etw_text summary = {0};
    etw_status status = ETW_OK;
    etw_comparison_append_summary(&e->result, &summary);
    if (!e->arguments.quiet) {
        etw_tool_say("%s: %s", e->arguments.inputs[1], etw_text_z(&summary));
    }
    if (e->arguments.compare.junit != NULL) {
        status = write_report(e, etw_text_z(&summary), &error);
    }
    etw_text_free(&summary);
    if (etw_failed(status)) {
        return etw_tool_fail(&error);
    }
    /* Losses are expected events as the others are: where they are as expected, all is well. */
    return etw_comparison_differences(&e->result) > 0 ? ETW_EXIT_FAILED : ETW_EXIT_WELL;
}

etw_exit etw_verb_expect(const etw_replay_arguments *arguments)
{
    etw_error error = {0};
    expect e = {.arguments = *arguments};
    etw_status status = prepare(&e, &error);
    if (!etw_failed(status)) {
        status = arguments->compare.update ? update(&e, &error) : check(&e, &error);
    }
    const etw_exit result = etw_failed(status)          ? etw_tool_fail(&error)
                            : arguments->compare.update ? ETW_EXIT_WELL
                                                        : conclude(&e);
    if (e.arguments.replay.filter.where != arguments->replay.filter.where) {
        etw_where_free(e.arguments.replay.filter.where);
    }
    etw_expectation_free(&e.expectation);
    etw_text_free(&e.report);
    return result;
}
