/* Plain columns: header columns in one zstd frame, items and user data in another. */
#include "format/etwcap/codec.h"

#include <stdlib.h>
#include <zstd.h>

typedef struct staged {
    etw_event_record record; /* ExtendedData and UserData point into the batch's own memory */
    uint32_t schema_id;
    uint16_t trace_index;
} staged;

struct etw_batch {
    uint8_t *memory;
    uint32_t *offsets; /* of each staged event in memory, a multiple of 8 */
    size_t capacity, size;
    uint32_t count, capacity_events;
};

etw_batch *etw_batch_new(size_t capacity_bytes, uint32_t capacity_events)
{
    etw_batch *batch = calloc(1, sizeof *batch);
    if (batch == NULL) {
        return NULL;
    }
    batch->memory = malloc(capacity_bytes);
    batch->offsets = malloc(capacity_events * sizeof *batch->offsets);
    batch->capacity = capacity_bytes;
    batch->capacity_events = capacity_events;
    if (batch->memory == NULL || batch->offsets == NULL) {
        etw_batch_free(batch);
        return NULL;
    }
    return batch;
}

void etw_batch_free(etw_batch *batch)
{
    if (batch != NULL) {
        free(batch->memory);
        free(batch->offsets);
        free(batch);
    }
}

void etw_batch_clear(etw_batch *batch)
{
    batch->count = 0;
    batch->size = 0;
}

uint32_t etw_batch_count(const etw_batch *batch)
{
    return batch->count;
}

size_t etw_batch_size_bytes(const etw_batch *batch)
{
    return batch->size;
}

bool etw_batch_append(etw_batch *batch, const etw_event_record *record, uint16_t trace_index,
                      uint32_t schema_id)
{
    const size_t items_size = record->ExtendedDataCount * sizeof(etw_extended_data_item);
    size_t need = sizeof(staged) + items_size + record->UserDataLength;
    for (uint32_t i = 0; i < record->ExtendedDataCount; i++) {
        need += record->ExtendedData[i].DataSize;
    }
    need = (need + 7) & ~(size_t)7;
    if (batch->count == batch->capacity_events || need > batch->capacity - batch->size) {
        return false;
    }
    staged *event = (staged *)(void *)(batch->memory + batch->size);
    etw_extended_data_item *items = (etw_extended_data_item *)(void *)(event + 1);
    uint8_t *data = (uint8_t *)items + items_size;
    event->record = *record;
    event->record.ExtendedData = record->ExtendedDataCount == 0 ? NULL : items;
    event->record.UserContext = NULL;
    event->schema_id = schema_id;
    event->trace_index = trace_index;
    for (uint32_t i = 0; i < record->ExtendedDataCount; i++) {
        const etw_bytes bytes = etw_item_bytes(&record->ExtendedData[i]);
        items[i] = record->ExtendedData[i];
        items[i].DataPtr = (uint64_t)(uintptr_t)data;
        if (bytes.size > 0) {
            memcpy(data, bytes.data, bytes.size);
            data += bytes.size;
        }
    }
    event->record.UserData = data;
    if (record->UserDataLength > 0) {
        memcpy(data, record->UserData, record->UserDataLength);
    }
    batch->offsets[batch->count++] = (uint32_t)batch->size;
    batch->size += need;
    return true;
}

void etw_batch_item(etw_batch *batch, uint32_t index, etw_event_record *record, etw_item *item)
{
    const staged *event = (const staged *)(const void *)(batch->memory + batch->offsets[index]);
    *record = event->record;
    item->kind = ETW_ITEM_EVENT;
    item->trace_index = event->trace_index;
    item->schema_id = event->schema_id;
    item->record = record;
    item->loss = NULL;
}

/* Body: u32 count, u32 size of the fixed columns' frame, u32 of their raw size, u32 of the
 * payload's raw size, then the two frames. Fixed columns: per event 80 header, 4 buffer context,
 * u32 schema, u16 trace, u16 items, u16 user data size. Payload: per event its items (8 bytes
 * without pointer, data) and user data. */
enum { PREFIX_SIZE = 16, FIXED_SIZE = 94, MAX_PAYLOAD = 8 << 20 };

struct etw_encoder {
    ZSTD_CCtx *context;
    int level;
    etw_text fixed, payload;
};

etw_encoder *etw_encoder_new(int level, const etw_schema_store *store)
{
    (void)store;
    etw_encoder *encoder = calloc(1, sizeof *encoder);
    if (encoder == NULL) {
        return NULL;
    }
    encoder->context = ZSTD_createCCtx();
    encoder->level = level;
    if (encoder->context == NULL) {
        etw_encoder_free(encoder);
        return NULL;
    }
    return encoder;
}

