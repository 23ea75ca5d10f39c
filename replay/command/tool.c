#include "replay/command/tool.h"

#include "format/base/part_file.h"
#include "format/query/where.h"
#include "format/schema/unexplained_report.h"

#include <errno.h>
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

/* Doubts. */

static const char *provider_at(const void *context, size_t index)
{
    return etw_replay_provider_name_at(context, index);
}

static void say_no_such_provider(const etw_replay *replay, const char *wanted)
{
    size_t count = 0;
    while (etw_replay_provider_name_at(replay, count) != NULL) {
        count++;
    }
    const char *nearest = etw_nearest_name(wanted, count, provider_at, replay);
    if (nearest != NULL) {
        etw_tool_say("no event of provider '%s'; did you mean '%s'?", wanted, nearest);
    } else {
        etw_tool_say("no event of provider '%s'; 'stats' lists those of the trace", wanted);
    }
}

static bool has_filter(const etw_replay_arguments *arguments)
{
    const etw_filter *filter = &arguments->replay.filter;
    return filter->provider_count > 0 || filter->provider_name_count > 0 || filter->id_count > 0 ||
           filter->process_id_count > 0 || filter->has_level || filter->no_level_0 ||
           filter->where != NULL || arguments->since != NULL || arguments->until != NULL ||
           arguments->around != NULL;
}

/* The names that the plan gives its properties, of the schemas of a replay one after another. */
typedef struct property_names {
    const char **names; /* owned list of names lent by plans */
    uint32_t count;
} property_names;

static const char *name_in_list(const void *context, size_t index)
{
    const property_names *list = context;
    return list->names[index];
}

/* Beyond so many names the nearest is not looked for. */
#define MOST_NAMES 100000u

static void add_property_names(property_names *list, const etw_plan *plan)
{
    const etw_property *property;
    for (uint32_t i = 0;
         list->count < MOST_NAMES && (property = etw_plan_property(plan, i)) != NULL; i++) {
        etw_ignore(etw_arguments_add_string(&list->names, &list->count,
                                            etw_property_name(property)->utf8, NULL));
    }
}

/* Plans of all schemas of a store; what cannot be compiled is NULL. */
typedef struct plans {
    etw_plan **rows;
    uint32_t count;
} plans;

static void plans_open(plans *p, const etw_schema_store *store)
{
    p->count = etw_schema_store_count(store);
    p->rows = calloc((size_t)p->count + 1, sizeof *p->rows);
    for (uint32_t i = 0; p->rows != NULL && i < p->count; i++) {
        etw_ignore(etw_plan_compile(etw_schema_store_get(store, i + 1), &p->rows[i], NULL));
    }
    p->count = p->rows == NULL ? 0 : p->count;
}

static void plans_close(plans *p)
{
    for (uint32_t i = 0; i < p->count; i++) {
        etw_plan_free(p->rows[i]);
    }
    free(p->rows);
}

static void say_unseen_name(const plans *p, const etw_where *where, uint32_t index)
{
    property_names list = {0};
    const char *name = etw_where_unseen_name(where, index);
    for (uint32_t i = 0; i < p->count; i++) {
        if (p->rows[i] == NULL) {
            continue;
        }
        if (etw_where_plan_has_unseen(where, index, p->rows[i])) {
            free(list.names);
            return;
        }
        add_property_names(&list, p->rows[i]);
    }
    const char *nearest = etw_nearest_name(name, list.count, name_in_list, &list);
    if (nearest != NULL) {
        etw_tool_say("no schema of these events has a property '%s'; did you mean '%s'?", name,
                     nearest);
    } else {
        etw_tool_say("no schema of these events has a property '%s'; 'schemas' lists them", name);
    }
    free(list.names);
}

void etw_tool_say_unseen_names(const etw_replay *replay)
{
    plans p = {0};
    const etw_where *where = etw_replay_where(replay);
    if (where == NULL || etw_where_unseen_name(where, 0) == NULL) {
        return;
    }
    plans_open(&p, etw_replay_schemas(replay));
    for (uint32_t i = 0; etw_where_unseen_name(where, i) != NULL; i++) {
        say_unseen_name(&p, where, i);
    }
    plans_close(&p);
}

