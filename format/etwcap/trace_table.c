#include "format/etwcap/trace_table.h"

#include <stdlib.h>

/* What takes the place of a trace that the file does not describe. */
static const etw_trace unknown_trace = {.pointer_size = 8};

void etw_trace_table_free(etw_trace_table *table)
{
    for (uint32_t i = 0; i < ETW_MAX_TRACES; i++) {
        free(table->traces[i]);
        table->traces[i] = NULL;
    }
    table->count = 0;
}

static etw_status keep(etw_trace_table *table, uint16_t trace_index, const etw_trace *trace,
                       etw_error *error)
{
    const size_t header_size = trace->logfile_header.size;
    if (table->traces[trace_index] != NULL) {
        return ETW_OK; /* the copy at the file's end */
    }
    uint8_t *memory = malloc(sizeof *trace + header_size);
    if (memory == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for reading");
    }
    etw_trace *kept = (etw_trace *)(void *)memory;
    *kept = *trace;
    if (header_size > 0) {
        memcpy(memory + sizeof *kept, trace->logfile_header.data, header_size);
        kept->logfile_header.data = memory + sizeof *kept;
    }
    table->traces[trace_index] = kept;
    if (trace_index >= table->count) {
        table->count = (uint16_t)(trace_index + 1);
    }
    return ETW_OK;
}

etw_status etw_trace_table_load(etw_trace_table *table, etw_bytes body, etw_error *error)
{
    etw_trace trace;
    uint16_t trace_index;
    const etw_status status = etw_trace_load(body, &trace_index, &trace, error);
    return status == ETW_OK ? keep(table, trace_index, &trace, error) : status;
}

/* A trace whose block is lost may have its copy at the end of the file. */
static void search(etw_trace_table *table, etw_scan *scan)
{
    etw_scan_item block;
    etw_bytes body;
    if (table->searched) {
        return;
    }
    table->searched = true;
    etw_scan_jump(scan, ETW_HEAD_SIZE, 0);
    while (etw_scan_next(scan, &block, NULL) == ETW_OK) {
        if (block.kind == ETW_SCAN_BLOCK && block.header.kind == ETW_BLOCK_TRACE &&
            etw_scan_body(scan, &body, NULL) == ETW_OK) {
            (void)etw_trace_table_load(table, body, NULL);
        }
    }
}

etw_status etw_trace_table_find(etw_trace_table *table, uint16_t trace_index, etw_scan *scan,
                                etw_error *error)
{
    if (trace_index >= ETW_MAX_TRACES) {
        return etw_error_set(error, ETW_ERROR_DAMAGED, "trace %u is above the limit", trace_index);
    }
    if (scan != NULL) {
        search(table, scan);
    }
    return keep(table, trace_index, &unknown_trace, error);
}

const etw_trace *etw_trace_table_get(const etw_trace_table *table, uint16_t trace_index)
{
    if (trace_index >= table->count) {
        return NULL;
    }
    return table->traces[trace_index] != NULL ? table->traces[trace_index] : &unknown_trace;
}
