/* Ctrl+C and its kin. The first one asks for a clean end, the second ends the process at once: what
 * was flushed by then is valid, the file is incomplete. On Windows also Ctrl+Break, console close,
 * logoff and shutdown, which wait for the clean end as long as the system lets them. */
#ifndef ETW_RECORDER_STOP_SIGNAL_H
#define ETW_RECORDER_STOP_SIGNAL_H

#include <stdatomic.h>
#include <stdbool.h>

typedef struct etw_stop_signal {
    atomic_bool stop; /* an end was asked for */
    atomic_bool dump; /* Ctrl+Break, SIGUSR1: the flight recorder should write; taken by exchange */
    atomic_bool done; /* set by the program when its files are closed */
    /* On Windows: the session that runs, which a death at once would leave running until the next
     * boot. Lent; NULL: none. */
    const char *_Atomic session;
    bool break_dumps; /* Ctrl+Break dumps instead of ending */
} etw_stop_signal;

/* For etw_capture_options.is_stopped: whether an end was asked for. signal is an etw_stop_signal.
 */
static inline bool etw_stop_signal_is_set(void *signal)
{
    return atomic_load(&((etw_stop_signal *)signal)->stop);
}

/* At the start of the program: what can be an error code of a call is no death. */
void etw_stop_signal_prepare(void);

/* Once there is a file to end cleanly; before that the first one ends the process.
 * signal must live as long as the process. Signals have no context, so that one pointer to it is
 * kept in this module: the program's only global state. */
void etw_stop_signal_install(etw_stop_signal *signal);

#endif
