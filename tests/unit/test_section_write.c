/* Sections of events blocks: one frame, whatever its blocks. */
#include "format/etwcap/codec/section_write.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <zstd.h>

enum { FIRST = 20000, SIZE = 2 * FIRST };

/* Six bits of noise in each byte, then four: entropy coding alone makes them smaller. */
static void fill(uint8_t *raw)
{
    uint32_t random = 1;
    for (uint32_t i = 0; i < SIZE; i++) {
        random = random * 1664525u + 1013904223u;
        raw[i] = (uint8_t)(i < FIRST ? random >> 26 : 128 + (random >> 28));
    }
}

static void assert_expands_to(const etw_buffer *body, const uint8_t *raw)
{
    static uint8_t back[SIZE];
    const char *frame = body->data + 8;
    assert_int_equal(etw_load_u32((const uint8_t *)body->data), SIZE);
    assert_int_equal(etw_load_u32((const uint8_t *)body->data + 4), body->size - 8);
    assert_int_equal(ZSTD_findFrameCompressedSize(frame, body->size - 8), body->size - 8);
    assert_int_equal(ZSTD_decompress(back, SIZE, frame, body->size - 8), SIZE);
    assert_memory_equal(back, raw, SIZE);
}

static void blocks_end_at_borders(void **state)
{
    static uint8_t raw[SIZE];
    static etw_borders borders;
    ZSTD_CCtx *context = ZSTD_createCCtx();
    etw_buffer whole = {0};
    etw_buffer parted = {0};
    (void)state;
    fill(raw);
    etw_borders_add(&borders, FIRST);
    const etw_bytes section = {raw, SIZE};
    for (int level = 1; level <= 19; level += 9) {
        etw_buffer_clear(&whole);
        etw_buffer_clear(&parted);
        assert_true(etw_section_write(context, level, ETW_SECTION_PAYLOAD, section, NULL, &whole));
        assert_true(
            etw_section_write(context, level, ETW_SECTION_PAYLOAD, section, &borders, &parted));
        assert_expands_to(&whole, raw);
        assert_expands_to(&parted, raw);
        assert_true(level > 1 || parted.size + 1000 < whole.size);
    }
    etw_buffer_free(&whole);
    etw_buffer_free(&parted);
    (void)ZSTD_freeCCtx(context);
}

static void borders_keep_a_distance(void **state)
{
    static etw_borders borders;
    (void)state;
    etw_borders_add(&borders, ETW_LEAST_PIECE - 1);
    assert_int_equal(borders.count, 0);
    etw_borders_add(&borders, ETW_LEAST_PIECE);
    etw_borders_add(&borders, ETW_LEAST_PIECE + 1);
    assert_int_equal(borders.count, 1);
    for (size_t at = 2; at < 2 * ETW_MAX_BORDERS; at++) {
        etw_borders_add(&borders, at * ETW_LEAST_PIECE);
    }
    assert_int_equal(borders.count, ETW_MAX_BORDERS);
}

/* The last of them may lie just before the end. */
static void a_section_of_nothing_and_borders_beside_its_end(void **state)
{
    static uint8_t raw[SIZE];
    static etw_borders borders;
    ZSTD_CCtx *context = ZSTD_createCCtx();
    etw_buffer body = {0};
    (void)state;
    fill(raw);
    etw_borders_add(&borders, SIZE - 1);
    assert_true(etw_section_write(context, 3, ETW_SECTION_HEADERS, (etw_bytes){raw, SIZE}, &borders,
                                  &body));
    assert_expands_to(&body, raw);
    etw_buffer_clear(&body);
    assert_true(
        etw_section_write(context, 3, ETW_SECTION_ITEMS, (etw_bytes){NULL, 0}, NULL, &body));
    assert_int_equal(ZSTD_getFrameContentSize(body.data + 8, body.size - 8), 0);
    etw_buffer_free(&body);
    (void)ZSTD_freeCCtx(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_end_at_borders),
        cmocka_unit_test(borders_keep_a_distance),
        cmocka_unit_test(a_section_of_nothing_and_borders_beside_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
