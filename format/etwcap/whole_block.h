/* Events blocks that are taken as they stand in a file, without being decoded: to copy a part of a
 * file at the speed of its bytes. */
#ifndef ETW_FORMAT_ETWCAP_WHOLE_BLOCK_H
#define ETW_FORMAT_ETWCAP_WHOLE_BLOCK_H

#include "format/event/source.h"

/* Events of one kind: what all of them have in common. */
typedef struct etw_whole_kind {
    const etw_event_record *record; /* without times, ids of threads, user data and items */
    uint16_t trace_index;
    uint32_t file_schema_id; /* as the block has it; 0: none */
    uint32_t schema_id;      /* as events of the source have it; 0: none */
} etw_whole_kind;

/* Of its header, and the body, whose hash was checked, without a mask. Columns were not looked at:
 * a block that was damaged before it was hashed is told by whoever decodes it. */
typedef struct etw_whole_block {
    uint32_t count; /* of events */
    uint32_t raw_size;
    uint32_t head_size;
    int64_t first_time_100ns, last_time_100ns;
    etw_bytes body;
    const etw_whole_kind *kinds;
    uint32_t kind_count;
} etw_whole_block;

/* What it is given is lent for the call. *taken, which is false before: the block's events are not
 * delivered. A failure ends the reading. */
typedef etw_status (*etw_whole_block_taker)(void *context, const etw_whole_block *block,
                                            bool *taken, etw_error *error);

/* From now on each events block is offered to take, in its place, before it is decoded; those that
 * options pass over are not. NULL: none any more. source: of etw_reader_open. */
ETW_API void etw_reader_offer_blocks(etw_source *source, etw_whole_block_taker take, void *context);

/* For take, while it is called: how many events the block has of each of its kinds, lent until it
 * returns. Of their columns no more is looked at than that needs. */
ETW_API_CHECKED etw_status etw_reader_count_kinds(etw_source *source, const uint32_t **counts,
                                                  etw_error *error);

struct etw_writer;
/* Appends such a block behind the events and blocks added before. Each schema_id of its kinds must
 * be 0 or a number of the writer's store that is the same as the block's own; so must each trace's
 * be. *written false: the file cannot hold one of its schemas, and nothing was added. */
ETW_API_CHECKED etw_status etw_writer_add_whole_block(struct etw_writer *writer,
                                                      const etw_whole_block *block, bool *written,
                                                      etw_error *error);

#endif
