#include "replay/whole_blocks.h"

#include "replay/replay_inside.h"

static bool lies_within(const etw_filter *filter, const etw_whole_block *block)
{
    return (!filter->has_since || block->first_time_100ns >= filter->since_100ns) &&
           (!filter->has_until || block->last_time_100ns < filter->until_100ns);
}

/* The block that the last event of the head is in is decoded: reading ends with that event. */
static bool wants_all(const etw_replay *replay, const etw_whole_block *block)
{
    const etw_replay_options *options = &replay->options;
    const etw_block_range range = {etw_reader_event_number(replay->source), block->count,
                                   block->first_time_100ns, block->last_time_100ns};
    return lies_within(&options->filter, block) &&
           (options->head == 0 || replay->totals.events + block->count < options->head) &&
           (options->pick == NULL || etw_pick_has_block(options->pick, &range));
}

/* What the file does not explain, but this replay does, a copy is to have: such events come one by
 * one, as those do that tell of others. */
static bool is_explained_here(const etw_whole_kind *kind, const etw_schema *schema)
{
    return kind->file_schema_id == 0 &&
           (schema != NULL ||
            kind->record->EventHeader.EventDescriptor.Id == ETW_MANIFEST_EVENT_ID);
}

static etw_status find_schema(etw_replay *replay, const etw_whole_kind *kind,
                              const etw_schema **schema, etw_error *error)
{
    const etw_item item = {.kind = ETW_ITEM_EVENT,
                           .trace_index = kind->trace_index,
                           .schema_id = kind->schema_id,
                           .record = kind->record};
    return etw_replay_find_schema(replay, &item, schema, error);
}

/* *is_plain: the block can be given. */
static etw_status find_schemas(etw_replay *replay, const etw_whole_block *block, bool *is_plain,
                               etw_error *error)
{
    etw_buffer *found = &replay->block_schemas;
    etw_buffer_clear(found);
    *is_plain = true;
    for (uint32_t i = 0; i < block->kind_count && *is_plain; i++) {
        const etw_whole_kind *kind = &block->kinds[i];
        const etw_schema *schema;
        const etw_status status = find_schema(replay, kind, &schema, error);
        if (etw_failed(status)) {
            return status;
        }
        *is_plain = !is_explained_here(kind, schema);
        etw_buffer_append(found, &schema, sizeof schema);
    }
    return found->failed ? etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for schemas")
                         : ETW_OK;
}

static etw_status give(void *context, const etw_whole_block *block, bool *taken, etw_error *error)
{
    etw_replay *replay = context;
    bool is_plain;
    if (!wants_all(replay, block)) {
        return ETW_OK;
    }
    etw_status status = find_schemas(replay, block, &is_plain, error);
    if (!etw_failed(status) && is_plain) {
        const etw_schema *const *schemas =
            (const etw_schema *const *)(const void *)replay->block_schemas.data;
        status = replay->take_block(replay->take_block_context, block, schemas, taken, error);
        replay->totals.events += *taken ? block->count : 0;
    }
    return status;
}

static bool chooses_by_place_alone(const etw_filter *filter)
{
    return !etw_filter_has_provider(filter) && filter->id_count == 0 && !filter->has_level &&
           filter->process_id_count == 0 && filter->where == NULL;
}

bool etw_replay_give_blocks(etw_replay *replay, etw_block_taker take, void *context)
{
    const etw_replay_options *options = &replay->options;
    const bool is_as_stored = !replay->is_etl && replay->sort == NULL && replay->faults == NULL &&
                              !replay->learns && !options->follow && options->speed <= 0;
    if (!is_as_stored || !chooses_by_place_alone(&options->filter)) {
        return false;
    }
    replay->take_block = take;
    replay->take_block_context = context;
    etw_reader_offer_blocks(replay->source, give, replay);
    return true;
}

/* Only what has no schema is counted, and the column of kinds is looked at only for that. */
static etw_status look_at_kinds(void *context, const etw_whole_block *block, bool *taken,
                                etw_error *error)
{
    etw_replay *replay = context;
    const uint32_t *events = NULL;
    etw_status status = ETW_OK;
    *taken = true;
    for (uint32_t i = 0; i < block->kind_count && !etw_failed(status); i++) {
        const etw_schema *schema;
        status = find_schema(replay, &block->kinds[i], &schema, error);
        if (etw_failed(status) || schema != NULL ||
            !etw_record_needs_schema(block->kinds[i].record)) {
            continue;
        }
        if (events == NULL) {
            status = etw_reader_count_kinds(replay->source, &events, error);
        }
        if (!etw_failed(status) && events[i] > 0) {
            etw_replay_note_unexplained(replay, block->kinds[i].record, events[i]);
        }
    }
    return status;
}

etw_status etw_replay_count_unexplained(etw_replay *replay, etw_error *error)
{
    etw_item item;
    etw_status status = ETW_OK;
    etw_reader_offer_blocks(replay->source, look_at_kinds, replay);
    while (status == ETW_OK) {
        status = etw_source_next(replay->source, &item, error);
    }
    etw_reader_offer_blocks(replay->source, NULL, NULL);
    return status == ETW_END ? ETW_OK : status;
}
