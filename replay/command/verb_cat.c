/* cat and export: events as text, packets, ... */
#include "replay/command/pipeline.h"
#include "replay/command/screen.h"
#include "replay/command/tool.h"
#include "replay/command/verbs.h"
#include "replay/replay_input.h"

#include <errno.h>
#include <unistd.h>

typedef struct cat {
    const etw_output_format *format;
    etw_stream stream;
    etw_replay *replay;
    etw_pipeline *pipeline;
    etw_address_namer namer;
    etw_screen screen;
    etw_status side_status; /* of the callbacks, which cannot return one */
    etw_error side_error;
} cat;

/* The format of --format, else of the output's name; a pipe or a device has none that says
 * anything, nor has stdout: then it is JSON. NULL where the name says nothing known. */
static const etw_output_format *choose_format(const etw_replay_arguments *arguments)
{
    const char *output = arguments->output;
    const etw_os *os = etw_os_default();
    if (arguments->per_event) {
        const bool is_csv = arguments->format != NULL && strcmp(arguments->format, "csv") == 0;
        const bool is_other =
            arguments->format != NULL && !is_csv && strcmp(arguments->format, "parquet") != 0;
        return is_other ? NULL : is_csv ? &etw_output_csv_folder : &etw_output_parquet_folder;
    }
    if (arguments->packets && arguments->format == NULL) {
        return &etw_output_packets;
    }
    if (arguments->format != NULL) {
        return etw_output_find(arguments->format);
    }
    if (output == NULL || strcmp(output, "-") == 0) {
        return &etw_output_json;
    }
    const etw_output_format *format = etw_output_for_file(output);
    return format == NULL && os->kind(os->context, output) == ETW_PATH_OTHER ? &etw_output_json
                                                                             : format;
}

static void say_unknown_ending(const char *output)
{
    etw_text known = {0};
    for (size_t i = 0; etw_output_ending_at(i) != NULL; i++) {
        etw_text_printf(&known, "%s%s", i == 0 ? "" : " ", etw_output_ending_at(i));
    }
    etw_tool_say("%s: no known ending: name the format with --format, or end the name in one of %s",
                 output, etw_text_z(&known));
    etw_text_free(&known);
}

static void on_loss(void *context, const etw_loss *loss)
{
    cat *c = context;
    const bool is_told = loss->cause != ETW_LOSS_FILTERED || c->format->tells_filtered;
    if (is_told && !etw_failed(c->side_status)) {
        c->side_status = etw_pipeline_loss(c->pipeline, loss, &c->side_error);
    }
}

static etw_decoder *exchange(void *context, etw_decoder *used)
{
    cat *c = context;
    return c->pipeline == NULL ? used : etw_pipeline_exchange(c->pipeline, used);
}

/* What comes next may be waited for: what was read so far is printed before. */
static void drained(void *context)
{
    cat *c = context;
    if (c->pipeline != NULL && !etw_failed(c->side_status)) {
        c->side_status = etw_pipeline_flush(c->pipeline, &c->side_error);
    }
}

static etw_status print_events(cat *c, etw_error *error)
{
    etw_replay_item item;
    etw_status status = ETW_OK;
    while (status == ETW_OK) {
        status = etw_replay_next_item(c->replay, &item, error);
        if (etw_failed(c->side_status)) {
            *error = c->side_error;
            return c->side_status;
        }
        if (status == ETW_OK) {
            status = etw_pipeline_event(c->pipeline, &item, error);
        }
    }
    /* Also after a failure: what was read is printed. */
    etw_error second = {0};
    const etw_status finished =
        etw_pipeline_finish(c->pipeline, etw_failed(status) ? &second : error);
    return etw_failed(status) ? status : finished;
}

/* Of what kind the events are, and not only whose or when. */
static bool chooses_kinds(const etw_replay_arguments *arguments)
{
    static const etw_short_form kinds[] = {ETW_SHORT_PROVIDER, ETW_SHORT_EVENT, ETW_SHORT_ID,
                                           ETW_SHORT_KEYWORD, ETW_SHORT_OPCODE};
    bool chooses = arguments->where_count > 0;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        chooses |= arguments->shorts.wanted[kinds[i]].size > 0;
    }
    return chooses;
}

static etw_status open_pipeline(cat *c, const etw_replay_arguments *arguments, etw_error *error)
{
    const bool is_live = arguments->replay.speed > 0;
    etw_pipeline_options options = {.format = c->format,
                                    .rendering = arguments->rendering,
                                    .threads = is_live ? 0 : arguments->threads,
                                    .is_live = is_live,
                                    .is_lent = !etw_replay_is_etl(c->replay) &&
                                               !etw_is_bad_day(&arguments->replay.faults),
                                    .stream = &c->stream,
                                    .folder = c->format->is_folder ? arguments->output : NULL,
                                    .note = etw_tool_note};
    const etw_source *source = etw_replay_source(c->replay);
    options.rendering.start_100ns =
        etw_source_trace_count(source) > 0 ? etw_source_trace(source, 0)->start_time_100ns : 0;
    /* Of a pipe it changes while threads render. */
    if (etw_replay_state(c->replay) != NULL && etw_input_can_seek(etw_replay_input(c->replay))) {
        etw_state_get_namer(etw_replay_state(c->replay), &c->namer);
        options.rendering.namer = &c->namer;
        options.rendering.sample_100ns = etw_state_sample_100ns(etw_replay_state(c->replay));
    }
    options.rendering.stack_events = chooses_kinds(arguments);
    options.rendering.raw_time |= c->format->raw_time;
    if (c->format->binary && !c->format->is_folder && c->stream.file == ETW_FILE_STDOUT &&
        isatty(ETW_FILE_STDOUT) != 0) {
        return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                             "%s is not for a terminal: give a file with -o", c->format->name);
    }
    etw_screen_begin(&c->screen, arguments, &options.rendering);
    return etw_pipeline_open(&options, &c->pipeline, error);
}

