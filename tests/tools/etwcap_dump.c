/* Prints what an .etwcap file holds, block by block, one line a thing (with --blocks: without the
 * events): to be compared with what the Python reader prints (tests/readers/etwcap_reader.py),
 * which was written from FORMAT.md alone. */
#include <inttypes.h>
#include <stdio.h>

#include "format/etwcap/codec/codec.h"
#include "format/etwcap/fold.h"
#include "format/etwcap/scan.h"
#include "format/etwcap/side_body.h"

static void print_guid(const etw_guid *guid)
{
    etw_text text = {0};
    etw_text_append_guid(&text, guid);
    printf("%s", etw_text_z(&text));
    etw_text_free(&text);
}

static uint64_t hash(etw_bytes bytes)
{
    return etw_block_hash(bytes);
}

static etw_status print_trace(etw_bytes body, etw_error *error)
{
    etw_trace t;
    uint16_t number;
    const etw_status status = etw_trace_load(body, &number, &t, error);
    if (status != ETW_OK) {
        return status;
    }
    printf(" trace %u clock %u %u %" PRIu64 " %" PRId64 " %" PRId64 "\n", number, t.clock.type,
           t.clock.cpu_mhz, t.clock.frequency_hz, t.clock.base_ticks, t.clock.base_time_100ns);
    printf(" host %u %u %u %u %u %u\n", t.pointer_size, t.processor_count, t.os_version, t.os_build,
           t.timer_resolution_100ns, t.cpu_mhz);
    printf(" session %u %u %u %u %u %u %u %d\n", t.log_file_mode, t.buffer_size_bytes,
           t.buffers_written, t.start_buffers, t.maximum_file_size_mb, t.events_lost,
           t.buffers_lost, t.utc_bias_minutes);
    printf(" times %" PRId64 " %" PRId64 " %" PRId64 " ", t.boot_time_100ns, t.start_time_100ns,
           t.end_time_100ns);
    print_guid(&t.log_instance_id);
    printf("\n names [%s] [%s] [%s] [%s]\n", t.session_name, t.log_file_name, t.source_path,
           t.host_name);
    printf(" header %zu %016" PRIx64 "\n", t.logfile_header.size, hash(t.logfile_header));
    return ETW_OK;
}

static etw_status print_schema(void *context, const etw_schema_entry *entry, etw_error *error)
{
    (void)context;
    (void)error;
    const etw_schema *schema = entry->schema;
    printf(" schema %u %u %016" PRIx64 " %zu", entry->file_id, schema->origin, schema->hash,
           schema->tei.size);
    for (uint32_t i = 0; i < schema->map_count; i++) {
        printf(" %zu:%016" PRIx64, schema->maps[i].size, hash(schema->maps[i]));
    }
    printf("\n");
    return ETW_OK;
}

static etw_status print_provider(void *context, const etw_guid *provider, const char *utf8_name,
                                 etw_error *error)
{
    (void)context;
    (void)error;
    printf(" provider ");
    print_guid(provider);
    printf(" [%s]\n", utf8_name);
    return ETW_OK;
}

static void print_event(const etw_item *item)
{
    const etw_event_record *record = item->record;
    const etw_bytes header = {(const uint8_t *)&record->EventHeader, sizeof record->EventHeader};
    printf(" event %u %u %016" PRIx64 " %08x %u:%016" PRIx64, item->trace_index, item->schema_id,
           hash(header), etw_load_u32(&record->BufferContext), record->UserDataLength,
           hash(etw_record_user_data(record)));
    for (uint32_t i = 0; i < record->ExtendedDataCount; i++) {
        const etw_extended_data_item *extended = &record->ExtendedData[i];
        printf(" %u,%u,%u,%u:%016" PRIx64, extended->Reserved1, extended->ExtType,
               extended->Linkage, extended->DataSize, hash(etw_item_bytes(extended)));
    }
    printf("\n");
}

