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
typedef struct pass {
    etw_state *state;
    etw_stacks *stacks; /* NULL: not wanted */
    bool counts;
} pass;

static etw_status open_source(const etw_input *input, const pass *p, etw_source **source,
                              etw_error *error)
{
    const etw_os *os = etw_input_os(input);
    const char *name = etw_input_name(input);
    etw_reader_options options = {.block = etw_state_take_block, .block_context = p->state};
    if (!p->counts) {
        /* Those of stacks stand behind those of processes. */
        options.providers = etw_state_providers(p->stacks != NULL, &options.provider_count);
    }
    const etw_status status = etw_reader_open(os, name, &options, source, error);
    return status == ETW_ERROR_NOT_THIS ? etw_etl_open(os, name, NULL, source, error) : status;
}

static etw_status take_item(const pass *p, const etw_source *source, const etw_item *item,
                            etw_error *error)
{
    if (item->kind != ETW_ITEM_EVENT) {
        if (p->stacks != NULL) {
            etw_stacks_lost(p->stacks);
        }
        return ETW_OK;
    }
    const etw_trace *trace = etw_source_trace(source, item->trace_index);
    if (!etw_state_feed(p->state, item->record, trace) ||
        (p->stacks != NULL && !etw_stacks_feed(p->stacks, item->record, trace))) {
        return no_memory(error);
    }
    if (p->counts) {
        etw_state_count(p->state, item->record, trace);
    }
    return ETW_OK;
}

static etw_status read_all(const etw_input *input, const pass *p, etw_error *error)
{
    etw_source *source = NULL;
    etw_status status = open_source(input, p, &source, error);
    while (status == ETW_OK) {
        etw_item item;
        status = etw_source_next(source, &item, error);
        if (status == ETW_OK) {
            status = take_item(p, source, &item, error);
        }
    }
    etw_source_close(source);
    return status == ETW_END ? ETW_OK : status;
}

etw_status etw_state_read(const etw_input *input, bool counts, etw_state **state,
                          etw_stacks **stacks, etw_error *error)
{
    const pass p = {etw_state_new(), stacks == NULL ? NULL : etw_stacks_new(), counts};
    const bool is_well = p.state != NULL && (stacks == NULL || p.stacks != NULL);
    const etw_status status = is_well ? read_all(input, &p, error) : no_memory(error);
    if (etw_failed(status)) {
        etw_state_free(p.state);
        etw_stacks_free(p.stacks);
        return status;
    }
    etw_state_settle(p.state);
    *state = p.state;
    if (stacks != NULL) {
        *stacks = p.stacks;
    }
    return status;
}
