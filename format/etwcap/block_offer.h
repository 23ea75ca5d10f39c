/* An events block as whoever copies whole blocks is shown it (whole_block.h). */
#ifndef ETW_FORMAT_ETWCAP_BLOCK_OFFER_H
#define ETW_FORMAT_ETWCAP_BLOCK_OFFER_H

#include "format/etwcap/block.h"
#include "format/etwcap/events_block.h"
#include "format/etwcap/file_schemas.h"
#include "format/etwcap/whole_block.h"

/* All zeros: to nobody. */
typedef struct etw_block_offer {
    etw_whole_block_taker take;
    void *context;
    etw_buffer kinds; /* of the block, etw_whole_kind */
    uint32_t kind_count;
    etw_buffer counts; /* by kind, where they were asked for */
} etw_block_offer;

/* *block is lent until the next call, or until the decoder is used. Only what its header says, and
 * its kinds, are looked at. */
etw_status etw_block_offer_make(etw_block_offer *offer, etw_decoder *decoder,
                                const etw_file_schemas *schemas, etw_whole_block *block,
                                etw_error *error);
/* Of the block that was offered last; as etw_reader_count_kinds. */
etw_status etw_block_offer_count(etw_block_offer *offer, etw_decoder *decoder,
                                 const uint32_t **counts, etw_error *error);
void etw_block_offer_free(etw_block_offer *offer);

/* What the header of a block says. */
static inline etw_whole_block etw_whole_block_of(const etw_block_header *header, etw_bytes body)
{
    return (etw_whole_block){.count = header->count,
                             .raw_size = header->raw_size,
                             .head_size = header->head_size,
                             .first_time_100ns = header->first_time_100ns,
                             .last_time_100ns = header->last_time_100ns,
                             .body = body};
}

#endif
