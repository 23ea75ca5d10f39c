/* Reads an .etwcap file: complete, still growing, cut off or damaged; from disk or from a pipe. */
#ifndef ETW_FORMAT_ETWCAP_READER_H
#define ETW_FORMAT_ETWCAP_READER_H

#include "format/base/os.h"
#include "format/etwcap/codec/decoder.h"
#include "format/event/schema.h"
#include "format/event/source.h"

/* A block that delivers no events, as its reader is shown it. */
typedef struct etw_side_block {
    uint16_t kind;
    uint32_t count; /* of its header: what it means is the kind's */
    etw_bytes body; /* lent */
} etw_side_block;

/* The events of one block. */
typedef struct etw_block_range {
    uint64_t first_number; /* among the events of the file, from 0 */
    uint32_t count;
    int64_t first_time_100ns, last_time_100ns;
} etw_block_range;

typedef struct etw_reader_options {
    bool headers_only; /* records come without user data and items; EventHeader.Size is then too
                          small */
    bool ignore_index; /* scan block by block even where an index is there */
    /* Blocks that cannot hold a match are passed over; single events are still the caller's to
     * test. */
    bool has_time_range;
    int64_t from_time_100ns, to_time_100ns; /* both included */
    const etw_guid *providers;              /* any of these; NULL: all */
    uint32_t provider_count;
    bool (*wants)(void *context, const etw_block_range *range); /* NULL: all */
    void *wants_context;
    /* Only events of the kinds that it wants are delivered. header: what all events of a kind have
     * in common, descriptor and flags among it. Blocks are decoded as far as that needs. NULL: all
     * kinds. */
    bool (*wants_kind)(void *context, const etw_event_header *header);
    void *wants_kind_context;
    bool bare_events; /* without items, KernelTime, UserTime, ActivityId and Size */
    /* So many threads decode the blocks ahead of the one whose events are delivered; wants_kind is
     * then called by any of them. What is delivered is the same for any number. Not for a pipe, not
     * with follow, exchange or blocks that are offered, where it is without effect; after a seek it
     * is, too. Memory: for each thread, and one more, a block and what it takes to decode one. */
    uint32_t decode_threads;
    /* Only etw_reader_summary, etw_reader_provider and the traces are wanted: with an index the
     * number of reads does not depend on the file's size. Events and schemas are then not to be
     * asked for. */
    bool summary_only;
    /* The file is still being written: its end is no loss, and after ETW_END another next looks
     * again. */
    bool follow;
    /* Called for blocks that deliver no items (CLOCK_ANCHORS, ORACLE, private kinds), in their
     * place; a failure ends the reading. May be NULL. */
    etw_status (*block)(void *context, const etw_side_block *block, etw_error *error);
    void *block_context;
    /* Called before an events block is decoded, with the decoder that has the events delivered so
     * far: gives the one to use now. Where it gives another, the caller owns the first one, and its
     * events stay valid until it decodes again or is freed. NULL: no memory. May be NULL. */
    etw_decoder *(*exchange)(void *context, etw_decoder *used);
    /* Called when all events of a block were delivered: reading the next block may wait for whoever
     * writes it. With exchange_context; may be NULL. */
    void (*drained)(void *context);
    void *exchange_context;
} etw_reader_options;

/* What the summary says, or the scan found. */
typedef struct etw_file_summary {
    bool complete;  /* closed cleanly, with index and closing magic */
    bool has_index; /* and it was used */
    uint32_t version_major, version_minor;
    uint64_t file_bytes;
    uint64_t events, received, dropped;
    uint64_t event_blocks, schema_blocks, loss_records;
    uint64_t lost_events; /* known counts of loss records, FILTERED not counted */
    bool lost_unknown;    /* and at least one whose count is unknown */
    int64_t first_time_100ns, last_time_100ns; /* of events; 0, 0 where none */
    uint64_t blocks;                           /* of all kinds, without summary and end block */
    uint64_t schemas;                          /* in all schema blocks */
    uint64_t raw_bytes, stored_bytes;          /* of events: as records, and in the file */
    uint32_t provider_count;                   /* see etw_reader_provider */
    bool providers_cut;                        /* there are more providers than a file counts */
    char application[256];
    char redacted[256]; /* what was taken out of its events; "" where nothing was */
    char builds[256];   /* of a schema pack: of which Windows its schemas are */
} etw_file_summary;

typedef struct etw_reader_counts {
    uint64_t blocks_read, blocks_skipped, bytes_read;
    uint64_t blocks_damaged; /* missing, or not to be used: for damage, or a limit of the reader */
    uint64_t events_passed;  /* that are not wanted, by kind or number, in blocks that were read */
} etw_reader_counts;

/* path "-": stdin. The source delivers a last LOSS item (TRUNCATED) where the file has no end
 * block. ETW_ERROR_NOT_THIS where the magic is not ours, ETW_ERROR_VERSION for a newer major
 * version. The source delivers events and losses; damage becomes a LOSS item in its place, as a
 * block does that meets a limit. */
ETW_API_CHECKED etw_status etw_reader_open(const etw_os *os, const char *path,
                                           const etw_reader_options *options, etw_source **source,
                                           etw_error *error);

/* The functions below take a source that etw_reader_open gave. */

/* Goes on, forwards or backwards, at the first block that may hold events at or after that time
 * (FILETIME); single events before it are still the caller's to test. Losses recorded between the
 * file's start and there are delivered (again). With an index no block before it is read.
 * ETW_ERROR_UNSUPPORTED on a pipe. */
ETW_API_CHECKED etw_status etw_reader_seek(etw_source *source, int64_t time_100ns,
                                           etw_error *error);

/* From now on no thread decodes blocks ahead, and the memory of that is given back. */
ETW_API void etw_reader_stop_threads(etw_source *source);

/* The number of the event delivered last among the events of the file, from 0. Events of blocks
 * that were passed over, or are damaged, are counted as their headers say. */
ETW_API uint64_t etw_reader_event_number(const etw_source *source);

/* Events before that number are not delivered from now on: of their blocks no more is decoded than
 * the others need. */
ETW_API void etw_reader_pass_events(etw_source *source, uint64_t number);

/* Schemas and provider names read so far; ids are those of items. All of them where an index is
 * used. */
ETW_API const etw_schema_store *etw_reader_schemas(const etw_source *source);
/* The schema that blocks of the file (ORACLE) call by this number; NULL where it is not known. */
ETW_API const etw_schema *etw_reader_schema_of_file(const etw_source *source, uint32_t file_id);
/* Whether the end block was read: one that is followed has no more. */
ETW_API bool etw_reader_is_complete(const etw_source *source);
ETW_API void etw_reader_get_counts(const etw_source *source, etw_reader_counts *counts);
/* From the index in constant time, or by a scan of block headers (a pipe: what was read so far). */
ETW_API_CHECKED etw_status etw_reader_summary(etw_source *source, etw_file_summary *summary,
                                              etw_error *error);
/* Providers in the order of their first events, once etw_reader_summary was called; false past the
 * last. name: "" where the file does not tell; lent until the source is closed. */
ETW_API bool etw_reader_provider(const etw_source *source, uint32_t index, etw_guid *provider,
                                 uint64_t *events, const char **name);

#endif
