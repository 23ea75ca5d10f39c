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
static etw_status take_block(void *context, const etw_side_block *block, etw_error *error)
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

static etw_status open_source(const etw_input *input, bool counts, etw_state *state,
                              etw_source **source, etw_error *error)
{
    const etw_os *os = etw_input_os(input);
    const char *name = etw_input_name(input);
    etw_reader_options options = {.block = take_block, .block_context = state};
    if (!counts) {
        options.providers = etw_state_providers(&options.provider_count);
    }
    const etw_status status = etw_reader_open(os, name, &options, source, error);
    return status == ETW_ERROR_NOT_THIS ? etw_etl_open(os, name, NULL, source, error) : status;
}

static etw_status take_item(etw_state *state, const etw_source *source, const etw_item *item,
                            bool counts, etw_error *error)
{
    if (item->kind != ETW_ITEM_EVENT) {
        return ETW_OK;
    }
    const etw_trace *trace = etw_source_trace(source, item->trace_index);
    if (!etw_state_feed(state, item->record, trace)) {
        return no_memory(error);
    }
    if (counts) {
        etw_state_count(state, item->record, trace);
    }
    return ETW_OK;
}

etw_status etw_state_read(const etw_input *input, bool counts, etw_state **state, etw_error *error)
{
    etw_source *source = NULL;
    *state = etw_state_new();
    etw_status status =
        *state == NULL ? no_memory(error) : open_source(input, counts, *state, &source, error);
    while (status == ETW_OK) {
        etw_item item;
        status = etw_source_next(source, &item, error);
        if (status == ETW_OK) {
            status = take_item(*state, source, &item, counts, error);
        }
    }
    etw_source_close(source);
    if (status != ETW_END) {
        etw_state_free(*state);
        *state = NULL;
        return status;
    }
    return ETW_OK;
}
