/* diff: two traces, or what cat printed of them, compared event by event. */
#include "replay/command/difference.h"
#include "replay/command/screen.h"
#include "replay/command/stream.h"
#include "replay/command/tool.h"
#include "replay/command/verbs.h"

typedef struct diff {
    const etw_replay_arguments *arguments;
    etw_rules rules;
    etw_comparison_options options;
    etw_comparison_result result;
    etw_stream stream;
    uint64_t told;
    bool colours;
} diff;

static void print_names(diff *d)
{
    static const char *const signs[] = {"---", "+++"};
    for (size_t i = 0; i < 2; i++) {
        const char *name = etw_tool_name(d->options.names[i]);
        etw_text_printf(&d->stream.text, "%s ", signs[i]);
        etw_text_append_utf8(&d->stream.text, (const uint8_t *)name, strlen(name), ETW_ESCAPE_LINE);
        etw_text_append_char(&d->stream.text, '\n');
    }
}

static etw_status take_difference(void *context, const etw_difference *difference, etw_error *error)
{
    diff *d = context;
    const bool is_json = d->arguments->json;
    if (d->told++ >= d->arguments->compare.max_differences) {
        return ETW_OK;
    }
    if (d->told == 1 && !is_json) {
        print_names(d);
    }
    const etw_status status =
        is_json ? etw_difference_append_json(difference, &d->stream.text)
                : etw_difference_append_text(difference, d->colours, &d->stream.text);
    return etw_failed(status) ? etw_error_set(error, status, "no memory for a difference")
                              : etw_stream_flush(&d->stream, error);
}

static etw_status run(diff *d, etw_error *error)
{
    const etw_replay_arguments *arguments = d->arguments;
    etw_status status = etw_comparison_rules(arguments, &d->rules, error);
    if (etw_failed(status)) {
        return status;
    }
    d->options =
        (etw_comparison_options){.rules = &d->rules, .tell = take_difference, .context = d};
    for (size_t i = 0; i < 2; i++) {
        d->options.names[i] = arguments->inputs[i];
        d->options.is_text[i] = etw_comparison_is_text(arguments->inputs[i]);
    }
    status = etw_stream_open(&d->stream, etw_os_default(), NULL, false, error);
    d->colours = etw_screen_wants_colors(arguments);
    if (!etw_failed(status)) {
        status = etw_compare(arguments, &d->options, &d->result, error);
    }
    if (!etw_failed(status) && arguments->json) {
        etw_comparison_append_summary_json(&d->result, &d->stream.text);
    }
    return etw_stream_close(&d->stream, status, error);
}

static etw_exit conclude(const diff *d)
{
    const etw_replay_arguments *arguments = d->arguments;
    if (!arguments->quiet) {
        etw_text summary = {0};
        etw_comparison_append_summary(&d->result, &summary);
        etw_tool_say("%s", etw_text_z(&summary));
        etw_text_free(&summary);
    }
    if (etw_comparison_differences(&d->result) > 0) {
        return ETW_EXIT_FAILED;
    }
    const etw_exit first = etw_tool_conclude(arguments, &d->result.totals[0]);
    const etw_exit second = etw_tool_conclude(arguments, &d->result.totals[1]);
    return first == ETW_EXIT_WELL ? second : first;
}

etw_exit etw_verb_diff(const etw_replay_arguments *arguments)
{
    etw_error error = {0};
    diff d = {.arguments = arguments};
    const etw_status status = run(&d, &error);
    const etw_exit result = etw_failed(status) ? etw_tool_fail(&error) : conclude(&d);
    etw_rules_free(&d.rules);
    return result;
}
