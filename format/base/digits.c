#include "format/base/digits.h"

const char etw_digits_upper[17] = "0123456789ABCDEF";
const char etw_digits_lower[17] = "0123456789abcdef";

#define TEN(tens)                                                                                  \
    tens "0" tens "1" tens "2" tens "3" tens "4" tens "5" tens "6" tens "7" tens "8" tens "9"

const char etw_digit_pairs[201] =
    TEN("0") TEN("1") TEN("2") TEN("3") TEN("4") TEN("5") TEN("6") TEN("7") TEN("8") TEN("9");

#define SIXTEEN_UPPER(high) TEN(high) high "A" high "B" high "C" high "D" high "E" high "F"
#define SIXTEEN_LOWER(high) TEN(high) high "a" high "b" high "c" high "d" high "e" high "f"

const char etw_hex_pairs_upper[513] = SIXTEEN_UPPER("0") SIXTEEN_UPPER("1") SIXTEEN_UPPER("2")
    SIXTEEN_UPPER("3") SIXTEEN_UPPER("4") SIXTEEN_UPPER("5") SIXTEEN_UPPER("6") SIXTEEN_UPPER("7")
        SIXTEEN_UPPER("8") SIXTEEN_UPPER("9") SIXTEEN_UPPER("A") SIXTEEN_UPPER("B")
            SIXTEEN_UPPER("C") SIXTEEN_UPPER("D") SIXTEEN_UPPER("E") SIXTEEN_UPPER("F");
const char etw_hex_pairs_lower[513] = SIXTEEN_LOWER("0") SIXTEEN_LOWER("1") SIXTEEN_LOWER("2")
    SIXTEEN_LOWER("3") SIXTEEN_LOWER("4") SIXTEEN_LOWER("5") SIXTEEN_LOWER("6") SIXTEEN_LOWER("7")
        SIXTEEN_LOWER("8") SIXTEEN_LOWER("9") SIXTEEN_LOWER("a") SIXTEEN_LOWER("b")
            SIXTEEN_LOWER("c") SIXTEEN_LOWER("d") SIXTEEN_LOWER("e") SIXTEEN_LOWER("f");
