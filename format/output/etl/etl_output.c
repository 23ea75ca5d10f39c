/* Windows' own trace files (.etl), for WPA, PerfView, tracerpt and others: the records as they were
 * logged, in the shape of a file that Windows' relogger wrote. The log-file header tells of the
 * file as it is now; schemas that nothing else in it tells are added as metadata events. */
#include "format/base/grown.h"
#include "format/etl/header_write.h"
#include "format/etl/record_write.h"
#include "format/etl/xpress_write.h"
#include "format/output/etl/etl_buffers.h"
#include "format/output/output.h"
#include "format/output/spool.h"

#include "format/base/arena.h"
#include "format/base/table.h"

#include <stdlib.h>

#define OPCODE_EVENT_INFO 32u
#define OPCODE_MAP_INFO   33u
#define SYSTEM_RECORD     32u /* bytes of header */
#define MAX_PROVIDERS     65536u
/* What the size of the header's buffer is a multiple of, in a file of compressed ones. */
#define HEADER_STEP 0x200u

/* The log-file header's event: of the class EventTrace, opcode 0. */
static const etw_guid event_trace_class = {
    0x68fdd900, 0x4a3e, 0x11d1, {0x84, 0xf4, 0x00, 0x00, 0xf8, 0x04, 0x64, 0xe3}};

/* Between renderer and collector; the record follows. */
typedef struct etl_row {
    uint32_t size; /* of the record */
    uint8_t is_loss, doubt, is_logfile_header, is_manifest, is_metadata;
    etw_spooled_buffer where;
    uint32_t process_id, thread_id;
    uint16_t processor;
    const etw_trace *trace;
    const etw_schema *schema;
    etw_guid provider;
    int64_t ticks, time_100ns;
    uint64_t lost_events;
} etl_row;

typedef struct needed_schema {
    const etw_schema *schema;
    etw_guid provider;
} needed_schema;

struct etw_collector {
    etw_collector_target target;
    etw_output_spool spool;
    etw_etl_buffers *buffers;
    const etw_trace *trace; /* NULL: no event yet */
    bool has_header, has_records, is_compressed;
    uint8_t header[SYSTEM_RECORD]; /* of the log-file header's record */
    etl_row last;
    uint16_t logger_id; /* of the first record */
    uint32_t processors;
    int64_t end_100ns;
    uint64_t doubts[ETW_RECORD_TOO_LARGE + 1];
    uint64_t losses, lost_events, large_schemas;
    etw_table schemas;   /* needed_schema */
    etw_table manifests; /* providers whose manifests are in the stream */
    etw_arena memory;
    needed_schema **list;
    uint32_t schema_count, schema_capacity;
    bool has_metadata; /* metadata events are in the stream */
    etw_buffer record; /* of what is added */
};

static void close_etl(etw_collector *collector)
{
    if (collector != NULL) {
        etw_etl_buffers_free(collector->buffers);
        etw_output_spool_close(&collector->spool);
        etw_table_free(&collector->schemas);
        etw_table_free(&collector->manifests);
        etw_arena_free(&collector->memory);
        etw_buffer_free(&collector->record);
        free(collector->list);
        free(collector);
    }
}

static etw_status no_memory(etw_error *error)
{
    return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a trace file");
}

static etw_status open_etl(const etw_output_options *options, const etw_collector_target *target,
                           etw_collector **collector, etw_error *error)
{
    etw_collector *made = calloc(1, sizeof *made);
    *collector = NULL;
    if (made == NULL) {
        return no_memory(error);
    }
    made->is_compressed = options->compressed_buffers;
    made->target = *target;
    etw_collector_open_spool(target, &made->spool);
    made->buffers = etw_etl_buffers_new(&made->spool);
    if (made->buffers == NULL) {
        close_etl(made);
        return no_memory(error);
    }
    *collector = made;
    return ETW_OK;
}

/* The renderer's half: records are made in its thread. */

typedef struct etl_renderer {
    etw_output base;
    etw_buffer record;
} etl_renderer;

static etw_output *open_renderer(const etw_output_options *options)
{
    return etw_output_new(sizeof(etl_renderer), options);
}

