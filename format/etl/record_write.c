#include "format/etl/record_write.h"

#include "format/etl/kernel_class.h"
#include "format/etl/trace_record.h"

#define MARKER_RECORD    0xC0u
#define MARKER_MESSAGE   0x90u
#define MAX_RECORD_SIZE  0xFFFFu
#define ITEM_HEADER_SIZE 8u
#define INSTANCE_SIZE    24u
#define UNKNOWN_GROUP    0xFFu
#define MAX_COUNTERS     7u

static uint32_t aligned(uint32_t size)
{
    return (size + 7u) & ~7u;
}

static bool is_32_bit(const etw_event_header *header)
{
    return (header->Flags & ETW_FLAG_32_BIT_HEADER) != 0;
}

static void put_user_data(etw_buffer *out, const etw_event_record *record)
{
    etw_buffer_append(out, record->UserData, record->UserDataLength);
}

static void put_zeros(etw_buffer *out, uint32_t size)
{
    void *to = etw_buffer_reserve(out, size);
    if (to != NULL) {
        memset(to, 0, size);
        out->size += size;
    }
}

/* Modern events. */

static uint32_t items_size(const etw_event_record *record)
{
    uint32_t size = 0;
    for (uint16_t i = 0; i < record->ExtendedDataCount; i++) {
        const uint32_t item = ITEM_HEADER_SIZE + aligned(record->ExtendedData[i].DataSize);
        if (item > MAX_RECORD_SIZE || size > MAX_RECORD_SIZE) {
            return MAX_RECORD_SIZE + 1;
        }
        size += item;
    }
    return size;
}

static void put_items(etw_buffer *out, const etw_event_record *record, uint32_t slack)
{
    for (uint16_t i = 0; i < record->ExtendedDataCount; i++) {
        const etw_extended_data_item *item = &record->ExtendedData[i];
        const bool is_last = i + 1 == record->ExtendedDataCount;
        const uint32_t size = ITEM_HEADER_SIZE + aligned(item->DataSize) + (is_last ? slack : 0);
        const etw_bytes data = etw_item_bytes(item);
        etw_buffer_append_u16(out, (uint16_t)size);
        etw_buffer_append_u16(out, item->ExtType);
        etw_buffer_append_u16(out, (uint16_t)((item->Linkage & ~1u) | (is_last ? 0u : 1u)));
        etw_buffer_append_u16(out, item->DataSize);
        etw_buffer_append(out, data.data, data.size);
        put_zeros(out, size - ITEM_HEADER_SIZE - item->DataSize);
    }
}

static etw_record_doubt write_event(const etw_event_record *record, etw_buffer *out)
{
    const uint16_t readers = ETW_FLAG_32_BIT_HEADER | ETW_FLAG_64_BIT_HEADER |
                             ETW_FLAG_PROCESSOR_INDEX | ETW_FLAG_EXTENDED_INFO;
    const bool is_error = record->EventHeader.HeaderType == ETW_TYPE_ERROR;
    const uint16_t width =
        record->EventHeader.Flags & (ETW_FLAG_32_BIT_HEADER | ETW_FLAG_64_BIT_HEADER);
    etw_event_header header = record->EventHeader;
    const uint32_t least = (uint32_t)sizeof header + items_size(record) + record->UserDataLength;
    if (least > MAX_RECORD_SIZE) {
        return ETW_RECORD_TOO_LARGE;
    }
    /* The last item may have been larger than its data. */
    const bool has_slack =
        record->ExtendedDataCount > 0 && header.Size > least && (header.Size - least) % 8 == 0;
    const uint32_t slack = has_slack ? header.Size - least : 0;
    const bool is_same =
        header.Size == least + slack && (is_error ? width == 0 : width != 0) &&
        (is_error || header.HeaderType == 0) &&
        ((header.Flags & ETW_FLAG_EXTENDED_INFO) != 0) == (record->ExtendedDataCount > 0);
    const unsigned type = is_error                          ? ETW_TYPE_ERROR
                          : is_32_bit(&record->EventHeader) ? ETW_TYPE_EVENT32
                                                            : ETW_TYPE_EVENT64;
    header.Size = (uint16_t)(least + slack);
    header.HeaderType = (uint16_t)(MARKER_RECORD << 8 | type);
    header.Flags = (uint16_t)((header.Flags & ~readers) |
                              (record->ExtendedDataCount > 0 ? ETW_FLAG_EXTENDED_INFO : 0u));
    etw_buffer_append(out, &header, sizeof header);
    put_items(out, record, slack);
    put_user_data(out, record);
    return is_same ? ETW_RECORD_SAME : ETW_RECORD_OTHER_FORM;
}

