#include "format/event/render/number_text.h"

#include "format/base/digits.h"
#include "format/base/wide_math.h"
#include "format/event/calendar.h"

#define MANTISSA_BITS 52
#define EXPONENT_BIAS 1075 /* of a mantissa read as an integer */
#define GROUP_DIGITS  9    /* decimal digits that fit 32 bits */

static void append_not_finite(etw_text *text, bool negative, uint64_t mantissa)
{
    if (mantissa == 0) {
        etw_text_append_z(text, negative ? "-inf" : "inf");
    } else if (negative && mantissa == (uint64_t)1 << (MANTISSA_BITS - 1)) {
        etw_text_append_z(text, "-nan(ind)"); /* what invalid operations give on x86 */
    } else {
        etw_text_append_z(text, negative ? "-nan" : "nan");
    }
}

static void append_padded(etw_text *text, uint64_t value, unsigned digits)
{
    char out[20];
    (void)etw_digits_put(out, digits, value);
    etw_text_append(text, out, digits);
}

/* mantissa << shift in decimal; shift <= 971. */
static void append_big(etw_text *text, uint64_t mantissa, unsigned shift)
{
    uint32_t limbs[34] = {0};
    const unsigned at = shift / 32;
    const etw_wide shifted = etw_wide_multiply(mantissa, (uint64_t)1 << shift % 32);
    limbs[at] = (uint32_t)shifted.low;
    limbs[at + 1] = (uint32_t)(shifted.low >> 32);
    limbs[at + 2] = (uint32_t)shifted.high;
    uint32_t groups[36]; /* nine decimal digits each, the lowest first */
    unsigned count = 0;
    unsigned top = at + 3;
    do {
        uint64_t rest = 0;
        for (unsigned i = top; i-- > 0;) {
            rest = rest << 32 | limbs[i];
            limbs[i] = (uint32_t)(rest / 1000000000u);
            rest %= 1000000000u;
        }
        groups[count++] = (uint32_t)rest;
        while (top > 0 && limbs[top - 1] == 0) {
            top--;
        }
    } while (top > 0);
    etw_text_append_u64(text, groups[count - 1]);
    for (unsigned i = count - 1; i-- > 0;) {
        append_padded(text, groups[i], GROUP_DIGITS);
    }
}

/* mantissa / 2^down in millionths, rounded half to even; down > 0. */
static uint64_t millionths(uint64_t mantissa, unsigned down)
{
    const etw_wide scaled = etw_wide_multiply(mantissa, 1000000u);
    if (down >= 120) {
        return 0;
    }
    const uint64_t halves = etw_wide_shift_right(scaled, down - 1).low;
    const uint64_t whole = halves >> 1;
    /* Beyond the half: 1000000 itself has six zeros at its end. */
    const bool more = mantissa != 0 && (unsigned)__builtin_ctzll(mantissa) + 6 < down - 1;
    const bool up = (halves & 1) != 0 && (more || (whole & 1) != 0);
    return whole + (up ? 1u : 0u);
}

static void append_scaled(etw_text *text, uint64_t scaled)
{
    etw_text_append_u64(text, scaled / 1000000u);
    etw_text_append_char(text, '.');
    append_padded(text, scaled % 1000000u, 6);
}

void etw_text_append_fixed6(etw_text *text, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    const bool negative = bits >> 63 != 0;
    const unsigned exponent = (unsigned)(bits >> MANTISSA_BITS) & 0x7FFu;
    const uint64_t fraction = bits & (((uint64_t)1 << MANTISSA_BITS) - 1);
    if (exponent == 0x7FF) {
        append_not_finite(text, negative, fraction);
        return;
    }
    if (negative) {
        etw_text_append_char(text, '-');
    }
    const uint64_t mantissa = exponent == 0 ? fraction : fraction | (uint64_t)1 << MANTISSA_BITS;
    const int shift = (int)(exponent == 0 ? 1 : exponent) - EXPONENT_BIAS;
    if (shift >= 0) {
        append_big(text, mantissa, (unsigned)shift);
        etw_text_append_z(text, ".000000");
    } else if (shift > -10) {
        /* Above 2^43 the millionths would not fit 64 bits. */
        const unsigned down = (unsigned)-shift;
        const uint64_t below = mantissa & (((uint64_t)1 << down) - 1);
        etw_text_append_u64(text, mantissa >> down);
        etw_text_append_char(text, '.');
        append_padded(text, millionths(below, down), 6);
    } else {
        append_scaled(text, millionths(mantissa, (unsigned)-shift));
    }
}

