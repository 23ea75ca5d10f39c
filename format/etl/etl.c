#include "format/etl/etl_source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define MODE_CIRCULAR   0x00000002u
/* All processors fill one buffer, whose order is not theirs. */
#define MODE_NO_PER_PROCESSOR_BUFFERING 0x10000000u
#define COPY_PIECE                      ((size_t)64 << 10)
/* Of a pipe: so much is looked at before the rest is copied. Holds the first record of the first
 * buffer, whatever its size. */
#define FIRST_LOOK_PIECES 2u

static const etw_trace *etl_trace(const etw_source *source, uint16_t trace_index)
{
    (void)trace_index;
    return &((const etw_etl_source *)source)->trace;
}

static uint16_t etl_trace_count(const etw_source *source)
{
    (void)source;
    return 1;
}

static void etl_close(etw_source *source)
{
    etw_etl_source *self = (etw_etl_source *)source;
    while (self->merge_count != 0) {
        etw_run *run = self->merge[--self->merge_count].run;
        while (run != NULL) {
            etw_run *next = run->next;
            etw_etl_drop_run(self, run);
            run = next;
        }
    }
    while (self->window_count != 0) {
        free(self->windows[--self->window_count].memory);
    }
    etw_buffer_table_free(&self->table);
    free(self->merge);
    free(self->processors);
    free(self->header_record);
    free(self->input.scratch);
    free(self->chain.ahead);
    if (self->file >= 0) {
        (void)self->os->close(self->os->context, self->file);
    }
    free(self);
}

const etw_etl_statistics *etw_etl_statistics_of(const etw_source *source)
{
    return &((const etw_etl_source *)source)->statistics;
}

bool etw_etl_is_closed(const etw_source *source)
{
    return !((const etw_etl_source *)source)->is_growing;
}

static bool is_logfile_header(const uint8_t *at, const etw_frame *frame)
{
    return (frame->type == ETW_TYPE_SYSTEM32 || frame->type == ETW_TYPE_SYSTEM64) && at[6] == 0 &&
           at[7] == 0;
}

/* Keeps the record at the run's place as the log-file header event, and reads it. */
static etw_status keep_logfile_header(etw_etl_source *self, const etw_run *run, etw_error *error)
{
    self->header_record = malloc(run->frame.size);
    if (self->header_record == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for the log-file header");
    }
    memcpy(self->header_record, etw_run_record(run), run->frame.size);
    self->header_frame = run->frame;
    self->header_offset = run->offset + run->at;
    self->header_context = run->context;
    self->header_flags = run->extra_flags;
    (void)etw_trace_record_build(self->header_record, &self->header_frame, run->context,
                                 run->extra_flags, self->items, &self->record);
    etw_error reason;
    const etw_status status = etw_trace_from_logfile_header(
        etw_record_user_data(&self->record), etw_record_pointer_size(&self->record, 8),
        run->frame.ticks, &self->trace, &reason);
    if (status == ETW_ERROR_NO_MEMORY) {
        return etw_error_set(error, status, "%s", reason.message);
    }
    if (status != ETW_OK) {
        etw_loss *loss = etw_etl_queue_damage(self, ETW_LOSS_DAMAGE, INT64_MIN, 0, 0, 0);
        etw_loss_set_detail(loss, "buffer 0 at 0x0: %s", reason.message);
    }
    return ETW_OK;
}

/* Reads the first record of the first buffer, which tells how the file is laid out. */
static etw_status read_logfile_header(etw_etl_source *self, const etw_buffer_header *first,
                                      etw_error *error)
{
    const uint64_t size = self->chain.file_size;
    const uint32_t most = ETW_BUFFER_HEADER_SIZE + 0xFFFFu;
    etw_buffer_entry entry = {INT64_MIN, 0, size < most ? size : most, 0, ETW_BUFFER_KIND_CUT, 0};
    etw_buffer_header header = *first;
    if (etw_buffer_header_problem(first) != NULL) {
        header.used_size = (uint32_t)entry.size;
        header.flags &= ETW_BUFFER_PROCESSOR_INDEX;
    } else if (first->stored_size < entry.size) {
        entry.size = first->stored_size;
    }
    etw_run run;
    etw_run_start(&run, &entry, &header);
    etw_status status = etw_etl_get_window(self, &run, error);
    if (status != ETW_OK) {
        return status;
    }
    etw_run_damage damage;
    const etw_run_step step = etw_run_locate(&run, &self->input, &damage, error);
    if (step == ETW_RUN_FAILED) {
        status = error == NULL ? ETW_ERROR_IO : error->status;
    } else if (step == ETW_RUN_RECORD && is_logfile_header(etw_run_record(&run), &run.frame)) {
        status = keep_logfile_header(self, &run, error);
    }
    etw_etl_put_window(self, &run);
    return status;
}

