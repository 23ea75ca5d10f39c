/* One field over many records: a column of integers of 1 to 8 bytes each.
 *
 * The writer tries a few transforms on a sample and takes the one that promises the fewest bits;
 * what it wrote says which, so a reader needs no guess. FORMAT.md, chapter "Events block", Columns.
 */
#ifndef ETW_FORMAT_ETWCAP_COLUMN_H
#define ETW_FORMAT_ETWCAP_COLUMN_H

#include "format/base/buffer.h"
#include "format/etwcap/codec/section_write.h"

/* What a value is told from before it is written: the high half of a column's first byte. Values
 * above DELTA are the caller's: predictions by rules that writer and reader share. */
enum {
    ETW_COLUMN_PLAIN = 0, /* nothing: the value itself */
    ETW_COLUMN_DELTA = 1, /* the value before it */
    ETW_COLUMN_FIRST_GUESS = 2,
    ETW_COLUMN_SHIFTED = 8 /* with one of the above but PLAIN: differences lost low zero bits */
};

/* How what is left is written. The low half. */
enum {
    ETW_COLUMN_CONSTANT = 0, /* one value for all */
    ETW_COLUMN_PLANES = 1,   /* the lowest bytes of all, then the next bytes of all, ... */
    ETW_COLUMN_DICTIONARY = 2,
    ETW_COLUMN_SPARSE = 3, /* a bit for each value that is not 0, then those */
    ETW_COLUMN_ROWS = 4,   /* value by value */
    ETW_COLUMN_BUCKETS = 5 /* a byte for the magnitude, then the bits below it, packed */
};

/* A dictionary holds at most this many values; up to 256 its indexes take one byte, else two. */
#define ETW_COLUMN_MAX_DICTIONARY ((uint32_t)1 << 16)

/* A way to tell values: fill gives the predictions of count values from the one at from on. */
typedef struct etw_guess {
    uint32_t mode; /* ETW_COLUMN_FIRST_GUESS or above */
    void (*fill)(const void *context, uint32_t from, uint32_t count, uint64_t *predicted);
    const void *context;
} etw_guess;

/* Integers of one column to write: values below 2^(8 * width). */
typedef struct etw_integers {
    const uint64_t *values;
    uint32_t count;
    uint32_t width; /* bytes each, 1 to 8 */
} etw_integers;

/* Memory to write columns with: at least as many of each as a column has values. */
typedef struct etw_column_scratch {
    uint64_t *residuals; /* may be the values that are written */
    uint16_t *indexes;   /* into a dictionary */
} etw_column_scratch;

typedef struct etw_column_writer etw_column_writer;
/* thorough: choose by compressing every way of writing, not by estimates; some fifty times slower.
 */
etw_column_writer *etw_column_writer_new(bool thorough);
void etw_column_writer_free(etw_column_writer *writer);
/* Lends the scratch for all columns until the next call. */
void etw_column_writer_lend(etw_column_writer *writer, const etw_column_scratch *scratch);
/* Of all columns that were written: the caller clears them when it begins a section. */
etw_borders *etw_column_writer_borders(etw_column_writer *writer);
/* rows: where no transform helps, keep values whole, for columns in which sequences repeat
 * (stacks). False where memory ran out. */
bool etw_column_write(etw_column_writer *writer, etw_integers column, const etw_guess *guesses,
                      uint32_t guess_count, bool rows, etw_buffer *out);

typedef struct etw_column_reader etw_column_reader;
etw_column_reader *etw_column_reader_new(void);
void etw_column_reader_free(etw_column_reader *reader);
/* False where the bytes break the format. The values are below 2^(8 * width). *mode: where it is a
 * guess, they are differences to the predictions, which the caller adds modulo the width; NULL: no
 * guess is allowed here. */
bool etw_column_read(etw_column_reader *reader, etw_cursor *cursor, uint64_t *values,
                     uint32_t count, uint32_t width, uint32_t *mode);

/* The same of values that nobody wants: their bytes are passed over, and looked at only as far as
 * that needs. */
bool etw_column_pass(etw_cursor *cursor, uint32_t count, uint32_t width, uint32_t *mode);

static inline uint64_t etw_column_mask(uint32_t width)
{
    return width >= 8 ? UINT64_MAX : ((uint64_t)1 << (8 * width)) - 1;
}

/* Signed differences as small unsigned numbers: 0, -1, 1, -2, ... become 0, 1, 2, 3, ... modulo the
 * width, so that wrap-around costs nothing. The lowest shift bits, all 0, are dropped first. */
static inline uint64_t etw_column_fold(uint64_t difference, uint32_t width, uint32_t shift)
{
    /* Unsigned all the way: vector units have no signed shift of 64 bits. */
    const uint64_t negative = difference >> (8 * width - 1) & 1;
    const uint64_t magnitude = (difference ^ (0 - negative)) & etw_column_mask(width);
    return magnitude >> shift << 1 | negative;
}

static inline uint64_t etw_column_unfold(uint64_t folded, uint32_t width, uint32_t shift)
{
    return (((folded >> 1) ^ (0 - (folded & 1))) << shift) & etw_column_mask(width);
}

/* Words of rows (arrays, stacks): told from the word before in the row; the first of a row, and the
 * first of its second half where it has an even number, from the same word of the row before. Two
 * arrays of one length often stand one behind the other. */
enum { ETW_WORDS_BY_ROW = ETW_COLUMN_FIRST_GUESS };

typedef struct etw_word_guess {
    uint64_t first, middle; /* of the row before */
} etw_word_guess;

static inline uint64_t *etw_word_landmark(etw_word_guess *guess, uint32_t index, uint32_t size)
{
    return index == 0 ? &guess->first : 2 * index == size ? &guess->middle : NULL;
}

/* The guess for the word, whose value then becomes known. */
static inline uint64_t etw_word_guess_next(etw_word_guess *guess, uint32_t index, uint32_t size,
                                           uint64_t before, uint64_t value)
{
    uint64_t *landmark = etw_word_landmark(guess, index, size);
    if (landmark == NULL) {
        return before;
    }
    const uint64_t told = *landmark;
    *landmark = value;
    return told;
}

/* BUCKETS: values below 8 are their own bucket; above, four buckets for each power of two, and the
 * bits below the leading three are kept as they are. */
static inline uint32_t etw_bucket_of(uint64_t value)
{
    if (value < 8) {
        return (uint32_t)value;
    }
    const uint32_t top = 63u - (uint32_t)__builtin_clzll(value);
    return 8 + (top - 3) * 4 + (uint32_t)(value >> (top - 2) & 3);
}

static inline uint32_t etw_bucket_bits(uint32_t bucket)
{
    return bucket < 8 ? 0 : (bucket - 8) / 4 + 1;
}

static inline uint64_t etw_bucket_base(uint32_t bucket)
{
    return bucket < 8 ? bucket : (uint64_t)(4 | (bucket & 3)) << ((bucket - 8) / 4 + 1);
}

#endif
