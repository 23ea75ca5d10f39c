/* Products of 64-bit numbers in full, and what is done with them: by the compiler's 128-bit numbers
 * where it has them, else (32-bit machines) by halves. The portable forms are always there, so that
 * tests can compare. */
#ifndef ETW_FORMAT_BASE_WIDE_MATH_H
#define ETW_FORMAT_BASE_WIDE_MATH_H

#include <stdint.h>

typedef struct etw_wide {
    uint64_t high, low;
} etw_wide;

/* By four products of halves; no sum of three terms here passes 64 bits: (2^32-1)^2 + 2(2^32-1) is
 * 2^64-1. */
static inline etw_wide etw_wide_multiply_portable(uint64_t a, uint64_t b)
{
    const uint64_t a_low = (uint32_t)a, a_high = a >> 32, b_low = (uint32_t)b, b_high = b >> 32;
    const uint64_t low = a_low * b_low;
    const uint64_t middle = a_high * b_low + (low >> 32);
    const uint64_t other = a_low * b_high + (uint32_t)middle;
    return (etw_wide){a_high * b_high + (middle >> 32) + (other >> 32),
                      other << 32 | (uint32_t)low};
}

/* Bit by bit, as on paper: for places that are seldom reached. */
static inline uint64_t etw_wide_divide_portable(etw_wide dividend, uint64_t divisor,
                                                uint64_t *remainder)
{
    uint64_t rest = dividend.high, quotient = dividend.low;
    for (unsigned i = 0; i < 64; i++) {
        const uint64_t carry = rest >> 63;
        rest = rest << 1 | quotient >> 63;
        quotient <<= 1;
        if (carry != 0 || rest >= divisor) {
            rest -= divisor;
            quotient |= 1;
        }
    }
    *remainder = rest;
    return quotient;
}

#ifdef __SIZEOF_INT128__

__extension__ typedef unsigned __int128 etw_u128;

static inline etw_wide etw_wide_multiply(uint64_t a, uint64_t b)
{
    const etw_u128 product = (etw_u128)a * b;
    return (etw_wide){(uint64_t)(product >> 64), (uint64_t)product};
}

/* dividend.high < divisor, so that the quotient fits. */
static inline uint64_t etw_wide_divide(etw_wide dividend, uint64_t divisor, uint64_t *remainder)
{
    const etw_u128 whole = (etw_u128)dividend.high << 64 | dividend.low;
    const uint64_t quotient = (uint64_t)(whole / divisor);
    *remainder = dividend.low - quotient * divisor;
    return quotient;
}

#else

static inline etw_wide etw_wide_multiply(uint64_t a, uint64_t b)
{
    return etw_wide_multiply_portable(a, b);
}

/* dividend.high < divisor, so that the quotient fits. */
static inline uint64_t etw_wide_divide(etw_wide dividend, uint64_t divisor, uint64_t *remainder)
{
    return etw_wide_divide_portable(dividend, divisor, remainder);
}

#endif

/* bits: 0 to 127. */
static inline etw_wide etw_wide_shift_right(etw_wide value, unsigned bits)
{
    if (bits >= 64) {
        return (etw_wide){0, value.high >> (bits - 64)};
    }
    /* In two steps: a shift by 64 is not defined. */
    return (etw_wide){value.high >> bits, value.low >> bits | value.high << 1 << (63 - bits)};
}

#endif
