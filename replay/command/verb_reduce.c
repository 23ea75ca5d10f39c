/* reduce: the smallest trace on which a command still fails, by delta debugging (Zeller and
 * Hildebrandt, 2002): first ever smaller runs of events are left out, then properties overwritten.
 */
#include "format/base/part_file.h"
#include "replay/command/check_command.h"
#include "replay/command/copy.h"
#include "replay/command/stream.h"
#include "replay/command/verbs.h"

#include <inttypes.h>
#include <stdlib.h>

/* Names of properties that are tried; others stay. */
#define MAX_NAMES 1024u

typedef struct reduce {
    const etw_replay_arguments *arguments;
    etw_part_file paths[2]; /* beside the output: the trace so far, and the one that is tried */
    size_t current;
    uint64_t events; /* of the trace so far */
    uint32_t runs;
    int wanted; /* the command's exit status on the whole trace */
    etw_status_line line;
    char *names[MAX_NAMES]; /* owned */
    uint32_t name_count;
} reduce;

/* Events from first up to end are left out. */
typedef struct gap {
    uint64_t first, end;
} gap;

static bool keeps(void *context, uint64_t number)
{
    const gap *left_out = context;
    return number < left_out->first || number >= left_out->end;
}

static void show_progress(reduce *r)
{
    if (etw_status_line_is_due(&r->line)) {
        etw_status_line_show(&r->line, "reducing: %" PRIu64 " events after %u runs", r->events,
                             r->runs);
    }
}

/* Copies. */

static etw_status copy_to(reduce *r, const char *input, gap *left_out,
                          const etw_redaction *redaction, etw_copy_counts *counts, etw_error *error)
{
    etw_replay_arguments arguments = *r->arguments;
    arguments.inputs = &input;
    arguments.input_count = 1;
    arguments.output = etw_text_z(&r->paths[1 - r->current].name);
    arguments.quiet = true;
    arguments.writer.replace = true;
    const etw_copy_options options = {.arguments = &arguments,
                                      .redaction = redaction,
                                      .is_part = true,
                                      .carry_rundown = redaction == NULL,
                                      .keeps = left_out == NULL ? NULL : keeps,
                                      .keeps_context = left_out,
                                      .progress = "reducing"};
    const etw_status status = etw_copy_run(&options, counts, error);
    return etw_failed(status) || counts->dropped == 0
               ? status
               : etw_error_set(error, ETW_ERROR_LIMIT,
                               "a copy lacks %" PRIu64
                               " events that memory or a limit did not allow",
                               counts->dropped);
}

static etw_status run_check(reduce *r, const char *path, int *result, etw_error *error)
{
    const char *command = r->arguments->reduce.check;
    const char *place = strstr(command, "{}");
    etw_text line = {0};
    etw_text_append(&line, command, place == NULL ? strlen(command) : (size_t)(place - command));
    etw_text_append_z(&line, place == NULL ? " " : "");
    etw_check_append_path(&line, path);
    etw_text_append_z(&line, place == NULL ? "" : place + 2);
    r->runs++;
    const etw_status status =
        line.failed ? etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for the command")
                    : etw_check_run(etw_text_z(&line), result, error);
    etw_text_free(&line);
    return status;
}

/* Makes a smaller trace and runs the command on it: where it fails as before, that is the trace
 * from now on. */
static etw_status try_copy(reduce *r, gap *left_out, const etw_redaction *redaction, bool *is_taken,
                           etw_error *error)
{
    int result = 0;
    etw_copy_counts counts;
    show_progress(r);
    *is_taken = false;
    etw_status status =
        copy_to(r, etw_text_z(&r->paths[r->current].name), left_out, redaction, &counts, error);
    if (!etw_failed(status)) {
        status = run_check(r, etw_text_z(&r->paths[1 - r->current].name), &result, error);
    }
    if (!etw_failed(status) && result == r->wanted) {
        *is_taken = true;
        r->current = 1 - r->current;
        r->events = counts.events;
    }
    return status;
}

static bool may_run(const reduce *r)
{
    return r->runs < r->arguments->reduce.max_runs;
}

/* Events. */

/* One pass over the trace with runs of that many; *any: something was left out. */
static etw_status leave_out(reduce *r, uint64_t size, bool *any, etw_error *error)
{
    etw_status status = ETW_OK;
    uint64_t at = 0;
    *any = false;
    while (at < r->events && may_run(r) && !etw_failed(status)) {
        gap left_out = {at, at + size < r->events ? at + size : r->events};
        bool is_taken;
        status = try_copy(r, &left_out, NULL, &is_taken, error);
        *any = *any || is_taken;
        at = is_taken ? at : left_out.end;
    }
    return status;
}

static etw_status reduce_events(reduce *r, etw_error *error)
{
    etw_status status = ETW_OK;
    uint64_t size = (r->events + 1) / 2;
    bool any = true;
    while (size > 0 && may_run(r) && !etw_failed(status)) {
        status = leave_out(r, size, &any, error);
        if (size > 1) {
            size = size / 2 < r->events ? size / 2 : (r->events + 1) / 2;
            size = size == 0 && r->events > 0 ? 1 : size;
        } else if (!any) {
            break; /* no single event can go */
        }
    }
    return status;
}

