/* Plain LZ77 as MS-XCA specifies it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "format/etl/xpress.h"
#include "format/etl/xpress_write.h"

/* A stream and what it expands to: from repeated count times. */
typedef struct vector {
    const char *name;
    uint8_t stream[40];
    size_t stream_size;
    const char *from;
    size_t count;
} vector;

#define STREAM(...) {__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

static const vector vectors[] = {
    /* both are the examples of MS-XCA section 3 */
    {"literals",
     STREAM(0x3f, 0, 0, 0, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c,
            0x6d, 0x6e, 0x6f, 0x70, 0x71, 0x72, 0x73, 0x74, 0x75, 0x76, 0x77, 0x78, 0x79, 0x7a),
     "abcdefghijklmnopqrstuvwxyz", 1},
    {"a match of 297",
     STREAM(0xff, 0xff, 0xff, 0x1f, 0x61, 0x62, 0x63, 0x17, 0, 0x0f, 0xff, 0x26, 1), "abc", 100},
    {"length in three bits", STREAM(0, 0, 0, 0x40, 0x61, 0x06, 0x00), "a", 10},
    {"length in a nibble", STREAM(0, 0, 0, 0x40, 0x61, 0x07, 0x00, 0x0e), "a", 1 + 24},
    /* the second match takes the other half of the first one's byte */
    {"two nibbles of a byte", STREAM(0, 0, 0, 0x60, 0x61, 0x07, 0, 0x21, 0x07, 0), "a",
     1 + 11 + 12},
    {"length in a byte", STREAM(0, 0, 0, 0x40, 0x61, 0x07, 0, 0x0f, 0xfe), "a", 1 + 279},
    {"length in a word", STREAM(0, 0, 0, 0x40, 0x61, 0x07, 0, 0x0f, 0xff, 0xff, 0xff), "a",
     1 + 65538},
    {"length in two words", STREAM(0, 0, 0, 0x40, 0x61, 0x07, 0, 0x0f, 0xff, 0, 0, 0, 0, 1, 0), "a",
     1 + 65539},
    {"overlap of seven",
     STREAM(0, 0, 0, 0x01, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x37, 0, 0x0b), "abcdefg", 4},
};

static uint8_t out[70000];

static void expect(const vector *expected, size_t size)
{
    const size_t unit = strlen(expected->from);
    assert_int_equal(size, unit * expected->count);
    for (size_t i = 0; i < size; i++) {
        assert_int_equal(out[i], expected->from[i % unit]);
    }
}

static void streams_expand_to_what_they_stand_for(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        const etw_bytes bytes = {vectors[i].stream, vectors[i].stream_size};
        const size_t whole = strlen(vectors[i].from) * vectors[i].count;
        etw_xpress stream = {0};
        size_t used, size = 0;
        assert_int_equal(etw_xpress_decode(&stream, bytes, &used, out, &size, whole),
                         ETW_XPRESS_FULL);
        expect(&vectors[i], size);
        assert_int_equal(used, bytes.size);
    }
}

/* However input and room come in pieces, the result is the same. */
static void streams_can_stop_anywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        const size_t whole = strlen(vectors[i].from) * vectors[i].count;
        for (size_t step = 1; step < 20; step++) {
            etw_xpress stream = {0};
            size_t size = 0, at = 0, end = 0;
            while (size < whole) {
                const size_t limit = size + step < whole ? size + step : whole;
                const etw_bytes piece = {vectors[i].stream + at, end - at};
                size_t used;
                const etw_xpress_result result =
                    etw_xpress_decode(&stream, piece, &used, out, &size, limit);
                assert_int_not_equal(result, ETW_XPRESS_DAMAGED);
                at += used;
                if (result == ETW_XPRESS_INPUT) {
                    assert_true(end < vectors[i].stream_size);
                    end++;
                }
            }
            expect(&vectors[i], size);
        }
    }
}

