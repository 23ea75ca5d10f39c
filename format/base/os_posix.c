#include "format/base/os.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

/* FILETIME of 1970-01-01T00:00:00Z. */
#define UNIX_EPOCH_100NS 116444736000000000LL

/* One read or write call: Linux moves at most 0x7FFFF000 bytes. */
#define MAX_CALL_BYTES ((size_t)1 << 30)

static size_t call_size(size_t size)
{
    return size < MAX_CALL_BYTES ? size : MAX_CALL_BYTES;
}

static int open_flags(etw_open_mode mode)
{
    switch (mode) {
    case ETW_OPEN_READ:
        return O_RDONLY | O_CLOEXEC;
    case ETW_OPEN_CREATE:
        return O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
    default:
        /* A link planted under the output's name must not lead the truncation elsewhere. Not to
         * read as well: a pipe that is open for both takes bytes that nobody will ever read. */
        return O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC;
    }
}

/* The open file of this process that a name stands for, where it stands: a shell gives such names
 * for >(command). -1: it is another name. */
static int own_file(const char *path)
{
    static const char *const folders[] = {"/dev/fd/", "/proc/self/fd/"};
    if (strcmp(path, "/dev/stdout") == 0) {
        return STDOUT_FILENO;
    }
    if (strcmp(path, "/dev/stderr") == 0) {
        return STDERR_FILENO;
    }
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        const size_t size = strlen(folders[i]);
        if (strncmp(path, folders[i], size) == 0 && path[size] >= '0' && path[size] <= '9') {
            char *end;
            const unsigned long file = strtoul(path + size, &end, 10);
            return *end == '\0' && file <= INT_MAX ? (int)file : -1;
        }
    }
    return -1;
}

/* What is written into such a name replaces nothing. */
static bool is_stream(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0 && (S_ISFIFO(status.st_mode) || S_ISCHR(status.st_mode));
}

static int os_open(void *context, const char *path, etw_open_mode mode)
{
    (void)context;
    const int own = mode == ETW_OPEN_READ ? -1 : own_file(path);
    if (own >= 0) {
        const int copy = fcntl(own, F_DUPFD_CLOEXEC, 0);
        return copy < 0 ? -errno : copy;
    }
    int file = open(path, open_flags(mode), S_IRUSR | S_IWUSR);
    if (file < 0 && errno == EEXIST && is_stream(path)) {
        file = open(path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
    }
    return file < 0 ? -errno : file;
}

static int os_open_temporary(void *context)
{
    (void)context;
    static const char name[] = "/etwcap-XXXXXX";
    const char *folder = getenv("TMPDIR");
    folder = folder == NULL || *folder == '\0' ? "/tmp" : folder;
    const size_t size = strlen(folder) + sizeof name;
    char *path = malloc(size);
    if (path == NULL) {
        return -ENOMEM;
    }
    (void)snprintf(path, size, "%s%s", folder, name);
    const int file = mkostemp(path, O_APPEND | O_CLOEXEC);
    const int failed = errno;
    if (file >= 0) {
        (void)unlink(path);
    }
    free(path);
    return file < 0 ? -failed : file;
}

static int64_t os_read_at(void *context, int file, void *into, size_t size, uint64_t offset)
{
    (void)context;
    const ssize_t got = pread(file, into, call_size(size), (off_t)offset);
    return got < 0 ? -errno : got;
}

static int os_sync(void *context, int file)
{
    (void)context;
    return fdatasync(file) == 0 ? 0 : -errno;
}

static int64_t os_size(void *context, int file)
{
    (void)context;
    struct stat status;
    if (fstat(file, &status) != 0) {
        return -errno;
    }
    return S_ISREG(status.st_mode) ? (int64_t)status.st_size : -ESPIPE;
}

static int os_identity(void *context, int file, etw_file_identity *identity)
{
    (void)context;
    struct stat status;
    if (fstat(file, &status) != 0) {
        return -errno;
    }
    *identity = (etw_file_identity){.volume = status.st_dev, .file = status.st_ino};
    return 0;
}

static int64_t filetime_of(struct timespec time)
{
    return UNIX_EPOCH_100NS + (int64_t)time.tv_sec * 10000000 + time.tv_nsec / 100;
}

static int os_state(void *context, const char *path, etw_file_state *state)
{
    (void)context;
    struct stat status;
    if (lstat(path, &status) != 0) {
        return -errno;
    }
    *state = (etw_file_state){.identity = {.volume = status.st_dev, .file = status.st_ino},
                              .size_bytes = (uint64_t)status.st_size,
                              .modified_100ns = filetime_of(status.st_mtim),
                              .changed_100ns = filetime_of(status.st_ctim)};
    return 0;
}

static int os_kind(void *context, const char *path)
{
    (void)context;
    struct stat status;
    if (lstat(path, &status) != 0) {
        return errno == ENOENT ? ETW_PATH_NOTHING : -errno;
    }
    return S_ISREG(status.st_mode)   ? ETW_PATH_FILE
           : S_ISDIR(status.st_mode) ? ETW_PATH_FOLDER
                                     : ETW_PATH_OTHER;
}

bool etw_os_is_same_file(const char *path, const char *other)
{
    struct stat status, status_of_other;
    return stat(path, &status) == 0 && stat(other, &status_of_other) == 0 &&
           status.st_dev == status_of_other.st_dev && status.st_ino == status_of_other.st_ino;
}

/* The directory part of path, "." where it has none; owned by the caller. */
static char *directory_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL) {
        return strdup(".");
    }
    return strndup(path, slash == path ? 1 : (size_t)(slash - path));
}

