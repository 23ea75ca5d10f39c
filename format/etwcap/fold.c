#include "format/etwcap/fold.h"

#include <stdlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "format/etwcap/fold_body.h"
#include "format/etwcap/fold_dictionary.h"
#include "format/etwcap/fold_text.h"

/* zstd's level for so many bytes of blocks, expanded; 0: they are not folded. Small files are
 * written once and kept for long, but from some size on the highest level costs more than all else
 * that is done for a file, and for larger ones a lower level saves little. */
#define BEST_LEVEL        19
#define QUICK_LEVEL       7
#define SMALL_PLAIN       ((size_t)64 << 10)
#define MAX_PLAIN         ((size_t)128 << 10)
#define MAX_ARCHIVE_PLAIN ((size_t)512 << 10)

static int level_for(size_t plain, bool is_archive)
{
    if (plain <= SMALL_PLAIN || (is_archive && plain <= MAX_ARCHIVE_PLAIN)) {
        return BEST_LEVEL;
    }
    return plain <= MAX_PLAIN ? QUICK_LEVEL : 0;
}

/* Every frame begins with it, so that it need not be stored. */
#define MAGIC_SIZE 4u
static const uint8_t frame_magic[MAGIC_SIZE] = {0x28, 0xB5, 0x2F, 0xFD};

#define SIZE_BITS 24u

void etw_fold_head_store(const etw_fold_head *head, uint8_t to[ETW_FOLD_HEAD_SIZE])
{
    etw_head_store(to, ETW_FORMAT_FOLDED);
    etw_store_u32(to + ETW_HEAD_SIZE, head->stored_size | (uint32_t)head->dictionary << SIZE_BITS);
    etw_store_u64(to + ETW_HEAD_SIZE + 4, head->hash);
}

etw_fold_head etw_fold_head_load(const uint8_t from[ETW_FOLD_HEAD_SIZE])
{
    const uint32_t word = etw_load_u32(from + ETW_HEAD_SIZE);
    const etw_fold_head head = {.stored_size = word & ((1u << SIZE_BITS) - 1),
                                .dictionary = (uint8_t)(word >> SIZE_BITS),
                                .hash = etw_load_u64(from + ETW_HEAD_SIZE + 4)};
    return head;
}

/* ---- Blocks, one after another ---- */

static bool has_times(const etw_sink_block *block)
{
    return block->first_time_100ns != 0 || block->last_time_100ns != 0;
}

/* body: what is kept of the block's. */
static void append_block(const etw_sink_block *block, etw_bytes body, etw_buffer *to)
{
    etw_buffer_append_varint(to, (uint64_t)block->kind << 1 | has_times(block));
    etw_buffer_append_varint(to, block->count);
    if (has_times(block)) {
        const uint64_t first = (uint64_t)block->first_time_100ns;
        etw_buffer_append_u64(to, first);
        etw_buffer_append_varint(to, (uint64_t)block->last_time_100ns - first);
    }
    etw_buffer_append_varint(to, body.size);
    etw_buffer_append(to, body.data, body.size);
}

/* False where the cursor is not at a block. */
static bool take_block(etw_cursor *cursor, etw_sink_block *block, etw_bytes *body)
{
    const uint64_t kind = etw_cursor_varint(cursor);
    const uint64_t count = etw_cursor_varint(cursor);
    uint64_t first = 0, last = 0;
    if ((kind & 1) != 0) {
        first = etw_cursor_u64(cursor);
        last = first + etw_cursor_varint(cursor);
    }
    const uint64_t size = etw_cursor_varint(cursor);
    body->data = etw_cursor_take(cursor, size);
    body->size = (size_t)size;
    *block = (etw_sink_block){.kind = (uint16_t)(kind >> 1),
                              .count = (uint32_t)count,
                              .first_time_100ns = (int64_t)first,
                              .last_time_100ns = (int64_t)last};
    const bool is_closing = block->kind == ETW_BLOCK_INDEX || block->kind == ETW_BLOCK_SUMMARY ||
                            block->kind == ETW_BLOCK_END;
    return !cursor->failed && kind >> 1 <= UINT16_MAX && count <= UINT32_MAX && block->kind != 0 &&
           !is_closing;
}

