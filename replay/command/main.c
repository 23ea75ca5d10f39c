/* etw-replay: see etw-replay.1. */
#include "replay/command/advice.h"
#include "replay/command/arguments.h"
#include "replay/command/tool.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

/* What is wrong with a filter takes several lines: the last ones point at the place. */
static void say_lines(char *message)
{
    for (char *line = strtok(message, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        etw_tool_say("%s", line);
    }
}

int main(int argc, char **argv)
{
#ifdef SIGPIPE
    (void)signal(SIGPIPE, SIG_IGN); /* a reader that went away is an error code, not a death */
#endif
#ifdef SIGXFSZ
    (void)signal(SIGXFSZ, SIG_IGN); /* so is a file that may not grow */
#endif
    etw_os_use_binary_stdio();
    etw_os_use_utf8_console();
    argv = etw_os_utf8_arguments(&argc, argv);
    if (argv == NULL) {
        etw_tool_say("out of memory");
        return ETW_EXIT_FAILED;
    }
    etw_replay_arguments arguments;
    etw_error error = {0};
    etw_text output = {0};
    const etw_status status = etw_replay_arguments_parse(argc, argv, &arguments, &output, &error);
    if (status == ETW_END) {
        return (int)etw_tool_print(&output);
    }
    if (etw_failed(status)) {
        say_lines(error.message);
        return status == ETW_ERROR_INVALID_ARGUMENT ? ETW_EXIT_USAGE : ETW_EXIT_FAILED;
    }
    const etw_exit result = arguments.verb->run(&arguments);
    if (result == ETW_EXIT_FAILED) {
        etw_tool_say_advice(&arguments);
    }
    etw_replay_arguments_free(&arguments);
    return (int)result;
}
