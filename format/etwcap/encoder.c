/* Records to columns. The order of what is written is the chapter "Events block" of FORMAT.md. */
#include "format/etwcap/batch.h"
#include "format/etwcap/events.h"
#include "format/etwcap/fields.h"
#include "format/etwcap/payload_write.h"

#include <stdlib.h>
#include <zstd.h>

typedef struct kind {
    const etw_staged *first; /* what all events of the kind have in common is read from it */
    uint32_t count;
    uint32_t start; /* of its events in order */
    uint32_t hash;
    uint32_t slot;
    uint32_t next;        /* the kind that followed it last: often it does so again */
    uint16_t size_excess; /* of the first */
} kind;

enum { KIND_SLOTS = 1 << 17, PROCESSORS = 1 << 12, MAX_LEVEL = 22, THOROUGH_LEVEL = 16 };

/* Header fields of all events, in order. */
typedef struct header_fields {
    uint64_t *times;
    uint64_t *threads; /* thread and process id together */
    uint16_t *processors;
    uint32_t *kernel_times;
    uint32_t *user_times;
    uint32_t *activities;  /* numbers in the pool */
    uint16_t *size_excess; /* over its kind's */
} header_fields;

struct etw_encoder {
    ZSTD_CCtx *context;
    int level;
    etw_fields fields;
    etw_payload_writer *payload;
    etw_text sections[ETW_SECTION_COUNT];
    etw_pool threads; /* thread and process id, 8 bytes */
    etw_pool activities;
    kind *kinds;
    uint32_t kind_count;
    uint32_t *kind_slots; /* kind + 1 */
    uint32_t capacity;    /* events, of the arrays below */
    header_fields headers;
    uint16_t *kind_of;
    uint32_t *order;
    uint32_t *thread_of;
    uint64_t *last; /* by thread */
    etw_bytes *rows;
    uint32_t *last_thread; /* by processor */
};

etw_encoder *etw_encoder_new(int level, const etw_schema_store *store)
{
    (void)store;
    etw_encoder *encoder = calloc(1, sizeof *encoder);
    if (encoder == NULL) {
        return NULL;
    }
    encoder->level = level;
    encoder->context = ZSTD_createCCtx();
    encoder->payload = etw_payload_writer_new();
    encoder->kind_slots = calloc(KIND_SLOTS, sizeof *encoder->kind_slots);
    encoder->last_thread = malloc(PROCESSORS * sizeof *encoder->last_thread);
    if (encoder->context == NULL || encoder->payload == NULL ||
        !etw_fields_init(&encoder->fields, level >= THOROUGH_LEVEL) ||
        encoder->kind_slots == NULL || encoder->last_thread == NULL) {
        etw_encoder_free(encoder);
        return NULL;
    }
    return encoder;
}

static void free_arrays(etw_encoder *encoder)
{
    free(encoder->headers.times);
    free(encoder->headers.threads);
    free(encoder->headers.processors);
    free(encoder->headers.kernel_times);
    free(encoder->headers.user_times);
    free(encoder->headers.activities);
    free(encoder->headers.size_excess);
    free(encoder->kinds);
    free(encoder->kind_of);
    free(encoder->order);
    free(encoder->thread_of);
    free(encoder->last);
    free(encoder->rows);
}

void etw_encoder_free(etw_encoder *encoder)
{
    if (encoder == NULL) {
        return;
    }
    (void)ZSTD_freeCCtx(encoder->context);
    etw_fields_free(&encoder->fields);
    etw_payload_writer_free(encoder->payload);
    for (int i = 0; i < ETW_SECTION_COUNT; i++) {
        etw_text_free(&encoder->sections[i]);
    }
    etw_pool_free(&encoder->threads);
    etw_pool_free(&encoder->activities);
    free(encoder->kind_slots);
    free(encoder->last_thread);
    free_arrays(encoder);
    free(encoder);
}

static bool reserve_headers(header_fields *of, size_t count)
{
    of->times = malloc(count * sizeof *of->times);
    of->threads = malloc(count * sizeof *of->threads);
    of->processors = malloc(count * sizeof *of->processors);
    of->kernel_times = malloc(count * sizeof *of->kernel_times);
    of->user_times = malloc(count * sizeof *of->user_times);
    of->activities = malloc(count * sizeof *of->activities);
    of->size_excess = malloc(count * sizeof *of->size_excess);
    return of->times != NULL && of->threads != NULL && of->processors != NULL &&
           of->kernel_times != NULL && of->user_times != NULL && of->activities != NULL &&
           of->size_excess != NULL;
}

