#include "format/output/parquet/parquet_column.h"

#include "format/output/parquet/thrift.h"

#include <stdlib.h>
#define XXH_INLINE_ALL
#include <xxhash.h>
#include <zstd.h>

/* Of a dictionary's hash table: at least twice its values; it grows fourfold. */
#define FIRST_SLOTS 256u
#define ZSTD_LEVEL  3

enum { PAGE_DATA = 0, PAGE_DICTIONARY = 2 };
enum { ENCODING_PLAIN = 0, ENCODING_RLE = 3, ENCODING_RLE_DICTIONARY = 8 };

void etw_parquet_column_free(etw_parquet_column *column)
{
    etw_text_free(&column->definitions.bytes);
    etw_text_free(&column->repetitions.bytes);
    etw_text_free(&column->values);
    etw_text_free(&column->indexes);
    etw_text_free(&column->dictionary);
    etw_text_free(&column->offsets);
    etw_text_free(&column->least);
    etw_text_free(&column->most);
    free(column->slots);
}

size_t etw_parquet_column_size(const etw_parquet_column *column)
{
    return column->definitions.bytes.size + column->repetitions.bytes.size + column->values.size +
           column->indexes.size + column->dictionary.size;
}

/* Values. */

static void append_plain(const etw_parquet_column *column, etw_text *to, const void *bytes,
                         size_t size)
{
    if (column->type == ETW_PARQUET_BYTE_ARRAY) {
        const uint32_t length = (uint32_t)size;
        etw_text_append(to, (const char *)&length, sizeof length);
    }
    etw_text_append(to, bytes, size);
}

/* The PLAIN form of a value of the dictionary. */
static etw_bytes value_at_index(const etw_parquet_column *column, uint32_t index)
{
    const uint32_t start = etw_load_u32(column->offsets.data + (size_t)index * sizeof(uint32_t));
    const size_t end =
        index + 1 < column->dictionary_count
            ? etw_load_u32(column->offsets.data + ((size_t)index + 1) * sizeof(uint32_t))
            : column->dictionary.size;
    return (etw_bytes){(const uint8_t *)column->dictionary.data + start, end - start};
}

static bool is_value_at(const etw_parquet_column *column, uint32_t index, const void *bytes,
                        size_t size)
{
    const size_t prefix = column->type == ETW_PARQUET_BYTE_ARRAY ? sizeof(uint32_t) : 0;
    const etw_bytes value = value_at_index(column, index);
    if (value.size - prefix != size) {
        return false;
    }
    if (size == sizeof(uint32_t) && prefix == 0) {
        return etw_load_u32(value.data) == etw_load_u32(bytes);
    }
    return size == 0 || memcmp(value.data + prefix, bytes, size) == 0;
}

static void drop_dictionary(etw_parquet_column *column)
{
    column->has_dictionary = false;
    column->dictionary_count = 0;
    etw_text_clear(&column->indexes);
    etw_text_clear(&column->dictionary);
    etw_text_clear(&column->offsets);
}

static uint32_t index_of(const etw_parquet_column *column, size_t at)
{
    return column->indexes.size == 0 ? 0
                                     : etw_load_u32(column->indexes.data + at * sizeof(uint32_t));
}

/* Values that stand as indexes become what they stand for. */
static void give_up_dictionary(etw_parquet_column *column)
{
    const uint32_t count = column->has_dictionary ? column->value_count : 0;
    for (uint32_t i = 0; i < count; i++) {
        const etw_bytes value = value_at_index(column, index_of(column, i));
        etw_text_append(&column->values, (const char *)value.data, value.size);
    }
    drop_dictionary(column);
}

static uint32_t first_slot(const etw_parquet_column *column, const void *bytes, size_t size)
{
    return (uint32_t)XXH3_64bits(bytes, size) & (column->slot_count - 1);
}

static uint32_t next_slot(const etw_parquet_column *column, uint32_t slot)
{
    return (slot + 1) & (column->slot_count - 1);
}

