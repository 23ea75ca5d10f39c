/* Options that bound a recording: its size, its time, what a flight recorder keeps. */
#include "format/base/quantities.h"
#include "recorder/command/options.h"
#include "recorder/command/report.h"

static etw_status apply_trigger(const etw_option_use *use)
{
    etw_flight_options *flight = &etw_record_arguments_of(use)->flight;
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
    return etw_record_advise(ETW_STEP_FIND_PROVIDER,
                             etw_provider_find(provider, &flight->trigger_provider, use->error),
                             use->error);
}

static etw_status apply_where(const etw_option_use *use)
{
    etw_record_arguments *arguments = etw_record_arguments_of(use);
    arguments->where[arguments->where_count++] = use->value;
    return ETW_OK;
}

static const etw_option limit_rows[] = {
    {.name = "where",
     .value = "EXPR",
     .help = "keep only events that pass, such as 'Id in (1, 5..9) and QueryName contains \"x\"', "
             "as etw-replay understands it; several are joined by and. The file tells how many "
             "events were left out",
     .apply = apply_where},
    {.name = "max-events",
     .value = "N",
     .help = "end after this many events",
     ETW_RECORD_STORES(limits.max_events)},
    {.name = "max-duration",
     .value = "T",
     .help = "end after this time: 500ms, 30s, 5m, 2h, 1d; of files, by the events' own times",
     .unit = ETW_UNIT_MS,
     ETW_RECORD_STORES(limits.max_duration_ms)},
    {.name = "run",
     .value = "COMMAND",
     .help = "live: run this and record while it runs; it has no input, and its output goes to "
             "stderr",
     ETW_RECORD_STORES(run)},
    {.name = "max-total",
     .value = "SIZE",
     .help = "end when all segments together have this size: 500k, 100M, 4G",
     .unit = ETW_UNIT_BYTES,
     ETW_RECORD_STORES(limits.max_total_bytes)},
    {.name = "min-free",
     .value = "SIZE",
     .help = "end when the target's disk has less free space than this",
     .unit = ETW_UNIT_BYTES,
     ETW_RECORD_STORES(limits.min_free_bytes)},
    {.name = "rotate-size",
     .value = "SIZE",
     .help = "begin a new segment at this size: OUT-0001.etwcap, OUT-0002.etwcap, ...",
     .unit = ETW_UNIT_BYTES,
     ETW_RECORD_STORES(limits.rotate_bytes)},
    {.name = "rotate-time",
     .value = "T",
     .help = "begin a new segment after this time; of files, by the events' own times",
     .unit = ETW_UNIT_MS,
     ETW_RECORD_STORES(limits.rotate_ms)},
    {.name = "ring",
     .value = "N",
     .help = "keep only the newest N segments",
     .least = 1,
     .most = ETW_CAPTURE_MAX_SEGMENTS,
     ETW_RECORD_STORES(limits.ring_segments)},
    {.name = "max-age",
     .value = "T",
     .help = "remove segments of this recording this long after they were closed",
     .unit = ETW_UNIT_MS,
     .least = 1,
     ETW_RECORD_STORES(limits.max_age_ms)},
    {.name = "on-segment",
     .value = "COMMAND",
     .help =
         "run this for each finished file, with its name behind it; one at a time. A failure is "
         "reported and makes the exit status 1",
     ETW_RECORD_STORES(on_segment)},
};

const etw_option_section etw_limit_options = {"Limits (default: none)", limit_rows,
                                              ETW_COUNT_OF(limit_rows)};

static const etw_option flight_rows[] = {
    {.name = "flight",
     .value = "SIZE",
     .help = "compressed bytes to keep, 1M to 4G",
     .unit = ETW_UNIT_BYTES,
     .least = ETW_FLIGHT_MIN_BYTES,
     .most = ETW_FLIGHT_MAX_BYTES,
     ETW_RECORD_STORES(flight.max_bytes)},
    {.name = "flight-time",
     .value = "T",
     .help = "discard events older than T",
     .unit = ETW_UNIT_MS,
     ETW_RECORD_STORES(flight.max_age_ms)},
    {.name = "trigger",
     .value = "PROVIDER:ID",
     .help = "write when this event comes",
     .apply = apply_trigger},
};

const etw_option_section etw_flight_options_section = {
    "Flight recorder: the newest events in memory, written to OUT-0001.etwcap, ... on Ctrl+Break "
    "(SIGUSR1 elsewhere), at the end, or when the trigger event comes",
    flight_rows, ETW_COUNT_OF(flight_rows)};
