/* For LD_PRELOAD: writes down, in the file that ETW_TEST_SYNC_LOG names, what is renamed and what
 * is put on the disk. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static void tell(const char *what, const char *path)
{
    const char *log = getenv("ETW_TEST_SYNC_LOG");
    FILE *file = log == NULL ? NULL : fopen(log, "a");
    if (file != NULL) {
        (void)fprintf(file, "%s %s\n", what, path);
        (void)fclose(file);
    }
}

static int synced(int file, long call)
{
    char link[64], path[PATH_MAX];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    const ssize_t length = readlink(link, path, sizeof path - 1);
    if (length > 0) {
        path[length] = '\0';
        tell("sync", path);
    }
    return (int)syscall(call, file);
}

int fsync(int file)
{
    return synced(file, SYS_fsync);
}

int fdatasync(int file)
{
    return synced(file, SYS_fdatasync);
}

int rename(const char *from, const char *to)
{
    tell("rename", to);
    return (int)syscall(SYS_rename, from, to);
}
