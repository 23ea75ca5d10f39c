#include "replay/command/copy_inside.h"
#include "replay/command/doubts.h"
#include "replay/command/progress.h"
#include "replay/command/stream.h"

#include "format/etwcap/body.h"
#include "replay/command/offsets.h"

#include <stdlib.h>

etw_status etw_copy_wrote(const etw_copy *c, etw_status status, etw_error *error)
{
    const char *name = strcmp(c->output, "-") == 0 ? "stdout" : c->output;
    return etw_failed(status) ? etw_error_wrap(error, status, "%s", name) : status;
}

/* Events and losses. */

static void on_loss(void *context, const etw_loss *loss)
{
    etw_copy_input *in = context;
    etw_copy *c = in->copy;
    if (etw_failed(c->loss_status)) {
        return;
    }
    if (loss->cause == ETW_LOSS_DAMAGE && loss->events != ETW_LOSS_COUNT_UNKNOWN) {
        in->damaged_events += loss->events;
    }
    etw_loss moved = *loss;
    if (c->redactor != NULL && loss->cause != ETW_LOSS_FILTERED) {
        moved.detail[0] = '\0'; /* the names of files are in some */
    }
    if (moved.from_time_100ns != 0 || moved.to_time_100ns != 0) {
        moved.from_time_100ns = etw_offset_add(moved.from_time_100ns, in->offset_100ns);
        moved.to_time_100ns = etw_offset_add(moved.to_time_100ns, in->offset_100ns);
    }
    if (moved.trace_index >= in->trace_count) {
        c->loss_status = etw_copy_add_new_traces(c, in, &c->loss_error);
    }
    moved.trace_index = moved.trace_index < in->trace_count ? in->traces[moved.trace_index] : 0;
    if (!etw_failed(c->loss_status)) {
        c->loss_status = etw_copy_wrote(c, etw_writer_add_loss(c->writer, &moved, &c->loss_error),
                                        &c->loss_error);
    }
}

/* Overwrites what is to be redacted, in memory that is valid until the next event. */
static etw_status redact(etw_copy *c, const etw_replay_item *item, etw_event_record *safe,
                         etw_error *error)
{
    const etw_event *event =
        etw_event_make(c->maker, item->record, item->trace, item->schema, item->provider_name);
    if (event == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory to compile a schema");
    }
    etw_redactor_apply(c->redactor, event, safe);
    return ETW_OK;
}

static etw_status write_event(etw_copy *c, etw_copy_input *in, const etw_replay_item *item,
                              etw_error *error)
{
    uint32_t schema_id;
    etw_status status = etw_copy_add_new_traces(c, in, error);
    if (!etw_failed(status)) {
        status = etw_copy_map_schema(c, in, item->schema, &schema_id, error);
    }
    etw_event_record changed = *item->record;
    if (!etw_failed(status) && c->redactor != NULL) {
        status = redact(c, item, &changed, error);
    }
    if (item->trace->clock.type == ETW_CLOCK_SYSTEM_TIME) { /* the ticks are the time */
        changed.EventHeader.TimeStamp =
            etw_offset_add(changed.EventHeader.TimeStamp, in->offset_100ns);
    }
    if (etw_failed(status)) {
        return status;
    }
    const uint16_t trace_index = in->traces[etw_replay_trace_index(in->replay)];
    return etw_copy_wrote(
        c, etw_writer_add_event(c->writer, &changed, trace_index, schema_id, error), error);
}

/* The next event, unless a loss before it could not be written. */
static etw_status read_event(etw_copy *c, uint32_t *index, const etw_replay_item **item,
                             etw_error *error)
{
    const etw_status status = etw_trace_set_next(c->set, index, item, error);
    if (!etw_failed(status) && etw_failed(c->loss_status)) {
        *error = c->loss_error;
        return c->loss_status;
    }
    return status;
}

static bool keeps_next(etw_copy *c)
{
    const etw_copy_options *o = c->options;
    return o->keeps == NULL || o->keeps(o->keeps_context, c->number++);
}

/* Begin and end. */

static void prepare_input(void *context, uint32_t index, etw_replay_options *options)
{
    etw_copy *c = context;
    c->inputs[index].copy = c;
    options->loss = on_loss;
    options->block = etw_copy_on_block;
    options->loss_context = options->block_context = &c->inputs[index];
}

static etw_status open_inputs(etw_copy *c, etw_error *error)
{
    const etw_status status = etw_trace_set_open(c->set, error);
    for (uint32_t i = 0; i < c->input_count && !etw_failed(status); i++) {
        c->inputs[i].replay = etw_trace_set_replay(c->set, i);
        c->inputs[i].is_pipe = etw_trace_set_is_pipe(c->set, i);
        c->inputs[i].offset_100ns = etw_trace_set_offset_100ns(c->set, i);
    }
    return status;
}

