/* Looking ahead: blocks that are to be delivered are given to whoever decodes them. Whatever else
 * is met, and every block that cannot be read at once, is left to be read in its place. */
#include "format/etwcap/reader_inside.h"

void etw_reader_stop_threads(etw_source *source)
{
    etw_reader *self = etw_reader_of(source);
    if (self->ahead != NULL) {
        etw_decode_ahead_go_on_alone(self->ahead);
    }
}

/* False: it is not for others to decode. Nothing has become of it then. */
static bool put_block(etw_reader *self, const etw_scan_item *block)
{
    const etw_block_header *header = &block->header;
    if (block->kind == ETW_SCAN_GAP || header->kind != ETW_BLOCK_EVENTS ||
        self->offer.take != NULL || self->wanted_from > self->numbered) {
        return false;
    }
    bool excluded = !etw_reader_wants_range(self, header->count, header->first_time_100ns,
                                            header->last_time_100ns);
    if (!excluded &&
        etw_block_filter_look(&self->filter, &self->scan, block, &excluded, NULL) != ETW_OK) {
        return false;
    }
    etw_bytes body;
    if (excluded) {
        self->counts.blocks_skipped++;
    } else if (etw_scan_body(&self->scan, &body, NULL) != ETW_OK ||
               !etw_decode_ahead_put(self->ahead, block, body, self->numbered)) {
        return false;
    }
    self->numbered += header->count;
    return true;
}

/* Until there are blocks enough, or one that is to be read in its place. */
static void look_ahead(etw_reader *self)
{
    while (!self->has_pending && !self->has_stopped && !self->ended &&
           etw_decode_ahead_has_room(self->ahead)) {
        etw_reader_skip_by_index(self);
        self->stop = (etw_error){0};
        const etw_status status = etw_scan_next(&self->scan, &self->pending, &self->stop);
        self->stop.status = status;
        self->has_stopped = status != ETW_OK;
        self->has_pending = status == ETW_OK && !put_block(self, &self->pending);
    }
}

etw_status etw_reader_take_ahead(etw_reader *self, etw_item *item, bool *is_there, bool *reported,
                                 etw_error *error)
{
    look_ahead(self);
    const etw_decoded_block *decoded = etw_decode_ahead_take(self->ahead, &self->decoder);
    *is_there = decoded != NULL;
    if (decoded == NULL) {
        return ETW_OK;
    }
    const etw_scan_item block = decoded->block;
    etw_error failure = {0};
    self->counts.blocks_read++;
    self->first_number = decoded->first_number;
    failure.status = etw_reader_check_events_head(self, &block, decoded->body, &failure);
    if (failure.status == ETW_OK) {
        failure = decoded->error;
    }
    self->event_count = failure.status == ETW_OK ? block.header.count : 0;
    look_ahead(self);
    return etw_reader_conclude_block(self, &block, &failure, item, reported, error);
}
