/* Sets of whole numbers as spans, each set by a key: which events by their numbers, which times of
 * which threads. Filled first, in any order; settled; then asked. */
#ifndef ETW_REPLAY_QUERY_SPANS_H
#define ETW_REPLAY_QUERY_SPANS_H

#include "format/base/status.h"

/* Spans that do not touch each other: 96 MiB. */
#define ETW_SPANS_MOST ((uint32_t)4 << 20)

typedef struct etw_span {
    uint64_t key;
    int64_t from, to; /* both included */
} etw_span;

/* Zeroed memory is an empty set. */
typedef struct etw_spans {
    etw_span *spans;
    uint32_t count, capacity;
} etw_spans;

void etw_spans_free(etw_spans *set);
/* ETW_ERROR_LIMIT: more than ETW_SPANS_MOST. */
etw_status etw_spans_add(etw_spans *set, uint64_t key, int64_t from, int64_t to, etw_error *error);
/* Sorted, and those that touch made one. */
void etw_spans_settle(etw_spans *set);
/* Of a settled set: whether a span of the key has a number within from and to. */
bool etw_spans_meet(const etw_spans *set, uint64_t key, int64_t from, int64_t to);
/* Whether a span of the key has all of them. */
bool etw_spans_hold(const etw_spans *set, uint64_t key, int64_t from, int64_t to);

#endif
