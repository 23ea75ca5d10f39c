#include "replay/rewind.h"

#include <errno.h>
#include <stdlib.h>

struct etw_rewind {
    etw_os os;
    const etw_os *inner;
    uint8_t *kept; /* the first bytes of standard input */
    size_t size;
    size_t at; /* of kept, to be read again; size: read from the input itself */
    bool is_keeping;
    bool overflowed;
};

static int forward_open(void *context, const char *path, etw_open_mode mode)
{
    const etw_os *inner = ((etw_rewind *)context)->inner;
    return inner->open(inner->context, path, mode);
}

static int forward_open_temporary(void *context)
{
    const etw_os *inner = ((etw_rewind *)context)->inner;
    return inner->open_temporary(inner->context);
}

static void keep(etw_rewind *rewind, const uint8_t *bytes, size_t size)
{
    if (size > ETW_REWIND_MAX_BYTES - rewind->size) {
        rewind->overflowed = true;
        rewind->is_keeping = false;
        return;
    }
    memcpy(rewind->kept + rewind->size, bytes, size);
    rewind->size += size;
    rewind->at = rewind->size;
}

static int64_t forward_read(void *context, int file, void *into, size_t size)
{
    etw_rewind *rewind = context;
    const etw_os *inner = rewind->inner;
    if (file != ETW_FILE_STDIN) {
        return inner->read(inner->context, file, into, size);
    }
    if (rewind->at < rewind->size) {
        const size_t left = rewind->size - rewind->at;
        const size_t given = size < left ? size : left;
        memcpy(into, rewind->kept + rewind->at, given);
        rewind->at += given;
        return (int64_t)given;
    }
    const int64_t got = inner->read(inner->context, file, into, size);
    if (got > 0 && rewind->is_keeping) {
        keep(rewind, into, (size_t)got);
    }
    return got;
}

static int64_t forward_read_at(void *context, int file, void *into, size_t size, uint64_t offset)
{
    const etw_os *inner = ((etw_rewind *)context)->inner;
    return inner->read_at(inner->context, file, into, size, offset);
}

static int64_t forward_write(void *context, int file, const void *from, size_t size)
{
    const etw_os *inner = ((etw_rewind *)context)->inner;
    return inner->write(inner->context, file, from, size);
}

static int forward_sync(void *context, int file)
{
    const etw_os *inner = ((etw_rewind *)context)->inner;
    return inner->sync(inner->context, file);
}

/* Standard input is a pipe here, whatever it is: bytes that were read cannot be read at an offset.
 */
static int64_t forward_size(void *context, int file)
{
    const etw_os *inner = ((etw_rewind *)context)->inner;
    return file == ETW_FILE_STDIN ? -ESPIPE : inner->size(inner->context, file);
}

static int forward_close(void *context, int file)
{
    const etw_os *inner = ((etw_rewind *)context)->inner;
    return inner->close(inner->context, file);
}

static int forward_rename(void *context, const char *from, const char *to)
{
    const etw_os *inner = ((etw_rewind *)context)->inner;
    return inner->rename(inner->context, from, to);
}

static int forward_remove(void *context, const char *path)
{
    const etw_os *inner = ((etw_rewind *)context)->inner;
    return inner->remove(inner->context, path);
}

static int forward_kind(void *context, const char *path)
{
    const etw_os *inner = ((etw_rewind *)context)->inner;
    return inner->kind(inner->context, path);
}

static int64_t forward_free_space(void *context, const char *path)
{
    const etw_os *inner = ((etw_rewind *)context)->inner;
    return inner->free_space(inner->context, path);
}

static int64_t forward_filetime_now(void *context)
{
    const etw_os *inner = ((etw_rewind *)context)->inner;
    return inner->filetime_now(inner->context);
}

static int64_t forward_monotonic_ns(void *context)
{
    const etw_os *inner = ((etw_rewind *)context)->inner;
    return inner->monotonic_ns(inner->context);
}

static int forward_list(void *context, const char *path, void (*take)(void *into, const char *name),
                        void *into)
{
    const etw_os *inner = ((etw_rewind *)context)->inner;
    return inner->list == NULL ? -ENOTDIR : inner->list(inner->context, path, take, into);
}

etw_rewind *etw_rewind_new(const etw_os *os)
{
    etw_rewind *rewind = calloc(1, sizeof *rewind);
    if (rewind == NULL) {
        return NULL;
    }
    rewind->kept = malloc(ETW_REWIND_MAX_BYTES);
    if (rewind->kept == NULL) {
        free(rewind);
        return NULL;
    }
    rewind->inner = os;
    rewind->is_keeping = true;
    rewind->os = (etw_os){.context = rewind,
                          .open = forward_open,
                          .open_temporary = forward_open_temporary,
                          .read = forward_read,
                          .read_at = forward_read_at,
                          .write = forward_write,
                          .sync = forward_sync,
                          .size = forward_size,
                          .close = forward_close,
                          .rename = forward_rename,
                          .remove = forward_remove,
                          .kind = forward_kind,
                          .free_space = forward_free_space,
                          .filetime_now = forward_filetime_now,
                          .monotonic_ns = forward_monotonic_ns,
                          .list = forward_list};
    return rewind;
}

void etw_rewind_free(etw_rewind *rewind)
{
    if (rewind != NULL) {
        free(rewind->kept);
        free(rewind);
    }
}

const etw_os *etw_rewind_os(const etw_rewind *rewind)
{
    return &rewind->os;
}

bool etw_rewind_to_start(etw_rewind *rewind)
{
    rewind->is_keeping = false;
    rewind->at = 0;
    return !rewind->overflowed;
}

void etw_rewind_keep_on(etw_rewind *rewind)
{
    rewind->is_keeping = false;
}
