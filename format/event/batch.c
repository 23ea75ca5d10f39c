/* Staging: the callback's copy. Nothing here allocates after etw_batch_new. */
#include "format/event/batch.h"

#include "format/base/os.h"

#include <stdlib.h>

etw_batch *etw_batch_new(size_t capacity_bytes, uint32_t capacity_events)
{
    if (capacity_bytes > ETW_BATCH_MAX_BYTES || capacity_events > ETW_BATCH_MAX_EVENTS) {
        return NULL;
    }
    etw_batch *batch = calloc(1, sizeof *batch);
    if (batch == NULL) {
        return NULL;
    }
    batch->memory = etw_os_alloc_large(capacity_bytes + ETW_BATCH_SLACK);
    batch->offsets = malloc((capacity_events + 1) * sizeof *batch->offsets);
    batch->capacity = capacity_bytes;
    batch->capacity_events = capacity_events;
    if (batch->memory == NULL || batch->offsets == NULL) {
        etw_batch_free(batch);
        return NULL;
    }
    if (capacity_bytes > ETW_BATCH_RECORD_ROOM) {
        etw_os_expect_use(batch->memory, capacity_bytes - ETW_BATCH_RECORD_ROOM);
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

/* Bytes the record takes in a batch, a multiple of 8. */
static size_t staged_size(const etw_event_record *record)
{
    size_t size = sizeof(etw_staged) + record->UserDataLength;
    for (uint32_t i = 0; i < record->ExtendedDataCount; i++) {
        size += sizeof(etw_extended_data_item) + record->ExtendedData[i].DataSize;
    }
    return (size + 7) & ~(size_t)7;
}

/* Returns where the items' data ends. */
static uint8_t *copy_items(etw_staged *event, const etw_event_record *record)
{
    etw_extended_data_item *items = (etw_extended_data_item *)(void *)(event + 1);
    uint8_t *data = (uint8_t *)(items + record->ExtendedDataCount);
    event->record.ExtendedData = items;
    for (uint32_t i = 0; i < record->ExtendedDataCount; i++) {
        const etw_bytes bytes = etw_item_bytes(&record->ExtendedData[i]);
        items[i] = record->ExtendedData[i];
        items[i].DataPtr = (uint64_t)(uintptr_t)data;
        if (bytes.size > 0) {
            memcpy(data, bytes.data, bytes.size);
            data += bytes.size;
        }
    }
    return data;
}

bool etw_batch_append(etw_batch *batch, const etw_event_record *record, uint16_t trace_index,
                      uint32_t schema_id)
{
    const size_t need = staged_size(record);
    if (batch->count == batch->capacity_events || need > batch->capacity - batch->size) {
        return false;
    }
    etw_staged *event = (etw_staged *)(void *)(batch->memory + batch->size);
    event->record = *record;
    event->record.ExtendedData = NULL;
    event->record.UserContext = NULL;
    event->schema_id = schema_id;
    event->trace_index = trace_index;
    event->padding = 0;
    uint8_t *data =
        record->ExtendedDataCount > 0 ? copy_items(event, record) : (uint8_t *)(event + 1);
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
    const etw_staged *event = etw_batch_staged(batch, index);
    *record = event->record;
    item->kind = ETW_ITEM_EVENT;
    item->trace_index = event->trace_index;
    item->schema_id = event->schema_id;
    item->record = record;
    item->loss = NULL;
}

bool etw_staged_moved(etw_staged *event, size_t size)
{
    uint8_t *data = (uint8_t *)(event + 1);
    const uint16_t count = event->record.ExtendedDataCount;
    size_t need = sizeof *event + count * sizeof(etw_extended_data_item);
    if (need > size) {
        return false;
    }
    etw_extended_data_item *items = (etw_extended_data_item *)(void *)data;
    data += count * sizeof *items;
    event->record.ExtendedData = count > 0 ? items : NULL;
    for (uint32_t i = 0; i < count; i++) {
        items[i].DataPtr = (uint64_t)(uintptr_t)data;
        data += items[i].DataSize;
        need += items[i].DataSize;
    }
    event->record.UserData = data;
    need += event->record.UserDataLength;
    return ((need + 7) & ~(size_t)7) == size;
}
