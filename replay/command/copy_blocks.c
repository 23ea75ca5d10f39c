/* What a copy takes over block by block: blocks that deliver no events, and events that need no
 * change. */
#include "replay/command/copy_inside.h"

#include "format/etwcap/body.h"
#include "format/etwcap/side_body.h"
#include "format/event/oracle.h"
#include "replay/command/offsets.h"
#include "replay/command/rundown_file.h"

#include <stdlib.h>

static etw_status copy_anchors(etw_copy *c, etw_copy_input *in, etw_bytes body, etw_error *error)
{
    etw_cursor cursor = etw_cursor_over(body);
    etw_status status = etw_copy_add_new_traces(c, in, error);
    while (!etw_failed(status) && etw_cursor_left(&cursor) > 0) {
        etw_clock_anchor anchor;
        status = etw_clock_anchor_load(&cursor, &anchor, error);
        if (!etw_failed(status) && anchor.trace_index < in->trace_count) {
            const int64_t time_100ns = etw_offset_add(anchor.time_100ns, in->offset_100ns);
            status = etw_copy_wrote(c,
                                    etw_writer_add_clock_anchor(c->writer,
                                                                in->traces[anchor.trace_index],
                                                                anchor.ticks, time_100ns, error),
                                    error);
        }
    }
    return status;
}

/* The schema's number in the copy, 0 where the file does not have it. */
static etw_status number_in_copy(etw_copy *c, const etw_copy_input *in, uint32_t file_id,
                                 uint32_t *id, etw_error *error)
{
    const etw_schema *kept = NULL;
    const etw_schema *schema = etw_reader_schema_of_file(etw_replay_source(in->replay), file_id);
    const etw_status status =
        schema == NULL ? ETW_OK : etw_schema_store_intern(c->store, schema, &kept, error);
    *id = kept == NULL ? 0 : kept->id;
    return status;
}

/* The texts stay as they are; each entry's schema gets its number in the copy. */
static etw_status copy_oracle(etw_copy *c, const etw_copy_input *in, etw_bytes body,
                              etw_error *error)
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
        status = etw_copy_wrote(
            c, etw_writer_add_block(c->writer, ETW_BLOCK_ORACLE, count, bytes, error), error);
    }
    etw_text_free(&blob);
    return status;
}

/* Processes and images are of a host between two boots, and the blocks do not say of which. */
static bool is_one_boot(const etw_copy *c)
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
    etw_copy *c = context;
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
    return etw_copy_wrote(
        c, etw_writer_add_block(c->writer, ETW_BLOCK_RUNDOWN, processes, blob, error), error);
}

etw_status etw_copy_rundowns(etw_copy *c, etw_error *error)
{
    etw_status status = ETW_OK;
    for (uint32_t i = 0; i < c->input_count && !etw_failed(status); i++) {
        status =
            etw_rundown_file_each(etw_replay_input(c->inputs[i].replay), copy_rundown, c, error);
    }
    return status;
}

etw_status etw_copy_on_block(void *context, const etw_side_block *block, etw_error *error)
{
    const uint16_t kind = block->kind;
    const etw_bytes body = block->body;
    etw_copy_input *in = context;
    etw_copy *c = in->copy;
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
        return etw_copy_wrote(c, etw_writer_add_block(c->writer, kind, block->count, body, error),
                              error);
    }
    c->counts->left_behind++;
    return ETW_OK;
}

/* Events blocks. They name traces and schemas by number, so that these must be the copy's as well.
 */

static etw_status has_numbers_of_copy(etw_copy *c, etw_copy_input *in, const etw_whole_block *block,
                                      const etw_schema *const *schemas, bool *has, etw_error *error)
{
    *has = true;
    for (uint32_t i = 0; i < block->kind_count && *has; i++) {
        const etw_whole_kind *kind = &block->kinds[i];
        uint32_t id;
        const etw_status status = etw_copy_map_schema(c, in, schemas[i], &id, error);
        if (etw_failed(status)) {
            return status;
        }
        *has = id == kind->file_schema_id && kind->trace_index < in->trace_count &&
               in->traces[kind->trace_index] == kind->trace_index;
    }
    return ETW_OK;
}

/* Whether no part ends within the block. The first event of a part by time says where that ends: it
 * is looked at. */
static bool fits_part(const etw_copy *c, const etw_whole_block *block, bool begins)
{
    const etw_copy_parts *parts = c->options->parts;
    const uint64_t before = begins ? 0 : c->output_events;
    return parts == NULL ||
           ((parts->most_events == 0 || before + block->count <= parts->most_events) &&
            (parts->most_100ns == 0 ||
             (before > 0 && block->last_time_100ns < c->output_end_100ns)));
}

static etw_status write_block(etw_copy *c, const etw_whole_block *block, bool *taken,
                              etw_error *error)
{
    const etw_copy_parts *parts = c->options->parts;
    const etw_status status =
        etw_copy_wrote(c, etw_writer_add_whole_block(c->writer, block, taken, error), error);
    if (*taken) {
        c->output_events += block->count;
    }
    if (*taken && parts != NULL && parts->most_bytes != 0) {
        etw_writer_submit(c->writer); /* its size decides on the next */
    }
    return status;
}

static etw_status take_block(void *context, const etw_whole_block *block,
                             const etw_schema *const *schemas, bool *taken, etw_error *error)
{
    etw_copy_input *in = context;
    etw_copy *c = in->copy;
    const bool begins_part = etw_copy_is_full(c, block->first_time_100ns);
    const uint32_t index = (uint32_t)(in - c->inputs);
    bool fits = false;
    if (!fits_part(c, block, begins_part) ||
        !etw_trace_set_leads(c->set, index, block->last_time_100ns)) {
        return ETW_OK;
    }
    etw_status status = etw_copy_add_new_traces(c, in, error);
    if (!etw_failed(status)) {
        status = has_numbers_of_copy(c, in, block, schemas, &fits, error);
    }
    if (!etw_failed(status) && fits && begins_part) {
        status = etw_copy_next_output(c, error);
    }
    return etw_failed(status) || !fits ? status : write_block(c, block, taken, error);
}

/* The copy's store gets the schemas of the first file in the order of their numbers, so that they
 * keep them; those of others have them where the files were recorded alike. */
static etw_status keep_numbers(etw_copy *c, const etw_copy_input *in, etw_error *error)
{
    const etw_source *source = etw_replay_source(in->replay);
    const etw_schema *schema;
    for (uint32_t id = 1; (schema = etw_reader_schema_of_file(source, id)) != NULL; id++) {
        const etw_schema *kept;
        const etw_status status = etw_schema_store_intern(c->store, schema, &kept, error);
        if (etw_failed(status)) {
            return status;
        }
        if (kept->id != id) {
            break;
        }
    }
    return ETW_OK;
}

etw_status etw_copy_take_blocks(etw_copy *c, etw_error *error)
{
    const etw_copy_options *o = c->options;
    const bool is_unchanged = o->redaction == NULL && o->keeps == NULL &&
                              o->arguments->writer.level == 0 &&
                              (c->input_count == 1 || o->arguments->replay.head == 0);
    for (uint32_t i = 0; i < c->input_count && o->takes_blocks && is_unchanged; i++) {
        etw_copy_input *in = &c->inputs[i];
        const bool takes =
            in->offset_100ns == 0 && etw_replay_give_blocks(in->replay, take_block, in);
        c->takes_blocks = c->takes_blocks || takes;
    }
    return c->takes_blocks && !etw_replay_is_etl(c->inputs[0].replay)
               ? keep_numbers(c, &c->inputs[0], error)
               : ETW_OK;
}
