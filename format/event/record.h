/* EVENT_RECORD and its parts, byte for byte as Windows delivers them to a program of this one's
 * width, on any machine. Nothing that is stored depends on that width.
 *
 * The types carry this project's names, their members Microsoft's (evntcons.h, evntprov.h). For
 * Windows recorder/session/record_layout_windows.c asserts at compile time that every size, offset
 * and constant equals mingw-w64's. */
#ifndef ETW_FORMAT_EVENT_RECORD_H
#define ETW_FORMAT_EVENT_RECORD_H

#include "format/base/guid.h"

typedef struct etw_event_descriptor {
    uint16_t Id;
    uint8_t Version;
    uint8_t Channel;
    uint8_t Level;
    uint8_t Opcode;
    uint16_t Task;
    uint64_t Keyword;
} etw_event_descriptor;

typedef struct etw_event_header {
    uint16_t Size;
    uint16_t HeaderType;
    uint16_t Flags;
    uint16_t EventProperty;
    uint32_t ThreadId;
    uint32_t ProcessId;
    int64_t TimeStamp; /* raw ticks of the session's clock, or FILETIME: the source says which */
    etw_guid ProviderId;
    etw_event_descriptor EventDescriptor;
    union {
        struct {
            uint32_t KernelTime;
            uint32_t UserTime;
        };
        uint64_t ProcessorTime;
    };
    etw_guid ActivityId;
} etw_event_header;

typedef struct etw_buffer_context {
    union {
        struct {
            uint8_t ProcessorNumber;
            uint8_t Alignment;
        };
        uint16_t ProcessorIndex;
    };
    uint16_t LoggerId;
} etw_buffer_context;

/* EVENT_HEADER_EXTENDED_DATA_ITEM: 16 bytes. DataPtr is 64 bits wide on every machine. */
typedef struct etw_extended_data_item {
    uint16_t Reserved1;
    uint16_t ExtType;
    uint16_t Linkage; /* bit 0: another item follows; the other bits are reserved */
    uint16_t DataSize;
    uint64_t DataPtr;
} etw_extended_data_item;

/* EVENT_RECORD: 112 bytes, 104 in a 32-bit program. All pointers are lent by the source, until it
 * is asked for its next item. */
typedef struct etw_event_record {
    etw_event_header EventHeader;
    etw_buffer_context BufferContext;
    uint16_t ExtendedDataCount;
    uint16_t UserDataLength;
    etw_extended_data_item *ExtendedData;
    void *UserData;
    void *UserContext;
} etw_event_record;

/* EVENT_HEADER.Flags (evntcons.h) */
enum {
    ETW_FLAG_EXTENDED_INFO = 0x0001,
    ETW_FLAG_PRIVATE_SESSION = 0x0002,
    ETW_FLAG_STRING_ONLY = 0x0004,
    ETW_FLAG_TRACE_MESSAGE = 0x0008,
    ETW_FLAG_NO_CPUTIME = 0x0010,
    ETW_FLAG_32_BIT_HEADER = 0x0020,
    ETW_FLAG_64_BIT_HEADER = 0x0040,
    ETW_FLAG_DECODE_GUID = 0x0080,
    ETW_FLAG_CLASSIC_HEADER = 0x0100,
    ETW_FLAG_PROCESSOR_INDEX = 0x0200
};

/* EVENT_HEADER.EventProperty */
enum {
    ETW_PROPERTY_XML = 0x0001,
    ETW_PROPERTY_FORWARDED_XML = 0x0002,
    ETW_PROPERTY_LEGACY_EVENTLOG = 0x0004,
    ETW_PROPERTY_RELOGGABLE = 0x0008
};

