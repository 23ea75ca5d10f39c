#include "replay/command/trace_report.h"

#include "replay/command/progress.h"
#include "replay/command/rundown_file.h"
#include "replay/query/state_pass.h"
#include "replay/whole_blocks.h"

#include <stdlib.h>

#define HASH_PIECE ((size_t)256 << 10)

typedef etw_trace_report report;

static void list_loss(report *r, const etw_loss *loss)
{
    r->has_missing = r->has_missing || loss->cause != ETW_LOSS_FILTERED;
    if (r->losses == NULL) {
        r->losses = calloc(ETW_REPORT_LOSSES, sizeof *r->losses);
    }
    if (r->losses != NULL && r->listed_losses < ETW_REPORT_LOSSES) {
        r->losses[r->listed_losses++] = *loss;
    }
}

/* An .etl file, of which all is read. */

static void on_loss(void *context, const etw_loss *loss)
{
    report *r = context;
    etw_file_summary *summary = &r->summary;
    list_loss(r, loss);
    summary->loss_records++;
    summary->lost_unknown |= loss->events == ETW_LOSS_COUNT_UNKNOWN;
    summary->lost_events += loss->events == ETW_LOSS_COUNT_UNKNOWN ? 0 : loss->events;
    summary->complete &= loss->cause != ETW_LOSS_TRUNCATED;
}

static void note_time(etw_file_summary *summary, int64_t time_100ns)
{
    if (summary->events == 0 || time_100ns < summary->first_time_100ns) {
        summary->first_time_100ns = time_100ns;
    }
    if (summary->events == 0 || time_100ns > summary->last_time_100ns) {
        summary->last_time_100ns = time_100ns;
    }
    summary->events++;
}

static etw_status count_all(report *r, etw_replay *replay, etw_file_summary *summary,
                            etw_error *error)
{
    const etw_event *event;
    etw_status status;
    while ((status = etw_replay_next(replay, &event, error)) == ETW_OK) {
        status = etw_event_counts_add(r->counts, event, error);
        if (etw_failed(status)) {
            return status;
        }
        note_time(summary, etw_event_time_100ns(event));
    }
    return status == ETW_END
               ? etw_event_counts_learn_names(r->counts, etw_replay_schemas(replay), error)
               : status;
}

static etw_status read_etl(report *r, etw_error *error)
{
    const etw_replay_options options = {.input = r->input, .loss = on_loss, .loss_context = r};
    etw_status status = etw_replay_open(NULL, &options, &r->replay, error);
    if (etw_failed(status)) {
        return status;
    }
    r->source = etw_replay_source(r->replay);
    r->format = "etl";
    r->is_etl = true;
    r->summary.complete = true;
    r->looked_at = r->replay;
    status = count_all(r, r->replay, &r->summary, error);
    r->etl = *etw_etl_statistics_of(r->source);
    r->summary.received = r->summary.events;
    r->summary.file_bytes = r->etl.file_bytes;
    r->summary.raw_bytes = r->etl.expanded_bytes;
    return status;
}

/* An .etwcap file. */

/* The losses alone: no block of events can hold the provider that nobody has, so none is read. */
static etw_status list_losses(report *r, etw_error *error)
{
    static const etw_guid nobody = {
        0xFFFFFFFFu, 0xFFFF, 0xFFFF, {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}};
    const etw_reader_options options = {.providers = &nobody, .provider_count = 1};
    etw_source *source = NULL;
    etw_status status = etw_reader_open(etw_input_os(r->input), r->path, &options, &source, error);
    while (status == ETW_OK && r->listed_losses < ETW_REPORT_LOSSES) {
        etw_item item;
        status = etw_source_next(source, &item, error);
        if (status == ETW_OK && item.kind == ETW_ITEM_LOSS) {
            list_loss(r, item.loss);
        }
    }
    etw_source_close(source);
    return status == ETW_END ? ETW_OK : status;
}

/* What the summary counts. */
static etw_status take_providers(report *r, etw_error *error)
{
    etw_guid provider;
    uint64_t events;
    const char *name;
    etw_status status = ETW_OK;
    for (uint32_t i = 0;
         !etw_failed(status) && etw_reader_provider(r->source, i, &provider, &events, &name); i++) {
        status = etw_event_counts_add_provider(r->counts, &provider, events, name, error);
    }
    return status;
}

/* Kinds of events are in no summary: all of it is read. */
static etw_status read_events(report *r, etw_error *error)
{
    const etw_replay_options options = {.input = r->input};
    etw_file_summary ignored = {0};
    const etw_status status = etw_replay_open(NULL, &options, &r->looked_at, error);
    return etw_failed(status) ? status : count_all(r, r->looked_at, &ignored, error);
}