static etw_status print_events(const etw_block_header *header, etw_bytes body, etw_decoder *decoder,
                               etw_error *error)
{
    etw_events_head head;
    uint32_t count = 0;
    const uint32_t head_size = header->head_size;
    etw_status status =
        etw_events_head_load((etw_bytes){body.data, head_size}, header->count, &head, error);
    if (status != ETW_OK) {
        return status;
    }
    for (uint32_t i = 0; i < head.provider_count; i++) {
        const etw_provider_count entry = etw_events_head_provider(&head, i);
        printf(" of ");
        print_guid(&entry.provider);
        printf(" %u\n", entry.events);
    }
    for (uint32_t i = 0; i < head.trace_count; i++) {
        const etw_trace_count entry = etw_events_head_trace(&head, i);
        printf(" of trace %u %u\n", entry.trace_index, entry.events);
    }
    if (decoder != NULL) {
        const etw_bytes coded = {body.data + head_size, body.size - head_size};
        status = etw_decoder_decode(decoder, coded, ETW_DECODE_ALL, &count, error);
    }
    for (uint32_t i = 0; status == ETW_OK && i < count; i++) {
        etw_item item;
        etw_decoder_item(decoder, i, &item);
        print_event(&item);
    }
    return status;
}

static etw_status print_losses(uint32_t count, etw_bytes body, etw_error *error)
{
    etw_cursor cursor = etw_cursor_over(body);
    etw_status status = ETW_OK;
    for (uint32_t i = 0; i < count; i++) {
        etw_loss loss;
        bool own;
        status = etw_loss_load(&cursor, &loss, &own, error);
        if (status != ETW_OK) {
            return status;
        }
        printf(" loss %u %u %d %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRId64 " %" PRId64 " [%s]\n",
               loss.cause, loss.trace_index, own, loss.events, loss.buffers, loss.bytes,
               loss.from_time_100ns, loss.to_time_100ns, loss.detail);
    }
    return status;
}

static etw_status print_anchors(uint32_t count, etw_bytes body, etw_error *error)
{
    etw_cursor cursor = etw_cursor_over(body);
    etw_status status = ETW_OK;
    for (uint32_t i = 0; status == ETW_OK && i < count; i++) {
        etw_clock_anchor anchor = {0, 0, 0};
        status = etw_clock_anchor_load(&cursor, &anchor, error);
        printf(" anchor %u %" PRId64 " %" PRId64 "\n", anchor.trace_index, anchor.ticks,
               anchor.time_100ns);
    }
    return status;
}

static etw_status print_index(etw_bytes body, etw_error *error)
{
    etw_index_view view;
    uint32_t ref = 0;
    const etw_status status = etw_index_load(body, &view, error);
    if (status != ETW_OK) {
        return status;
    }
    printf(" index %" PRIu64 " %" PRIu64 "\n", view.previous_offset, view.first_sequence);
    for (uint32_t i = 0; i < view.entry_count; i++) {
        const etw_index_entry entry = etw_index_entry_at(&view, i);
        printf(" entry %" PRIu64 " %u %u %u %" PRId64 " %" PRId64 " %u %u", entry.offset,
               entry.stored_size, entry.kind, entry.flags, entry.first_time_100ns,
               entry.last_time_100ns, entry.count, entry.raw_size);
        for (uint32_t r = 0; entry.ref_count != ETW_INDEX_ANY_PROVIDER && r < entry.ref_count;
             r++) {
            const etw_guid guid = etw_index_provider(&view, ref++);
            printf(" ");
            print_guid(&guid);
        }
        printf("%s\n", entry.ref_count == ETW_INDEX_ANY_PROVIDER ? " any" : "");
    }
    return ETW_OK;
}

