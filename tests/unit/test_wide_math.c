/* Numbers of 128 bits: the portable form and the compiler's, and what is reckoned with them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "format/base/wide_math.h"
#include "format/event/clock.h"

static const uint64_t hard[] = {0,
                                1,
                                2,
                                3,
                                10,
                                10000000,
                                0x7FFFFFFF,
                                0x80000000,
                                0xFFFFFFFE,
                                0xFFFFFFFF,
                                0x100000000,
                                0x100000001,
                                0xFFFFFFFF00000000,
                                0xFFFFFFFEFFFFFFFF,
                                0x00000001FFFFFFFF,
                                0x7FFFFFFFFFFFFFFE,
                                0x7FFFFFFFFFFFFFFF,
                                0x8000000000000000,
                                0x8000000000000001,
                                0xAAAAAAAA55555555,
                                0xFFFFFFFFFFFFFFFE,
                                0xFFFFFFFFFFFFFFFF};
#define HARD (sizeof hard / sizeof hard[0])

static void known_products(void **state)
{
    (void)state;
    static const struct {
        uint64_t a, b, high, low;
    } cases[] = {
        {0xFFFFFFFFFFFFFFFF, 0xFFFFFFFFFFFFFFFF, 0xFFFFFFFFFFFFFFFE, 1},
        {0x100000000, 0x100000000, 1, 0},
        {0xFFFFFFFF, 0xFFFFFFFF, 0, 0xFFFFFFFE00000001},
        {0x8000000000000000, 2, 1, 0},
        {0x123456789ABCDEF0, 0xFEDCBA9876543210, 0x121FA00AD77D7422, 0x236D88FE5618CF00},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const etw_wide ours = etw_wide_multiply(cases[i].a, cases[i].b);
        const etw_wide portable = etw_wide_multiply_portable(cases[i].a, cases[i].b);
        assert_true(ours.high == cases[i].high && ours.low == cases[i].low);
        assert_true(portable.high == cases[i].high && portable.low == cases[i].low);
    }
}

/* (a * b + rest) / b is a, with that rest. */
static void portable_and_native_agree(void **state)
{
    (void)state;
    for (size_t i = 0; i < HARD * HARD * HARD; i++) {
        const uint64_t a = hard[i % HARD], b = hard[i / HARD % HARD], c = hard[i / HARD / HARD];
        const etw_wide product = etw_wide_multiply(a, b);
        const etw_wide portable = etw_wide_multiply_portable(a, b);
        assert_true(product.high == portable.high && product.low == portable.low);
        const etw_wide dividend = {a, b};
        if (a < c) {
            uint64_t rest, portable_rest;
            const uint64_t quotient = etw_wide_divide(dividend, c, &rest);
            assert_true(quotient == etw_wide_divide_portable(dividend, c, &portable_rest));
            assert_true(rest == portable_rest && rest < c);
            const etw_wide back = etw_wide_multiply_portable(quotient, c);
            assert_true(back.low + rest == b);
            assert_true(back.high + (back.low + rest < rest ? 1 : 0) == a);
        }
    }
}

static void shifts_cross_the_middle(void **state)
{
    (void)state;
    const etw_wide value = {0x8000000000000001, 0x8000000000000003};
    static const struct {
        unsigned bits;
        uint64_t high, low;
    } cases[] = {
        {0, 0x8000000000000001, 0x8000000000000003},
        {1, 0x4000000000000000, 0xC000000000000001},
        {63, 1, 3},
        {64, 0, 0x8000000000000001},
        {65, 0, 0x4000000000000000},
        {127, 0, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const etw_wide shifted = etw_wide_shift_right(value, cases[i].bits);
        assert_true(shifted.high == cases[i].high && shifted.low == cases[i].low);
    }
}

/* Far from the base, at both ends, with each kind of remainder. */
static void clocks_convert_far_times(void **state)
{
    (void)state;
    static const struct {
        uint64_t frequency_hz;
        int64_t base_ticks, base_time, ticks, time, ticks_again;
    } cases[] = {
        {10000000, 0, 0, INT64_MAX, INT64_MAX, INT64_MAX},
        {10000000, 0, 0, INT64_MIN, INT64_MIN, INT64_MIN},
        {3, 0, 0, 4000000000000, INT64_MAX, 2767011611057},
        {3, 0, 0, -1, -3333334, -1},
        {3000000000, 5, 7, 4, 6, -295},
        {3000000000, 0, 0, INT64_MAX, 30744573456182586, 9223372036854775800},
        {3000000000, 0, 0, INT64_MIN, -30744573456182587, INT64_MIN},
        {INT64_MAX, INT64_MIN, INT64_MAX, INT64_MAX, INT64_MAX, INT64_MIN},
        {INT64_MAX, INT64_MIN, INT64_MIN, INT64_MAX, -9223372036834775808, 9223372036854775806},
        {INT64_MAX, INT64_MAX, INT64_MAX, INT64_MIN, 9223372036834775806, INT64_MIN},
        {1, INT64_MAX, INT64_MIN, INT64_MIN, INT64_MIN, INT64_MAX},
        {7, INT64_MAX, 0, INT64_MIN, INT64_MIN, 9223365580494350009},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const etw_clock clock = {.type = ETW_CLOCK_QPC,
                                 .frequency_hz = cases[i].frequency_hz,
                                 .base_ticks = cases[i].base_ticks,
                                 .base_time_100ns = cases[i].base_time};
        assert_int_equal(etw_clock_to_filetime(&clock, cases[i].ticks), cases[i].time);
        assert_int_equal(etw_clock_from_filetime(&clock, cases[i].time), cases[i].ticks_again);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_products),
        cmocka_unit_test(portable_and_native_agree),
        cmocka_unit_test(shifts_cross_the_middle),
        cmocka_unit_test(clocks_convert_far_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
