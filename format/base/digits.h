/* Digits of numbers: what everything which writes numbers shares. Each etw_put function writes at
 * `at` and returns the place behind what it wrote. */
#ifndef ETW_FORMAT_BASE_DIGITS_H
#define ETW_FORMAT_BASE_DIGITS_H

#include "format/base/bytes.h"

#define ETW_PUT_U64_MAX 20u /* "18446744073709551615" */
#define ETW_PUT_HEX_MAX 18u /* "0xFFFFFFFFFFFFFFFF" */

/* "00" to "99". Two digits at a time halve the divisions, which dominate the cost of printing
 * numbers. */
extern const char etw_digit_pairs[201];
/* "00" to "FF", and to "ff". */
extern const char etw_hex_pairs_upper[513];
extern const char etw_hex_pairs_lower[513];
extern const char etw_digits_lower[17]; /* "0123456789abcdef" */

/* What a hexadecimal digit of either case stands for; -1: it is none. */
static inline int etw_hex_digit(char digit)
{
    const char lower = (char)(digit | 0x20);
    return digit >= '0' && digit <= '9'   ? digit - '0'
           : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10
                                          : -1;
}

static inline char *etw_put_digit_pair(char *at, uint32_t value_below_100)
{
    memcpy(at, etw_digit_pairs + 2 * value_below_100, 2);
    return at + 2;
}

static inline char *etw_put_below_100(char *at, uint32_t value)
{
    if (value >= 10) {
        return etw_put_digit_pair(at, value);
    }
    *at = (char)('0' + (char)value);
    return at + 1;
}

char *etw_put_large(char *at, uint64_t value);

static inline char *etw_put_u64(char *at, uint64_t value)
{
    if (value >= 10000) {
        return etw_put_large(at, value);
    }
    const uint32_t small = (uint32_t)value;
    return small < 100 ? etw_put_below_100(at, small)
                       : etw_put_digit_pair(etw_put_below_100(at, small / 100), small % 100);
}

/* "0x" and upper-case digits without leading zeros. What is behind them up to ETW_PUT_HEX_MAX is
 * written over. */
char *etw_put_hex(char *at, uint64_t value);
/* Two upper-case digits for each byte. */
char *etw_put_hex_bytes(char *at, const uint8_t *bytes, size_t size);

/* The last count decimal digits of value, with leading zeros; returns the place behind them. */
static inline char *etw_digits_put(char *to, unsigned count, uint64_t value)
{
    for (unsigned i = count; i-- > 0;) {
        to[i] = (char)('0' + value % 10);
        value /= 10;
    }
    return to + count;
}

#endif
