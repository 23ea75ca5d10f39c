/* Records to columns. The order of what is written is the chapter "Events block" of FORMAT.md. */
#include "format/etwcap/codec/event_arrays.h"
#include "format/etwcap/codec/events.h"
#include "format/etwcap/codec/fields.h"
#include "format/etwcap/codec/kinds.h"
#include "format/etwcap/codec/payload_write.h"
#include "format/etwcap/codec/section_write.h"

#include <stdlib.h>
#include <zstd.h>

enum { PROCESSORS = 1 << 12 };

/* How far the survey fetches before it reads: records stand one behind another. */
#define AHEAD_BYTES 1024u

/* A value for each event of a batch, in order. */
typedef struct event_values {
    uint64_t *times;
    uint64_t *threads; /* thread and process id together */
    uint64_t *last;    /* by thread */
    etw_bytes *user_data;
    uint32_t *order; /* events, kind by kind */
    uint32_t *thread_of;
    uint32_t *kernel_times;
    uint32_t *user_times;
    uint32_t *activities; /* numbers in the pool */
    uint16_t *kind_of;
    uint16_t *processors;
    uint16_t *size_excess; /* over its kind's */
} event_values;

/* Of a batch's arrays, those above and what its parts take of them: touched by all events, and by
 * few. */
enum {
    EVENT_BYTES = 2 * sizeof(uint64_t) + sizeof(etw_bytes) + 5 * sizeof(uint32_t) +
                  3 * sizeof(uint16_t) + ETW_FIELDS_EVENT_BYTES + ETW_PAYLOAD_EVENT_BYTES,
    RARE_BYTES = sizeof(uint64_t) + ETW_FIELDS_RARE_BYTES + ETW_PAYLOAD_RARE_BYTES
};

struct etw_encoder {
    ZSTD_CCtx *context;
    int level;
    etw_fields fields;
    etw_payload_writer *payload;
    etw_buffer section;   /* the one being written */
    etw_borders *borders; /* of its columns: the fields' */
    etw_pool threads;     /* thread and process id, 8 bytes */
    etw_pool activities;
    const etw_batch *batch; /* the one surveyed last */
    etw_kinds kinds;
    etw_event_arrays arrays;
    event_values events;   /* in the arrays */
    uint32_t *last_thread; /* by processor */
};

etw_encoder *etw_encoder_new(int level)
{
    etw_encoder *encoder = calloc(1, sizeof *encoder);
    if (encoder == NULL) {
        return NULL;
    }
    encoder->level = level;
    encoder->context = ZSTD_createCCtx();
    encoder->payload = etw_payload_writer_new();
    encoder->last_thread = malloc(PROCESSORS * sizeof *encoder->last_thread);
    if (encoder->context == NULL || encoder->payload == NULL ||
        !etw_fields_init(&encoder->fields, level >= ETW_THOROUGH_LEVEL) ||
        !etw_kinds_init(&encoder->kinds) || encoder->last_thread == NULL) {
        etw_encoder_free(encoder);
        return NULL;
    }
    encoder->borders = etw_column_writer_borders(encoder->fields.columns);
    return encoder;
}

void etw_encoder_free(etw_encoder *encoder)
{
    if (encoder == NULL) {
        return;
    }
    (void)ZSTD_freeCCtx(encoder->context);
    etw_fields_free(&encoder->fields);
    etw_payload_writer_free(encoder->payload);
    etw_buffer_free(&encoder->section);
    etw_pool_free(&encoder->threads);
    etw_pool_free(&encoder->activities);
    etw_kinds_free(&encoder->kinds);
    free(encoder->last_thread);
    etw_event_arrays_free(&encoder->arrays);
    free(encoder);
}

struct ZSTD_CCtx_s *etw_encoder_state(etw_encoder *encoder)
{
    return encoder->context;
}

static bool begin_events(etw_encoder *encoder, uint32_t count)
{
    etw_event_arrays *arrays = &encoder->arrays;
    event_values *to = &encoder->events;
    if (!etw_event_arrays_begin(arrays, count, EVENT_BYTES + RARE_BYTES, EVENT_BYTES)) {
        return false;
    }
    to->times = etw_event_array(arrays, sizeof *to->times);
    to->threads = etw_event_array(arrays, sizeof *to->threads);
    to->last = etw_event_array_rare(arrays, sizeof *to->last);
    to->user_data = etw_event_array(arrays, sizeof *to->user_data);
    to->order = etw_event_array(arrays, sizeof *to->order);
    to->thread_of = etw_event_array(arrays, sizeof *to->thread_of);
    to->kernel_times = etw_event_array(arrays, sizeof *to->kernel_times);
    to->user_times = etw_event_array(arrays, sizeof *to->user_times);
    to->activities = etw_event_array(arrays, sizeof *to->activities);
    to->kind_of = etw_event_array(arrays, sizeof *to->kind_of);
    to->processors = etw_event_array(arrays, sizeof *to->processors);
    to->size_excess = etw_event_array(arrays, sizeof *to->size_excess);
    etw_fields_begin(&encoder->fields, arrays);
    return etw_payload_begin(encoder->payload, count, arrays);
}

