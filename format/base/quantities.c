#include "format/base/quantities.h"

#include <stddef.h>
#include <string.h>

static int digit_value(char digit)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    const char lower = (char)(digit | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : 16;
}

/* The number at the start of text; *rest is what follows it. */
static bool take_number(const char *text, uint64_t base, uint64_t *value, const char **rest)
{
    *value = 0;
    const char *at = text;
    for (; (uint64_t)digit_value(*at) < base; at++) {
        const uint64_t digit = (uint64_t)digit_value(*at);
        if (*value > (UINT64_MAX - digit) / base) {
            return false;
        }
        *value = *value * base + digit;
    }
    *rest = at;
    return at != text;
}

bool etw_parse_number(const char *text, uint64_t *value)
{
    const bool hexadecimal = text[0] == '0' && (text[1] | 0x20) == 'x';
    const char *rest;
    uint64_t number;
    const bool is_one =
        take_number(hexadecimal ? text + 2 : text, hexadecimal ? 16 : 10, &number, &rest) &&
        *rest == '\0';
    *value = is_one ? number : *value;
    return is_one;
}

typedef struct unit {
    const char *name;
    uint64_t factor;
} unit;

static bool take_quantity(const char *text, const unit *units, size_t unit_count, uint64_t *value)
{
    const char *rest;
    uint64_t number;
    if (!take_number(text, 10, &number, &rest)) {
        return false;
    }
    for (size_t i = 0; i < unit_count; i++) {
        if (strcmp(rest, units[i].name) == 0 && number <= UINT64_MAX / units[i].factor) {
            *value = number * units[i].factor;
            return true;
        }
    }
    return false;
}

bool etw_parse_size(const char *text, uint64_t *bytes)
{
    static const unit units[] = {{"", 1},         {"k", 1u << 10}, {"K", 1u << 10},
                                 {"M", 1u << 20}, {"G", 1u << 30}, {"T", (uint64_t)1 << 40}};
    return take_quantity(text, units, sizeof units / sizeof units[0], bytes);
}

bool etw_parse_duration(const char *text, uint64_t *milliseconds)
{
    static const unit units[] = {{"", 1000},   {"ms", 1},      {"s", 1000},
                                 {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    return take_quantity(text, units, sizeof units / sizeof units[0], milliseconds);
}
