#include "format/etwcap/events_block.h"

etw_status etw_events_block_decode(etw_decoder *decoder, const etw_block_header *header,
                                   etw_bytes body, uint32_t parts, etw_error *error)
{
    const etw_bytes coded = {body.data + header->head_size, body.size - header->head_size};
    uint32_t count = 0;
    const etw_status status = etw_decoder_decode(decoder, coded, parts, &count, error);
    return status == ETW_OK && count != header->count
               ? etw_error_set(error, ETW_ERROR_DAMAGED, "%u events instead of %u", count,
                               header->count)
               : status;
}
