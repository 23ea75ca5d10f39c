/* Makes trace files in memory, byte by byte, for tests of the reader; and an operating system whose
 * one file they are. */
#ifndef ETW_TESTS_ETL_MAKER_H
#define ETW_TESTS_ETL_MAKER_H

#include <errno.h>
#include <stdlib.h>

#include "format/etl/etl.h"
#include "format/etl/trace_record.h"

typedef struct maker {
    uint8_t *data;
    size_t size;
    size_t capacity;
    size_t buffer; /* where the open buffer starts */
    uint32_t buffer_size;
    uint32_t read_most; /* bytes one read gives at most; 0: all that is asked for */
    uint64_t told_size; /* the size that the file has when it is opened; 0: the true one */
    uint64_t fail_from; /* reads that reach this offset fail; 0: none */
} maker;

static inline uint8_t *maker_add(maker *self, size_t size)
{
    if (self->size + size > self->capacity) {
        self->capacity = 2 * (self->size + size);
        self->data = realloc(self->data, self->capacity);
        if (self->data == NULL) {
            abort();
        }
    }
    memset(self->data + self->size, 0, size);
    self->size += size;
    return self->data + self->size - size;
}

static inline void maker_free(maker *self)
{
    free(self->data);
    memset(self, 0, sizeof *self);
}

static inline void maker_begin(maker *self, uint16_t cpu, uint16_t flags)
{
    self->buffer = self->size;
    uint8_t *header = maker_add(self, ETW_BUFFER_HEADER_SIZE);
    etw_store_u16(header + 0x28, cpu);
    etw_store_u16(header + 0x2A, 9);
    etw_store_u16(header + 0x34, flags);
}

/* Fills the buffer up to the size of all, or leaves it as long as it is (buffer_size 0). */
static inline void maker_end(maker *self)
{
    const uint32_t used = (uint32_t)(self->size - self->buffer);
    if (used < self->buffer_size) {
        (void)maker_add(self, self->buffer_size - used);
    }
    etw_store_u32(self->data + self->buffer, (uint32_t)(self->size - self->buffer));
    etw_store_u32(self->data + self->buffer + 0x30, used);
}

/* A record of size bytes, marker 0xC0, zeros behind type and size. */
static inline uint8_t *maker_record(maker *self, uint8_t type, uint32_t size, int64_t ticks)
{
    uint8_t *at = maker_add(self, etw_record_span(size));
    const etw_record_form form = etw_record_forms[type];
    at[2] = type;
    at[3] = 0xC0;
    etw_store_u16(at + form.size_at, (uint16_t)size);
    etw_store_u64(at + form.ticks_at, (uint64_t)ticks);
    return at;
}

/* A modern event whose id tells it from others. */
static inline uint8_t *maker_event(maker *self, uint16_t id, int64_t ticks, uint32_t data_size)
{
    uint8_t *at = maker_record(self, ETW_TYPE_EVENT64, 80 + data_size, ticks);
    etw_store_u16(at + 40, id);
    return at;
}

#define MAKER_HEADER_TICKS 1000
#define MAKER_START_TIME   132000000000000000ll

/* The first buffer, with the log-file header event alone. Returns that event's payload, which may
 * be changed until the next call. */
static inline uint8_t *maker_header(maker *self, uint32_t mode, uint32_t clock)
{
    static const uint8_t names[] = {'S', 0, 0, 0, 'f', 0, 0, 0};
    maker_begin(self, 0, 0);
    uint8_t *at =
        maker_record(self, ETW_TYPE_SYSTEM64, 32 + 0x118 + sizeof names, MAKER_HEADER_TICKS);
    at[0] = 2;
    uint8_t *payload = at + 32;
    etw_store_u32(payload, self->buffer_size);
    etw_store_u64(payload + 0x10, (uint64_t)MAKER_START_TIME + 1000); /* closed */
    etw_store_u32(payload + 0x20, mode);
    etw_store_u32(payload + 0x2C, 8);
    etw_store_u32(payload + 0x34, 2000);
    etw_store_u64(payload + 0x100, 10000000);
    etw_store_u64(payload + 0x108, (uint64_t)MAKER_START_TIME);
    etw_store_u32(payload + 0x110, clock);
    memcpy(payload + 0x118, names, sizeof names);
    const size_t offset = (size_t)(payload - self->data);
    maker_end(self);
    etw_store_u16(self->data + self->buffer + 0x36, 4);
    return self->data + offset;
}

static inline int maker_open(void *context, const char *path, etw_open_mode mode)
{
    (void)context;
    (void)mode;
    return strcmp(path, "none.etl") == 0 ? -ENOENT : 7;
}

static inline int64_t maker_read_at(void *context, int file, void *into, size_t size,
                                    uint64_t offset)
{
    const maker *self = context;
    (void)file;
    if (offset >= self->size) {
        return 0;
    }
    if (self->fail_from != 0 && offset + size > self->fail_from) {
        return -EIO;
    }
    size = size < self->size - offset ? size : self->size - (size_t)offset;
    size = self->read_most != 0 && size > self->read_most ? self->read_most : size;
    memcpy(into, self->data + offset, size);
    return (int64_t)size;
}

static inline int64_t maker_file_size(void *context, int file)
{
    (void)file;
    const maker *self = context;
    return (int64_t)(self->told_size != 0 ? self->told_size : self->size);
}

static inline int maker_close(void *context, int file)
{
    (void)context;
    (void)file;
    return 0;
}

static inline etw_os maker_os(maker *self)
{
    etw_os os = *etw_os_default();
    os.context = self;
    os.open = maker_open;
    os.read_at = maker_read_at;
    os.size = maker_file_size;
    os.close = maker_close;
    return os;
}

#endif
