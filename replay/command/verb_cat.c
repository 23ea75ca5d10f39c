/* cat and export: events as text, packets, ... */
#include "replay/command/doubts.h"
#include "replay/command/follow.h"
#include "replay/command/pipeline.h"
#include "replay/command/progress.h"
#include "replay/command/screen.h"
#include "replay/command/stream.h"
#include "replay/command/trace_set.h"
#include "replay/command/verbs.h"
#include "replay/query/symbols.h"
#include "replay/replay_input.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

/* Names addresses in the process that each event is of; events of further traces get none. */
typedef struct namers {
    /* By an event's trace number, which is 0 where there is one alone. Set before the first event
     * with that number is rendered. */
    etw_address_namer of_trace[ETW_MAX_TRACES + 1];
    etw_address_namer all; /* asks one of these */
} namers;

typedef struct cat {
    etw_progress finishing; /* of the output, once all events were given */
    const etw_replay_arguments *arguments;
    const etw_output_format *format;
    etw_stream stream;
    etw_trace_set *set;
    bool is_alone; /* one trace: what is read can be lent */
    etw_pipeline *pipeline;
    etw_screen screen;
    namers *namers;          /* NULL: none are asked for */
    etw_symbols *symbols;    /* NULL: none were named */
    etw_schema_store *store; /* of all traces: a renderer knows schemas by their ids */
    etw_status side_status;  /* of the callbacks, which cannot return one */
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
        return is_other ? NULL : etw_output_find(is_csv ? "csv-folder" : "parquet-folder");
    }
    if (arguments->packets && arguments->format == NULL) {
        return etw_output_find("packets");
    }
    if (arguments->format != NULL) {
        return etw_output_find(arguments->format);
    }
    if (output == NULL || strcmp(output, "-") == 0) {
        return etw_output_find("json");
    }
    const etw_output_format *format = etw_output_for_file(output);
    return format == NULL && os->kind(os->context, output) == ETW_PATH_OTHER
               ? etw_output_find("json")
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

static void settle(void *context)
{
    cat *c = context;
    if (c->pipeline != NULL) {
        etw_pipeline_settle(c->pipeline);
    }
}

/* What comes next may be waited for: what was read so far is printed before. */
static void drained(void *context)
{
    cat *c = context;
    if (c->pipeline != NULL && !etw_failed(c->side_status)) {
        c->side_status = etw_pipeline_flush(c->pipeline, &c->side_error);
    }
}

/* The same where a file is followed. */
static etw_status waits(void *context, etw_error *error)
{
    cat *c = context;
    const etw_status status = c->pipeline == NULL ? ETW_OK : etw_pipeline_flush(c->pipeline, error);
    return status == ETW_OK && c->stream.is_closed ? ETW_END : status;
}

/* Names of addresses. */

static bool append_name(const void *context, const etw_address *address, etw_time_span *same,
                        etw_text *text)
{
    const namers *n = context;
    const uint16_t number = etw_event_trace_number(address->event);
    const etw_address_namer *one = number <= ETW_MAX_TRACES ? &n->of_trace[number] : NULL;
    return one != NULL && one->append != NULL && one->append(one->context, address, same, text);
}

static void know_trace(cat *c, uint32_t index, uint16_t number)
{
    if (c->namers == NULL || number > ETW_MAX_TRACES ||
        c->namers->of_trace[number].append != NULL) {
        return;
    }
    const etw_state *state = etw_replay_state(etw_trace_set_replay(c->set, index));
    if (state != NULL) {
        etw_state_get_namer(state, &c->namers->of_trace[number]);
    }
}

static etw_status open_namers(cat *c, etw_error *error)
{
    if (c->arguments->rendering.stacks == ETW_STACK_NONE) {
        return ETW_OK;
    }
    c->namers = calloc(1, sizeof *c->namers);
    if (c->namers == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for names");
    }
    c->namers->all = (etw_address_namer){.context = c->namers, .append = append_name};
    return ETW_OK;
}

/* The events. */

/* A status line would stand between the events on a terminal. */
static bool wants_progress(const cat *c)
{
    return c->format->is_folder || c->stream.file != ETW_FILE_STDOUT ||
           isatty(ETW_FILE_STDOUT) == 0;
}

static etw_status print_next(cat *c, etw_error *error)
{
    uint32_t index;
    const etw_replay_item *item;
    const etw_status status = etw_trace_set_next(c->set, &index, &item, error);
    if (etw_failed(c->side_status)) {
        *error = c->side_error;
        return c->side_status;
    }
    if (status != ETW_OK) {
        return status;
    }
    know_trace(c, index, item->trace_number);
    return etw_pipeline_event(c->pipeline, item, error);
}

static void show_finish(void *context, uint64_t done, uint64_t total, const char *unit)
{
    cat *c = context;
    c->finishing.unit = unit;
    etw_progress_show(&c->finishing, done, total);
}