static etw_status damaged(etw_error *error)
{
    return etw_error_set(error, ETW_ERROR_DAMAGED, "what is folded in the file is damaged");
}

static etw_status no_memory(etw_error *error)
{
    return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for a folded file");
}

static etw_status each_block(etw_bytes plain, const etw_fold_visitor *visitor, etw_error *error)
{
    etw_cursor cursor = etw_cursor_over(plain);
    etw_buffer body = {0};
    etw_status status = ETW_OK;
    while (status == ETW_OK && etw_cursor_left(&cursor) > 0) {
        etw_sink_block block;
        etw_bytes folded;
        etw_buffer_clear(&body);
        if (!take_block(&cursor, &block, &folded) || !etw_unfold_body(folded, &block, &body)) {
            status = body.failed ? no_memory(error) : damaged(error);
        } else if (block.body.size > ETW_BLOCK_MAX_STORED) {
            status = damaged(error);
        } else {
            status = visitor->put(visitor->context, &block, error);
        }
    }
    etw_buffer_free(&body);
    return status;
}

/* ---- All blocks of a file ---- */

typedef struct folding {
    bool is_archive;
    etw_buffer plain; /* of all blocks */
    etw_buffer body;  /* of one, expanded */
    etw_buffer part;  /* what is kept of it */
    uint8_t *traces;  /* by number: its first block was met */
    etw_bytes file;
} folding;

/* The body as its writer had it: lent until the next call. */
static bool plain_body(folding *self, const etw_block_header *header, size_t at,
                       etw_sink_block *block)
{
    etw_buffer masked = {0};
    etw_buffer_clear(&self->body);
    etw_buffer_append(&masked, self->file.data + at + ETW_BLOCK_HEADER_SIZE, header->stored_size);
    bool is_good = !masked.failed;
    if (is_good) {
        etw_block_xor((uint8_t *)masked.data, masked.size, etw_block_mask(header));
    }
    if (is_good && (header->flags & ETW_BLOCK_ZSTD) != 0) {
        is_good = etw_block_expand(header, etw_buffer_bytes(&masked), &self->body, NULL) == ETW_OK;
    } else {
        etw_buffer_append(&self->body, masked.data, masked.size);
    }
    etw_buffer_free(&masked);
    *block = (etw_sink_block){.kind = header->kind,
                              .raw_size = header->raw_size,
                              .count = header->count,
                              .head_size = header->head_size,
                              .first_time_100ns = header->first_time_100ns,
                              .last_time_100ns = header->last_time_100ns,
                              .body = etw_buffer_bytes(&self->body)};
    return is_good && !self->body.failed;
}

/* Whether the block is made anew when the file is read: what closes it, and traces' copies. */
static bool is_left_out(folding *self, const etw_sink_block *block)
{
    if (block->kind == ETW_BLOCK_TRACE && block->body.size >= sizeof(uint16_t)) {
        const uint16_t number = etw_load_u16(block->body.data) % ETW_MAX_TRACES;
        const bool is_copy = self->traces[number] != 0;
        self->traces[number] = 1;
        return is_copy;
    }
    return block->kind == ETW_BLOCK_INDEX || block->kind == ETW_BLOCK_SUMMARY ||
           block->kind == ETW_BLOCK_END;
}

typedef struct comparison {
    const etw_sink_block *block;
    folding *folding;
    bool is_same;
} comparison;

/* Events come back with other frames: what is kept of them is compared. */
static etw_status compare(void *context, const etw_sink_block *back, etw_error *error)
{
    comparison *self = context;
    const etw_sink_block *block = self->block;
    bool is_same = back->kind == block->kind && back->count == block->count &&
                   back->raw_size == block->raw_size && back->head_size == block->head_size &&
                   back->first_time_100ns == block->first_time_100ns &&
                   back->last_time_100ns == block->last_time_100ns;
    (void)error;
    if (back->kind == ETW_BLOCK_EVENTS) {
        etw_buffer again = {0};
        is_same = is_same && etw_fold_body(back, &again) &&
                  memcmp(back->body.data, block->body.data, block->head_size) == 0 &&
                  etw_bytes_equal(etw_buffer_bytes(&again), etw_buffer_bytes(&self->folding->part));
        etw_buffer_free(&again);
    } else {
        is_same = is_same && etw_bytes_equal(back->body, block->body);
    }
    self->is_same = is_same;
    return ETW_OK;
}

