/* The frame of an .etwcap file: its head, and the header that every block starts with. FORMAT.md
 * says what the fields mean; this header is the same in C. */
#ifndef ETW_FORMAT_ETWCAP_BLOCK_H
#define ETW_FORMAT_ETWCAP_BLOCK_H

#include "format/base/buffer.h"
#include "format/base/bytes.h"
#include "format/base/status.h"
#include "format/etwcap/block_kind.h"

#define ETW_FORMAT_BLOCKS 1u /* major version of a file of blocks ... */
#define ETW_FORMAT_FOLDED 2u /* ... and of a folded one (fold.h); the highest that is read */
#define ETW_FORMAT_MINOR  0u

#define ETW_HEAD_SIZE         24u
#define ETW_BLOCK_HEADER_SIZE 64u
/* Bytes of a body in the file, and of a compressed body once expanded. Encoders stay far below; a
 * reader's memory is bounded by these. */
#define ETW_BLOCK_MAX_STORED ((uint32_t)10 << 20)
#define ETW_BLOCK_MAX_RAW    ((uint32_t)8 << 20)
/* The raw size of an events block is a figure only: nothing is allocated from it. */
#define ETW_BLOCK_MAX_EVENTS_RAW ((uint32_t)16 << 20)

/* Flags: the low byte must be understood by a reader, or the block is passed over as unsupported.
 * The high byte is the mask: each byte of the body is stored XORed with it. */
enum { ETW_BLOCK_ZSTD = 0x0001, ETW_BLOCK_KNOWN_FLAGS = 0x0001, ETW_BLOCK_MASK_SHIFT = 8 };

typedef struct etw_block_header {
    uint16_t kind;
    uint16_t flags;
    uint32_t stored_size;
    uint32_t raw_size;
    uint64_t sequence;
    int64_t first_time_100ns, last_time_100ns; /* 0, 0 where the kind has none */
    uint32_t count;                            /* events, schemas, losses, anchors, ... */
    uint32_t head_size; /* of an events block: bytes before the codec's body */
    uint64_t body_hash;
} etw_block_header;

uint64_t etw_block_hash(etw_bytes bytes);
uint64_t etw_block_hash_seeded(etw_bytes bytes, uint64_t seed);

void etw_head_store(uint8_t to[ETW_HEAD_SIZE], uint16_t major);
/* NOT_THIS, DAMAGED or VERSION with a message; major and minor are set on OK and VERSION. ETW_END
 * where the file ends inside its head, after at least the seven bytes of its name. */
etw_status etw_head_load(etw_bytes from, uint32_t *major, uint32_t *minor, etw_error *error);

void etw_block_header_store(const etw_block_header *header, uint8_t to[ETW_BLOCK_HEADER_SIZE]);
/* False unless marker, header hash and all stated maxima are right. */
bool etw_block_header_load(const uint8_t from[ETW_BLOCK_HEADER_SIZE], etw_block_header *header);

/* Where in bytes the marker starts, from start on; bytes.size where it does not occur. */
size_t etw_block_find_marker(etw_bytes bytes, size_t start);

static inline uint8_t etw_block_mask(const etw_block_header *header)
{
    return (uint8_t)(header->flags >> ETW_BLOCK_MASK_SHIFT);
}

/* Masks body in place with the first value that leaves no marker in it, and says so in flags. */
void etw_block_mask_body(uint8_t *body, size_t size, uint16_t *flags);
void etw_block_xor(uint8_t *body, size_t size, uint8_t mask);

struct ZSTD_CCtx_s;
/* Appends a zstd frame of raw to *into; false (and nothing appended) where that is not smaller.
 * state: zstd's, of any earlier use, or NULL. */
bool etw_block_compress(struct ZSTD_CCtx_s *state, etw_bytes raw, etw_buffer *into);
/* The same at a zstd level, 1 to 19. */
bool etw_block_compress_at(struct ZSTD_CCtx_s *state, int level, etw_bytes raw, etw_buffer *into);
/* Appends the raw body to *into: bounded by header->raw_size, which header_load checked. */
etw_status etw_block_expand(const etw_block_header *header, etw_bytes stored, etw_buffer *into,
                            etw_error *error);
/* The same, with zstd's state kept in *state from call to call; the caller frees it. */
struct ZSTD_DCtx_s;
etw_status etw_block_expand_again(struct ZSTD_DCtx_s **state, const etw_block_header *header,
                                  etw_bytes stored, etw_buffer *into, etw_error *error);
void etw_block_expand_free(struct ZSTD_DCtx_s *state);

/* "events", "schemas", ...; "private" or "unknown" for others. */
const char *etw_block_kind_name(uint32_t kind);

#endif
