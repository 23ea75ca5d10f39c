/* Arrays that double as they grow. */
#ifndef ETW_FORMAT_BASE_GROWN_H
#define ETW_FORMAT_BASE_GROWN_H

#include <stdint.h>
#include <stdlib.h>

/* Room for one more of count rows: the array as it is, or where it moved, to be stored by the
 * caller; *capacity is then its new one, first_capacity where it was 0. NULL where memory is out:
 * the old array stays. Whoever adds rows bounds their number. */
static inline void *etw_grown(void *rows, uint32_t *capacity, uint32_t count,
                              uint32_t first_capacity, size_t row_size)
{
    if (count < *capacity) {
        return rows;
    }
    const uint32_t wider = *capacity == 0 ? first_capacity : 2 * *capacity;
    if (wider <= *capacity || wider > SIZE_MAX / row_size) {
        return NULL;
    }
    void *grown = realloc(rows, wider * row_size);
    *capacity = grown == NULL ? *capacity : wider;
    return grown;
}

#endif
