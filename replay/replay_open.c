#include "replay/replay_inside.h"

#include "format/etl/etl.h"
#include "format/input/donor_file.h"
#include "format/input/input.h"
#include "format/input/time_order.h"
#include "replay/query/filter.h"
#include "replay/query/state_pass.h"

#include <stdlib.h>

/* +5s and -5s count from the first and the last event, which the file's summary tells. */
static etw_status learn_times(etw_replay *replay, const char *path, etw_error *error)
{
    etw_source *source;
    etw_file_summary summary;
    const etw_reader_options options = {.summary_only = true};
    etw_status status = etw_reader_open(replay->os, path, &options, &source, error);
    if (etw_failed(status)) {
        return status;
    }
    status = etw_reader_summary(source, &summary, error);
    if (!etw_failed(status) && summary.events > 0) {
        etw_where_set_times(replay->options.filter.where, summary.first_time_100ns,
                            summary.last_time_100ns);
    }
    etw_source_close(source);
    return status;
}

/* The reader's range ends with a time that is in it. */
static void bound_times(const etw_filter *filter, etw_reader_options *options)
{
    etw_where_bounds bounds = {.since_100ns = INT64_MIN, .until_100ns = INT64_MAX};
    if (filter->where != NULL) {
        etw_where_get_bounds(filter->where, &bounds);
    }
    if (filter->has_since && filter->since_100ns > bounds.since_100ns) {
        bounds.since_100ns = filter->since_100ns;
    }
    if (filter->has_until && filter->until_100ns < bounds.until_100ns) {
        bounds.until_100ns = filter->until_100ns;
    }
    const bool is_whole = bounds.until_100ns == INT64_MAX;
    options->has_time_range = bounds.since_100ns != INT64_MIN || !is_whole;
    options->from_time_100ns = bounds.since_100ns;
    options->to_time_100ns =
        is_whole || bounds.until_100ns == INT64_MIN ? bounds.until_100ns : bounds.until_100ns - 1;
}

static etw_status take_block(void *context, const etw_side_block *block, etw_error *error)
{
    etw_replay *replay = context;
    const etw_status status =
        replay->learns ? etw_state_take_block(replay->state, block, error) : ETW_OK;
    return etw_failed(status) || replay->options.block == NULL
               ? status
               : replay->options.block(replay->options.block_context, block, error);
}

static bool wants_kind(void *context, const etw_event_header *header)
{
    const etw_replay *replay = context;
    return etw_filter_kind(&replay->options.filter, header);
}

static etw_status open_etwcap(etw_replay *replay, const char *path, etw_error *error)
{
    const etw_filter *filter = &replay->options.filter;
    etw_reader_options options = {.headers_only = replay->options.headers_only,
                                  .follow = replay->options.follow,
                                  .block_context = replay,
                                  .exchange = replay->options.exchange,
                                  .drained = replay->options.drained,
                                  .exchange_context = replay->options.exchange_context};
    if (replay->learns || replay->options.block != NULL) {
        options.block = take_block;
    }
    if (etw_where_wants_times(filter->where)) {
        const etw_status status = learn_times(replay, path, error);
        if (etw_failed(status)) {
            return status;
        }
    }
    const bool counts_all = replay->options.pick != NULL && replay->options.pick->has_sequence;
    if (replay->options.pick != NULL && !replay->learns) {
        options.wants = etw_pick_wants_block;
        options.wants_context = replay->options.pick;
    }
    if (counts_all || replay->learns) { /* every event is looked at */
        return etw_reader_open(replay->os, path, &options, &replay->source, error);
    }
    bound_times(filter, &options);
    if (replay->options.pick == NULL && etw_filter_asks_kind(filter)) {
        options.wants_kind = wants_kind;
        options.wants_kind_context = replay;
    }
    if (filter->provider_name_count == 0 && filter->where == NULL) {
        options.providers = filter->providers;
        options.provider_count = filter->provider_count;
    } else if (etw_input_can_seek(replay->input) && !replay->options.follow &&
               replay->options.manifest_path_count == 0) {
        /* Manifests, and what comes yet, may name providers that the file does not. */
        bool is_complete;
        const etw_status status =
            etw_provider_guids_find(replay->os, path, filter, &replay->wanted, &is_complete, error);
        if (etw_failed(status)) {
            return status;
        }
        options.providers = is_complete ? replay->wanted.guids : NULL;
        options.provider_count = is_complete ? replay->wanted.count : 0;
    }
    return etw_reader_open(replay->os, path, &options, &replay->source, error);
}

static void learn_time(etw_replay *replay, int64_t time_100ns)
{
    if (!replay->has_times || time_100ns < replay->first_100ns) {
        replay->first_100ns = time_100ns;
    }
    if (!replay->has_times || time_100ns > replay->last_100ns) {
        replay->last_100ns = time_100ns;
    }
    replay->has_times = true;
}