static void close_renderer(etw_output *output)
{
    etw_buffer_free(&((etl_renderer *)output)->record);
    etw_output_free(output);
}

static bool is_logfile_header(const etw_event_header *h)
{
    return (h->Flags & ETW_FLAG_CLASSIC_HEADER) != 0 && h->EventDescriptor.Opcode == 0 &&
           etw_guid_equal(&h->ProviderId, &event_trace_class);
}

static void render_event(etw_output *output, const etw_event *event, etw_text *text)
{
    etw_buffer *record = &((etl_renderer *)output)->record;
    const etw_event_record *from = etw_event_record_of(event);
    const etw_event_header *h = &from->EventHeader;
    const etw_trace *trace = etw_event_trace(event);
    etl_row row;
    memset(&row, 0, sizeof row);
    etw_buffer_clear(record);
    row.doubt = (uint8_t)etw_record_write(from, trace->clock.type == ETW_CLOCK_SYSTEM_TIME, record);
    row.size = (uint32_t)record->size;
    row.is_logfile_header = is_logfile_header(h);
    row.is_manifest = h->EventDescriptor.Id == ETW_MANIFEST_EVENT_ID;
    row.is_metadata = etw_guid_equal(&h->ProviderId, &etw_metadata_event_class);
    row.where.context = from->BufferContext;
    row.where.is_indexed = (h->Flags & ETW_FLAG_PROCESSOR_INDEX) != 0;
    row.process_id = h->ProcessId;
    row.thread_id = h->ThreadId;
    row.processor = etw_record_processor(from);
    row.trace = trace;
    row.schema = etw_event_schema(event);
    row.provider = h->ProviderId;
    row.ticks = h->TimeStamp;
    row.time_100ns = etw_event_time_100ns(event);
    text->failed |= record->failed;
    etw_text_append(text, (const char *)&row, sizeof row);
    etw_text_append(text, record->data, record->size);
}

static void render_loss(etw_output *output, const etw_loss *loss, etw_text *text)
{
    etl_row row;
    (void)output;
    memset(&row, 0, sizeof row);
    row.is_loss = true;
    row.lost_events = loss->events == ETW_LOSS_COUNT_UNKNOWN ? 1 : loss->events;
    etw_text_append(text, (const char *)&row, sizeof row);
}

/* The collector's. */

static bool is_one_clock(const etw_trace *one, const etw_trace *other)
{
    return one == other || (one->clock.type == other->clock.type &&
                            one->clock.frequency_hz == other->clock.frequency_hz &&
                            one->clock.base_ticks == other->clock.base_ticks &&
                            one->clock.base_time_100ns == other->clock.base_time_100ns &&
                            one->pointer_size == other->pointer_size);
}

/* Schemas that readers of .etl files do not have themselves, nor find in the events. */
static bool is_needed(const etw_schema *schema)
{
    return schema != NULL && schema->origin != ETW_SCHEMA_TRACELOGGING &&
           schema->origin != ETW_SCHEMA_CLASSIC && schema->origin != ETW_SCHEMA_WPP;
}

static etw_status need_schema(etw_collector *c, const etl_row *row, etw_error *error)
{
    if (!is_needed(row->schema) ||
        etw_table_get(&c->schemas, &row->schema, sizeof row->schema) != NULL) {
        return ETW_OK;
    }
    needed_schema *needed = etw_arena_alloc(&c->memory, sizeof *needed);
    if (needed == NULL) {
        return no_memory(error);
    }
    needed->schema = row->schema;
    needed->provider = row->provider;
    needed_schema **longer =
        etw_grown(c->list, &c->schema_capacity, c->schema_count, 64, sizeof *longer);
    if (longer == NULL) {
        return no_memory(error);
    }
    c->list = longer;
    c->list[c->schema_count++] = needed;
    return etw_table_set(&c->schemas, &needed->schema, sizeof needed->schema, needed)
               ? ETW_OK
               : no_memory(error);
}

