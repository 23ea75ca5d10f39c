#include "format/etl/xpress_write.h"

#include "format/etl/xpress.h"

/* MS-XCA 2.3: 32 flag bits, then what they tell of: a literal (0) or a match (1). */
#define MIN_MATCH     3u
#define LENGTH_ESCAPE 7u
#define NIBBLE_ESCAPE 15u
#define BYTE_ESCAPE   255u
/* Longer lengths have a form of their own, which nothing here needs. */
#define MAX_MATCH (MIN_MATCH + UINT16_MAX)
#define SLOT_BITS 14u

typedef struct encoder {
    etw_bytes input;
    etw_buffer *out;
    size_t flags_at; /* in out */
    uint32_t flags, flag_count;
    size_t nibble_at;                /* in out, of a length byte whose high half is free; 0: none */
    uint32_t slots[1u << SLOT_BITS]; /* by the hash of three bytes: where they stood last, from 1 */
} encoder;

static void begin_flags(encoder *e)
{
    e->flags_at = e->out->size;
    e->flags = 0;
    e->flag_count = 0;
    etw_buffer_append_u32(e->out, 0);
}

static void end_flags(encoder *e)
{
    if (!e->out->failed) {
        etw_store_u32(e->out->data + e->flags_at, e->flags);
    }
}

static void put_flag(encoder *e, uint32_t is_match)
{
    e->flags = e->flags << 1 | is_match;
    if (++e->flag_count == 32) {
        end_flags(e);
        begin_flags(e);
    }
}

static uint32_t hash_at(const uint8_t *at)
{
    const uint32_t three = at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16;
    return three * UINT32_C(2654435761) >> (32 - SLOT_BITS);
}

static uint32_t note(encoder *e, size_t at)
{
    uint32_t *slot = &e->slots[hash_at(e->input.data + at)];
    const uint32_t before = *slot;
    *slot = (uint32_t)at + 1;
    return before;
}

/* How much at `at` is the same as at `from`; below MIN_MATCH: no match. */
static uint32_t match_length(const encoder *e, size_t from, size_t at)
{
    const size_t left = e->input.size - at;
    const size_t most = left < MAX_MATCH ? left : MAX_MATCH;
    size_t length = 0;
    while (length < most && e->input.data[from + length] == e->input.data[at + length]) {
        length++;
    }
    return (uint32_t)length;
}

static void put_nibble(encoder *e, uint32_t nibble)
{
    if (e->nibble_at == 0) {
        e->nibble_at = e->out->size;
        etw_buffer_append_u8(e->out, (uint8_t)nibble);
        return;
    }
    if (!e->out->failed) {
        e->out->data[e->nibble_at] = (char)((uint8_t)e->out->data[e->nibble_at] | nibble << 4);
    }
    e->nibble_at = 0;
}

static void put_match(encoder *e, uint32_t distance, uint32_t length)
{
    const uint32_t rest = length - MIN_MATCH;
    const uint32_t code = rest < LENGTH_ESCAPE ? rest : LENGTH_ESCAPE;
    etw_buffer_append_u16(e->out, (uint16_t)((distance - 1) << 3 | code));
    if (rest < LENGTH_ESCAPE) {
        return;
    }
    const uint32_t more = rest - LENGTH_ESCAPE;
    put_nibble(e, more < NIBBLE_ESCAPE ? more : NIBBLE_ESCAPE);
    if (more < NIBBLE_ESCAPE) {
        return;
    }
    if (more - NIBBLE_ESCAPE < BYTE_ESCAPE) {
        etw_buffer_append_u8(e->out, (uint8_t)(more - NIBBLE_ESCAPE));
    } else {
        etw_buffer_append_u8(e->out, BYTE_ESCAPE);
        etw_buffer_append_u16(e->out, (uint16_t)rest);
    }
}

/* Puts what is at `at`; returns its size. */
static size_t put_next(encoder *e, size_t at)
{
    if (e->input.size - at >= MIN_MATCH) {
        const uint32_t before = note(e, at);
        const size_t distance = before == 0 ? 0 : at + 1 - before;
        if (distance > 0 && distance <= ETW_XPRESS_MAX_DISTANCE) {
            const uint32_t length = match_length(e, at - distance, at);
            if (length >= MIN_MATCH) {
                put_match(e, (uint32_t)distance, length);
                put_flag(e, 1);
                return length;
            }
        }
    }
    etw_buffer_append_u8(e->out, e->input.data[at]);
    put_flag(e, 0);
    return 1;
}

void etw_xpress_encode(etw_bytes input, etw_buffer *out)
{
    encoder e = {.input = input, .out = out};
    begin_flags(&e);
    for (size_t at = 0; at < input.size;) {
        const size_t size = put_next(&e, at);
        for (size_t i = 1; i < size && at + i + MIN_MATCH <= input.size; i++) {
            (void)note(&e, at + i);
        }
        at += size;
    }
    /* What is left of the flags says "match": the end, for who was not told the size. */
    const uint32_t left = 32 - e.flag_count;
    e.flags = (uint32_t)((uint64_t)e.flags << left | (((uint64_t)1 << left) - 1));
    end_flags(&e);
}
