/* How far a verb has come, on a terminal. */
#ifndef ETW_REPLAY_PROGRESS_H
#define ETW_REPLAY_PROGRESS_H

#include "format/base/console.h"
#include "format/input/input.h"
#include "replay/command/arguments.h"

/* A status line, see console.h; nothing with --quiet. */
typedef struct etw_progress {
    etw_status_line line;
    const char *what;
    const char *unit;         /* of done and total */
    etw_input *const *inputs; /* that are watched */
    uint32_t input_count;
    uint64_t bytes_before; /* of all inputs, when watching began */
    uint64_t size;         /* 0: not known */
} etw_progress;

void etw_progress_begin(etw_progress *progress, const etw_replay_arguments *arguments,
                        const char *what, const char *unit);
/* context is the etw_progress; fits etw_replay_options.progress. */
void etw_progress_show(void *context, uint64_t done, uint64_t total);
/* Shows with each read how much of the inputs was read since. The list and the inputs must live
 * until the progress ends. */
void etw_progress_watch(etw_progress *progress, etw_input *const *inputs, uint32_t count);
void etw_progress_end(etw_progress *progress);

#endif
