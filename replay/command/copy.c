#include "replay/command/copy.h"

#include "format/base/part_file.h"

#include "format/etwcap/block.h"
#include "format/etwcap/body.h"
#include "format/etwcap/side_body.h"
#include "format/event/oracle.h"
#include "replay/command/offsets.h"
#include "replay/command/rundown_file.h"
#include "replay/command/trace_set.h"

#include <stdlib.h>

typedef struct copy copy;

/* One trace file that is read. */
typedef struct input {
    copy *copy; /* for the loss callback */
    etw_replay *replay;
    bool is_pipe;
    int64_t offset_100ns; /* to be added to its times */
    uint32_t *schemas;    /* ids of the replay's store, from 1, to ids of the copy's store */
    uint32_t schema_count;
    uint16_t *traces; /* the source's trace indexes to the writer's */
    uint16_t trace_count;
    uint64_t damaged_events; /* that the reader passed over, known counts */
} input;

struct copy {
    const etw_copy_options *options;
    input *inputs;
    uint32_t input_count;
    etw_trace_set *set;
    etw_schema_store *store;
    etw_redactor *redactor;
    uint64_t number;        /* of the next event, where the caller chooses by it */
    etw_event_maker *maker; /* for the redactor */
    etw_writer *writer;
    const char *output;     /* the name of the one that is being written */
    etw_part_file part;     /* of it; none: it has its own name from the start */
    uint32_t output_number; /* from 1 */
    uint64_t output_events;
    int64_t
        output_end_100ns; /* where the next begins; with parts by time, once there is an event */
    etw_text redacted;    /* for the file info */
    etw_copy_counts *counts;
    etw_status loss_status; /* of the callback, which cannot return one */
    etw_error loss_error;
};

/* Errors of the output name it, as those of an input name that. */
static etw_status wrote(const copy *c, etw_status status, etw_error *error)
{
    const char *name = strcmp(c->output, "-") == 0 ? "stdout" : c->output;
    return etw_failed(status) ? etw_error_wrap(error, status, "%s", name) : status;
}

/* Traces and schemas get new numbers in the copy. */

static etw_status add_trace(copy *c, const input *in, const etw_trace *trace, uint16_t *index,
                            etw_error *error)
{
    if (c->options->redaction == NULL && in->offset_100ns == 0) {
        return wrote(c, etw_writer_add_trace(c->writer, trace, index, error), error);
    }
    etw_trace *safe = malloc(sizeof *safe);
    if (safe == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a trace");
    }
    *safe = *trace;
    if (c->options->redaction != NULL) {
        etw_redact_trace(safe);
    }
    etw_offset_trace(safe, in->offset_100ns);
    const etw_status status = etw_writer_add_trace(c->writer, safe, index, error);
    free(safe);
    return wrote(c, status, error);
}

static etw_status add_new_traces(copy *c, input *in, etw_error *error)
{
    const etw_source *source = etw_replay_source(in->replay);
    const uint16_t count = etw_source_trace_count(source);
    if (count <= in->trace_count) {
        return ETW_OK;
    }
    uint16_t *traces = realloc(in->traces, count * sizeof *traces);
    if (traces == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for %u traces", count);
    }
    in->traces = traces;
    while (in->trace_count < count) {
        const etw_status status = add_trace(c, in, etw_source_trace(source, in->trace_count),
                                            &in->traces[in->trace_count], error);
        if (etw_failed(status)) {
            return status;
        }
        in->trace_count++;
    }
    return ETW_OK;
}

static etw_status add_names_of(copy *c, const etw_schema_store *from, etw_error *error)
{
    const etw_guid *provider;
    const char *name;
    etw_status status = ETW_OK;
    for (uint32_t i = 0;
         !etw_failed(status) && etw_schema_store_provider_at(from, i, &provider, &name); i++) {
        status = etw_schema_store_set_provider_name(c->store, provider, name, error);
    }
    return status;
}

/* Done at the beginning, for blocks written early, and again at the end, when all names are known.
 */
static etw_status add_names(copy *c, etw_error *error)
{
    etw_status status = ETW_OK;
    for (uint32_t i = 0; i < c->input_count && !etw_failed(status); i++) {
        etw_replay *replay = c->inputs[i].replay;
        status = add_names_of(c, etw_replay_schemas(replay), error);
        if (!etw_failed(status) && !etw_replay_is_etl(replay)) {
            status = add_names_of(c, etw_reader_schemas(etw_replay_source(replay)), error);
        }
    }
    return status;
}

