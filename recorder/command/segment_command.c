#include "recorder/command/segment_command.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct etw_segment_command {
    const char *command;
    void (*report)(const etw_error *error);
    pthread_t thread;
    pthread_mutex_t mutex; /* guards what follows */
    pthread_cond_t changed;
    char *waiting[ETW_SEGMENT_COMMAND_MAX_WAITING]; /* from first on, round and round */
    uint32_t first, count;
    uint32_t failures;
    bool ended;
};

/* With the mutex. */
static void fail(etw_segment_command *commands, const etw_error *error)
{
    commands->failures++;
    commands->report(error);
}

static char *take_next(etw_segment_command *commands)
{
    (void)pthread_mutex_lock(&commands->mutex);
    while (commands->count == 0 && !commands->ended) {
        (void)pthread_cond_wait(&commands->changed, &commands->mutex);
    }
    char *path = NULL;
    if (commands->count > 0) {
        path = commands->waiting[commands->first];
        commands->first = (commands->first + 1) % ETW_SEGMENT_COMMAND_MAX_WAITING;
        commands->count--;
    }
    (void)pthread_mutex_unlock(&commands->mutex);
    return path;
}

static void *run_all(void *context)
{
    etw_segment_command *commands = context;
    for (char *path; (path = take_next(commands)) != NULL; free(path)) {
        etw_error error = {0};
        if (etw_command_run(commands->command, path, &error) != ETW_OK) {
            (void)etw_error_wrap(&error, error.status, "--on-segment for %s", path);
            (void)pthread_mutex_lock(&commands->mutex);
            fail(commands, &error);
            (void)pthread_mutex_unlock(&commands->mutex);
        }
    }
    return NULL;
}

etw_status etw_segment_command_start(const char *command, void (*report)(const etw_error *error),
                                     etw_segment_command **started, etw_error *error)
{
    etw_segment_command *commands = calloc(1, sizeof *commands);
    *started = NULL;
    if (commands == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for --on-segment");
    }
    commands->command = command;
    commands->report = report;
    (void)pthread_mutex_init(&commands->mutex, NULL);
    (void)pthread_cond_init(&commands->changed, NULL);
    const int result = pthread_create(&commands->thread, NULL, run_all, commands);
    if (result != 0) {
        free(commands);
        return etw_error_set_os(error, result, "cannot start a thread");
    }
    *started = commands;
    return ETW_OK;
}

void etw_segment_command_put(etw_segment_command *commands, const char *path)
{
    char *copy = strdup(path);
    (void)pthread_mutex_lock(&commands->mutex);
    if (copy != NULL && commands->count < ETW_SEGMENT_COMMAND_MAX_WAITING) {
        commands->waiting[(commands->first + commands->count++) % ETW_SEGMENT_COMMAND_MAX_WAITING] =
            copy;
        (void)pthread_cond_signal(&commands->changed);
    } else {
        etw_error error = {0};
        (void)etw_error_set(&error, ETW_ERROR_LIMIT,
                            "--on-segment was not run for %s: %u segments wait already", path,
                            ETW_SEGMENT_COMMAND_MAX_WAITING);
        fail(commands, &error);
        free(copy);
    }
    (void)pthread_mutex_unlock(&commands->mutex);
}

uint32_t etw_segment_command_finish(etw_segment_command *commands)
{
    if (commands == NULL) {
        return 0;
    }
    (void)pthread_mutex_lock(&commands->mutex);
    commands->ended = true;
    (void)pthread_cond_signal(&commands->changed);
    (void)pthread_mutex_unlock(&commands->mutex);
    (void)pthread_join(commands->thread, NULL);
    const uint32_t failures = commands->failures;
    (void)pthread_cond_destroy(&commands->changed);
    (void)pthread_mutex_destroy(&commands->mutex);
    free(commands);
    return failures;
}
