#include "format/output/time_stamp.h"

#include "format/base/os.h"

#include <stdlib.h>

#define TICKS_PER_SECOND INT64_C(10000000)

static char *put_fraction(char *at, uint32_t ticks)
{
    *at++ = '.';
    at = etw_put_digit_pair(at, ticks / 100000);
    at = etw_put_digit_pair(at, ticks / 1000 % 100);
    at = etw_put_digit_pair(at, ticks / 10 % 100);
    *at++ = (char)('0' + (char)(ticks % 10));
    return at;
}

static char *put_relative(char *at, int64_t start_100ns, int64_t time_100ns)
{
    const bool is_before = time_100ns < start_100ns;
    const uint64_t apart = is_before ? (uint64_t)start_100ns - (uint64_t)time_100ns
                                     : (uint64_t)time_100ns - (uint64_t)start_100ns;
    if (is_before) {
        *at++ = '-';
    }
    at = etw_put_u64(at, apart / (uint64_t)TICKS_PER_SECOND);
    return put_fraction(at, (uint32_t)(apart % (uint64_t)TICKS_PER_SECOND));
}

/* "+02:00" instead of Z; the offset is looked up for each second, which the cache keeps. */
static char *put_local(char *at, etw_put_time_cache *cache, int64_t time_100ns)
{
    const int64_t second = time_100ns / TICKS_PER_SECOND;
    if (!cache->has_offset || cache->offset_second != second) {
        cache->has_offset = true;
        cache->offset_second = second;
        cache->offset_minutes = etw_os_utc_offset_minutes(second);
    }
    const int32_t offset = cache->offset_minutes;
    const uint32_t minutes = (uint32_t)abs(offset);
    at = etw_put_time(at, cache, time_100ns + (int64_t)offset * 60 * TICKS_PER_SECOND);
    at[-1] = offset < 0 ? '-' : '+'; /* where Z was */
    at = etw_put_digit_pair(at, minutes / 60 % 100);
    *at++ = ':';
    return etw_put_digit_pair(at, minutes % 60);
}

char *etw_put_time_stamp(char *at, etw_put_time_cache *cache, const etw_output_options *options,
                         const etw_event *event)
{
    const int64_t time_100ns = etw_event_time_100ns(event);
    /* Times that are no date, or are next to one end of them, are shown as they are. */
    const bool is_date = time_100ns > 864000000000 && time_100ns < INT64_C(2650000000000000000);
    if (options->raw_time) {
        const int64_t ticks = etw_event_record_of(event)->EventHeader.TimeStamp;
        if (ticks < 0) {
            *at++ = '-';
        }
        return etw_put_u64(at, ticks < 0 ? 0u - (uint64_t)ticks : (uint64_t)ticks);
    }
    if (options->time == ETW_TIME_RELATIVE) {
        return put_relative(at, options->start_100ns, time_100ns);
    }
    return options->time == ETW_TIME_LOCAL && is_date ? put_local(at, cache, time_100ns)
                                                      : etw_put_time(at, cache, time_100ns);
}

void etw_text_append_time_stamp(etw_text *text, etw_put_time_cache *cache,
                                const etw_output_options *options, const etw_event *event)
{
    char time[ETW_PUT_TIME_MAX];
    const char *end = etw_put_time_stamp(time, cache, options, event);
    etw_text_append(text, time, (size_t)(end - time));
}