void etw_tool_say_doubts(const etw_replay_arguments *arguments, const etw_replay *replay,
                         bool others_match)
{
    const char *first;
    const uint64_t errors = etw_replay_schema_errors(replay, &first);
    etw_replay_totals totals;
    etw_replay_get_totals(replay, &totals);
    if (errors > 0) {
        etw_tool_say("%llu schema%s of the trace could not be read; first: %s",
                     (unsigned long long)errors, errors == 1 ? "" : "s", first);
    }
    if (others_match) {
        return;
    }
    etw_tool_say_unseen_names(replay);
    if (totals.events > 0 || !has_filter(arguments)) {
        return;
    }
    const etw_filter *filter = &arguments->replay.filter;
    for (uint32_t i = 0; i < filter->provider_name_count; i++) {
        say_no_such_provider(replay, arguments->provider_names[i]);
    }
    if (filter->provider_name_count == 0) {
        etw_tool_say("no event matches the options that choose events");
    }
}

static void say_line(void *context, const char *line)
{
    (void)context;
    etw_tool_say("%s", line);
}

void etw_tool_say_unexplained(const etw_replay_arguments *arguments, const etw_replay *replay)
{
    etw_unexplained *unexplained = etw_replay_unexplained(replay);
    if (unexplained != NULL && !arguments->quiet) {
        etw_unexplained_report(unexplained, etw_replay_schemas(replay), "--schemas", say_line,
                               NULL);
    }
}

/* Progress. */

void etw_progress_begin(etw_progress *progress, const etw_replay_arguments *arguments,
                        const char *what, const char *unit)
{
    *progress = (etw_progress){.what = what, .unit = unit};
    etw_status_line_begin(&progress->line, etw_os_default(),
                          !arguments->quiet && etw_console_is_terminal());
}

void etw_progress_show(void *context, uint64_t done, uint64_t total)
{
    etw_progress *progress = context;
    etw_status_line_progress(&progress->line, progress->what, done, total, progress->unit);
}

static uint64_t bytes_read(const etw_progress *progress)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < progress->input_count; i++) {
        bytes += etw_input_bytes_read(progress->inputs[i]);
    }
    return bytes;
}

/* Some are read more than once: then nobody knows how much is left. */
static void show_read(void *context)
{
    etw_progress *progress = context;
    const uint64_t done = bytes_read(progress) - progress->bytes_before;
    etw_progress_show(progress, done, done > progress->size ? 0 : progress->size);
}

void etw_progress_watch(etw_progress *progress, etw_input *const *inputs, uint32_t count)
{
    bool is_known = true;
    if (!progress->line.is_on) {
        return;
    }
    progress->inputs = inputs;
    progress->input_count = count;
    progress->bytes_before = bytes_read(progress);
    for (uint32_t i = 0; i < count; i++) {
        const uint64_t size = etw_input_size(inputs[i]);
        is_known = is_known && size > 0;
        progress->size += size;
        etw_input_watch(inputs[i], show_read, progress);
    }
    progress->size = is_known ? progress->size : 0;
}

void etw_progress_end(etw_progress *progress)
{
    for (uint32_t i = 0; i < progress->input_count; i++) {
        etw_input_watch(progress->inputs[i], NULL, NULL);
    }
    progress->input_count = 0;
    etw_status_line_clear(&progress->line);
}

/* The output. */