/* What is written once all events are known can take as long as they did. */
static etw_status finish(cat *c, etw_error *error)
{
    etw_progress_begin(&c->finishing, c->arguments, "writing", "B");
    c->finishing.line.is_on = c->finishing.line.is_on && wants_progress(c);
    const etw_status status = etw_pipeline_finish(c->pipeline, error);
    etw_progress_end(&c->finishing);
    return status;
}

static etw_status print_events(cat *c, etw_error *error)
{
    etw_progress progress;
    etw_status status = ETW_OK;
    etw_progress_begin(&progress, c->arguments, c->arguments->verb->row.name, "B");
    progress.line.is_on = progress.line.is_on && wants_progress(c) && !c->arguments->replay.follow;
    etw_trace_set_watch(c->set, &progress);
    while (status == ETW_OK) {
        status = print_next(c, error);
    }
    etw_progress_end(&progress);
    if (etw_failed(c->side_status)) {
        return status; /* the output has failed */
    }
    /* Also after a failure: what was read is printed. */
    etw_error second = {0};
    const etw_status finished = finish(c, etw_failed(status) ? &second : error);
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

/* Of the first trace that was sampled. */
static uint32_t sample_100ns(const cat *c)
{
    uint32_t found = 0;
    for (uint32_t i = 0; found == 0 && i < etw_trace_set_count(c->set); i++) {
        const etw_state *state = etw_replay_state(etw_trace_set_replay(c->set, i));
        found =
            state == NULL || etw_trace_set_is_pipe(c->set, i) ? 0 : etw_state_sample_100ns(state);
    }
    return found;
}

static bool has_pipe(const cat *c)
{
    for (uint32_t i = 0; i < etw_trace_set_count(c->set); i++) {
        if (etw_trace_set_is_pipe(c->set, i)) {
            return true;
        }
    }
    return false;
}

static etw_status open_pipeline(cat *c, etw_error *error)
{
    const etw_replay_arguments *arguments = c->arguments;
    const bool is_live = arguments->replay.speed > 0 || arguments->replay.faults.stall_count > 0;
    /* Other threads may render later: traces must live as long as the pipeline, and what is known
     * of processes and images must not change, as it does while a pipe is read. */
    const bool is_lasting = !is_live && !arguments->replay.follow &&
                            arguments->replay.faults.rounds <= 1 &&
                            !(c->namers != NULL && has_pipe(c));
    etw_pipeline_options options = {.format = c->format,
                                    .rendering = arguments->rendering,
                                    .threads = is_lasting ? arguments->threads : 0,
                                    .alone = arguments->threads_said ? 0 : ETW_PIPELINE_SMALL,
                                    .is_live = is_live,
                                    .stream = &c->stream,
                                    .folder = c->format->is_folder ? arguments->output : NULL,
                                    .note = etw_tool_note,
                                    .progress = show_finish,
                                    .progress_context = c};
    const etw_source *source = etw_replay_source(etw_trace_set_replay(c->set, 0));
    options.rendering.start_100ns =
        etw_source_trace_count(source) > 0 ? etw_source_trace(source, 0)->start_time_100ns : 0;
    options.is_lent = c->is_alone && !etw_replay_is_etl(etw_trace_set_replay(c->set, 0)) &&
                      !etw_is_bad_day(&arguments->replay.faults);
    options.rendering.namer = c->namers == NULL ? NULL : &c->namers->all;
    options.rendering.sample_100ns = sample_100ns(c);
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

static void prepare(void *context, uint32_t index, etw_replay_options *options)
{
    cat *c = context;
    (void)index;
    options->loss = on_loss;
    options->loss_context = c;
    options->store = c->store;
    options->settle = settle;
    options->settle_context = c;
    if (c->is_alone) {
        options->exchange = exchange;
        options->drained = drained;
        options->exchange_context = c;
    }
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
    options->images = rendering->stack_weight == ETW_STACK_WEIGHT_TIME; /* tells the interval */
}

static etw_status open_symbols(cat *c, etw_error *error)
{
    const etw_symbols_options options = {.paths = c->arguments->symbols,
                                         .path_count = c->arguments->symbol_count,
                                         .note = etw_tool_note};
    return options.path_count == 0 ? ETW_OK : etw_symbols_open(&options, &c->symbols, error);
}

static etw_status open_traces(cat *c, etw_error *error)
{
    etw_trace_set_options options = {.arguments = c->arguments,
                                     .replay = c->arguments->replay,
                                     .prepare = prepare,
                                     .waits = waits,
                                     .context = c};
    etw_status status = open_symbols(c, error);
    if (etw_failed(status)) {
        return status;
    }
    options.replay.symbols = c->symbols;
    choose_passes(c->arguments, &options.replay);
    status = etw_trace_set_new(&options, &c->set, error);
    if (etw_failed(status)) {
        return status;
    }
    c->is_alone = etw_trace_set_count(c->set) == 1;
    if (c->format->collector != NULL && c->arguments->replay.faults.rounds > 1) {
        return etw_error_set(
            error, ETW_ERROR_INVALID_ARGUMENT,
            "--loop: %s is made of rows that outlive their round; choose json, text, csv or xml",
            c->format->name);
    }
    if (!c->is_alone && c->arguments->replay.faults.rounds > 1) {
        return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                             "--loop is for one trace: merge them first");
    }
    c->store = etw_schema_store_new();
    if (c->store == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for schemas");
    }
    status = open_namers(c, error);
    return etw_failed(status) ? status : etw_trace_set_open(c->set, error);
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
static etw_status open_output(cat *c, etw_error *error)
{
    const etw_replay_arguments *arguments = c->arguments;
    const bool is_folder = c->format->is_folder;
    const etw_status status =
        etw_stream_open(&c->stream, etw_os_default(), is_folder ? NULL : arguments->output,
                        arguments->writer.replace, error);
    return etw_failed(status) || !is_folder ? status : make_folder(arguments->output, error);
}

static etw_status run(cat *c, etw_error *error)
{
    etw_status status = open_traces(c, error);
    if (etw_failed(status)) {
        return status;
    }
    status = open_output(c, error);
    if (etw_failed(status)) {
        return etw_stream_close(&c->stream, status, error);
    }
    status = open_pipeline(c, error);
    if (!etw_failed(status)) {
        status = print_events(c, error);
    }
    return etw_stream_close(&c->stream, status, error);
}

static void say_faults(const etw_replay_arguments *arguments, const etw_replay *replay)
{
    etw_fault_counts counts;
    etw_text text = {0};
    etw_replay_get_faults(replay, &counts);
    const struct {
        uint64_t count;
        const char *what;
    } parts[] = {{counts.dropped, "dropped"},
                 {counts.lost, "lost and told"},
                 {counts.duplicated, "given twice"},
                 {counts.reordered, "too early"},
                 {counts.corrupted, "with broken data"}};
    for (size_t i = 0; i < ETW_COUNT_OF(parts); i++) {
        if (parts[i].count > 0) {
            etw_text_printf(&text, "%s%llu %s", text.size == 0 ? "" : ", ",
                            (unsigned long long)parts[i].count, parts[i].what);
        }
    }
    if (text.size > 0 && (!arguments->quiet || arguments->print_seed)) {
        etw_tool_say("a bad day, seed %llu: events %s",
                     (unsigned long long)arguments->replay.faults.seed, etw_text_z(&text));
    } else if (arguments->print_seed) {
        etw_tool_say("seed %llu", (unsigned long long)arguments->replay.faults.seed);
    }
    etw_text_free(&text);
}

etw_exit etw_verb_report(const etw_replay_arguments *arguments)
{
    etw_replay_arguments report = *arguments;
    report.format = "html";
    return etw_verb_cat(&report);
}

static bool can_follow(const cat *c)
{
    const etw_replay_arguments *arguments = c->arguments;
    const char *reason = NULL;
    if (c->format->collector != NULL || c->format->is_folder) {
        reason = "this format is written when all events are known";
    } else if (etw_tool_has_relative_time(arguments)) {
        reason = "times that count from the start or the end of a trace need one that is whole";
    } else if (etw_replay_is_selective(&arguments->replay.selection) &&
               arguments->replay.selection.tail == 0) {
        reason = "what stands around events is not found in a file that grows";
    }
    if (arguments->replay.faults.rounds > 1) {
        reason = "only a trace that is whole can be repeated";
    }
    if (reason != NULL) {
        etw_tool_say("--follow: %s", reason);
        return false;
    }
    etw_follow_catch_interrupts();
    return true;
}

etw_exit etw_verb_cat(const etw_replay_arguments *arguments)
{
    etw_error error = {0};
    if (etw_tool_writes_over_input(arguments)) {
        return ETW_EXIT_USAGE;
    }
    cat c = {.arguments = arguments, .format = choose_format(arguments)};
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
        etw_tool_say("--columns is for text, csv, json and json-array");
        return ETW_EXIT_USAGE;
    }
    if (arguments->rendering.file && c.format->binary) {
        etw_tool_say("--with-file: %s has no place for it", c.format->name);
        return ETW_EXIT_USAGE;
    }
    if (arguments->replay.follow && !can_follow(&c)) {
        return ETW_EXIT_USAGE;
    }
    const etw_status status = run(&c, &error);
    etw_screen_end(&c.screen);
    etw_replay_totals totals = {0};
    if (c.set != NULL) {
        etw_trace_set_get_totals(c.set, &totals);
    }
    if (!etw_failed(status)) {
        for (uint32_t i = 0; i < etw_trace_set_count(c.set); i++) {
            say_faults(arguments, etw_trace_set_replay(c.set, i));
            if (!c.stream.is_closed) {
                etw_tool_say_unexplained(arguments, etw_trace_set_replay(c.set, i));
            }
        }
        etw_trace_set_say_doubts(c.set);
    }
    etw_pipeline_close(c.pipeline);
    etw_trace_set_close(c.set);
    etw_symbols_free(c.symbols);
    etw_schema_store_free(c.store);
    free(c.namers);
    return etw_failed(status) ? etw_tool_fail(&error) : etw_tool_conclude(arguments, &totals);
}
