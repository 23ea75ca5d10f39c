#include "recorder/command/record_inputs.h"

#include "format/etl/etl.h"
#include "format/etwcap/block.h"
#include "format/etwcap/body.h"
#include "format/etwcap/side_body.h"
#include "format/event/merge.h"
#include "format/fixture/fixture.h"
#include "format/input/input.h"
#include "recorder/capture/etwcap_source.h"
#include "recorder/command/ordered_input.h"
#include "recorder/command/report.h"

#include <stdlib.h>

/* Lists of processes that are kept for later segments; a host's takes some 2 MiB in all. */
#define MAX_RUNDOWNS      64u
#define MAX_RUNDOWN_BYTES ((size_t)32 << 20)

typedef struct one_input {
    etw_record_inputs *all; /* for the callback */
    uint32_t number;
    etw_input *input;
    etw_source *source; /* NULL: once it was merged */
} one_input;

struct etw_record_inputs {
    const etw_record_arguments *arguments;
    etw_resolver *resolver;
    etw_schema_store *store;
    etw_status_line line; /* while files are scanned, or put in order */
    const char *scanned;
    one_input **inputs; /* each stays where it is: callbacks point to it */
    uint32_t count;
    etw_stop_signal *signal;
    etw_source *source;
    bool is_merged;
    etw_spool *spool; /* of those that are put in order; outlives the sources */
    etw_text redacted;
    etw_bytes rundowns[MAX_RUNDOWNS]; /* owned */
    uint32_t rundown_count;
    size_t rundown_bytes;
    uint64_t left_behind;
    etw_capture *capture;
};

static etw_status no_memory(etw_error *error)
{
    return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for the inputs");
}

/* Blocks of .etwcap files that deliver no events. */

static etw_status feed_rundown(etw_record_inputs *all, etw_bytes blob, etw_error *error)
{
    const uint32_t processes = blob.size < sizeof processes ? 0 : etw_load_u32(blob.data);
    return all->capture == NULL ? ETW_OK
                                : etw_capture_rundown(all->capture, blob, processes, error);
}

/* Processes and images are of a host between two boots, and the lists do not say of which. */
static bool is_one_boot(const etw_record_inputs *all)
{
    const etw_trace *first = NULL;
    bool is_one = true;
    for (uint32_t i = 0; i < all->count && is_one; i++) {
        is_one = etw_source_is_of_one_boot(all->inputs[i]->source, &first);
    }
    return is_one;
}

/* Damaged ones are reported where they stand. */
static etw_status take_rundown(etw_record_inputs *all, etw_bytes blob, etw_error *error)
{
    const etw_status checked = etw_side_body_check(ETW_BLOCK_RUNDOWN, 0, blob, error);
    if (checked != ETW_OK) {
        return checked == ETW_ERROR_NO_MEMORY ? checked : ETW_OK;
    }
    const bool is_foreign = all->capture != NULL && all->count > 1 && !is_one_boot(all);
    if (is_foreign || all->rundown_count == MAX_RUNDOWNS ||
        blob.size > MAX_RUNDOWN_BYTES - all->rundown_bytes) {
        all->left_behind++;
        return ETW_OK;
    }
    uint8_t *copy = malloc(blob.size + 1);
    if (copy == NULL) {
        return no_memory(error);
    }
    memcpy(copy, blob.data, blob.size);
    all->rundowns[all->rundown_count++] = (etw_bytes){copy, blob.size};
    all->rundown_bytes += blob.size;
    return feed_rundown(all, blob, error);
}

static etw_status feed_anchor(const one_input *from, const etw_clock_anchor *anchor,
                              etw_error *error)
{
    etw_record_inputs *all = from->all;
    uint16_t index = anchor->trace_index;
    etw_status status = all->is_merged ? etw_merge_trace_index(all->source, from->number,
                                                               anchor->trace_index, &index, error)
                                       : ETW_OK;
    if (status == ETW_OK) {
        status = etw_capture_add_traces_of(all->capture, all->source, error);
    }
    return status == ETW_OK
               ? etw_capture_anchor(all->capture, index, anchor->ticks, anchor->time_100ns, error)
               : status;
}

static etw_status take_anchors(const one_input *from, etw_bytes body, etw_error *error)
{
    etw_cursor cursor = etw_cursor_over(body);
    etw_status status = ETW_OK;
    while (status == ETW_OK && etw_cursor_left(&cursor) > 0) {
        etw_clock_anchor anchor;
        status = etw_clock_anchor_load(&cursor, &anchor, error);
        if (status == ETW_OK && from->all->capture != NULL &&
            anchor.trace_index < etw_source_trace_count(from->source)) {
            status = feed_anchor(from, &anchor, error);
        }
    }
    return status;
}