/* A long stream, so that the quick loop runs: all kinds of matches between literals. */
static void long_streams_expand_as_a_plain_reading_does(void **state)
{
    (void)state;
    static uint8_t stream[40000], plain[70000];
    uint32_t random = 1;
    size_t in = 0, size = 0, flags_at = 0, nibble_at = 0;
    uint32_t flags = 0, count = 0;
    while (in < sizeof stream - 64 && size < sizeof plain - 600) {
        if (count == 0) {
            flags_at = in;
            in += 4;
        }
        random = random * 1664525u + 1013904223u;
        const bool match = size > 4 && (random >> 28) < 9;
        if (match) {
            const uint32_t most = size < 8192 ? (uint32_t)size : 8192u;
            const uint32_t distance = (random >> 8) % ((random & 0x10u) != 0 ? most : 4) + 1;
            const uint32_t length = (random >> 4) % ((random & 0x20u) != 0 ? 12 : 400) + 3;
            const uint32_t code = length - 3;
            etw_store_u16(stream + in, (uint16_t)((distance - 1) << 3 | (code < 7 ? code : 7)));
            in += 2;
            if (code >= 7) {
                const uint32_t nibble = code - 7 < 15 ? code - 7 : 15;
                if (nibble_at == 0) {
                    nibble_at = in;
                    stream[in++] = (uint8_t)nibble;
                } else {
                    stream[nibble_at] |= (uint8_t)(nibble << 4);
                    nibble_at = 0;
                }
                if (nibble == 15) {
                    stream[in++] = (uint8_t)(code - 22 < 255 ? code - 22 : 255);
                    if (code - 22 >= 255) {
                        etw_store_u16(stream + in, (uint16_t)code);
                        in += 2;
                    }
                }
            }
            for (uint32_t i = 0; i < length; i++, size++) {
                plain[size] = plain[size - distance];
            }
        } else {
            plain[size++] = stream[in++] = (uint8_t)(random >> 16);
        }
        flags = flags << 1 | (match ? 1u : 0u);
        if (++count == 32) {
            etw_store_u32(stream + flags_at, flags);
            count = 0;
        }
    }
    if (count != 0) {
        etw_store_u32(stream + flags_at, flags << (32 - count));
    }
    const size_t steps[] = {sizeof out, 4096, 100, 33};
    for (size_t i = 0; i < 4; i++) {
        etw_xpress decoder = {0};
        size_t got = 0, at = 0;
        while (got < size) {
            const size_t limit = got + steps[i] < size ? got + steps[i] : size;
            const etw_bytes bytes = {stream + at, in - at};
            size_t used;
            assert_int_equal(etw_xpress_decode(&decoder, bytes, &used, out, &got, limit),
                             ETW_XPRESS_FULL);
            at += used;
        }
        assert_memory_equal(out, plain, size);
    }
}

static void contradictions_are_damage(void **state)
{
    (void)state;
    static const vector broken[] = {
        {"reaches before the start", STREAM(0, 0, 0, 0x40, 0x61, 0x08, 0), "", 0},
        {"nothing to repeat", STREAM(0, 0, 0, 0x80, 0, 0), "", 0},
        {"a long length below the short ones",
         STREAM(0, 0, 0, 0x40, 0x61, 0x07, 0, 0x0f, 0xff, 0x15, 0), "", 0},
    };
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        const etw_bytes bytes = {broken[i].stream, broken[i].stream_size};
        etw_xpress stream = {0};
        size_t used, size = 0;
        assert_int_equal(etw_xpress_decode(&stream, bytes, &used, out, &size, 1000),
                         ETW_XPRESS_DAMAGED);
    }
}

/* The streams of MS-XCA section 3, to the byte. */
static void texts_compress_as_specified(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        etw_buffer text = {0};
        etw_buffer stream = {0};
        for (size_t n = 0; n < vectors[i].count; n++) {
            etw_buffer_append(&text, vectors[i].from, strlen(vectors[i].from));
        }
        etw_xpress_encode(etw_buffer_bytes(&text), &stream);
        assert_int_equal(stream.size, vectors[i].stream_size);
        assert_memory_equal(stream.data, vectors[i].stream, stream.size);
        etw_buffer_free(&text);
        etw_buffer_free(&stream);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_expand_to_what_they_stand_for),
        cmocka_unit_test(streams_can_stop_anywhere),
        cmocka_unit_test(long_streams_expand_as_a_plain_reading_does),
        cmocka_unit_test(contradictions_are_damage),
        cmocka_unit_test(texts_compress_as_specified),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
