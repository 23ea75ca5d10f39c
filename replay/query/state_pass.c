#include "replay/query/state_pass.h"

#include "format/etl/etl.h"
#include "format/etwcap/block_kind.h"
#include "format/etwcap/reader.h"
#include "replay/query/state_lives.h"

#include <stdlib.h>

static etw_status no_memory(etw_error *error)
{
    return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for processes");
}

/* A list that breaks its own sizes tells what it could. */
etw_status etw_state_take_block(void *context, const etw_side_block *block, etw_error *error)
{
    etw_state *state = context;
    if (block->kind != ETW_BLOCK_RUNDOWN) {
        return ETW_OK;
    }
    etw_rundown *rundown = etw_rundown_new();
    etw_status status =
        rundown == NULL ? no_memory(error) : etw_rundown_add(rundown, block->body, error);
    if (status != ETW_ERROR_NO_MEMORY) {
        status = etw_state_feed_rundown(state, rundown) ? ETW_OK : no_memory(error);
    }
    etw_rundown_free(rundown);
    return status;
}

/* A file that is read for what it tells of processes, of stacks, or of both. */
typedef struct reading {
    etw_state_pass pass;
    etw_state *state;   /* lent; NULL: another pass has filled it */
    etw_stacks *stacks; /* lent; NULL: not wanted, or by another pass */
    etw_stacks *ahead;  /* lent; NULL, or what is told what keys stand for */
    etw_source *source; /* owned; NULL: all is read */
    bool is_etwcap;
} reading;

struct etw_stack_reader {
    etw_stacks *stacks;
    reading ahead;   /* of the events that are asked for */
    bool is_partial; /* not all stacks were there at once */
};

static etw_status take_block(void *context, const etw_side_block *block, etw_error *error)
{
    const reading *r = context;
    return r->state == NULL ? ETW_OK : etw_state_take_block(r->state, block, error);
}

static bool wants_kind(void *context, const etw_event_header *header)
{
    const reading *r = context;
    return etw_state_wants(r->pass.depth, header) ||
           (r->ahead != NULL && etw_stacks_wants_ahead(header));
}

/* A stack is logged behind its event; but the order of a file is not quite that of time. */
#define STACKS_MARGIN_100NS (2000 * ETW_STATE_MS_100NS)

static etw_status open_source(reading *r, etw_error *error)
{
    const etw_os *os = etw_input_os(r->pass.input);
    const char *name = etw_input_name(r->pass.input);
    etw_reader_options options = {
        .block = take_block, .block_context = r, .decode_threads = r->pass.threads};
    if (!r->pass.counts) {
        options.providers = etw_state_providers(r->pass.depth, &options.provider_count);
    }
    if (!r->pass.counts && r->stacks == NULL) {
        options.wants_kind = wants_kind;
        options.wants_kind_context = r;
        options.bare_events = true;
    }
    if (r->state == NULL) {
        options.has_time_range = true;
        options.from_time_100ns = etw_time_after(r->pass.stacks_from_100ns, -STACKS_MARGIN_100NS);
        options.to_time_100ns = INT64_MAX;
    }
    const etw_status status = etw_reader_open(os, name, &options, &r->source, error);
    r->is_etwcap = status == ETW_OK;
    return status == ETW_ERROR_NOT_THIS ? etw_etl_open(os, name, NULL, &r->source, error) : status;
}

/* What is left is read little by little, while others have work. */
static void rest(const reading *r)
{
    if (r->is_etwcap && r->source != NULL) {
        etw_reader_stop_threads(r->source);
    }
}

static void close_source(reading *r)
{
    etw_source_close(r->source);
    r->source = NULL;
}

static etw_status take_item(const reading *r, const etw_item *item, etw_error *error)
{
    if (item->kind != ETW_ITEM_EVENT) {
        if (r->stacks != NULL) {
            etw_stacks_lost(r->stacks);
        }
        return ETW_OK;
    }
    const etw_trace *trace = etw_source_trace(r->source, item->trace_index);
    if ((r->state != NULL && !etw_state_feed(r->state, item->record, trace)) ||
        (r->stacks != NULL && !etw_stacks_feed(r->stacks, item->record, trace)) ||
        (r->ahead != NULL && !etw_stacks_tell_ahead(r->ahead, item->record, trace))) {
        return no_memory(error);
    }
    if (r->pass.counts) {
        etw_state_count(r->state, item->record, trace);
    }
    return ETW_OK;
}

/* So many items, or until all is read, and the source closed, or the stacks have no room for more.
 */
static etw_status read_on(reading *r, uint64_t items, etw_error *error)
{
    etw_status status = ETW_OK;
    for (; status == ETW_OK && items > 0; items--) {
        etw_item item;
        if (r->stacks != NULL && etw_stacks_is_full(r->stacks)) {
            return ETW_OK;
        }
        status = etw_source_next(r->source, &item, error);
        if (status == ETW_OK) {
            status = take_item(r, &item, error);
        }
    }
    if (status != ETW_OK) {
        close_source(r);
    }
    return status == ETW_END ? ETW_OK : status;
}

static etw_status read_from_start(reading *r, etw_error *error)
{
    const etw_status status = open_source(r, error);
    return etw_failed(status) ? status : read_on(r, UINT64_MAX, error);
}

static etw_status read_lives(const etw_state_pass *pass, etw_state *state, etw_error *error)
{
    reading lives = {.pass = *pass, .state = state};
    return read_from_start(&lives, error);
}

