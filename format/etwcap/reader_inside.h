/* What a reader of .etwcap files is made of: for reader.c, which reads on, and reader_open.c. */
#ifndef ETW_FORMAT_ETWCAP_READER_INSIDE_H
#define ETW_FORMAT_ETWCAP_READER_INSIDE_H

#include "format/etwcap/block_filter.h"
#include "format/etwcap/block_offer.h"
#include "format/etwcap/damage.h"
#include "format/etwcap/decode_ahead.h"
#include "format/etwcap/events_block.h"
#include "format/etwcap/file_counts.h"
#include "format/etwcap/file_schemas.h"
#include "format/etwcap/index_chain.h"
#include "format/etwcap/reader.h"
#include "format/etwcap/scan.h"
#include "format/etwcap/trace_table.h"
#include "format/etwcap/unfold.h"

typedef struct etw_reader {
    etw_source source;
    const etw_os *os;
    int file;
    bool owns_file;
    bool seekable;
    bool cut_head; /* the file ends inside its head */
    etw_reader_options options;
    etw_block_filter filter;
    uint64_t file_bytes;
    etw_unfolded unfolded; /* of a folded file, which scan and side then read */
    etw_scan scan;
    etw_scan side; /* for blocks out of order: summary, index, schemas */
    etw_index_chain index;
    etw_file_schemas schemas;
    bool schemas_loaded; /* all of them, by the index */
    etw_trace_table traces;
    etw_decoder *decoder;
    etw_decode_ahead *ahead; /* NULL: blocks are decoded when they are met */
    bool has_stopped;        /* looking ahead has: why, told when all that was met is delivered */
    etw_error stop;
    uint32_t event_count, event_next; /* of the block in decoder */
    uint64_t first_number;            /* of its events in the file */
    uint64_t numbered;                /* events of all blocks met so far */
    uint64_t wanted_from;             /* no event before this number is delivered */
    etw_block_offer offer;
    etw_buffer losses;      /* a loss block's body ... */
    etw_cursor loss_cursor; /* ... and where in it */
    uint32_t losses_left;
    etw_loss loss;
    bool has_pending; /* pending was met while opening */
    etw_scan_item pending;
    bool ended;
    uint32_t version_major, version_minor;
    /* Pairs of the file info, of one size: */
    char application[256], redacted[256], builds[256];
    etw_file_counts held; /* what the file holds in all */
    etw_reader_counts counts;
} etw_reader;

/* What sources do, by reading on. */
extern const etw_source_ops etw_reader_ops;

/* *reported: item is a loss. */
etw_status etw_reader_read_block(etw_reader *self, const etw_scan_item *block, etw_item *item,
                                 bool *reported, etw_error *error);

/* Blocks decoded ahead: the next one, if it is such a block; *is_there says so. */
etw_status etw_reader_take_ahead(etw_reader *self, etw_item *item, bool *is_there, bool *reported,
                                 etw_error *error);
/* Passes over blocks that the index says hold nothing wanted. */
void etw_reader_skip_by_index(etw_reader *self);
/* The head of an events block, with the traces that it names. */
etw_status etw_reader_check_events_head(etw_reader *self, const etw_scan_item *block,
                                        etw_bytes body, etw_error *error);
/* What became of a block: its events are there, or *reported, with a loss in item, or a failure.
 * failure: its status, and where it is none of damage, the text. */
etw_status etw_reader_conclude_block(etw_reader *self, const etw_scan_item *block,
                                     etw_error *failure, etw_item *item, bool *reported,
                                     etw_error *error);
bool etw_reader_wants_range(const etw_reader *self, uint32_t count, int64_t first_time_100ns,
                            int64_t last_time_100ns);

static inline etw_reader *etw_reader_of(etw_source *source)
{
    return (etw_reader *)source;
}

static inline const etw_reader *etw_reader_of_const(const etw_source *source)
{
    return (const etw_reader *)source;
}

static inline etw_status etw_reader_no_memory(etw_error *error)
{
    return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for reading");
}

#endif
