/* Sections expanded piece by piece hold what they hold when they are expanded at once. */
#include "format/etwcap/codec/events.h"
#include "format/etwcap/codec/section_read.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>
#include <zstd.h>

enum { SIZE = 300000 };

static uint8_t raw[SIZE];

static void fill(void)
{
    uint32_t random = 1;
    for (uint32_t i = 0; i < SIZE; i++) {
        random = random * 1664525u + 1013904223u;
        raw[i] = (uint8_t)(i % 1000 < 500 ? random >> 27 : i / 1000);
    }
}

/* A section as it stands in a body, of the first size bytes; window_log 0: zstd's own. */
static void store(etw_buffer *body, size_t size, int window_log)
{
    ZSTD_CCtx *context = ZSTD_createCCtx();
    char *to = etw_buffer_reserve(body, 8 + ZSTD_compressBound(size));
    assert_false(ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, window_log)));
    assert_false(
        ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, window_log == 0)));
    ZSTD_inBuffer from = {raw, size, 0};
    ZSTD_outBuffer out = {to + 8, ZSTD_compressBound(size), 0};
    assert_int_equal(ZSTD_compressStream2(context, &out, &from, ZSTD_e_end), 0);
    etw_store_u32(to, (uint32_t)size);
    etw_store_u32(to + 4, (uint32_t)out.pos);
    body->size += 8 + out.pos;
    (void)ZSTD_freeCCtx(context);
}

static void take(etw_section *section, const etw_buffer *body)
{
    etw_cursor cursor = etw_cursor_over(etw_buffer_bytes(body));
    assert_true(etw_section_take(section, &cursor));
    assert_int_equal(etw_cursor_left(&cursor), 0);
}

/* 27: a window that no stream is given memory for. */
static void pieces_are_the_start_of_the_whole(void **state)
{
    static const struct {
        size_t size;
        int window_log;
    } rows[] = {{0, 0}, {1, 0}, {10000, 0}, {SIZE, 0}, {SIZE, 18}, {SIZE, 27}};
    static const size_t pieces[] = {1, 1, 5000, 100, 140000, 262144, SIZE - 1, SIZE + 1};
    struct ZSTD_DCtx_s *context = etw_section_context_new();
    etw_section section = {0};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        etw_buffer body = {0};
        store(&body, rows[i].size, rows[i].window_log);
        take(&section, &body);
        for (size_t k = 0; k < sizeof pieces / sizeof pieces[0]; k++) {
            const size_t least = pieces[k] < rows[i].size ? pieces[k] : rows[i].size;
            assert_true(etw_section_expand_to(&section, context, pieces[k]));
            assert_in_range(section.raw.size, least, rows[i].size);
            assert_memory_equal(section.raw.data, raw, section.raw.size);
        }
        assert_true(etw_section_is_whole(&section));
        take(&section, &body);
        assert_true(etw_section_expand_to(&section, context, SIZE / 3));
        assert_true(etw_section_expand(&section, context)); /* from the start, after a stream */
        assert_true(etw_section_is_whole(&section));
        assert_memory_equal(section.raw.data, raw, rows[i].size);
        etw_buffer_free(&body);
    }
    etw_section_free(&section);
    (void)ZSTD_freeDCtx(context);
}

static void no_more_is_expanded_than_asked_for(void **state)
{
    struct ZSTD_DCtx_s *context = etw_section_context_new();
    etw_section section = {0};
    etw_buffer body = {0};
    (void)state;
    store(&body, SIZE, 18);
    take(&section, &body);
    assert_true(etw_section_expand_to(&section, context, 5000));
    assert_int_equal(section.raw.size, 5000);
    assert_false(etw_section_is_whole(&section));
    etw_section_free(&section);
    etw_buffer_free(&body);
    (void)ZSTD_freeDCtx(context);
}

static void what_is_not_what_it_says_is_refused(void **state)
{
    struct ZSTD_DCtx_s *context = etw_section_context_new();
    etw_section section = {0};
    etw_buffer body = {0};
    (void)state;
    store(&body, SIZE, 18);
    for (size_t size = 8; size < body.size; size += 997) { /* the frame's end is missing */
        etw_buffer cut = {0};
        etw_buffer_append(&cut, body.data, size);
        etw_store_u32((uint8_t *)cut.data + 4, (uint32_t)(size - 8));
        take(&section, &cut);
        assert_false(etw_section_expand_to(&section, context, SIZE));
        (void)etw_section_expand_to(&section, context, SIZE / 2);
        assert_true(section.raw.size < SIZE);
        etw_buffer_free(&cut);
    }
    etw_store_u32((uint8_t *)body.data, SIZE + 1);
    take(&section, &body);
    assert_true(etw_section_expand_to(&section, context, 100)); /* which its start is */
    assert_false(etw_section_expand_to(&section, context, SIZE + 1));
    etw_store_u32((uint8_t *)body.data, ETW_SECTION_MAX_RAW + 1);
    etw_cursor cursor = etw_cursor_over(etw_buffer_bytes(&body));
    assert_false(etw_section_take(&section, &cursor));
    etw_section_free(&section);
    etw_buffer_free(&body);
    (void)ZSTD_freeDCtx(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_the_start_of_the_whole),
        cmocka_unit_test(no_more_is_expanded_than_asked_for),
        cmocka_unit_test(what_is_not_what_it_says_is_refused),
    };
    fill();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
