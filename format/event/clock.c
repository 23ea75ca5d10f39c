#include "format/event/clock.h"

#include "format/base/digits.h"
#include "format/event/calendar.h"

#define TICKS_PER_SECOND 10000000LL
#define SECONDS_PER_DAY  86400LL
/* Years 1601 to 30827 are what SYSTEMTIME can say. */
#define LAST_TIME_100NS 0x7FFF35F4F06C7FFFLL

static int64_t saturate(__int128 value)
{
    if (value > INT64_MAX) {
        return INT64_MAX;
    }
    return value < INT64_MIN ? INT64_MIN : (int64_t)value;
}

static __int128 floor_divide(__int128 dividend, __int128 divisor)
{
    const __int128 quotient = dividend / divisor;
    return quotient - (dividend % divisor < 0 ? 1 : 0);
}

/* 100 ns per tick as the fraction numerator / denominator. */
typedef struct rate {
    int64_t numerator;
    uint64_t denominator;
} rate;

static rate clock_rate(const etw_clock *clock)
{
    const rate one = {1, 1};
    switch (clock->type) {
    case ETW_CLOCK_SYSTEM_TIME:
        return one;
    case ETW_CLOCK_CPU_CYCLE:
        return clock->cpu_mhz == 0 ? one : (rate){10, clock->cpu_mhz};
    default:
        /* Windows keeps it in a signed number; products with it then fit 128 bits. */
        return clock->frequency_hz == 0 || clock->frequency_hz > INT64_MAX
                   ? one
                   : (rate){TICKS_PER_SECOND, clock->frequency_hz};
    }
}

/* In 64 bits, which is several times as fast: ticks that are so near the base that their product
 * with the numerator fits. */
#define NEAR_TICKS (INT64_MAX / TICKS_PER_SECOND)

static bool convert_near(const etw_clock *clock, rate per_tick, int64_t ticks, int64_t *time_100ns)
{
    int64_t passed;
    if (__builtin_sub_overflow(ticks, clock->base_ticks, &passed) || passed < 0 ||
        passed > NEAR_TICKS || per_tick.denominator > INT64_MAX) {
        return false;
    }
    const uint64_t scaled = (uint64_t)passed * (uint64_t)per_tick.numerator;
    return !__builtin_add_overflow(clock->base_time_100ns, (int64_t)(scaled / per_tick.denominator),
                                   time_100ns);
}

int64_t etw_clock_to_filetime(const etw_clock *clock, int64_t ticks)
{
    int64_t time_100ns;
    if (clock->type == ETW_CLOCK_SYSTEM_TIME) {
        return ticks;
    }
    const rate per_tick = clock_rate(clock);
    if (convert_near(clock, per_tick, ticks, &time_100ns)) {
        return time_100ns;
    }
    const __int128 scaled = ((__int128)ticks - clock->base_ticks) * per_tick.numerator;
    return saturate(clock->base_time_100ns + floor_divide(scaled, per_tick.denominator));
}

int64_t etw_clock_from_filetime(const etw_clock *clock, int64_t time_100ns)
{
    if (clock->type == ETW_CLOCK_SYSTEM_TIME) {
        return time_100ns;
    }
    const rate per_tick = clock_rate(clock);
    const __int128 scaled = ((__int128)time_100ns - clock->base_time_100ns) * per_tick.denominator;
    /* Rounded up: the smallest ticks that reach the time. */
    return saturate(clock->base_ticks - floor_divide(-scaled, per_tick.numerator));
}

