#include "format/etl/xpress.h"

/* A token's shortest match; the codes in front of it are escapes to the next longer length field.
 */
#define MIN_MATCH     3u
#define LENGTH_ESCAPE 7u
#define NIBBLE_ESCAPE 15u
#define BYTE_ESCAPE   255u

/* The quick loop runs while this much input is left (a flag word, 32 literals, a token of four
 * bytes) and this much room (for 32 literals, and 32 bytes of a match), so that it need not ask for
 * less. */
#define QUICK_INPUT 40u
#define QUICK_ROOM  64u

/* Reads a match's length after its token, and its distance. Leaves *stream alone where the input is
 * too short (the cursor has failed then) or the length contradicts itself (returns false). */
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

/* Flag bits of the stream as the quick loop keeps them: at the top of 64 bits, a set bit behind
 * them. Only that bit left means that there are none. */
#define NO_FLAGS ((uint64_t)1 << 63)

static uint64_t pack_flags(const etw_xpress *stream)
{
    return stream->flag_count == 0
               ? NO_FLAGS
               : (uint64_t)stream->flags << 32 | (uint64_t)1 << (63 - stream->flag_count);
}

static void unpack_flags(etw_xpress *stream, uint64_t flags)
{
    stream->flag_count = 63u - (uint32_t)__builtin_ctzll(flags);
    flags &= flags - 1;
    stream->flags = (uint32_t)(flags >> 32);
}

/* Copies a match of which 32 bytes may be written at once, whatever its size. */
static void copy_match_quick(uint8_t *to, size_t distance, size_t size)
{
    const uint8_t *from = to - distance;
    if (distance < 16) {
        copy_match(to, distance, size, QUICK_ROOM);
        return;
    }
    memcpy(to, from, 16);
    memcpy(to + 16, from + 16, 16);
    for (size_t done = 32; done < size; done += 16) {
        memcpy(to + done, from + done, 16);
    }
}

/* Decodes while there is plenty of input and room. Most of its time would go into branches that the
 * processor cannot predict, so literals are copied without asking whether there are any, and the
 * halves of a length byte chosen without a jump. Stops, before its token, at a match that is rare
 * or does not fit. */
static void decode_quick(etw_xpress *stream, etw_cursor *input, uint8_t *out, size_t *out_size,
                         size_t out_limit)
{
    const uint8_t *in = input->at;
    size_t at = *out_size;
    uint64_t flags = pack_flags(stream);
    uint32_t nibble = stream->nibble;
    bool has_nibble = stream->has_nibble;
    while ((size_t)(input->end - in) >= QUICK_INPUT && out_limit - at >= QUICK_ROOM) {
        if (flags == NO_FLAGS) {
            flags = (uint64_t)etw_load_u32(in) << 32 | (uint64_t)1 << 31;
            in += 4;
        }
        const uint32_t literals = (uint32_t)__builtin_clzll(flags);
        memcpy(out + at, in, 32);
        in += literals;
        at += literals;
        flags <<= literals;
        if (flags == NO_FLAGS) {
            continue;
        }
        const uint32_t token = etw_load_u16(in);
        const size_t distance = (token >> 3) + 1u;
        size_t length = (token & 7u) + MIN_MATCH;
        const uint8_t *next = in + 2;
        uint32_t next_nibble = nibble;
        bool next_has_nibble = has_nibble;
        if (length == LENGTH_ESCAPE + MIN_MATCH) {
            const uint32_t pair = has_nibble ? nibble : *next;
            next += !has_nibble;
            next_nibble = pair >> 4;
            next_has_nibble = !has_nibble;
            length += pair & 15u;
            if ((pair & 15u) == NIBBLE_ESCAPE) {
                length += *next++;
            }
        }
        if (distance > at || length + 32 > out_limit - at ||
            length == MIN_MATCH + LENGTH_ESCAPE + NIBBLE_ESCAPE + BYTE_ESCAPE) {
            break;
        }
        copy_match_quick(out + at, distance, length);
        at += length;
        in = next;
        nibble = next_nibble;
        has_nibble = next_has_nibble;
        flags <<= 1;
    }
    unpack_flags(stream, flags);
    stream->nibble = (uint8_t)nibble;
    stream->has_nibble = has_nibble;
    input->at = in;
    *out_size = at;
}

static void drop_flags(etw_xpress *stream, uint32_t count)
{
    stream->flags = count < 32 ? stream->flags << count : 0;
    stream->flag_count -= count;
}

/* One step near the end of input or room: part of a match, a flag word, a literal, or a match's
 * token. FULL: there may be more to do. */
static etw_xpress_result step(etw_xpress *stream, etw_cursor *input, uint8_t *out, size_t *out_size,
                              size_t out_limit)
{
    if (stream->match_left != 0) {
        if (stream->match_distance > *out_size) {
            return ETW_XPRESS_DAMAGED;
        }
        const size_t room = out_limit - *out_size;
        const size_t size = stream->match_left < room ? (size_t)stream->match_left : room;
        copy_match(out + *out_size, stream->match_distance, size, room - size);
        *out_size += size;
        stream->match_left -= size;
        return ETW_XPRESS_FULL;
    }
    if (stream->flag_count == 0) {
        if (etw_cursor_left(input) < 4) {
            return ETW_XPRESS_INPUT;
        }
        stream->flags = etw_cursor_u32(input);
        stream->flag_count = 32;
        return ETW_XPRESS_FULL;
    }
    etw_cursor ahead = *input;
    const bool is_match = (stream->flags & 0x80000000u) != 0;
    if (is_match ? !read_match(stream, &ahead) : false) {
        return ETW_XPRESS_DAMAGED;
    }
    const uint8_t literal = is_match ? (uint8_t)0 : etw_cursor_u8(&ahead);
    if (ahead.failed) {
        return ETW_XPRESS_INPUT;
    }
    if (!is_match) {
        out[(*out_size)++] = literal;
    }
    *input = ahead;
    drop_flags(stream, 1);
    return ETW_XPRESS_FULL;
}

etw_xpress_result etw_xpress_decode(etw_xpress *stream, etw_bytes bytes, size_t *used, uint8_t *out,
                                    size_t *out_size, size_t out_limit)
{
    etw_cursor input = etw_cursor_over(bytes);
    etw_xpress_result result = ETW_XPRESS_FULL;
    while (result == ETW_XPRESS_FULL && *out_size < out_limit) {
        if (stream->match_left == 0) {
            decode_quick(stream, &input, out, out_size, out_limit);
        }
        result = step(stream, &input, out, out_size, out_limit);
    }
    *used = bytes.size - etw_cursor_left(&input);
    return result;
}
