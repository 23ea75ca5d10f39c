/* Sizes, times and numbers as users write them. What is none changes nothing. */
#ifndef ETW_RECORDER_QUANTITIES_H
#define ETW_RECORDER_QUANTITIES_H

#include <stdbool.h>
#include <stdint.h>

/* "10", "10k", "4M", "2G", "1T": powers of 1024. */
bool etw_parse_size(const char *text, uint64_t *bytes);
/* "500ms", "30s", "5m", "2h", "1d"; a bare number is seconds. */
bool etw_parse_duration(const char *text, uint64_t *milliseconds);
/* Decimal, or hexadecimal after 0x; nothing may follow. */
bool etw_parse_number(const char *text, uint64_t *value);

#endif
