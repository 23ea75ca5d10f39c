#include "recorder/command/stop_signal.h"

#include "recorder/session/session.h"

#include <stddef.h>

#include <windows.h>

/* Windows kills the process some seconds after a close event, whatever the handler does. */
#define CLOSE_WAIT_MS 5000u
#define CLOSE_POLL_MS 20u

static etw_stop_signal *_Atomic installed;

static void wait_until_done(const etw_stop_signal *target)
{
    for (unsigned waited = 0; waited < CLOSE_WAIT_MS && !atomic_load(&target->done);
         waited += CLOSE_POLL_MS) {
        Sleep(CLOSE_POLL_MS);
    }
}

/* By its name and in this thread: the others may hang. */
static void stop_session(etw_stop_signal *target)
{
    const char *name = atomic_exchange(&target->session, NULL);
    if (name != NULL && !atomic_load(&target->done)) {
        etw_ignore(etw_session_kill(name, NULL));
    }
}

static BOOL WINAPI on_control(DWORD event)
{
    etw_stop_signal *target = atomic_load(&installed);
    if (event == CTRL_BREAK_EVENT && target->break_dumps) {
        atomic_store(&target->dump, true);
        return TRUE;
    }
    const bool asked_before = atomic_exchange(&target->stop, true);
    if (event != CTRL_C_EVENT && event != CTRL_BREAK_EVENT) {
        /* Close, logoff, shutdown: returning ends the process, so the clean end comes first. */
        wait_until_done(target);
        stop_session(target);
        return TRUE;
    }
    if (asked_before) {
        stop_session(target);
    }
    return asked_before ? FALSE : TRUE;
}

void etw_stop_signal_prepare(void)
{
}

void etw_stop_signal_install(etw_stop_signal *target)
{
    atomic_store(&installed, target);
    (void)SetConsoleCtrlHandler(on_control, TRUE);
}
