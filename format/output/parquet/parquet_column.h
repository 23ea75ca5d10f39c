/* One leaf column of a Parquet row group: values with their levels, made pages.
 * https://github.com/apache/parquet-format: README.md and Encodings.md. */
#ifndef ETW_FORMAT_PARQUET_COLUMN_H
#define ETW_FORMAT_PARQUET_COLUMN_H

#include "format/base/text.h"

struct ZSTD_CCtx_s;

typedef enum etw_parquet_type { /* values of the format */
                                ETW_PARQUET_BOOLEAN = 0,
                                ETW_PARQUET_INT32 = 1,
                                ETW_PARQUET_INT64 = 2,
                                ETW_PARQUET_DOUBLE = 5,
                                ETW_PARQUET_BYTE_ARRAY = 6
} etw_parquet_type;

/* A dictionary has at most this many values and bytes; beyond them values are written as they are.
 */
#define ETW_PARQUET_MAX_DICTIONARY       16384u
#define ETW_PARQUET_MAX_DICTIONARY_BYTES ((size_t)1 << 20)
/* Of a statistic of text; longer ones are left out. */
#define ETW_PARQUET_MAX_STATISTIC 64u

/* A byte for each entry; none while all are as the first. */
typedef struct etw_parquet_levels {
    etw_text bytes;
    uint8_t first;
} etw_parquet_levels;

typedef struct etw_parquet_column {
    etw_parquet_type type;
    bool is_unsigned; /* how its values compare */
    uint8_t max_definition, max_repetition;
    etw_parquet_levels definitions, repetitions;
    etw_text values;     /* PLAIN: of all entries that have one; */
    etw_text indexes;    /* or while there is a dictionary: uint32 into it; none while it has one */
    etw_text dictionary; /* PLAIN: each value once */
    uint32_t *slots;     /* of the dictionary, by hash: index + 1 */
    uint32_t slot_count; /* a power of two */
    etw_text offsets;    /* uint32 of each value in dictionary */
    uint32_t dictionary_count, latest;
    bool has_dictionary; /* not given up yet */
    uint32_t entries, nulls, value_count;
    bool has_statistics; /* not given up yet */
    bool has_bounds;
    etw_text least, most; /* PLAIN, text without its length */
    bool failed;
} etw_parquet_column;

/* What a chunk of the file needs to know of it. */
typedef struct etw_parquet_chunk {
    uint64_t dictionary_offset; /* 0: none */
    uint64_t data_offset;
    uint64_t stored_bytes, raw_bytes;
    uint32_t entries, nulls;
    bool has_statistics;
    etw_text least, most; /* owned */
} etw_parquet_chunk;

void etw_parquet_column_free(etw_parquet_column *column);
/* One entry. definition below the maximum: there is no value, and bytes is ignored. bytes: PLAIN,
 * of text without its length. */
void etw_parquet_column_put(etw_parquet_column *column, uint8_t repetition, uint8_t definition,
                            const void *bytes, size_t size);
size_t etw_parquet_column_size(const etw_parquet_column *column);
/* Appends the pages to out, whose first byte is at offset in the file, and empties the column. */
etw_status etw_parquet_column_flush(etw_parquet_column *column, struct ZSTD_CCtx_s *zstd,
                                    uint64_t offset, etw_text *out, etw_parquet_chunk *chunk,
                                    etw_error *error);

#endif
