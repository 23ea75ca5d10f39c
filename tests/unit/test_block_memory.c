/* The memory that a block's records point to: what was given stays, whatever is given after it, and
 * all together is limited to the byte. */
#include "format/etwcap/codec/block_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void items_keep_their_place_and_bytes(void **state)
{
    enum { ITEMS = 100 };
    static const size_t sizes[] = {0, 1, 7, ETW_BLOCK_MEMORY_MAX_ITEM, 4096, 0};
    const size_t kinds = sizeof sizes / sizeof sizes[0];
    etw_block_memory memory = {0};
    uint8_t *items[ITEMS];
    (void)state;
    etw_block_memory_begin(&memory);
    for (size_t i = 0; i < ITEMS; i++) {
        items[i] = etw_block_memory_take(&memory, sizes[i % kinds]);
        assert_non_null(items[i]);
        memset(items[i], (int)i, sizes[i % kinds]);
    }
    for (size_t i = 0; i < ITEMS; i++) {
        for (size_t at = 0; at < sizes[i % kinds]; at++) {
            assert_int_equal(items[i][at], i);
        }
    }
    etw_block_memory_free(&memory);
}

static void a_block_gets_the_limit_and_not_a_byte_more(void **state)
{
    static const size_t sizes[] = {1 << 10, 1000, 65000, ETW_BLOCK_MEMORY_MAX_ITEM};
    etw_block_memory memory = {0};
    (void)state;
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        etw_block_memory_begin(&memory);
        size_t left = ETW_BATCH_MAX_BYTES;
        for (; left >= sizes[s]; left -= sizes[s]) {
            assert_non_null(etw_block_memory_take(&memory, sizes[s]));
        }
        assert_null(etw_block_memory_take(&memory, left + 1));
        assert_false(memory.is_out);
    }
    etw_block_memory_free(&memory);
}

static void larger_items_are_refused(void **state)
{
    etw_block_memory memory = {0};
    (void)state;
    etw_block_memory_begin(&memory);
    assert_null(etw_block_memory_take(&memory, ETW_BLOCK_MEMORY_MAX_ITEM + 1));
    assert_null(etw_block_memory_take(&memory, SIZE_MAX));
    assert_false(memory.is_out);
    etw_block_memory_free(&memory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(items_keep_their_place_and_bytes),
        cmocka_unit_test(a_block_gets_the_limit_and_not_a_byte_more),
        cmocka_unit_test(larger_items_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
