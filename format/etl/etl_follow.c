/* Trace files that their session still writes: whole buffers behind those that were found. */
#include "format/etl/etl_source.h"

#include <stdlib.h>

static bool is_zero(const uint8_t *bytes, size_t size)
{
    uint8_t any = 0;
    for (size_t i = 0; i < size; i++) {
        any |= bytes[i];
    }
    return any == 0;
}

/* A buffer of zeros is one that is laid out ahead, or whose bytes are on their way. */
etw_status etw_etl_find_whole(const etw_etl_source *self, uint64_t *end, etw_error *error)
{
    const etw_chain *chain = &self->chain;
    const int64_t size = self->os->size(self->os->context, self->file);
    if (size < 0) {
        return etw_error_set_os(error, (int)-size, "the file's size");
    }
    *end = chain->at;
    while (*end + chain->step <= (uint64_t)size) {
        uint8_t header[ETW_BUFFER_HEADER_SIZE];
        size_t got;
        const etw_status status = etw_os_read_at_full(
            self->os, self->file, (etw_room){header, sizeof header}, *end, &got, error);
        if (status != ETW_OK) {
            return status;
        }
        if (is_zero(header, got)) {
            break;
        }
        *end += chain->step;
    }
    return ETW_OK;
}

/* Whether the log-file header event has an end time by now. Its record keeps its place and size;
 * *closed is what it says, with its own copy of the payload then. */
static etw_status read_end(etw_etl_source *self, uint8_t *payload, etw_trace *closed,
                           etw_error *error)
{
    const etw_bytes known = self->trace.logfile_header;
    const uint64_t offset = self->header_offset + (uint64_t)(known.data - self->header_record);
    size_t got;
    *closed = self->trace;
    const etw_status status = etw_os_read_at_full(
        self->os, self->file, (etw_room){payload, known.size}, offset, &got, error);
    if (status != ETW_OK || got < known.size) {
        return status;
    }
    (void)etw_trace_record_build(self->header_record, &self->header_frame, self->header_context,
                                 self->header_flags, self->items, &self->record);
    /* What is half written makes no sense, or has no end time yet: it is looked at again. */
    etw_ignore(etw_trace_from_logfile_header((etw_bytes){payload, known.size},
                                             etw_record_pointer_size(&self->record, 8),
                                             self->header_frame.ticks, closed, NULL));
    return ETW_OK;
}

/* The session writes the end, and what was lost, when it closes the file. */
static etw_status look_for_end(etw_etl_source *self, etw_error *error)
{
    const etw_bytes known = self->trace.logfile_header;
    etw_trace closed;
    uint8_t *payload = malloc(known.size);
    if (payload == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for the log-file header");
    }
    const etw_status status = read_end(self, payload, &closed, error);
    if (status == ETW_OK && closed.end_time_100ns != 0) {
        const bool had_losses = self->trace.events_lost != 0 || self->trace.buffers_lost != 0;
        memcpy(self->header_record + (known.data - self->header_record), payload, known.size);
        closed.logfile_header = known;
        self->trace = closed;
        self->is_growing = false;
        if (!had_losses) {
            etw_etl_queue_header_losses(self);
        }
    }
    free(payload);
    return status;
}

/* Of a closed file all that is there counts. */
static etw_status find_end(etw_etl_source *self, uint64_t *end, etw_error *error)
{
    if (self->is_growing) {
        return etw_etl_find_whole(self, end, error);
    }
    const int64_t size = self->os->size(self->os->context, self->file);
    *end = size < 0 ? 0 : (uint64_t)size;
    return size < 0 ? etw_error_set_os(error, (int)-size, "the file's size") : ETW_OK;
}

etw_status etw_etl_look_again(etw_etl_source *self, bool *found, etw_error *error)
{
    uint64_t end = 0;
    etw_status status = look_for_end(self, error);
    if (status == ETW_OK) {
        status = find_end(self, &end, error);
    }
    *found = status == ETW_OK && end > self->chain.at;
    if (!*found) {
        return status;
    }
    self->chain.file_size = end;
    self->statistics.file_bytes = end;
    etw_buffer_table_free(&self->table);
    etw_buffer_table_init(&self->table, self->os);
    status = etw_etl_find_buffers(self, &self->options, error);
    *found = status == ETW_OK && etw_buffer_table_peek(&self->table) != NULL;
    return status;
}