/* Which events have no schema takes the kinds of all; of larger files it is not told. */
#define MOST_EVENTS_LOOKED_AT UINT64_C(4000000)

static etw_status look_at_kinds(report *r, etw_error *error)
{
    const etw_replay_options options = {.input = r->input};
    if (r->summary.events > MOST_EVENTS_LOOKED_AT) {
        return ETW_OK;
    }
    const etw_status status = etw_replay_open(NULL, &options, &r->looked_at, error);
    return etw_failed(status) ? status : etw_replay_count_unexplained(r->looked_at, error);
}

static etw_status read_etwcap(report *r, etw_error *error)
{
    const etw_reader_options options = {.summary_only = true};
    r->format = "etwcap";
    etw_status status =
        etw_reader_open(etw_input_os(r->input), r->path, &options, &r->source, error);
    if (!etw_failed(status)) {
        status = etw_reader_summary(r->source, &r->summary, error);
    }
    if (!etw_failed(status) && r->summary.loss_records > 0) {
        status = list_losses(r, error);
    }
    if (etw_failed(status)) {
        return status;
    }
    if (r->arguments->events) {
        return read_events(r, error);
    }
    status = take_providers(r, error);
    return etw_failed(status) ? status : look_at_kinds(r, error);
}

/* All. */

static etw_status hash_file(report *r, etw_error *error)
{
    const etw_os *os = etw_input_os(r->input);
    const int file = os->open(os->context, r->path, ETW_OPEN_READ);
    uint8_t *piece = malloc(HASH_PIECE);
    etw_sha1 sha1;
    size_t got = HASH_PIECE;
    etw_status status = file < 0 ? etw_error_set_os(error, -file, "%s", r->path) : ETW_OK;
    if (piece == NULL && !etw_failed(status)) {
        status = etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a hash");
    }
    etw_sha1_begin(&sha1);
    while (!etw_failed(status) && got == HASH_PIECE) {
        status = etw_os_read_full(os, file, piece, HASH_PIECE, &got, error);
        if (!etw_failed(status)) {
            etw_sha1_add(&sha1, piece, got);
        }
    }
    etw_sha1_end(&sha1, r->hash);
    free(piece);
    if (file >= 0) {
        (void)os->close(os->context, file);
    }
    return status;
}

static etw_status gather(report *r, etw_error *error)
{
    etw_status status = read_etwcap(r, error);
    if (status == ETW_ERROR_NOT_THIS) {
        status = read_etl(r, error);
    }
    if (!etw_failed(status) && r->arguments->processes) {
        status = etw_rundown_file_read(r->input, &r->rundown, error);
    }
    if (!etw_failed(status) && r->rundown != NULL) {
        const etw_state_pass pass = {.input = r->input, .depth = ETW_STATE_IMAGES};
        status = etw_state_read(&pass, &r->state, NULL, error);
    }
    if (!etw_failed(status) && r->arguments->hash) {
        status = hash_file(r, error);
    }
    return etw_failed(status) || etw_event_counts_sort(r->counts)
               ? status
               : etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for providers");
}

etw_status etw_trace_report_gather(etw_input *input, const etw_replay_arguments *arguments,
                                   etw_trace_report *r, etw_error *error)
{
    etw_progress progress;
    *r = (etw_trace_report){.input = input,
                            .arguments = arguments,
                            .path = etw_input_name(input),
                            .counts = etw_event_counts_new(arguments->events)};
    if (r->counts == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for providers");
    }
    etw_progress_begin(&progress, arguments, "reading", "B");
    etw_progress_watch(&progress, &r->input, 1);
    const etw_status status = gather(r, error);
    etw_progress_end(&progress);
    return status;
}

void etw_trace_report_free(etw_trace_report *r)
{
    if (r->looked_at != r->replay) {
        etw_replay_close(r->looked_at);
    }
    if (r->replay != NULL) {
        etw_replay_close(r->replay);
    } else {
        etw_source_close(r->source);
    }
    etw_event_counts_free(r->counts);
    free(r->losses);
    etw_rundown_free(r->rundown);
    etw_state_free(r->state);
}

bool etw_trace_report_is_whole(const etw_trace_report *r)
{
    const etw_file_summary *s = &r->summary;
    return s->complete && s->lost_events == 0 && !s->lost_unknown && s->dropped == 0 &&
           !r->has_missing;
}