/* Where buffers can start: the log-file header's word before the first buffer's, as each may be
 * damaged; the header is believed where it makes sense. */
static uint32_t find_step(const etw_etl_source *self, const etw_buffer_header *first)
{
    const uint32_t told = self->trace.buffer_size_bytes;
    if ((self->trace.log_file_mode & ETW_MODE_COMPRESSED) != 0) {
        return 1;
    }
    if (told > ETW_BUFFER_HEADER_SIZE && told <= ETW_MAX_BUFFER_SIZE) {
        return told;
    }
    return etw_buffer_header_problem(first) == NULL ? first->stored_size : 1;
}

/* Whether it is a trace, by its first buffer; once. */
static etw_status recognize(etw_etl_source *self, etw_buffer_header *first, etw_error *error)
{
    etw_bytes bytes;
    etw_status status = etw_chain_peek(&self->chain, 0, ETW_BUFFER_HEADER_SIZE, &bytes, error);
    if (status != ETW_OK) {
        return status;
    }
    if (bytes.size < ETW_BUFFER_HEADER_SIZE) {
        return etw_error_set(error, ETW_ERROR_NOT_THIS,
                             "not a Windows event trace: %zu bytes are fewer than a buffer header",
                             bytes.size);
    }
    *first = etw_buffer_header_read(bytes.data);
    if (self->is_recognized) {
        return ETW_OK;
    }
    self->trace.pointer_size = 8;
    status = read_logfile_header(self, first, error);
    if (status != ETW_OK) {
        return status;
    }
    const char *problem = etw_buffer_header_problem(first);
    if (self->header_record == NULL) {
        if (problem != NULL) {
            return etw_error_set(error, ETW_ERROR_NOT_THIS,
                                 "not a Windows event trace: the header of its first buffer: %s",
                                 problem);
        }
        etw_loss *loss = etw_etl_queue_damage(self, ETW_LOSS_DAMAGE, INT64_MIN, 1, 0, 0);
        etw_loss_set_detail(
            loss, "buffer 0 at 0x0: no log-file header event: clock and host are unknown");
    }
    self->is_recognized = true;
    return ETW_OK;
}

/* The system's time can be set back, other clocks cannot. The buffers of a circular file do not
 * follow their sequence, and those of a session with one buffer for all are no processor's. */
static etw_status keep_order(etw_etl_source *self, etw_error *error)
{
    if (self->trace.clock.type != ETW_CLOCK_SYSTEM_TIME ||
        (self->trace.log_file_mode & (MODE_CIRCULAR | MODE_NO_PER_PROCESSOR_BUFFERING)) != 0) {
        return ETW_OK;
    }
    self->processors = calloc(ETW_ETL_MAX_PROCESSORS, sizeof *self->processors);
    if (self->processors == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY,
                             "no memory for the order of the processors");
    }
    for (size_t i = 0; i < ETW_ETL_MAX_PROCESSORS; i++) {
        self->processors[i].ticks = INT64_MIN;
    }
    return ETW_OK;
}

static etw_status start_following(etw_etl_source *self, etw_error *error)
{
    if (self->trace.end_time_100ns != 0) {
        return ETW_OK;
    }
    if (self->trace.logfile_header.data == NULL || self->chain.step == 1 ||
        (self->trace.log_file_mode & MODE_CIRCULAR) != 0) {
        return etw_error_set(error, ETW_ERROR_UNSUPPORTED,
                             "a trace file that is compressed, circular or without its header "
                             "event cannot be read while it grows");
    }
    self->is_growing = true;
    return etw_etl_find_whole(self, &self->chain.file_size, error);
}

static etw_status start(etw_etl_source *self, const etw_etl_options *options, etw_error *error)
{
    etw_buffer_header first;
    etw_status status = recognize(self, &first, error);
    if (status != ETW_OK) {
        return status;
    }
    self->chain.step = find_step(self, &first);
    self->chain.logger_id = first.context.LoggerId;
    etw_chain_expect(&self->chain, NULL);
    status = keep_order(self, error);
    if (status == ETW_OK && options->follow) {
        status = start_following(self, error);
    }
    return status == ETW_OK ? etw_etl_find_buffers(self, options, error) : status;
}

