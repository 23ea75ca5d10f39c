#include "recorder/command/discard.h"

#include <errno.h>

static int discard_open(void *context, const char *path, etw_open_mode mode)
{
    (void)context;
    (void)path;
    return mode == ETW_OPEN_READ ? -ENOENT : 0;
}

static int64_t discard_read(void *context, int file, void *into, size_t size)
{
    (void)context;
    (void)file;
    (void)into;
    (void)size;
    return 0;
}

static int64_t discard_read_at(void *context, int file, void *into, size_t size, uint64_t offset)
{
    (void)offset;
    return discard_read(context, file, into, size);
}

static int64_t discard_write(void *context, int file, const void *from, size_t size)
{
    (void)context;
    (void)file;
    (void)from;
    return (int64_t)size;
}

static int discard_nothing(void *context, int file)
{
    (void)context;
    (void)file;
    return 0;
}

static int64_t discard_size(void *context, int file)
{
    (void)context;
    (void)file;
    return 0;
}

static int discard_rename(void *context, const char *from, const char *to)
{
    (void)context;
    (void)from;
    (void)to;
    return 0;
}

static int discard_remove(void *context, const char *path)
{
    (void)context;
    (void)path;
    return 0;
}

static int discard_kind(void *context, const char *path)
{
    (void)context;
    (void)path;
    return ETW_PATH_NOTHING;
}

static int64_t discard_free_space(void *context, const char *path)
{
    (void)context;
    (void)path;
    return INT64_MAX;
}

static int64_t discard_filetime_now(void *context)
{
    (void)context;
    const etw_os *real = etw_os_default();
    return real->filetime_now(real->context);
}

static int64_t discard_monotonic_ns(void *context)
{
    (void)context;
    const etw_os *real = etw_os_default();
    return real->monotonic_ns(real->context);
}

const etw_os etw_discard_os = {.open = discard_open,
                               .read = discard_read,
                               .read_at = discard_read_at,
                               .write = discard_write,
                               .sync = discard_nothing,
                               .size = discard_size,
                               .close = discard_nothing,
                               .rename = discard_rename,
                               .remove = discard_remove,
                               .kind = discard_kind,
                               .free_space = discard_free_space,
                               .filetime_now = discard_filetime_now,
                               .monotonic_ns = discard_monotonic_ns};
