/* verify: every byte of a trace read and checked; what is damaged is told with its place. */
#include "replay/tool.h"
#include "replay/verbs.h"

#include <inttypes.h>
#include <stdio.h>

static void print_loss(void *context, const etw_loss *loss)
{
    etw_text line = {0};
    const char *cause = etw_loss_cause_name(loss->cause);
    etw_text_append_utf8(&line, context, strlen(context), ETW_ESCAPE_LINE);
    etw_text_printf(&line, ": %s", cause);
    if (loss->events != ETW_LOSS_COUNT_UNKNOWN) {
        etw_text_printf(&line, ", %" PRIu64 " events", loss->events);
    }
    if (loss->from_time_100ns != 0 || loss->to_time_100ns != 0) {
        etw_text_append_z(&line, ", between ");
        etw_text_append_time(&line, loss->from_time_100ns);
        etw_text_append_z(&line, " and ");
        etw_text_append_time(&line, loss->to_time_100ns);
    }
    if (loss->detail[0] != '\0') {
        etw_text_append_z(&line, ": ");
        etw_text_append_utf8(&line, (const uint8_t *)loss->detail, strlen(loss->detail),
                             ETW_ESCAPE_LINE);
    }
    (void)puts(etw_text_z(&line));
    etw_text_free(&line);
}

static etw_exit verify_one(const char *path, const etw_replay_arguments *arguments)
{
    etw_error error = {0};
    etw_replay *replay;
    const etw_event *event;
    etw_replay_totals totals = {0};
    etw_replay_options options = {.ignore_index = true,
                                  .loss = print_loss,
                                  .loss_context = (void *)(uintptr_t)etw_tool_name(path)};
    etw_status status = etw_tool_open(arguments, path, &options, &replay, &error);
    while (status == ETW_OK) {
        status = etw_replay_next(replay, &event, &error);
    }
    if (replay != NULL) {
        etw_replay_get_totals(replay, &totals);
    }
    etw_replay_close(replay);
    if (status != ETW_END) {
        return etw_tool_fail(&error);
    }
    if (totals.losses == 0) {
        (void)printf("%s: %" PRIu64 " events, all well\n", etw_tool_name(path), totals.events);
    }
    return totals.losses == 0 ? ETW_EXIT_WELL : ETW_EXIT_MISSING;
}

etw_exit etw_verb_verify(const etw_replay_arguments *arguments)
{
    etw_exit result = ETW_EXIT_WELL;
    for (uint32_t i = 0; i < arguments->input_count; i++) {
        const etw_exit one = verify_one(arguments->inputs[i], arguments);
        if (result == ETW_EXIT_WELL || one == ETW_EXIT_FAILED) {
            result = one;
        }
    }
    return fflush(stdout) == 0 ? result : ETW_EXIT_FAILED;
}