/* An empty table of so many slots, with the values there are. False: no memory. */
static bool make_slots(etw_parquet_column *column, uint32_t count)
{
    const size_t prefix = column->type == ETW_PARQUET_BYTE_ARRAY ? sizeof(uint32_t) : 0;
    free(column->slots);
    column->slots = calloc(count, sizeof *column->slots);
    column->slot_count = count;
    for (uint32_t i = 0; column->slots != NULL && i < column->dictionary_count; i++) {
        const etw_bytes value = value_at_index(column, i);
        uint32_t slot = first_slot(column, value.data + prefix, value.size - prefix);
        while (column->slots[slot] != 0) {
            slot = next_slot(column, slot);
        }
        column->slots[slot] = i + 1;
    }
    return column->slots != NULL;
}

/* Before its first value: many a column has none. */
static bool begin_dictionary(etw_parquet_column *column)
{
    if (column->slots == NULL) {
        return make_slots(column, FIRST_SLOTS);
    }
    memset(column->slots, 0, column->slot_count * sizeof *column->slots);
    return true;
}

static void put_index(etw_parquet_column *column, uint32_t index)
{
    column->latest = index;
    if (column->dictionary_count > 1) {
        etw_text_append(&column->indexes, (const char *)&index, sizeof index);
    }
}

/* The second value of a dictionary: those before are all the first. */
static void begin_indexes(etw_parquet_column *column)
{
    const size_t size = column->value_count * sizeof(uint32_t);
    char *to = etw_text_reserve(&column->indexes, size);
    if (to != NULL) {
        memset(to, 0, size);
        column->indexes.size += size;
    }
}

/* False: it has no room. */
static bool add_to_dictionary(etw_parquet_column *column, uint32_t slot, const void *bytes,
                              size_t size)
{
    if (column->dictionary_count == ETW_PARQUET_MAX_DICTIONARY ||
        column->dictionary.size + size > ETW_PARQUET_MAX_DICTIONARY_BYTES) {
        return false;
    }
    const uint32_t offset = (uint32_t)column->dictionary.size;
    const uint32_t index = column->dictionary_count;
    etw_text_append(&column->offsets, (const char *)&offset, sizeof offset);
    append_plain(column, &column->dictionary, bytes, size);
    column->failed |= column->offsets.failed || column->dictionary.failed;
    column->slots[slot] = ++column->dictionary_count;
    if (column->dictionary_count == 2) {
        begin_indexes(column);
    }
    if (!column->failed && 2 * column->dictionary_count > column->slot_count) {
        column->failed = !make_slots(column, 4 * column->slot_count);
    }
    put_index(column, index);
    return true;
}

/* Whether the dictionary has it; else slot is where it belongs. Values often come twice. */
static bool find_value(const etw_parquet_column *column, const void *bytes, size_t size,
                       uint32_t *index, uint32_t *slot)
{
    *index = column->latest;
    if (column->dictionary_count > 0 && is_value_at(column, *index, bytes, size)) {
        return true;
    }
    *slot = first_slot(column, bytes, size);
    while (column->slots[*slot] != 0) {
        *index = column->slots[*slot] - 1;
        if (is_value_at(column, *index, bytes, size)) {
            return true;
        }
        *slot = next_slot(column, *slot);
    }
    return false;
}

/* As the format orders the type: numbers by value, text by its bytes. */
static int compare(const etw_parquet_column *column, const void *a, size_t a_size,
                   const etw_text *b)
{
    if (column->type == ETW_PARQUET_BYTE_ARRAY) {
        const size_t size = a_size < b->size ? a_size : b->size;
        const int order = size == 0 ? 0 : memcmp(a, b->data, size);
        return order != 0 ? order : (a_size > b->size) - (a_size < b->size);
    }
    if (column->type == ETW_PARQUET_DOUBLE) {
        double of_a;
        double of_b;
        memcpy(&of_a, a, sizeof of_a);
        memcpy(&of_b, b->data, sizeof of_b);
        return (of_a > of_b) - (of_a < of_b);
    }
    uint64_t of_a = 0;
    uint64_t of_b = 0;
    memcpy(&of_a, a, a_size);
    memcpy(&of_b, b->data, a_size);
    if (!column->is_unsigned && a_size == sizeof(uint32_t)) {
        of_a = (uint64_t)(int64_t)(int32_t)(uint32_t)of_a;
        of_b = (uint64_t)(int64_t)(int32_t)(uint32_t)of_b;
    }
    if (!column->is_unsigned) {
        return ((int64_t)of_a > (int64_t)of_b) - ((int64_t)of_a < (int64_t)of_b);
    }
    return (of_a > of_b) - (of_a < of_b);
}

