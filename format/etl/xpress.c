#include "format/etl/xpress.h"

/* A token's shortest match; the codes in front of it are escapes to the next longer length field.
 */
#define MIN_MATCH     3u
#define LENGTH_ESCAPE 7u
#define NIBBLE_ESCAPE 15u
#define BYTE_ESCAPE   255u

/* Reads a match token. Leaves *stream alone where the input is too short (the cursor has failed
 * then) or the length contradicts itself (returns false). */
static bool read_match(etw_xpress *stream, etw_cursor *input)
{
    const uint16_t token = etw_cursor_u16(input);
    uint64_t length = token & 7u;
    uint8_t nibble = stream->nibble;
    bool has_nibble = stream->has_nibble;
    if (length == LENGTH_ESCAPE) {
        uint32_t more = nibble;
        if (!has_nibble) {
            const uint8_t pair = etw_cursor_u8(input);
            more = pair & 15u;
            nibble = (uint8_t)(pair >> 4);
        }
        has_nibble = !has_nibble;
        length += more;
        if (more == NIBBLE_ESCAPE) {
            const uint8_t byte = etw_cursor_u8(input);
            length += byte;
            if (byte == BYTE_ESCAPE) {
                length = etw_cursor_u16(input);
                length = length == 0 ? etw_cursor_u32(input) : length;
                if (!input->failed && length < LENGTH_ESCAPE + NIBBLE_ESCAPE) {
                    return false;
                }
            }
        }
    }
    if (!input->failed) {
        stream->match_distance = (uint32_t)(token >> 3) + 1u;
        stream->match_left = length + MIN_MATCH;
        stream->nibble = nibble;
        stream->has_nibble = has_nibble;
    }
    return true;
}

/* Copies size bytes from distance back; the two may overlap, which repeats a pattern. spare bytes
 * behind the copy may be overwritten. */
static void copy_match(uint8_t *to, size_t distance, size_t size, size_t spare)
{
    const uint8_t *from = to - distance;
    size_t done = 0;
    if (distance >= 8) {
        const size_t whole = spare >= 8 ? size : size & ~(size_t)7;
        for (; done < whole; done += 8) {
            memcpy(to + done, from + done, 8);
        }
    } else if (distance == 1) {
        memset(to, *from, size);
        return;
    }
    for (; done < size; done++) {
        to[done] = from[done];
    }
}

static void drop_flags(etw_xpress *stream, uint32_t count)
{
    stream->flags = count < 32 ? stream->flags << count : 0;
    stream->flag_count -= count;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Literals ahead: as many as there are clear flags, at most. */
static size_t literal_count(const etw_xpress *stream)
{
    const uint32_t clear = stream->flags == 0 ? 32u : (uint32_t)__builtin_clz(stream->flags);
    return smaller(clear, stream->flag_count);
}

static void copy_literals(etw_xpress *stream, etw_cursor *input, uint8_t *to, size_t count)
{
    memcpy(to, input->at, count);
    input->at += count;
    drop_flags(stream, (uint32_t)count);
}

etw_xpress_result etw_xpress_decode(etw_xpress *stream, etw_bytes bytes, size_t *used, uint8_t *out,
                                    size_t *out_size, size_t out_limit)
{
    /* a local copy lives in registers; out may alias anything the pointers reach */
    etw_xpress state = *stream;
    etw_cursor input = etw_cursor_over(bytes);
    size_t at = *out_size;
    etw_xpress_result result = ETW_XPRESS_FULL;
    while (at < out_limit) {
        if (state.match_left != 0) {
            if (state.match_distance > at) {
                result = ETW_XPRESS_DAMAGED;
                break;
            }
            const size_t room = out_limit - at;
            const size_t size = state.match_left < room ? (size_t)state.match_left : room;
            copy_match(out + at, state.match_distance, size, room - size);
            at += size;
            state.match_left -= size;
            continue;
        }
        const size_t left = etw_cursor_left(&input);
        if (state.flag_count == 0) {
            if (left < 4) {
                result = ETW_XPRESS_INPUT;
                break;
            }
            state.flags = etw_cursor_u32(&input);
            state.flag_count = 32;
            continue;
        }
        const size_t literals = literal_count(&state);
        if (literals != 0) {
            const size_t count = smaller(smaller(literals, left), out_limit - at);
            if (count == 0) {
                result = ETW_XPRESS_INPUT;
                break;
            }
            copy_literals(&state, &input, out + at, count);
            at += count;
            continue;
        }
        etw_cursor ahead = input;
        if (!read_match(&state, &ahead)) {
            result = ETW_XPRESS_DAMAGED;
            break;
        }
        if (ahead.failed) {
            result = ETW_XPRESS_INPUT;
            break;
        }
        input = ahead;
        drop_flags(&state, 1);
    }
    *stream = state;
    *used = bytes.size - etw_cursor_left(&input);
    *out_size = at;
    return result;
}
