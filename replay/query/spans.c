#include "replay/query/spans.h"

#include <stdlib.h>

void etw_spans_free(etw_spans *set)
{
    free(set->spans);
    *set = (etw_spans){0};
}

static int by_key(const void *a, const void *b)
{
    const etw_span *left = a;
    const etw_span *right = b;
    if (left->key != right->key) {
        return left->key < right->key ? -1 : 1;
    }
    return left->from < right->from ? -1 : left->from > right->from ? 1 : 0;
}

/* Whether the next span, which begins no earlier, goes on where this one ends. */
static bool touches(const etw_span *span, const etw_span *next)
{
    return next->key == span->key && (span->to == INT64_MAX || next->from <= span->to + 1);
}

void etw_spans_settle(etw_spans *set)
{
    uint32_t kept = 0;
    if (set->count > 0) {
        qsort(set->spans, set->count, sizeof *set->spans, by_key);
    }
    for (uint32_t i = 1; i < set->count; i++) {
        etw_span *last = &set->spans[kept];
        const etw_span next = set->spans[i];
        if (!touches(last, &next)) {
            set->spans[++kept] = next;
        } else if (next.to > last->to) {
            last->to = next.to;
        }
    }
    set->count = set->count == 0 ? 0 : kept + 1;
}

/* Room for one more. */
static etw_status grow(etw_spans *set, etw_error *error)
{
    if (set->capacity == ETW_SPANS_MOST) {
        etw_spans_settle(set);
        return set->count <= ETW_SPANS_MOST / 2
                   ? ETW_OK
                   : etw_error_set(error, ETW_ERROR_LIMIT,
                                   "the chosen events stand in more than %u places: choose fewer",
                                   ETW_SPANS_MOST / 2);
    }
    const uint32_t capacity = set->capacity == 0 ? 64 : 2 * set->capacity;
    etw_span *longer = realloc(set->spans, capacity * sizeof *longer);
    if (longer == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a selection");
    }
    set->spans = longer;
    set->capacity = capacity;
    return ETW_OK;
}

etw_status etw_spans_add(etw_spans *set, uint64_t key, int64_t from, int64_t to, etw_error *error)
{
    const etw_span added = {key, from, to};
    etw_span *last = set->count > 0 ? &set->spans[set->count - 1] : NULL;
    if (last != NULL && from >= last->from && touches(last, &added)) {
        last->to = to > last->to ? to : last->to;
        return ETW_OK;
    }
    const etw_status status = set->count == set->capacity ? grow(set, error) : ETW_OK;
    if (!etw_failed(status)) {
        set->spans[set->count++] = added;
    }
    return status;
}

/* The first span of the key that ends at or behind from; NULL where there is none. */
static const etw_span *find(const etw_spans *set, uint64_t key, int64_t from)
{
    uint32_t low = 0;
    uint32_t high = set->count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        const etw_span *span = &set->spans[middle];
        if (span->key < key || (span->key == key && span->to < from)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < set->count && set->spans[low].key == key ? &set->spans[low] : NULL;
}

bool etw_spans_meet(const etw_spans *set, uint64_t key, int64_t from, int64_t to)
{
    const etw_span *span = find(set, key, from);
    return span != NULL && span->from <= to;
}

bool etw_spans_hold(const etw_spans *set, uint64_t key, int64_t from, int64_t to)
{
    const etw_span *span = find(set, key, from);
    return span != NULL && span->from <= from && to <= span->to;
}
