/* The body of an EVENTS block as it stands in a file: its head, then what the codec made. */
#ifndef ETW_FORMAT_ETWCAP_EVENTS_BLOCK_H
#define ETW_FORMAT_ETWCAP_EVENTS_BLOCK_H

#include "format/etwcap/block.h"
#include "format/etwcap/body.h"
#include "format/etwcap/codec/codec.h"

/* Decodes what stands behind the head; as etw_decoder_decode. DAMAGED too where the header counts
 * other events: header->count are there, then. */
etw_status etw_events_block_decode(etw_decoder *decoder, const etw_block_header *header,
                                   etw_bytes body, uint32_t parts, etw_error *error);

/* The view of its head, checked. */
static inline etw_status etw_events_block_head(const etw_block_header *header, etw_bytes body,
                                               etw_events_head *head, etw_error *error)
{
    return etw_events_head_load((etw_bytes){body.data, header->head_size}, header->count, head,
                                error);
}

#endif
