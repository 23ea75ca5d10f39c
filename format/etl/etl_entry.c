#include "format/etl/etl_source.h"

etw_status etw_etl_read_start(etw_etl_source *self, const etw_buffer_entry *entry, etw_room into,
                              size_t *got, etw_buffer_header *header, etw_error *error)
{
    memset(into.data, 0, ETW_BUFFER_HEADER_SIZE);
    const etw_status status =
        etw_os_read_at_full(self->os, self->file, into, entry->offset, got, error);
    *header = etw_buffer_header_read(into.data);
    if (entry->kind == ETW_BUFFER_KIND_NO_HEADER) {
        header->used_size = (uint32_t)entry->size;
        header->flags &= ETW_BUFFER_PROCESSOR_INDEX;
    }
    return status;
}

bool etw_etl_has_records(const etw_etl_source *self, const etw_buffer_entry *entry)
{
    switch (entry->kind) {
    case ETW_BUFFER_KIND_ZEROS:
    case ETW_BUFFER_KIND_TAIL:
    case ETW_BUFFER_KIND_GONE:
        return false;
    case ETW_BUFFER_KIND_NO_HEADER:
        /* Where buffers have one size, its records are where they should be. */
        return self->chain.step != 1 && entry->size > ETW_BUFFER_HEADER_SIZE;
    default:
        return true;
    }
}

void etw_etl_skip_header_event(const etw_etl_source *self, etw_run *run)
{
    if (run->number == 0 && self->header_record != NULL) {
        run->at += etw_record_span(self->header_frame.size);
        run->window_begin = run->compressed ? run->window_begin : run->at;
        run->window_end = run->window_begin;
    }
}