/* Kind and header fields of each event: the one pass over the records that needs their headers. */
static bool survey(etw_encoder *encoder, const etw_batch *batch)
{
    const event_values to = encoder->events;
    const etw_guid *activity = NULL;
    etw_pool_clear(&encoder->activities);
    for (uint32_t i = 0; i < batch->count; i++) {
        const etw_staged *event = etw_batch_staged(batch, i);
        const etw_event_header *header = &event->record.EventHeader;
        __builtin_prefetch((const uint8_t *)event + AHEAD_BYTES);
        const uint32_t found = etw_kinds_find(&encoder->kinds, event);
        to.kind_of[i] = (uint16_t)found;
        to.user_data[i] = etw_record_user_data(&event->record);
        to.times[i] = (uint64_t)header->TimeStamp;
        to.threads[i] = etw_load_u64(&header->ThreadId);
        to.processors[i] = event->record.BufferContext.ProcessorIndex;
        to.kernel_times[i] = header->KernelTime;
        to.user_times[i] = header->UserTime;
        to.size_excess[i] =
            (uint16_t)(etw_size_excess(&event->record) - encoder->kinds.kinds[found].size_excess);
        if (activity == NULL || !etw_guid_equal(activity, &header->ActivityId)) {
            activity = &header->ActivityId;
            to.activities[i] =
                etw_pool_add(&encoder->activities, (const uint8_t *)activity, sizeof *activity);
        } else {
            to.activities[i] = to.activities[i - 1];
        }
    }
    return !encoder->activities.bytes.failed;
}

const etw_kinds *etw_encoder_survey(etw_encoder *encoder, const etw_batch *batch)
{
    encoder->batch = batch;
    etw_kinds_clear(&encoder->kinds);
    return begin_events(encoder, batch->count) && survey(encoder, batch) ? &encoder->kinds : NULL;
}

static void sort_kinds(etw_encoder *encoder, uint32_t count)
{
    uint32_t start = 0;
    for (uint32_t k = 0; k < encoder->kinds.count; k++) {
        encoder->kinds.kinds[k].start = start;
        start += encoder->kinds.kinds[k].count;
        encoder->kinds.kinds[k].count = 0;
    }
    for (uint32_t i = 0; i < count; i++) {
        etw_kind *of = &encoder->kinds.kinds[encoder->events.kind_of[i]];
        encoder->events.order[of->start + of->count++] = i;
    }
}

static void write_kind(etw_buffer *out, const etw_kind *of)
{
    const etw_event_record *record = &of->first->record;
    etw_buffer_append(out, &record->EventHeader.ProviderId, 32);
    etw_buffer_append(out, (const uint8_t *)&record->EventHeader + 2, 6);
    etw_buffer_append(out, &record->BufferContext.LoggerId, 2);
    etw_buffer_append(out, &of->first->trace_index, 2);
    etw_buffer_append(out, &of->size_excess, 2);
    etw_buffer_append_varint(out, of->first->schema_id);
    etw_buffer_append_varint(out, record->ExtendedDataCount);
    for (uint32_t i = 0; i < record->ExtendedDataCount; i++) {
        etw_buffer_append(out, &record->ExtendedData[i], 6);
    }
}

/* ---- header columns ---- */

/* Differences to the event before, kind by kind: what follows what takes its own time. */
static bool write_times(etw_encoder *encoder, uint32_t count, etw_buffer *out)
{
    const uint64_t *times = encoder->events.times;
    uint64_t *values = encoder->fields.values;
    etw_buffer_append(out, times, 8);
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t e = encoder->events.order[i];
        values[i] = e == 0 ? 0 : etw_column_fold(times[e] - times[e - 1], 8, 0);
    }
    return etw_fields_write(&encoder->fields, out, count, 8, NULL, 0);
}

static bool is_thread(const etw_encoder *encoder, uint32_t known, uint64_t pair)
{
    return known != UINT32_MAX && etw_load_u64(etw_pool_get(&encoder->threads, known).data) == pair;
}