/* Classic events. */

static void put_classic_header(etw_buffer *out, const etw_event_record *record, uint32_t size,
                               unsigned type)
{
    const etw_event_header *h = &record->EventHeader;
    etw_buffer_append_u16(out, (uint16_t)size);
    etw_buffer_append_u8(out, (uint8_t)type);
    etw_buffer_append_u8(out, MARKER_RECORD);
    etw_buffer_append_u8(out, h->EventDescriptor.Opcode);
    etw_buffer_append_u8(out, h->EventDescriptor.Level);
    etw_buffer_append_u16(out, h->EventDescriptor.Version);
    etw_buffer_append_u32(out, h->ThreadId);
    etw_buffer_append_u32(out, h->ProcessId);
    etw_buffer_append_u64(out, (uint64_t)h->TimeStamp);
    etw_buffer_append(out, &h->ProviderId, sizeof h->ProviderId);
    etw_buffer_append_u32(out, h->KernelTime);
    etw_buffer_append_u32(out, h->UserTime);
}

static etw_record_doubt write_full(const etw_event_record *record, etw_buffer *out)
{
    const etw_event_header *h = &record->EventHeader;
    const bool wants_instance =
        h->HeaderType == ETW_TYPE_INSTANCE32 || h->HeaderType == ETW_TYPE_INSTANCE64;
    const etw_extended_data_item *instance = etw_record_find_item(record, ETW_EXT_INSTANCE_INFO);
    const bool has_instance = instance != NULL && instance->DataSize == INSTANCE_SIZE;
    const uint32_t size = 48 + (has_instance ? INSTANCE_SIZE : 0) + record->UserDataLength;
    const unsigned type = (is_32_bit(h) ? (unsigned)ETW_TYPE_FULL32 : (unsigned)ETW_TYPE_FULL64) +
                          (has_instance ? 1u : 0u);
    if (size > MAX_RECORD_SIZE) {
        return ETW_RECORD_TOO_LARGE;
    }
    put_classic_header(out, record, size, type);
    if (has_instance) {
        etw_buffer_append(out, etw_item_bytes(instance).data, INSTANCE_SIZE);
    }
    put_user_data(out, record);
    if (record->ExtendedDataCount > (has_instance ? 1 : 0)) {
        return ETW_RECORD_WITHOUT_ITEMS;
    }
    return h->HeaderType == type && h->Size == size && wants_instance == has_instance
               ? ETW_RECORD_SAME
               : ETW_RECORD_OTHER_FORM;
}

/* The group of a class' records; false: it is none of the kernel's. */
static bool find_group(const etw_event_header *header, uint8_t *group)
{
    *group = UNKNOWN_GROUP;
    for (uint8_t i = 0x1E; i != UINT8_MAX; i--) {
        if (etw_guid_equal(etw_kernel_class_guid(i, header->EventDescriptor.Opcode),
                           &header->ProviderId)) {
            *group = i;
            return true;
        }
    }
    return etw_guid_is_zero(&header->ProviderId);
}

static bool is_kernel_type(uint16_t type)
{
    return type < ETW_TYPE_COUNT && etw_record_forms[type].size_at == 4;
}

/* A 64-bit word for each counter; false where items do not fit in front of the payload. */
static bool put_counters(etw_buffer *out, const etw_event_record *record)
{
    for (uint16_t i = 0; i < record->ExtendedDataCount; i++) {
        const etw_bytes data = etw_item_bytes(&record->ExtendedData[i]);
        etw_buffer_append(out, data.data, data.size);
    }
    return true;
}

/* The version word: 0x8000 a PEBS index, 0x0700 how many counters follow. */
static bool version_word(const etw_event_record *record, uint16_t *version)
{
    *version = record->EventHeader.EventDescriptor.Version;
    for (uint16_t i = 0; i < record->ExtendedDataCount; i++) {
        const etw_extended_data_item *item = &record->ExtendedData[i];
        const uint32_t counters = item->DataSize / 8u;
        if (item->ExtType == ETW_EXT_PEBS_INDEX && i == 0 && item->DataSize == 8) {
            *version |= 0x8000u;
        } else if (item->ExtType == ETW_EXT_PMC_COUNTERS && (*version & 0x0700u) == 0 &&
                   item->DataSize % 8 == 0 && counters <= MAX_COUNTERS) {
            *version = (uint16_t)(*version | counters << 8);
        } else {
            return false;
        }
    }
    return true;
}

