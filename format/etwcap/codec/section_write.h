/* A section of an events block: its bytes, and the zstd frame that is made of them. */
#ifndef ETW_FORMAT_ETWCAP_SECTION_WRITE_H
#define ETW_FORMAT_ETWCAP_SECTION_WRITE_H

#include "format/base/buffer.h"
#include "format/etwcap/codec/events.h"

struct ZSTD_CCtx_s;

/* From this level on time does not count: columns are chosen by trial, zstd looks everywhere. */
#define ETW_THOROUGH_LEVEL 16

/* Between two borders lie at least so many bytes: the tables of a block take some 100. */
#define ETW_LEAST_PIECE ((size_t)3 << 10)
#define ETW_MAX_BORDERS (ETW_SECTION_MAX_RAW / ETW_LEAST_PIECE)

/* Places where the bytes of a section become others in kind, ascending: where a column begins or
 * ends, or a plane of it. zstd keeps one set of entropy tables for each block of a frame; blocks
 * that end at a border do not mix low bytes, which are noise, with high ones, which are not. */
typedef struct etw_borders {
    uint32_t count;
    uint32_t at[ETW_MAX_BORDERS];
} etw_borders;

static inline void etw_borders_add(etw_borders *borders, size_t at)
{
    const size_t last = borders->count == 0 ? 0 : borders->at[borders->count - 1];
    if (at >= last + ETW_LEAST_PIECE && borders->count < ETW_MAX_BORDERS) {
        borders->at[borders->count++] = (uint32_t)at;
    }
}

/* Appends sizes and frame (FORMAT.md, 12.1). borders: NULL where there are none. level: the file's;
 * the section's own follows from it. False where memory ran out. */
bool etw_section_write(struct ZSTD_CCtx_s *context, int level, int section, etw_bytes raw,
                       const etw_borders *borders, etw_buffer *body);

#endif
