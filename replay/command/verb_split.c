/* split: one trace into several files, by time, size or number of events, or one for each process
 * or provider. */
#include "format/base/arena.h"
#include "format/schema/classic.h"
#include "replay/command/copy.h"
#include "replay/command/split_names.h"
#include "replay/command/trace_set.h"
#include "replay/command/verbs.h"

#include <inttypes.h>
#include <stdlib.h>

/* Files that --by makes: each is a pass over the input. */
#define MOST_KEYS 1000u

static etw_exit conclude(const etw_replay_arguments *arguments, etw_status status,
                         const etw_copy_counts *counts, const etw_error *error)
{
    if (!arguments->quiet && counts->files > 0) {
        etw_tool_say("%" PRIu32 " file%s: %" PRIu64 " events, %" PRIu64 " bytes", counts->files,
                     counts->files == 1 ? "" : "s", counts->events, counts->file_bytes);
    }
    return etw_copy_exit(arguments, status, counts, error);
}

/* --every. */

typedef struct numbering {
    const char *pattern;
    etw_text name;
} numbering;

static const char *numbered_name(void *context, uint32_t number)
{
    numbering *n = context;
    etw_text digits = {0};
    etw_text_printf(&digits, "%05" PRIu32, number);
    etw_text_clear(&n->name);
    etw_split_append_name(n->pattern, etw_text_z(&digits), &n->name);
    const bool failed = digits.failed;
    etw_text_free(&digits);
    const char *name = etw_text_z(&n->name);
    return failed || n->name.failed ? NULL : name;
}

static etw_exit split_every(const etw_replay_arguments *arguments)
{
    numbering n = {.pattern = arguments->output};
    etw_replay_arguments own = *arguments;
    const etw_copy_parts parts = {.most_events = arguments->every_events,
                                  .most_bytes = arguments->every_bytes,
                                  .most_100ns = (int64_t)arguments->every_ms * 10000,
                                  .name = numbered_name,
                                  .context = &n};
    const etw_copy_options options = {.arguments = &own,
                                      .carry_rundown = true,
                                      .takes_blocks = true,
                                      .filtered_detail =
                                          "split, some left out by options that choose events",
                                      .progress = "splitting",
                                      .parts = &parts};
    etw_copy_counts counts;
    etw_error error = {0};
    if (arguments->every_bytes != 0) {
        own.writer.threads = 0; /* how far these are must not decide where a file ends */
    }
    const etw_status status = etw_copy_run(&options, &counts, &error);
    etw_text_free(&n.name);
    return conclude(arguments, status, &counts, &error);
}

/* --by. */

typedef struct key {
    etw_guid provider;
    uint32_t process_id;
    const char *name; /* "" where unknown */
} key;

typedef struct keys {
    const etw_replay_arguments *arguments;
    etw_arena names;
    key *list; /* in the order of their first events */
    uint32_t count;
} keys;

static etw_status no_memory(etw_error *error)
{
    return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory to split a trace");
}

static bool is_key_of(const keys *k, const key *known, const etw_event_header *header)
{
    return k->arguments->by == ETW_SPLIT_BY_PROVIDER
               ? etw_guid_equal(&known->provider, &header->ProviderId)
               : known->process_id == header->ProcessId;
}

/* Keys are few, and the one of the event before is tried first. */
static etw_status take_key(keys *k, uint32_t *last, const etw_replay_item *item, etw_error *error)
{
    const etw_event_header *header = &item->record->EventHeader;
    if (*last < k->count && is_key_of(k, &k->list[*last], header)) {
        return ETW_OK;
    }
    for (*last = 0; *last < k->count; (*last)++) {
        if (is_key_of(k, &k->list[*last], header)) {
            return ETW_OK;
        }
    }
    if (k->count == MOST_KEYS) {
        return etw_error_set(error, ETW_ERROR_LIMIT,
                             "more than %u files would be made: choose events first", MOST_KEYS);
    }
    const char *owner, *class_name = NULL;
    (void)etw_classic_class_find(&header->ProviderId, &owner, &class_name);
    const bool is_own = item->has_process && item->process.process_id == header->ProcessId;
    const char *provider = class_name != NULL ? class_name : item->provider_name;
    const char *name = k->arguments->by == ETW_SPLIT_BY_PROVIDER ? provider
                       : is_own                                  ? item->process.name
                                                                 : NULL;
    name = name == NULL ? "" : name;
    key *added = &k->list[k->count];
    *added = (key){.provider = header->ProviderId,
                   .process_id = header->ProcessId,
                   .name = etw_arena_copy(&k->names, name, strlen(name) + 1)};
    k->count += added->name != NULL;
    return added->name != NULL ? ETW_OK : no_memory(error);
}