static etw_status map_schema(copy *c, input *in, const etw_schema *schema, uint32_t *id,
                             etw_error *error)
{
    *id = 0;
    if (schema == NULL) {
        return ETW_OK;
    }
    if (schema->id > in->schema_count) {
        const uint32_t count = 2 * schema->id + 64;
        uint32_t *longer = realloc(in->schemas, count * sizeof *longer);
        if (longer == NULL) {
            return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for %u schemas", count);
        }
        memset(longer + in->schema_count, 0, (count - in->schema_count) * sizeof *longer);
        in->schemas = longer;
        in->schema_count = count;
    }
    uint32_t *mapped = &in->schemas[schema->id - 1];
    if (*mapped == 0) {
        const etw_schema *kept;
        const etw_status status = etw_schema_store_intern(c->store, schema, &kept, error);
        if (etw_failed(status)) {
            return status;
        }
        *mapped = kept->id;
    }
    *id = *mapped;
    return ETW_OK;
}

/* Blocks that deliver no events. */

static etw_status copy_anchors(copy *c, input *in, etw_bytes body, etw_error *error)
{
    etw_cursor cursor = etw_cursor_over(body);
    etw_status status = add_new_traces(c, in, error);
    while (!etw_failed(status) && etw_cursor_left(&cursor) > 0) {
        etw_clock_anchor anchor;
        status = etw_clock_anchor_load(&cursor, &anchor, error);
        if (!etw_failed(status) && anchor.trace_index < in->trace_count) {
            const int64_t time_100ns = etw_offset_add(anchor.time_100ns, in->offset_100ns);
            status = wrote(c,
                           etw_writer_add_clock_anchor(c->writer, in->traces[anchor.trace_index],
                                                       anchor.ticks, time_100ns, error),
                           error);
        }
    }
    return status;
}

/* The schema's number in the copy, 0 where the file does not have it. */
static etw_status number_in_copy(copy *c, const input *in, uint32_t file_id, uint32_t *id,
                                 etw_error *error)
{
    const etw_schema *kept = NULL;
    const etw_schema *schema = etw_reader_schema_of_file(etw_replay_source(in->replay), file_id);
    const etw_status status =
        schema == NULL ? ETW_OK : etw_schema_store_intern(c->store, schema, &kept, error);
    *id = kept == NULL ? 0 : kept->id;
    return status;
}

/* The texts stay as they are; each entry's schema gets its number in the copy. */
static etw_status copy_oracle(copy *c, const input *in, etw_bytes body, etw_error *error)
{
    etw_text blob = {0};
    etw_oracle_event event;
    etw_cursor cursor = etw_cursor_over(body);
    uint32_t count = 0;
    size_t at = 0;
    etw_text_append(&blob, (const char *)body.data, body.size);
    etw_status status = blob.failed ? etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory")
                                    : etw_oracle_next(&cursor, &event, error);
    while (status == ETW_OK) {
        uint32_t id;
        status = number_in_copy(c, in, event.schema_id, &id, error);
        if (status == ETW_OK) {
            etw_store_u32(blob.data + at + ETW_ORACLE_SCHEMA_ID_OFFSET, id);
            at = (size_t)(cursor.at - body.data);
            count++;
            status = etw_oracle_next(&cursor, &event, error);
        }
    }
    if (status == ETW_END) {
        const etw_bytes bytes = etw_text_bytes(&blob);
        status =
            wrote(c, etw_writer_add_block(c->writer, ETW_BLOCK_ORACLE, count, bytes, error), error);
    }
    etw_text_free(&blob);
    return status;
}

/* Processes and images are of a host between two boots, and the blocks do not say of which. */
static bool is_one_boot(const copy *c)
{
    const etw_trace *first = NULL;
    bool is_one = true;
    for (uint32_t i = 0; i < c->input_count && is_one; i++) {
        is_one = etw_source_is_of_one_boot(etw_replay_source(c->inputs[i].replay), &first);
    }
    return is_one;
}

