#include "format/output/pcapng_parts.h"

#include "format/output/pcapng_block.h"

#define HEADER_SIZE   0x5Cu
#define ITEM_SIZE     16u
#define PART_SIZE     12u
#define PROPERTY_SIZE 8u

enum { PART_USER_DATA, PART_MESSAGE, PART_PROVIDER, PART_COUNT };

void etw_pcapng_utf16(etw_text *utf16, etw_bytes utf8, size_t max_bytes)
{
    const size_t start = utf16->size;
    size_t at = 0;
    while (at < utf8.size && utf16->size - start + 4 <= max_bytes) {
        uint32_t code_point;
        uint16_t units[2];
        const size_t length = etw_utf8_decode(utf8.data + at, utf8.size - at, &code_point);
        const size_t count = etw_utf16_encode(length == 0 ? 0xFFFDu : code_point, units);
        at += length == 0 ? 1 : length;
        for (size_t i = 0; i < count; i++) {
            etw_pcapng_u16(utf16, units[i]);
        }
    }
}

void etw_pcapng_event_header(const etw_event *event, etw_text *packet)
{
    const etw_event_record *record = etw_event_record_of(event);
    etw_event_header header = record->EventHeader;
    header.TimeStamp = etw_event_time_100ns(event);
    etw_text_append(packet, (const char *)&header, sizeof header);
    etw_text_append(packet, (const char *)&record->BufferContext, sizeof record->BufferContext);
}

/* Extended items that fit. */
static uint16_t count_items(const etw_event_record *record)
{
    size_t size = 0;
    uint16_t count = 0;
    while (count < record->ExtendedDataCount) {
        size += record->ExtendedData[count].DataSize;
        if (size > ETW_PCAPNG_MAX_ITEM_BYTES) {
            break;
        }
        count++;
    }
    return count;
}

/* Names and values one behind the other, and where they are. */
typedef struct property_list {
    etw_text texts;
    uint32_t count;
    struct {
        uint32_t offset;
        uint16_t name_size, value_size;
    } at[ETW_PCAPNG_MAX_PROPERTIES];
} property_list;

static void list_properties(const etw_output_options *options, const etw_event *event,
                            property_list *list)
{
    etw_text rows = {0};
    etw_row row;
    etw_bytes name;
    etw_bytes text;
    etw_row_append(options, event, &rows);
    etw_bytes left = etw_text_bytes(&rows);
    if (!rows.failed && etw_row_next(&left, &row)) {
        while (list->count < ETW_PCAPNG_MAX_PROPERTIES &&
               list->texts.size < ETW_PCAPNG_MAX_PROPERTY_BYTES &&
               etw_row_next_property(&row, &name, &text)) {
            const size_t start = list->texts.size;
            etw_pcapng_utf16(&list->texts, name, ETW_PCAPNG_MAX_PROPERTY_BYTES / 2);
            const size_t middle = list->texts.size;
            etw_pcapng_utf16(&list->texts, text, ETW_PCAPNG_MAX_PROPERTY_BYTES / 2);
            list->at[list->count].offset = (uint32_t)start;
            list->at[list->count].name_size = (uint16_t)(middle - start);
            list->at[list->count].value_size = (uint16_t)(list->texts.size - middle);
            list->count++;
        }
    }
    list->texts.failed |= rows.failed;
    etw_text_free(&rows);
}

/* Appends the items, and moves offset behind their bytes. */
static void append_items(const etw_event_record *record, uint16_t count, uint32_t *offset,
                         etw_text *packet)
{
    for (uint16_t i = 0; i < count; i++) {
        etw_extended_data_item item = record->ExtendedData[i];
        item.DataPtr = *offset;
        etw_text_append(packet, (const char *)&item, sizeof item);
        *offset += item.DataSize;
    }
}

void etw_pcapng_parts_append(const etw_output_options *options, const etw_event *event,
                             const etw_pcapng_texts *texts, etw_text *packet)
{
    const etw_event_record *record = etw_event_record_of(event);
    const etw_bytes parts[PART_COUNT] = {[PART_USER_DATA] = etw_record_user_data(record),
                                         [PART_MESSAGE] = texts->message,
                                         [PART_PROVIDER] = texts->provider};
    const uint16_t items = count_items(record);
    property_list list = {0};
    list_properties(options, event, &list);
    uint32_t offset =
        HEADER_SIZE + items * ITEM_SIZE + PART_COUNT * PART_SIZE + list.count * PROPERTY_SIZE;
    etw_pcapng_event_header(event, packet);
    etw_pcapng_u16(packet, items);
    etw_pcapng_u16(packet, PART_COUNT);
    etw_pcapng_u32(packet, list.count);
    append_items(record, items, &offset, packet);
    for (uint32_t type = 0; type < PART_COUNT; type++) {
        etw_pcapng_u32(packet, type);
        etw_pcapng_u32(packet, offset);
        etw_pcapng_u32(packet, (uint32_t)parts[type].size);
        offset += (uint32_t)parts[type].size;
    }
    for (uint32_t i = 0; i < list.count; i++) {
        etw_pcapng_u32(packet, offset + list.at[i].offset);
        etw_pcapng_u16(packet, list.at[i].name_size);
        etw_pcapng_u16(packet, list.at[i].value_size);
    }
    for (uint16_t i = 0; i < items; i++) {
        const etw_bytes data = etw_item_bytes(&record->ExtendedData[i]);
        etw_text_append(packet, (const char *)data.data, data.size);
    }
    for (uint32_t type = 0; type < PART_COUNT; type++) {
        etw_text_append(packet, (const char *)parts[type].data, parts[type].size);
    }
    etw_text_append(packet, list.texts.data, list.texts.size);
    packet->failed |= list.texts.failed;
    etw_text_free(&list.texts);
}
