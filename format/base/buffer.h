/* A growing run of bytes: a block's body as it is encoded, or a text (text.h).
 *
 * Appending never fails in the caller's face: when memory runs out or the stated maximum is met,
 * the buffer keeps what it has, sets failed, and ignores what follows; the caller checks once at
 * the end. Numbers are appended as little-endian. */
#ifndef ETW_FORMAT_BASE_BUFFER_H
#define ETW_FORMAT_BASE_BUFFER_H

#include "format/base/api.h"
#include "format/base/bytes.h"

/* No buffer may grow past this: 64 MiB. */
#define ETW_BUFFER_MAX_SIZE ((size_t)64 << 20)

typedef struct etw_buffer {
    char *data; /* owned; not NUL terminated */
    size_t size;
    size_t capacity;
    bool failed;
} etw_buffer;

ETW_API void etw_buffer_free(etw_buffer *buffer);

/* Empties the buffer and keeps its memory; clears failed. */
static inline void etw_buffer_clear(etw_buffer *buffer)
{
    buffer->size = 0;
    buffer->failed = false;
}

/* What it holds, lent until it changes. */
static inline etw_bytes etw_buffer_bytes(const etw_buffer *buffer)
{
    const etw_bytes bytes = {(const uint8_t *)buffer->data, buffer->size};
    return bytes;
}

/* Makes the capacity at least needed bytes, whatever the maximum; false where memory is out. */
ETW_API bool etw_buffer_hold(etw_buffer *buffer, size_t needed);

/* The slow half of etw_buffer_reserve. */
ETW_API void *etw_buffer_grow(etw_buffer *buffer, size_t extra);

/* Room for extra more bytes at the returned place, or NULL (failed is set). The caller writes at
 * most extra bytes there and adds what it wrote to buffer->size. */
static inline void *etw_buffer_reserve(etw_buffer *buffer, size_t extra)
{
    if (buffer->failed || buffer->capacity - buffer->size < extra || buffer->data == NULL) {
        return etw_buffer_grow(buffer, extra);
    }
    return buffer->data + buffer->size;
}

static inline void etw_buffer_append(etw_buffer *buffer, const void *bytes, size_t size)
{
    void *to = etw_buffer_reserve(buffer, size);
    if (to != NULL && size > 0) {
        memcpy(to, bytes, size);
        buffer->size += size;
    }
}

static inline void etw_buffer_append_u8(etw_buffer *buffer, uint8_t value)
{
    uint8_t *to = (uint8_t *)etw_buffer_reserve(buffer, 1);
    if (to != NULL) {
        *to = value;
        buffer->size++;
    }
}

static inline void etw_buffer_append_u16(etw_buffer *buffer, uint16_t value)
{
    etw_buffer_append(buffer, &value, sizeof value);
}

static inline void etw_buffer_append_u32(etw_buffer *buffer, uint32_t value)
{
    etw_buffer_append(buffer, &value, sizeof value);
}

static inline void etw_buffer_append_u64(etw_buffer *buffer, uint64_t value)
{
    etw_buffer_append(buffer, &value, sizeof value);
}

#define ETW_VARINT_MAX_SIZE 10u

/* 7 bits a byte, the lowest first, the high bit set in all but the last: etw_cursor_varint reads
 * it. Returns how many bytes it wrote. */
static inline size_t etw_varint_store(uint8_t to[ETW_VARINT_MAX_SIZE], uint64_t value)
{
    size_t size = 0;
    while (value >= 0x80) {
        to[size++] = (uint8_t)(0x80 | (value & 0x7F));
        value >>= 7;
    }
    to[size++] = (uint8_t)value;
    return size;
}

static inline void etw_buffer_append_varint(etw_buffer *buffer, uint64_t value)
{
    uint8_t bytes[ETW_VARINT_MAX_SIZE];
    etw_buffer_append(buffer, bytes, etw_varint_store(bytes, value));
}

#endif
