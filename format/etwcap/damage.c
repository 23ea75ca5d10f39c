#include "format/etwcap/damage.h"

void etw_damage_of_block(const etw_scan_item *block, etw_status status, const char *why,
                         etw_loss *loss)
{
    const etw_block_header *header = &block->header;
    const bool is_limit = status == ETW_ERROR_LIMIT;
    *loss = (etw_loss){.cause = is_limit ? ETW_LOSS_LIMIT : ETW_LOSS_DAMAGE,
                       .events = header->kind == ETW_BLOCK_EVENTS ? header->count : 0,
                       .buffers = 1,
                       .bytes = ETW_BLOCK_HEADER_SIZE + (uint64_t)header->stored_size,
                       .from_time_100ns = header->first_time_100ns,
                       .to_time_100ns = header->last_time_100ns};
    etw_loss_set_detail(loss, "%s block %llu at offset %llu: %s", etw_block_kind_name(header->kind),
                        (unsigned long long)header->sequence, (unsigned long long)block->offset,
                        why);
}

void etw_damage_of_gap(const etw_scan_item *gap, etw_loss *loss)
{
    *loss = (etw_loss){.cause = ETW_LOSS_DAMAGE,
                       .events = gap->missing > 0 ? ETW_LOSS_COUNT_UNKNOWN : 0,
                       .buffers = gap->missing,
                       .bytes = gap->size};
    etw_loss_set_detail(
        loss, "%llu bytes at offset %llu: %s; %llu blocks from number %llu on are missing",
        (unsigned long long)gap->size, (unsigned long long)gap->offset, gap->what,
        (unsigned long long)gap->missing, (unsigned long long)gap->first_missing);
}

void etw_damage_of_end(const etw_scan *scan, etw_loss *loss)
{
    const bool torn_events = scan->has_torn && scan->torn.kind == ETW_BLOCK_EVENTS;
    *loss = (etw_loss){
        .cause = ETW_LOSS_TRUNCATED, .events = ETW_LOSS_COUNT_UNKNOWN, .bytes = scan->torn_bytes};
    if (torn_events) {
        loss->from_time_100ns = scan->torn.first_time_100ns;
        loss->to_time_100ns = scan->torn.last_time_100ns;
    }
    etw_loss_set_detail(
        loss,
        "the file ends at offset %llu without its end block; %llu bytes of a cut-off "
        "block of %u events",
        (unsigned long long)(scan->end_offset + scan->torn_bytes),
        (unsigned long long)scan->torn_bytes, torn_events ? scan->torn.count : 0);
}
