#include "format/etwcap/block_offer.h"

etw_status etw_block_offer_make(etw_block_offer *offer, etw_decoder *decoder,
                                const etw_file_schemas *schemas, etw_whole_block *block,
                                etw_error *error)
{
    const etw_bytes columns = {block->body.data + block->head_size,
                               block->body.size - block->head_size};
    etw_buffer_clear(&offer->kinds);
    offer->kind_count = 0;
    const etw_status status =
        etw_decoder_decode_kinds(decoder, columns, block->count, &block->kind_count, error);
    for (uint32_t i = 0; i < block->kind_count; i++) {
        etw_item item;
        etw_decoder_kind(decoder, i, &item);
        const etw_whole_kind kind = {item.record, item.trace_index, item.schema_id,
                                     etw_file_schemas_id(schemas, item.schema_id)};
        etw_buffer_append(&offer->kinds, &kind, sizeof kind);
    }
    block->kinds = (const etw_whole_kind *)(const void *)offer->kinds.data;
    offer->kind_count = block->kind_count;
    return status == ETW_OK && offer->kinds.failed
               ? etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for a block's kinds")
               : status;
}

etw_status etw_block_offer_count(etw_block_offer *offer, etw_decoder *decoder,
                                 const uint32_t **counts, etw_error *error)
{
    const etw_status status = etw_decoder_count_kinds(decoder, error);
    etw_buffer_clear(&offer->counts);
    for (uint32_t i = 0; i < offer->kind_count; i++) {
        etw_buffer_append_u32(&offer->counts, etw_decoder_kind_events(decoder, i));
    }
    *counts = (const uint32_t *)(const void *)offer->counts.data;
    return status == ETW_OK && offer->counts.failed
               ? etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for a block's kinds")
               : status;
}

void etw_block_offer_free(etw_block_offer *offer)
{
    etw_buffer_free(&offer->kinds);
    etw_buffer_free(&offer->counts);
}