static const etw_os *os_of(const etw_copy *c)
{
    const etw_os *os = c->options->arguments->replay.os;
    return os != NULL ? os : etw_os_default();
}

static etw_status reserve_part(etw_copy *c, etw_error *error)
{
    const etw_replay_arguments *arguments = c->options->arguments;
    bool wants_part = false;
    if (c->options->is_part || strcmp(c->output, "-") == 0) {
        return ETW_OK;
    }
    const etw_status status =
        etw_tool_wants_part(os_of(c), c->output, arguments->writer.replace, &wants_part, error);
    return etw_failed(status) || !wants_part
               ? status
               : etw_part_reserve(os_of(c), c->output, &c->part, error);
}

/* The part gets its name once it is whole; else it stays where it may be of use. */
static etw_status settle_part(etw_copy *c, etw_status status, etw_error *error)
{
    const etw_replay_arguments *arguments = c->options->arguments;
    if (c->part.name.size == 0) {
        return status;
    }
    if (!etw_failed(status)) {
        c->counts->files++;
        return etw_part_settle(os_of(c), &c->part, c->output, arguments->writer.replace, error);
    }
    if (c->counts->file_bytes > 0 && c->redactor == NULL) {
        etw_tool_say("what was written until then is in %s", etw_text_z(&c->part.name));
    } else {
        etw_part_remove(os_of(c), &c->part);
        c->counts->file_bytes = 0;
    }
    return status;
}

/* What this copy and those before it took out, once each. */
static const char *describe_redaction(etw_copy *c)
{
    const etw_redaction *redaction = c->options->redaction;
    etw_text *text = &c->redacted;
    for (uint32_t i = 0; i < c->input_count; i++) {
        etw_file_summary summary;
        if (!etw_replay_is_etl(c->inputs[i].replay) &&
            !etw_failed(
                etw_reader_summary(etw_replay_source(c->inputs[i].replay), &summary, NULL)) &&
            summary.redacted[0] != '\0' && strstr(etw_text_z(text), summary.redacted) == NULL) {
            etw_text_printf(text, "%s%s", text->size > 0 ? ", " : "", summary.redacted);
        }
    }
    if (redaction != NULL && redaction->strings &&
        strstr(etw_text_z(text), "all strings") == NULL) {
        etw_text_printf(text, "%sall strings", text->size > 0 ? ", " : "");
    }
    for (uint32_t i = 0; redaction != NULL && i < redaction->name_count; i++) {
        etw_text_printf(text, "%s%s", text->size > 0 ? ", " : "", redaction->names[i]);
    }
    return text->size > 0 ? etw_text_z(text) : NULL;
}

static etw_status open_output(etw_copy *c, etw_error *error)
{
    const etw_replay_arguments *arguments = c->options->arguments;
    etw_writer_options writer = arguments->writer;
    etw_status status = reserve_part(c, error);
    if (etw_failed(status)) {
        return status;
    }
    writer.store = c->store;
    writer.redacted = describe_redaction(c);
    writer.replace = writer.replace || c->part.name.size > 0;
    const char *path = c->part.name.size > 0 ? etw_text_z(&c->part.name) : c->output;
    status = etw_tool_explain_exists(
        c->output, etw_writer_create(os_of(c), path, &writer, &c->writer, error), error);
    for (uint32_t i = 0; i < c->input_count && !etw_failed(status); i++) {
        status = etw_copy_add_new_traces(c, &c->inputs[i], error);
    }
    if (!etw_failed(status)) {
        status = etw_copy_add_names(c, error);
    }
    return etw_failed(status) ? status : etw_copy_rundowns(c, error);
}

static etw_status add_filtered(etw_copy *c, etw_error *error)
{
    if (c->options->filtered_detail == NULL || c->counts->passed_over == 0) {
        return ETW_OK;
    }
    etw_loss loss = {.cause = ETW_LOSS_FILTERED, .events = c->counts->passed_over};
    etw_loss_set_detail(&loss, "%s", c->options->filtered_detail);
    return etw_copy_wrote(c, etw_writer_add_loss(c->writer, &loss, error), error);
}

/* Events of the input that were not wanted, those in blocks that were not even read included, as
 * far as the file tells how many it has. */
static uint64_t left_out(const etw_copy_input *in, const etw_replay_totals *totals)
{
    etw_file_summary summary;
    if (etw_replay_is_etl(in->replay) ||
        etw_failed(etw_reader_summary(etw_replay_source(in->replay), &summary, NULL)) ||
        !summary.complete || summary.events < totals->events + in->damaged_events) {
        return totals->passed_over;
    }
    return summary.events - totals->events - in->damaged_events;
}

