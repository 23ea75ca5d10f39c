/* Reading columns of a block back: what the header, item and payload parts share. */
#ifndef ETW_FORMAT_ETWCAP_FIELDS_READ_H
#define ETW_FORMAT_ETWCAP_FIELDS_READ_H

#include "format/etwcap/codec/column.h"
#include "format/etwcap/codec/event_arrays.h"

typedef struct etw_fields_reader {
    etw_column_reader *columns;
    uint64_t *values;    /* this and the next two, of the block's arrays: the column read last */
    uint32_t *ids;       /* of blobs: which one for each row */
    etw_bytes *contents; /* of blobs, by id; valid until the next blobs are read */
    uint64_t *words;
    size_t word_capacity;
    bool out_of_memory; /* why something failed; stays set until the caller clears it */
} etw_fields_reader;

bool etw_fields_reader_init(etw_fields_reader *reader);
void etw_fields_reader_free(etw_fields_reader *reader);
/* What fields take of a block's arrays, in bytes an event: touched by all of them, and by few. */
enum {
    ETW_FIELDS_READER_EVENT_BYTES = sizeof(uint64_t),
    ETW_FIELDS_READER_RARE_BYTES = sizeof(uint32_t) + sizeof(etw_bytes)
};

/* Starts a block and takes its arrays. */
void etw_fields_reader_begin(etw_fields_reader *reader, etw_event_arrays *arrays);

/* The column into reader->values. mode: as etw_column_read. */
bool etw_fields_read(etw_fields_reader *reader, etw_cursor *cursor, uint32_t count, uint32_t width,
                     uint32_t *mode);
/* count blobs: contents[ids[i]] of each row. No content is larger than max_size. */
bool etw_fields_read_blobs(etw_fields_reader *reader, etw_cursor *cursor, uint32_t count,
                           uint32_t word, size_t max_size);
/* The same of blobs that nobody wants. */
bool etw_fields_pass_blobs(etw_fields_reader *reader, etw_cursor *cursor, uint32_t count,
                           uint32_t word, size_t max_size);

#endif