static void count_name(void *count, const char *name)
{
    *(uint32_t *)count += strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

/* What is in it already would be taken for a part of the data. */
static etw_status make_folder(const char *path, etw_error *error)
{
    const etw_os *os = etw_os_default();
    uint32_t names = 0;
    if (path == NULL || strcmp(path, "-") == 0) {
        return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                             "a file for each kind of event needs a folder: give one with -o");
    }
    const int made = os->make_folder(os->context, path);
    if (made < 0 && made != -EEXIST) {
        return etw_error_set_os(error, -made, "%s", path);
    }
    const int listed = os->list(os->context, path, count_name, &names);
    if (listed < 0) {
        return etw_error_set_os(error, -listed, "%s", path);
    }
    return names == 0
               ? ETW_OK
               : etw_error_set(error, ETW_ERROR_EXISTS,
                               "%s is not empty: name a new folder, or empty this one", path);
}

/* A folder's files are its collector's: nothing is written to the stream then. */
static etw_status open_output(cat *c, const etw_replay_arguments *arguments, etw_error *error)
{
    const bool is_folder = c->format->is_folder;
    const etw_status status =
        etw_stream_open(&c->stream, etw_os_default(), is_folder ? NULL : arguments->output,
                        arguments->writer.replace, error);
    return etw_failed(status) || !is_folder ? status : make_folder(arguments->output, error);
}

/* What is not shown is not looked for. */
static void choose_passes(const etw_replay_arguments *arguments, etw_replay_options *options)
{
    const etw_output_options *rendering = &arguments->rendering;
    bool wants_processes = true;
    bool wants_stacks = rendering->column_count == 0;
    if (rendering->column_count > 0) {
        etw_ignore(etw_output_check_columns(rendering, &wants_processes, NULL));
    }
    for (uint32_t i = 0; i < rendering->column_count; i++) {
        wants_stacks |= etw_output_is_extended_info(rendering->columns[i]);
    }
    options->processes = wants_processes && !arguments->no_process_names;
    options->stacks = wants_stacks && rendering->stacks != ETW_STACK_NONE;
}

static etw_status run(cat *c, const etw_replay_arguments *arguments, etw_error *error)
{
    etw_replay_options options = arguments->replay;
    options.loss = on_loss;
    options.loss_context = c;
    options.exchange = exchange;
    options.drained = drained;
    options.exchange_context = c;
    choose_passes(arguments, &options);
    etw_status status = etw_tool_open(arguments, arguments->inputs[0], &options, &c->replay, error);
    if (etw_failed(status)) {
        return status;
    }
    status = open_output(c, arguments, error);
    if (etw_failed(status)) {
        return etw_stream_close(&c->stream, status, error);
    }
    status = open_pipeline(c, arguments, error);
    if (!etw_failed(status)) {
        status = print_events(c, error);
    }
    return etw_stream_close(&c->stream, status, error);
}

static void say_faults(const etw_replay_arguments *arguments, const etw_replay *replay)
{
    etw_fault_counts counts;
    etw_replay_get_faults(replay, &counts);
    if (!arguments->quiet && etw_is_bad_day(&arguments->replay.faults)) {
        etw_tool_say("a bad day, seed %llu: %llu events dropped, %llu given twice, %llu too early, "
                     "%llu with broken data",
                     (unsigned long long)arguments->replay.faults.seed,
                     (unsigned long long)counts.dropped, (unsigned long long)counts.duplicated,
                     (unsigned long long)counts.reordered, (unsigned long long)counts.corrupted);
    }
}

etw_exit etw_verb_report(const etw_replay_arguments *arguments)
{
    etw_replay_arguments report = *arguments;
    report.format = etw_output_html.name;
    return etw_verb_cat(&report);
}

etw_exit etw_verb_cat(const etw_replay_arguments *arguments)
{
    etw_error error = {0};
    if (etw_tool_writes_over_input(arguments)) {
        return ETW_EXIT_USAGE;
    }
    cat c = {.format = choose_format(arguments)};
    if (c.format == NULL && arguments->per_event) {
        etw_tool_say("--per-event writes parquet or csv, not %s", arguments->format);
        return ETW_EXIT_USAGE;
    }
    if (c.format == NULL) {
        say_unknown_ending(arguments->output);
        return ETW_EXIT_USAGE;
    }
    if (arguments->rendering.column_count > 0) {
        c.format = c.format->with_columns;
    }
    if (c.format == NULL) {
        etw_tool_say("--columns is for text, csv and json");
        return ETW_EXIT_USAGE;
    }
    const etw_status status = run(&c, arguments, &error);
    etw_screen_end(&c.screen);
    etw_replay_totals totals = {0};
    if (c.replay != NULL) {
        etw_replay_get_totals(c.replay, &totals);
        if (!etw_failed(status)) {
            say_faults(arguments, c.replay);
            etw_tool_say_doubts(arguments, c.replay);
        }
    }
    etw_pipeline_close(c.pipeline);
    etw_replay_close(c.replay);
    return etw_failed(status) ? etw_tool_fail(&error) : etw_tool_conclude(arguments, &totals);
}
