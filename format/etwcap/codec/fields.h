/* Writing columns of a block: what the header, item and payload parts share. */
#ifndef ETW_FORMAT_ETWCAP_FIELDS_H
#define ETW_FORMAT_ETWCAP_FIELDS_H

#include "format/etwcap/codec/codec.h"
#include "format/etwcap/codec/column.h"
#include "format/etwcap/codec/event_arrays.h"
#include "format/etwcap/codec/pool.h"

typedef struct etw_fields {
    etw_column_writer *columns;
    etw_pool contents; /* of the blobs of one field at a time */
    etw_event_arrays arrays;
    uint64_t *values, *predicted; /* this and the next two: those of arrays, for callers to fill */
    etw_bytes *blobs;
    uint32_t *ids;
    uint64_t *words;
    size_t word_capacity;
} etw_fields;

/* thorough: as etw_column_writer_new. */
bool etw_fields_init(etw_fields *fields, bool thorough);
void etw_fields_free(etw_fields *fields);
/* Starts a batch of count events. False where memory is out. */
bool etw_fields_begin(etw_fields *fields, uint32_t count);

/* A column of fields->values. guess may be NULL. */
bool etw_fields_write(etw_fields *fields, etw_buffer *out, uint32_t count, uint32_t width,
                      const etw_guess *guesses, uint32_t guess_count);
bool etw_fields_write_ids(etw_fields *fields, etw_buffer *out, const uint32_t *ids, uint32_t count);
/* A guess that was made for all values: context is their array. */
void etw_guess_from_array(const void *context, uint32_t from, uint32_t count, uint64_t *predicted);
/* Byte strings of one field, fields->blobs or others: which of the distinct ones for each row, then
 * their sizes in words of 1, 4 or 8 bytes, and contents. */
bool etw_fields_write_blobs(etw_fields *fields, etw_buffer *out, const etw_bytes *rows,
                            uint32_t count, uint32_t word);

#endif