static etw_status take_block(void *context, const etw_side_block *block, etw_error *error)
{
    const one_input *from = context;
    switch (block->kind) {
    case ETW_BLOCK_RUNDOWN:
        return take_rundown(from->all, block->body, error);
    case ETW_BLOCK_CLOCK_ANCHORS:
        return take_anchors(from, block->body, error);
    default:
        from->all->left_behind++;
        return ETW_OK;
    }
}

/* Opening. */

static void show_progress(void *context, uint64_t done_bytes, uint64_t total_bytes)
{
    etw_record_inputs *all = context;
    etw_status_line_progress(&all->line, all->scanned, done_bytes, total_bytes, "B");
}

static etw_status observe(void *context, const etw_event_record *record, const etw_trace *trace,
                          etw_error *error)
{
    (void)trace;
    return etw_resolver_observe(context, record, error);
}

static void add_redacted(etw_record_inputs *all, const char *names)
{
    etw_text *text = &all->redacted;
    if (names[0] != '\0' && (text->size == 0 || strstr(etw_text_z(text), names) == NULL)) {
        etw_text_printf(text, "%s%s", text->size > 0 ? ", " : "", names);
    }
}

static etw_status open_source(one_input *one, etw_error *error)
{
    etw_record_inputs *all = one->all;
    const etw_os *os = etw_input_os(one->input);
    const char *name = etw_input_name(one->input);
    const etw_etwcap_source_options etwcap = {
        .store = all->store, .resolver = all->resolver, .block = take_block, .block_context = one};
    etw_status status = etw_etwcap_source_open(os, name, &etwcap, &one->source, error);
    if (status == ETW_OK) {
        add_redacted(all, etw_etwcap_source_redacted(one->source));
    }
    if (status != ETW_ERROR_NOT_THIS) {
        return status;
    }
    const etw_etl_options etl = {.scan = observe,
                                 .scan_context = all->resolver,
                                 .scan_schemas_only = true,
                                 .progress = show_progress,
                                 .progress_context = all};
    all->scanned = name;
    status = etw_etl_open(os, name, &etl, &one->source, error);
    return status == ETW_ERROR_NOT_THIS
               ? etw_error_set(error, status, "%s: " ETW_INPUT_UNKNOWN, name)
               : status;
}

static bool is_output(const etw_record_inputs *all, const char *path)
{
    const char *output = all->arguments->output;
    return strcmp(output, "-") != 0 && etw_os_is_same_file(path, output);
}

/* What is read must not be replaced by what is read from it. */
static etw_status refuse_output(const etw_record_inputs *all, etw_error *error)
{
    return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                         "%s is an input and cannot be the output", all->arguments->output);
}

/* Takes the input over. */
static etw_status take_input(void *context, etw_input *input, etw_error *error)
{
    etw_record_inputs *all = context;
    if (is_output(all, etw_input_name(input))) {
        etw_input_close(input);
        return refuse_output(all, error);
    }
    one_input *one = calloc(1, sizeof *one);
    one_input **longer = realloc(all->inputs, (all->count + 1u) * sizeof(one_input *));
    if (longer != NULL) {
        all->inputs = longer;
    }
    if (one == NULL || longer == NULL) {
        free(one);
        etw_input_close(input);
        return no_memory(error);
    }
    if (all->count >= ETW_INPUTS_KEPT_OPEN) {
        etw_input_spare(input);
    }
    *one = (one_input){.all = all, .number = all->count, .input = input};
    all->inputs[all->count++] = one;
    return open_source(one, error);
}

/* What is merged must be in order itself. A stop is looked at only between events that were merged,
 * and before the first of them all of an input may be read. */
static etw_status order_sources(etw_record_inputs *all, etw_error *error)
{
    etw_status status = ETW_OK;
    all->spool = etw_spool_new(etw_os_default());
    if (all->spool == NULL) {
        return no_memory(error);
    }
    etw_spool_stop_by(all->spool, etw_stop_signal_is_set, all->signal);
    for (uint32_t i = 0; i < all->count && status == ETW_OK; i++) {
        one_input *one = all->inputs[i];
        const etw_ordered_input_options options = {.input = one->input,
                                                   .spool = all->spool,
                                                   .spools_all = all->count > ETW_TRACES_AT_ONCE,
                                                   .line = &all->line};
        status = etw_ordered_input_open(one->source, &options, &one->source, error);
    }
    return status;
}

static etw_status merge_sources(etw_record_inputs *all, etw_error *error)
{
    etw_source **sources = calloc(all->count, sizeof(etw_source *));
    if (sources == NULL) {
        return no_memory(error);
    }
    for (uint32_t i = 0; i < all->count; i++) {
        sources[i] = all->inputs[i]->source;
    }
    const etw_status status = etw_merge_open(sources, all->count, &all->source, error);
    all->is_merged = status == ETW_OK;
    if (status != ETW_OK) { /* they are closed, too */
        for (uint32_t i = 0; i < all->count; i++) {
            all->inputs[i]->source = NULL;
        }
    }
    free(sources);
    return status;
}

