#include "format/base/os.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* One read or write call: Linux moves at most 0x7FFFF000 bytes, the Windows runtime takes 32 bits.
 */
#define MAX_CALL_BYTES ((size_t)1 << 30)

/* FILETIME of 1970-01-01T00:00:00Z. */
#define UNIX_EPOCH_100NS 116444736000000000LL

static size_t call_size(size_t size)
{
    return size < MAX_CALL_BYTES ? size : MAX_CALL_BYTES;
}

#ifdef _WIN32
#include <direct.h>
#include <io.h>
#include <share.h>
#include <stdint.h>
#include <wchar.h>

#include "format/base/text.h"

/* The runtime's own limit for a path with the \\?\ prefix. */
#define MAX_WIDE_PATH 32768u

/* UTF-8 to UTF-16 through the C runtime alone; owned by the caller, NULL where it is no UTF-8. */
static wchar_t *wide_path(const char *path)
{
    const size_t size = strlen(path);
    wchar_t *wide = size >= MAX_WIDE_PATH ? NULL : malloc((size + 1) * sizeof *wide);
    if (wide == NULL) {
        return NULL;
    }
    size_t out = 0;
    for (size_t i = 0; i < size;) {
        uint32_t code_point;
        const size_t length = etw_utf8_decode((const uint8_t *)path + i, size - i, &code_point);
        if (length == 0) {
            free(wide);
            return NULL;
        }
        i += length;
        uint16_t units[2];
        const size_t count = etw_utf16_encode(code_point, units);
        for (size_t unit = 0; unit < count; unit++) {
            wide[out++] = units[unit];
        }
    }
    wide[out] = L'\0';
    return wide;
}

static int open_flags(etw_open_mode mode)
{
    switch (mode) {
    case ETW_OPEN_READ:
        return _O_RDONLY | _O_BINARY | _O_NOINHERIT;
    case ETW_OPEN_CREATE:
        return _O_WRONLY | _O_CREAT | _O_EXCL | _O_BINARY | _O_NOINHERIT;
    default:
        return _O_WRONLY | _O_CREAT | _O_TRUNC | _O_BINARY | _O_NOINHERIT;
    }
}

static int os_open(void *context, const char *path, etw_open_mode mode)
{
    (void)context;
    wchar_t *wide = wide_path(path);
    if (wide == NULL) {
        return -EINVAL;
    }
    const int file = _wsopen(wide, open_flags(mode), _SH_DENYNO, _S_IREAD | _S_IWRITE);
    const int failed = errno;
    free(wide);
    return file < 0 ? -failed : file;
}

static int os_open_temporary(void *context)
{
    (void)context;
    /* The name is in %TMP%; another process may take it first, so the open insists on a new file.
     */
    wchar_t *name = _wtempnam(NULL, L"etw");
    if (name == NULL) {
        return -ENOENT;
    }
    const int flags = _O_RDWR | _O_CREAT | _O_EXCL | _O_BINARY | _O_NOINHERIT | _O_TEMPORARY;
    const int file = _wsopen(name, flags, _SH_DENYNO, _S_IREAD | _S_IWRITE);
    const int failed = errno;
    free(name);
    return file < 0 ? -failed : file;
}

static int64_t os_read_at(void *context, int file, void *into, size_t size, uint64_t offset)
{
    (void)context;
    if (_lseeki64(file, (int64_t)offset, SEEK_SET) < 0) {
        return -errno;
    }
    const int got = _read(file, into, (unsigned)call_size(size));
    return got < 0 ? -errno : got;
}

static int os_sync(void *context, int file)
{
    (void)context;
    return _commit(file) == 0 ? 0 : -errno;
}

static int64_t os_size(void *context, int file)
{
    (void)context;
    struct __stat64 status;
    if (_fstat64(file, &status) != 0) {
        return -errno;
    }
    return (status.st_mode & _S_IFMT) == _S_IFREG ? status.st_size : -ESPIPE;
}

