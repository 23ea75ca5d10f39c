/* Digits of numbers: the tables and the one loop that everything which writes numbers shares. */
#ifndef ETW_FORMAT_BASE_DIGITS_H
#define ETW_FORMAT_BASE_DIGITS_H

#include <stdint.h>

/* "00" to "99". Two digits at a time halve the divisions, which dominate the cost of printing
 * numbers. */
extern const char etw_digit_pairs[201];
/* "00" to "FF", and to "ff". */
extern const char etw_hex_pairs_upper[513];
extern const char etw_hex_pairs_lower[513];
extern const char etw_digits_upper[17]; /* "0123456789ABCDEF" */
extern const char etw_digits_lower[17];

/* What a hexadecimal digit of either case stands for; -1: it is none. */
static inline int etw_hex_digit(char digit)
{
    const char lower = (char)(digit | 0x20);
    return digit >= '0' && digit <= '9'   ? digit - '0'
           : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10
                                          : -1;
}

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