static etw_status copy_rundown(void *context, etw_bytes blob, etw_error *error)
{
    copy *c = context;
    const bool carries = c->options->carry_blocks || c->options->carry_rundown;
    if (!carries || (c->input_count > 1 && !is_one_boot(c))) {
        c->counts->rundown_left_behind = true;
        return ETW_OK;
    }
    const etw_status checked = etw_side_body_check(ETW_BLOCK_RUNDOWN, 0, blob, error);
    if (etw_failed(checked)) {
        return checked == ETW_ERROR_NO_MEMORY ? checked : ETW_OK; /* told where it stands */
    }
    const uint32_t processes = blob.size < sizeof processes ? 0 : etw_load_u32(blob.data);
    return wrote(c, etw_writer_add_block(c->writer, ETW_BLOCK_RUNDOWN, processes, blob, error),
                 error);
}

/* Whatever events are wanted, and wherever reading ends. Pipes cannot be read ahead. */
static etw_status copy_rundowns(copy *c, etw_error *error)
{
    etw_status status = ETW_OK;
    for (uint32_t i = 0; i < c->input_count && !etw_failed(status); i++) {
        status =
            etw_rundown_file_each(etw_replay_input(c->inputs[i].replay), copy_rundown, c, error);
    }
    return status;
}

static etw_status on_block(void *context, const etw_side_block *block, etw_error *error)
{
    const uint16_t kind = block->kind;
    const etw_bytes body = block->body;
    input *in = context;
    copy *c = in->copy;
    if (c->writer == NULL) {
        return ETW_OK;
    }
    if (kind == ETW_BLOCK_CLOCK_ANCHORS) {
        return copy_anchors(c, in, body, error);
    }
    if (kind == ETW_BLOCK_RUNDOWN) {
        const etw_status status = etw_side_body_check(kind, 0, body, error);
        return etw_failed(status) || !in->is_pipe ? status : copy_rundown(c, body, error);
    }
    if (c->options->carry_blocks && kind == ETW_BLOCK_ORACLE) {
        return copy_oracle(c, in, body, error);
    }
    if (c->options->carry_blocks && kind >= ETW_BLOCK_PRIVATE_FIRST) {
        return wrote(c, etw_writer_add_block(c->writer, kind, block->count, body, error), error);
    }
    c->counts->left_behind++;
    return ETW_OK;
}

/* Events and losses. */

static void on_loss(void *context, const etw_loss *loss)
{
    input *in = context;
    copy *c = in->copy;
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
        c->loss_status = add_new_traces(c, in, &c->loss_error);
    }
    moved.trace_index = moved.trace_index < in->trace_count ? in->traces[moved.trace_index] : 0;
    if (!etw_failed(c->loss_status)) {
        c->loss_status =
            wrote(c, etw_writer_add_loss(c->writer, &moved, &c->loss_error), &c->loss_error);
    }
}

/* Overwrites what is to be redacted, in memory that is valid until the next event. */
static etw_status redact(copy *c, const etw_replay_item *item, etw_event_record *safe,
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

static etw_status write_event(copy *c, input *in, const etw_replay_item *item, etw_error *error)
{
    uint32_t schema_id;
    etw_status status = add_new_traces(c, in, error);
    if (!etw_failed(status)) {
        status = map_schema(c, in, item->schema, &schema_id, error);
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
    return wrote(c, etw_writer_add_event(c->writer, &changed, trace_index, schema_id, error),
                 error);
}

/* The next event, unless a loss before it could not be written. */
static etw_status read_event(copy *c, uint32_t *index, const etw_replay_item **item,
                             etw_error *error)
{
    const etw_status status = etw_trace_set_next(c->set, index, item, error);
    if (!etw_failed(status) && etw_failed(c->loss_status)) {
        *error = c->loss_error;
        return c->loss_status;
    }
    return status;
}

static bool keeps_next(copy *c)
{
    const etw_copy_options *o = c->options;
    return o->keeps == NULL || o->keeps(o->keeps_context, c->number++);
}

/* Begin and end. */

static void prepare_input(void *context, uint32_t index, etw_replay_options *options)
{
    copy *c = context;
    c->inputs[index].copy = c;
    options->loss = on_loss;
    options->block = on_block;
    options->loss_context = options->block_context = &c->inputs[index];
}

static etw_status open_inputs(copy *c, etw_error *error)
{
    const etw_status status = etw_trace_set_open(c->set, error);
    for (uint32_t i = 0; i < c->input_count && !etw_failed(status); i++) {
        c->inputs[i].replay = etw_trace_set_replay(c->set, i);
        c->inputs[i].is_pipe = etw_trace_set_is_pipe(c->set, i);
        c->inputs[i].offset_100ns = etw_trace_set_offset_100ns(c->set, i);
    }
    return status;
}

static const etw_os *os_of(const copy *c)
{
    const etw_os *os = c->options->arguments->replay.os;
    return os != NULL ? os : etw_os_default();
}

static etw_status reserve_part(copy *c, etw_error *error)
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
static etw_status settle_part(copy *c, etw_status status, etw_error *error)
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
static const char *describe_redaction(copy *c)
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

static etw_status open_output(copy *c, etw_error *error)
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
        status = add_new_traces(c, &c->inputs[i], error);
    }
    if (!etw_failed(status)) {
        status = add_names(c, error);
    }
    return etw_failed(status) ? status : copy_rundowns(c, error);
}

