#include "format/base/lznt1.h"

#define CHUNK_BYTES 4096u

/* A back reference: how many bits are length depends on how far the chunk has come, as no distance
 * is longer than that. */
static bool copy_back(etw_buffer *out, size_t chunk_start, uint16_t token)
{
    const size_t written = out->size - chunk_start;
    unsigned length_bits = 12;
    for (size_t reach = written == 0 ? 0 : written - 1; reach >= 16; reach >>= 1) {
        length_bits--;
    }
    const size_t length = (token & ((1u << length_bits) - 1)) + 3;
    const size_t distance = (size_t)(token >> length_bits) + 1;
    if (distance > written || length > CHUNK_BYTES - written) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        etw_buffer_append_u8(out, (uint8_t)out->data[out->size - distance]);
    }
    return true;
}

/* Groups of a byte of flags and eight items; a set bit is a back reference. */
static bool unpack_chunk(etw_cursor *chunk, etw_buffer *out)
{
    const size_t start = out->size;
    while (etw_cursor_left(chunk) > 0 && !out->failed) {
        unsigned flags = etw_cursor_u8(chunk);
        for (unsigned i = 0; i < 8 && etw_cursor_left(chunk) > 0; i++, flags >>= 1) {
            if ((flags & 1u) == 0) {
                etw_buffer_append_u8(out, (uint8_t)etw_cursor_u8(chunk));
            } else if (!copy_back(out, start, etw_cursor_u16(chunk)) || chunk->failed) {
                return false;
            }
        }
        if (out->size - start > CHUNK_BYTES) {
            return false;
        }
    }
    return !out->failed;
}

bool etw_lznt1_decompress(etw_bytes from, etw_buffer *out)
{
    etw_cursor cursor = etw_cursor_over(from);
    const size_t start = out->size;
    while (etw_cursor_left(&cursor) >= 2) {
        const uint16_t head = etw_cursor_u16(&cursor);
        if (head == 0) {
            break;
        }
        const size_t size = (size_t)(head & 0xFFFu) + 1;
        const uint8_t *data = etw_cursor_take(&cursor, size);
        if (data == NULL || out->size - start > ETW_LZNT1_MAX_BYTES - CHUNK_BYTES) {
            return false;
        }
        etw_cursor chunk = etw_cursor_over((etw_bytes){data, size});
        if ((head & 0x8000u) == 0) {
            etw_buffer_append(out, data, size);
        } else if (!unpack_chunk(&chunk, out)) {
            return false;
        }
    }
    return !out->failed;
}
