#include "format/etwcap/fold_body.h"

#include <zstd.h>

#include "format/etwcap/body.h"

#define HASH_SIZE 8u
/* Of an events block's part behind its head: FORMAT.md, 12.1. */
#define SECTIONS 4u
/* A zstd frame of bytes that are not compressed: magic, descriptor, content size; per block of at
 * most 128 KiB its header. RFC 8878. */
#define FRAME_MAGIC     0xFD2FB528u
#define FRAME_OF_U32    0xA0u /* one segment, the size has four bytes */
#define FRAME_BLOCK_MAX ((size_t)128 << 10)

/* ---- Schemas: their hashes are those of their blobs ---- */

enum schemas_entry { ENTRY_BLOB = 1, ENTRY_SCHEMA = 2, ENTRY_PROVIDER = 3 };

/* Appends what the cursor has next, of a size. */
static void copy(etw_cursor *cursor, uint64_t size, etw_buffer *to)
{
    const uint8_t *from = etw_cursor_take(cursor, size);
    if (from != NULL) {
        etw_buffer_append(to, from, (size_t)size);
    }
}

/* The same, and its value. */
static uint32_t copy_u32(etw_cursor *cursor, etw_buffer *to)
{
    const uint8_t *from = cursor->at;
    copy(cursor, sizeof(uint32_t), to);
    return cursor->failed ? 0 : etw_load_u32(from);
}

/* places: where the hashes belong that are to be put in, u32 each; NULL: they are left out. */
static void copy_schema(etw_cursor *cursor, etw_buffer *to, etw_buffer *places)
{
    static const uint8_t no_hash[HASH_SIZE] = {0};
    copy(cursor, 8, to); /* id, origin */
    if (places == NULL) {
        (void)etw_cursor_take(cursor, HASH_SIZE);
    } else {
        etw_buffer_append_u32(places, (uint32_t)to->size);
        etw_buffer_append(to, no_hash, sizeof no_hash);
    }
    copy(cursor, 4, to); /* blob */
    const uint32_t maps = copy_u32(cursor, to);
    copy(cursor, (uint64_t)maps * 4, to);
}

static bool copy_schemas(etw_bytes from, etw_buffer *to, etw_buffer *places)
{
    etw_cursor cursor = etw_cursor_over(from);
    while (!cursor.failed && !to->failed && etw_cursor_left(&cursor) > 0) {
        const uint8_t entry = etw_cursor_u8(&cursor);
        etw_buffer_append_u8(to, entry);
        if (entry == ENTRY_BLOB) {
            const uint32_t size = copy_u32(&cursor, to);
            copy(&cursor, size, to);
        } else if (entry == ENTRY_SCHEMA) {
            copy_schema(&cursor, to, places);
        } else if (entry == ENTRY_PROVIDER) {
            copy(&cursor, sizeof(etw_guid), to);
            const uint16_t size = etw_cursor_u16(&cursor);
            etw_buffer_append_u16(to, size);
            copy(&cursor, size, to);
        } else {
            return false;
        }
    }
    return !cursor.failed && !to->failed;
}

typedef struct hashing {
    uint8_t *body;
    const etw_buffer *places;
    size_t done;
} hashing;

static etw_status put_hash(void *context, const etw_schema_entry *entry, etw_error *error)
{
    hashing *self = context;
    (void)error;
    etw_store_u64(self->body + etw_load_u32(self->places->data + self->done),
                  etw_schema_hash(entry->schema));
    self->done += sizeof(uint32_t);
    return ETW_OK;
}

static bool unfold_schemas(etw_bytes folded, etw_buffer *to)
{
    etw_buffer body = {0};
    etw_buffer places = {0};
    bool is_good = copy_schemas(folded, &body, &places) && !places.failed;
    if (is_good) {
        hashing self = {(uint8_t *)body.data, &places, 0};
        const etw_schemas_visitor visitor = {.schema = put_hash, .context = &self};
        const etw_status status = etw_schemas_load(etw_buffer_bytes(&body), &visitor, NULL);
        is_good = status == ETW_OK;
        to->failed = to->failed || status == ETW_ERROR_NO_MEMORY;
        etw_buffer_append(to, body.data, body.size);
    }
    to->failed = to->failed || body.failed || places.failed;
    etw_buffer_free(&body);
    etw_buffer_free(&places);
    return is_good && !to->failed;
}

/* ---- Events: sections that are not compressed, and a head without its hash ---- */

static bool append_section(etw_cursor *cursor, etw_buffer *to)
{
    const uint32_t raw_size = etw_cursor_u32(cursor);
    const uint32_t stored_size = etw_cursor_u32(cursor);
    const uint8_t *stored = etw_cursor_take(cursor, stored_size);
    if (stored == NULL || raw_size > ETW_BLOCK_MAX_RAW) {
        return false;
    }
    etw_buffer_append_varint(to, raw_size);
    char *raw = etw_buffer_reserve(to, raw_size);
    if (raw == NULL || ZSTD_decompress(raw, raw_size, stored, stored_size) != raw_size) {
        return false;
    }
    to->size += raw_size;
    return true;
}

