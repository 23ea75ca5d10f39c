#include "recorder/command/segment_command.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* stdin is empty, and what the command prints goes to stderr: stdout may be a recording. */
static int spawn(const char *script, const char *path, pid_t *child)
{
    posix_spawn_file_actions_t files;
    int result = posix_spawn_file_actions_init(&files);
    if (result != 0) {
        return result;
    }
    char *const words[] = {(char *)(uintptr_t) "sh",  (char *)(uintptr_t) "-c",
                           (char *)(uintptr_t)script, (char *)(uintptr_t) "etw-record",
                           (char *)(uintptr_t)path,   NULL};
    result = posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (result == 0) {
        result = posix_spawn_file_actions_adddup2(&files, STDERR_FILENO, STDOUT_FILENO);
    }
    if (result == 0) {
        result = posix_spawn(child, "/bin/sh", &files, NULL, words, environ);
    }
    (void)posix_spawn_file_actions_destroy(&files);
    return result;
}

static etw_status wait_for(pid_t child, etw_error *error)
{
    int status = 0;
    while (waitpid(child, &status, 0) < 0) {
        if (errno != EINTR) {
            return etw_error_set_os(error, errno, "waiting for the command");
        }
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        return ETW_OK;
    }
    return WIFEXITED(status)
               ? etw_error_set(error, ETW_ERROR_IO, "exit status %d", WEXITSTATUS(status))
               : etw_error_set(error, ETW_ERROR_IO, "ended by signal %d", WTERMSIG(status));
}

etw_status etw_command_run(const char *command, const char *path, etw_error *error)
{
    static const char argument[] = " \"$1\"";
    const size_t size = strlen(command) + sizeof argument;
    char *script = malloc(size);
    if (script == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for a command");
    }
    (void)snprintf(script, size, "%s%s", command, path == NULL ? "" : argument);
    pid_t child = 0;
    const int result = spawn(script, path, &child);
    free(script);
    return result == 0 ? wait_for(child, error) : etw_error_set_os(error, result, "%s", command);
}
