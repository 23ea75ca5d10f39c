/* What os.h tells of the process: its streams and terminal, environment, threads and memory. */
#include "format/base/os.h"

#include "format/base/wait.h"
#include "format/base/wide_path.h"

#include <errno.h>
#include <fcntl.h>
#include <io.h>
#include <share.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <windows.h>

/* RtlGenRandom, which needs no provider; ntsecapi.h declares it under this name. */
extern BOOLEAN NTAPI SystemFunction036(PVOID buffer, ULONG size);

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

const char etw_os_path_separator = ';';

char *etw_os_environment(const char *name)
{
    wchar_t *wide = etw_wide_text(name);
    const wchar_t *value = wide == NULL ? NULL : _wgetenv(wide);
    free(wide);
    return value == NULL || *value == L'\0' ? NULL : etw_text_of_wide(value);
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
    return (uint64_t)etw_os_default()->monotonic_ns(NULL) ^ (uint64_t)(uintptr_t)&value << 16;
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
    wchar_t *wide = etw_wide_path(path);
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
        utf8[i] = etw_text_of_wide(wide[i]);
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
    char *utf8 = GetComputerNameW(wide, &size) ? etw_text_of_wide(wide) : NULL;
    (void)snprintf(name, ETW_OS_HOST_NAME_SIZE, "%s", utf8 == NULL ? "localhost" : utf8);
    free(utf8);
}
