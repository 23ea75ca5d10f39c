#include "replay/command/rundown_file.h"

#include "format/etwcap/block.h"
#include "format/etwcap/reader.h"

typedef struct passing {
    etw_status (*take)(void *context, etw_bytes blob, etw_error *error);
    void *context;
} passing;

static etw_status take_block(void *context, const etw_side_block *block, etw_error *error)
{
    const passing *to = context;
    return block->kind == ETW_BLOCK_RUNDOWN ? to->take(to->context, block->body, error) : ETW_OK;
}

etw_status etw_rundown_file_each(const etw_input *input,
                                 etw_status (*take)(void *context, etw_bytes blob,
                                                    etw_error *error),
                                 void *context, etw_error *error)
{
    /* No block of events can hold the provider that nobody has, so none is read. */
    static const etw_guid nobody = {
        0xFFFFFFFFu, 0xFFFF, 0xFFFF, {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}};
    passing to = {take, context};
    const etw_reader_options options = {
        .providers = &nobody, .provider_count = 1, .block = take_block, .block_context = &to};
    etw_source *source = NULL;
    if (!etw_input_can_seek(input)) {
        return ETW_OK;
    }
    etw_status status =
        etw_reader_open(etw_input_os(input), etw_input_name(input), &options, &source, error);
    if (status == ETW_ERROR_NOT_THIS) {
        return ETW_OK;
    }
    while (status == ETW_OK) {
        etw_item item;
        status = etw_source_next(source, &item, error);
    }
    etw_source_close(source);
    return status == ETW_END ? ETW_OK : status;
}

typedef struct gathering {
    etw_rundown *rundown; /* NULL before the first blob */
    size_t bytes;
} gathering;

static etw_status gather(void *context, etw_bytes blob, etw_error *error)
{
    gathering *g = context;
    if (blob.size > ETW_RUNDOWN_FILE_MAX_BYTES - g->bytes) {
        return ETW_OK;
    }
    if (g->rundown == NULL) {
        g->rundown = etw_rundown_new();
    }
    if (g->rundown == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for the rundown");
    }
    g->bytes += blob.size;
    const etw_status status = etw_rundown_add(g->rundown, blob, error);
    return status == ETW_ERROR_NO_MEMORY ? status : ETW_OK;
}

etw_status etw_rundown_file_read(const etw_input *input, etw_rundown **rundown, etw_error *error)
{
    gathering g = {NULL, 0};
    const etw_status status = etw_rundown_file_each(input, gather, &g, error);
    *rundown = status == ETW_OK ? g.rundown : NULL;
    if (status != ETW_OK) {
        etw_rundown_free(g.rundown);
    }
    return status;
}