static etw_record_doubt write_kernel(const etw_event_record *record, uint8_t group, etw_buffer *out)
{
    const etw_event_header *h = &record->EventHeader;
    const bool is_known = is_kernel_type(h->HeaderType);
    const uint16_t type = is_known       ? h->HeaderType
                          : is_32_bit(h) ? ETW_TYPE_SYSTEM32
                                         : ETW_TYPE_SYSTEM64;
    const uint32_t header_size = etw_record_forms[type].header_size;
    uint16_t version;
    const bool has_counters = version_word(record, &version);
    uint32_t size = header_size + record->UserDataLength;
    for (uint16_t i = 0; has_counters && i < record->ExtendedDataCount; i++) {
        size += record->ExtendedData[i].DataSize;
    }
    if (size > MAX_RECORD_SIZE) {
        return ETW_RECORD_TOO_LARGE;
    }
    etw_buffer_append_u16(out, has_counters ? version : h->EventDescriptor.Version);
    etw_buffer_append_u8(out, (uint8_t)type);
    etw_buffer_append_u8(out, MARKER_RECORD);
    etw_buffer_append_u16(out, (uint16_t)size);
    etw_buffer_append_u8(out, h->EventDescriptor.Opcode);
    etw_buffer_append_u8(out, group);
    if (header_size > 16) {
        etw_buffer_append_u32(out, h->ThreadId);
        etw_buffer_append_u32(out, h->ProcessId);
    }
    etw_buffer_append_u64(out, (uint64_t)h->TimeStamp);
    if (header_size == 32) {
        etw_buffer_append_u32(out, h->KernelTime);
        etw_buffer_append_u32(out, h->UserTime);
    }
    if (has_counters) {
        (void)put_counters(out, record);
    }
    put_user_data(out, record);
    if (!has_counters) {
        return ETW_RECORD_WITHOUT_ITEMS;
    }
    return is_known && h->Size == size ? ETW_RECORD_SAME : ETW_RECORD_OTHER_FORM;
}

/* WPP messages: which fields a message has is told by its options, which an EVENT_RECORD lacks; its
 * size tells which there were. */

enum {
    MESSAGE_SEQUENCE = 0x01,
    MESSAGE_GUID = 0x02,
    MESSAGE_COMPONENT_ID = 0x04,
    MESSAGE_SYSTEM_TIME = 0x08,
    MESSAGE_TICKS = 0x10,
    MESSAGE_SYSTEM_INFO = 0x20,
    MESSAGE_POINTER32 = 0x40,
    MESSAGE_POINTER64 = 0x80
};

static uint32_t message_size(const etw_event_record *record, unsigned options)
{
    uint32_t size = 8u + record->UserDataLength;
    size += (options & MESSAGE_SEQUENCE) != 0 ? 4 : 0;
    size += (options & MESSAGE_GUID) != 0 ? 16 : 0;
    size += (options & MESSAGE_COMPONENT_ID) != 0 ? 4 : 0;
    size += (options & (MESSAGE_SYSTEM_TIME | MESSAGE_TICKS)) != 0 ? 8 : 0;
    size += (options & MESSAGE_SYSTEM_INFO) != 0 ? 8 : 0;
    return size;
}

/* Whether a message with these fields is read as the same event. */
static bool can_have(const etw_event_header *h, unsigned options)
{
    etw_guid component = {.Data1 = h->ProviderId.Data1};
    const bool has_threads = h->ThreadId != 0 || h->ProcessId != 0;
    const bool is_named = (options & (MESSAGE_GUID | MESSAGE_COMPONENT_ID)) != 0;
    if ((options & MESSAGE_GUID) != 0 && (options & MESSAGE_COMPONENT_ID) != 0) {
        return false;
    }
    if ((options & MESSAGE_COMPONENT_ID) != 0 && !etw_guid_equal(&component, &h->ProviderId)) {
        return false;
    }
    return (is_named || etw_guid_is_zero(&h->ProviderId)) &&
           ((options & MESSAGE_SYSTEM_INFO) != 0 || !has_threads);
}

