#include "replay/command/screen.h"

#include <stdlib.h>

static bool wants_colors(const etw_replay_arguments *arguments, const etw_screen *screen)
{
    const char *no_color = getenv("NO_COLOR"); /* no-color.org: set, and not empty */
    if (arguments->color != ETW_WHEN_AUTO) {
        return arguments->color == ETW_WHEN_ALWAYS;
    }
    return screen->is_terminal && (no_color == NULL || no_color[0] == '\0') &&
           etw_os_terminal_colors(ETW_FILE_STDOUT);
}

bool etw_screen_wants_colors(const etw_replay_arguments *arguments)
{
    const etw_screen screen = {.is_terminal = etw_os_terminal_width(ETW_FILE_STDOUT) > 0};
    return wants_colors(arguments, &screen);
}

/* What is printed at its own pace is watched, not read through. */
static bool wants_pager(const etw_replay_arguments *arguments, const etw_screen *screen)
{
    return screen->is_terminal && !arguments->no_pager && arguments->replay.speed <= 0 &&
           !arguments->replay.follow;
}

void etw_screen_begin(etw_screen *screen, const etw_replay_arguments *arguments,
                      etw_output_options *rendering)
{
    const char *output = arguments->output;
    const uint32_t width = etw_os_terminal_width(ETW_FILE_STDOUT);
    *screen =
        (etw_screen){.is_terminal = width > 0 && (output == NULL || strcmp(output, "-") == 0)};
    rendering->colors = wants_colors(arguments, screen);
    screen->is_paged = wants_pager(arguments, screen) && etw_pager_start(&screen->pager);
    if (screen->is_terminal && !screen->is_paged && !arguments->has_width) {
        rendering->width = width;
    }
}

void etw_screen_end(etw_screen *screen)
{
    if (screen->is_paged) {
        etw_pager_wait(screen->pager);
        screen->is_paged = false;
    }
}
