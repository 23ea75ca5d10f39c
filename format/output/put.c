#include "format/output/put.h"

#include "format/event/clock.h"

#define TICKS_PER_SECOND INT64_C(10000000)
/* 9999-12-31T23:59:59 in seconds since 1601: later years need more digits than the cache has. */
#define LAST_CACHED_SECOND INT64_C(265046774399)

char *etw_put_guid(char *at, const etw_guid *guid)
{
    /* Where in the 16 little-endian bytes the next two digits come from; -1 is a hyphen. */
    static const int8_t order[20] = {3,  2, 1, 0,  -1, 5,  4,  -1, 7,  6,
                                     -1, 8, 9, -1, 10, 11, 12, 13, 14, 15};
    uint8_t bytes[16];
    memcpy(bytes, guid, sizeof bytes);
    *at++ = '{';
    for (size_t i = 0; i < sizeof order; i++) {
        if (order[i] < 0) {
            *at++ = '-';
        } else {
            at = etw_put_hex_byte(at, etw_hex_pairs_lower, bytes[order[i]]);
        }
    }
    *at++ = '}';
    return at;
}

static char *put_time_plain(char *at, int64_t time_100ns)
{
    char bytes[2 * ETW_PUT_TIME_MAX]; /* enough: the text takes no memory */
    etw_text text = {bytes, 0, sizeof bytes, false};
    etw_text_append_time(&text, time_100ns);
    return etw_put_bytes(at, text.data, text.size);
}

static bool fill_time_cache(etw_put_time_cache *cache, int64_t second)
{
    char text[ETW_PUT_TIME_MAX];
    const char *end = put_time_plain(text, second * TICKS_PER_SECOND);
    if ((size_t)(end - text) < sizeof cache->text) {
        return false;
    }
    memcpy(cache->text, text, sizeof cache->text - 1);
    cache->text[sizeof cache->text - 1] = '.';
    cache->second = second;
    return true;
}

char *etw_put_time(char *at, etw_put_time_cache *cache, int64_t time_100ns)
{
    const int64_t second = time_100ns / TICKS_PER_SECOND;
    if (time_100ns < 0 || second > LAST_CACHED_SECOND) {
        return put_time_plain(at, time_100ns);
    }
    if ((cache->text[0] == '\0' || cache->second != second) && !fill_time_cache(cache, second)) {
        return put_time_plain(at, time_100ns);
    }
    at = etw_put_bytes(at, cache->text, sizeof cache->text);
    const uint32_t fraction = (uint32_t)(time_100ns % TICKS_PER_SECOND);
    at = etw_put_digit_pair(at, fraction / 100000);
    at = etw_put_digit_pair(at, fraction / 1000 % 100);
    at = etw_put_digit_pair(at, fraction / 10 % 100);
    *at++ = (char)('0' + (char)(fraction % 10));
    *at++ = 'Z';
    return at;
}
