#include "recorder/command/name_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct etw_name_lock {
    int file;
    char path[];
};

/* Whoever held the lock may have removed the file between our open and our lock. */
static bool is_still_named(int file, const char *path)
{
    struct stat mine, named;
    return fstat(file, &mine) == 0 && stat(path, &named) == 0 && mine.st_dev == named.st_dev &&
           mine.st_ino == named.st_ino;
}

/* The locked file, or a negated errno. */
static int take(const char *path)
{
    for (;;) {
        const int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (file < 0) {
            return -errno;
        }
        if (flock(file, LOCK_EX | LOCK_NB) != 0) {
            const int failed = errno;
            (void)close(file);
            return -failed;
        }
        if (is_still_named(file, path)) {
            return file;
        }
        (void)close(file);
    }
}

etw_status etw_name_lock_take(const char *path, etw_name_lock **taken, etw_error *error)
{
    const size_t size = strlen(path) + sizeof ".lock";
    etw_name_lock *lock = malloc(sizeof *lock + size);
    *taken = NULL;
    if (lock == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for a lock");
    }
    (void)snprintf(lock->path, size, "%s.lock", path);
    lock->file = take(lock->path);
    if (lock->file < 0) {
        const etw_status status =
            lock->file == -EWOULDBLOCK
                ? etw_error_set(error, ETW_ERROR_EXISTS,
                                "another recorder writes %s: choose another name", path)
                : etw_error_set_os(error, -lock->file, "%s", lock->path);
        free(lock);
        return status;
    }
    *taken = lock;
    return ETW_OK;
}

void etw_name_lock_release(etw_name_lock *lock)
{
    if (lock != NULL) {
        (void)unlink(lock->path);
        (void)close(lock->file);
        free(lock);
    }
}
