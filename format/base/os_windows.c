#include "format/base/os.h"

#include "format/base/text.h"
#include "format/base/wide_path.h"

#include <errno.h>
#include <fcntl.h>
#include <io.h>
#include <share.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <windows.h>

/* One read or write call: the runtime takes 32 bits. */
#define MAX_CALL_BYTES ((size_t)1 << 30)

static size_t call_size(size_t size)
{
    return size < MAX_CALL_BYTES ? size : MAX_CALL_BYTES;
}

/* The errno of a Win32 error, as the C runtime has it, for the calls made here. */
static int error_number(DWORD error)
{
    static const struct {
        DWORD win32;
        int number;
    } numbers[] = {
        {ERROR_FILE_NOT_FOUND, ENOENT},    {ERROR_PATH_NOT_FOUND, ENOENT},
        {ERROR_INVALID_DRIVE, ENOENT},     {ERROR_BAD_NETPATH, ENOENT},
        {ERROR_BAD_NET_NAME, ENOENT},      {ERROR_BAD_PATHNAME, ENOENT},
        {ERROR_INVALID_NAME, ENOENT},      {ERROR_ACCESS_DENIED, EACCES},
        {ERROR_SHARING_VIOLATION, EACCES}, {ERROR_LOCK_VIOLATION, EACCES},
        {ERROR_WRITE_PROTECT, EACCES},     {ERROR_FILE_EXISTS, EEXIST},
        {ERROR_ALREADY_EXISTS, EEXIST},    {ERROR_NOT_SAME_DEVICE, EXDEV},
        {ERROR_DIRECTORY, ENOTDIR},        {ERROR_DISK_FULL, ENOSPC},
        {ERROR_HANDLE_DISK_FULL, ENOSPC},  {ERROR_NOT_ENOUGH_MEMORY, ENOMEM},
        {ERROR_OUTOFMEMORY, ENOMEM},       {ERROR_FILENAME_EXCED_RANGE, ENAMETOOLONG},
        {ERROR_INVALID_FUNCTION, ENOSYS},  {ERROR_NOT_SUPPORTED, ENOSYS},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (numbers[i].win32 == error) {
            return numbers[i].number;
        }
    }
    return EINVAL;
}

