#include "replay/command/tool.h"

#include "format/query/where.h"
#include "replay/command/progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const etw_console console = {.tool = "etw-replay"};

void etw_tool_say(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    etw_console_say_list(&console, ETW_MESSAGE_ERROR, format, list);
    va_end(list);
}

etw_exit etw_tool_print(etw_text *text)
{
    return etw_console_print(&console, text) ? ETW_EXIT_WELL : ETW_EXIT_FAILED;
}

etw_exit etw_tool_fail(const etw_error *error)
{
    etw_tool_say("%s", error->message);
    return ETW_EXIT_FAILED;
}

etw_exit etw_tool_conclude(const etw_replay_arguments *arguments, const etw_replay_totals *totals)
{
    if (totals->dropped_stacks > 0 && !arguments->quiet) {
        etw_tool_say("%llu call stacks are not shown: the trace has more than are kept",
                     (unsigned long long)totals->dropped_stacks);
    }
    if (totals->losses == 0) {
        return totals->dropped_stacks > 0 ? ETW_EXIT_MISSING : ETW_EXIT_WELL;
    }
    if (!arguments->quiet) {
        etw_tool_say("something is missing in %llu place%s: %llu event%s known to be lost%s",
                     (unsigned long long)totals->losses, totals->losses == 1 ? "" : "s",
                     (unsigned long long)totals->lost_events, totals->lost_events == 1 ? "" : "s",
                     totals->lost_unknown ? " and an unknown number more" : "");
    }
    return ETW_EXIT_MISSING;
}

static bool is_input(const etw_replay_arguments *arguments, const char *path)
{
    for (uint32_t i = 0; i < arguments->input_count; i++) {
        const char *input = arguments->inputs[i];
        if (strcmp(input, "-") != 0 &&
            (strcmp(input, path) == 0 || etw_os_is_same_file(input, path))) {
            etw_tool_say("%s is an input and cannot be the output", path);
            return true;
        }
    }
    return false;
}

bool etw_tool_writes_over_input(const etw_replay_arguments *arguments)
{
    const char *output = arguments->output;
    return output != NULL && strcmp(output, "-") != 0 && is_input(arguments, output);
}

static etw_status start_of_trace(etw_input *input, int64_t *start_100ns, etw_error *error)
{
    etw_replay *replay;
    const etw_replay_options options = {.input = input};
    const etw_status status = etw_replay_open(NULL, &options, &replay, error);
    if (etw_failed(status)) {
        return status;
    }
    etw_source *source = etw_replay_source(replay);
    const bool has_trace = etw_source_trace_count(source) > 0;
    *start_100ns = has_trace ? etw_source_trace(source, 0)->start_time_100ns : 0;
    etw_replay_close(replay);
    return has_trace ? ETW_OK
                     : etw_error_set(error, ETW_ERROR_NOT_FOUND,
                                     "%s: tells no start that a time could be relative to",
                                     etw_input_name(input));
}

static bool has_relative_option(const etw_replay_arguments *arguments)
{
    return etw_replay_time_is_relative(arguments->since) ||
           etw_replay_time_is_relative(arguments->until) ||
           etw_replay_time_is_relative(arguments->around);
}

/* --around narrows what --since and --until say. */
static bool narrow(const char *around, int64_t start_100ns, etw_filter *filter)
{
    int64_t from, to;
    if (around == NULL) {
        return true;
    }
    if (!etw_replay_around_parse(around, start_100ns, &from, &to)) {
        return false;
    }
    if (!filter->has_since || filter->since_100ns < from) {
        filter->since_100ns = from;
    }
    if (to < INT64_MAX && (!filter->has_until || filter->until_100ns > to + 1)) {
        filter->until_100ns = to + 1;
        filter->has_until = true;
    }
    filter->has_since = true;
    return true;
}

static etw_status set_times(const etw_replay_arguments *arguments, etw_input *input,
                            etw_filter *filter, etw_error *error)
{
    int64_t start_100ns = 0;
    if (has_relative_option(arguments)) {
        const etw_status status = start_of_trace(input, &start_100ns, error);
        if (etw_failed(status)) {
            return status;
        }
    }
    filter->has_since = arguments->since != NULL;
    filter->has_until = arguments->until != NULL;
    if ((filter->has_since &&
         !etw_replay_time_parse(arguments->since, start_100ns, &filter->since_100ns)) ||
        (filter->has_until &&
         !etw_replay_time_parse(arguments->until, start_100ns, &filter->until_100ns)) ||
        !narrow(arguments->around, start_100ns, filter)) {
        return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT, "not a time");
    }
    return ETW_OK;
}

