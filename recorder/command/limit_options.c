/* Options that bound a recording: its size, its time, what a flight recorder keeps. */
#include "format/base/quantities.h"
#include "recorder/command/option.h"

static etw_status apply_max_events(const etw_option_use *use)
{
    return etw_option_number(use, 0, UINT64_MAX, &use->arguments->limits.max_events);
}

static etw_status apply_max_duration(const etw_option_use *use)
{
    return etw_option_duration(use, &use->arguments->limits.max_duration_ms);
}

static etw_status apply_max_total(const etw_option_use *use)
{
    return etw_option_size(use, &use->arguments->limits.max_total_bytes);
}

static etw_status apply_min_free(const etw_option_use *use)
{
    return etw_option_size(use, &use->arguments->limits.min_free_bytes);
}

static etw_status apply_rotate_size(const etw_option_use *use)
{
    return etw_option_size(use, &use->arguments->limits.rotate_bytes);
}

static etw_status apply_rotate_time(const etw_option_use *use)
{
    return etw_option_duration(use, &use->arguments->limits.rotate_ms);
}

static etw_status apply_ring(const etw_option_use *use)
{
    return etw_option_u32(use, 1, ETW_CAPTURE_MAX_SEGMENTS, &use->arguments->limits.ring_segments);
}

static etw_status apply_flight(const etw_option_use *use)
{
    uint64_t *bytes = &use->arguments->flight.max_bytes;
    return etw_parse_size(use->value, bytes) && *bytes >= ETW_FLIGHT_MIN_BYTES &&
                   *bytes <= ETW_FLIGHT_MAX_BYTES
               ? ETW_OK
               : etw_option_bad_value(use, "a size from 1M to 4G");
}

static etw_status apply_flight_time(const etw_option_use *use)
{
    return etw_option_duration(use, &use->arguments->flight.max_age_ms);
}

static etw_status apply_trigger(const etw_option_use *use)
{
    etw_flight_options *flight = &use->arguments->flight;
    const char *colon = strrchr(use->value, ':');
    uint64_t id = 0;
    char provider[256];
    const size_t size = colon == NULL ? sizeof provider : (size_t)(colon - use->value);
    if (size >= sizeof provider || !etw_parse_number(colon + 1, &id) || id > UINT16_MAX) {
        return etw_option_bad_value(use, "PROVIDER:ID");
    }
    memcpy(provider, use->value, size);
    provider[size] = '\0';
    flight->has_trigger = true;
    flight->trigger_id = (uint16_t)id;
    return etw_provider_find(provider, &flight->trigger_provider, use->error);
}

static const etw_option_row rows[] = {
    {"max-events", 0, required_argument, apply_max_events},
    {"max-duration", 0, required_argument, apply_max_duration},
    {"max-total", 0, required_argument, apply_max_total},
    {"min-free", 0, required_argument, apply_min_free},
    {"rotate-size", 0, required_argument, apply_rotate_size},
    {"rotate-time", 0, required_argument, apply_rotate_time},
    {"ring", 0, required_argument, apply_ring},
    {"flight", 0, required_argument, apply_flight},
    {"flight-time", 0, required_argument, apply_flight_time},
    {"trigger", 0, required_argument, apply_trigger},
};

const etw_option_group etw_limit_options = {rows, ETW_COUNT_OF(rows)};
