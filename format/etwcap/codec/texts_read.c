#include "format/etwcap/codec/texts_read.h"

#include "format/etwcap/codec/narrow.h"
#include "format/etwcap/codec/pool.h"

#include <stdlib.h>

/* Instead of units. */
#define NOT_WIDE    UINT32_MAX
#define NOT_COUNTED (UINT32_MAX - 1)

void etw_read_texts_free(etw_read_texts *texts)
{
    free(texts->texts);
}

static bool reserve(etw_read_texts *texts, uint32_t count)
{
    texts->out_of_memory = false;
    if (count <= texts->capacity) {
        return true;
    }
    free(texts->texts);
    texts->texts = malloc(count * sizeof *texts->texts);
    texts->capacity = texts->texts == NULL ? 0 : count;
    texts->out_of_memory = texts->texts == NULL;
    return texts->texts != NULL;
}

bool etw_read_texts_begin(etw_read_texts *texts, etw_bytes section)
{
    etw_cursor cursor = etw_cursor_over(section);
    const uint64_t count = etw_cursor_varint(&cursor);
    texts->count = 0;
    texts->bytes = section.data;
    if (cursor.failed || count > ETW_POOL_MAX_ENTRIES || !reserve(texts, (uint32_t)count + 1)) {
        return false;
    }
    for (uint64_t i = 0; i < count; i++) {
        const size_t left = etw_cursor_left(&cursor);
        const uint8_t *end = left == 0 ? NULL : memchr(cursor.at, 0, left);
        if (end == NULL) {
            return false;
        }
        texts->texts[i] = (etw_read_text){(uint32_t)(cursor.at - section.data), NOT_COUNTED};
        cursor.at = end + 1;
    }
    texts->texts[count].offset = (uint32_t)(cursor.at - section.data);
    texts->count = (uint32_t)count;
    return etw_cursor_left(&cursor) == 0;
}

bool etw_read_text_is_wide(etw_read_texts *texts, uint32_t number)
{
    etw_read_text *of = &texts->texts[number];
    if (of->units == NOT_COUNTED) {
        const size_t units = etw_wide_count(etw_read_text_bytes(texts, number));
        of->units = units == SIZE_MAX ? NOT_WIDE : (uint32_t)units;
    }
    return of->units != NOT_WIDE;
}