/* Extended data item kinds (EVENT_HEADER_EXT_TYPE_...). Others pass through untouched. */
enum {
    ETW_EXT_RELATED_ACTIVITYID = 0x01,
    ETW_EXT_SID = 0x02,
    ETW_EXT_TS_ID = 0x03,
    ETW_EXT_INSTANCE_INFO = 0x04,
    ETW_EXT_STACK_TRACE32 = 0x05,
    ETW_EXT_STACK_TRACE64 = 0x06,
    ETW_EXT_PEBS_INDEX = 0x07,
    ETW_EXT_PMC_COUNTERS = 0x08,
    ETW_EXT_PSM_KEY = 0x09,
    ETW_EXT_EVENT_KEY = 0x0A,
    ETW_EXT_EVENT_SCHEMA_TL = 0x0B,
    ETW_EXT_PROV_TRAITS = 0x0C,
    ETW_EXT_PROCESS_START_KEY = 0x0D,
    ETW_EXT_CONTROL_GUID = 0x0E,
    ETW_EXT_QPC_DELTA = 0x0F,
    ETW_EXT_CONTAINER_ID = 0x10,
    ETW_EXT_STACK_KEY32 = 0x11,
    ETW_EXT_STACK_KEY64 = 0x12
};

/* Events that carry schemas for others: the class of the TRACE_EVENT_INFO and EVENT_MAP_INFO blobs
 * that a merge puts into a trace, and the id of the events in which an EventSource sends its
 * manifest. */
ETW_API extern const etw_guid etw_metadata_event_class;
#define ETW_MANIFEST_EVENT_ID 0xFFFEu

/* Limits of the field itself: a record's 16-bit size bounds everything in it, and a live record's
 * items are bounded by the 16-bit count and sizes. */
#define ETW_MAX_USER_DATA_SIZE 0xFFFFu
#define ETW_MAX_EXTENDED_ITEMS 0xFFFFu
/* Items of one record together, header structures included: what the containers accept. */
#define ETW_MAX_EXTENDED_BYTES ((size_t)1 << 20)

/* The first item of that kind, or NULL. */
ETW_API const etw_extended_data_item *etw_record_find_item(const etw_event_record *record,
                                                           uint16_t ext_type);

/* The item's data; empty where DataSize is 0. */
static inline etw_bytes etw_item_bytes(const etw_extended_data_item *item)
{
    const etw_bytes bytes = {(const uint8_t *)(uintptr_t)item->DataPtr, item->DataSize};
    return bytes;
}

static inline etw_bytes etw_record_user_data(const etw_event_record *record)
{
    const etw_bytes bytes = {(const uint8_t *)record->UserData, record->UserDataLength};
    return bytes;
}

/* False for events whose text needs no schema: their ids mean something else. */
static inline bool etw_record_needs_schema(const etw_event_record *record)
{
    return (record->EventHeader.Flags & ETW_FLAG_STRING_ONLY) == 0 &&
           (record->EventHeader.EventProperty & ETW_PROPERTY_FORWARDED_XML) == 0;
}

/* 4 or 8: by the header flags; where neither is set, fallback (the trace's own pointer size). */
static inline uint32_t etw_record_pointer_size(const etw_event_record *record, uint32_t fallback)
{
    if ((record->EventHeader.Flags & ETW_FLAG_32_BIT_HEADER) != 0) {
        return 4;
    }
    return (record->EventHeader.Flags & ETW_FLAG_64_BIT_HEADER) != 0 ? 8 : fallback;
}

/* The number of the processor that logged the record, by whichever form the header's flag tells. */
static inline uint16_t etw_record_processor(const etw_event_record *record)
{
    const bool wide = (record->EventHeader.Flags & ETW_FLAG_PROCESSOR_INDEX) != 0;
    return wide ? record->BufferContext.ProcessorIndex : record->BufferContext.ProcessorNumber;
}

/* Bytes of an event as they were delivered: what FORMAT.md, 6.4, counts. */
static inline uint64_t etw_record_bytes(const etw_event_record *record)
{
    uint64_t bytes = sizeof record->EventHeader + sizeof record->BufferContext;
    for (uint32_t i = 0; i < record->ExtendedDataCount; i++) {
        bytes += 8u + record->ExtendedData[i].DataSize;
    }
    return bytes + record->UserDataLength;
}

#endif
