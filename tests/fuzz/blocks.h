/* Mutations of .etwcap files that keep what checks itself right: hashes, compression, and on half
 * of the tries the numbers of blocks and the end block. Otherwise every mutation would end at the
 * first hash, and what stands behind it would never be reached. */
#ifndef ETW_TESTS_FUZZ_BLOCKS_H
#define ETW_TESTS_FUZZ_BLOCKS_H

#include "format/etwcap/body.h"
#include "format/etwcap/codec/events.h"
#include "format/etwcap/index.h"
#include "tests/fuzz/fuzz.h"

#include <zstd.h>

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

#define FUZZ_MAX_BLOCKS 256u
#define FUZZ_MAX_RAW    ((size_t)1 << 20)

static inline unsigned fuzz_next_random(unsigned *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

/* Mutates bytes of a text in place. */
static inline void fuzz_mutate_text(etw_text *text, size_t start)
{
    const size_t size = text->size - start;
    const size_t room = size + 64;
    uint8_t *copy = malloc(room);
    FUZZ_CHECK(copy != NULL);
    memcpy(copy, text->data + start, size);
    const size_t mutated = LLVMFuzzerMutate(copy, size, room);
    text->size = start;
    etw_buffer_append(text, copy, mutated);
    free(copy);
}

/* Appends a zstd frame; level 1. */
static inline void fuzz_append_frame(etw_text *to, etw_bytes raw)
{
    const size_t bound = ZSTD_compressBound(raw.size);
    char *at = etw_text_reserve(to, bound);
    FUZZ_CHECK(at != NULL);
    const size_t size = ZSTD_compress(at, bound, raw.data, raw.size, 1);
    FUZZ_CHECK(!ZSTD_isError(size));
    to->size += size;
}

/* Appends the body of an events block (codec.h) with one of its sections mutated; false where it is
 * not one. */
static inline bool fuzz_mutate_events(etw_bytes body, etw_text *to, unsigned *seed)
{
    etw_cursor cursor = etw_cursor_over(body);
    etw_buffer_append_u32(to, etw_cursor_u32(&cursor));
    const unsigned chosen = fuzz_next_random(seed) % ETW_SECTION_COUNT;
    for (unsigned i = 0; i < ETW_SECTION_COUNT; i++) {
        const uint32_t raw_size = etw_cursor_u32(&cursor);
        const uint32_t stored_size = etw_cursor_u32(&cursor);
        const uint8_t *stored = etw_cursor_take(&cursor, stored_size);
        etw_text raw = {0}, frame = {0};
        if (stored == NULL || raw_size > FUZZ_MAX_RAW) {
            return false;
        }
        if (i == chosen) {
            char *into = etw_text_reserve(&raw, raw_size + 1);
            const size_t size = ZSTD_decompress(into, raw_size, stored, stored_size);
            raw.size = ZSTD_isError(size) ? 0 : size;
            fuzz_mutate_text(&raw, 0);
            const etw_bytes bytes = etw_text_bytes(&raw);
            fuzz_append_frame(&frame, bytes);
        } else {
            etw_buffer_append(&frame, stored, stored_size);
        }
        etw_buffer_append_u32(to, i == chosen ? (uint32_t)raw.size : raw_size);
        etw_buffer_append_u32(to, (uint32_t)frame.size);
        etw_buffer_append(to, frame.data, frame.size);
        etw_text_free(&raw);
        etw_text_free(&frame);
    }
    return true;
}

typedef struct fuzz_block {
    etw_block_header header;
    etw_bytes stored;
} fuzz_block;

/* The blocks behind the head, as far as they are whole. */
static inline size_t fuzz_blocks_of(const uint8_t *data, size_t size, fuzz_block *blocks)
{
    size_t at = ETW_HEAD_SIZE;
    size_t count = 0;
    while (count < FUZZ_MAX_BLOCKS && at <= size && size - at >= ETW_BLOCK_HEADER_SIZE &&
           etw_block_header_load(data + at, &blocks[count].header)) {
        const size_t stored_size = blocks[count].header.stored_size;
        at += ETW_BLOCK_HEADER_SIZE;
        if (size - at < stored_size) {
            break;
        }
        blocks[count].stored.data = data + at;
        blocks[count].stored.size = stored_size;
        at += stored_size;
        count++;
    }
    return count;
}

static inline void fuzz_append_block(etw_text *to, const etw_block_header *header, etw_bytes stored)
{
    uint8_t bytes[ETW_BLOCK_HEADER_SIZE];
    etw_block_header copy = *header;
    copy.stored_size = (uint32_t)stored.size;
    copy.body_hash = etw_block_hash(stored);
    etw_block_header_store(&copy, bytes);
    etw_buffer_append(to, bytes, sizeof bytes);
    etw_buffer_append(to, stored.data, stored.size);
}

/* Events blocks: the head with its hash put right, or a section behind it. */
static inline void fuzz_mutate_events_block(etw_block_header *header, etw_bytes raw, etw_text *body,
                                            unsigned *seed)
{
    const size_t head_size = header->head_size < raw.size ? header->head_size : raw.size;
    const etw_bytes rest = {raw.data + head_size, raw.size - head_size};
    etw_buffer_append(body, raw.data, head_size);
    if (fuzz_next_random(seed) % 4 == 0 && head_size >= 8) {
        body->size -= 8;
        (void)LLVMFuzzerMutate((uint8_t *)body->data, body->size, body->size);
        const etw_bytes head = etw_text_bytes(body);
        etw_buffer_append_u64(body, etw_block_hash(head));
        etw_buffer_append(body, rest.data, rest.size);
    } else if (!fuzz_mutate_events(rest, body, seed)) {
        body->size = head_size;
        etw_buffer_append(body, rest.data, rest.size);
        fuzz_mutate_text(body, head_size);
    }
}

static inline void fuzz_append_mutated(etw_text *to, const fuzz_block *block, unsigned *seed)
{
    etw_text raw = {0}, body = {0};
    etw_block_header header = block->header;
    uint8_t *stored = fuzz_copy(block->stored.data, block->stored.size);
    etw_block_xor(stored, block->stored.size, etw_block_mask(&header));
    header.flags &= ETW_BLOCK_KNOWN_FLAGS;
    const etw_bytes unmasked = {stored, block->stored.size};
    if (etw_block_expand(&header, unmasked, &raw, NULL) != ETW_OK) {
        raw.size = 0;
        etw_buffer_append(&raw, stored, block->stored.size);
    }
    const etw_bytes bytes = etw_text_bytes(&raw);
    if (header.kind == ETW_BLOCK_EVENTS) {
        fuzz_mutate_events_block(&header, bytes, &body, seed);
    } else {
        fuzz_mutate_text(&raw, 0);
        if ((header.flags & ETW_BLOCK_ZSTD) != 0) {
            header.raw_size = (uint32_t)raw.size;
            fuzz_append_frame(&body, etw_text_bytes(&raw));
        } else {
            header.raw_size = (uint32_t)raw.size;
            etw_buffer_append(&body, raw.data, raw.size);
        }
    }
    fuzz_append_block(to, &header, etw_text_bytes(&body));
    free(stored);
    etw_text_free(&raw);
    etw_text_free(&body);
}

/* Numbers all blocks anew and lets the end block say what is so. */
static inline void fuzz_put_right(etw_text *file)
{
    fuzz_block blocks[FUZZ_MAX_BLOCKS];
    etw_text fixed = {0};
    const size_t count = fuzz_blocks_of((const uint8_t *)file->data, file->size, blocks);
    etw_end end = {.file_size = file->size, .blocks = count - 1};
    etw_buffer_append(&fixed, file->data, ETW_HEAD_SIZE);
    for (size_t i = 0; i < count; i++) {
        etw_text body = {0};
        etw_bytes stored = blocks[i].stored;
        blocks[i].header.sequence = i;
        if (blocks[i].header.kind == ETW_BLOCK_SUMMARY) {
            end.summary_offset = fixed.size;
        } else if (blocks[i].header.kind == ETW_BLOCK_END) {
            etw_end_append(&body, &end);
            stored = etw_text_bytes(&body);
        }
        fuzz_append_block(&fixed, &blocks[i].header, stored);
        etw_text_free(&body);
    }
    etw_text_free(file);
    *file = fixed;
}

static inline void fuzz_mutate_blocks(const uint8_t *data, const fuzz_block *blocks, size_t count,
                                      etw_text *file, unsigned *seed)
{
    const size_t chosen = fuzz_next_random(seed) % count;
    const size_t other = fuzz_next_random(seed) % count;
    const unsigned action = fuzz_next_random(seed) % 10;
    etw_buffer_append(file, data, ETW_HEAD_SIZE);
    for (size_t i = 0; i < count; i++) {
        etw_block_header header = blocks[i].header;
        if (i != chosen || action == 1) {
            fuzz_append_block(file, &header, blocks[i].stored);
            if (i == chosen) {
                fuzz_append_block(file, &blocks[other].header, blocks[other].stored);
            }
        } else if (action == 2) {
            (void)LLVMFuzzerMutate((uint8_t *)&header, sizeof header, sizeof header);
            fuzz_append_block(file, &header, blocks[i].stored);
        } else if (action > 2) {
            fuzz_append_mutated(file, &blocks[i], seed);
        } /* else: left out */
    }
    if (fuzz_next_random(seed) % 2 == 0) {
        fuzz_put_right(file);
    }
}

static inline size_t fuzz_mutate_file(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    static fuzz_block blocks[FUZZ_MAX_BLOCKS];
    const size_t count = fuzz_blocks_of(data, size, blocks);
    if (count == 0 || fuzz_next_random(&seed) % 8 == 0) {
        return LLVMFuzzerMutate(data, size, max_size);
    }
    etw_text file = {0};
    fuzz_mutate_blocks(data, blocks, count, &file, &seed);
    const bool fits = file.size <= max_size;
    if (fits) {
        memcpy(data, file.data, file.size);
    }
    const size_t mutated = file.size;
    etw_text_free(&file);
    return fits ? mutated : LLVMFuzzerMutate(data, size, max_size);
}

#endif
