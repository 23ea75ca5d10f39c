#include "format/etl/etl_source.h"

/* Between two calls of progress. */
#define PROGRESS_BYTES ((uint64_t)4 << 20)

/* For the scan: whether a record can carry schemas; reads no more than its header. */
static bool carries_schemas(const uint8_t *at, const etw_frame *frame)
{
    switch (frame->type) {
    case ETW_TYPE_EVENT32:
    case ETW_TYPE_EVENT64:
        return etw_load_u16(at + 40) == ETW_MANIFEST_EVENT_ID;
    case ETW_TYPE_FULL32:
    case ETW_TYPE_FULL64:
        return memcmp(at + 24, &etw_metadata_event_class, sizeof etw_metadata_event_class) == 0;
    default:
        return false;
    }
}

#define EVENT_HEADER_BYTES 80u
#define ITEM_BYTES         8u /* size, type, linkage, size of the data */
#define TRAITS_SIZE_BYTES  2u /* in front of the provider's name */

/* Whether provider traits with a name are among the record's extended items. */
static bool has_name(const uint8_t *at, const etw_frame *frame)
{
    uint32_t from = EVENT_HEADER_BYTES;
    while (from + ITEM_BYTES + TRAITS_SIZE_BYTES < frame->size) {
        const uint16_t size = etw_load_u16(at + from);
        if (etw_load_u16(at + from + 2) == ETW_EXT_PROV_TRAITS) {
            return at[from + ITEM_BYTES + TRAITS_SIZE_BYTES] != '\0';
        }
        if (size < ITEM_BYTES || (etw_load_u16(at + from + 4) & 1) == 0) {
            return false;
        }
        from += size;
    }
    return false;
}

/* One event of each provider that names itself so (TraceLogging) is looked at. A provider that
 * shares its place in the table with another is looked at again, which costs time alone. */
static bool names_provider(etw_etl_source *self, const uint8_t *at, const etw_frame *frame)
{
    const bool is_event = frame->type == ETW_TYPE_EVENT32 || frame->type == ETW_TYPE_EVENT64;
    if (!is_event || (etw_load_u16(at + 4) & ETW_FLAG_EXTENDED_INFO) == 0) {
        return false;
    }
    const etw_guid provider = etw_load_guid(at + 24);
    etw_guid *seen = &self->named[provider.Data1 % ETW_NAMED_PROVIDERS];
    if (etw_guid_equal(seen, &provider) || !has_name(at, frame)) {
        return false;
    }
    *seen = provider;
    return true;
}

/* Hands the records of a loaded run to the scan, in their order; *ticks becomes the first one's. */
static etw_status scan_run(etw_etl_source *self, etw_run *run, const etw_etl_options *options,
                           int64_t *ticks, etw_error *error)
{
    for (;;) {
        etw_run_damage damage;
        const etw_run_step step = etw_run_locate_quick(run)
                                      ? ETW_RUN_RECORD
                                      : etw_run_locate(run, &self->input, &damage, error);
        if (step == ETW_RUN_END) {
            return ETW_OK;
        }
        if (step == ETW_RUN_FAILED) {
            return error == NULL ? ETW_ERROR_IO : error->status;
        }
        if (step == ETW_RUN_DAMAGE) {
            continue; /* it is reported where the records are delivered */
        }
        if (*ticks == INT64_MIN) {
            *ticks = run->frame.ticks;
        }
        const uint8_t *at = etw_run_record(run);
        if (!options->scan_schemas_only || carries_schemas(at, &run->frame) ||
            names_provider(self, at, &run->frame)) {
            (void)etw_trace_record_build(at, &run->frame, run->context, run->extra_flags,
                                         self->items, &self->record);
            const etw_status status =
                options->scan(options->scan_context, &self->record, &self->trace, error);
            if (status != ETW_OK) {
                return status;
            }
        }
        etw_run_pass(run);
    }
}

/* The usual case: the first record of a plain buffer, in what was read of its header. */
static bool first_ticks_quick(etw_etl_source *self, const etw_run *run, int64_t *ticks)
{
    etw_bytes bytes;
    etw_frame frame;
    if (run->compressed || run->limit < run->at + ETW_FRAME_BYTES ||
        etw_chain_peek(&self->chain, run->offset + run->at, ETW_FRAME_BYTES, &bytes, NULL) !=
            ETW_OK ||
        etw_frame_read(bytes.data, bytes.size, &frame) != ETW_FRAME_RECORD) {
        return false;
    }
    *ticks = frame.ticks;
    return frame.ticks != INT64_MIN;
}

/* The usual case of a scan: a plain buffer that was read whole when its header was looked at is the
 * run's window. */
static bool adopt_held(etw_etl_source *self, etw_run *run)
{
    etw_bytes bytes;
    if (run->compressed || run->limit > ETW_CHAIN_AHEAD ||
        etw_chain_peek(&self->chain, run->offset, run->limit, &bytes, NULL) != ETW_OK ||
        bytes.size < run->limit) {
        return false;
    }
    etw_run_adopt(run, (uint8_t *)(uintptr_t)bytes.data, bytes.size);
    return true;
}

/* Sets entry->first_ticks, INT64_MIN where the buffer has none, and scans it where that is wanted.
 */