static void use_file(etw_etl_source *self, int file, uint64_t size)
{
    self->chain.file = file;
    self->chain.file_size = size;
    self->chain.ahead_size = 0;
    self->input.file = file;
    self->statistics.file_bytes = size;
}

/* A pipe can be read once only, and from its start. One that never ends, or is no trace, must not
 * fill the disk first. */
static etw_status copy_to_temporary(etw_etl_source *self, etw_error *error)
{
    uint8_t *piece = malloc(COPY_PIECE);
    const int copy = piece == NULL ? -ENOMEM : self->os->open_temporary(self->os->context);
    etw_status status = ETW_OK;
    if (copy < 0) {
        status = etw_error_set_os(error, -copy, "a temporary file for the input");
    }
    size_t got = COPY_PIECE;
    uint64_t size = 0;
    while (status == ETW_OK && got == COPY_PIECE) {
        status = etw_os_read_full(self->os, self->file, piece, COPY_PIECE, &got, error);
        if (status == ETW_OK) {
            status = etw_os_write_full(self->os, copy, piece, got, NULL, error);
        }
        size += got;
        if (status == ETW_OK && size == FIRST_LOOK_PIECES * COPY_PIECE) {
            etw_buffer_header first;
            use_file(self, copy, size);
            status = recognize(self, &first, error);
        }
    }
    free(piece);
    if (self->file != ETW_FILE_STDIN) {
        (void)self->os->close(self->os->context, self->file);
    }
    self->file = copy < 0 ? -1 : copy;
    return status;
}

static etw_status open_file(etw_etl_source *self, const char *path, etw_error *error)
{
    const bool is_stdin = strcmp(path, "-") == 0;
    self->file = is_stdin ? ETW_FILE_STDIN : self->os->open(self->os->context, path, ETW_OPEN_READ);
    if (self->file < 0) {
        return etw_error_set_os(error, -self->file, "opening");
    }
    int64_t size = is_stdin ? -ESPIPE : self->os->size(self->os->context, self->file);
    if (size == -ESPIPE) {
        const etw_status status = copy_to_temporary(self, error);
        if (status != ETW_OK) {
            return status;
        }
        size = self->os->size(self->os->context, self->file);
    }
    if (size < 0) {
        return etw_error_set_os(error, (int)-size, "the file's size");
    }
    use_file(self, self->file, (uint64_t)size);
    return ETW_OK;
}

static etw_etl_source *new_source(const etw_os *os, const char *path)
{
    static const etw_source_ops ops = {etw_etl_next, etl_trace, etl_trace_count, etl_close};
    etw_etl_source *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return NULL;
    }
    self->base.ops = &ops;
    self->os = os;
    self->file = -1;
    etw_buffer_table_init(&self->table, os);
    self->chain.os = os;
    self->input.os = os;
    self->chain.ahead = malloc(ETW_CHAIN_AHEAD);
    self->input.scratch = malloc(ETW_RUN_SCRATCH);
    const char *name = path;
    for (const char *at = path; *at != '\0'; at++) {
        name = *at == '/' || *at == '\\' ? at + 1 : name;
    }
    (void)snprintf(self->trace.source_path, sizeof self->trace.source_path, "%s", name);
    etw_trim_partial_utf8(self->trace.source_path, sizeof self->trace.source_path);
    if (self->chain.ahead == NULL || self->input.scratch == NULL) {
        etl_close(&self->base);
        return NULL;
    }
    return self;
}

etw_status etw_etl_open(const etw_os *os, const char *path, const etw_etl_options *options,
                        etw_source **source, etw_error *error)
{
    if (source != NULL) {
        *source = NULL;
    }
    if (path == NULL || source == NULL) {
        return etw_error_set_missing(error, "path and source");
    }
    etw_etl_source *self = new_source(os == NULL ? etw_os_default() : os, path);
    if (self == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "%s: no memory for a reader", path);
    }
    if (options != NULL) {
        self->options = *options;
    }
    etw_status status = open_file(self, path, error);
    if (status == ETW_OK) {
        status = start(self, &self->options, error);
    }
    if (status != ETW_OK) {
        etl_close(&self->base);
        (void)etw_error_wrap(error, status, "%s", path); /* a scan may have failed without a text */
        return status;
    }
    *source = &self->base;
    return ETW_OK;
}