void etw_encoder_free(etw_encoder *encoder)
{
    if (encoder != NULL) {
        (void)ZSTD_freeCCtx(encoder->context);
        etw_text_free(&encoder->fixed);
        etw_text_free(&encoder->payload);
        free(encoder);
    }
}

static void encode_event(etw_encoder *encoder, const staged *event)
{
    const etw_event_record *record = &event->record;
    uint8_t fixed[FIXED_SIZE];
    memcpy(fixed, &record->EventHeader, 80);
    memcpy(fixed + 80, &record->BufferContext, 4);
    etw_store_u32(fixed + 84, event->schema_id);
    etw_store_u16(fixed + 88, event->trace_index);
    etw_store_u16(fixed + 90, record->ExtendedDataCount);
    etw_store_u16(fixed + 92, record->UserDataLength);
    etw_text_append(&encoder->fixed, (const char *)fixed, sizeof fixed);
    for (uint32_t i = 0; i < record->ExtendedDataCount; i++) {
        const etw_bytes bytes = etw_item_bytes(&record->ExtendedData[i]);
        etw_text_append(&encoder->payload, (const char *)&record->ExtendedData[i], 8);
        etw_text_append(&encoder->payload, (const char *)bytes.data, bytes.size);
    }
    etw_text_append(&encoder->payload, (const char *)record->UserData, record->UserDataLength);
}

static bool append_frame(etw_encoder *encoder, const etw_text *raw, etw_text *body)
{
    char *to = etw_text_reserve(body, ZSTD_compressBound(raw->size));
    if (to == NULL) {
        return false;
    }
    const size_t size = ZSTD_compressCCtx(encoder->context, to, ZSTD_compressBound(raw->size),
                                          raw->data, raw->size, encoder->level);
    if (ZSTD_isError(size)) {
        return false;
    }
    body->size += size;
    return true;
}

etw_status etw_encoder_encode(etw_encoder *encoder, const etw_batch *batch, etw_text *body,
                              etw_error *error)
{
    etw_text_clear(&encoder->fixed);
    etw_text_clear(&encoder->payload);
    for (uint32_t i = 0; i < batch->count; i++) {
        encode_event(encoder, (const staged *)(const void *)(batch->memory + batch->offsets[i]));
    }
    const size_t prefix = body->size;
    char zero[PREFIX_SIZE] = {0};
    etw_text_append(body, zero, sizeof zero);
    bool good = !encoder->fixed.failed && !encoder->payload.failed &&
                append_frame(encoder, &encoder->fixed, body);
    const size_t fixed_frame = body->size - prefix - PREFIX_SIZE;
    good = good && append_frame(encoder, &encoder->payload, body);
    if (!good || body->failed) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory encoding events");
    }
    etw_store_u32(body->data + prefix, batch->count);
    etw_store_u32(body->data + prefix + 4, (uint32_t)fixed_frame);
    etw_store_u32(body->data + prefix + 8, (uint32_t)encoder->fixed.size);
    etw_store_u32(body->data + prefix + 12, (uint32_t)encoder->payload.size);
    return ETW_OK;
}

struct etw_decoder {
    ZSTD_DCtx *context;
    etw_text fixed, payload;
    etw_event_record *records;
    etw_extended_data_item *items;
    uint32_t count;
};

etw_decoder *etw_decoder_new(void)
{
    etw_decoder *decoder = calloc(1, sizeof *decoder);
    if (decoder == NULL) {
        return NULL;
    }
    decoder->context = ZSTD_createDCtx();
    if (decoder->context == NULL) {
        etw_decoder_free(decoder);
        return NULL;
    }
    return decoder;
}

void etw_decoder_free(etw_decoder *decoder)
{
    if (decoder != NULL) {
        (void)ZSTD_freeDCtx(decoder->context);
        etw_text_free(&decoder->fixed);
        etw_text_free(&decoder->payload);
        free(decoder->records);
        free(decoder->items);
        free(decoder);
    }
}

static etw_status damaged(etw_error *error, const char *what)
{
    return etw_error_set(error, ETW_ERROR_DAMAGED, "events body: %s", what);
}

static bool expand(etw_decoder *decoder, etw_bytes frame, size_t raw_size, etw_text *into)
{
    etw_text_clear(into);
    char *to = etw_text_reserve(into, raw_size + 1);
    if (to == NULL) {
        return false;
    }
    into->size = ZSTD_decompressDCtx(decoder->context, to, raw_size, frame.data, frame.size);
    return into->size == raw_size;
}

