#include "replay/command/split_names.h"

#include "format/base/quantities.h"

#include <stdlib.h>

/* "1000 events", "1M events": powers of 1000. */
static bool parse_events(const char *text, uint64_t *events)
{
    static const struct {
        const char *name;
        uint64_t factor;
    } units[] = {{"", 1}, {"k", 1000}, {"M", 1000000}, {"G", 1000000000}};
    char unit[2] = {0};
    char *end;
    const uint64_t count = text[0] >= '0' && text[0] <= '9' ? strtoull(text, &end, 10) : 0;
    if (count == 0 || count > UINT32_MAX) {
        return false;
    }
    if (*end == 'k' || *end == 'M' || *end == 'G') {
        unit[0] = *end++;
    }
    end += *end == ' ';
    if (strcmp(end, "events") != 0) {
        return false;
    }
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(unit, units[i].name) == 0) {
            *events = count * units[i].factor;
        }
    }
    return true;
}

etw_status etw_split_apply_every(const etw_option_use *use)
{
    etw_replay_arguments *arguments = use->arguments;
    const size_t size = strlen(use->value);
    const bool has_unit = size > 0 && (use->value[size - 1] < '0' || use->value[size - 1] > '9');
    arguments->every_events = arguments->every_bytes = arguments->every_ms = 0;
    if (parse_events(use->value, &arguments->every_events) ||
        (has_unit && etw_parse_duration(use->value, &arguments->every_ms) &&
         arguments->every_ms > 0 && arguments->every_ms < UINT32_MAX) ||
        (has_unit && etw_parse_size(use->value, &arguments->every_bytes) &&
         arguments->every_bytes > 0)) {
        return ETW_OK;
    }
    return etw_error_set(use->error, ETW_ERROR_INVALID_ARGUMENT,
                         "--every: expected a time (60s, 5m, 1h), a size (500k, 100M) or a number "
                         "of events (1M events), not '%s'",
                         use->value);
}

bool etw_split_pattern_is_well(const char *pattern)
{
    for (const char *at = strchr(pattern, '%'); at != NULL; at = strchr(at + 2, '%')) {
        if (at[1] != 'n' && at[1] != '%') {
            return false;
        }
    }
    return true;
}

static void append_safe(const char *what, etw_text *name)
{
    for (const char *at = what; *at != '\0' && at - what < 100; at++) {
        const bool is_plain = (*at >= '0' && *at <= '9') || (*at >= 'a' && *at <= 'z') ||
                              (*at >= 'A' && *at <= 'Z') || strchr("-_.", *at) != NULL;
        etw_text_append_char(name, is_plain ? *at : '_');
    }
}

static const char *ending_of(const char *pattern)
{
    const char *dot = strrchr(pattern, '.');
    return dot == NULL || strpbrk(dot, "/\\") != NULL ? pattern + strlen(pattern) : dot;
}

void etw_split_append_name(const char *pattern, const char *what, etw_text *name)
{
    bool is_named = false;
    const char *ending = ending_of(pattern);
    for (const char *at = pattern; *at != '\0'; at++) {
        is_named = is_named || (at[0] == '%' && at[1] == 'n');
    }
    for (const char *at = pattern; at == ending || *at != '\0'; at++) {
        if (at == ending && !is_named) {
            etw_text_append_char(name, '-');
            append_safe(what, name);
        }
        if (*at == '\0') {
            break;
        }
        if (*at != '%') {
            etw_text_append_char(name, *at);
        } else if (*++at == 'n') {
            append_safe(what, name);
        } else {
            etw_text_append_char(name, '%');
        }
    }
}