static unsigned message_options(const etw_event_record *record, bool *is_same)
{
    /* The usual ones first. */
    static const unsigned forms[] = {MESSAGE_SEQUENCE | MESSAGE_GUID | MESSAGE_TICKS |
                                         MESSAGE_SYSTEM_INFO,
                                     MESSAGE_GUID | MESSAGE_TICKS | MESSAGE_SYSTEM_INFO};
    for (unsigned i = 0; i < 2 + 32; i++) {
        const unsigned bits = i - 2;
        const unsigned options =
            i < 2 ? forms[i]
                  : (bits & 1u ? 0 : MESSAGE_TICKS) | (bits & 2u ? MESSAGE_SEQUENCE : 0) |
                        (bits & 4u ? MESSAGE_GUID : 0) | (bits & 8u ? MESSAGE_COMPONENT_ID : 0) |
                        (bits & 16u ? MESSAGE_SYSTEM_INFO : 0);
        if (can_have(&record->EventHeader, options) &&
            message_size(record, options) == record->EventHeader.Size) {
            *is_same = true;
            return options;
        }
    }
    *is_same = false;
    return forms[1];
}

static etw_record_doubt write_message(const etw_event_record *record, bool is_system_time,
                                      etw_buffer *out)
{
    const etw_event_header *h = &record->EventHeader;
    bool is_same;
    unsigned options = message_options(record, &is_same);
    const uint32_t size = message_size(record, options);
    if (size > MAX_RECORD_SIZE) {
        return ETW_RECORD_TOO_LARGE;
    }
    if ((options & MESSAGE_TICKS) != 0 && is_system_time) {
        options = (options & ~(unsigned)MESSAGE_TICKS) | MESSAGE_SYSTEM_TIME;
    }
    options |= is_32_bit(h) ? MESSAGE_POINTER32 : 0;
    options |= (h->Flags & ETW_FLAG_64_BIT_HEADER) != 0 ? MESSAGE_POINTER64 : 0;
    etw_buffer_append_u16(out, (uint16_t)size);
    etw_buffer_append_u8(out, 0);
    etw_buffer_append_u8(out, MARKER_MESSAGE);
    etw_buffer_append_u16(out, h->EventDescriptor.Id);
    etw_buffer_append_u16(out, (uint16_t)options);
    if ((options & MESSAGE_SEQUENCE) != 0) {
        etw_buffer_append_u32(out, 0);
    }
    if ((options & MESSAGE_GUID) != 0) {
        etw_buffer_append(out, &h->ProviderId, sizeof h->ProviderId);
    } else if ((options & MESSAGE_COMPONENT_ID) != 0) {
        etw_buffer_append_u32(out, h->ProviderId.Data1);
    }
    if ((options & (MESSAGE_TICKS | MESSAGE_SYSTEM_TIME)) != 0) {
        etw_buffer_append_u64(out, (uint64_t)h->TimeStamp);
    }
    if ((options & MESSAGE_SYSTEM_INFO) != 0) {
        etw_buffer_append_u32(out, h->ThreadId);
        etw_buffer_append_u32(out, h->ProcessId);
    }
    put_user_data(out, record);
    return is_same && record->ExtendedDataCount == 0 ? ETW_RECORD_SAME : ETW_RECORD_OTHER_FORM;
}

etw_record_doubt etw_record_write(const etw_event_record *record, bool is_system_time,
                                  etw_buffer *out)
{
    const uint16_t flags = record->EventHeader.Flags;
    const uint16_t type = record->EventHeader.HeaderType;
    uint8_t group;
    if ((flags & ETW_FLAG_TRACE_MESSAGE) != 0) {
        return write_message(record, is_system_time, out);
    }
    if ((flags & ETW_FLAG_CLASSIC_HEADER) == 0) {
        return write_event(record, out);
    }
    const bool is_kernels = find_group(&record->EventHeader, &group);
    const bool is_full = type == ETW_TYPE_FULL32 || type == ETW_TYPE_FULL64 ||
                         type == ETW_TYPE_INSTANCE32 || type == ETW_TYPE_INSTANCE64;
    return is_kernels && !is_full ? write_kernel(record, group, out) : write_full(record, out);
}

bool etw_metadata_record_write(const etw_metadata_record *metadata, etw_buffer *out)
{
    const size_t size = 48 + metadata->first.size + metadata->second.size;
    etw_event_record record = {0};
    if (size > MAX_RECORD_SIZE) {
        return false;
    }
    record.EventHeader.EventDescriptor.Opcode = metadata->opcode;
    record.EventHeader.TimeStamp = metadata->ticks;
    record.EventHeader.ProcessId = metadata->process_id;
    record.EventHeader.ThreadId = metadata->thread_id;
    record.EventHeader.ProviderId = etw_metadata_event_class;
    put_classic_header(out, &record, (uint32_t)size, ETW_TYPE_FULL64);
    etw_buffer_append(out, metadata->first.data, metadata->first.size);
    etw_buffer_append(out, metadata->second.data, metadata->second.size);
    return true;
}
