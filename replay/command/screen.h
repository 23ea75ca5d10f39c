/* What is different where text goes to a terminal: width, colours, a pager. */
#ifndef ETW_REPLAY_SCREEN_H
#define ETW_REPLAY_SCREEN_H

#include "replay/command/arguments.h"

typedef struct etw_screen {
    bool is_terminal; /* stdout is one, and the output goes there */
    bool is_paged;
    int64_t pager; /* the process */
} etw_screen;

/* Looks at stdout and sets the width and colours that the options leave open. Starts the pager,
 * which stdout then leads to, unless it is not wanted or there is none. */
void etw_screen_begin(etw_screen *screen, const etw_replay_arguments *arguments,
                      etw_output_options *rendering);
/* Of what a verb prints without a pager: whether it is coloured. */
bool etw_screen_wants_colors(const etw_replay_arguments *arguments);
/* Waits until the user has left the pager. */
void etw_screen_end(etw_screen *screen);

/* screen_posix.c, screen_windows.c: stdout leads to a pager from here on; false where there is
 * none. */
bool etw_pager_start(int64_t *pager);
void etw_pager_wait(int64_t pager);

#endif