void etw_text_append_time(etw_text *text, int64_t time_100ns)
{
    if (time_100ns < 0 || time_100ns > LAST_TIME_100NS) {
        etw_text_append_i64(text, time_100ns);
        return;
    }
    const int64_t seconds = time_100ns / TICKS_PER_SECOND;
    const etw_date day = etw_date_of_days(seconds / SECONDS_PER_DAY);
    const unsigned second_of_day = (unsigned)(seconds % SECONDS_PER_DAY);
    if (day.year > 9999) {
        etw_text_append_char(text, (char)('0' + day.year / 10000));
    }
    char form[] = "0000-00-00T00:00:00.0000000Z";
    etw_digits_put(form, 4, (uint64_t)day.year % 10000);
    etw_digits_put(form + 5, 2, day.month);
    etw_digits_put(form + 8, 2, day.day);
    etw_digits_put(form + 11, 2, second_of_day / 3600);
    etw_digits_put(form + 14, 2, second_of_day / 60 % 60);
    etw_digits_put(form + 17, 2, second_of_day % 60);
    etw_digits_put(form + 20, 7, (uint64_t)(time_100ns % TICKS_PER_SECOND));
    etw_text_append(text, form, sizeof form - 1);
}

/* Exactly count digits at *at; moves past them. */
static bool take_digits(const char **at, size_t count, unsigned *value)
{
    *value = 0;
    for (size_t i = 0; i < count; i++, (*at)++) {
        if (**at < '0' || **at > '9') {
            return false;
        }
        *value = *value * 10 + (unsigned)(**at - '0');
    }
    return true;
}

static bool take_char(const char **at, char wanted)
{
    if (**at != wanted) {
        return false;
    }
    (*at)++;
    return true;
}

static bool take_date(const char **at, etw_date *day)
{
    unsigned year;
    if (!take_digits(at, 4, &year) || !take_char(at, '-') || !take_digits(at, 2, &day->month) ||
        !take_char(at, '-') || !take_digits(at, 2, &day->day)) {
        return false;
    }
    day->year = year;
    static const uint8_t month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (year < 1601 || day->month < 1 || day->month > 12 || day->day < 1) {
        return false;
    }
    const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return day->day <= month_days[day->month - 1] + (leap && day->month == 2 ? 1u : 0u);
}

/* "hh:mm", with ":ss" and a fraction where they follow. */
static bool take_time_of_day(const char **at, int64_t *of_day_100ns)
{
    unsigned hour, minute, second = 0;
    if (!take_digits(at, 2, &hour) || !take_char(at, ':') || !take_digits(at, 2, &minute)) {
        return false;
    }
    if (take_char(at, ':') && !take_digits(at, 2, &second)) {
        return false;
    }
    int64_t fraction = 0, unit = TICKS_PER_SECOND / 10;
    if (take_char(at, '.')) {
        unsigned digits = 0;
        for (; **at >= '0' && **at <= '9' && digits < 9; (*at)++, digits++) {
            fraction += (**at - '0') * unit;
            unit /= 10;
        }
        if (digits == 0) {
            return false;
        }
    }
    *of_day_100ns = ((int64_t)hour * 3600 + minute * 60 + second) * TICKS_PER_SECOND + fraction;
    return hour < 24 && minute < 60 && second < 60;
}

/* "Z", "+hh:mm", "-hh:mm", or nothing. */
static bool take_zone(const char **at, int64_t *offset_100ns)
{
    *offset_100ns = 0;
    if (take_char(at, 'Z') || (**at != '+' && **at != '-')) {
        return true;
    }
    const bool west = *(*at)++ == '-';
    unsigned hours, minutes;
    if (!take_digits(at, 2, &hours) || !take_char(at, ':') || !take_digits(at, 2, &minutes)) {
        return false;
    }
    const int64_t offset = ((int64_t)hours * 60 + minutes) * 60 * TICKS_PER_SECOND;
    *offset_100ns = west ? -offset : offset;
    return hours < 24 && minutes < 60;
}

bool etw_time_parse(const char *string, int64_t *time_100ns)
{
    const char *at = string;
    etw_date day = {0, 0, 0};
    int64_t of_day = 0, offset = 0;
    if (!take_date(&at, &day)) {
        return false;
    }
    if (*at == 'T' || *at == ' ') {
        at++;
        if (!take_time_of_day(&at, &of_day) || !take_zone(&at, &offset)) {
            return false;
        }
    }
    *time_100ns = etw_days_of_date(&day) * SECONDS_PER_DAY * TICKS_PER_SECOND + of_day - offset;
    return *at == '\0';
}