/* Walks the payload; with items NULL it counts them. */
static bool walk_payload(etw_decoder *decoder, etw_extended_data_item *items, uint32_t *item_count)
{
    etw_cursor cursor =
        etw_cursor_over((etw_bytes){(const uint8_t *)decoder->payload.data, decoder->payload.size});
    *item_count = 0;
    for (uint32_t e = 0; e < decoder->count && !cursor.failed; e++) {
        etw_event_record *record = &decoder->records[e];
        record->ExtendedData = items == NULL ? NULL : items + *item_count;
        for (uint32_t i = 0; i < record->ExtendedDataCount && !cursor.failed; i++) {
            const uint8_t *head = etw_cursor_take(&cursor, 8);
            const size_t size = head == NULL ? 0 : etw_load_u16(head + 6);
            const uint8_t *data = etw_cursor_take(&cursor, size);
            if (items != NULL && data != NULL) {
                memcpy(&items[*item_count], head, 8);
                items[*item_count].DataPtr = (uint64_t)(uintptr_t)data;
            }
            ++*item_count;
        }
        record->UserData = (void *)(uintptr_t)etw_cursor_take(&cursor, record->UserDataLength);
    }
    return !cursor.failed && etw_cursor_left(&cursor) == 0;
}

static void load_headers(etw_decoder *decoder, bool payload)
{
    memset(decoder->records, 0, decoder->count * sizeof *decoder->records);
    for (uint32_t e = 0; e < decoder->count; e++) {
        const uint8_t *fixed = (const uint8_t *)decoder->fixed.data + (size_t)e * FIXED_SIZE;
        etw_event_record *record = &decoder->records[e];
        memcpy(&record->EventHeader, fixed, 80);
        memcpy(&record->BufferContext, fixed + 80, 4);
        record->ExtendedDataCount = payload ? etw_load_u16(fixed + 90) : 0;
        record->UserDataLength = payload ? etw_load_u16(fixed + 92) : 0;
    }
}

etw_status etw_decoder_decode(etw_decoder *decoder, etw_bytes body, uint32_t parts,
                              uint32_t *event_count, etw_error *error)
{
    etw_cursor cursor = etw_cursor_over(body);
    decoder->count = etw_cursor_u32(&cursor);
    const size_t fixed_frame = etw_cursor_u32(&cursor);
    const size_t fixed_size = etw_cursor_u32(&cursor);
    const size_t payload_size = etw_cursor_u32(&cursor);
    const etw_bytes fixed = {etw_cursor_take(&cursor, fixed_frame), fixed_frame};
    if (cursor.failed || decoder->count > ETW_BATCH_MAX_EVENTS ||
        fixed_size != (size_t)decoder->count * FIXED_SIZE || payload_size > MAX_PAYLOAD) {
        return damaged(error, "sizes out of range");
    }
    const etw_bytes payload = {cursor.at, etw_cursor_left(&cursor)};
    const bool all = parts != 0;
    free(decoder->records);
    free(decoder->items);
    decoder->items = NULL;
    decoder->records = malloc((decoder->count + 1) * sizeof *decoder->records);
    if (decoder->records == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory decoding events");
    }
    if (!expand(decoder, fixed, fixed_size, &decoder->fixed) ||
        (all && !expand(decoder, payload, payload_size, &decoder->payload))) {
        return damaged(error, "a frame does not expand to its size");
    }
    load_headers(decoder, all);
    uint32_t items = 0;
    if (all && !walk_payload(decoder, NULL, &items)) {
        return damaged(error, "payload does not match the columns");
    }
    if (items > 0) {
        decoder->items = malloc(items * sizeof *decoder->items);
        if (decoder->items == NULL) {
            return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory decoding events");
        }
        (void)walk_payload(decoder, decoder->items, &items);
    }
    *event_count = decoder->count;
    return ETW_OK;
}

void etw_decoder_item(etw_decoder *decoder, uint32_t index, etw_item *item)
{
    const uint8_t *fixed = (const uint8_t *)decoder->fixed.data + (size_t)index * FIXED_SIZE;
    item->kind = ETW_ITEM_EVENT;
    item->trace_index = etw_load_u16(fixed + 88);
    item->schema_id = etw_load_u32(fixed + 84);
    item->record = &decoder->records[index];
    item->loss = NULL;
}
