#include "format/etl/buffer_table.h"

#include <stdlib.h>

#define FIRST_CAPACITY 1024u
/* Entries of a chunk held while chunks are merged: 4 KiB each. */
#define PIECE 128u

void etw_buffer_table_init(etw_buffer_table *table, const etw_os *os)
{
    memset(table, 0, sizeof *table);
    table->os = os;
    table->file = -1;
    table->sorted = true;
}

void etw_buffer_table_free(etw_buffer_table *table)
{
    for (uint32_t i = 0; i < table->chunk_count; i++) {
        free(table->chunks[i].entries);
    }
    free(table->chunks);
    free(table->entries);
    if (table->file >= 0) {
        (void)table->os->close(table->os->context, table->file);
    }
    etw_buffer_table_init(table, table->os);
}

static bool is_before(const etw_buffer_entry *a, const etw_buffer_entry *b)
{
    return a->first_ticks != b->first_ticks ? a->first_ticks < b->first_ticks
                                            : a->offset < b->offset;
}

static int compare(const void *a, const void *b)
{
    return is_before(a, b) ? -1 : 1; /* no two entries have the same offset */
}

static void sort(etw_buffer_table *table)
{
    if (!table->sorted) {
        qsort(table->entries, table->count, sizeof *table->entries, compare);
        table->sorted = true;
    }
}

static etw_status open_spill(etw_buffer_table *table, etw_error *error)
{
    table->chunks = calloc(ETW_BUFFER_TABLE_MAX_CHUNKS, sizeof *table->chunks);
    if (table->chunks == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for the table of buffers");
    }
    const int file = table->os->open_temporary(table->os->context);
    if (file < 0) {
        return etw_error_set_os(error, -file, "a temporary file for the table of buffers");
    }
    table->file = file;
    return ETW_OK;
}

/* Chunks are of equal size and written one behind the other, so that plain appending does. */
static etw_status spill(etw_buffer_table *table, etw_error *error)
{
    if (table->chunk_count == ETW_BUFFER_TABLE_MAX_CHUNKS) {
        return etw_error_set(error, ETW_ERROR_LIMIT, "more than %zu buffers",
                             ETW_BUFFER_TABLE_CHUNK * ETW_BUFFER_TABLE_MAX_CHUNKS);
    }
    if (table->file < 0) {
        const etw_status status = open_spill(table, error);
        if (status != ETW_OK) {
            return status;
        }
    }
    sort(table);
    etw_buffer_chunk *chunk = &table->chunks[table->chunk_count];
    chunk->next = (uint64_t)table->chunk_count * ETW_BUFFER_TABLE_CHUNK;
    chunk->end = chunk->next + table->count;
    const etw_status status = etw_os_write_full(table->os, table->file, table->entries,
                                                table->count * sizeof *table->entries, NULL, error);
    if (status != ETW_OK) {
        return etw_error_wrap(error, status, "the table of buffers in a temporary file");
    }
    table->chunk_count++;
    table->count = 0;
    return ETW_OK;
}

static etw_status grow(etw_buffer_table *table, etw_error *error)
{
    const size_t capacity = table->capacity == 0 ? FIRST_CAPACITY : 2 * table->capacity;
    etw_buffer_entry *entries = realloc(table->entries, capacity * sizeof *entries);
    if (entries == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for the table of buffers");
    }
    table->entries = entries;
    table->capacity = capacity;
    return ETW_OK;
}

etw_status etw_buffer_table_add(etw_buffer_table *table, const etw_buffer_entry *entry,
                                etw_error *error)
{
    etw_status status = ETW_OK;
    if (table->count == ETW_BUFFER_TABLE_CHUNK) {
        status = spill(table, error);
    } else if (table->count == table->capacity) {
        status = grow(table, error);
    }
    if (status != ETW_OK) {
        return status;
    }
    if (table->count != 0 && is_before(entry, &table->entries[table->count - 1])) {
        table->sorted = false;
    }
    table->entries[table->count++] = *entry;
    return ETW_OK;
}

static etw_status load_piece(etw_buffer_table *table, etw_buffer_chunk *chunk, etw_error *error)
{
    const uint64_t left = chunk->end - chunk->next;
    const size_t count = left < PIECE ? (size_t)left : PIECE;
    const etw_room room = {chunk->entries, count * sizeof *chunk->entries};
    size_t got;
    const etw_status status = etw_os_read_at_full(
        table->os, table->file, room, chunk->next * sizeof *chunk->entries, &got, error);
    if (status != ETW_OK || got != room.size) {
        return etw_error_wrap(error, ETW_ERROR_IO, "the table of buffers in a temporary file");
    }
    chunk->next += count;
    chunk->count = count;
    chunk->at = 0;
    return ETW_OK;
}

/* Few chunks exist (one of 2^18 buffers each), so that a walk over them finds the lowest well
 * enough. */
static void find_lowest(etw_buffer_table *table)
{
    const etw_buffer_entry *best = table->at < table->count ? &table->entries[table->at] : NULL;
    table->lowest = NULL;
    for (uint32_t i = 0; i < table->chunk_count; i++) {
        etw_buffer_chunk *chunk = &table->chunks[i];
        if (chunk->at == chunk->count) {
            continue;
        }
        const etw_buffer_entry *entry = &chunk->entries[chunk->at];
        if (best == NULL || is_before(entry, best)) {
            best = entry;
            table->lowest = chunk;
        }
    }
}

etw_status etw_buffer_table_finish(etw_buffer_table *table, etw_error *error)
{
    sort(table);
    for (uint32_t i = 0; i < table->chunk_count; i++) {
        etw_buffer_chunk *chunk = &table->chunks[i];
        chunk->entries = malloc(PIECE * sizeof *chunk->entries);
        if (chunk->entries == NULL) {
            return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for the table of buffers");
        }
        const etw_status status = load_piece(table, chunk, error);
        if (status != ETW_OK) {
            return status;
        }
    }
    find_lowest(table);
    return ETW_OK;
}

const etw_buffer_entry *etw_buffer_table_peek(const etw_buffer_table *table)
{
    if (table->lowest != NULL) {
        return &table->lowest->entries[table->lowest->at];
    }
    return table->at < table->count ? &table->entries[table->at] : NULL;
}

etw_status etw_buffer_table_pop(etw_buffer_table *table, etw_error *error)
{
    etw_buffer_chunk *chunk = table->lowest;
    etw_status status = ETW_OK;
    if (chunk == NULL) {
        table->at++;
    } else if (++chunk->at == chunk->count && chunk->next < chunk->end) {
        status = load_piece(table, chunk, error);
    }
    if (table->chunk_count != 0) {
        find_lowest(table);
    }
    return status;
}