static bool write_threads(etw_encoder *encoder, uint32_t count, etw_buffer *out)
{
    const uint64_t *threads = encoder->events.threads;
    uint32_t before = UINT32_MAX;
    etw_pool_clear(&encoder->threads);
    memset(encoder->last_thread, 0xFF, PROCESSORS * sizeof *encoder->last_thread);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t *last = &encoder->last_thread[encoder->events.processors[i] & (PROCESSORS - 1)];
        uint32_t code = ETW_THREAD_SAME_PROCESSOR;
        if (!is_thread(encoder, *last, threads[i])) {
            const uint32_t known = encoder->threads.count;
            const bool same = is_thread(encoder, before, threads[i]);
            *last =
                same ? before : etw_pool_add(&encoder->threads, (const uint8_t *)&threads[i], 8);
            code = same             ? (uint32_t)ETW_THREAD_SAME_EVENT
                   : *last == known ? (uint32_t)ETW_THREAD_NEW
                                    : ETW_THREAD_KNOWN + *last;
        }
        before = *last;
        encoder->events.thread_of[i] = *last;
        encoder->fields.ids[i] = code;
    }
    const uint32_t pairs = encoder->threads.count;
    etw_buffer_append_varint(out, pairs);
    for (uint32_t field = 0; field < 2; field++) {
        for (uint32_t i = 0; i < pairs; i++) {
            encoder->fields.values[i] =
                etw_load_u32(etw_pool_get(&encoder->threads, i).data + 4 * field);
        }
        if (!etw_fields_write(&encoder->fields, out, pairs, 4, NULL, 0)) {
            return false;
        }
    }
    return !encoder->threads.bytes.failed &&
           etw_fields_write_ids(&encoder->fields, out, encoder->fields.ids, count);
}

/* A column of 4-byte values, told from the same thread's last. */
static bool write_by_thread(etw_encoder *encoder, const uint32_t *values, uint32_t count,
                            etw_buffer *out)
{
    etw_fields *fields = &encoder->fields;
    const etw_guess guess = {ETW_COLUMN_FIRST_GUESS, etw_guess_from_array, fields->predicted};
    uint32_t varying = 0;
    for (uint32_t i = 0; i < count; i++) {
        varying |= values[i] ^ values[0];
        fields->values[i] = values[i];
    }
    if (varying == 0) {
        return etw_fields_write(fields, out, count, 4, NULL, 0);
    }
    memset(encoder->events.last, 0, encoder->threads.count * sizeof *encoder->events.last);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t *last = &encoder->events.last[encoder->events.thread_of[i]];
        fields->predicted[i] = *last;
        *last = values[i];
    }
    return etw_fields_write(fields, out, count, 4, &guess, 1);
}

/* GUIDs of a pool as two integers each. */
static bool write_guids(etw_encoder *encoder, const etw_pool *pool, etw_buffer *out)
{
    etw_buffer_append_varint(out, pool->count);
    for (uint32_t half = 0; half < 2; half++) {
        for (uint32_t i = 0; i < pool->count; i++) {
            encoder->fields.values[i] = etw_load_u64(etw_pool_get(pool, i).data + 8 * half);
        }
        if (!etw_fields_write(&encoder->fields, out, pool->count, 8, NULL, 0)) {
            return false;
        }
    }
    return true;
}

static bool write_shorts(etw_encoder *encoder, const uint16_t *values, uint32_t count,
                         etw_buffer *out)
{
    for (uint32_t i = 0; i < count; i++) {
        encoder->fields.values[i] = values[i];
    }
    return etw_fields_write(&encoder->fields, out, count, 2, NULL, 0);
}

static bool write_headers(etw_encoder *encoder, uint32_t count)
{
    const event_values *events = &encoder->events;
    etw_buffer *out = &encoder->section;
    etw_buffer_append_varint(out, encoder->kinds.count);
    for (uint32_t k = 0; k < encoder->kinds.count; k++) {
        write_kind(out, &encoder->kinds.kinds[k]);
    }
    return write_shorts(encoder, events->kind_of, count, out) && write_times(encoder, count, out) &&
           write_shorts(encoder, events->processors, count, out) &&
           write_threads(encoder, count, out) &&
           write_by_thread(encoder, events->kernel_times, count, out) &&
           write_by_thread(encoder, events->user_times, count, out) &&
           write_guids(encoder, &encoder->activities, out) &&
           write_by_thread(encoder, events->activities, count, out) &&
           write_shorts(encoder, events->size_excess, count, out);
}

/* ---- items ---- */

static const etw_event_record *record_at(const etw_batch *batch, uint32_t index)
{
    return &etw_batch_staged(batch, index)->record;
}

static uint32_t stack_word(uint16_t ext_type)
{
    return ext_type == ETW_EXT_STACK_TRACE32 ? 4 : ext_type == ETW_EXT_STACK_TRACE64 ? 8 : 0;
}

