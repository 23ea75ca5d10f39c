/* What the fuzz targets share: the entry point's declaration, checks that stop the fuzzer, a file
 * in memory behind the interface of the operating system, and input taken apart in pieces. */
#ifndef ETW_TESTS_FUZZ_FUZZ_H
#define ETW_TESTS_FUZZ_FUZZ_H

#include "format/base/os.h"
#include "format/base/text.h"
#include "format/event/record.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What must hold whatever the input is. */
#define FUZZ_CHECK(condition)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            (void)fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);          \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* Reads all bytes, so that a sanitizer sees those that are not there. */
static inline uint64_t fuzz_touch(const void *bytes, size_t size)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < size; i++) {
        sum = sum * 31 + ((const uint8_t *)bytes)[i];
    }
    return sum;
}

static inline uint64_t fuzz_touch_record(const etw_event_record *record)
{
    uint64_t sum = fuzz_touch(&record->EventHeader, sizeof record->EventHeader);
    for (uint32_t i = 0; i < record->ExtendedDataCount; i++) {
        const etw_bytes bytes = etw_item_bytes(&record->ExtendedData[i]);
        sum += fuzz_touch(bytes.data, bytes.size);
    }
    return sum + fuzz_touch(record->UserData, record->UserDataLength);
}

/* Text for people or machines: valid UTF-8, and no control character but those allowed. */
static inline bool fuzz_is_clean(const char *text, size_t size, const char *allowed)
{
    for (size_t at = 0; at < size;) {
        uint32_t code_point = 0;
        const size_t length = etw_utf8_decode((const uint8_t *)text + at, size - at, &code_point);
        const bool is_control = code_point < 0x20 || (code_point >= 0x7F && code_point < 0xA0);
        if (length == 0 ||
            (is_control && (code_point == 0 || strchr(allowed, (int)code_point) == NULL))) {
            return false;
        }
        at += length;
    }
    return true;
}

/* A heap copy of exactly its size: reading past it is seen. Owned by the caller. */
static inline uint8_t *fuzz_copy(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size == 0 ? 1 : size);
    FUZZ_CHECK(copy != NULL);
    if (size > 0) {
        memcpy(copy, data, size);
    }
    return copy;
}

/* The next piece of an input: a 16-bit size and as many bytes, or what is left of them. */
static inline etw_bytes fuzz_piece(etw_cursor *cursor)
{
    const size_t wanted = etw_cursor_u16(cursor);
    const size_t left = cursor->failed ? 0 : etw_cursor_left(cursor);
    const size_t size = wanted < left ? wanted : left;
    const etw_bytes piece = {cursor->failed ? NULL : etw_cursor_take(cursor, size), size};
    return piece;
}

/* The system: any name that is opened is the input, "pipe" gives it as a pipe would; temporary
 * files live in memory. Nothing else can be written. */
#define FUZZ_TEMPORARY_FILES 4u
#define FUZZ_TEMPORARY_BYTES ((size_t)64 << 20)
#define FUZZ_INPUT           100
#define FUZZ_PIPE            101

typedef struct fuzz_files {
    etw_os os;
    etw_bytes input;
    size_t input_position;
    struct {
        uint8_t *bytes;
        size_t size, position;
        bool used;
    } temporary[FUZZ_TEMPORARY_FILES];
} fuzz_files;

static inline int fuzz_open(void *context, const char *path, etw_open_mode mode)
{
    ((fuzz_files *)context)->input_position = 0;
    return mode != ETW_OPEN_READ ? -EROFS : strcmp(path, "pipe") == 0 ? FUZZ_PIPE : FUZZ_INPUT;
}

static inline int fuzz_open_temporary(void *context)
{
    fuzz_files *files = context;
    for (unsigned i = 0; i < FUZZ_TEMPORARY_FILES; i++) {
        if (!files->temporary[i].used) {
            files->temporary[i].used = true;
            return (int)i;
        }
    }
    return -EMFILE;
}

static inline etw_bytes fuzz_content(const fuzz_files *files, int file)
{
    const etw_bytes temporary = {file >= FUZZ_INPUT ? NULL : files->temporary[file].bytes,
                                 file >= FUZZ_INPUT ? 0 : files->temporary[file].size};
    return file >= FUZZ_INPUT ? files->input : temporary;
}

static inline int64_t fuzz_read_at(void *context, int file, void *into, size_t size,
                                   uint64_t offset)
{
    const etw_bytes content = fuzz_content(context, file);
    if (offset >= content.size || size == 0) {
        return 0;
    }
    const size_t left = content.size - (size_t)offset;
    const size_t count = size < left ? size : left;
    memcpy(into, content.data + offset, count);
    return (int64_t)count;
}

static inline int64_t fuzz_read(void *context, int file, void *into, size_t size)
{
    fuzz_files *files = context;
    size_t *position =
        file >= FUZZ_INPUT ? &files->input_position : &files->temporary[file].position;
    const int64_t count = fuzz_read_at(context, file, into, size, *position);
    *position += (size_t)count;
    return count;
}

static inline int64_t fuzz_write(void *context, int file, const void *from, size_t size)
{
    fuzz_files *files = context;
    FUZZ_CHECK(file < FUZZ_INPUT);
    const size_t old_size = files->temporary[file].size;
    if (size > FUZZ_TEMPORARY_BYTES - old_size) {
        return -ENOSPC;
    }
    uint8_t *bytes = realloc(files->temporary[file].bytes, old_size + size + 1);
    if (bytes == NULL) {
        return -ENOMEM;
    }
    memcpy(bytes + old_size, from, size);
    files->temporary[file].bytes = bytes;
    files->temporary[file].size = old_size + size;
    return (int64_t)size;
}

static inline int fuzz_sync(void *context, int file)
{
    (void)context;
    (void)file;
    return 0;
}

static inline int64_t fuzz_size(void *context, int file)
{
    return file == FUZZ_PIPE ? -ESPIPE : (int64_t)fuzz_content(context, file).size;
}

static inline int fuzz_close(void *context, int file)
{
    fuzz_files *files = context;
    if (file < FUZZ_INPUT) {
        free(files->temporary[file].bytes);
        memset(&files->temporary[file], 0, sizeof files->temporary[file]);
    }
    return 0;
}

static inline int64_t fuzz_clock(void *context)
{
    (void)context;
    return INT64_C(133590384000000000);
}

/* The files hold pointers to themselves: not to be moved. */
static inline void fuzz_files_init(fuzz_files *files, const uint8_t *data, size_t size)
{
    memset(files, 0, sizeof *files);
    files->input.data = data;
    files->input.size = size;
    files->os.context = files;
    files->os.open = fuzz_open;
    files->os.open_temporary = fuzz_open_temporary;
    files->os.read = fuzz_read;
    files->os.read_at = fuzz_read_at;
    files->os.write = fuzz_write;
    files->os.sync = fuzz_sync;
    files->os.size = fuzz_size;
    files->os.close = fuzz_close;
    files->os.filetime_now = fuzz_clock;
    files->os.monotonic_ns = fuzz_clock;
}

/* Everything that was opened must have been closed. */
static inline void fuzz_files_check_closed(const fuzz_files *files)
{
    for (unsigned i = 0; i < FUZZ_TEMPORARY_FILES; i++) {
        FUZZ_CHECK(!files->temporary[i].used);
    }
}

#endif
