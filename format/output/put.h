/* Fast writing of short things into room that was reserved before: each function writes at `at` and
 * returns the place behind what it wrote. The caller reserves the sum of the stated maxima once. */
#ifndef ETW_FORMAT_OUTPUT_PUT_H
#define ETW_FORMAT_OUTPUT_PUT_H

#include "format/base/digits.h"
#include "format/base/guid.h"

#define ETW_PUT_TIME_MAX 40u /* "2020-07-29T00:07:10.6912345+02:00", or a decimal number */

/* A string literal. */
#define ETW_PUT_LITERAL(at, literal) etw_put_bytes(at, literal, sizeof(literal) - 1)

static inline char *etw_put_bytes(char *at, const void *bytes, size_t size)
{
    memcpy(at, bytes, size);
    return at + size;
}

static inline char *etw_put_hex_byte(char *at, const char *table, uint8_t byte)
{
    return etw_put_bytes(at, table + 2 * (size_t)byte, 2);
}

/* 38 characters, lower case, with braces. */
char *etw_put_guid(char *at, const etw_guid *guid);

/* The last whole second written, so that a time costs seven digits most of the time. */
typedef struct etw_put_time_cache {
    int64_t second;  /* since 1601; a zeroed cache holds nothing: text[0] is NUL */
    char text[20];   /* "2020-07-29T00:07:10" */
    bool has_offset; /* of local times: the two below are set */
    int32_t offset_minutes;
    int64_t offset_second; /* when that is so */
} etw_put_time_cache;

/* As etw_text_append_time. */
char *etw_put_time(char *at, etw_put_time_cache *cache, int64_t time_100ns);

#endif