static int os_rename(void *context, const char *from, const char *to)
{
    (void)context;
    wchar_t *wide_from = wide_path(from), *wide_to = wide_path(to);
    int result = -EINVAL;
    if (wide_from != NULL && wide_to != NULL) {
        /* The C runtime's rename does not replace, nor does anything else in it. What is there goes
         * only once it is seen to be in the way: a rename that fails otherwise must not cost it. */
        result = _wrename(wide_from, wide_to) == 0 ? 0 : -errno;
        if (result == -EEXIST || (result == -EACCES && _waccess(wide_to, F_OK) == 0)) {
            (void)_wremove(wide_to);
            result = _wrename(wide_from, wide_to) == 0 ? 0 : -errno;
        }
    }
    free(wide_from);
    free(wide_to);
    return result;
}

static int os_remove(void *context, const char *path)
{
    (void)context;
    wchar_t *wide = wide_path(path);
    if (wide == NULL) {
        return -EINVAL;
    }
    const int result = _wremove(wide) == 0 ? 0 : -errno;
    free(wide);
    return result;
}

static int os_kind(void *context, const char *path)
{
    (void)context;
    wchar_t *wide = wide_path(path);
    struct __stat64 status;
    const int result = wide == NULL ? -1 : _wstat64(wide, &status);
    const int failed = wide == NULL ? EINVAL : errno;
    free(wide);
    if (result != 0) {
        return failed == ENOENT ? ETW_PATH_NOTHING : -failed;
    }
    return (status.st_mode & _S_IFMT) == _S_IFREG ? ETW_PATH_FILE : ETW_PATH_OTHER;
}

/* Owned by the caller; NULL where there is no such file. */
static wchar_t *full_path(const char *path)
{
    wchar_t *wide = wide_path(path);
    wchar_t *full = wide == NULL || _waccess(wide, F_OK) != 0 ? NULL : _wfullpath(NULL, wide, 0);
    free(wide);
    return full;
}

bool etw_os_is_same_file(const char *path, const char *other)
{
    wchar_t *full = full_path(path), *full_other = full_path(other);
    const bool is_same = full != NULL && full_other != NULL && _wcsicmp(full, full_other) == 0;
    free(full);
    free(full_other);
    return is_same;
}

static int64_t os_free_space(void *context, const char *path)
{
    (void)context;
    wchar_t *wide = wide_path(path);
    wchar_t *full = wide == NULL ? NULL : _wfullpath(NULL, wide, 0);
    free(wide);
    if (full == NULL) {
        return -EINVAL;
    }
    /* The C runtime can ask drives only: nothing is known of a share. */
    const unsigned drive = full[1] == L':' ? (unsigned)(full[0] & 0x1F) : 0u;
    free(full);
    struct _diskfree_t space;
    if (drive == 0 || _getdiskfree(drive, &space) != 0) {
        return -ENOSYS;
    }
    return (int64_t)space.avail_clusters * space.sectors_per_cluster * space.bytes_per_sector;
}

#else
#include <sys/mman.h>
#include <sys/statvfs.h>

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

