#include "format/etwcap/block.h"

#define XXH_INLINE_ALL
#include <xxhash.h>
#include <zstd.h>

/* As in PNG: a byte with the high bit set, the name, both line ends and Ctrl-Z, so that a transfer
 * in text mode is seen at once. */
static const uint8_t magic[12] = {0x89, 'E', 'T', 'W', 'C', 'A', 'P', '\r', '\n', 0x1A, '\n', 0x00};
/* Neither text nor UTF-8, and rare in machine code and pointers. */
static const uint8_t marker[4] = {0xF5, 'e', 'B', 0xA7};

uint64_t etw_block_hash(etw_bytes bytes)
{
    return XXH3_64bits(bytes.data, bytes.size);
}

uint64_t etw_block_hash_seeded(etw_bytes bytes, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes.data, bytes.size, seed);
}

void etw_head_store(uint8_t to[ETW_HEAD_SIZE], uint16_t major)
{
    memcpy(to, magic, sizeof magic);
    etw_store_u16(to + 12, major);
    etw_store_u16(to + 14, ETW_FORMAT_MINOR);
    etw_store_u64(to + 16, etw_block_hash((etw_bytes){to, 16}));
}

etw_status etw_head_load(etw_bytes head, uint32_t *major, uint32_t *minor, etw_error *error)
{
    const size_t name_size = 7;
    const uint8_t *from = head.data;
    const size_t size = head.size;
    const size_t magic_size = size < sizeof magic ? size : sizeof magic;
    if (size < name_size || memcmp(from, magic, name_size) != 0) {
        return etw_error_set(error, ETW_ERROR_NOT_THIS, "not an .etwcap file");
    }
    if (memcmp(from, magic, magic_size) != 0) {
        return etw_error_set(error, ETW_ERROR_DAMAGED,
                             "an .etwcap file whose line ends were changed: copied in text mode?");
    }
    if (size < ETW_HEAD_SIZE) {
        return ETW_END;
    }
    if (etw_load_u64(from + 16) != etw_block_hash((etw_bytes){from, 16})) {
        return etw_error_set(error, ETW_ERROR_DAMAGED, "the file's head is damaged");
    }
    *major = etw_load_u16(from + 12);
    *minor = etw_load_u16(from + 14);
    if (*major > ETW_FORMAT_FOLDED) {
        return etw_error_set(error, ETW_ERROR_VERSION,
                             "format version %u.%u is newer than this program, which reads %u.x: "
                             "use a newer program",
                             *major, *minor, ETW_FORMAT_FOLDED);
    }
    return ETW_OK;
}

void etw_block_header_store(const etw_block_header *header, uint8_t to[ETW_BLOCK_HEADER_SIZE])
{
    memcpy(to, marker, sizeof marker);
    etw_store_u16(to + 4, header->kind);
    etw_store_u16(to + 6, header->flags);
    etw_store_u32(to + 8, header->stored_size);
    etw_store_u32(to + 12, header->raw_size);
    etw_store_u64(to + 16, header->sequence);
    etw_store_u64(to + 24, (uint64_t)header->first_time_100ns);
    etw_store_u64(to + 32, (uint64_t)header->last_time_100ns);
    etw_store_u32(to + 40, header->count);
    etw_store_u32(to + 44, header->head_size);
    etw_store_u64(to + 48, header->body_hash);
    etw_store_u64(to + 56, etw_block_hash((etw_bytes){to, 56}));
}

static bool within_limits(const etw_block_header *header)
{
    const uint32_t max_raw =
        header->kind == ETW_BLOCK_EVENTS ? ETW_BLOCK_MAX_EVENTS_RAW : ETW_BLOCK_MAX_RAW;
    return header->kind != 0 && header->stored_size <= ETW_BLOCK_MAX_STORED &&
           header->raw_size <= max_raw && header->head_size <= header->stored_size;
}

bool etw_block_header_load(const uint8_t from[ETW_BLOCK_HEADER_SIZE], etw_block_header *header)
{
    if (memcmp(from, marker, sizeof marker) != 0 ||
        etw_load_u64(from + 56) != etw_block_hash((etw_bytes){from, 56})) {
        return false;
    }
    header->kind = etw_load_u16(from + 4);
    header->flags = etw_load_u16(from + 6);
    header->stored_size = etw_load_u32(from + 8);
    header->raw_size = etw_load_u32(from + 12);
    header->sequence = etw_load_u64(from + 16);
    header->first_time_100ns = etw_load_i64(from + 24);
    header->last_time_100ns = etw_load_i64(from + 32);
    header->count = etw_load_u32(from + 40);
    header->head_size = etw_load_u32(from + 44);
    header->body_hash = etw_load_u64(from + 48);
    return within_limits(header);
}