static void note_bound(etw_text *bound, const void *bytes, size_t size)
{
    etw_text_clear(bound);
    etw_text_append(bound, bytes, size);
}

/* NaNs have no order: they are left out, as the format wants. */
static bool is_nan(const etw_parquet_column *column, const void *bytes)
{
    double value = 0;
    if (column->type == ETW_PARQUET_DOUBLE) {
        memcpy(&value, bytes, sizeof value);
    }
    return value != value;
}

static void note_statistics(etw_parquet_column *column, const void *bytes, size_t size)
{
    if (!column->has_statistics || is_nan(column, bytes)) {
        return;
    }
    if (size > ETW_PARQUET_MAX_STATISTIC) {
        column->has_statistics = false;
        return;
    }
    if (!column->has_bounds || compare(column, bytes, size, &column->least) < 0) {
        note_bound(&column->least, bytes, size);
    }
    if (!column->has_bounds || compare(column, bytes, size, &column->most) > 0) {
        note_bound(&column->most, bytes, size);
    }
    column->has_bounds = true;
}

static void begin_column(etw_parquet_column *column)
{
    column->has_dictionary = column->type != ETW_PARQUET_BOOLEAN;
    column->has_statistics = true;
    column->has_bounds = false;
}

static bool any_failed(const etw_parquet_column *column)
{
    return column->failed || column->values.failed || column->indexes.failed ||
           column->dictionary.failed || column->definitions.bytes.failed ||
           column->repetitions.bytes.failed || column->offsets.failed || column->least.failed ||
           column->most.failed;
}

/* What memory cut short is not read again: the next value would be compared with it. */
static void put_new_value(etw_parquet_column *column, uint32_t slot, const void *bytes, size_t size)
{
    note_statistics(column, bytes, size); /* of each value once, as far as that is known */
    if (!column->has_dictionary) {
        append_plain(column, &column->values, bytes, size);
    } else if (!add_to_dictionary(column, slot, bytes, size)) {
        give_up_dictionary(column);
        append_plain(column, &column->values, bytes, size);
    }
    column->failed = any_failed(column);
}

static void put_value(etw_parquet_column *column, const void *bytes, size_t size)
{
    uint32_t index = 0;
    uint32_t slot = 0;
    if (column->value_count == 0 && column->has_dictionary && !begin_dictionary(column)) {
        column->failed = true;
        return;
    }
    if (column->has_dictionary && find_value(column, bytes, size, &index, &slot)) {
        put_index(column, index);
    } else {
        put_new_value(column, slot, bytes, size);
    }
    column->value_count++;
}

static void put_level(etw_parquet_levels *levels, uint32_t entries, uint8_t level)
{
    if (levels->bytes.size == 0) {
        levels->first = entries == 0 ? level : levels->first;
        if (level == levels->first) {
            return;
        }
        char *to = etw_text_reserve(&levels->bytes, entries);
        if (to == NULL) {
            return;
        }
        memset(to, levels->first, entries);
        levels->bytes.size += entries;
    }
    etw_text_append_char(&levels->bytes, (char)level);
}

void etw_parquet_column_put(etw_parquet_column *column, uint8_t repetition, uint8_t definition,
                            const void *bytes, size_t size)
{
    if (column->failed) {
        return;
    }
    if (column->entries == 0) {
        begin_column(column);
    }
    if (column->max_repetition > 0) {
        put_level(&column->repetitions, column->entries, repetition);
    }
    if (column->max_definition > 0) {
        put_level(&column->definitions, column->entries, definition);
    }
    column->entries++;
    if (definition < column->max_definition) {
        column->nulls++;
    } else {
        put_value(column, bytes, size);
    }
}

/* Runs and packed bits: Encodings.md, "RLE". */

static uint32_t bits_for(uint32_t most)
{
    uint32_t bits = 0;
    for (; most != 0; most >>= 1) {
        bits++;
    }
    return bits;
}

typedef uint32_t (*value_at)(const etw_text *from, size_t index);

static uint32_t byte_at(const etw_text *from, size_t index)
{
    return (uint8_t)from->data[index];
}