static int os_open(void *context, const char *path, etw_open_mode mode)
{
    (void)context;
    const int file = open(path, open_flags(mode), S_IRUSR | S_IWUSR);
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
    const int file = mkostemp(path, O_CLOEXEC);
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

static int os_kind(void *context, const char *path)
{
    (void)context;
    struct stat status;
    if (lstat(path, &status) != 0) {
        return errno == ENOENT ? ETW_PATH_NOTHING : -errno;
    }
    return S_ISREG(status.st_mode) ? ETW_PATH_FILE : ETW_PATH_OTHER;
}

bool etw_os_is_same_file(const char *path, const char *other)
{
    struct stat status, status_of_other;
    return stat(path, &status) == 0 && stat(other, &status_of_other) == 0 &&
           status.st_dev == status_of_other.st_dev && status.st_ino == status_of_other.st_ino;
}

/* The system would replace whatever is there: for root, /dev/null too. */
static int os_rename(void *context, const char *from, const char *to)
{
    struct stat status;
    if (lstat(to, &status) == 0 && S_ISLNK(status.st_mode)) {
        return -ELOOP;
    }
    if (os_kind(context, to) == ETW_PATH_OTHER) {
        return -EEXIST;
    }
    return rename(from, to) == 0 ? 0 : -errno;
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

/* The directory part of path, "." where it has none; owned by the caller. */
static char *directory_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL) {
        return strdup(".");
    }
    return strndup(path, slash == path ? 1 : (size_t)(slash - path));
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
#endif

static int64_t os_read(void *context, int file, void *into, size_t size)
{
    (void)context;
#ifdef _WIN32
    const int got = _read(file, into, (unsigned)call_size(size));
#else
    const ssize_t got = read(file, into, call_size(size));
#endif
    return got < 0 ? -errno : got;
}

#ifdef _WIN32
/* A disk that becomes full may take a part. Wine's runtime calls that a failure, with whatever
 * error there was before; to write the part again would tear the block. Where the file stands,
 * tells. */
static int64_t os_write(void *context, int file, const void *from, size_t size)
{
    (void)context;
    const int64_t before = _telli64(file);
    const int put = _write(file, from, (unsigned)call_size(size));
    const int failed = errno;
    if (put >= 0) {
        return put;
    }
    const int64_t after = before < 0 ? before : _telli64(file);
    return after > before ? after - before : -failed;
}
#else
static int64_t os_write(void *context, int file, const void *from, size_t size)
{
    (void)context;
    const ssize_t put = write(file, from, call_size(size));
    return put < 0 ? -errno : put;
}
#endif

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
    return UNIX_EPOCH_100NS + (int64_t)now.tv_sec * 10000000 + now.tv_nsec / 100;
}

static int64_t os_monotonic_ns(void *context)
{
    (void)context;
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

#ifdef MADV_HUGEPAGE
/* A huge page of x86-64, and of arm64 with pages of 4 KiB. */
#define LARGE_PIECE ((size_t)2 << 20)

static size_t whole_pieces(size_t size)
{
    return (size + LARGE_PIECE - 1) & ~(LARGE_PIECE - 1);
}

void *etw_os_alloc_large(size_t size_bytes)
{
    return aligned_alloc(LARGE_PIECE, whole_pieces(size_bytes));
}

void etw_os_expect_use(void *memory, size_t size_bytes)
{
    /* Without a last piece of which half would be cleared for nothing. */
    const size_t worth = (size_bytes + LARGE_PIECE / 2 - 1) & ~(LARGE_PIECE - 1);
    if (worth > 0) {
        (void)madvise(memory, worth, MADV_HUGEPAGE);
    }
}
#else
void *etw_os_alloc_large(size_t size_bytes)
{
    return malloc(size_bytes);
}

void etw_os_expect_use(void *memory, size_t size_bytes)
{
    (void)memory;
    (void)size_bytes;
}
#endif

void etw_os_use_binary_stdio(void)
{
#ifdef _WIN32
    (void)_setmode(ETW_FILE_STDIN, _O_BINARY);
    (void)_setmode(ETW_FILE_STDOUT, _O_BINARY);
#endif
}

#ifdef _WIN32
/* UTF-16 to UTF-8; owned by the caller. */
static char *narrow(const wchar_t *wide)
{
    etw_text text = {0};
    etw_text_append_utf16(&text, (const uint8_t *)wide, wcslen(wide) * sizeof *wide,
                          ETW_ESCAPE_NONE);
    char *utf8 = strdup(etw_text_z(&text));
    etw_text_free(&text);
    return utf8;
}

/* Of the C runtime (msvcrt and ucrt both export it); only the runtime's private header declares it.
 */
extern int __wgetmainargs(int *count, wchar_t ***arguments, wchar_t ***environment,
                          int expand_wildcards, int *new_mode);

char **etw_os_utf8_arguments(int *argc, char **argv)
{
    (void)argv;
    int new_mode = 0;
    wchar_t **wide = NULL, **environment = NULL;
    /* Wildcards stay as typed: a name with a bracket in it must not become another file. */
    if (__wgetmainargs(argc, &wide, &environment, 0, &new_mode) != 0) {
        return NULL;
    }
    char **utf8 = calloc((size_t)*argc + 1, sizeof *utf8);
    for (int i = 0; utf8 != NULL && i < *argc; i++) {
        utf8[i] = narrow(wide[i]);
        if (utf8[i] == NULL) {
            return NULL;
        }
    }
    return utf8;
}
#else
char **etw_os_utf8_arguments(int *argc, char **argv)
{
    (void)argc;
    return argv;
}
#endif

#ifdef _WIN32
typedef _WDIR folder;

static folder *open_folder(const char *path)
{
    wchar_t *wide = wide_path(path);
    folder *opened = wide == NULL ? NULL : _wopendir(wide);
    free(wide);
    return opened;
}

/* Owned by the caller; NULL at the end, and where memory is out. */
static char *next_name(folder *from)
{
    const struct _wdirent *entry = _wreaddir(from);
    return entry == NULL ? NULL : narrow(entry->d_name);
}

static void close_folder(folder *opened)
{
    (void)_wclosedir(opened);
}
#else
typedef DIR folder;

static folder *open_folder(const char *path)
{
    return opendir(path);
}

/* Owned by the caller; NULL at the end, and where memory is out. */
static char *next_name(folder *from)
{
    const struct dirent *entry = readdir(from);
    return entry == NULL ? NULL : strdup(entry->d_name);
}

static void close_folder(folder *opened)
{
    (void)closedir(opened);
}
#endif

static int os_list(void *context, const char *path, void (*take)(void *into, const char *name),
                   void *into)
{
    (void)context;
    errno = 0;
    folder *opened = open_folder(path);
    if (opened == NULL) {
        return errno == 0 ? -EINVAL : -errno;
    }
    errno = 0;
    for (char *name = next_name(opened); name != NULL; name = next_name(opened)) {
        take(into, name);
        free(name);
        errno = 0;
    }
    const int failed = errno;
    close_folder(opened);
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
        .kind = os_kind,
        .free_space = os_free_space,
        .filetime_now = os_filetime_now,
        .monotonic_ns = os_monotonic_ns,
        .list = os_list,
    };
    return &real;
}

