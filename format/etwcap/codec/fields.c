#include "format/etwcap/codec/fields.h"

#include <stdlib.h>

bool etw_fields_init(etw_fields *fields, bool thorough)
{
    fields->columns = etw_column_writer_new(thorough);
    return fields->columns != NULL;
}

void etw_fields_free(etw_fields *fields)
{
    etw_column_writer_free(fields->columns);
    etw_pool_free(&fields->contents);
    etw_event_arrays_free(&fields->words);
}

void etw_fields_begin(etw_fields *fields, etw_event_arrays *arrays)
{
    fields->values = etw_event_array(arrays, sizeof *fields->values);
    fields->predicted = etw_event_array(arrays, sizeof *fields->predicted);
    fields->ids = etw_event_array(arrays, sizeof *fields->ids);
    fields->blobs = etw_event_array_rare(arrays, sizeof *fields->blobs);
    fields->scratch.residuals = etw_event_array(arrays, sizeof *fields->scratch.residuals);
    fields->scratch.indexes = etw_event_array(arrays, sizeof *fields->scratch.indexes);
    etw_column_writer_lend(fields->columns, &fields->scratch);
}

bool etw_fields_write(etw_fields *fields, etw_buffer *out, uint32_t count, uint32_t width,
                      const etw_guess *guesses, uint32_t guess_count)
{
    const etw_integers column = {fields->values, count, width};
    return etw_column_write(fields->columns, column, guesses, guess_count, false, out);
}

void etw_guess_from_array(const void *context, uint32_t from, uint32_t count, uint64_t *predicted)
{
    memcpy(predicted, (const uint64_t *)context + from, count * sizeof *predicted);
}

bool etw_fields_write_ids(etw_fields *fields, etw_buffer *out, const uint32_t *ids, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        fields->values[i] = ids[i];
    }
    return etw_fields_write(fields, out, count, 4, NULL, 0);
}

/* Words of many rows, one row after another. */
typedef struct word_rows {
    const uint64_t *words;
    const uint64_t *sizes; /* of each row */
    uint32_t count;
} word_rows;

/* Guesses for words from..from + count. */
static void tell_words(const void *context, uint32_t from, uint32_t count, uint64_t *predicted)
{
    const word_rows *of = context;
    etw_word_guess guess = {0, 0};
    uint32_t at = 0;
    for (uint32_t row = 0; row < of->count && at < from + count; row++) {
        const uint32_t size = (uint32_t)of->sizes[row];
        for (uint32_t i = 0; i < size && at < from + count; i++, at++) {
            const uint64_t before = i == 0 ? 0 : of->words[at - 1];
            const uint64_t told = etw_word_guess_next(&guess, i, size, before, of->words[at]);
            if (at >= from) {
                predicted[at - from] = told;
            }
        }
    }
}

/* The words of all blobs, one behind another, as a column. fields->values: the words of each. */
static bool write_words(etw_fields *fields, etw_buffer *out, uint32_t word)
{
    const etw_pool *blobs = &fields->contents;
    const uint32_t most = (uint32_t)(blobs->bytes.size / word);
    const size_t word_bytes = 2 * sizeof(uint64_t) + sizeof(uint16_t);
    if (!etw_event_arrays_begin(&fields->words, most, word_bytes, word_bytes)) {
        return false;
    }
    uint64_t *words = etw_event_array(&fields->words, sizeof *words);
    uint32_t count = 0;
    for (uint32_t i = 0; i < blobs->count; i++) {
        const etw_bytes blob = etw_pool_get(blobs, i);
        for (size_t at = 0; at < blob.size; at += word) {
            words[count++] =
                word == 4 ? etw_load_u32(blob.data + at) : etw_load_u64(blob.data + at);
        }
    }
    const etw_column_scratch scratch = {etw_event_array(&fields->words, sizeof(uint64_t)),
                                        etw_event_array(&fields->words, sizeof(uint16_t))};
    const word_rows rows_of = {words, fields->values, blobs->count};
    const etw_guess guess = {ETW_WORDS_BY_ROW, tell_words, &rows_of};
    etw_column_writer_lend(fields->columns, &scratch);
    const bool is_good = etw_column_write(fields->columns, (etw_integers){words, count, word},
                                          &guess, 1, word == 8, out);
    etw_column_writer_lend(fields->columns, &fields->scratch);
    return is_good;
}

bool etw_fields_write_blobs(etw_fields *fields, etw_buffer *out, const etw_bytes *rows,
                            uint32_t count, uint32_t word)
{
    etw_pool *blobs = &fields->contents;
    etw_pool_clear(blobs);
    for (uint32_t i = 0; i < count; i++) {
        fields->ids[i] = etw_pool_add(blobs, rows[i].data, rows[i].size);
    }
    if (blobs->bytes.failed || !etw_fields_write_ids(fields, out, fields->ids, count)) {
        return false;
    }
    for (uint32_t i = 0; i < blobs->count; i++) {
        fields->values[i] = etw_pool_get(blobs, i).size / word;
    }
    if (!etw_fields_write(fields, out, blobs->count, 4, NULL, 0)) {
        return false;
    }
    if (word > 1) {
        return write_words(fields, out, word);
    }
    for (uint32_t i = 0; i < blobs->count; i++) {
        const etw_bytes blob = etw_pool_get(blobs, i);
        etw_buffer_append(out, blob.data, blob.size);
    }
    return true;
}