static etw_status visit_buffer(etw_etl_source *self, etw_buffer_entry *entry,
                               const etw_buffer_header *header, const etw_etl_options *options,
                               etw_error *error)
{
    etw_run run;
    etw_run_start(&run, entry, header);
    etw_etl_skip_header_event(self, &run);
    if (options->scan == NULL && first_ticks_quick(self, &run, &entry->first_ticks)) {
        return ETW_OK;
    }
    const bool is_ready = options->scan != NULL && adopt_held(self, &run);
    etw_status status = is_ready ? ETW_OK : etw_etl_get_window(self, &run, error);
    if (status != ETW_OK) {
        return status;
    }
    if (options->scan != NULL) {
        status = scan_run(self, &run, options, &entry->first_ticks, error);
    } else if (etw_run_first_ticks(&run, &self->input, &entry->first_ticks, error) ==
               ETW_RUN_FAILED) {
        status = error == NULL ? ETW_ERROR_IO : error->status;
    }
    etw_etl_put_window(self, &run);
    return status;
}

/* A table entry is needed for what holds records, damage or flags; others are empty buffers. */
static bool is_worth_keeping(const etw_buffer_entry *entry, const etw_buffer_header *header)
{
    const uint16_t lost =
        ETW_BUFFER_EVENTS_LOST | ETW_BUFFER_BUFFER_LOST | ETW_BUFFER_BACKUP_CORRUPT;
    return entry->kind != ETW_BUFFER_KIND_WHOLE || header->used_size > ETW_BUFFER_HEADER_SIZE ||
           (header->flags & lost) != 0;
}

/* Whether the records of buffers lie behind their headers as they are, and are wanted. */
static bool reads_ahead(const etw_etl_source *self, const etw_etl_options *options)
{
    return options->scan != NULL && self->chain.step != 1 && self->chain.step <= ETW_CHAIN_AHEAD;
}

/* The entry's time becomes that by which it is taken: a processor's buffers in their sequence, also
 * where the clock was set back. The first buffer is the session's own. */
static void keep_sequence(etw_etl_source *self, etw_buffer_entry *entry,
                          const etw_buffer_header *header)
{
    etw_etl_processor *processor =
        &self->processors[header->context.ProcessorIndex % ETW_ETL_MAX_PROCESSORS];
    if (header->sequence > processor->sequence) {
        processor->sequence = header->sequence;
        if (entry->first_ticks < processor->ticks) {
            entry->first_ticks = processor->ticks;
        }
        processor->ticks = entry->first_ticks;
    }
}

static void count_sequence(etw_etl_sequence *sequence, const etw_buffer_entry *entry,
                           const etw_buffer_header *header)
{
    if (entry->kind != ETW_BUFFER_KIND_NO_HEADER) {
        sequence->count++;
        sequence->highest =
            header->sequence > sequence->highest ? header->sequence : sequence->highest;
    }
}

static etw_status visit_entry(etw_etl_source *self, etw_buffer_entry *entry,
                              etw_buffer_header *header, const etw_etl_options *options,
                              int64_t *ticks, etw_error *error)
{
    etw_status status = ETW_OK;
    if (etw_etl_has_records(self, entry)) {
        self->statistics.buffers++;
        if (entry->kind == ETW_BUFFER_KIND_NO_HEADER) {
            uint8_t bytes[ETW_BUFFER_HEADER_SIZE];
            size_t got;
            const etw_room start = {bytes, sizeof bytes};
            status = etw_etl_read_start(self, entry, start, &got, header, error);
        }
        self->statistics.compressed_buffers += (header->flags & ETW_BUFFER_COMPRESSED) != 0;
        if (status == ETW_OK) {
            entry->used_size = header->used_size & ETW_BUFFER_USED_MASK;
            count_sequence(&self->sequence, entry, header);
            etw_chain_expect(&self->chain, reads_ahead(self, options) ? header : NULL);
            status = visit_buffer(self, entry, header, options, error);
        }
    }
    if (entry->first_ticks == INT64_MIN) {
        entry->first_ticks = *ticks; /* no time of its own: it follows the buffer before it */
    }
    if (self->processors != NULL && entry->number != 0 && etw_etl_has_records(self, entry)) {
        keep_sequence(self, entry, header);
    }
    *ticks = entry->first_ticks;
    if (status == ETW_OK && is_worth_keeping(entry, header)) {
        status = etw_buffer_table_add(&self->table, entry, error);
    }
    return status;
}

etw_status etw_etl_find_buffers(etw_etl_source *self, const etw_etl_options *options,
                                etw_error *error)
{
    int64_t ticks = self->trace.clock.base_ticks;
    uint64_t reported = 0;
    for (;;) {
        etw_buffer_entry entry;
        etw_buffer_header header;
        memset(&header, 0, sizeof header);
        etw_status status = etw_chain_next(&self->chain, &entry, &header, error);
        if (status == ETW_END) {
            self->statistics.unused_bytes = self->chain.unused_bytes;
            return etw_buffer_table_finish(&self->table, error);
        }
        if (status == ETW_OK) {
            status = visit_entry(self, &entry, &header, options, &ticks, error);
        }
        if (status != ETW_OK) {
            return status;
        }
        if (options->progress != NULL && self->chain.at - reported >= PROGRESS_BYTES) {
            reported = self->chain.at;
            options->progress(options->progress_context, reported, self->chain.file_size);
        }
    }
}
