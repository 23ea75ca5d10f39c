/* Writing columns of a block: what the header, item and payload parts share. */
#ifndef ETW_FORMAT_ETWCAP_FIELDS_H
#define ETW_FORMAT_ETWCAP_FIELDS_H

#include "format/etwcap/codec/codec.h"
#include "format/etwcap/codec/column.h"
#include "format/etwcap/codec/event_arrays.h"
#include "format/etwcap/codec/pool.h"

typedef struct etw_fields {
    etw_column_writer *columns;
    etw_pool contents;            /* of the blobs of one field at a time */
    uint64_t *values, *predicted; /* this and the next two: of the batch's arrays, to be filled */
    etw_bytes *blobs;
    uint32_t *ids;
    etw_column_scratch scratch; /* of the batch's arrays as well */
    etw_event_arrays words;     /* for the words of blobs, which are more than the events */
} etw_fields;

/* thorough: as etw_column_writer_new. */
bool etw_fields_init(etw_fields *fields, bool thorough);
void etw_fields_free(etw_fields *fields);
/* What fields take of a batch's arrays, in bytes an event: touched by all of them, and by few. */
enum {
    ETW_FIELDS_EVENT_BYTES = 3 * sizeof(uint64_t) + sizeof(uint32_t) + sizeof(uint16_t),
    ETW_FIELDS_RARE_BYTES = sizeof(etw_bytes)
};

/* Starts a batch and takes its arrays. */
void etw_fields_begin(etw_fields *fields, etw_event_arrays *arrays);

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