static etw_status learn(void *context, const etw_event_record *record, const etw_trace *trace,
                        etw_error *error)
{
    etw_replay *replay = context;
    learn_time(replay, etw_clock_to_filetime(&trace->clock, record->EventHeader.TimeStamp));
    return etw_resolver_observe(replay->resolver, record, error);
}

static etw_status open_etl(etw_replay *replay, const char *path, etw_error *error)
{
    const bool wants_times = etw_where_wants_times(replay->options.filter.where);
    const etw_etl_options options = {.scan = learn,
                                     .scan_context = replay,
                                     .scan_schemas_only = !wants_times,
                                     .follow = replay->options.follow,
                                     .progress = replay->options.progress,
                                     .progress_context = replay->options.progress_context};
    replay->is_etl = true;
    const etw_status status = etw_etl_open(replay->os, path, &options, &replay->source, error);
    if (!etw_failed(status) && wants_times) {
        /* The log-file header event, which the scan does not show, is the first. */
        const int64_t start_100ns = etw_source_trace(replay->source, 0)->start_time_100ns;
        if (start_100ns > 0) {
            learn_time(replay, start_100ns);
        }
        etw_where_set_times(replay->where, replay->first_100ns, replay->last_100ns);
    }
    return status;
}

/* Names of providers, and the last event's time, may stand at the end of a file only. */
static etw_status open_input(etw_replay *replay, const char *path, etw_error *error)
{
    const etw_filter *filter = &replay->options.filter;
    const etw_input_options options = {
        .rereads = filter->provider_name_count > 0 || etw_where_wants_times(filter->where) ||
                   etw_replay_is_selective(&replay->options.selection) ||
                   replay->options.faults.rounds > 1};
    replay->input = replay->options.input;
    replay->owns_input = replay->options.owns_input;
    if (replay->input == NULL) {
        const etw_status status = etw_input_open(replay->os, path, &options, &replay->input, error);
        if (etw_failed(status)) {
            return status;
        }
        replay->owns_input = true;
    }
    replay->os = etw_input_os(replay->input);
    replay->options.follow = replay->options.follow && etw_input_can_grow(replay->input);
    return ETW_OK;
}

etw_status etw_replay_open_source(etw_replay *replay, etw_error *error)
{
    const char *name = etw_input_name(replay->input);
    etw_status status = open_etwcap(replay, name, error);
    if (status == ETW_OK && replay->options.pick != NULL && !replay->learns) {
        etw_reader_pass_events(replay->source, etw_pick_first_number(replay->options.pick));
    }
    if (status == ETW_ERROR_NOT_THIS) {
        status = open_etl(replay, name, error);
    }
    if (status == ETW_ERROR_NOT_THIS) {
        return etw_error_set(error, status, "%s: " ETW_INPUT_UNKNOWN, name);
    }
    return etw_failed(status) || replay->options.spool == NULL
               ? status
               : etw_time_order_open(replay->input, replay->source, replay->options.spool,
                                     replay->options.spools_all, &replay->sort, error);
}

/* Of the last events of a file, whose stacks are at its end, too. */
static bool is_of_end(const etw_selection *selection)
{
    return selection->tail > 0 && selection->before_events == 0 && selection->after_events == 0 &&
           selection->before_100ns == 0 && selection->after_100ns == 0;
}

static etw_status read_state(etw_replay *replay, etw_error *error)
{
    etw_state_pass pass = {.input = replay->input,
                           .stacks_limits = replay->options.stacks_limits,
                           .settle = replay->options.settle,
                           .settle_context = replay->options.settle_context,
                           .threads = replay->options.threads,
                           .depth = replay->options.stacks   ? ETW_STATE_STACKS
                                    : replay->options.images ? ETW_STATE_IMAGES
                                                             : ETW_STATE_NAMES};
    etw_status status = ETW_OK;
    if (replay->options.stacks && replay->pick != NULL && is_of_end(&replay->options.selection)) {
        status = etw_pick_first_time(replay->pick, replay->input, &pass.stacks_from_100ns, error);
    }
    if (!etw_failed(status)) {
        status = etw_state_read(&pass, &replay->state, &replay->stacks, error);
    }
    if (!etw_failed(status)) {
        etw_state_set_symbols(replay->state, replay->options.symbols);
    }
    return status;
}

static etw_status open_state(etw_replay *replay, etw_error *error)
{
    const etw_filter *filter = &replay->options.filter;
    replay->names_processes = replay->options.processes ||
                              (filter->where != NULL && etw_where_wants_processes(filter->where));
    if (!replay->names_processes && !replay->options.stacks && !replay->options.images) {
        return ETW_OK;
    }
    replay->learns = replay->options.follow || !etw_input_can_seek(replay->input);
    if (!replay->learns) {
        return read_state(replay, error);
    }
    replay->owners.is_off = true;
    replay->state = etw_state_new();
    if (replay->state == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for processes");
    }
    etw_state_set_symbols(replay->state, replay->options.symbols);
    return ETW_OK;
}

