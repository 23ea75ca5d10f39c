/* Appends blocks to a file or pipe, counts them, and closes the file with index, summary and end
 * block.
 *
 * When the target cannot take a block (full, failing), the sink keeps the rest of that block, so
 * that the file never has a torn block in its middle, and tries again at most every
 * ETW_SINK_RETRY_MS. Until it succeeds, events blocks are dropped and counted, and all other blocks
 * are kept (up to ETW_SINK_MAX_DEFERRED bytes; above that the sink gives up for good). Once the
 * target takes bytes again, the loss is recorded in place. Used by one thread at a time. */
#ifndef ETW_FORMAT_ETWCAP_SINK_H
#define ETW_FORMAT_ETWCAP_SINK_H

#include "format/base/os.h"
#include "format/etwcap/index.h"
#include "format/etwcap/sync.h"
#include "format/event/schema.h"
#include "format/event/source.h"

#define ETW_SINK_RETRY_MS     250u
#define ETW_SINK_MAX_DEFERRED ((size_t)8 << 20)
/* Trace blocks are written a second time at the end, for readers of a file whose start is damaged,
 * if all of them together are not larger. */
#define ETW_SINK_MAX_TRACE_COPIES ((size_t)1 << 20)

typedef struct etw_sink etw_sink;

typedef struct etw_sink_options {
    bool replace;
    etw_sync sync;
    uint32_t sync_interval_ms;
    /* Nothing goes out before the file has grown to so many bytes; one that stays smaller is folded
     * (fold.h) when it is finished. 0: all goes out at once. */
    size_t hold_bytes;
    bool is_archive; /* it may cost more to fold */
} etw_sink_options;

/* One block to write: flags without a mask, body not masked. LOSS blocks are not compressed. */
typedef struct etw_sink_block {
    uint16_t kind;
    uint16_t flags;
    uint32_t raw_size;
    uint32_t count;
    uint32_t head_size;
    int64_t first_time_100ns, last_time_100ns;
    etw_bytes body;
} etw_sink_block;

/* Blocks set aside in memory, one after another: put copies the body behind the block; take gives
 * the block at *at, its body lent by the text, and moves *at on. What is taken was put: it is not
 * checked. */
void etw_sink_block_put(etw_buffer *to, const etw_sink_block *block);
etw_sink_block etw_sink_block_take(const etw_buffer *from, size_t *at);

/* Creates the file and writes its head. */
etw_status etw_sink_open(const etw_os *os, const char *path, const etw_sink_options *options,
                         etw_sink **sink, etw_error *error);
/* A file in memory only, of at most ETW_SINK_MAX_MEMORY bytes. */
#define ETW_SINK_MAX_MEMORY ((size_t)16 << 20)
etw_status etw_sink_open_memory(etw_sink **sink, etw_error *error);
/* Gives what that file holds, to be freed by the caller; *file is empty before. */
void etw_sink_take(etw_sink *sink, etw_buffer *file);
/* Closes; without a finish before it the file stays incomplete. NULL is fine. */
void etw_sink_free(etw_sink *sink);

/* The status is the sink's state after it: a failure means that the target takes nothing at
 * present. */
etw_status etw_sink_put(etw_sink *sink, const etw_sink_block *block, etw_error *error);
/* Tries a failed write again and syncs, where either is due. To be called now and then. */
etw_status etw_sink_tick(etw_sink *sink, etw_error *error);

/* Lets out what is held back, and holds back nothing from then on. A failure is met again by the
 * next put or tick. */
void etw_sink_release(etw_sink *sink);

/* Of what the target took so far, or is held back. */
const etw_totals *etw_sink_totals(const etw_sink *sink);
/* Events that the target took. */
uint64_t etw_sink_written(const etw_sink *sink);
uint64_t etw_sink_size(const etw_sink *sink);

/* received: events handed to the writer in all. store (may be NULL) knows the providers' names. */
etw_status etw_sink_finish(etw_sink *sink, uint64_t received, const etw_schema_store *store,
                           etw_error *error);

#endif