static etw_status add_filtered(copy *c, etw_error *error)
{
    if (c->options->filtered_detail == NULL || c->counts->passed_over == 0) {
        return ETW_OK;
    }
    etw_loss loss = {.cause = ETW_LOSS_FILTERED, .events = c->counts->passed_over};
    etw_loss_set_detail(&loss, "%s", c->options->filtered_detail);
    return wrote(c, etw_writer_add_loss(c->writer, &loss, error), error);
}

/* Events of the input that were not wanted, those in blocks that were not even read included, as
 * far as the file tells how many it has. */
static uint64_t left_out(const input *in, const etw_replay_totals *totals)
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
static etw_status check_found(const copy *c, etw_error *error)
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

static void sum_up(copy *c)
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
    c->counts->schemas = etw_schema_store_count(c->store);
    if (c->redactor != NULL) {
        etw_redactor_get_counts(c->redactor, &c->counts->redacted);
        c->counts->keeps_unexplained = c->options->redaction->keeps_unexplained;
    }
}

/* After a failure of an input the file is closed with what was read, and the failure is in it. */
static etw_status finish(copy *c, etw_status status, etw_error *error)
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
        status = add_names(c, error);
    }
    if (!etw_failed(status)) {
        status = wrote(c, etw_writer_finish(c->writer, error), error);
    }
    return status;
}

/* What the file holds, not what was handed to the writer. */
static void count_output(copy *c)
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

static etw_status name_output(copy *c, etw_error *error)
{
    const etw_copy_parts *parts = c->options->parts;
    c->output_number++;
    c->output = parts == NULL ? c->options->arguments->output
                              : parts->name(parts->context, c->output_number);
    return c->output != NULL ? ETW_OK
                             : etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a name");
}

/* Closes the output, and begins the next with the same traces and schemas. */
static etw_status next_output(copy *c, etw_error *error)
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

static bool is_full(const copy *c, int64_t time_100ns)
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
static void move_end(copy *c, int64_t time_100ns)
{
    const int64_t step = c->options->parts->most_100ns;
    const bool is_first = c->output_number == 1 && c->output_events == 0;
    const int64_t from = is_first ? time_100ns : c->output_end_100ns;
    const uint64_t steps = is_first ? 0 : ((uint64_t)time_100ns - (uint64_t)from) / (uint64_t)step;
    if (__builtin_add_overflow(from, (int64_t)(steps + 1) * step, &c->output_end_100ns)) {
        c->output_end_100ns = INT64_MAX;
    }
}

static etw_status take_event(copy *c, uint32_t index, const etw_replay_item *item, etw_error *error)
{
    input *in = &c->inputs[index];
    const etw_copy_parts *parts = c->options->parts;
    const int64_t time_100ns =
        etw_clock_to_filetime(&item->trace->clock, item->record->EventHeader.TimeStamp);
    etw_status status = ETW_OK;
    if (is_full(c, time_100ns)) {
        status = next_output(c, error);
    }
    if (parts != NULL && parts->most_100ns != 0 && c->output_events == 0) {
        move_end(c, time_100ns);
    }
    c->output_events++;
    return etw_failed(status) ? status : write_event(c, in, item, error);
}

static etw_status copy_events(copy *c, etw_error *error)
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

static etw_status collect_inputs(copy *c, etw_error *error)
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

static etw_status run(copy *c, etw_error *error)
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
    copy c = {.options = options, .counts = counts};
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
