/* Records put aside and read again, as often as wanted, and how far that is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "format/output/spool.h"

#define RECORDS 3000u

typedef struct seen {
    uint64_t calls, done, total;
} seen;

static void see(void *context, uint64_t done, uint64_t total, const char *unit)
{
    seen *s = context;
    assert_string_equal(unit, "B");
    assert_true(done >= s->done && done <= total);
    *s = (seen){s->calls + 1, done, total};
}

static void records_come_back_and_progress_is_told(void **state)
{
    (void)state;
    uint8_t data[1000] = {0};
    etw_output_spool spool;
    etw_error error = {0};
    etw_output_spool_open(&spool, etw_os_default());
    for (uint32_t i = 0; i < RECORDS; i++) {
        etw_store_u32(data, i);
        assert_int_equal(etw_output_spool_append(&spool, (etw_bytes){data, 4 + i % 900}, &error),
                         ETW_OK);
    }
    for (int pass = 0; pass < 2; pass++) {
        seen s = {0};
        etw_bytes record;
        spool.progress = see;
        spool.progress_context = &s;
        assert_int_equal(etw_output_spool_rewind(&spool, &error), ETW_OK);
        for (uint32_t i = 0; i < RECORDS; i++) {
            assert_int_equal(etw_output_spool_next(&spool, &record, &error), ETW_OK);
            assert_int_equal(record.size, 4 + i % 900);
            assert_int_equal(etw_load_u32(record.data), i);
        }
        assert_int_equal(etw_output_spool_next(&spool, &record, &error), ETW_END);
        assert_true(s.calls > 1 && s.done == s.total);
    }
    etw_output_spool_close(&spool);
}

/* One event may have megabytes of text. */
static void a_record_may_be_larger_than_a_chunk(void **state)
{
    (void)state;
    const size_t size = (size_t)5 << 20;
    etw_text large = {0};
    etw_output_spool spool;
    etw_bytes record;
    etw_error error = {0};
    char *to = etw_text_reserve(&large, size);
    assert_non_null(to);
    memset(to, 7, size);
    large.size = size;
    etw_output_spool_open(&spool, etw_os_default());
    assert_int_equal(etw_output_spool_append(&spool, etw_text_bytes(&large), &error), ETW_OK);
    assert_int_equal(etw_output_spool_rewind(&spool, &error), ETW_OK);
    assert_int_equal(etw_output_spool_next(&spool, &record, &error), ETW_OK);
    assert_int_equal(record.size, size);
    assert_memory_equal(record.data, large.data, size);
    etw_output_spool_close(&spool);
    etw_text_free(&large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_come_back_and_progress_is_told),
        cmocka_unit_test(a_record_may_be_larger_than_a_chunk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
