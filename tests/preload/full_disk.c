/* For LD_PRELOAD: a folder whose disk is full. Wine's programs write through the same calls.
 *
 * ETW_TEST_DISK=FOLDER        files below it
 * ETW_TEST_DISK_BYTES=N       take that many bytes in all; then writing fails with ENOSPC
 */
#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static atomic_ullong taken;

static int is_on_the_disk(int file)
{
    const char *folder = getenv("ETW_TEST_DISK");
    char link[64], path[PATH_MAX];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    const ssize_t length = folder == NULL ? -1 : readlink(link, path, sizeof path);
    return length > 0 && strncmp(path, folder, strlen(folder)) == 0;
}

/* How many bytes there is room for; none, with errno, where the disk is full. */
static size_t room_for(int file, size_t size)
{
    const char *bytes = getenv("ETW_TEST_DISK_BYTES");
    if (bytes == NULL || size == 0 || !is_on_the_disk(file)) {
        return size;
    }
    const unsigned long long all = strtoull(bytes, NULL, 10),
                             before = atomic_fetch_add(&taken, size);
    const unsigned long long left = before < all ? all - before : 0;
    errno = ENOSPC;
    return left < size ? (size_t)left : size;
}

ssize_t write(int file, const void *data, size_t size)
{
    const size_t room = room_for(file, size);
    return room == 0 && size != 0 ? -1 : syscall(SYS_write, file, data, room);
}

ssize_t pwrite64(int file, const void *data, size_t size, off_t offset)
{
    const size_t room = room_for(file, size);
    return room == 0 && size != 0 ? -1 : syscall(SYS_pwrite64, file, data, room, offset);
}

ssize_t pwrite(int file, const void *data, size_t size, off_t offset)
{
    return pwrite64(file, data, size, offset);
}