static int last_error(void)
{
    return -error_number(GetLastError());
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
    wchar_t *wide = etw_wide_path(path);
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
    const int flags =
        _O_RDWR | _O_APPEND | _O_CREAT | _O_EXCL | _O_BINARY | _O_NOINHERIT | _O_TEMPORARY;
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

static int64_t os_read(void *context, int file, void *into, size_t size)
{
    (void)context;
    const int got = _read(file, into, (unsigned)call_size(size));
    return got < 0 ? -errno : got;
}

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
static int os_close(void *context, int file)
{
    (void)context;
    return _close(file) == 0 ? 0 : -errno;
}

/* Of a reparse point: whether it names something else (a link, a junction, a mount point). Files in
 * the cloud and deduplicated ones are reparse points too, but files all the same. */
static bool is_link(const wchar_t *path)
{
    WIN32_FIND_DATAW found;
    const HANDLE search = FindFirstFileW(path, &found);
    if (search == INVALID_HANDLE_VALUE) {
        return true;
    }
    (void)FindClose(search);
    return IsReparseTagNameSurrogate(found.dwReserved0);
}

static int kind_of(const wchar_t *path)
{
    WIN32_FILE_ATTRIBUTE_DATA data;
    if (etw_is_device_path(path)) {
        return ETW_PATH_OTHER;
    }
    if (!GetFileAttributesExW(path, GetFileExInfoStandard, &data)) {
        const int failed = last_error();
        return failed == -ENOENT ? ETW_PATH_NOTHING : failed;
    }
    if ((data.dwFileAttributes & FILE_ATTRIBUTE_REPARSE_POINT) != 0 && is_link(path)) {
        return ETW_PATH_OTHER;
    }
    return (data.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) != 0 ? ETW_PATH_FOLDER
                                                                   : ETW_PATH_FILE;
}

static int os_kind(void *context, const char *path)
{
    (void)context;
    wchar_t *wide = etw_wide_path(path);
    const int kind = wide == NULL ? -EINVAL : kind_of(wide);
    free(wide);
    return kind;
}

/* Atomic on NTFS: a reader sees the old file or the new one. */
static int replace_file(const wchar_t *from, const wchar_t *to)
{
    if (kind_of(to) >= ETW_PATH_OTHER) {
        return -EEXIST;
    }
    return MoveFileExW(from, to, MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH) ? 0
                                                                                     : last_error();
}

static int os_rename(void *context, const char *from, const char *to)
{
    (void)context;
    wchar_t *wide_from = etw_wide_path(from), *wide_to = etw_wide_path(to);
    const int result =
        wide_from == NULL || wide_to == NULL ? -EINVAL : replace_file(wide_from, wide_to);
    free(wide_from);
    free(wide_to);
    return result;
}

static int os_remove(void *context, const char *path)
{
    (void)context;
    wchar_t *wide = etw_wide_path(path);
    const int result = wide == NULL ? -EINVAL : DeleteFileW(wide) ? 0 : last_error();
    free(wide);
    return result;
}

/* A file's volume and its number there, the same under each of its names; false where path leads to
 * no file. */
static bool identify(const char *path, BY_HANDLE_FILE_INFORMATION *information)
{
    wchar_t *wide = etw_wide_path(path);
    const DWORD share = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
    const HANDLE file =
        wide == NULL || etw_is_device_path(wide)
            ? INVALID_HANDLE_VALUE
            : CreateFileW(wide, 0, share, NULL, OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, NULL);
    free(wide);
    if (file == INVALID_HANDLE_VALUE) {
        return false;
    }
    const bool is_known = GetFileInformationByHandle(file, information);
    (void)CloseHandle(file);
    return is_known;
}

static int64_t filetime_of(FILETIME time)
{
    return (int64_t)(((uint64_t)time.dwHighDateTime << 32) | time.dwLowDateTime);
}

static int os_state(void *context, const char *path, etw_file_state *state)
{
    (void)context;
    BY_HANDLE_FILE_INFORMATION known;
    if (!identify(path, &known)) {
        return -EACCES;
    }
    *state = (etw_file_state){
        .identity = {.volume = known.dwVolumeSerialNumber,
                     .file = ((uint64_t)known.nFileIndexHigh << 32) | known.nFileIndexLow},
        .size_bytes = ((uint64_t)known.nFileSizeHigh << 32) | known.nFileSizeLow,
        .modified_100ns = filetime_of(known.ftLastWriteTime)};
    return 0;
}

bool etw_os_is_same_file(const char *path, const char *other)
{
    BY_HANDLE_FILE_INFORMATION one, two;
    return identify(path, &one) && identify(other, &two) &&
           one.dwVolumeSerialNumber == two.dwVolumeSerialNumber &&
           one.nFileIndexHigh == two.nFileIndexHigh && one.nFileIndexLow == two.nFileIndexLow;
}

static int os_identity(void *context, int file, etw_file_identity *identity)
{
    (void)context;
    BY_HANDLE_FILE_INFORMATION known;
    if (!GetFileInformationByHandle((HANDLE)_get_osfhandle(file), &known)) {
        return last_error();
    }
    identity->volume = known.dwVolumeSerialNumber;
    identity->file = (uint64_t)known.nFileIndexHigh << 32 | known.nFileIndexLow;
    return 0;
}

/* Of the folder that path is in, so that a share or a volume mounted there is asked itself. A share
 * is only taken with a backslash at its end. */
static int64_t os_free_space(void *context, const char *path)
{
    (void)context;
    wchar_t *wide = etw_wide_path(path);
    wchar_t *full = wide == NULL ? NULL : etw_absolute_path(wide);
    free(wide);
    wchar_t *last = full == NULL ? NULL : wcsrchr(full, L'\\');
    ULARGE_INTEGER free_bytes;
    int64_t result = -EINVAL;
    if (last != NULL) {
        last[1] = L'\0';
        result = GetDiskFreeSpaceExW(full, &free_bytes, NULL, NULL)
                     ? (int64_t)(free_bytes.QuadPart & INT64_MAX)
                     : last_error();
    }
    free(full);
    return result;
}

static int64_t os_filetime_now(void *context)
{
    (void)context;
    FILETIME now;
    GetSystemTimePreciseAsFileTime(&now);
    return filetime_of(now);
}

static int64_t os_monotonic_ns(void *context)
{
    (void)context;
    LARGE_INTEGER ticks, per_second;
    (void)QueryPerformanceFrequency(&per_second);
    (void)QueryPerformanceCounter(&ticks);
    return ticks.QuadPart / per_second.QuadPart * 1000000000 +
           ticks.QuadPart % per_second.QuadPart * 1000000000 / per_second.QuadPart;
}

/* path with \* at its end, which stands for all names in it; owned by the caller. */
static wchar_t *search_of(const char *path)
{
    etw_text text = {0};
    etw_text_append_z(&text, path);
    etw_text_append_z(&text, "\\*");
    wchar_t *search = text.failed ? NULL : etw_wide_path(etw_text_z(&text));
    etw_text_free(&text);
    return search;
}

static int os_make_folder(void *context, const char *path)
{
    (void)context;
    wchar_t *wide = etw_wide_path(path);
    const int result = wide == NULL ? -EINVAL : CreateDirectoryW(wide, NULL) ? 0 : last_error();
    free(wide);
    return result;
}

static int os_list(void *context, const char *path, void (*take)(void *into, const char *name),
                   void *into)
{
    WIN32_FIND_DATAW found;
    const int kind = os_kind(context, path);
    if (kind != ETW_PATH_OTHER && kind != ETW_PATH_FOLDER) {
        return kind < 0 ? kind : kind == ETW_PATH_FILE ? -ENOTDIR : -ENOENT;
    }
    wchar_t *pattern = search_of(path);
    const HANDLE search = pattern == NULL ? INVALID_HANDLE_VALUE : FindFirstFileW(pattern, &found);
    free(pattern);
    if (search == INVALID_HANDLE_VALUE) {
        return pattern == NULL ? -EINVAL : last_error();
    }
    int result = 0;
    do {
        char *name = etw_text_of_wide(found.cFileName);
        if (name == NULL) {
            result = -ENOMEM;
            break;
        }
        take(into, name);
        free(name);
    } while (FindNextFileW(search, &found));
    (void)FindClose(search);
    return result;
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
        .free_space = os_free_space,
        .filetime_now = os_filetime_now,
        .monotonic_ns = os_monotonic_ns,
        .make_folder = os_make_folder,
        .state = os_state,
        .list = os_list,
    };
    return &real;
}
