#include "format/schema/message_table.h"

#include <stdlib.h>

#define BLOCK_SIZE      12u
#define ENTRY_HEAD_SIZE 4u
#define FLAG_UTF16      1u

/* Steps from entry to entry of one block; returns how many were taken. */
static uint32_t lay_out_block(etw_message_table *table, uint32_t low, uint32_t high, uint32_t at,
                              uint32_t most)
{
    uint32_t taken = 0;
    for (uint32_t id = low; taken < most; id++) {
        if (table->bytes.size < ENTRY_HEAD_SIZE || at > table->bytes.size - ENTRY_HEAD_SIZE) {
            break;
        }
        const uint32_t size = etw_load_u16(table->bytes.data + at);
        if (size < ENTRY_HEAD_SIZE || size > table->bytes.size - at) {
            break;
        }
        table->places[table->count++] = (etw_message_place){id, at};
        taken++;
        at += size;
        if (id == high) {
            break;
        }
    }
    return taken;
}

static int compare_places(const void *a, const void *b)
{
    const etw_message_place *left = a;
    const etw_message_place *right = b;
    if (left->id != right->id) {
        return left->id < right->id ? -1 : 1;
    }
    return left->offset < right->offset ? -1 : left->offset > right->offset;
}

etw_status etw_message_table_open(etw_bytes bytes, etw_message_table *table, etw_error *error)
{
    *table = (etw_message_table){.bytes = bytes};
    if (bytes.size < sizeof(uint32_t) || bytes.size > ETW_MESSAGE_TABLE_MAX_BYTES) {
        return etw_error_set(error, ETW_ERROR_NOT_THIS, "no message table");
    }
    const uint32_t blocks = etw_load_u32(bytes.data);
    if (blocks > (bytes.size - sizeof(uint32_t)) / BLOCK_SIZE) {
        return etw_error_set(error, ETW_ERROR_NOT_THIS, "no message table");
    }
    const uint32_t most = (uint32_t)(bytes.size / ENTRY_HEAD_SIZE);
    table->places = malloc((size_t)most * sizeof *table->places);
    if (table->places == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a message table");
    }
    for (uint32_t i = 0; i < blocks; i++) {
        const uint8_t *block = bytes.data + sizeof(uint32_t) + (size_t)i * BLOCK_SIZE;
        const uint32_t low = etw_load_u32(block);
        const uint32_t high = etw_load_u32(block + 4);
        if (low <= high) {
            (void)lay_out_block(table, low, high, etw_load_u32(block + 8), most - table->count);
        }
    }
    qsort(table->places, table->count, sizeof *table->places, compare_places);
    return ETW_OK;
}

void etw_message_table_free(etw_message_table *table)
{
    free(table->places);
    *table = (etw_message_table){0};
}

/* The first of the places with this id, or NULL. */
static const etw_message_place *place_of(const etw_message_table *table, uint32_t id)
{
    uint32_t from = 0;
    uint32_t to = table->count;
    while (from < to) {
        const uint32_t middle = from + (to - from) / 2;
        if (table->places[middle].id < id) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    return from < table->count && table->places[from].id == id ? &table->places[from] : NULL;
}

static void drop_line_end(etw_text *text)
{
    if (text->size > 0 && text->data[text->size - 1] == '\n') {
        text->size--;
        if (text->size > 0 && text->data[text->size - 1] == '\r') {
            text->size--;
        }
    }
}

bool etw_message_table_get(const etw_message_table *table, uint32_t id, etw_text *text)
{
    const etw_message_place *place = place_of(table, id);
    if (place == NULL) {
        return false;
    }
    const uint8_t *entry = table->bytes.data + place->offset;
    const uint8_t *from = entry + ENTRY_HEAD_SIZE;
    const size_t size = (size_t)etw_load_u16(entry) - ENTRY_HEAD_SIZE;
    etw_text_clear(text);
    if ((etw_load_u16(entry + 2) & FLAG_UTF16) != 0) {
        etw_text_append_utf16(text, from, etw_utf16_length_bytes(from, size), ETW_ESCAPE_NONE);
    } else {
        etw_text_append_ansi(text, from, strnlen((const char *)from, size), ETW_ESCAPE_NONE);
    }
    drop_line_end(text);
    return true;
}