static etw_status print_summary(etw_bytes body, etw_error *error)
{
    etw_summary_view view;
    etw_status status = etw_summary_load(body, &view, error);
    if (status != ETW_OK) {
        return status;
    }
    const etw_totals *t = &view.totals;
    printf(" summary %d %d %u %" PRIu64 "\n", t->lost_unknown, t->providers_cut, t->index_blocks,
           t->last_index_offset);
    printf(" totals %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64,
           t->events, t->received, t->dropped, t->event_blocks, t->schema_blocks, t->schemas);
    printf(" %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRId64 " %" PRId64 " %" PRIu64 "\n",
           t->loss_records, t->lost_events, t->raw_bytes, t->stored_bytes, t->first_time_100ns,
           t->last_time_100ns, t->blocks);
    for (uint32_t i = 0; i < view.trace_count; i++) {
        printf(" trace at %" PRIu64 "\n", etw_load_u64(view.trace_offsets + (size_t)i * 8));
    }
    for (uint32_t i = 0; status == ETW_OK && i < view.provider_count; i++) {
        etw_guid guid;
        uint64_t events;
        char name[ETW_SUMMARY_MAX_NAME + 1];
        status = etw_summary_next_provider(&view, &guid, &events, name, error);
        if (status == ETW_OK) {
            printf(" counted ");
            print_guid(&guid);
            printf(" %" PRIu64 " [%s]\n", events, name);
        }
    }
    return status;
}

static etw_status print_file_info(etw_bytes body, etw_error *error)
{
    char application[ETW_FILE_INFO_MAX_TEXT + 1];
    const etw_status status =
        etw_file_info_get(body, "application", application, sizeof application, error);
    printf(" application [%s]\n", application);
    return status;
}

static etw_status print_body(const etw_block_header *header, etw_bytes body, etw_decoder *decoder,
                             etw_error *error)
{
    const etw_schemas_visitor visitor = {print_schema, print_provider, NULL};
    switch (header->kind) {
    case ETW_BLOCK_FILE_INFO:
        return print_file_info(body, error);
    case ETW_BLOCK_TRACE:
        return print_trace(body, error);
    case ETW_BLOCK_SCHEMAS:
        return etw_schemas_load(body, &visitor, error);
    case ETW_BLOCK_EVENTS:
        return print_events(header, body, decoder, error);
    case ETW_BLOCK_LOSS:
        return print_losses(header->count, body, error);
    case ETW_BLOCK_CLOCK_ANCHORS:
        return print_anchors(header->count, body, error);
    case ETW_BLOCK_INDEX:
        return print_index(body, error);
    case ETW_BLOCK_SUMMARY:
        return print_summary(body, error);
    default:
        printf(" bytes %zu %016" PRIx64 "\n", body.size, hash(body));
        return ETW_OK;
    }
}

static etw_status print_item(etw_scan *scan, const etw_scan_item *item, etw_decoder *decoder,
                             etw_error *error)
{
    const etw_block_header *h = &item->header;
    etw_bytes body;
    if (item->kind == ETW_SCAN_GAP) {
        printf("gap %" PRIu64 " missing %" PRIu64 " %" PRIu64 "\n", item->offset,
               item->first_missing, item->missing);
        return ETW_OK;
    }
    printf("block %" PRIu64 " at %" PRIu64 " kind %u flags %u size %u raw %u times %" PRId64
           " %" PRId64 " count %u\n",
           h->sequence, item->offset, h->kind, h->flags, h->stored_size, h->raw_size,
           h->first_time_100ns, h->last_time_100ns, h->count);
    etw_status status = etw_scan_body(scan, &body, error);
    if (status == ETW_ERROR_DAMAGED) {
        printf(" damaged\n");
        return ETW_OK;
    }
    return status == ETW_OK ? print_body(h, body, decoder, error) : status;
}

typedef struct fold_print {
    etw_decoder *decoder;
} fold_print;