static uint32_t index_at(const etw_text *from, size_t index)
{
    return etw_load_u32(from->data + index * sizeof(uint32_t));
}

static size_t run_at(const etw_text *from, value_at at, size_t index, size_t count)
{
    const uint32_t value = at(from, index);
    size_t size = 1;
    while (index + size < count && at(from, index + size) == value) {
        size++;
    }
    return size;
}

static void append_run(etw_text *out, uint32_t value, size_t count, uint32_t bits)
{
    etw_buffer_append_varint(out, (uint64_t)count << 1);
    etw_text_append(out, (const char *)&value, (bits + 7) / 8);
}

/* count values, filled up to a multiple of eight with zeros. */
static void append_packed(etw_text *out, const etw_text *from, value_at at, size_t index,
                          size_t count, uint32_t bits)
{
    const size_t groups = (count + 7) / 8;
    uint64_t waiting = 0;
    uint32_t used = 0;
    etw_buffer_append_varint(out, (uint64_t)groups << 1 | 1);
    for (size_t i = 0; i < groups * 8; i++) {
        waiting |= (uint64_t)(i < count ? at(from, index + i) : 0) << used;
        for (used += bits; used >= 8; used -= 8, waiting >>= 8) {
            etw_text_append_char(out, (char)waiting);
        }
    }
}

/* Long runs as runs, what is between them as bits: packed pieces but the last are multiples of
 * eight. */
static void append_hybrid(etw_text *out, const etw_text *from, value_at at, size_t count,
                          uint32_t bits)
{
    size_t packed = 0; /* values that wait to be packed, before index */
    size_t index = 0;
    while (index < count) {
        const size_t run = run_at(from, at, index, count);
        const size_t fill = (8 - packed % 8) % 8;
        if (run < 8 + fill) {
            packed += run;
            index += run;
            continue;
        }
        if (packed > 0) { /* fill is 0 where nothing waits */
            append_packed(out, from, at, index - packed, packed + fill, bits);
            packed = 0;
        }
        append_run(out, at(from, index), run - fill, bits);
        index += run;
    }
    if (packed > 0) {
        append_packed(out, from, at, index - packed, packed, bits);
    }
}

static void append_levels(etw_text *out, const etw_parquet_levels *levels, uint32_t entries,
                          uint32_t most)
{
    if (most == 0) {
        return;
    }
    const size_t start = out->size;
    etw_text_append(out, "\0\0\0\0", sizeof(uint32_t));
    if (levels->bytes.size == 0) {
        append_run(out, levels->first, entries, bits_for(most));
    } else {
        append_hybrid(out, &levels->bytes, byte_at, entries, bits_for(most));
    }
    if (!out->failed) {
        const uint32_t size = (uint32_t)(out->size - start - sizeof(uint32_t));
        memcpy(out->data + start, &size, sizeof size);
    }
}

/* A bit for each boolean, the lowest first. */
static void append_bits(etw_text *out, const etw_text *values)
{
    for (size_t i = 0; i < values->size; i += 8) {
        uint8_t byte = 0;
        for (size_t j = 0; j < 8 && i + j < values->size; j++) {
            byte |= (uint8_t)((values->data[i + j] != 0) << j);
        }
        etw_text_append_char(out, (char)byte);
    }
}

/* Pages. */

typedef struct page {
    int32_t type;
    int32_t encoding;
    uint32_t values;
} page;

static void append_page_header(etw_text *out, const page *p, size_t raw, size_t stored)
{
    etw_thrift thrift;
    etw_thrift_begin(&thrift, out);
    etw_thrift_i32(&thrift, 1, p->type);
    etw_thrift_i32(&thrift, 2, (int32_t)raw);
    etw_thrift_i32(&thrift, 3, (int32_t)stored);
    etw_thrift_struct(&thrift, p->type == PAGE_DICTIONARY ? 7 : 5);
    etw_thrift_i32(&thrift, 1, (int32_t)p->values);
    etw_thrift_i32(&thrift, 2, p->encoding);
    if (p->type == PAGE_DATA) {
        etw_thrift_i32(&thrift, 3, ENCODING_RLE);
        etw_thrift_i32(&thrift, 4, ENCODING_RLE);
    }
    etw_thrift_end_struct(&thrift);
    etw_thrift_end_struct(&thrift);
}