/* What keys stand for, which may be at the end alone; lives besides, where state is not NULL. */
static etw_status tell_ahead(etw_stack_reader *reader, etw_state *state, etw_error *error)
{
    reading all = {.pass = reader->ahead.pass, .state = state, .ahead = reader->stacks};
    const etw_status status = read_from_start(&all, error);
    etw_stacks_told_ahead(reader->stacks);
    return status;
}

/* The end of a file alone. */
static bool reads_apart(const etw_state_pass *pass)
{
    return pass->stacks_from_100ns > 0;
}

/* Lives from all of the file in any case: where stacks leave no room, they wait and lives are read
 * on their own, from the start. */
static etw_status read_both(const etw_state_pass *pass, etw_state **state, etw_stack_reader *reader,
                            etw_error *error)
{
    etw_status status = ETW_OK;
    if (reads_apart(pass)) {
        status = read_lives(pass, *state, error);
    } else {
        reader->ahead.state = *state;
    }
    if (!etw_failed(status)) {
        status = read_from_start(&reader->ahead, error);
    }
    reader->ahead.state = NULL;
    if (etw_failed(status) || reader->ahead.source == NULL || reads_apart(pass)) {
        return status;
    }
    reader->is_partial = true;
    rest(&reader->ahead);
    etw_state_free(*state);
    *state = etw_state_new();
    return *state == NULL ? no_memory(error) : tell_ahead(reader, *state, error);
}

static etw_stack_reader *new_reader(const etw_state_pass *pass)
{
    etw_stack_reader *reader = calloc(1, sizeof *reader);
    if (reader != NULL) {
        reader->stacks = etw_stacks_new(&pass->stacks_limits);
        reader->ahead = (reading){.pass = *pass, .stacks = reader->stacks};
    }
    if (reader != NULL && reader->stacks == NULL) {
        free(reader);
        return NULL;
    }
    return reader;
}

void etw_stack_reader_free(etw_stack_reader *reader)
{
    if (reader != NULL) {
        close_source(&reader->ahead);
        etw_stacks_free(reader->stacks);
        free(reader);
    }
}

etw_status etw_state_read(const etw_state_pass *pass, etw_state **state, etw_stack_reader **stacks,
                          etw_error *error)
{
    const bool with_stacks = pass->depth == ETW_STATE_STACKS;
    etw_stack_reader *reader = with_stacks ? new_reader(pass) : NULL;
    *state = etw_state_new();
    etw_status status = *state == NULL || (with_stacks && reader == NULL) ? no_memory(error)
                        : with_stacks ? read_both(pass, state, reader, error)
                                      : read_lives(pass, *state, error);
    if (etw_failed(status)) {
        etw_state_free(*state);
        etw_stack_reader_free(reader);
        *state = NULL;
        return status;
    }
    etw_state_settle(*state);
    if (stacks != NULL) {
        *stacks = reader;
    }
    return status;
}

/* Read before it is looked whether that is enough. */
#define ITEMS_AT_ONCE 64u

/* What has passed. */
static void forget(etw_stack_reader *reader, int64_t time_100ns)
{
    const etw_state_pass *pass = &reader->ahead.pass;
    if (etw_stacks_has_passed(reader->stacks, time_100ns) && pass->settle != NULL) {
        pass->settle(pass->settle_context);
    }
    while (etw_stacks_forget(reader->stacks, time_100ns)) {
    }
}

/* Whoever reads the events meets the damage that ends it, and tells. */
static etw_status read_ahead(etw_stack_reader *reader, int64_t time_100ns, etw_error *error)
{
    etw_status status = ETW_OK;
    forget(reader, time_100ns);
    while (status == ETW_OK && reader->ahead.source != NULL &&
           etw_stacks_is_behind(reader->stacks, time_100ns)) {
        status = read_on(&reader->ahead, ITEMS_AT_ONCE, error);
        forget(reader, time_100ns);
    }
    return status == ETW_ERROR_NO_MEMORY ? status : ETW_OK;
}

etw_status etw_stack_reader_find(etw_stack_reader *reader, const etw_event_record *record,
                                 const etw_trace *trace, etw_event_stack *stack, bool *is_found,
                                 etw_error *error)
{
    if (reader->ahead.source != NULL) {
        const int64_t time_100ns =
            etw_clock_to_filetime(&trace->clock, record->EventHeader.TimeStamp);
        const etw_status status = read_ahead(reader, time_100ns, error);
        if (etw_failed(status)) {
            return status;
        }
    }
    *is_found = etw_stacks_find(reader->stacks, record, trace, stack);
    return ETW_OK;
}

etw_status etw_stack_reader_begin_again(etw_stack_reader *reader, etw_error *error)
{
    if (!reader->is_partial) {
        return ETW_OK;
    }
    close_source(&reader->ahead);
    etw_stacks_free(reader->stacks);
    reader->stacks = reader->ahead.stacks = etw_stacks_new(&reader->ahead.pass.stacks_limits);
    if (reader->stacks == NULL) {
        return no_memory(error);
    }
    etw_status status = tell_ahead(reader, NULL, error);
    if (!etw_failed(status)) {
        status = read_from_start(&reader->ahead, error);
    }
    rest(&reader->ahead);
    return status;
}

uint64_t etw_stack_reader_dropped(const etw_stack_reader *reader)
{
    return etw_stacks_dropped(reader->stacks);
}
