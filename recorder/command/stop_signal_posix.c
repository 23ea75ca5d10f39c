#include "recorder/command/stop_signal.h"

#include <signal.h>
#include <stddef.h>

static etw_stop_signal *_Atomic installed;

static void on_stop(int number)
{
    etw_stop_signal *target = atomic_load(&installed);
    if (atomic_exchange(&target->stop, true)) {
        (void)signal(number, SIG_DFL);
        (void)raise(number);
    }
}

static void on_dump(int number)
{
    (void)number;
    atomic_store(&atomic_load(&installed)->dump, true);
}

static void handle(int number, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler};
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(number, &action, NULL);
}

void etw_stop_signal_prepare(void)
{
    /* A reader that closes its pipe is an EPIPE of write, with a message, not a silent death. */
    handle(SIGPIPE, SIG_IGN);
    /* So is a file that may not grow (ulimit -f) an EFBIG. */
    handle(SIGXFSZ, SIG_IGN);
}

void etw_stop_signal_install(etw_stop_signal *target)
{
    atomic_store(&installed, target);
    handle(SIGINT, on_stop);
    handle(SIGTERM, on_stop);
    handle(SIGHUP, on_stop);
    handle(SIGUSR1, on_dump);
}
