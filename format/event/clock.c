#include "format/event/clock.h"

#include "format/base/digits.h"
#include "format/base/wide_math.h"
#include "format/event/calendar.h"

#define TICKS_PER_SECOND 10000000LL
#define SECONDS_PER_DAY  86400LL
/* Years 1601 to 30827 are what SYSTEMTIME can say. */
#define LAST_TIME_100NS 0x7FFF35F4F06C7FFFLL

/* base + (value - from) * numerator / denominator, the quotient rounded down or up; the nearest
 * number there is where that passes 64 bits. */
typedef struct scaling {
    int64_t base, from;
    uint64_t numerator, denominator;
    bool round_up;
} scaling;

static int64_t scale(const scaling *by, int64_t value)
{
    const bool back = value < by->from;
    const uint64_t distance =
        back ? (uint64_t)by->from - (uint64_t)value : (uint64_t)value - (uint64_t)by->from;
    const uint64_t room =
        back ? (uint64_t)by->base - (uint64_t)INT64_MIN : (uint64_t)INT64_MAX - (uint64_t)by->base;
    const int64_t end = back ? INT64_MIN : INT64_MAX;
    const etw_wide product = etw_wide_multiply(distance, by->numerator);
    if (product.high >= by->denominator) {
        return end;
    }
    uint64_t rest;
    const uint64_t whole = etw_wide_divide(product, by->denominator, &rest);
    const bool away = rest != 0 && by->round_up != back;
    if (whole > room || (away && whole == room)) {
        return end;
    }
    const uint64_t steps = whole + (away ? 1u : 0u);
    return (int64_t)(back ? (uint64_t)by->base - steps : (uint64_t)by->base + steps);
}

/* 100 ns per tick as the fraction numerator / denominator. */
typedef struct rate {
    uint64_t numerator, denominator;
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
        /* Windows keeps it in a signed number. */
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
    const uint64_t scaled = (uint64_t)passed * per_tick.numerator;
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
    const scaling by = {.base = clock->base_time_100ns,
                        .from = clock->base_ticks,
                        .numerator = per_tick.numerator,
                        .denominator = per_tick.denominator};
    return scale(&by, ticks);
}

int64_t etw_clock_from_filetime(const etw_clock *clock, int64_t time_100ns)
{
    if (clock->type == ETW_CLOCK_SYSTEM_TIME) {
        return time_100ns;
    }
    const rate per_tick = clock_rate(clock);
    /* Rounded up: the smallest ticks that reach the time. */
    const scaling by = {.base = clock->base_ticks,
                        .from = clock->base_time_100ns,
                        .numerator = per_tick.denominator,
                        .denominator = per_tick.numerator,
                        .round_up = true};
    return scale(&by, time_100ns);
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