static bool write_item(etw_encoder *encoder, const etw_batch *batch, const etw_kind *of,
                       uint32_t item)
{
    etw_buffer *out = &encoder->section;
    const uint32_t *order = encoder->events.order + of->start;
    etw_bytes *rows = encoder->fields.blobs;
    const uint32_t stack = stack_word(of->first->record.ExtendedData[item].ExtType);
    bool words = stack != 0;
    bool same_size = true;
    for (uint32_t i = 0; i < of->count; i++) {
        rows[i] = etw_item_bytes(&record_at(batch, order[i])->ExtendedData[item]);
        words = words && rows[i].size >= 8 && (rows[i].size - 8) % stack == 0;
        same_size = same_size && rows[i].size == rows[0].size;
    }
    if (same_size && rows[0].size > 0 && rows[0].size <= 8) {
        const uint32_t width = (uint32_t)rows[0].size;
        etw_buffer_append_u8(out, (uint8_t)width);
        for (uint32_t i = 0; i < of->count; i++) {
            encoder->fields.values[i] = etw_load_u64(rows[i].data) & etw_column_mask(width);
        }
        return etw_fields_write(&encoder->fields, out, of->count, width, NULL, 0);
    }
    if (!words) {
        etw_buffer_append_u8(out, ETW_ITEM_BLOBS);
        return etw_fields_write_blobs(&encoder->fields, out, rows, of->count, 1);
    }
    etw_buffer_append_u8(out, (uint8_t)(stack == 4 ? ETW_ITEM_STACKS4 : ETW_ITEM_STACKS8));
    for (uint32_t i = 0; i < of->count; i++) {
        encoder->fields.values[i] = etw_load_u64(rows[i].data);
        rows[i].data += 8;
        rows[i].size -= 8;
    }
    return etw_fields_write(&encoder->fields, out, of->count, 8, NULL, 0) &&
           etw_fields_write_blobs(&encoder->fields, out, rows, of->count, stack);
}

static bool write_items(etw_encoder *encoder, const etw_batch *batch)
{
    for (uint32_t k = 0; k < encoder->kinds.count; k++) {
        const etw_kind *of = &encoder->kinds.kinds[k];
        for (uint32_t item = 0; item < of->first->record.ExtendedDataCount; item++) {
            if (!write_item(encoder, batch, of, item)) {
                return false;
            }
        }
    }
    return true;
}

static bool write_payload(etw_encoder *encoder, const etw_batch *batch)
{
    for (uint32_t k = 0; k < encoder->kinds.count; k++) {
        const etw_kind *of = &encoder->kinds.kinds[k];
        const etw_event_record **records = etw_payload_records(encoder->payload);
        etw_bytes *rows = etw_payload_rows(encoder->payload);
        for (uint32_t i = 0; i < of->count; i++) {
            const uint32_t event = encoder->events.order[of->start + i];
            records[i] = record_at(batch, event);
            rows[i] = encoder->events.user_data[event];
            __builtin_prefetch(rows[i].data);
        }
        if (!etw_payload_write(encoder->payload, &encoder->fields, of->count,
                               of->first->record.EventHeader.ProviderId.Data1, &encoder->section)) {
            return false;
        }
    }
    return true;
}

/* ---- the body ---- */

/* Compresses what was written into the section, whose memory the next one takes. */
static bool add_section(etw_encoder *encoder, int section, etw_buffer *body)
{
    return !encoder->section.failed &&
           etw_section_write(encoder->context, encoder->level, section,
                             etw_buffer_bytes(&encoder->section), encoder->borders, body);
}

static void begin_section(etw_encoder *encoder)
{
    etw_buffer_clear(&encoder->section);
    encoder->borders->count = 0;
}

static bool write_sections(etw_encoder *encoder, etw_buffer *body)
{
    const etw_batch *batch = encoder->batch;
    begin_section(encoder);
    if (!write_headers(encoder, batch->count) || !add_section(encoder, ETW_SECTION_HEADERS, body)) {
        return false;
    }
    begin_section(encoder);
    if (!write_items(encoder, batch) || !add_section(encoder, ETW_SECTION_ITEMS, body)) {
        return false;
    }
    begin_section(encoder);
    if (!write_payload(encoder, batch)) {
        return false;
    }
    const etw_bytes texts = etw_payload_texts(encoder->payload);
    return texts.size > 0 &&
           etw_section_write(encoder->context, encoder->level, ETW_SECTION_TEXTS, texts, NULL,
                             body) &&
           add_section(encoder, ETW_SECTION_PAYLOAD, body);
}

etw_status etw_encoder_encode(etw_encoder *encoder, etw_buffer *body, etw_error *error)
{
    const uint32_t count = encoder->batch->count;
    bool good = true;
    etw_buffer_append_u32(body, count);
    if (count > 0) {
        sort_kinds(encoder, count);
        good = write_sections(encoder, body);
    }
    if (!good || body->failed) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory encoding events");
    }
    return ETW_OK;
}