static etw_status note_manifest(etw_collector *c, const etl_row *row, etw_error *error)
{
    if (!row->is_manifest || c->manifests.probe.used >= MAX_PROVIDERS ||
        etw_table_get(&c->manifests, &row->provider, sizeof row->provider) != NULL) {
        return ETW_OK;
    }
    char *copy = etw_arena_copy(&c->memory, &row->provider, sizeof row->provider);
    return copy != NULL && etw_table_set(&c->manifests, copy, sizeof row->provider, copy)
               ? ETW_OK
               : no_memory(error);
}

static etw_status take_event(etw_collector *c, const etl_row *row, etw_bytes record,
                             etw_error *error)
{
    if (c->trace == NULL) {
        c->trace = row->trace;
        if (c->trace->clock.type == ETW_CLOCK_SYSTEM_TIME) {
            etw_etl_buffers_keep_sequence(c->buffers);
        }
    } else if (!is_one_clock(c->trace, row->trace)) {
        return etw_error_set(error, ETW_ERROR_UNSUPPORTED,
                             "an .etl file has one clock, and the input has traces of several: "
                             "choose one");
    }
    c->doubts[row->doubt]++;
    c->processors = c->processors > row->processor ? c->processors : row->processor + 1u;
    c->end_100ns = c->end_100ns > row->time_100ns ? c->end_100ns : row->time_100ns;
    if (row->is_logfile_header && !c->has_header && record.size >= SYSTEM_RECORD) {
        c->has_header = true;
        memcpy(c->header, record.data, SYSTEM_RECORD);
        return ETW_OK;
    }
    c->has_metadata |= row->is_metadata;
    etw_status status = need_schema(c, row, error);
    if (!etw_failed(status)) {
        status = note_manifest(c, row, error);
    }
    c->last = *row;
    if (etw_failed(status) || row->doubt == ETW_RECORD_TOO_LARGE) {
        return status;
    }
    c->logger_id = c->has_records ? c->logger_id : row->where.context.LoggerId;
    c->has_records = true;
    return etw_etl_buffers_add(c->buffers, &row->where, row->ticks, record, error);
}

static etw_status take_rows(etw_collector *collector, etw_bytes rows, etw_text *out,
                            etw_error *error)
{
    etw_status status = ETW_OK;
    (void)out;
    while (!etw_failed(status) && rows.size > 0) {
        etl_row row;
        memcpy(&row, rows.data, sizeof row);
        const etw_bytes record = {rows.data + sizeof row, row.size};
        rows.data += sizeof row + row.size;
        rows.size -= sizeof row + row.size;
        if (row.is_loss) {
            collector->losses++;
            collector->lost_events += row.lost_events;
        } else {
            status = take_event(collector, &row, record, error);
        }
    }
    return status;
}

/* What is added: behind all events, at the time of the last. */

static etw_status add_metadata(etw_collector *c, etw_metadata_record *metadata, etw_error *error)
{
    metadata->ticks = c->last.ticks;
    metadata->process_id = c->last.process_id;
    metadata->thread_id = c->last.thread_id;
    etw_buffer_clear(&c->record);
    if (!etw_metadata_record_write(metadata, &c->record)) {
        c->large_schemas++;
        return ETW_OK;
    }
    if (c->record.failed) {
        return no_memory(error);
    }
    return etw_etl_buffers_add(c->buffers, &c->last.where, c->last.ticks,
                               etw_buffer_bytes(&c->record), error);
}

static etw_status add_schema(etw_collector *c, const needed_schema *needed, etw_error *error)
{
    const etw_schema *schema = needed->schema;
    etw_metadata_record info = {.opcode = OPCODE_EVENT_INFO, .first = schema->tei};
    etw_status status = add_metadata(c, &info, error);
    for (uint32_t i = 0; !etw_failed(status) && i < schema->map_count; i++) {
        etw_metadata_record map = {
            .opcode = OPCODE_MAP_INFO,
            .first = {(const uint8_t *)&needed->provider, sizeof needed->provider},
            .second = schema->maps[i]};
        status = add_metadata(c, &map, error);
    }
    return status;
}

