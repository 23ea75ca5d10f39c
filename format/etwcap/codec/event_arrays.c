#include "format/etwcap/codec/event_arrays.h"

#include "format/base/os.h"

#include <stdlib.h>

/* Arrays start at multiples of so many bytes. */
#define ALIGNMENT ((size_t)64)

bool etw_event_arrays_begin(etw_event_arrays *arrays, uint32_t count, size_t event_bytes,
                            size_t touched_bytes)
{
    if (count > arrays->capacity || arrays->memory == NULL) {
        const uint32_t room = etw_event_room(count);
        const size_t size = room * event_bytes + ETW_EVENT_MAX_ARRAYS * ALIGNMENT;
        etw_event_arrays_free(arrays);
        arrays->memory = etw_os_alloc_large(size);
        if (arrays->memory == NULL) {
            return false;
        }
        arrays->capacity = room;
        arrays->size = size & ~(ALIGNMENT - 1);
        etw_os_expect_use(arrays->memory, room * touched_bytes);
    }
    arrays->next = arrays->memory;
    arrays->end = arrays->memory + arrays->size;
    return true;
}

static size_t size_of(const etw_event_arrays *arrays, size_t item_size)
{
    return (arrays->capacity * item_size + ALIGNMENT - 1) & ~(ALIGNMENT - 1);
}

void *etw_event_array(etw_event_arrays *arrays, size_t item_size)
{
    void *array = arrays->next;
    arrays->next += size_of(arrays, item_size);
    return array;
}

void *etw_event_array_rare(etw_event_arrays *arrays, size_t item_size)
{
    arrays->end -= size_of(arrays, item_size);
    return arrays->end;
}

void etw_event_arrays_free(etw_event_arrays *arrays)
{
    free(arrays->memory);
    *arrays = (etw_event_arrays){0};
}