static char *put2(char *to, unsigned value)
{
    to[0] = (char)('0' + value / 10 % 10);
    to[1] = (char)('0' + value % 10);
    return to + 2;
}

static char *put_mark(char *to, bool marks)
{
    if (marks) {
        *to++ = '\xE2';
        *to++ = '\x80';
        *to++ = '\x8E';
    }
    return to;
}

#define TIME_TEXT_SIZE 64u /* 5 marks of 3 bytes, a date of 11 and a time of 20 characters */

static char *put_date(char *to, uint64_t year, unsigned month, unsigned day, bool marks)
{
    to = put_mark(to, marks);
    to = etw_digits_put(to, year > 9999 ? 5 : 4, year);
    const unsigned parts[] = {month, day};
    for (unsigned i = 0; i < 2; i++) {
        to = put_mark(to, marks);
        *to++ = '-';
        to = put_mark(to, marks);
        to = put2(to, parts[i]);
    }
    *to++ = 'T';
    return to;
}

static char *put_time(char *to, unsigned hour, unsigned minute, unsigned second)
{
    to = put2(to, hour);
    *to++ = ':';
    to = put2(to, minute);
    *to++ = ':';
    to = put2(to, second);
    *to++ = '.';
    return to;
}

void etw_text_append_filetime(etw_text *text, uint64_t time_100ns, bool marks)
{
    if (time_100ns > INT64_MAX) {
        etw_text_append_u64(text, time_100ns & UINT32_MAX);
        etw_text_append_char(text, ':');
        etw_text_append_u64(text, time_100ns >> 32);
        return;
    }
    char *start = etw_text_reserve(text, TIME_TEXT_SIZE);
    if (start == NULL) {
        return;
    }
    const uint64_t seconds = time_100ns / 10000000u;
    const unsigned of_day = (unsigned)(seconds % 86400u);
    const etw_date day = etw_date_of_days((int64_t)(seconds / 86400u));
    char *to = put_date(start, (uint64_t)day.year, day.month, day.day, marks);
    to = put_time(to, of_day / 3600, of_day / 60 % 60, of_day % 60);
    to = etw_digits_put(to, 7, time_100ns % 10000000u);
    *to++ = '0'; /* nine digits of which a FILETIME has seven */
    *to++ = '0';
    *to++ = 'Z';
    text->size += (size_t)(to - start);
}

void etw_text_append_systemtime(etw_text *text, const uint8_t *fields, bool marks)
{
    unsigned field[8]; /* year, month, day of week, day, hour, minute, second, milliseconds */
    for (unsigned i = 0; i < 8; i++) {
        field[i] = etw_load_u16(fields + (size_t)2 * i);
    }
    char *start = field[1] > 12 ? NULL : etw_text_reserve(text, TIME_TEXT_SIZE);
    if (start == NULL) {
        for (unsigned i = 0; i < 8; i++) {
            if (i != 0) {
                etw_text_append_char(text, ':');
            }
            etw_text_append_u64(text, field[i]);
        }
        return;
    }
    char *to = put_date(start, field[0], field[1], field[3], marks);
    to = put_time(to, field[4], field[5], field[6]);
    to = etw_digits_put(to, 3, field[7]);
    *to++ = 'Z';
    text->size += (size_t)(to - start);
}
