/* Little-endian loads and stores at any alignment, and a bounded cursor over bytes nobody trusts.
 */
#ifndef ETW_FORMAT_BASE_BYTES_H
#define ETW_FORMAT_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "records are kept as little-endian structures; this build needs a little-endian machine"
#endif

/* A view of bytes owned by somebody else. data may be NULL only if size is 0. */
typedef struct etw_bytes {
    const uint8_t *data;
    size_t size;
} etw_bytes;

static inline bool etw_bytes_equal(etw_bytes a, etw_bytes b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

static inline uint16_t etw_load_u16(const void *from)
{
    uint16_t value;
    memcpy(&value, from, sizeof value);
    return value;
}

static inline uint32_t etw_load_u32(const void *from)
{
    uint32_t value;
    memcpy(&value, from, sizeof value);
    return value;
}

static inline uint64_t etw_load_u64(const void *from)
{
    uint64_t value;
    memcpy(&value, from, sizeof value);
    return value;
}

static inline int64_t etw_load_i64(const void *from)
{
    int64_t value;
    memcpy(&value, from, sizeof value);
    return value;
}

static inline void etw_store_u16(void *to, uint16_t value)
{
    memcpy(to, &value, sizeof value);
}

static inline void etw_store_u32(void *to, uint32_t value)
{
    memcpy(to, &value, sizeof value);
}

static inline void etw_store_u64(void *to, uint64_t value)
{
    memcpy(to, &value, sizeof value);
}

/* A cursor never moves past its end: a read that does not fit sets failed, gives zeros, and every
 * later read fails too, so that a caller may read a whole structure and check once. */
typedef struct etw_cursor {
    const uint8_t *at;
    const uint8_t *end;
    bool failed;
} etw_cursor;

static inline etw_cursor etw_cursor_over(etw_bytes bytes)
{
    const etw_cursor cursor = {bytes.data, bytes.data == NULL ? NULL : bytes.data + bytes.size,
                               false};
    return cursor;
}

static inline size_t etw_cursor_left(const etw_cursor *cursor)
{
    return (size_t)(cursor->end - cursor->at);
}

/* The next size bytes, or NULL (with failed set) where fewer are left. */
static inline const uint8_t *etw_cursor_take(etw_cursor *cursor, uint64_t size)
{
    if (cursor->failed || etw_cursor_left(cursor) < size) {
        cursor->failed = true;
        return NULL;
    }
    const uint8_t *taken = cursor->at;
    cursor->at += (size_t)size;
    return taken;
}

static inline uint8_t etw_cursor_u8(etw_cursor *cursor)
{
    const uint8_t *from = etw_cursor_take(cursor, 1);
    return from == NULL ? (uint8_t)0 : *from;
}

static inline uint16_t etw_cursor_u16(etw_cursor *cursor)
{
    const uint8_t *from = etw_cursor_take(cursor, 2);
    return from == NULL ? (uint16_t)0 : etw_load_u16(from);
}

static inline uint32_t etw_cursor_u32(etw_cursor *cursor)
{
    const uint8_t *from = etw_cursor_take(cursor, 4);
    return from == NULL ? 0u : etw_load_u32(from);
}

static inline uint64_t etw_cursor_u64(etw_cursor *cursor)
{
    const uint8_t *from = etw_cursor_take(cursor, 8);
    return from == NULL ? 0u : etw_load_u64(from);
}

/* An unsigned LEB128 of at most ten bytes; a longer or overflowing one fails the cursor. */
static inline uint64_t etw_cursor_varint(etw_cursor *cursor)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        const uint8_t byte = etw_cursor_u8(cursor);
        if (shift == 63 && byte > 1) {
            break;
        }
        value |= (uint64_t)(byte & 0x7Fu) << shift;
        if ((byte & 0x80u) == 0) {
            return cursor->failed ? 0 : value;
        }
    }
    cursor->failed = true;
    return 0;
}

#endif