static bool is_told(const etw_collector *c, const needed_schema *needed)
{
    if (needed->schema->origin == ETW_SCHEMA_METADATA_EVENT) {
        return c->has_metadata;
    }
    return needed->schema->origin == ETW_SCHEMA_EVENTSOURCE &&
           etw_table_get(&c->manifests, &needed->provider, sizeof needed->provider) != NULL;
}

static etw_status add_schemas(etw_collector *c, etw_error *error)
{
    etw_status status = ETW_OK;
    for (uint32_t i = 0; !etw_failed(status) && i < c->schema_count; i++) {
        if (!is_told(c, c->list[i])) {
            status = add_schema(c, c->list[i], error);
        }
    }
    return status;
}

/* The file. */

static void make_header_record(const etw_collector *c, uint8_t header[SYSTEM_RECORD])
{
    memset(header, 0, SYSTEM_RECORD);
    if (c->has_header) {
        memcpy(header, c->header, SYSTEM_RECORD);
    } else {
        etw_store_u16(header, 2); /* version */
        etw_store_u32(header + 8,
                      4); /* a thread and the process System: some reader may want one */
        etw_store_u32(header + 12, 4);
    }
    header[2] = c->trace->pointer_size == 4 ? 1 : 2; /* SYSTEM32, SYSTEM64 */
    header[3] = 0xC0;
    header[6] = 0;
    header[7] = 0;
    etw_store_u64(header + 16, (uint64_t)c->trace->clock.base_ticks);
}

static void write_buffer(const etw_buffer_facts *facts, etw_bytes records, etw_text *out)
{
    etw_buffer header = {0};
    etw_buffer_header_write(facts, &header);
    etw_text_append(out, header.data, header.size);
    etw_text_append(out, (const char *)records.data, records.size);
    const size_t rest = facts->buffer_size - header.size - records.size;
    char *to = etw_text_reserve(out, rest);
    if (to != NULL) {
        memset(to, 0xFF, rest);
        out->size += rest;
    }
    out->failed |= header.failed;
    etw_buffer_free(&header);
}

static etw_status write_header(etw_collector *c, const etw_file_facts *facts, etw_text *out,
                               etw_error *error)
{
    uint8_t header[SYSTEM_RECORD];
    etw_buffer record = {0};
    make_header_record(c, header);
    etw_buffer_append(&record, header, sizeof header);
    (void)etw_logfile_header_write(c->trace, facts, &record);
    const uint32_t used = ETW_BUFFER_HEADER_SIZE + (((uint32_t)record.size + 7u) & ~7u);
    etw_status status = ETW_OK;
    if (record.failed) {
        status = no_memory(error);
    } else if (used > facts->buffer_size) {
        status =
            etw_error_set(error, ETW_ERROR_LIMIT, "the log-file header is larger than a buffer");
    } else {
        etw_store_u16(record.data + 4, (uint16_t)record.size);
        while (record.size % 8 != 0) {
            etw_buffer_append_u8(&record, 0);
        }
        const uint32_t step = c->is_compressed ? HEADER_STEP : facts->buffer_size;
        const etw_buffer_facts buffer = {.buffer_size = (used + step - 1) / step * step,
                                         .used_size = used,
                                         .context.LoggerId = c->is_compressed ? c->logger_id : 0,
                                         .is_last = facts->buffer_count == 1,
                                         .is_compressed = c->is_compressed};
        write_buffer(&buffer, etw_buffer_bytes(&record), out);
    }
    etw_buffer_free(&record);
    return status;
}

/* The records as they stand in the file. One that would grow stays plain, as its flags say: readers
 * take the lesser of its two sizes. */
static etw_bytes pack(etw_collector *c, etw_bytes records, etw_buffer_facts *facts)
{
    etw_bytes body = records;
    etw_buffer_clear(&c->record);
    etw_xpress_encode(records, &c->record);
    facts->is_compressed = c->record.size < records.size;
    if (facts->is_compressed) {
        body = etw_buffer_bytes(&c->record);
    }
    facts->buffer_size = ETW_BUFFER_HEADER_SIZE + (uint32_t)body.size;
    return body;
}