/* A name that was mistyped redacts nothing, and what it was to hide would leave the house. */
static etw_status check_found(const etw_copy *c, etw_error *error)
{
    const char *name;
    uint32_t at = 0;
    etw_status status = ETW_OK;
    while (c->redactor != NULL && (name = etw_redactor_not_found(c->redactor, &at)) != NULL) {
        if (c->options->arguments->allow_missing) {
            etw_tool_say("no property is named %s: nothing was overwritten for it", name);
        } else if (status == ETW_OK) {
            status = etw_error_set(error, ETW_ERROR_NOT_FOUND,
                                   "--redact %s: no event has a property of that name, so nothing "
                                   "was written; --allow-missing goes on without it",
                                   name);
        }
    }
    return status;
}

static void sum_up(etw_copy *c)
{
    for (uint32_t i = 0; i < c->input_count; i++) {
        etw_replay_totals totals;
        etw_tool_say_unseen_names(c->inputs[i].replay);
        etw_replay_get_totals(c->inputs[i].replay, &totals);
        c->counts->passed_over += left_out(&c->inputs[i], &totals);
        c->counts->loss_records += totals.losses;
        c->counts->lost_events += totals.lost_events;
        c->counts->lost_unknown |= totals.lost_unknown;
    }
    c->counts->schemas = etw_copy_count_schemas(c);
    if (c->redactor != NULL) {
        etw_redactor_get_counts(c->redactor, &c->counts->redacted);
        c->counts->keeps_unexplained = c->options->redaction->keeps_unexplained;
    }
}

/* After a failure of an input the file is closed with what was read, and the failure is in it. */
static etw_status finish(etw_copy *c, etw_status status, etw_error *error)
{
    etw_error second = {0};
    if (etw_failed(status)) {
        etw_loss loss = {.cause = ETW_LOSS_TRUNCATED, .events = ETW_LOSS_COUNT_UNKNOWN};
        const bool tells = error != NULL && c->redactor == NULL;
        etw_loss_set_detail(&loss, "%s", tells ? error->message : etw_status_name(status));
        etw_ignore(etw_writer_add_loss(c->writer, &loss, &second));
        etw_ignore(etw_writer_finish(c->writer, &second));
        return status;
    }
    status = add_filtered(c, error);
    if (!etw_failed(status)) {
        status = etw_copy_add_names(c, error);
    }
    if (!etw_failed(status)) {
        status = etw_copy_wrote(c, etw_writer_finish(c->writer, error), error);
    }
    return status;
}

/* What the file holds, not what was handed to the writer. */
static void count_output(etw_copy *c)
{
    etw_writer_counts counts;
    etw_writer_get_counts(c->writer, &counts);
    c->counts->file_bytes += counts.bytes;
    c->counts->events += counts.written;
    c->counts->dropped += counts.dropped;
    if (counts.dropped > 0) {
        c->counts->loss_records++;
        c->counts->lost_events += counts.dropped;
    }
}

/* Parts. */

static etw_status name_output(etw_copy *c, etw_error *error)
{
    const etw_copy_parts *parts = c->options->parts;
    c->output_number++;
    c->output = parts == NULL ? c->options->arguments->output
                              : parts->name(parts->context, c->output_number);
    return c->output != NULL ? ETW_OK
                             : etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a name");
}

/* Closes the output, and begins the next with the same traces and schemas. */
etw_status etw_copy_next_output(etw_copy *c, etw_error *error)
{
    etw_status status = finish(c, ETW_OK, error);
    count_output(c);
    etw_writer_free(c->writer);
    c->writer = NULL;
    status = settle_part(c, status, error);
    etw_part_free(&c->part);
    c->output_events = 0;
    for (uint32_t i = 0; i < c->input_count; i++) {
        c->inputs[i].trace_count = 0; /* they get numbers in the next */
    }
    if (!etw_failed(status)) {
        status = name_output(c, error);
    }
    return etw_failed(status) ? status : open_output(c, error);
}

bool etw_copy_is_full(const etw_copy *c, int64_t time_100ns)
{
    const etw_copy_parts *parts = c->options->parts;
    etw_writer_counts counts = {0};
    if (parts == NULL || c->output_events == 0) {
        return false;
    }
    if (parts->most_bytes != 0) {
        etw_writer_get_counts(c->writer, &counts);
    }
    return (parts->most_events != 0 && c->output_events >= parts->most_events) ||
           (parts->most_bytes != 0 && counts.bytes >= parts->most_bytes) ||
           (parts->most_100ns != 0 && time_100ns >= c->output_end_100ns);
}

