/* For LD_PRELOAD: threads of a program cannot be started, as where a limit of processes is met.
 *
 * ETW_TEST_FAIL_THREAD=N      the N-th and all after it are not, from 1
 * ETW_TEST_COUNT_FILE=PATH    how many were started, at the end */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

typedef int (*creating)(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                        void *context);

static atomic_ullong calls;
static atomic_ullong started;

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                   void *context)
{
    const char *value = getenv("ETW_TEST_FAIL_THREAD");
    const unsigned long long first_failing = value == NULL ? ~0ULL : strtoull(value, NULL, 10);
    creating create;
    *(void **)(void *)&create = dlsym(RTLD_NEXT, "pthread_create");
    if (create == NULL || atomic_fetch_add(&calls, 1) + 1 >= first_failing) {
        return EAGAIN;
    }
    const int result = create(thread, attributes, run, context);
    if (result == 0) {
        atomic_fetch_add(&started, 1);
    }
    return result;
}

__attribute__((destructor)) static void end(void)
{
    const char *path = getenv("ETW_TEST_COUNT_FILE");
    FILE *file = path == NULL ? NULL : fopen(path, "w");
    if (file != NULL) {
        (void)fprintf(file, "%llu", atomic_load(&started));
        (void)fclose(file);
    }
}
