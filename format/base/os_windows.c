#include "format/base/os.h"

#include "format/base/text.h"
#include "format/base/wait.h"

#include <errno.h>
#include <fcntl.h>
#include <io.h>
#include <share.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <wchar.h>

#include <windows.h>

/* RtlGenRandom, which needs no provider; ntsecapi.h declares it under this name. */
extern BOOLEAN NTAPI SystemFunction036(PVOID buffer, ULONG size);

/* One read or write call: the runtime takes 32 bits. */
#define MAX_CALL_BYTES ((size_t)1 << 30)

/* The system's own limit for a path with the prefix \\?\. */
#define MAX_WIDE_PATH 32768u
/* Without the prefix MAX_PATH is the limit, less a name of 8.3 where the path is a folder's. */
#define MAX_SHORT_PATH (MAX_PATH - 12u)

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

/* UTF-8 to UTF-16; owned by the caller, NULL where it is no UTF-8. */
static wchar_t *widen(const char *path)
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

static bool has_prefix(const wchar_t *path, const wchar_t *prefix)
{
    return wcsncmp(path, prefix, wcslen(prefix)) == 0;
}

/* The absolute path; owned by the caller. */
static wchar_t *absolute(const wchar_t *path)
{
    const DWORD size = GetFullPathNameW(path, 0, NULL, NULL);
    wchar_t *full = size == 0 ? NULL : malloc(size * sizeof *full);
    if (full != NULL && GetFullPathNameW(path, size, full, NULL) >= size) {
        free(full);
        return NULL;
    }
    return full;
}

/* \\?\ before an absolute path, \\?\UNC before that of a share; owned by the caller. */
static wchar_t *prefixed(const wchar_t *full)
{
    const bool is_share = has_prefix(full, L"\\\\");
    const wchar_t *prefix = is_share ? L"\\\\?\\UNC" : L"\\\\?\\";
    const wchar_t *rest = is_share ? full + 1 : full;
    wchar_t *path = malloc((wcslen(prefix) + wcslen(rest) + 1) * sizeof *path);
    if (path != NULL) {
        (void)wcscpy(path, prefix);
        (void)wcscat(path, rest);
    }
    return path;
}

/* As the calls below take it: a path above MAX_PATH needs the prefix, which switches off what the
 * system does to names, and so is kept from all others. Owned by the caller; NULL where path is no
 * UTF-8, and where memory is out. */
static wchar_t *wide_path(const char *path)
{
    wchar_t *wide = widen(path);
    if (wide == NULL || has_prefix(wide, L"\\\\?\\") || has_prefix(wide, L"\\\\.\\")) {
        return wide;
    }
    wchar_t *full = absolute(wide);
    if (full == NULL || wcslen(full) < MAX_SHORT_PATH || has_prefix(full, L"\\\\.\\")) {
        free(full);
        return wide;
    }
    free(wide);
    wchar_t *longer = prefixed(full);
    free(full);
    return longer;
}

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