static etw_status write_buffers(etw_collector *c, const etw_file_facts *facts, etw_text *out,
                                etw_error *error)
{
    etw_bytes record;
    etw_status status = etw_output_spool_rewind(&c->spool, error);
    for (uint64_t sequence = 1; !etw_failed(status); sequence++) {
        status = etw_output_spool_next(&c->spool, &record, error);
        if (status != ETW_OK) {
            break;
        }
        etw_spooled_buffer head;
        memcpy(&head, record.data, sizeof head);
        etw_bytes records = {record.data + sizeof head, record.size - sizeof head};
        etw_buffer_facts buffer = {.buffer_size = facts->buffer_size,
                                   .used_size = ETW_BUFFER_HEADER_SIZE + (uint32_t)records.size,
                                   .sequence = sequence,
                                   .written_100ns = facts->end_time_100ns,
                                   .context = head.context,
                                   .is_indexed = head.is_indexed != 0,
                                   .is_last = sequence + 1 == facts->buffer_count};
        if (c->is_compressed) {
            records = pack(c, records, &buffer);
            out->failed |= c->record.failed;
        }
        write_buffer(&buffer, records, out);
        status = etw_collector_put(&c->target, out, error);
    }
    return etw_failed(status) ? status : ETW_OK;
}

static void say_doubts(const etw_collector *c)
{
    etw_collector_say(&c->target, c->doubts[ETW_RECORD_TOO_LARGE], "event",
                      "left out: larger than a record of .etl can be");
    etw_collector_say(&c->target, c->doubts[ETW_RECORD_WITHOUT_ITEMS], "event",
                      "without extended items: classic records of .etl have no place for them");
    etw_collector_say(&c->target, c->doubts[ETW_RECORD_OTHER_FORM], "event",
                      "with another header size or type, as those of files have");
    etw_collector_say(&c->target, etw_etl_buffers_disorder(c->buffers), "event",
                      "that may be read in another order: .etl is ordered by time alone");
    etw_collector_say(&c->target, c->large_schemas, "schema",
                      "left out: larger than a record of .etl can be");
    etw_collector_say(&c->target, c->losses, "loss",
                      "told as a number in the header: .etl has no place for where and why");
}

static etw_status finish_etl(etw_collector *c, etw_text *out, etw_error *error)
{
    if (c->trace == NULL) {
        return etw_error_set(error, ETW_ERROR_NOT_FOUND,
                             "no event passed, and an .etl file has its clock from its events");
    }
    etw_status status = add_schemas(c, error);
    if (!etw_failed(status)) {
        status = etw_etl_buffers_end(c->buffers, error);
    }
    if (etw_failed(status)) {
        return status;
    }
    const uint64_t lost =
        c->lost_events > c->trace->events_lost ? c->lost_events : c->trace->events_lost;
    const int64_t start_100ns = c->trace->clock.base_time_100ns;
    const etw_file_facts facts = {
        .buffer_size =
            etw_etl_buffers_are_wide(c->buffers) ? ETW_ETL_WIDE_SIZE : ETW_ETL_BUFFER_SIZE,
        .buffer_count = (uint32_t)etw_etl_buffers_count(c->buffers) + 1,
        .processors = c->processors == 0 ? 1 : c->processors,
        .events_lost = lost > UINT32_MAX ? UINT32_MAX : (uint32_t)lost,
        .end_time_100ns = c->end_100ns > start_100ns ? c->end_100ns : start_100ns,
        .is_compressed = c->is_compressed};
    status = write_header(c, &facts, out, error);
    if (!etw_failed(status)) {
        status = write_buffers(c, &facts, out, error);
    }
    if (!etw_failed(status)) {
        say_doubts(c);
    }
    return status;
}

static const etw_collector_kind collector = {open_etl, take_rows, finish_etl, close_etl};

const etw_output_format etw_output_etl = {
    .name = "etl",
    .help = "Windows' own trace file, for WPA, PerfView, tracerpt",
    .binary = true,
    .raw_time = true,
    .open = open_renderer,
    .close = close_renderer,
    .event = render_event,
    .loss = render_loss,
    .collector = &collector,
};
