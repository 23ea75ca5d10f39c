#include "format/base/heap.h"

static bool is_before(const etw_heap *heap, uint32_t at, uint32_t item)
{
    return heap->is_before(heap->context, heap->items[at], item);
}

static void sift_down(etw_heap *heap, uint32_t at)
{
    const uint32_t moved = heap->items[at];
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= heap->count) {
            break;
        }
        if (child + 1 < heap->count && is_before(heap, child + 1, heap->items[child])) {
            child++;
        }
        if (!is_before(heap, child, moved)) {
            break;
        }
        heap->items[at] = heap->items[child];
        at = child;
    }
    heap->items[at] = moved;
}

void etw_heap_build(etw_heap *heap)
{
    for (uint32_t i = heap->count / 2; i-- > 0;) {
        sift_down(heap, i);
    }
}

void etw_heap_settle_first(etw_heap *heap)
{
    if (heap->count > 0) {
        sift_down(heap, 0);
    }
}

void etw_heap_drop_first(etw_heap *heap)
{
    heap->items[0] = heap->items[--heap->count];
    etw_heap_settle_first(heap);
}
