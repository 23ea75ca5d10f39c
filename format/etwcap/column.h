/* One field over many records: a column of integers of 1 to 8 bytes each.
 *
 * The writer tries a few transforms on a sample and takes the one that promises the fewest bits;
 * what it wrote says which, so a reader needs no guess. FORMAT.md, chapter "Events block", Columns.
 */
#ifndef ETW_FORMAT_ETWCAP_COLUMN_H
#define ETW_FORMAT_ETWCAP_COLUMN_H

#include "format/base/text.h"

/* What a value is told from before it is written. Stored in the high half of a column's first byte.
 */
enum {
    ETW_COLUMN_PLAIN = 0,    /* nothing: the value itself */
    ETW_COLUMN_DELTA = 1,    /* the value before it */
    ETW_COLUMN_PREDICTED = 2 /* what the caller predicted, by a rule that reader and writer share */
};

/* How what is left is written. The low half. */
enum {
    ETW_COLUMN_CONSTANT = 0, /* one value for all */
    ETW_COLUMN_PLANES = 1,   /* the lowest bytes of all, then the next bytes of all, ... */
    ETW_COLUMN_DICTIONARY = 2,
    ETW_COLUMN_SPARSE = 3, /* a bit for each value that is not 0, then those */
    ETW_COLUMN_ROWS = 4    /* value by value */
};

/* A dictionary holds at most this many values; up to 256 its indexes take one byte, else two. */
#define ETW_COLUMN_MAX_DICTIONARY ((uint32_t)1 << 16)

typedef struct etw_column_writer etw_column_writer;
etw_column_writer *etw_column_writer_new(void);
void etw_column_writer_free(etw_column_writer *writer);
/* predicted: a guess for each value, or NULL. rows: where no transform helps, keep values whole,
 * for columns in which sequences repeat (stacks). False where memory ran out; out->failed tells of
 * its own. */
bool etw_column_write(etw_column_writer *writer, const uint64_t *values, const uint64_t *predicted,
                      uint32_t count, uint32_t width, bool rows, etw_text *out);

typedef struct etw_column_reader etw_column_reader;
etw_column_reader *etw_column_reader_new(void);
void etw_column_reader_free(etw_column_reader *reader);
/* False where the bytes break the format. The values are below 2^(8 * width). *predicted: they are
 * folded differences to the predictions, which the caller adds; NULL: that is not allowed here. */
bool etw_column_read(etw_column_reader *reader, etw_cursor *cursor, uint64_t *values,
                     uint32_t count, uint32_t width, bool *predicted);

static inline uint64_t etw_column_mask(uint32_t width)
{
    return width >= 8 ? UINT64_MAX : ((uint64_t)1 << (8 * width)) - 1;
}

/* Signed differences as small unsigned numbers: 0, -1, 1, -2, ... become 0, 1, 2, 3, ... modulo the
 * width, so that wrap-around costs nothing. */
static inline uint64_t etw_column_fold(uint64_t difference, uint32_t width)
{
    const unsigned shift = 64 - 8 * width;
    const int64_t is = (int64_t)(difference << shift) >> shift;
    return (((uint64_t)is << 1) ^ (uint64_t)(is >> 63)) & etw_column_mask(width);
}

static inline uint64_t etw_column_unfold(uint64_t folded, uint32_t width)
{
    return ((folded >> 1) ^ (0 - (folded & 1))) & etw_column_mask(width);
}

#endif
