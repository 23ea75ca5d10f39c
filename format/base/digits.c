#include "format/base/digits.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

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

/* The eight last digits, with leading zeros. */
static char *put_eight(char *at, uint32_t value_below_10_8)
{
    const uint32_t high = value_below_10_8 / 10000, low = value_below_10_8 % 10000;
    at = etw_put_digit_pair(at, high / 100);
    at = etw_put_digit_pair(at, high % 100);
    at = etw_put_digit_pair(at, low / 100);
    return etw_put_digit_pair(at, low % 100);
}

/* Of 32 bits: no 64-bit division. */
static char *put_u32(char *at, uint32_t value)
{
    if (value < 10000) {
        return etw_put_u64(at, value);
    }
    if (value >= 100000000) {
        at = etw_put_below_100(at, value / 100000000);
        return put_eight(at, value % 100000000);
    }
    const uint32_t low = value % 10000;
    at = etw_put_u64(at, value / 10000);
    at = etw_put_digit_pair(at, low / 100);
    return etw_put_digit_pair(at, low % 100);
}

/* From 10000 on. */
char *etw_put_large(char *at, uint64_t value)
{
    const uint64_t eight = 100000000;
    if (value <= UINT32_MAX) {
        return put_u32(at, (uint32_t)value);
    }
    const uint64_t high = value / eight;
    at = high <= UINT32_MAX
             ? put_u32(at, (uint32_t)high)
             : put_eight(put_u32(at, (uint32_t)(high / eight)), (uint32_t)(high % eight));
    return put_eight(at, (uint32_t)(value % eight));
}

#if defined(__SSE2__)
/* The digits of 16 values below 16. */
static __m128i digits_of(__m128i values)
{
    const __m128i is_letter = _mm_cmpgt_epi8(values, _mm_set1_epi8(9));
    const __m128i letters = _mm_and_si128(is_letter, _mm_set1_epi8('A' - '0' - 10));
    return _mm_add_epi8(_mm_add_epi8(values, _mm_set1_epi8('0')), letters);
}

static void put_hex_of_8(char *at, __m128i bytes)
{
    const __m128i low = _mm_and_si128(bytes, _mm_set1_epi8(15));
    const __m128i high = _mm_and_si128(_mm_srli_epi16(bytes, 4), _mm_set1_epi8(15));
    _mm_storeu_si128((__m128i *)(void *)at, digits_of(_mm_unpacklo_epi8(high, low)));
}
#endif

char *etw_put_hex_bytes(char *at, const uint8_t *bytes, size_t size)
{
    size_t done = 0;
#if defined(__SSE2__)
    for (; size - done >= 8; done += 8) {
        put_hex_of_8(at + 2 * done, _mm_loadl_epi64((const __m128i *)(const void *)(bytes + done)));
    }
#endif
    for (; done < size; done++) {
        memcpy(at + 2 * done, etw_hex_pairs_upper + 2 * (size_t)bytes[done], 2);
    }
    return at + 2 * size;
}

char *etw_put_hex(char *at, uint64_t value)
{
    char digits[32] = {0}; /* 16, and what is written over */
    const uint64_t from_high = __builtin_bswap64(value);
    const unsigned zeros = (unsigned)__builtin_clzll(value | 1) / 4;
    (void)etw_put_hex_bytes(digits, (const uint8_t *)&from_high, sizeof from_high);
    memcpy(at, "0x", 2);
    memcpy(at + 2, digits + zeros, 16);
    return at + ETW_PUT_HEX_MAX - zeros;
}