etw_status etw_tool_time(const char *text, etw_input *input, int64_t *time_100ns, etw_error *error)
{
    int64_t start_100ns = 0;
    etw_status status = ETW_OK;
    if (etw_replay_time_is_relative(text)) {
        status = start_of_trace(input, &start_100ns, error);
    }
    if (!etw_failed(status) && !etw_replay_time_parse(text, start_100ns, time_100ns)) {
        status = etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT, "not a time");
    }
    return status;
}

void etw_tool_note(void *context, const char *message)
{
    (void)context;
    etw_tool_say("%s", message);
}

etw_status etw_tool_open_input(const etw_replay_arguments *arguments, etw_input *input,
                               etw_replay_options *options, etw_replay **replay, etw_error *error)
{
    etw_progress progress;
    *replay = NULL;
    etw_status status = set_times(arguments, input, &options->filter, error);
    if (etw_failed(status)) {
        etw_input_close(input);
        return status;
    }
    etw_progress_begin(&progress, arguments, "scanning", "B");
    etw_progress_watch(&progress, &input, 1);
    options->use_default_schemas = !arguments->no_default_schemas;
    options->note = etw_tool_note;
    options->input = input;
    options->owns_input = false; /* so that it is there when the progress ends */
    status = etw_replay_open(NULL, options, replay, error);
    etw_progress_end(&progress);
    if (etw_failed(status)) {
        etw_input_close(input);
    } else {
        etw_replay_own_input(*replay);
    }
    return status;
}

static const etw_os *os_of(const etw_replay_arguments *arguments)
{
    return arguments->replay.os != NULL ? arguments->replay.os : etw_os_default();
}

bool etw_tool_has_relative_time(const etw_replay_arguments *arguments)
{
    return has_relative_option(arguments) || etw_where_wants_times(arguments->replay.filter.where);
}

/* What is asked for may need the trace's start, or names that stand at its end. */
etw_input_options etw_tool_input_options(const etw_replay_arguments *arguments)
{
    return (etw_input_options){.member = arguments->member,
                               .rereads = etw_tool_has_relative_time(arguments) ||
                                          arguments->replay.filter.provider_name_count > 0 ||
                                          etw_replay_is_selective(&arguments->replay.selection) ||
                                          arguments->replay.faults.rounds > 1};
}

etw_status etw_tool_open(const etw_replay_arguments *arguments, const char *input,
                         etw_replay_options *options, etw_replay **replay, etw_error *error)
{
    etw_input *opened;
    const etw_input_options how = etw_tool_input_options(arguments);
    *replay = NULL;
    const etw_status status = etw_input_open(os_of(arguments), input, &how, &opened, error);
    return etw_failed(status) ? status
                              : etw_tool_open_input(arguments, opened, options, replay, error);
}

static etw_status collect(void *context, etw_input *input, etw_error *error)
{
    etw_tool_inputs *list = context;
    etw_input **longer = etw_arguments_grown(list->inputs, list->count, sizeof *longer, error);
    if (longer == NULL) {
        etw_input_close(input);
        return ETW_ERROR_NO_MEMORY;
    }
    if (list->count >= ETW_INPUTS_KEPT_OPEN) {
        etw_input_spare(input);
    }
    list->inputs = longer;
    longer[list->count++] = input;
    return ETW_OK;
}

etw_status etw_tool_collect_inputs(const etw_replay_arguments *arguments, etw_tool_inputs *list,
                                   etw_error *error)
{
    const etw_input_options how = etw_tool_input_options(arguments);
    *list = (etw_tool_inputs){0};
    const etw_input_taker taker = {collect, list};
    return etw_inputs_each(os_of(arguments), arguments->inputs, arguments->input_count, &how,
                           &taker, error);
}

void etw_tool_inputs_free(etw_tool_inputs *list)
{
    for (uint32_t i = 0; i < list->count; i++) {
        etw_input_close(list->inputs[i]);
    }
    free(list->inputs);
    *list = (etw_tool_inputs){0};
}

etw_exit etw_tool_worse(etw_exit result, etw_exit other)
{
    return result == ETW_EXIT_WELL || other == ETW_EXIT_FAILED ? other : result;
}

etw_exit etw_tool_each_input(const etw_replay_arguments *arguments,
                             etw_status (*take)(void *context, etw_input *input, etw_error *error),
                             void *context)
{
    const etw_input_options options = {.rereads = true, .member = arguments->member};
    const etw_input_taker taker = {take, context};
    etw_exit result = ETW_EXIT_WELL;
    for (uint32_t i = 0; i < arguments->input_count; i++) {
        etw_error error = {0};
        const etw_status status =
            etw_inputs_each(os_of(arguments), &arguments->inputs[i], 1, &options, &taker, &error);
        if (etw_failed(status)) {
            result = etw_tool_fail(&error);
        }
    }
    return result;
}