/* NUL, CON and their like, wherever they are named: asked for its attributes, NUL is a file. */
static bool is_device(const wchar_t *path)
{
    wchar_t *full = has_prefix(path, L"\\\\?\\") ? NULL : absolute(path);
    const bool is = full != NULL && has_prefix(full, L"\\\\.\\");
    free(full);
    return is;
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
    if (is_device(path)) {
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
    wchar_t *wide = wide_path(path);
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
    wchar_t *wide_from = wide_path(from), *wide_to = wide_path(to);
    const int result =
        wide_from == NULL || wide_to == NULL ? -EINVAL : replace_file(wide_from, wide_to);
    free(wide_from);
    free(wide_to);
    return result;
}

static int os_remove(void *context, const char *path)
{
    (void)context;
    wchar_t *wide = wide_path(path);
    const int result = wide == NULL ? -EINVAL : DeleteFileW(wide) ? 0 : last_error();
    free(wide);
    return result;
}

/* A file's volume and its number there, the same under each of its names; false where path leads to
 * no file. */
static bool identify(const char *path, BY_HANDLE_FILE_INFORMATION *information)
{
    wchar_t *wide = wide_path(path);
    const DWORD share = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
    const HANDLE file =
        wide == NULL || is_device(wide)
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

int32_t etw_os_utc_offset_minutes(int64_t second)
{
    const ULARGE_INTEGER utc = {.QuadPart = (ULONGLONG)second * 10000000};
    const FILETIME file_time = {utc.LowPart, utc.HighPart};
    SYSTEMTIME as_utc, as_local;
    FILETIME local;
    if (second < 0 || !FileTimeToSystemTime(&file_time, &as_utc) ||
        !SystemTimeToTzSpecificLocalTime(NULL, &as_utc, &as_local) ||
        !SystemTimeToFileTime(&as_local, &local)) {
        return 0;
    }
    const ULARGE_INTEGER shown = {.LowPart = local.dwLowDateTime, .HighPart = local.dwHighDateTime};
    return (int32_t)(((int64_t)(shown.QuadPart / 10000000) - second) / 60);
}

uint32_t etw_os_terminal_width(int file)
{
    CONSOLE_SCREEN_BUFFER_INFO info;
    return GetConsoleScreenBufferInfo((HANDLE)_get_osfhandle(file), &info) && info.dwSize.X > 0
               ? (uint32_t)info.dwSize.X
               : 0;
}

bool etw_os_terminal_colors(int file)
{
    DWORD mode;
    const HANDLE handle = (HANDLE)_get_osfhandle(file);
    return GetConsoleMode(handle, &mode) &&
           SetConsoleMode(handle, mode | ENABLE_VIRTUAL_TERMINAL_PROCESSING);
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
    wchar_t *wide = wide_path(path);
    wchar_t *full = wide == NULL ? NULL : absolute(wide);
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
    wchar_t *search = text.failed ? NULL : wide_path(etw_text_z(&text));
    etw_text_free(&text);
    return search;
}

const char etw_os_path_separator = ';';

char *etw_os_environment(const char *name)
{
    wchar_t *wide = wide_path(name);
    const wchar_t *value = wide == NULL ? NULL : _wgetenv(wide);
    free(wide);
    return value == NULL || *value == L'\0' ? NULL : narrow(value);
}

static int os_make_folder(void *context, const char *path)
{
    (void)context;
    wchar_t *wide = wide_path(path);
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
        char *name = narrow(found.cFileName);
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

void etw_condition_init(pthread_cond_t *condition)
{
    (void)pthread_cond_init(condition, NULL);
}

/* winpthreads waits by the wall clock, but for this call, which takes a time from now on. */
void etw_condition_wait(pthread_cond_t *condition, pthread_mutex_t *mutex, int64_t wait_ns)
{
    const struct timespec wait = {.tv_sec = (time_t)(wait_ns / 1000000000),
                                  .tv_nsec = (long)(wait_ns % 1000000000)};
    (void)pthread_cond_timedwait_relative_np(condition, mutex, &wait);
}

uint64_t etw_os_random(void)
{
    uint64_t value;
    if (SystemFunction036(&value, sizeof value)) {
        return value;
    }
    return (uint64_t)os_monotonic_ns(NULL) ^ (uint64_t)(uintptr_t)&value << 16;
}

uint32_t etw_os_processors(void)
{
    DWORD_PTR mine;
    DWORD_PTR all;
    if (!GetProcessAffinityMask(GetCurrentProcess(), &mine, &all) || mine == 0) {
        /* 0: the process is in several groups, each with up to 64. */
        SYSTEM_INFO info;
        GetSystemInfo(&info);
        return info.dwNumberOfProcessors > 0 ? info.dwNumberOfProcessors : 1;
    }
    return (uint32_t)__builtin_popcountll(mine);
}

void *etw_os_alloc_large(size_t size_bytes)
{
    return malloc(size_bytes);
}

void etw_os_expect_use(void *memory, size_t size_bytes)
{
    (void)memory;
    (void)size_bytes;
}

/* A process without a console, a service, has no descriptor 2, and a stream that not every C
 * runtime reopens (Wine's does not): it takes over another's, as a page of Microsoft's did it for
 * such programs ("Calling CRT Output Routines from a GUI Application"). file is closed or used. */
static int reopen_stderr(const wchar_t *path, int file)
{
    errno = 0;
    if (_fileno(stderr) >= 0) {
        (void)_close(file);
        return _wfreopen(path, L"ab", stderr) == NULL ? -(errno == 0 ? EBADF : errno) : 0;
    }
    FILE *stream = _fdopen(file, "ab");
    if (stream == NULL) {
        (void)_close(file);
        return -(errno == 0 ? EBADF : errno);
    }
    *stderr = *stream;
    return 0;
}

int etw_os_append_stderr_to(const char *path)
{
    wchar_t *wide = wide_path(path);
    if (wide == NULL) {
        return -ENOMEM;
    }
    /* Looked at before: a reopening that fails leaves no stream to say so. */
    const int file = _wsopen(wide, _O_WRONLY | _O_APPEND | _O_CREAT | _O_BINARY, _SH_DENYNO,
                             _S_IREAD | _S_IWRITE);
    const int result = file < 0 ? -errno : reopen_stderr(wide, file);
    (void)setvbuf(stderr, NULL, _IONBF, 0);
    free(wide);
    return result;
}

/* The console outlives the process, which runs alone on it for as long. */
static UINT console_before;

static void put_code_page_back(void)
{
    (void)SetConsoleOutputCP(console_before);
}

void etw_os_use_utf8_console(void)
{
    console_before = GetConsoleOutputCP();
    if (console_before != 0 && console_before != CP_UTF8 && SetConsoleOutputCP(CP_UTF8)) {
        (void)atexit(put_code_page_back);
    }
}

void etw_os_use_binary_stdio(void)
{
    (void)_setmode(ETW_FILE_STDIN, _O_BINARY);
    (void)_setmode(ETW_FILE_STDOUT, _O_BINARY);
    (void)_setmode(_fileno(stderr), _O_BINARY);
    (void)setvbuf(stderr, NULL, _IONBF, 0); /* what is written at once reaches a console at once */
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

/* The C runtime reports a closed pipe as EINVAL. */
bool etw_os_is_reader_gone(int32_t os_code)
{
    return os_code == EPIPE || os_code == EINVAL;
}

void etw_os_host_name(char name[ETW_OS_HOST_NAME_SIZE])
{
    wchar_t wide[MAX_COMPUTERNAME_LENGTH + 1];
    DWORD size = MAX_COMPUTERNAME_LENGTH + 1;
    char *utf8 = GetComputerNameW(wide, &size) ? narrow(wide) : NULL;
    (void)snprintf(name, ETW_OS_HOST_NAME_SIZE, "%s", utf8 == NULL ? "localhost" : utf8);
    free(utf8);
}
