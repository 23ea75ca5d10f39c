#include "format/etwcap/codec/layout_read.h"

static bool read_region(etw_cursor *cursor, etw_layout *layout, etw_region *region,
                        const uint8_t **constants)
{
    uint32_t left = region->size;
    while (left > 0) {
        if (layout->piece_count == ETW_LAYOUT_MAX_PIECES) {
            return false;
        }
        etw_piece *piece = &layout->pieces[layout->piece_count];
        const uint32_t width = etw_cursor_u8(cursor);
        const uint64_t size = width == 0 ? etw_cursor_varint(cursor) : width;
        if (width > 8 || size == 0 || size > left) {
            return false;
        }
        *piece = (etw_piece){(uint16_t)size, width == 0};
        constants[layout->piece_count++] =
            width == 0 ? etw_cursor_take(cursor, (size_t)size) : NULL;
        region->piece_count++;
        left -= (uint32_t)size;
    }
    return !cursor->failed;
}

/* Strings end all regions but the last; words the last, or the last but one. */
static bool tail_is_fine(const etw_layout *layout, uint32_t region, bool more)
{
    const uint32_t tail = layout->regions[region].tail;
    if (region > 0 && etw_tail_word(layout->regions[region - 1].tail) != 0) {
        return tail == ETW_TAIL_NONE && !more;
    }
    if (etw_tail_is_string(tail)) {
        return more;
    }
    return tail <= ETW_TAIL_WORDS8 && (!more || etw_tail_word(tail) > 1);
}

bool etw_layout_read(etw_cursor *cursor, etw_layout *layout, const uint8_t **constants)
{
    layout->region_count = 0;
    layout->piece_count = 0;
    uint32_t fixed = 0;
    bool more = true;
    while (more) {
        if (layout->region_count == ETW_LAYOUT_MAX_REGIONS) {
            return false;
        }
        etw_region *region = &layout->regions[layout->region_count];
        const uint64_t size = etw_cursor_varint(cursor);
        fixed += size > ETW_LAYOUT_MAX_FIXED ? ETW_LAYOUT_MAX_FIXED + 1 : (uint32_t)size;
        if (fixed > ETW_LAYOUT_MAX_FIXED) {
            return false;
        }
        *region = (etw_region){(uint16_t)size, (uint16_t)layout->piece_count, 0, 0};
        if (!read_region(cursor, layout, region, constants)) {
            return false;
        }
        const uint8_t tail = etw_cursor_u8(cursor);
        more = (tail & ETW_TAIL_MORE) != 0;
        region->tail = tail & (uint8_t)~ETW_TAIL_MORE;
        if (cursor->failed || !tail_is_fine(layout, layout->region_count, more)) {
            return false;
        }
        layout->region_count++;
    }
    return true;
}