static bool fold_events(const etw_sink_block *block, etw_buffer *to)
{
    etw_cursor cursor = etw_cursor_over(block->body);
    const uint8_t *head = etw_cursor_take(&cursor, block->head_size);
    bool is_good = head != NULL && block->head_size >= HASH_SIZE && block->count > 0 &&
                   etw_cursor_u32(&cursor) == block->count;
    if (!is_good) {
        return false;
    }
    etw_buffer_append_varint(to, block->raw_size);
    etw_buffer_append_varint(to, block->head_size - HASH_SIZE);
    etw_buffer_append(to, head, block->head_size - HASH_SIZE);
    for (uint32_t i = 0; is_good && i < SECTIONS; i++) {
        is_good = append_section(&cursor, to);
    }
    return is_good && etw_cursor_left(&cursor) == 0 && !to->failed;
}

/* u32 size of the bytes, u32 size of their frame, and the frame. */
static void append_stored_frame(etw_bytes bytes, etw_buffer *to)
{
    const size_t start = to->size;
    size_t done = 0;
    etw_buffer_append_u32(to, (uint32_t)bytes.size);
    etw_buffer_append_u32(to, 0);
    etw_buffer_append_u32(to, FRAME_MAGIC);
    etw_buffer_append_u8(to, FRAME_OF_U32);
    etw_buffer_append_u32(to, (uint32_t)bytes.size);
    do {
        const size_t left = bytes.size - done;
        const size_t size = left < FRAME_BLOCK_MAX ? left : FRAME_BLOCK_MAX;
        const uint32_t header = (uint32_t)(size << 3) | (size == left ? 1u : 0u);
        etw_buffer_append(to, &header, 3);
        etw_buffer_append(to, bytes.data + done, size);
        done += size;
    } while (done < bytes.size);
    if (!to->failed) {
        etw_store_u32(to->data + start + 4, (uint32_t)(to->size - start - 8));
    }
}

static bool unfold_events(etw_bytes folded, etw_sink_block *block, etw_buffer *to)
{
    etw_cursor cursor = etw_cursor_over(folded);
    const uint64_t raw_size = etw_cursor_varint(&cursor);
    const uint64_t head_size = etw_cursor_varint(&cursor);
    const uint8_t *head = etw_cursor_take(&cursor, head_size);
    if (head == NULL || raw_size > ETW_BLOCK_MAX_EVENTS_RAW || block->count == 0) {
        return false;
    }
    block->raw_size = (uint32_t)raw_size;
    block->head_size = (uint32_t)head_size + HASH_SIZE;
    etw_buffer_append(to, head, (size_t)head_size);
    etw_buffer_append_u64(to, etw_block_hash((etw_bytes){head, (size_t)head_size}));
    etw_buffer_append_u32(to, block->count);
    for (uint32_t i = 0; i < SECTIONS; i++) {
        const uint64_t size = etw_cursor_varint(&cursor);
        const uint8_t *section = etw_cursor_take(&cursor, size);
        if (section == NULL) {
            return false;
        }
        append_stored_frame((etw_bytes){section, (size_t)size}, to);
    }
    return etw_cursor_left(&cursor) == 0 && !to->failed;
}

/* ---- All ---- */

bool etw_fold_body(const etw_sink_block *block, etw_buffer *to)
{
    switch (block->kind) {
    case ETW_BLOCK_TRACE:
        return etw_fold_trace(block->body, to);
    case ETW_BLOCK_SCHEMAS:
        return copy_schemas(block->body, to, NULL);
    case ETW_BLOCK_EVENTS:
        return fold_events(block, to);
    default:
        etw_buffer_append(to, block->body.data, block->body.size);
        return !to->failed;
    }
}

bool etw_unfold_body(etw_bytes folded, etw_sink_block *block, etw_buffer *to)
{
    const size_t start = to->size;
    bool is_good = true;
    switch (block->kind) {
    case ETW_BLOCK_TRACE:
        is_good = etw_unfold_trace(folded, to);
        break;
    case ETW_BLOCK_SCHEMAS:
        is_good = unfold_schemas(folded, to);
        break;
    case ETW_BLOCK_EVENTS:
        is_good = unfold_events(folded, block, to);
        break;
    default:
        etw_buffer_append(to, folded.data, folded.size);
        break;
    }
    block->body.data = (const uint8_t *)to->data + start;
    block->body.size = to->size - start;
    if (block->kind != ETW_BLOCK_EVENTS) {
        block->raw_size = (uint32_t)block->body.size;
    }
    return is_good && !to->failed;
}
