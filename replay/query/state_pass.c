#include "replay/query/state_pass.h"

#include "format/etl/etl.h"
#include "format/etwcap/block_kind.h"
#include "format/etwcap/reader.h"
#include "replay/query/state_lives.h"

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

/* What a pass fills. */
typedef struct filling {
    const etw_state_pass *pass;
    etw_state *state;   /* NULL: another pass has filled it */
    etw_stacks *stacks; /* NULL: not wanted, or by another pass */
} filling;

static bool wants_kind(void *context, const etw_event_header *header)
{
    const etw_state_pass *pass = context;
    return etw_state_wants(pass->depth, header);
}

/* A stack is logged behind its event; but the order of a file is not quite that of time. */
#define STACKS_MARGIN_100NS (2000 * ETW_STATE_MS_100NS)

static etw_status open_source(const filling *f, etw_source **source, etw_error *error)
{
    const etw_os *os = etw_input_os(f->pass->input);
    const char *name = etw_input_name(f->pass->input);
    etw_reader_options options = {0};
    if (f->state != NULL) {
        options.block = etw_state_take_block;
        options.block_context = f->state;
    }
    if (!f->pass->counts) {
        options.providers = etw_state_providers(f->pass->depth, &options.provider_count);
    }
    if (!f->pass->counts && f->stacks == NULL) {
        options.wants_kind = wants_kind;
        options.wants_kind_context = (void *)(uintptr_t)f->pass;
    }
    if (f->state == NULL) {
        options.has_time_range = true;
        options.from_time_100ns = etw_time_after(f->pass->stacks_from_100ns, -STACKS_MARGIN_100NS);
        options.to_time_100ns = INT64_MAX;
    }
    const etw_status status = etw_reader_open(os, name, &options, source, error);
    return status == ETW_ERROR_NOT_THIS ? etw_etl_open(os, name, NULL, source, error) : status;
}

static etw_status take_item(const filling *f, const etw_source *source, const etw_item *item,
                            etw_error *error)
{
    if (item->kind != ETW_ITEM_EVENT) {
        if (f->stacks != NULL) {
            etw_stacks_lost(f->stacks);
        }
        return ETW_OK;
    }
    const etw_trace *trace = etw_source_trace(source, item->trace_index);
    if ((f->state != NULL && !etw_state_feed(f->state, item->record, trace)) ||
        (f->stacks != NULL && !etw_stacks_feed(f->stacks, item->record, trace))) {
        return no_memory(error);
    }
    if (f->pass->counts) {
        etw_state_count(f->state, item->record, trace);
    }
    return ETW_OK;
}

static etw_status read_all(const filling *f, etw_error *error)
{
    etw_source *source = NULL;
    etw_status status = open_source(f, &source, error);
    while (status == ETW_OK) {
        etw_item item;
        status = etw_source_next(source, &item, error);
        if (status == ETW_OK) {
            status = take_item(f, source, &item, error);
        }
    }
    etw_source_close(source);
    return status == ETW_END ? ETW_OK : status;
}

static bool reads_apart(const etw_state_pass *pass)
{
    return pass->depth == ETW_STATE_STACKS && !pass->counts && pass->stacks_from_100ns > 0;
}

/* Lives from all of the file, stacks from its end. */
static etw_status read_apart(const filling *f, etw_error *error)
{
    const filling lives = {f->pass, f->state, NULL}, stacks = {f->pass, NULL, f->stacks};
    const etw_status status = read_all(&lives, error);
    return etw_failed(status) ? status : read_all(&stacks, error);
}

etw_status etw_state_read(const etw_state_pass *pass, etw_state **state, etw_stacks **stacks,
                          etw_error *error)
{
    const bool with_stacks = pass->depth == ETW_STATE_STACKS;
    const filling f = {pass, etw_state_new(), with_stacks ? etw_stacks_new() : NULL};
    const bool is_well = f.state != NULL && (!with_stacks || f.stacks != NULL);
    const etw_status status = !is_well            ? no_memory(error)
                              : reads_apart(pass) ? read_apart(&f, error)
                                                  : read_all(&f, error);
    if (etw_failed(status)) {
        etw_state_free(f.state);
        etw_stacks_free(f.stacks);
        return status;
    }
    etw_state_settle(f.state);
    *state = f.state;
    if (stacks != NULL) {
        *stacks = f.stacks;
    }
    return status;
}