static bool reserve_events(etw_encoder *encoder, uint32_t count)
{
    if (count <= encoder->capacity) {
        return true;
    }
    free_arrays(encoder);
    const size_t n = count;
    const bool have_headers = reserve_headers(&encoder->headers, n);
    encoder->kinds = malloc(n * sizeof *encoder->kinds);
    encoder->kind_of = malloc(n * sizeof *encoder->kind_of);
    encoder->order = malloc(n * sizeof *encoder->order);
    encoder->thread_of = malloc(n * sizeof *encoder->thread_of);
    encoder->last = malloc(n * sizeof *encoder->last);
    encoder->rows = malloc(n * sizeof *encoder->rows);
    const bool good = have_headers && encoder->kinds != NULL && encoder->kind_of != NULL &&
                      encoder->order != NULL && encoder->thread_of != NULL &&
                      encoder->last != NULL && encoder->rows != NULL;
    encoder->capacity = good ? count : 0;
    return good;
}

/* ---- kinds ---- */

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * UINT64_C(0x9E3779B97F4A7C15);
    return hash ^ hash >> 29;
}

static uint32_t kind_hash(const etw_staged *event)
{
    const uint8_t *header = (const uint8_t *)&event->record.EventHeader;
    uint64_t hash = mix(0, etw_load_u64(header) >> 16);
    hash = mix(hash, etw_load_u64(header + 24));
    hash = mix(hash, etw_load_u64(header + 32));
    hash = mix(hash, etw_load_u64(header + 40));
    hash = mix(hash, etw_load_u64(header + 48));
    hash = mix(hash, (uint64_t)event->schema_id << 32 | (uint64_t)event->trace_index << 16 |
                         event->record.BufferContext.LoggerId);
    for (uint32_t i = 0; i < event->record.ExtendedDataCount; i++) {
        hash = mix(hash, etw_load_u64(&event->record.ExtendedData[i]) & UINT64_C(0xFFFFFFFFFFFF));
    }
    return (uint32_t)(hash >> 32) ^ (uint32_t)hash;
}

static bool same_kind(const etw_staged *a, const etw_staged *b)
{
    const uint8_t *x = (const uint8_t *)&a->record.EventHeader;
    const uint8_t *y = (const uint8_t *)&b->record.EventHeader;
    if (memcmp(x + 24, y + 24, 32) != 0 || memcmp(x + 2, y + 2, 6) != 0 ||
        a->record.BufferContext.LoggerId != b->record.BufferContext.LoggerId ||
        a->schema_id != b->schema_id || a->trace_index != b->trace_index ||
        a->record.ExtendedDataCount != b->record.ExtendedDataCount) {
        return false;
    }
    for (uint32_t i = 0; i < a->record.ExtendedDataCount; i++) {
        if (memcmp(&a->record.ExtendedData[i], &b->record.ExtendedData[i], 6) != 0) {
            return false;
        }
    }
    return true;
}

static uint16_t size_excess(const etw_event_record *record)
{
    uint32_t explained = record->UserDataLength;
    for (uint32_t i = 0; i < record->ExtendedDataCount; i++) {
        explained += 8 + ((record->ExtendedData[i].DataSize + 7u) & ~7u);
    }
    return (uint16_t)(record->EventHeader.Size - explained);
}

static uint32_t find_kind(etw_encoder *encoder, const etw_staged *event, uint32_t before)
{
    kind *kinds = encoder->kinds;
    if (encoder->kind_count > 0 && same_kind(kinds[kinds[before].next].first, event)) {
        return kinds[before].next;
    }
    const uint32_t hash = kind_hash(event);
    uint32_t at = hash & (KIND_SLOTS - 1);
    while (encoder->kind_slots[at] != 0) {
        const uint32_t known = encoder->kind_slots[at] - 1;
        if (kinds[known].hash == hash && same_kind(kinds[known].first, event)) {
            kinds[before].next = known;
            return known;
        }
        at = (at + 1) & (KIND_SLOTS - 1);
    }
    const uint32_t added = encoder->kind_count++;
    encoder->kind_slots[at] = added + 1;
    kinds[added] = (kind){.first = event,
                          .hash = hash,
                          .slot = at,
                          .next = added,
                          .size_excess = size_excess(&event->record)};
    kinds[before].next = added;
    return added;
}