static etw_status print_folded_block(void *context, const etw_sink_block *block, etw_error *error)
{
    const fold_print *self = context;
    const etw_block_header header = {.kind = block->kind,
                                     .stored_size = (uint32_t)block->body.size,
                                     .raw_size = block->raw_size,
                                     .first_time_100ns = block->first_time_100ns,
                                     .last_time_100ns = block->last_time_100ns,
                                     .count = block->count,
                                     .head_size = block->head_size};
    printf("folded block kind %u raw %u times %" PRId64 " %" PRId64 " count %u\n", header.kind,
           header.raw_size, header.first_time_100ns, header.last_time_100ns, header.count);
    return print_body(&header, block->body, self->decoder, error);
}

static etw_status print_folded(etw_input *input, etw_decoder *decoder, etw_error *error)
{
    fold_print self = {decoder};
    const etw_fold_visitor visitor = {print_folded_block, &self};
    etw_bytes bytes;
    etw_status status = etw_input_need(input, 0, ETW_FOLD_HEAD_SIZE, 0, &bytes, error);
    if (status != ETW_OK || bytes.size < ETW_FOLD_HEAD_SIZE) {
        return etw_error_set(error, ETW_ERROR_DAMAGED, "cut off");
    }
    const etw_fold_head head = etw_fold_head_load(bytes.data);
    const size_t size = (size_t)ETW_FOLD_HEAD_SIZE + head.stored_size;
    status = etw_input_need(input, 0, size, 0, &bytes, error);
    if (status == ETW_OK && bytes.size < size) {
        status = etw_error_set(error, ETW_ERROR_DAMAGED, "cut off");
    }
    if (status == ETW_OK) {
        const etw_bytes stored = {bytes.data + ETW_FOLD_HEAD_SIZE, head.stored_size};
        status = etw_fold_each(head.dictionary, stored, &visitor, error);
        printf("folded %zu\n", size);
    }
    return status;
}

static etw_status print_file(const etw_os *os, int file, etw_decoder *decoder, etw_error *error)
{
    etw_scan scan;
    etw_scan_item item;
    etw_bytes head;
    uint32_t major = 0, minor = 0;
    etw_scan_init(&scan, os, file, true);
    etw_status status = etw_input_need(&scan.input, 0, ETW_HEAD_SIZE, 0, &head, error);
    if (status == ETW_OK) {
        status = etw_head_load(head, &major, &minor, error);
    }
    if (status == ETW_OK) {
        printf("etwcap %u.%u\n", major, minor);
    }
    if (status == ETW_OK && major == ETW_FORMAT_FOLDED) {
        status = print_folded(&scan.input, decoder, error);
        etw_scan_free(&scan);
        return status;
    }
    while (status == ETW_OK) {
        status = etw_scan_next(&scan, &item, error);
        if (status == ETW_OK) {
            status = print_item(&scan, &item, decoder, error);
        }
    }
    if (status == ETW_END) {
        printf(scan.complete ? "complete %" PRIu64 "\n" : "incomplete %" PRIu64 "\n",
               scan.end_offset);
        status = ETW_OK;
    }
    etw_scan_free(&scan);
    return status;
}

int main(int argument_count, char **arguments)
{
    const etw_os *os = etw_os_default();
    etw_error error = {ETW_OK, 0, ""};
    const bool blocks_only = argument_count == 3 && strcmp(arguments[1], "--blocks") == 0;
    if (argument_count != 2 && !blocks_only) {
        (void)fprintf(stderr, "usage: etwcap_dump [--blocks] FILE.etwcap\n");
        return 2;
    }
    const char *path = arguments[argument_count - 1];
    const int file = os->open(os->context, path, ETW_OPEN_READ);
    etw_decoder *decoder = blocks_only ? NULL : etw_decoder_new();
    etw_status status = ETW_ERROR_IO;
    if (file >= 0 && (blocks_only || decoder != NULL)) {
        status = print_file(os, file, decoder, &error);
    }
    if (status != ETW_OK) {
        (void)fprintf(stderr, "%s: %s\n", path, error.message);
    }
    etw_decoder_free(decoder);
    return status == ETW_OK ? 0 : 1;
}
