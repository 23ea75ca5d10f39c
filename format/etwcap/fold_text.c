#include "format/etwcap/fold_text.h"

/* Shorter texts cost as much as they save. */
#define LEAST_UNITS 4u

/* How many units of UTF-16 from at on are printable ASCII, or a terminator behind such. */
static size_t count_units(etw_bytes wide, size_t at)
{
    size_t units = 0;
    bool may_end = false;
    for (; at + 1 < wide.size && wide.data[at + 1] == 0; at += 2, units++) {
        const uint8_t unit = wide.data[at];
        const bool is_printable = unit >= 0x20 && unit < 0x7F;
        if (!is_printable && !(unit == 0 && may_end)) {
            break;
        }
        may_end = is_printable;
    }
    return units;
}

void etw_fold_text(etw_bytes wide, etw_buffer *to)
{
    size_t done = 0, at = 0;
    while (at < wide.size) {
        const size_t units = count_units(wide, at);
        if (units < LEAST_UNITS) {
            at++;
            continue;
        }
        etw_buffer_append_varint(to, at - done);
        etw_buffer_append(to, wide.data + done, at - done);
        etw_buffer_append_varint(to, units);
        for (size_t i = 0; i < units; i++) {
            etw_buffer_append_u8(to, wide.data[at + 2 * i]);
        }
        at += 2 * units;
        done = at;
    }
    if (done < wide.size) {
        etw_buffer_append_varint(to, wide.size - done);
        etw_buffer_append(to, wide.data + done, wide.size - done);
        etw_buffer_append_varint(to, 0);
    }
}

bool etw_unfold_text(etw_bytes folded, size_t limit, etw_buffer *to)
{
    const size_t start = to->size;
    etw_cursor cursor = etw_cursor_over(folded);
    while (!to->failed && etw_cursor_left(&cursor) > 0) {
        const uint64_t size = etw_cursor_varint(&cursor);
        const uint8_t *bytes = etw_cursor_take(&cursor, size);
        const uint64_t units = etw_cursor_varint(&cursor);
        const uint8_t *text = etw_cursor_take(&cursor, units);
        if (text == NULL || size + 2 * units > limit - (to->size - start)) {
            return false;
        }
        etw_buffer_append(to, bytes, (size_t)size);
        for (uint64_t i = 0; i < units; i++) {
            etw_buffer_append_u16(to, text[i]);
        }
    }
    return !to->failed;
}
