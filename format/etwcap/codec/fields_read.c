#include "format/etwcap/codec/fields_read.h"

#include <stdlib.h>

bool etw_fields_reader_init(etw_fields_reader *reader)
{
    reader->columns = etw_column_reader_new();
    return reader->columns != NULL;
}

void etw_fields_reader_free(etw_fields_reader *reader)
{
    etw_column_reader_free(reader->columns);
    free(reader->words);
}

void etw_fields_reader_begin(etw_fields_reader *reader, etw_event_arrays *arrays)
{
    reader->values = etw_event_array(arrays, sizeof *reader->values);
    reader->ids = etw_event_array_rare(arrays, sizeof *reader->ids);
    reader->contents = etw_event_array_rare(arrays, sizeof *reader->contents);
}

bool etw_fields_read(etw_fields_reader *reader, etw_cursor *cursor, uint32_t count, uint32_t width,
                     uint32_t *mode)
{
    return etw_column_read(reader->columns, cursor, reader->values, count, width, mode);
}

typedef struct blob_column {
    uint32_t count;
    uint32_t word;
    size_t max_size;
} blob_column;

/* Numbers of blobs appear in the order 0, 1, 2, ...: *distinct is one more than the highest. */
static bool read_ids(etw_fields_reader *reader, etw_cursor *cursor, uint32_t count,
                     uint32_t *distinct)
{
    *distinct = 0;
    if (!etw_fields_read(reader, cursor, count, 4, NULL)) {
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (reader->values[i] > *distinct) {
            return false;
        }
        *distinct += reader->values[i] == *distinct;
        reader->ids[i] = (uint32_t)reader->values[i];
    }
    return true;
}

static bool reserve_words(etw_fields_reader *reader, size_t count)
{
    if (count <= reader->word_capacity) {
        return true;
    }
    free(reader->words);
    reader->words = malloc(count * sizeof *reader->words);
    reader->word_capacity = reader->words == NULL ? 0 : count;
    reader->out_of_memory = reader->out_of_memory || reader->words == NULL;
    return reader->words != NULL;
}

static void add_word_guesses(etw_fields_reader *reader, uint32_t rows, uint32_t word)
{
    etw_word_guess guess = {0, 0};
    uint64_t *words = reader->words;
    for (uint32_t row = 0; row < rows; row++) {
        const uint32_t size = (uint32_t)(reader->contents[row].size / word);
        for (uint32_t i = 0; i < size; i++, words++) {
            uint64_t *landmark = etw_word_landmark(&guess, i, size);
            *words = (*words + (landmark != NULL ? *landmark : words[-1])) & etw_column_mask(word);
            if (landmark != NULL) {
                *landmark = *words;
            }
        }
    }
}

/* The words' bytes end up at the front of reader->words. */
static bool read_words(etw_fields_reader *reader, etw_cursor *cursor, uint32_t rows, size_t count,
                       uint32_t word)
{
    uint32_t mode = 0;
    if (!reserve_words(reader, count) ||
        !etw_column_read(reader->columns, cursor, reader->words, (uint32_t)count, word, &mode) ||
        mode > ETW_WORDS_BY_ROW) {
        return false;
    }
    if (mode == ETW_WORDS_BY_ROW) {
        add_word_guesses(reader, rows, word);
    }
    uint8_t *to = (uint8_t *)reader->words;
    for (size_t i = 0; i < count && word == 4; i++) {
        etw_store_u32(to + 4 * i, (uint32_t)reader->words[i]);
    }
    return true;
}

/* Which blob each row has, how many there are, and their bytes together. */
static bool read_sizes(etw_fields_reader *reader, etw_cursor *cursor, const blob_column *of,
                       uint32_t *distinct, size_t *total)
{
    if (!read_ids(reader, cursor, of->count, distinct) ||
        !etw_fields_read(reader, cursor, *distinct, 4, NULL)) {
        return false;
    }
    uint64_t sum = 0;
    for (uint32_t i = 0; i < *distinct; i++) {
        if (reader->values[i] > of->max_size / of->word) {
            return false;
        }
        reader->contents[i].size = (size_t)reader->values[i] * of->word;
        sum += reader->contents[i].size;
    }
    *total = (size_t)sum;
    return sum <= ETW_BATCH_MAX_BYTES;
}

bool etw_fields_pass_blobs(etw_fields_reader *reader, etw_cursor *cursor, uint32_t count,
                           uint32_t word, size_t max_size)
{
    uint32_t distinct, mode;
    size_t total;
    if (!read_sizes(reader, cursor, &(blob_column){count, word, max_size}, &distinct, &total)) {
        return false;
    }
    return word == 1 ? etw_cursor_take(cursor, total) != NULL
                     : etw_column_pass(cursor, (uint32_t)(total / word), word, &mode) &&
                           mode <= ETW_WORDS_BY_ROW;
}

bool etw_fields_read_blobs(etw_fields_reader *reader, etw_cursor *cursor, uint32_t count,
                           uint32_t word, size_t max_size)
{
    uint32_t distinct;
    size_t total;
    if (!read_sizes(reader, cursor, &(blob_column){count, word, max_size}, &distinct, &total)) {
        return false;
    }
    const uint8_t *from = NULL;
    if (word == 1) {
        from = etw_cursor_take(cursor, total);
        if (from == NULL) {
            return false;
        }
    } else if (total > 0) {
        if (!read_words(reader, cursor, distinct, total / word, word)) {
            return false;
        }
        from = (const uint8_t *)reader->words;
    }
    for (uint32_t i = 0; i < distinct; i++) {
        reader->contents[i].data = from;
        from = reader->contents[i].size == 0 ? from : from + reader->contents[i].size;
    }
    return true;
}
