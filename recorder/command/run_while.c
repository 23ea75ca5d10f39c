#include "recorder/command/run_while.h"

#include "recorder/command/segment_command.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct etw_run_while {
    const char *command;
    pthread_t thread;
    atomic_bool done;
    etw_status status;
    etw_error error;
};

static void *run_it(void *context)
{
    etw_run_while *run = context;
    run->status = etw_command_run(run->command, NULL, &run->error);
    atomic_store(&run->done, true);
    return NULL;
}

etw_status etw_run_while_start(const char *command, etw_run_while **started, etw_error *error)
{
    etw_run_while *run = calloc(1, sizeof *run);
    *started = NULL;
    if (run == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for --run");
    }
    run->command = command;
    const int result = pthread_create(&run->thread, NULL, run_it, run);
    if (result != 0) {
        free(run);
        return etw_error_set_os(error, result, "cannot start a thread");
    }
    *started = run;
    return ETW_OK;
}

bool etw_run_while_is_done(etw_run_while *run)
{
    return run != NULL && atomic_load(&run->done);
}

etw_status etw_run_while_end(etw_run_while *run, etw_error *error)
{
    if (run == NULL) {
        return ETW_OK;
    }
    (void)pthread_join(run->thread, NULL);
    const etw_status status = run->status;
    if (status != ETW_OK && error != NULL) {
        *error = run->error;
        (void)etw_error_wrap(error, status, "--run %s", run->command);
    }
    free(run);
    return status;
}
