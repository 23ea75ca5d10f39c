#include "replay/command/screen.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* Whether a program of that name is in a folder of $PATH. */
static bool is_installed(const char *name)
{
    char path[1024];
    const char *at = getenv("PATH");
    while (at != NULL && *at != '\0') {
        const size_t size = strcspn(at, ":");
        const int made = snprintf(path, sizeof path, "%.*s/%s", (int)size, at, name);
        if (made > 0 && (size_t)made < sizeof path && access(path, X_OK) == 0) {
            return true;
        }
        at += size + (at[size] == ':' ? 1 : 0);
    }
    return false;
}

/* $PAGER as git takes it: a command line; empty and "cat" mean none. */
static const char *choose(void)
{
    const char *pager = getenv("PAGER");
    if (pager == NULL) {
        return is_installed("less") ? "less" : NULL;
    }
    return pager[0] == '\0' || strcmp(pager, "cat") == 0 ? NULL : pager;
}

/* In the new process. less, unless told otherwise: ends where one screen holds all, shows colours,
 * scrolls to the side, leaves the screen as it is. */
static _Noreturn void run(const char *pager, const int ends[2])
{
    if (dup2(ends[0], STDIN_FILENO) < 0 || setenv("LESS", "FRSX", 0) != 0 ||
        setenv("LV", "-c", 0) != 0) {
        _exit(127);
    }
    (void)close(ends[0]);
    (void)close(ends[1]);
    (void)execl("/bin/sh", "sh", "-c", pager, (char *)NULL);
    _exit(127);
}

bool etw_pager_start(int64_t *pager)
{
    int ends[2];
    const char *name = choose();
    if (name == NULL || pipe(ends) != 0) {
        return false;
    }
    const pid_t child = fork();
    if (child == 0) {
        run(name, ends);
    }
    const bool is_connected = child > 0 && dup2(ends[1], STDOUT_FILENO) >= 0;
    (void)close(ends[0]);
    (void)close(ends[1]);
    if (is_connected) {
        (void)signal(SIGINT, SIG_IGN); /* Ctrl+C is the pager's: leaving it ends the output */
    }
    *pager = child;
    return is_connected;
}

void etw_pager_wait(int64_t pager)
{
    int status;
    (void)close(STDOUT_FILENO);
    while (waitpid((pid_t)pager, &status, 0) < 0 && errno == EINTR) {
    }
}
