#include "format/etwcap/codec/section_write.h"

#include <zstd.h>

enum {
    MAX_LEVEL = 22,
    /* Of columns: equal ones further apart are rare, and zstd copies a window that it is given
     * piece by piece. */
    COLUMNS_WINDOW_LOG = 18,
    /* Of texts at the levels with two tables: larger ones find little more than they cost to
     * clear. */
    TEXTS_HASH_LOG = 15,
    TEXTS_CHAIN_LOG = 14,
    FIRST_TWO_TABLES_LEVEL = 3,
    LAST_TWO_TABLES_LEVEL = 4
};

/* zstd finds more with more effort only in texts; the columns have been told apart before, and
 * their noise stays noise. For archives all of it gets the most. */
static int level_of(int level, int section)
{
    if (level >= ETW_THOROUGH_LEVEL) {
        return level + 3 > MAX_LEVEL ? MAX_LEVEL : level + 3;
    }
    const int own = section == ETW_SECTION_TEXTS ? level : level - 2;
    return own < 1 ? 1 : own;
}

static bool set(ZSTD_CCtx *context, ZSTD_cParameter parameter, int value)
{
    return !ZSTD_isError(ZSTD_CCtx_setParameter(context, parameter, value));
}

static bool set_up(ZSTD_CCtx *context, int level, int section, size_t size)
{
    const int own = level_of(level, section);
    bool good = !ZSTD_isError(ZSTD_CCtx_reset(context, ZSTD_reset_session_and_parameters)) &&
                set(context, ZSTD_c_compressionLevel, own) &&
                !ZSTD_isError(ZSTD_CCtx_setPledgedSrcSize(context, size));
    if (level >= ETW_THOROUGH_LEVEL) {
        return good;
    }
    if (section != ETW_SECTION_TEXTS) {
        return good && set(context, ZSTD_c_windowLog, COLUMNS_WINDOW_LOG);
    }
    if (own >= FIRST_TWO_TABLES_LEVEL && own <= LAST_TWO_TABLES_LEVEL) {
        good = good && set(context, ZSTD_c_hashLog, TEXTS_HASH_LOG) &&
               set(context, ZSTD_c_chainLog, TEXTS_CHAIN_LOG);
    }
    return good;
}

/* The frame's next part, which ends a block. */
static bool add_piece(ZSTD_CCtx *context, etw_bytes piece, ZSTD_EndDirective end,
                      ZSTD_outBuffer *out)
{
    ZSTD_inBuffer in = {piece.data, piece.size, 0};
    return ZSTD_compressStream2(context, out, &in, end) == 0;
}

static bool add_pieces(ZSTD_CCtx *context, etw_bytes raw, const etw_borders *borders,
                       ZSTD_outBuffer *out)
{
    size_t from = 0;
    for (uint32_t i = 0; i < borders->count; i++) {
        const size_t to = borders->at[i];
        if (raw.size - to < ETW_LEAST_PIECE) {
            break;
        }
        if (!add_piece(context, (etw_bytes){raw.data + from, to - from}, ZSTD_e_flush, out)) {
            return false;
        }
        from = to;
    }
    return add_piece(context, (etw_bytes){raw.data + from, raw.size - from}, ZSTD_e_end, out);
}

bool etw_section_write(ZSTD_CCtx *context, int level, int section, etw_bytes raw,
                       const etw_borders *borders, etw_buffer *body)
{
    /* A block that does not shrink takes three bytes more: the bound allows for one every 768. */
    const size_t bound = ZSTD_compressBound(raw.size);
    char *to = etw_buffer_reserve(body, bound + 8);
    if (to == NULL || !set_up(context, level, section, raw.size)) {
        return false;
    }
    size_t size = 0;
    if (borders == NULL || borders->count == 0) {
        size = ZSTD_compress2(context, to + 8, bound, raw.data, raw.size);
    } else {
        ZSTD_outBuffer out = {to + 8, bound, 0};
        size = add_pieces(context, raw, borders, &out) ? out.pos : SIZE_MAX;
    }
    if (ZSTD_isError(size) || size == SIZE_MAX) {
        return false;
    }
    etw_store_u32(to, (uint32_t)raw.size);
    etw_store_u32(to + 4, (uint32_t)size);
    body->size += 8 + size;
    return true;
}
