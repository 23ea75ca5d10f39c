/* For LD_PRELOAD: one allocation of a program fails, as it does where memory is out.
 *
 * ETW_TEST_FAIL_ALLOCATION=N  the N-th allocation fails, from 1
 * ETW_TEST_FAIL_FOR=M         and the M - 1 after it (default 1; 0: all after it)
 * ETW_TEST_COUNT_FILE=PATH    how many allocations there were, at the end
 *
 * Programs that it runs are left alone. */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

/* glibc's own, behind the names that are replaced here. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);

static atomic_ullong calls;
static unsigned long long first_failing = ~0ULL;
static unsigned long long last_failing;

static unsigned long long number_of(const char *name, unsigned long long otherwise)
{
    const char *value = getenv(name);
    return value == NULL ? otherwise : strtoull(value, NULL, 10);
}

__attribute__((constructor)) static void begin(void)
{
    const unsigned long long length = number_of("ETW_TEST_FAIL_FOR", 1);
    first_failing = number_of("ETW_TEST_FAIL_ALLOCATION", ~0ULL);
    last_failing = length == 0 ? ~0ULL : first_failing + length - 1;
    atomic_store(&calls, 0);
    (void)unsetenv("LD_PRELOAD"); /* the programs that it runs have memory */
}

__attribute__((destructor)) static void end(void)
{
    const char *path = getenv("ETW_TEST_COUNT_FILE");
    const unsigned long long count = atomic_load(&calls);
    FILE *file = path == NULL ? NULL : fopen(path, "w");
    if (file != NULL) {
        (void)fprintf(file, "%llu", count);
        (void)fclose(file);
    }
}

static int fails(void)
{
    const unsigned long long call = atomic_fetch_add(&calls, 1) + 1;
    if (call < first_failing || call > last_failing) {
        return 0;
    }
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
    return fails() ? NULL : __libc_realloc(memory, size);
}
