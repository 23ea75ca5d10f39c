/* What os.h tells of the process: its streams and terminal, environment, threads and memory. */
#include "format/base/os.h"

#include "format/base/wait.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* 1970-01-01T00:00:00Z, in seconds since 1601. */
#define UNIX_EPOCH_SECONDS INT64_C(11644473600)

int32_t etw_os_utc_offset_minutes(int64_t second)
{
    const time_t time = (time_t)(second - UNIX_EPOCH_SECONDS);
    struct tm local;
    return localtime_r(&time, &local) == NULL ? 0 : (int32_t)(local.tm_gmtoff / 60);
}

uint32_t etw_os_terminal_width(int file)
{
    struct winsize size;
    return isatty(file) != 0 && ioctl(file, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

bool etw_os_terminal_colors(int file)
{
    const char *kind = getenv("TERM");
    return isatty(file) != 0 && kind != NULL && strcmp(kind, "dumb") != 0;
}

const char etw_os_path_separator = ':';

char *etw_os_environment(const char *name)
{
    const char *value = getenv(name);
    return value == NULL || *value == '\0' ? NULL : strdup(value);
}

void etw_condition_init(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(condition, &attributes);
    (void)pthread_condattr_destroy(&attributes);
}

void etw_condition_wait(pthread_cond_t *condition, pthread_mutex_t *mutex, int64_t wait_ns)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    const int64_t nanoseconds = until.tv_nsec + wait_ns % 1000000000;
    until.tv_sec += (time_t)(wait_ns / 1000000000 + nanoseconds / 1000000000);
    until.tv_nsec = (long)(nanoseconds % 1000000000);
    (void)pthread_cond_timedwait(condition, mutex, &until);
}

uint64_t etw_os_random(void)
{
    uint64_t value;
    if (getrandom(&value, sizeof value, GRND_NONBLOCK) == (ssize_t)sizeof value) {
        return value;
    }
    /* No entropy yet, early at boot: where the stack lies, and the time. */
    return (uint64_t)etw_os_default()->monotonic_ns(NULL) ^ (uint64_t)(uintptr_t)&value << 16;
}

uint32_t etw_os_processors(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0) {
        const int count = CPU_COUNT(&set);
        return count > 0 ? (uint32_t)count : 1;
    }
    const long online = sysconf(_SC_NPROCESSORS_ONLN); /* more than the set has room for */
    return online > 0 ? (uint32_t)online : 1;
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
    /* With a last piece of which a quarter is used: to clear the rest costs less than a fault for
     * each of its small pages. */
    const size_t worth = (size_bytes + LARGE_PIECE - LARGE_PIECE / 4) & ~(LARGE_PIECE - 1);
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

int etw_os_append_stderr_to(const char *path)
{
    const int file = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (file < 0) {
        return -errno;
    }
    const int result = dup2(file, STDERR_FILENO) < 0 ? -errno : 0;
    (void)close(file);
    return result;
}

void etw_os_use_utf8_console(void)
{
}

void etw_os_use_binary_stdio(void)
{
}

char **etw_os_utf8_arguments(int *argc, char **argv)
{
    (void)argc;
    return argv;
}

bool etw_os_is_reader_gone(int32_t os_code)
{
    return os_code == EPIPE;
}

void etw_os_host_name(char name[ETW_OS_HOST_NAME_SIZE])
{
    if (gethostname(name, ETW_OS_HOST_NAME_SIZE - 1) != 0 || name[0] == '\0') {
        (void)snprintf(name, ETW_OS_HOST_NAME_SIZE, "localhost");
    }
    name[ETW_OS_HOST_NAME_SIZE - 1] = '\0';
}
