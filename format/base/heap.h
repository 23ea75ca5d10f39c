/* A binary heap of numbers, to find what comes first among many things that are sorted each for
 * itself. */
#ifndef ETW_FORMAT_BASE_HEAP_H
#define ETW_FORMAT_BASE_HEAP_H

#include <stdbool.h>
#include <stdint.h>

typedef struct etw_heap {
    uint32_t *items; /* the caller's, with room for all; items[0] comes before all others */
    uint32_t count;
    /* A strict order: never true for a and b and for b and a. */
    bool (*is_before)(const void *context, uint32_t a, uint32_t b);
    const void *context;
} etw_heap;

/* Makes a heap of items in any order. */
void etw_heap_build(etw_heap *heap);
/* The first item's place in the order has changed, or there is another in its stead. */
void etw_heap_settle_first(etw_heap *heap);
/* The heap must not be empty. */
void etw_heap_drop_first(etw_heap *heap);

#endif
