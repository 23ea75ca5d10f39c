/* Slices that have begun: found by what joins them to their ends, and kept in the order in which
 * their threads began them. */
#ifndef ETW_FORMAT_OUTPUT_OPEN_SLICES_H
#define ETW_FORMAT_OUTPUT_OPEN_SLICES_H

#include "format/base/table.h"
#include "format/output/timeline/timeline_writer.h"

#define ETW_OPEN_SLICES_MAX       ((uint32_t)1 << 18)
#define ETW_OPEN_SLICES_MAX_BYTES ((size_t)64 << 20) /* of names and properties */

typedef struct etw_open_slice {
    uint64_t key;
    uint64_t number; /* counts up */
    etw_timeline_slice slice;
    char *texts;                          /* owned: what slice points to */
    struct etw_open_slice *older;         /* with the same key */
    struct etw_open_slice *below, *above; /* of the same thread */
    struct etw_open_slice **top;          /* of that thread */
} etw_open_slice;

typedef struct etw_open_slices {
    etw_table by_key;
    uint32_t count;
    size_t bytes;
    uint64_t numbers;
    bool failed; /* for lack of memory */
} etw_open_slices;

void etw_open_slices_free(etw_open_slices *slices);
/* Copies slice; top is its thread's place for the newest open one. False where there is no room. */
bool etw_open_slices_add(etw_open_slices *slices, uint64_t key, const etw_timeline_slice *slice,
                         etw_open_slice **top);
/* The newest with that key; NULL: none. */
etw_open_slice *etw_open_slices_find(const etw_open_slices *slices, uint64_t key);
/* Takes out and frees what find gave. */
void etw_open_slices_remove(etw_open_slices *slices, etw_open_slice *slice);
/* All, by the order in which they began: to be freed; NULL where memory is out or there are none.
 */
etw_open_slice **etw_open_slices_all(const etw_open_slices *slices, uint32_t *count);

#endif