/* Properties. */

static bool has_name(const reduce *r, const char *name)
{
    for (uint32_t i = 0; i < r->name_count; i++) {
        if (strcmp(r->names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static etw_status add_names(reduce *r, const etw_plan *plan, etw_error *error)
{
    for (uint32_t i = 0; plan != NULL && i < etw_plan_top_count(plan); i++) {
        const char *name = etw_property_name(etw_plan_property(plan, i))->utf8;
        if (r->name_count == MAX_NAMES || has_name(r, name)) {
            continue;
        }
        char *copy = malloc(strlen(name) + 1);
        if (copy == NULL) {
            return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for names");
        }
        memcpy(copy, name, strlen(name) + 1);
        r->names[r->name_count++] = copy;
    }
    return ETW_OK;
}

static etw_status list_names(reduce *r, etw_error *error)
{
    etw_replay *replay;
    const etw_event *event;
    etw_replay_options options = r->arguments->replay;
    etw_status status = etw_tool_open(r->arguments, etw_text_z(&r->paths[r->current].name),
                                      &options, &replay, error);
    while (status == ETW_OK && (status = etw_replay_next(replay, &event, error)) == ETW_OK) {
        status = add_names(r, etw_event_plan(event), error);
    }
    etw_replay_close(replay);
    return etw_failed(status) ? status : ETW_OK;
}

static etw_status reduce_values(reduce *r, etw_error *error)
{
    etw_status status = list_names(r, error);
    for (uint32_t i = 0; i < r->name_count && may_run(r) && !etw_failed(status); i++) {
        const char *name = r->names[i];
        const etw_redaction redaction = {
            .names = &name, .name_count = 1, .keeps_unexplained = true};
        bool is_taken;
        status = try_copy(r, NULL, &redaction, &is_taken, error);
        if (status == ETW_ERROR_NOT_FOUND) {
            status = ETW_OK; /* an event without this property: there is nothing to overwrite */
        }
    }
    return status;
}

/* The whole. */

static etw_status check_whole(reduce *r, etw_error *error)
{
    etw_copy_counts counts;
    etw_status status = copy_to(r, r->arguments->inputs[0], NULL, NULL, &counts, error);
    r->current = 1 - r->current;
    r->events = counts.events;
    if (!etw_failed(status)) {
        status = run_check(r, etw_text_z(&r->paths[r->current].name), &r->wanted, error);
    }
    if (!etw_failed(status) && r->wanted == 0) {
        status = etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                               "the command does not fail on %s: there is nothing to reduce",
                               r->arguments->inputs[0]);
    }
    return status;
}

static etw_status run(reduce *r, etw_error *error)
{
    const etw_replay_arguments *arguments = r->arguments;
    const etw_os *os = etw_os_default();
    bool wants_part;
    etw_status status =
        etw_tool_wants_part(os, arguments->output, arguments->writer.replace, &wants_part, error);
    for (size_t i = 0; i < 2 && !etw_failed(status); i++) {
        status = etw_part_reserve(os, arguments->output, &r->paths[i], error);
    }
    status = etw_failed(status) ? status : check_whole(r, error);
    const uint64_t whole = r->events;
    status = etw_failed(status) ? status : reduce_events(r, error);
    if (!etw_failed(status) && !arguments->reduce.keeps_values) {
        status = reduce_values(r, error);
    }
    etw_status_line_clear(&r->line);
    if (!etw_failed(status)) {
        status = etw_part_settle(os, &r->paths[r->current], arguments->output,
                                 arguments->writer.replace, error);
    }
    if (!etw_failed(status) && !arguments->quiet) {
        etw_tool_say("%s: %" PRIu64 " of %" PRIu64 " events, on which the command still fails with "
                     "%d, after %u runs%s",
                     arguments->output, r->events, whole, r->wanted, r->runs,
                     may_run(r) ? "" : "; more may make it smaller: see --max-runs");
    }
    return status;
}

etw_exit etw_verb_reduce(const etw_replay_arguments *arguments)
{
    etw_error error = {0};
    reduce r = {.arguments = arguments};
    const etw_os *os = etw_os_default();
    if (arguments->reduce.check == NULL) {
        etw_tool_say("reduce needs --check COMMAND, which fails on the trace");
        return ETW_EXIT_USAGE;
    }
    if (etw_copy_refuses_name(arguments) || etw_tool_writes_over_input(arguments)) {
        return ETW_EXIT_USAGE;
    }
    etw_status_line_begin(&r.line, os, !arguments->quiet && etw_console_is_terminal());
    const etw_status status = run(&r, &error);
    for (size_t i = 0; i < 2; i++) {
        if (r.paths[i].name.size > 0) {
            etw_part_remove(os, &r.paths[i]);
        }
        etw_part_free(&r.paths[i]);
    }
    for (uint32_t i = 0; i < r.name_count; i++) {
        free(r.names[i]);
    }
    return etw_failed(status) ? etw_tool_fail(&error) : ETW_EXIT_WELL;
}