etw_status etw_tool_explain_exists(const char *output, etw_status status, etw_error *error)
{
    return status == ETW_ERROR_EXISTS
               ? etw_error_set(error, status, "%s exists; --force replaces it", output)
               : status;
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

etw_status etw_tool_wants_part(const etw_os *os, const char *path, bool replace, bool *wants_part,
                               etw_error *error)
{
    const int kind = os->kind(os->context, path);
    *wants_part = kind != ETW_PATH_OTHER && kind != ETW_PATH_FOLDER;
    if (kind < 0) {
        return etw_error_set_os(error, -kind, "%s", path);
    }
    return kind == ETW_PATH_FILE && !replace
               ? etw_tool_explain_exists(path, ETW_ERROR_EXISTS, error)
               : ETW_OK;
}

etw_status etw_stream_open(etw_stream *stream, const etw_os *os, const char *path, bool replace,
                           etw_error *error)
{
    *stream = (etw_stream){.os = os, .path = "stdout", .file = ETW_FILE_STDOUT};
    if (path == NULL || strcmp(path, "-") == 0) {
        return ETW_OK;
    }
    stream->path = path;
    stream->replace = replace;
    stream->file = -1;
    bool wants_part;
    etw_status status = etw_tool_wants_part(os, path, replace, &wants_part, error);
    if (etw_failed(status)) {
        return status;
    }
    if (wants_part) {
        status = etw_part_create(os, path, &stream->part, &stream->file, error);
        if (etw_failed(status)) {
            etw_part_free(&stream->part);
        }
        return status;
    }
    stream->file = os->open(os->context, path, replace ? ETW_OPEN_REPLACE : ETW_OPEN_CREATE);
    return stream->file >= 0 ? ETW_OK
                             : etw_tool_explain_exists(
                                   path, etw_error_set_os(error, -stream->file, "%s", path), error);
}

etw_status etw_stream_write(etw_stream *stream, const char *bytes, size_t size, etw_error *error)
{
    etw_error cause = {0};
    if (stream->is_closed) {
        return ETW_OK;
    }
    size_t written = 0;
    const etw_status status =
        etw_os_write_full(stream->os, stream->file, bytes, size, &written, &cause);
    stream->has_written = stream->has_written || written > 0;
    if (etw_failed(status) && stream->file == ETW_FILE_STDOUT &&
        etw_os_is_reader_gone(cause.os_code)) {
        stream->is_closed = true;
        return ETW_OK;
    }
    if (etw_failed(status) && error != NULL) {
        *error = cause;
        return etw_error_wrap(error, status, "%s", stream->path);
    }
    return status;
}

etw_status etw_stream_flush(etw_stream *stream, etw_error *error)
{
    if (stream->text.failed) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "%s: no memory for the text",
                             stream->path);
    }
    if (stream->text.size == 0) {
        return ETW_OK;
    }
    const etw_status status = etw_stream_write(stream, stream->text.data, stream->text.size, error);
    etw_text_clear(&stream->text);
    return status;
}

etw_status etw_stream_flush_chunks(etw_stream *stream, etw_error *error)
{
    return stream->text.size < ETW_STREAM_CHUNK && !stream->text.failed
               ? ETW_OK
               : etw_stream_flush(stream, error);
}

/* A part is on the disk before it gets its name: a power failure must not leave half of it there.
 */
static etw_status sync_part(const etw_stream *stream, etw_error *error)
{
    if (stream->part.name.size == 0) {
        return ETW_OK;
    }
    const int synced = stream->os->sync(stream->os->context, stream->file);
    return synced < 0 && synced != -EINVAL
               ? etw_error_set_os(error, -synced, "%s: cannot sync", stream->path)
               : ETW_OK;
}

static etw_status close_file(etw_stream *stream, etw_status status, etw_error *error)
{
    etw_error ignored = {0};
    const bool is_first = !etw_failed(status);
    etw_status flushed = etw_stream_flush(stream, is_first ? error : &ignored);
    if (is_first && !etw_failed(flushed)) {
        flushed = sync_part(stream, error);
    }
    const int closed =
        stream->file == ETW_FILE_STDOUT ? 0 : stream->os->close(stream->os->context, stream->file);
    if (is_first) {
        status = flushed;
    }
    if (!etw_failed(status) && closed < 0 && !stream->is_closed) {
        status = etw_error_set_os(error, -closed, "%s", stream->path);
    }
    return status;
}

/* The part gets its name; after a failure it keeps its own, if there is anything in it. */
static etw_status settle_part(etw_stream *stream, etw_status status, etw_error *error)
{
    const etw_os *os = stream->os;
    if (!etw_failed(status)) {
        status = etw_part_settle(os, &stream->part, stream->path, stream->replace, error);
    }
    if (etw_failed(status) && stream->has_written) {
        etw_tool_say("partial output is in %s", etw_text_z(&stream->part.name));
    } else if (etw_failed(status)) {
        etw_part_remove(os, &stream->part);
    }
    return status;
}

etw_status etw_stream_close(etw_stream *stream, etw_status status, etw_error *error)
{
    if (stream->file >= 0) {
        status = close_file(stream, status, error);
        if (stream->part.name.size > 0) {
            status = settle_part(stream, status, error);
        }
    }
    etw_part_free(&stream->part);
    etw_text_free(&stream->text);
    return status;
}

/* Opening. */

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