/* Where nothing happened for a while, no parts are made. */
static void move_end(etw_copy *c, int64_t time_100ns)
{
    const int64_t step = c->options->parts->most_100ns;
    const bool is_first = c->output_number == 1 && c->output_events == 0;
    const int64_t from = is_first ? time_100ns : c->output_end_100ns;
    const uint64_t steps = is_first ? 0 : ((uint64_t)time_100ns - (uint64_t)from) / (uint64_t)step;
    if (__builtin_add_overflow(from, (int64_t)(steps + 1) * step, &c->output_end_100ns)) {
        c->output_end_100ns = INT64_MAX;
    }
}

static etw_status take_event(etw_copy *c, uint32_t index, const etw_replay_item *item,
                             etw_error *error)
{
    etw_copy_input *in = &c->inputs[index];
    const etw_copy_parts *parts = c->options->parts;
    const int64_t time_100ns =
        etw_clock_to_filetime(&item->trace->clock, item->record->EventHeader.TimeStamp);
    etw_status status = ETW_OK;
    if (etw_copy_is_full(c, time_100ns)) {
        status = etw_copy_next_output(c, error);
    }
    if (parts != NULL && parts->most_100ns != 0 && c->output_events == 0) {
        move_end(c, time_100ns);
    }
    c->output_events++;
    return etw_failed(status) ? status : write_event(c, in, item, error);
}

static etw_status copy_events(etw_copy *c, etw_error *error)
{
    etw_progress progress;
    uint32_t index;
    const etw_replay_item *item;
    etw_status status;
    etw_progress_begin(&progress, c->options->arguments, c->options->progress, "B");
    etw_trace_set_watch(c->set, &progress);
    while ((status = read_event(c, &index, &item, error)) == ETW_OK) {
        status = keeps_next(c) ? take_event(c, index, item, error) : ETW_OK;
        if (etw_failed(status)) {
            break;
        }
    }
    etw_progress_end(&progress);
    return status == ETW_END ? ETW_OK : status;
}

static etw_status collect_inputs(etw_copy *c, etw_error *error)
{
    etw_trace_set_options options = {.arguments = c->options->arguments,
                                     .input = c->options->input,
                                     .sorts_one = c->options->sorts_one,
                                     .replay = c->options->arguments->replay,
                                     .prepare = prepare_input,
                                     .context = c};
    options.replay.raw_time = true;
    return etw_trace_set_new(&options, &c->set, error);
}

static etw_status run(etw_copy *c, etw_error *error)
{
    c->store = etw_schema_store_new();
    const etw_status collected = collect_inputs(c, error);
    if (etw_failed(collected)) {
        return collected;
    }
    c->input_count = etw_trace_set_count(c->set);
    c->inputs = calloc(c->input_count, sizeof *c->inputs);
    if (c->options->redaction != NULL) {
        c->redactor = etw_redactor_new(c->options->redaction);
        c->maker = etw_event_maker_new(true);
    }
    if (c->store == NULL || c->inputs == NULL ||
        (c->options->redaction != NULL && (c->redactor == NULL || c->maker == NULL))) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory");
    }
    etw_status status = open_inputs(c, error);
    if (!etw_failed(status)) {
        status = etw_copy_take_blocks(c, error);
    }
    if (!etw_failed(status)) {
        status = name_output(c, error);
    }
    if (!etw_failed(status)) {
        status = open_output(c, error);
    }
    if (etw_failed(status)) {
        return status;
    }
    status = copy_events(c, error);
    sum_up(c);
    if (!etw_failed(status)) {
        status = check_found(c, error);
    }
    if (c->writer != NULL) { /* else a part could not be begun */
        status = finish(c, status, error);
        count_output(c);
    }
    return status;
}

etw_status etw_copy_run(const etw_copy_options *options, etw_copy_counts *counts, etw_error *error)
{
    etw_copy c = {.options = options, .counts = counts};
    *counts = (etw_copy_counts){0};
    c.output = options->arguments->output;
    etw_status status = run(&c, error);
    etw_writer_free(c.writer);
    status = settle_part(&c, status, error);
    etw_part_free(&c.part);
    etw_text_free(&c.redacted);
    for (uint32_t i = 0; c.inputs != NULL && i < c.input_count; i++) {
        free(c.inputs[i].schemas);
        free(c.inputs[i].traces);
    }
    free(c.inputs);
    etw_trace_set_close(c.set);
    etw_redactor_free(c.redactor);
    etw_event_maker_free(c.maker);
    etw_schema_store_free(c.store);
    return status;
}