/* A new name survives a power failure only once its directory is on disk. Best effort: the rename
 * is done, and some file systems cannot sync a directory. */
static void sync_directory_of(const char *path)
{
    char *directory = directory_of(path);
    const int file = directory == NULL ? -1 : open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(directory);
    if (file >= 0) {
        (void)fsync(file);
        (void)close(file);
    }
}

/* The system would replace whatever is there: for root, /dev/null too. */
static int os_rename(void *context, const char *from, const char *to)
{
    struct stat status;
    if (lstat(to, &status) == 0 && S_ISLNK(status.st_mode)) {
        return -ELOOP;
    }
    if (os_kind(context, to) >= ETW_PATH_OTHER) {
        return -EEXIST;
    }
    if (rename(from, to) != 0) {
        return -errno;
    }
    sync_directory_of(to);
    return 0;
}

static int os_remove(void *context, const char *path)
{
    (void)context;
    struct stat status;
    if (lstat(path, &status) != 0) {
        return -errno;
    }
    if (!S_ISREG(status.st_mode) && !S_ISLNK(status.st_mode)) {
        return -EPERM;
    }
    return unlink(path) == 0 ? 0 : -errno;
}

static int64_t os_free_space(void *context, const char *path)
{
    (void)context;
    char *directory = directory_of(path);
    if (directory == NULL) {
        return -ENOMEM;
    }
    struct statvfs space;
    const int result = statvfs(directory, &space);
    const int failed = errno;
    free(directory);
    return result != 0 ? -failed : (int64_t)(space.f_bavail * space.f_frsize);
}

static int64_t os_read(void *context, int file, void *into, size_t size)
{
    (void)context;
    const ssize_t got = read(file, into, call_size(size));
    return got < 0 ? -errno : got;
}

static int64_t os_write(void *context, int file, const void *from, size_t size)
{
    (void)context;
    const ssize_t put = write(file, from, call_size(size));
    return put < 0 ? -errno : put;
}

static int os_close(void *context, int file)
{
    (void)context;
    return close(file) == 0 ? 0 : -errno;
}

static int64_t os_filetime_now(void *context)
{
    (void)context;
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return filetime_of(now);
}

static int64_t os_monotonic_ns(void *context)
{
    (void)context;
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int os_make_folder(void *context, const char *path)
{
    (void)context;
    return mkdir(path, 0700) == 0 ? 0 : -errno;
}

static int os_list(void *context, const char *path, void (*take)(void *into, const char *name),
                   void *into)
{
    (void)context;
    DIR *folder = opendir(path);
    if (folder == NULL) {
        return -errno;
    }
    errno = 0;
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        take(into, entry->d_name);
        errno = 0;
    }
    const int failed = errno;
    (void)closedir(folder);
    return -failed;
}

const etw_os *etw_os_default(void)
{
    static const etw_os real = {
        .open = os_open,
        .open_temporary = os_open_temporary,
        .read = os_read,
        .read_at = os_read_at,
        .write = os_write,
        .sync = os_sync,
        .size = os_size,
        .close = os_close,
        .rename = os_rename,
        .remove = os_remove,
        .identity = os_identity,
        .kind = os_kind,
        .state = os_state,
        .free_space = os_free_space,
        .filetime_now = os_filetime_now,
        .monotonic_ns = os_monotonic_ns,
        .make_folder = os_make_folder,
        .list = os_list,
    };
    return &real;
}
