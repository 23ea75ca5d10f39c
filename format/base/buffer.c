#include "format/base/buffer.h"

#include <stdlib.h>

#define FIRST_CAPACITY ((size_t)256)

void etw_buffer_free(etw_buffer *buffer)
{
    free(buffer->data);
    *buffer = (etw_buffer){0};
}

bool etw_buffer_hold(etw_buffer *buffer, size_t needed)
{
    size_t capacity = buffer->capacity < FIRST_CAPACITY ? FIRST_CAPACITY : buffer->capacity;
    while (capacity < needed) {
        capacity *= 2;
    }
    char *data = realloc(buffer->data, capacity);
    if (data == NULL) {
        return false;
    }
    buffer->data = data;
    buffer->capacity = capacity;
    return true;
}

void *etw_buffer_grow(etw_buffer *buffer, size_t extra)
{
    /* etw_text_z (text.h) may have made room for its NUL above the limit, and appends have used it.
     */
    if (buffer->failed || buffer->size > ETW_BUFFER_MAX_SIZE ||
        extra > ETW_BUFFER_MAX_SIZE - buffer->size) {
        buffer->failed = true;
        return NULL;
    }
    const bool has_room = buffer->data != NULL && buffer->capacity - buffer->size >= extra;
    if (!has_room && !etw_buffer_hold(buffer, buffer->size + extra)) {
        buffer->failed = true;
        return NULL;
    }
    return buffer->data + buffer->size;
}