static etw_status find_keys(keys *k, etw_error *error)
{
    etw_trace_set_options options = {.arguments = k->arguments, .replay = k->arguments->replay};
    etw_trace_set *set;
    const etw_replay_item *item;
    uint32_t index, last = 0;
    options.replay.processes = k->arguments->by == ETW_SPLIT_BY_PROCESS;
    k->list = calloc(MOST_KEYS, sizeof *k->list);
    etw_status status =
        k->list == NULL ? no_memory(error) : etw_trace_set_new(&options, &set, error);
    if (etw_failed(status)) {
        return status;
    }
    status = etw_trace_set_open(set, error);
    for (uint32_t i = 0; i < etw_trace_set_count(set) && !etw_failed(status); i++) {
        if (etw_trace_set_is_pipe(set, i)) {
            status = etw_error_set(error, ETW_ERROR_UNSUPPORTED,
                                   "--by reads its inputs several times: give files, not a pipe");
        }
    }
    while (status == ETW_OK && (status = etw_trace_set_next(set, &index, &item, error)) == ETW_OK) {
        status = take_key(k, &last, item, error);
    }
    etw_trace_set_close(set);
    return status == ETW_END ? ETW_OK : status;
}

static void append_what(const keys *k, uint32_t index, etw_text *what)
{
    const key *of = &k->list[index];
    if (k->arguments->by == ETW_SPLIT_BY_PROCESS) {
        etw_text_printf(what, "%s%s%" PRIu32, of->name, of->name[0] == '\0' ? "" : "-",
                        of->process_id);
        return;
    }
    bool is_twice = of->name[0] == '\0';
    for (uint32_t i = 0; i < k->count; i++) {
        is_twice = is_twice || (i != index && strcmp(k->list[i].name, of->name) == 0);
    }
    if (!is_twice) {
        etw_text_append_z(what, of->name);
    } else {
        etw_text_printf(what, "%s%s", of->name, of->name[0] == '\0' ? "" : "-");
        etw_text_append_guid(what, &of->provider);
    }
}

static void add_counts(etw_copy_counts *sum, const etw_copy_counts *one)
{
    sum->events += one->events;
    sum->files += one->files;
    sum->file_bytes += one->file_bytes;
    /* Each file has all that is missing. */
    sum->loss_records = one->loss_records;
    sum->lost_events = one->lost_events;
    sum->lost_unknown = one->lost_unknown;
}

static etw_status write_key(keys *k, uint32_t index, etw_copy_counts *sum, etw_error *error)
{
    etw_replay_arguments own = *k->arguments;
    etw_filter *filter = &own.replay.filter;
    etw_text what = {0}, name = {0}, detail = {0};
    append_what(k, index, &what);
    etw_split_append_name(k->arguments->output, etw_text_z(&what), &name);
    etw_text_printf(&detail, "split, kept only: %s", etw_text_z(&what));
    own.output = etw_text_z(&name);
    if (k->arguments->by == ETW_SPLIT_BY_PROVIDER) {
        filter->providers = &k->list[index].provider;
        filter->provider_count = 1;
    } else {
        filter->process_ids = &k->list[index].process_id;
        filter->process_id_count = 1;
    }
    const etw_copy_options options = {.arguments = &own,
                                      .carry_rundown = true,
                                      .filtered_detail = etw_text_z(&detail),
                                      .progress = "splitting"};
    etw_copy_counts counts = {0};
    const etw_status status = what.failed || name.failed || detail.failed
                                  ? no_memory(error)
                                  : etw_copy_run(&options, &counts, error);
    add_counts(sum, &counts);
    etw_text_free(&what);
    etw_text_free(&name);
    etw_text_free(&detail);
    return status;
}

static etw_exit split_by(const etw_replay_arguments *arguments)
{
    keys k = {.arguments = arguments};
    etw_copy_counts counts = {0};
    etw_error error = {0};
    etw_status status = find_keys(&k, &error);
    for (uint32_t i = 0; i < k.count && !etw_failed(status); i++) {
        status = write_key(&k, i, &counts, &error);
    }
    free(k.list);
    etw_arena_free(&k.names);
    return conclude(arguments, status, &counts, &error);
}

etw_exit etw_verb_split(const etw_replay_arguments *arguments)
{
    const bool has_every =
        arguments->every_events != 0 || arguments->every_bytes != 0 || arguments->every_ms != 0;
    if (has_every == (arguments->by != 0)) {
        etw_tool_say("split: give either --every or --by");
        return ETW_EXIT_USAGE;
    }
    if (strcmp(arguments->output, "-") == 0 || !etw_split_pattern_is_well(arguments->output)) {
        etw_tool_say(
            "%s: split writes files: in their name, %%n is what tells them apart, and %%%% "
            "is a percent sign",
            arguments->output);
        return ETW_EXIT_USAGE;
    }
    if (etw_copy_refuses_name(arguments) || etw_tool_writes_over_input(arguments)) {
        return ETW_EXIT_USAGE;
    }
    return has_every ? split_every(arguments) : split_by(arguments);
}
