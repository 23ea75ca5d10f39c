#include "replay/command/progress.h"

void etw_progress_begin(etw_progress *progress, const etw_replay_arguments *arguments,
                        const char *what, const char *unit)
{
    *progress = (etw_progress){.what = what, .unit = unit};
    etw_status_line_begin(&progress->line, etw_os_default(),
                          !arguments->quiet && etw_console_is_terminal());
}

void etw_progress_show(void *context, uint64_t done, uint64_t total)
{
    etw_progress *progress = context;
    etw_status_line_progress(&progress->line, progress->what, done, total, progress->unit);
}

static uint64_t bytes_read(const etw_progress *progress)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < progress->input_count; i++) {
        bytes += etw_input_bytes_read(progress->inputs[i]);
    }
    return bytes;
}

/* Some are read more than once: then nobody knows how much is left. */
static void show_read(void *context)
{
    etw_progress *progress = context;
    const uint64_t done = bytes_read(progress) - progress->bytes_before;
    etw_progress_show(progress, done, done > progress->size ? 0 : progress->size);
}

void etw_progress_watch(etw_progress *progress, etw_input *const *inputs, uint32_t count)
{
    bool is_known = true;
    if (!progress->line.is_on) {
        return;
    }
    progress->inputs = inputs;
    progress->input_count = count;
    progress->bytes_before = bytes_read(progress);
    for (uint32_t i = 0; i < count; i++) {
        const uint64_t size = etw_input_size(inputs[i]);
        is_known = is_known && size > 0;
        progress->size += size;
        etw_input_watch(inputs[i], show_read, progress);
    }
    progress->size = is_known ? progress->size : 0;
}

void etw_progress_end(etw_progress *progress)
{
    for (uint32_t i = 0; i < progress->input_count; i++) {
        etw_input_watch(progress->inputs[i], NULL, NULL);
    }
    progress->input_count = 0;
    etw_status_line_clear(&progress->line);
}