/* Kind and header fields of each event: the one pass over the records that needs their headers. */
static bool survey(etw_encoder *encoder, const etw_batch *batch)
{
    const header_fields *to = &encoder->headers;
    const etw_guid *activity = NULL;
    uint32_t found = 0;
    encoder->kind_count = 0;
    etw_pool_clear(&encoder->activities);
    for (uint32_t i = 0; i < batch->count; i++) {
        const etw_staged *event = etw_batch_staged(batch, i);
        const etw_event_header *header = &event->record.EventHeader;
        found = find_kind(encoder, event, found);
        encoder->kind_of[i] = (uint16_t)found;
        encoder->kinds[found].count++;
        to->times[i] = (uint64_t)header->TimeStamp;
        to->threads[i] = etw_load_u64(&header->ThreadId);
        to->processors[i] = event->record.BufferContext.ProcessorIndex;
        to->kernel_times[i] = header->KernelTime;
        to->user_times[i] = header->UserTime;
        to->size_excess[i] =
            (uint16_t)(size_excess(&event->record) - encoder->kinds[found].size_excess);
        if (activity == NULL || !etw_guid_equal(activity, &header->ActivityId)) {
            activity = &header->ActivityId;
            to->activities[i] =
                etw_pool_add(&encoder->activities, (const uint8_t *)activity, sizeof *activity);
        } else {
            to->activities[i] = to->activities[i - 1];
        }
    }
    for (uint32_t k = 0; k < encoder->kind_count; k++) {
        encoder->kind_slots[encoder->kinds[k].slot] = 0;
    }
    return !encoder->activities.bytes.failed;
}

static void sort_kinds(etw_encoder *encoder, uint32_t count)
{
    uint32_t start = 0;
    for (uint32_t k = 0; k < encoder->kind_count; k++) {
        encoder->kinds[k].start = start;
        start += encoder->kinds[k].count;
        encoder->kinds[k].count = 0;
    }
    for (uint32_t i = 0; i < count; i++) {
        kind *of = &encoder->kinds[encoder->kind_of[i]];
        encoder->order[of->start + of->count++] = i;
    }
}

static void write_kind(etw_text *out, const kind *of)
{
    const etw_event_record *record = &of->first->record;
    etw_put(out, &record->EventHeader.ProviderId, 32);
    etw_put(out, (const uint8_t *)&record->EventHeader + 2, 6);
    etw_put(out, &record->BufferContext.LoggerId, 2);
    etw_put(out, &of->first->trace_index, 2);
    etw_put(out, &of->size_excess, 2);
    etw_put_varint(out, of->first->schema_id);
    etw_put_varint(out, record->ExtendedDataCount);
    for (uint32_t i = 0; i < record->ExtendedDataCount; i++) {
        etw_put(out, &record->ExtendedData[i], 6);
    }
}

/* ---- header columns ---- */

/* Differences to the event before, kind by kind: what follows what takes its own time. */
static bool write_times(etw_encoder *encoder, uint32_t count, etw_text *out)
{
    const uint64_t *times = encoder->headers.times;
    uint64_t *values = encoder->fields.values;
    etw_put(out, times, 8);
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t e = encoder->order[i];
        values[i] = e == 0 ? 0 : etw_column_fold(times[e] - times[e - 1], 8, 0);
    }
    return etw_fields_write(&encoder->fields, out, count, 8, NULL, 0);
}

static bool is_thread(const etw_encoder *encoder, uint32_t known, uint64_t pair)
{
    return known != UINT32_MAX && etw_load_u64(etw_pool_get(&encoder->threads, known).data) == pair;
}

static bool write_threads(etw_encoder *encoder, uint32_t count, etw_text *out)
{
    const uint64_t *threads = encoder->headers.threads;
    uint32_t before = UINT32_MAX;
    etw_pool_clear(&encoder->threads);
    memset(encoder->last_thread, 0xFF, PROCESSORS * sizeof *encoder->last_thread);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t *last = &encoder->last_thread[encoder->headers.processors[i] & (PROCESSORS - 1)];
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
        encoder->thread_of[i] = *last;
        encoder->fields.ids[i] = code;
    }
    const uint32_t pairs = encoder->threads.count;
    etw_put_varint(out, pairs);
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
                            etw_text *out)
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
    memset(encoder->last, 0, encoder->threads.count * sizeof *encoder->last);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t *last = &encoder->last[encoder->thread_of[i]];
        fields->predicted[i] = *last;
        *last = values[i];
    }
    return etw_fields_write(fields, out, count, 4, &guess, 1);
}

/* GUIDs of a pool as two integers each. */
static bool write_guids(etw_encoder *encoder, const etw_pool *pool, etw_text *out)
{
    etw_put_varint(out, pool->count);
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
                         etw_text *out)
{
    for (uint32_t i = 0; i < count; i++) {
        encoder->fields.values[i] = values[i];
    }
    return etw_fields_write(&encoder->fields, out, count, 2, NULL, 0);
}