size_t etw_block_find_marker(etw_bytes bytes, size_t start)
{
    while (bytes.size - start >= sizeof marker) {
        const uint8_t *found =
            memchr(bytes.data + start, marker[0], bytes.size - start - (sizeof marker - 1));
        if (found == NULL) {
            break;
        }
        if (memcmp(found, marker, sizeof marker) == 0) {
            return (size_t)(found - bytes.data);
        }
        start = (size_t)(found - bytes.data) + 1;
    }
    return bytes.size;
}

void etw_block_xor(uint8_t *body, size_t size, uint8_t mask)
{
    for (size_t i = 0; mask != 0 && i < size; i++) {
        body[i] ^= mask;
    }
}

void etw_block_mask_body(uint8_t *body, size_t size, uint16_t *flags)
{
    uint8_t mask = 0;
    /* 255 masks cannot all give a marker by chance; a body made for that keeps the last one, and a
     * scanner still asks for a valid header hash. */
    while (mask < UINT8_MAX && etw_block_find_marker((etw_bytes){body, size}, 0) < size) {
        etw_block_xor(body, size, (uint8_t)(mask ^ (mask + 1)));
        mask++;
    }
    *flags = (uint16_t)((*flags & 0xFFu) | (uint16_t)(mask << ETW_BLOCK_MASK_SHIFT));
}

/* Small blocks are schemas, mostly: higher levels gain a thousandth of a file, and larger tables to
 * clear. */
#define SMALL_BLOCK_LEVEL 1
/* A frame has about 12 bytes of its own. */
#define MIN_COMPRESSED 64u

bool etw_block_compress(struct ZSTD_CCtx_s *state, etw_bytes raw, etw_buffer *into)
{
    return etw_block_compress_at(state, SMALL_BLOCK_LEVEL, raw, into);
}

bool etw_block_compress_at(struct ZSTD_CCtx_s *state, int level, etw_bytes raw, etw_buffer *into)
{
    if (raw.size < MIN_COMPRESSED) {
        return false;
    }
    const size_t room = raw.size - 1;
    char *to = etw_buffer_reserve(into, room);
    if (to == NULL) {
        return false;
    }
    const size_t size = state == NULL
                            ? ZSTD_compress(to, room, raw.data, raw.size, level)
                            : ZSTD_compressCCtx(state, to, room, raw.data, raw.size, level);
    if (ZSTD_isError(size)) {
        return false;
    }
    into->size += size;
    return true;
}

void etw_block_expand_free(struct ZSTD_DCtx_s *state)
{
    (void)ZSTD_freeDCtx(state);
}

etw_status etw_block_expand_again(struct ZSTD_DCtx_s **state, const etw_block_header *header,
                                  etw_bytes stored, etw_buffer *into, etw_error *error)
{
    char *to = etw_buffer_reserve(into, (size_t)header->raw_size + 1);
    if (*state == NULL) {
        *state = ZSTD_createDCtx();
    }
    if (to == NULL || *state == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for a block of %u bytes",
                             header->raw_size);
    }
    const size_t size = ZSTD_decompressDCtx(*state, to, header->raw_size, stored.data, stored.size);
    if (ZSTD_isError(size) || size != header->raw_size) {
        return etw_error_set(error, ETW_ERROR_DAMAGED, "the body does not expand to %u bytes",
                             header->raw_size);
    }
    into->size += size;
    return ETW_OK;
}

etw_status etw_block_expand(const etw_block_header *header, etw_bytes stored, etw_buffer *into,
                            etw_error *error)
{
    struct ZSTD_DCtx_s *state = NULL;
    const etw_status status = etw_block_expand_again(&state, header, stored, into, error);
    etw_block_expand_free(state);
    return status;
}

const char *etw_block_kind_name(uint32_t kind)
{
    static const char *const names[] = {
        NULL,           "file info", "trace",   "schemas", "events",  "loss",    "clock anchors",
        "oracle texts", "index",     "summary", "end",     "rundown", "catalog", "packed schemas"};
    if (kind >= ETW_BLOCK_PRIVATE_FIRST) {
        return "private";
    }
    return kind > 0 && kind < sizeof names / sizeof names[0] ? names[kind] : "unknown";
}
