#include "replay/rundown_file.h"

#include "format/etwcap/block.h"
#include "format/etwcap/reader.h"

typedef struct gathering {
    etw_rundown *rundown; /* NULL before the first blob */
    size_t bytes;
} gathering;

static etw_status take_block(void *context, uint16_t kind, etw_bytes body, etw_error *error)
{
    gathering *g = context;
    if (kind != ETW_BLOCK_RUNDOWN || body.size > ETW_RUNDOWN_FILE_MAX_BYTES - g->bytes) {
        return ETW_OK;
    }
    if (g->rundown == NULL) {
        g->rundown = etw_rundown_new();
    }
    if (g->rundown == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for the rundown");
    }
    g->bytes += body.size;
    const etw_status status = etw_rundown_add(g->rundown, body, error);
    return status == ETW_ERROR_NO_MEMORY ? status : ETW_OK;
}

etw_status etw_rundown_file_read(const etw_os *os, const char *path, etw_rundown **rundown,
                                 etw_error *error)
{
    /* No block of events can hold the provider that nobody has, so none is read. */
    static const etw_guid nobody = {
        0xFFFFFFFFu, 0xFFFF, 0xFFFF, {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}};
    gathering g = {NULL, 0};
    const etw_reader_options options = {
        .providers = &nobody, .provider_count = 1, .block = take_block, .block_context = &g};
    etw_source *source = NULL;
    *rundown = NULL;
    if (strcmp(path, "-") == 0) {
        return ETW_OK;
    }
    etw_status status = etw_reader_open(os, path, &options, &source, error);
    if (status == ETW_ERROR_NOT_THIS) {
        return ETW_OK;
    }
    while (status == ETW_OK) {
        etw_item item;
        status = etw_source_next(source, &item, error);
    }
    etw_source_close(source);
    if (status != ETW_END) {
        etw_rundown_free(g.rundown);
        return status;
    }
    *rundown = g.rundown;
    return ETW_OK;
}