static bool write_headers(etw_encoder *encoder, uint32_t count)
{
    const header_fields *headers = &encoder->headers;
    etw_text *out = &encoder->sections[ETW_SECTION_HEADERS];
    etw_put_varint(out, encoder->kind_count);
    for (uint32_t k = 0; k < encoder->kind_count; k++) {
        write_kind(out, &encoder->kinds[k]);
    }
    return write_shorts(encoder, encoder->kind_of, count, out) &&
           write_times(encoder, count, out) &&
           write_shorts(encoder, headers->processors, count, out) &&
           write_threads(encoder, count, out) &&
           write_by_thread(encoder, headers->kernel_times, count, out) &&
           write_by_thread(encoder, headers->user_times, count, out) &&
           write_guids(encoder, &encoder->activities, out) &&
           write_by_thread(encoder, headers->activities, count, out) &&
           write_shorts(encoder, headers->size_excess, count, out);
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

static bool write_item(etw_encoder *encoder, const etw_batch *batch, const kind *of, uint32_t item)
{
    etw_text *out = &encoder->sections[ETW_SECTION_ITEMS];
    const uint32_t *order = encoder->order + of->start;
    etw_bytes *rows = encoder->rows;
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
        etw_text_append_char(out, (char)width);
        for (uint32_t i = 0; i < of->count; i++) {
            encoder->fields.values[i] = etw_load_u64(rows[i].data) & etw_column_mask(width);
        }
        return etw_fields_write(&encoder->fields, out, of->count, width, NULL, 0);
    }
    if (!words) {
        etw_text_append_char(out, ETW_ITEM_BLOBS);
        return etw_fields_write_blobs(&encoder->fields, out, rows, of->count, 1);
    }
    etw_text_append_char(out, (char)(stack == 4 ? ETW_ITEM_STACKS4 : ETW_ITEM_STACKS8));
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
    for (uint32_t k = 0; k < encoder->kind_count; k++) {
        const kind *of = &encoder->kinds[k];
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
    if (!etw_payload_begin(encoder->payload, batch->count)) {
        return false;
    }
    const etw_event_record **records = etw_payload_records(encoder->payload);
    for (uint32_t k = 0; k < encoder->kind_count; k++) {
        const kind *of = &encoder->kinds[k];
        for (uint32_t i = 0; i < of->count; i++) {
            records[i] = record_at(batch, encoder->order[of->start + i]);
        }
        if (!etw_payload_write(encoder->payload, &encoder->fields, of->count,
                               of->first->record.EventHeader.ProviderId.Data1,
                               &encoder->sections[ETW_SECTION_PAYLOAD])) {
            return false;
        }
    }
    etw_payload_write_texts(encoder->payload, &encoder->sections[ETW_SECTION_TEXTS]);
    return true;
}

/* ---- the body ---- */

/* zstd finds more with more effort only in texts; the columns have been told apart before, and
 * their noise stays noise. For archives all of it gets the most. */
static int level_of(const etw_encoder *encoder, int section)
{
    static const int more[ETW_SECTION_COUNT] = {-2, -2, 0, -2};
    if (encoder->level >= THOROUGH_LEVEL) {
        return encoder->level + 3 > MAX_LEVEL ? MAX_LEVEL : encoder->level + 3;
    }
    return encoder->level + more[section] < 1 ? 1 : encoder->level + more[section];
}

static bool write_section(etw_encoder *encoder, int section, etw_text *body)
{
    const etw_text *raw = &encoder->sections[section];
    const size_t bound = ZSTD_compressBound(raw->size);
    char *to = etw_text_reserve(body, bound + 16);
    if (to == NULL) {
        return false;
    }
    const size_t size = ZSTD_compressCCtx(encoder->context, to + 8, bound, raw->data, raw->size,
                                          level_of(encoder, section));
    if (ZSTD_isError(size)) {
        return false;
    }
    etw_store_u32(to, (uint32_t)raw->size);
    etw_store_u32(to + 4, (uint32_t)size);
    body->size += 8 + size;
    return true;
}

etw_status etw_encoder_encode(etw_encoder *encoder, const etw_batch *batch, etw_text *body,
                              etw_error *error)
{
    for (int i = 0; i < ETW_SECTION_COUNT; i++) {
        etw_text_clear(&encoder->sections[i]);
    }
    char count[4];
    etw_store_u32(count, batch->count);
    etw_put(body, count, sizeof count);
    bool good =
        reserve_events(encoder, batch->count) && etw_fields_reserve(&encoder->fields, batch->count);
    if (good && batch->count > 0) {
        good = survey(encoder, batch);
        sort_kinds(encoder, batch->count);
        good = good && write_headers(encoder, batch->count) && write_items(encoder, batch) &&
               write_payload(encoder, batch);
        for (int i = 0; good && i < ETW_SECTION_COUNT; i++) {
            good = !encoder->sections[i].failed && write_section(encoder, i, body);
        }
    }
    if (!good || body->failed) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory encoding events");
    }
    return ETW_OK;
}