static bool add_block(folding *self, const etw_sink_block *block)
{
    const size_t start = self->plain.size;
    comparison comparing = {.block = block, .folding = self};
    const etw_fold_visitor visitor = {compare, &comparing};
    etw_buffer_clear(&self->part);
    if (!etw_fold_body(block, &self->part)) {
        return false;
    }
    append_block(block, etw_buffer_bytes(&self->part), &self->plain);
    if (self->plain.failed || level_for(self->plain.size, self->is_archive) == 0) {
        return false;
    }
    const etw_bytes added = {(const uint8_t *)self->plain.data + start, self->plain.size - start};
    return each_block(added, &visitor, NULL) == ETW_OK && comparing.is_same;
}

static bool add_blocks(folding *self)
{
    size_t at = ETW_HEAD_SIZE;
    while (at < self->file.size) {
        etw_block_header header;
        etw_sink_block block;
        if (self->file.size - at < ETW_BLOCK_HEADER_SIZE ||
            !etw_block_header_load(self->file.data + at, &header) ||
            self->file.size - at - ETW_BLOCK_HEADER_SIZE < header.stored_size ||
            !plain_body(self, &header, at, &block)) {
            return false;
        }
        if (!is_left_out(self, &block) && !add_block(self, &block)) {
            return false;
        }
        at += ETW_BLOCK_HEADER_SIZE + header.stored_size;
    }
    return true;
}

/* ---- The frame ---- */

/* Of the dictionary's head: a frame names no dictionary whose number is 0. */
#define DICTIONARY_ID_AT   4u
#define DICTIONARY_ID_SIZE 4u

/* With tables of the dictionary that are as small as it is: those that zstd would take for the two
 * together are megabytes to clear, and find hardly more. */
static size_t compress_quickly(ZSTD_CCtx *state, etw_room to, etw_bytes raw,
                               const etw_buffer *dictionary)
{
    ZSTD_CDict *tables = ZSTD_createCDict(dictionary->data, dictionary->size, QUICK_LEVEL);
    const size_t size = tables == NULL ? 0
                                       : ZSTD_compress_usingCDict(state, to.data, to.size, raw.data,
                                                                  raw.size, tables);
    (void)ZSTD_freeCDict(tables);
    return size;
}

/* Not by ZSTD_CCtx_loadDictionary: in zstd 1.5.4 it crashes where memory is out. */
static bool compress(etw_bytes raw, int level, etw_buffer *to)
{
    ZSTD_CCtx *state = ZSTD_createCCtx();
    etw_buffer dictionary = {0};
    const size_t room = ZSTD_compressBound(raw.size);
    char *at = etw_buffer_reserve(to, room);
    etw_buffer_append(&dictionary, etw_fold_dictionary, ETW_FOLD_DICTIONARY_SIZE);
    bool is_good = state != NULL && at != NULL && !dictionary.failed;
    if (is_good) {
        memset(dictionary.data + DICTIONARY_ID_AT, 0, DICTIONARY_ID_SIZE);
        const size_t size =
            level == QUICK_LEVEL
                ? compress_quickly(state, (etw_room){(uint8_t *)at, room}, raw, &dictionary)
                : ZSTD_compress_usingDict(state, at, room, raw.data, raw.size, dictionary.data,
                                          dictionary.size, level);
        is_good = !ZSTD_isError(size) && size > MAGIC_SIZE;
        to->size += is_good ? size : 0;
    }
    etw_buffer_free(&dictionary);
    (void)ZSTD_freeCCtx(state);
    return is_good;
}