etw_status etw_os_read_full(const etw_os *os, int file, void *into, size_t size, size_t *got,
                            etw_error *error)
{
    *got = 0;
    while (*got < size) {
        const int64_t count = os->read(os->context, file, (uint8_t *)into + *got, size - *got);
        if (count == -EINTR) {
            continue;
        }
        if (count < 0) {
            return etw_error_set_os(error, (int)-count, "reading");
        }
        if (count == 0) {
            break;
        }
        *got += (size_t)count;
    }
    return ETW_OK;
}

etw_status etw_os_read_at_full(const etw_os *os, int file, void *into, size_t size, uint64_t offset,
                               size_t *got, etw_error *error)
{
    *got = 0;
    while (*got < size) {
        const int64_t count =
            os->read_at(os->context, file, (uint8_t *)into + *got, size - *got, offset + *got);
        if (count == -EINTR) {
            continue;
        }
        if (count < 0) {
            return etw_error_set_os(error, (int)-count, "reading at offset 0x%llx",
                                    (unsigned long long)(offset + *got));
        }
        if (count == 0) {
            break;
        }
        *got += (size_t)count;
    }
    return ETW_OK;
}

etw_status etw_os_write_full(const etw_os *os, int file, const void *from, size_t size,
                             size_t *written, etw_error *error)
{
    size_t done = 0;
    etw_status status = ETW_OK;
    while (done < size) {
        const int64_t count =
            os->write(os->context, file, (const uint8_t *)from + done, size - done);
        if (count == -EINTR) {
            continue;
        }
        if (count <= 0) {
            /* A write that takes nothing would loop for ever; the target is as good as full. */
            status = etw_error_set_os(error, count == 0 ? ENOSPC : (int)-count, "writing");
            break;
        }
        done += (size_t)count;
    }
    if (written != NULL) {
        *written = done;
    }
    return status;
}