static void drop_rundowns(etw_record_inputs *all)
{
    for (uint32_t i = 0; i < all->rundown_count; i++) {
        free((void *)(uintptr_t)all->rundowns[i].data);
    }
    all->rundown_count = 0;
}

/* Events as text, which is no trace to be unwrapped or scanned. */

static etw_status find_schema(void *context, const etw_event_record *record, uint32_t pointer_size,
                              const etw_schema **schema, etw_error *error)
{
    return etw_resolver_find(context, record, pointer_size, schema, error);
}

static etw_status open_text(etw_record_inputs *all, etw_error *error)
{
    const char *path = all->arguments->inputs[0];
    const etw_fixture_options options = {
        .store = all->store, .find = find_schema, .context = all->resolver};
    if (all->arguments->input_count > 1) {
        return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                             "--from-json takes one file and no --input beside it");
    }
    return is_output(all, path)
               ? refuse_output(all, error)
               : etw_fixture_open(etw_os_default(), path, &options, &all->source, error);
}

static etw_status open_all(etw_record_inputs *all, etw_error *error)
{
    const etw_record_arguments *arguments = all->arguments;
    if (arguments->from_json) {
        return open_text(all, error);
    }
    const etw_input_options options = {.member = arguments->member};
    for (uint32_t i = 0; i < arguments->input_count; i++) {
        if (strcmp(arguments->inputs[i], "-") != 0 && is_output(all, arguments->inputs[i])) {
            return refuse_output(all, error);
        }
    }
    etw_status_line_begin(&all->line, etw_os_default(), arguments->show_progress);
    const etw_input_taker taker = {take_input, all};
    etw_status status = etw_inputs_each(etw_os_default(), arguments->inputs, arguments->input_count,
                                        &options, &taker, error);
    etw_status_line_clear(&all->line);
    if (status == ETW_OK && all->count > 1) {
        if (all->rundown_count > 0 && !is_one_boot(all)) {
            drop_rundowns(all);
            etw_report_note(NULL, "without the lists of processes: the traces are not all of one "
                                  "boot of one host");
        }
        status = order_sources(all, error);
        status = status == ETW_OK ? merge_sources(all, error) : status;
    } else if (status == ETW_OK) {
        all->source = all->inputs[0]->source;
    }
    return status;
}

etw_status etw_record_inputs_open(const etw_record_arguments *arguments, etw_resolver *resolver,
                                  etw_schema_store *store, etw_stop_signal *signal,
                                  etw_record_inputs **inputs, etw_error *error)
{
    etw_record_inputs *all = calloc(1, sizeof *all);
    *inputs = all;
    if (all == NULL) {
        return no_memory(error);
    }
    all->arguments = arguments;
    all->resolver = resolver;
    all->store = store;
    all->signal = signal;
    return open_all(all, error);
}

void etw_record_inputs_close(etw_record_inputs *inputs)
{
    if (inputs == NULL) {
        return;
    }
    if (inputs->is_merged || inputs->count == 0) {
        etw_source_close(inputs->source);
    }
    for (uint32_t i = 0; i < inputs->count; i++) {
        if (!inputs->is_merged) {
            etw_source_close(inputs->inputs[i]->source);
        }
        etw_input_close(inputs->inputs[i]->input);
        free(inputs->inputs[i]);
    }
    etw_spool_free(inputs->spool);
    drop_rundowns(inputs);
    free(inputs->inputs);
    etw_text_free(&inputs->redacted);
    free(inputs);
}

etw_source *etw_record_inputs_source(const etw_record_inputs *inputs)
{
    return inputs->source;
}

const char *etw_record_inputs_redacted(const etw_record_inputs *inputs)
{
    return inputs->redacted.size == 0 ? NULL : inputs->redacted.data;
}

static etw_status feed_rundowns(etw_record_inputs *inputs, etw_error *error)
{
    etw_status status = ETW_OK;
    for (uint32_t i = 0; i < inputs->rundown_count && status == ETW_OK; i++) {
        status = feed_rundown(inputs, inputs->rundowns[i], error);
    }
    return status;
}

etw_status etw_record_inputs_feed(etw_record_inputs *inputs, etw_capture *capture, etw_error *error)
{
    inputs->capture = capture;
    return feed_rundowns(inputs, error);
}

void etw_record_inputs_segment_opened(etw_record_inputs *inputs)
{
    etw_ignore(feed_rundowns(inputs, NULL)); /* a full disk is met by the next event, too */
}

uint64_t etw_record_inputs_left_behind(const etw_record_inputs *inputs)
{
    return inputs->left_behind;
}