static etw_status expand(etw_bytes stored, etw_buffer *to, etw_error *error)
{
    etw_buffer frame = {0};
    etw_buffer_append(&frame, frame_magic, sizeof frame_magic);
    etw_buffer_append(&frame, stored.data, stored.size);
    if (frame.failed) {
        etw_buffer_free(&frame);
        return no_memory(error);
    }
    const unsigned long long size = ZSTD_getFrameContentSize(frame.data, frame.size);
    etw_status status = ETW_OK;
    if (size > ETW_BLOCK_MAX_RAW) { /* the errors as well */
        status = damaged(error);
    }
    ZSTD_DCtx *state = status == ETW_OK ? ZSTD_createDCtx() : NULL;
    char *at = status == ETW_OK ? etw_buffer_reserve(to, (size_t)size + 1) : NULL;
    if (status == ETW_OK && (state == NULL || at == NULL)) {
        status = no_memory(error);
    }
    if (status == ETW_OK) {
        const size_t got =
            ZSTD_decompress_usingDict(state, at, (size_t)size, frame.data, frame.size,
                                      etw_fold_dictionary, ETW_FOLD_DICTIONARY_SIZE);
        const bool is_out =
            ZSTD_isError(got) && ZSTD_getErrorCode(got) == ZSTD_error_memory_allocation;
        status = is_out ? no_memory(error) : got == size ? ETW_OK : damaged(error);
        to->size += status == ETW_OK ? (size_t)size : 0;
    }
    (void)ZSTD_freeDCtx(state);
    etw_buffer_free(&frame);
    return status;
}

/* ---- Files ---- */

static bool append_file(etw_bytes plain, int level, etw_buffer *to)
{
    etw_buffer folded = {0};
    etw_buffer frame = {0};
    uint8_t head[ETW_FOLD_HEAD_SIZE];
    etw_fold_text(plain, &folded);
    const bool is_good = !folded.failed && compress(etw_buffer_bytes(&folded), level, &frame);
    if (is_good) {
        const etw_bytes stored = {(const uint8_t *)frame.data + MAGIC_SIZE,
                                  frame.size - MAGIC_SIZE};
        const etw_fold_head facts = {(uint32_t)stored.size, ETW_FOLD_DICTIONARY,
                                     etw_block_hash(stored)};
        etw_fold_head_store(&facts, head);
        etw_buffer_append(to, head, sizeof head);
        etw_buffer_append(to, stored.data, stored.size);
    }
    etw_buffer_free(&folded);
    etw_buffer_free(&frame);
    return is_good && !to->failed;
}

bool etw_fold(etw_bytes file, bool is_archive, etw_buffer *to)
{
    const size_t start = to->size;
    folding self = {.is_archive = is_archive, .file = file, .traces = calloc(ETW_MAX_TRACES, 1)};
    const bool is_good =
        self.traces != NULL && add_blocks(&self) &&
        append_file(etw_buffer_bytes(&self.plain), level_for(self.plain.size, is_archive), to);
    if (!is_good) {
        to->size = start;
    }
    free(self.traces);
    etw_buffer_free(&self.plain);
    etw_buffer_free(&self.body);
    etw_buffer_free(&self.part);
    return is_good;
}

etw_status etw_fold_each(uint8_t dictionary, etw_bytes stored, const etw_fold_visitor *visitor,
                         etw_error *error)
{
    etw_buffer folded = {0};
    etw_buffer plain = {0};
    if (dictionary != ETW_FOLD_DICTIONARY) {
        return etw_error_set(error, ETW_ERROR_UNSUPPORTED,
                             "the file needs dictionary %u, which this program does not have: use "
                             "a newer program",
                             dictionary);
    }
    etw_status status = expand(stored, &folded, error);
    if (status == ETW_OK &&
        !etw_unfold_text(etw_buffer_bytes(&folded), ETW_BLOCK_MAX_RAW, &plain)) {
        status = plain.failed ? no_memory(error) : damaged(error);
    }
    if (status == ETW_OK) {
        status = each_block(etw_buffer_bytes(&plain), visitor, error);
    }
    etw_buffer_free(&folded);
    etw_buffer_free(&plain);
    return status;
}