/* What the filter and the selection choose is known by places from here on. */
static etw_status make_pick(etw_replay *replay, etw_error *error)
{
    etw_where *learned;
    if (!etw_replay_is_selective(&replay->options.selection)) {
        return ETW_OK;
    }
    const etw_status status =
        etw_pick_make(&replay->options, replay->input, &replay->pick, &learned, error);
    if (etw_failed(status)) {
        return status;
    }
    etw_where_free(replay->where);
    replay->where = learned;
    if (!replay->options.follow) { /* of what comes the filter chooses on */
        replay->options.filter = (etw_filter){0};
    }
    replay->options.filter.where = replay->options.follow ? learned : NULL;
    replay->options.pick = replay->pick;
    return ETW_OK;
}

static etw_status open_parts(etw_replay *replay, etw_error *error)
{
    const etw_resolver_options resolver_options = {
        .os = replay->options.os,
        .open_donor = etw_donor_open,
        .manifest_paths = replay->options.manifest_paths,
        .manifest_path_count = replay->options.manifest_path_count,
        .use_defaults = replay->options.use_default_schemas,
        .language = replay->options.language,
        .note = replay->options.note,
        .note_context = replay->options.note_context};
    replay->store = replay->options.store == NULL ? etw_schema_store_new() : replay->options.store;
    replay->maker = etw_event_maker_new(replay->options.raw_time);
    const bool has_faults = etw_is_bad_day(&replay->options.faults);
    if (replay->options.faults.rounds > 1) {
        if (etw_replay_is_selective(&replay->options.selection)) {
            return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                                 "a selection of events comes once");
        }
        if (!etw_input_can_seek(replay->input)) {
            return etw_error_set(error, ETW_ERROR_UNSUPPORTED, "%s cannot be read again",
                                 etw_input_name(replay->input));
        }
    }
    replay->faults = has_faults ? etw_faults_new(&replay->options.faults) : NULL;
    if (replay->store == NULL || replay->maker == NULL || (has_faults && replay->faults == NULL)) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a replay");
    }
    etw_status status =
        etw_resolver_new(replay->store, &resolver_options, &replay->resolver, error);
    etw_input_hold_size(replay->input, replay->options.follow); /* the pick is of what is read */
    if (!etw_failed(status)) {
        status = make_pick(replay, error);
    }
    if (!etw_failed(status)) {
        status = open_state(replay, error);
    }
    if (!etw_failed(status)) {
        status = etw_replay_open_source(replay, error);
    }
    etw_input_hold_size(replay->input, false);
    return status;
}

/* What it learns of schemas and times is this trace's. */
static etw_status copy_where(etw_replay *replay, etw_error *error)
{
    etw_where *given = replay->options.filter.where;
    if (given == NULL) {
        return ETW_OK;
    }
    const etw_status status = etw_where_copy(given, &replay->where, error);
    replay->asks_time = etw_where_asks_time(given);
    replay->options.filter.where = replay->where;
    return status;
}

etw_status etw_replay_open(const char *path, const etw_replay_options *options, etw_replay **replay,
                           etw_error *error)
{
    if (replay != NULL) {
        *replay = NULL;
    }
    const bool has_input = options != NULL && options->input != NULL;
    if ((path == NULL && !has_input) || replay == NULL) {
        return etw_error_set_missing(error, "path and replay");
    }
    etw_replay *opened = calloc(1, sizeof *opened);
    if (opened == NULL) {
        if (options != NULL && options->owns_input) {
            etw_input_close(options->input);
        }
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a replay");
    }
    if (options != NULL) {
        opened->options = *options;
        opened->has_first_since = options->filter.has_since;
        opened->first_since_100ns = options->filter.since_100ns;
    }
    opened->os = opened->options.os != NULL ? opened->options.os : etw_os_default();
    atomic_init(&opened->stopped, false);
    etw_status status = open_input(opened, path, error);
    if (!etw_failed(status)) {
        status = copy_where(opened, error);
    }
    if (!etw_failed(status)) {
        status = open_parts(opened, error);
    }
    if (etw_failed(status)) {
        etw_replay_close(opened);
        return status;
    }
    *replay = opened;
    return ETW_OK;
}

void etw_replay_close(etw_replay *replay)
{
    if (replay == NULL) {
        return;
    }
    etw_event_maker_free(replay->maker);
    etw_faults_free(replay->faults);
    etw_sort_close(replay->sort);
    etw_source_close(replay->source);
    etw_stack_reader_free(replay->stacks);
    if (replay->owns_input) {
        etw_input_close(replay->input);
    }
    etw_state_free(replay->state);
    etw_unexplained_free(replay->unexplained);
    etw_resolver_free(replay->resolver);
    if (replay->options.store == NULL) {
        etw_schema_store_free(replay->store);
    }
    etw_guid_list_free(&replay->wanted);
    etw_where_free(replay->where);
    etw_pick_free(replay->pick);
    etw_buffer_free(&replay->block_schemas);
    free(replay->of_file);
    free(replay);
}