static etw_status append_page(etw_text *out, const page *p, const etw_text *body, ZSTD_CCtx *zstd,
                              etw_parquet_chunk *chunk, etw_error *error)
{
    const size_t start = out->size;
    etw_text stored = {0};
    char *const to = etw_text_reserve(&stored, ZSTD_compressBound(body->size));
    if (to == NULL || body->failed) {
        etw_text_free(&stored);
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a page");
    }
    const size_t size = ZSTD_compressCCtx(zstd, to, ZSTD_compressBound(body->size), body->data,
                                          body->size, ZSTD_LEVEL);
    if (ZSTD_isError(size)) {
        etw_text_free(&stored);
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "zstd: %s", ZSTD_getErrorName(size));
    }
    append_page_header(out, p, body->size, size);
    const size_t header = out->size - start;
    etw_text_append(out, to, size);
    chunk->stored_bytes += header + size;
    chunk->raw_bytes += header + body->size;
    etw_text_free(&stored);
    return out->failed ? etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a page") : ETW_OK;
}

/* A dictionary pays where values repeat. */
static bool wants_dictionary(const etw_parquet_column *column)
{
    return column->has_dictionary && column->dictionary_count > 0 &&
           column->dictionary_count < column->value_count - column->value_count / 4;
}

static void append_values(etw_text *body, const etw_parquet_column *column)
{
    if (wants_dictionary(column)) {
        const uint32_t bits = bits_for(column->dictionary_count - 1);
        etw_text_append_char(body, (char)bits);
        if (column->dictionary_count == 1) {
            append_run(body, 0, column->value_count, bits);
        } else {
            append_hybrid(body, &column->indexes, index_at, column->value_count, bits);
        }
    } else if (column->type == ETW_PARQUET_BOOLEAN) {
        append_bits(body, &column->values);
    } else {
        etw_text_append(body, column->values.data, column->values.size);
    }
}

static void describe(etw_parquet_column *column, etw_parquet_chunk *chunk)
{
    chunk->entries = column->entries;
    chunk->nulls = column->nulls;
    chunk->has_statistics = column->has_statistics && column->has_bounds;
    if (chunk->has_statistics) {
        etw_text_append(&chunk->least, column->least.data, column->least.size);
        etw_text_append(&chunk->most, column->most.data, column->most.size);
    }
}

static void empty(etw_parquet_column *column)
{
    etw_text_clear(&column->definitions.bytes);
    etw_text_clear(&column->repetitions.bytes);
    etw_text_clear(&column->values);
    drop_dictionary(column);
    etw_text_clear(&column->least);
    etw_text_clear(&column->most);
    column->entries = column->nulls = column->value_count = 0;
}

etw_status etw_parquet_column_flush(etw_parquet_column *column, ZSTD_CCtx *zstd, uint64_t offset,
                                    etw_text *out, etw_parquet_chunk *chunk, etw_error *error)
{
    etw_text body = {0};
    etw_status status = ETW_OK;
    const size_t start = out->size;
    const bool has_dictionary = wants_dictionary(column);
    if (!has_dictionary && !column->failed) {
        give_up_dictionary(column);
    }
    if (any_failed(column)) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a column");
    }
    if (has_dictionary) {
        const page dictionary = {PAGE_DICTIONARY, ENCODING_PLAIN, column->dictionary_count};
        chunk->dictionary_offset = offset;
        status = append_page(out, &dictionary, &column->dictionary, zstd, chunk, error);
    }
    if (!etw_failed(status)) {
        const page data = {PAGE_DATA, has_dictionary ? ENCODING_RLE_DICTIONARY : ENCODING_PLAIN,
                           column->entries};
        chunk->data_offset = offset + (out->size - start);
        append_levels(&body, &column->repetitions, column->entries, column->max_repetition);
        append_levels(&body, &column->definitions, column->entries, column->max_definition);
        append_values(&body, column);
        status = append_page(out, &data, &body, zstd, chunk, error);
    }
    etw_text_free(&body);
    describe(column, chunk);
    empty(column);
    if (!etw_failed(status) && (chunk->least.failed || chunk->most.failed)) {
        status = etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a column");
    }
    return status;
}
