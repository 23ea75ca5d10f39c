#include "format/etl/trace_record.h"

#include "format/etl/kernel_class.h"

#define MARKER_RECORD  0xC0u
#define MARKER_MESSAGE 0x90u
#define FILLER         0xFFFFFFFFu

#define BITS_32 ETW_FLAG_32_BIT_HEADER
#define BITS_64 ETW_FLAG_64_BIT_HEADER

const etw_record_form etw_record_forms[ETW_TYPE_COUNT] = {
    [ETW_TYPE_SYSTEM32] = {32, 4, 16, BITS_32},
    [ETW_TYPE_SYSTEM64] = {32, 4, 16, BITS_64},
    [ETW_TYPE_COMPACT32] = {24, 4, 16, BITS_32},
    [ETW_TYPE_COMPACT64] = {24, 4, 16, BITS_64},
    [ETW_TYPE_FULL32] = {48, 0, 16, BITS_32},
    [ETW_TYPE_FULL64] = {48, 0, 16, BITS_64},
    [ETW_TYPE_INSTANCE32] = {72, 0, 16, BITS_32},
    [ETW_TYPE_INSTANCE64] = {72, 0, 16, BITS_64},
    [ETW_TYPE_ERROR] = {80, 0, 16, 0},
    [ETW_TYPE_PERFINFO32] = {16, 4, 8, BITS_32},
    [ETW_TYPE_PERFINFO64] = {16, 4, 8, BITS_64},
    [ETW_TYPE_EVENT32] = {80, 0, 16, BITS_32},
    [ETW_TYPE_EVENT64] = {80, 0, 16, BITS_64},
};

/* Option flags of a WPP message (TraceMessage): which fields precede its arguments. */
enum {
    MESSAGE_SEQUENCE = 0x01,
    MESSAGE_GUID = 0x02,
    MESSAGE_COMPONENT_ID = 0x04,
    MESSAGE_TIME = 0x08 | 0x10, /* system time, or the performance counter's */
    MESSAGE_SYSTEM_INFO = 0x20,
    MESSAGE_POINTER32 = 0x40,
    MESSAGE_POINTER64 = 0x80
};

#define MESSAGE_HEADER_SIZE 8u

static etw_frame_kind bad(etw_frame *frame, const char *problem)
{
    frame->problem = problem;
    return ETW_FRAME_BAD;
}

/* Where a message's time stamp stands; its end where it has none. */
static size_t message_time_at(uint16_t options)
{
    size_t at = MESSAGE_HEADER_SIZE;
    at += (options & MESSAGE_SEQUENCE) != 0 ? 4 : 0;
    if ((options & MESSAGE_GUID) != 0) {
        at += 16;
    } else if ((options & MESSAGE_COMPONENT_ID) != 0) {
        at += 4;
    }
    return at;
}

static size_t message_fields_size(uint16_t options)
{
    size_t size = message_time_at(options);
    size += (options & MESSAGE_TIME) != 0 ? 8 : 0;
    size += (options & MESSAGE_SYSTEM_INFO) != 0 ? 8 : 0;
    return size;
}

static etw_frame_kind read_message(const uint8_t *at, size_t left, etw_frame *frame)
{
    const uint16_t options = etw_load_u16(at + 6);
    frame->size = etw_load_u16(at);
    frame->type = ETW_TYPE_MESSAGE;
    frame->ticks = INT64_MIN;
    if (frame->size < message_fields_size(options)) {
        return bad(frame, "a WPP message shorter than its own fields");
    }
    if ((options & MESSAGE_TIME) != 0) {
        const size_t time_at = message_time_at(options);
        if (left < time_at + 8) {
            return ETW_FRAME_SHORT;
        }
        frame->ticks = etw_load_i64(at + time_at);
    }
    return ETW_FRAME_RECORD;
}

etw_frame_kind etw_frame_read_slow(const uint8_t *at, size_t left, etw_frame *frame)
{
    *frame = (etw_frame){0, 0, INT64_MIN, NULL};
    if (left < 8) {
        return ETW_FRAME_SHORT;
    }
    const uint32_t marker = etw_load_u32(at);
    if (marker == FILLER) {
        return ETW_FRAME_FILLER;
    }
    if (at[3] == MARKER_MESSAGE) {
        return read_message(at, left, frame);
    }
    if (at[3] != MARKER_RECORD) {
        return bad(frame, marker == 0 ? "zeros where a record should start"
                                      : "bytes that start no record of a known kind");
    }
    const uint8_t type = at[2];
    if (type >= ETW_TYPE_COUNT || etw_record_forms[type].header_size == 0) {
        return bad(frame, "a record of an unknown header type");
    }
    const etw_record_form form = etw_record_forms[type];
    frame->size = etw_load_u16(at + form.size_at);
    frame->type = type;
    if (frame->size < form.header_size) {
        return bad(frame, "a record whose size is below its header's");
    }
    if (left < form.ticks_at + 8u) {
        return ETW_FRAME_SHORT;
    }
    frame->ticks = etw_load_i64(at + form.ticks_at);
    return ETW_FRAME_RECORD;
}

static void set_user_data(etw_event_record *record, const uint8_t *at, uint32_t from, uint32_t size)
{
    record->UserData = (void *)(uintptr_t)(at + from);
    record->UserDataLength = (uint16_t)(size - from);
}

static void add_item(etw_event_record *record, uint16_t type, const uint8_t *data, uint32_t size)
{
    if (record->ExtendedDataCount != 0) {
        record->ExtendedData[record->ExtendedDataCount - 1].Linkage |= 1u;
    }
    etw_extended_data_item *item = &record->ExtendedData[record->ExtendedDataCount++];
    *item = (etw_extended_data_item){0, type, 0, (uint16_t)size, (uint64_t)(uintptr_t)data};
    record->EventHeader.Flags |= ETW_FLAG_EXTENDED_INFO;
}

/* An item in a file: size in all, type, linkage, data size (16 bit each), data, zeros. */
#define ITEM_HEADER_SIZE 8u

/* Items of a modern event; *from moves from the first item to the payload. */
static const char *take_items(const uint8_t *at, uint32_t size, uint32_t *from,
                              etw_event_record *record)
{
    uint16_t linkage = 1;
    while ((linkage & 1u) != 0) {
        const uint32_t left = size - *from;
        if (left < ITEM_HEADER_SIZE) {
            return "its extended items run past its end";
        }
        const uint8_t *item = at + *from;
        const uint32_t item_size = etw_load_u16(item);
        const uint16_t data_size = etw_load_u16(item + 6);
        if (item_size < ITEM_HEADER_SIZE || item_size > left) {
            return "an extended item's size is impossible";
        }
        if (data_size > item_size - ITEM_HEADER_SIZE) {
            return "an extended item's data is larger than the item";
        }
        linkage = etw_load_u16(item + 4);
        record->ExtendedData[record->ExtendedDataCount++] =
            (etw_extended_data_item){0, etw_load_u16(item + 2), linkage, data_size,
                                     (uint64_t)(uintptr_t)(item + ITEM_HEADER_SIZE)};
        *from += item_size;
    }
    return NULL;
}

/* EVENT_HEADER stands in the file as it is delivered, but for the type byte and marker at its third
 * and fourth byte, and for flags that tell of the reader's side. */
static const char *build_event(const uint8_t *at, const etw_frame *frame, etw_event_record *record)
{
    memcpy(&record->EventHeader, at, sizeof record->EventHeader);
    record->EventHeader.HeaderType =
        frame->type == ETW_TYPE_ERROR ? (uint16_t)ETW_TYPE_ERROR : (uint16_t)0;
    uint32_t from = sizeof record->EventHeader;
    const char *problem = NULL;
    if ((record->EventHeader.Flags & ETW_FLAG_EXTENDED_INFO) != 0) {
        problem = take_items(at, frame->size, &from, record);
    }
    set_user_data(record, at, from, frame->size);
    return problem;
}

static void start_classic(etw_event_record *record, const etw_frame *frame)
{
    memset(&record->EventHeader, 0, sizeof record->EventHeader);
    record->EventHeader.Size = (uint16_t)frame->size;
    record->EventHeader.HeaderType = (uint16_t)frame->type;
    record->EventHeader.TimeStamp = frame->ticks;
    record->EventHeader.Flags = ETW_FLAG_CLASSIC_HEADER;
}

/* EVENT_TRACE_HEADER and, with three more fields, EVENT_INSTANCE_GUID_HEADER. */
static void build_full(const uint8_t *at, const etw_frame *frame, etw_event_record *record)
{
    etw_event_header *header = &record->EventHeader;
    start_classic(record, frame);
    header->EventDescriptor.Opcode = at[4];
    header->EventDescriptor.Level = at[5];
    header->EventDescriptor.Version = at[6];
    header->ThreadId = etw_load_u32(at + 8);
    header->ProcessId = etw_load_u32(at + 12);
    header->ProviderId = etw_load_guid(at + 24);
    header->KernelTime = etw_load_u32(at + 40);
    header->UserTime = etw_load_u32(at + 44);
    uint32_t from = 48;
    if (frame->type == ETW_TYPE_INSTANCE32 || frame->type == ETW_TYPE_INSTANCE64) {
        /* the three fields are laid out as EVENT_EXTENDED_ITEM_INSTANCE */
        add_item(record, ETW_EXT_INSTANCE_INFO, at + from, 24);
        from += 24;
    }
    set_user_data(record, at, from, frame->size);
}

/* The version word of kernel records tells of words between header and payload. */
#define VERSION_PEBS      0x8000u
#define VERSION_PMC_MASK  0x0700u
#define VERSION_PMC_SHIFT 8u
#define NO_THREAD         0xFFFFFFFFu

static const char *take_counters(const uint8_t *at, uint32_t size, uint32_t *from,
                                 etw_event_record *record)
{
    const uint16_t version = etw_load_u16(at);
    const uint32_t pebs_size = (version & VERSION_PEBS) != 0 ? 8 : 0;
    const uint32_t pmc_size = ((version & VERSION_PMC_MASK) >> VERSION_PMC_SHIFT) * 8u;
    if (pebs_size + pmc_size > size - *from) {
        return "its processor counters run past its end";
    }
    if (pebs_size != 0) {
        add_item(record, ETW_EXT_PEBS_INDEX, at + *from, pebs_size);
    }
    if (pmc_size != 0) {
        add_item(record, ETW_EXT_PMC_COUNTERS, at + *from + pebs_size, pmc_size);
    }
    *from += pebs_size + pmc_size;
    return NULL;
}

/* SYSTEM, COMPACT (without CPU times) and PERFINFO (without thread, too). */
static const char *build_kernel(const uint8_t *at, const etw_frame *frame, etw_event_record *record)
{
    etw_event_header *header = &record->EventHeader;
    start_classic(record, frame);
    header->EventDescriptor.Version = at[0];
    header->EventDescriptor.Opcode = at[6];
    header->ProviderId = *etw_kernel_class_guid(at[7], at[6]);
    uint32_t from = etw_record_forms[frame->type].header_size;
    if (from == 16) {
        header->ThreadId = NO_THREAD;
        header->ProcessId = NO_THREAD;
    } else {
        header->ThreadId = etw_load_u32(at + 8);
        header->ProcessId = etw_load_u32(at + 12);
    }
    if (from == 32) {
        header->KernelTime = etw_load_u32(at + 24);
        header->UserTime = etw_load_u32(at + 28);
    }
    const char *problem = take_counters(at, frame->size, &from, record);
    set_user_data(record, at, from, frame->size);
    return problem;
}

/* A component id, which real sessions hardly use, takes the first word of the provider's GUID. */
static void build_message(const uint8_t *at, const etw_frame *frame, etw_event_record *record)
{
    etw_event_header *header = &record->EventHeader;
    const uint16_t options = etw_load_u16(at + 6);
    start_classic(record, frame);
    header->HeaderType = 0;
    header->Flags = ETW_FLAG_TRACE_MESSAGE;
    header->Flags |= (options & MESSAGE_POINTER32) != 0 ? BITS_32 : 0;
    header->Flags |= (options & MESSAGE_POINTER64) != 0 ? BITS_64 : 0;
    header->EventDescriptor.Id = etw_load_u16(at + 4);
    const size_t id_at = MESSAGE_HEADER_SIZE + ((options & MESSAGE_SEQUENCE) != 0 ? 4u : 0u);
    if ((options & MESSAGE_GUID) != 0) {
        header->ProviderId = etw_load_guid(at + id_at);
    } else if ((options & MESSAGE_COMPONENT_ID) != 0) {
        header->ProviderId.Data1 = etw_load_u32(at + id_at);
    }
    const uint32_t from = (uint32_t)message_fields_size(options);
    if ((options & MESSAGE_SYSTEM_INFO) != 0) {
        header->ThreadId = etw_load_u32(at + from - 8);
        header->ProcessId = etw_load_u32(at + from - 4);
    }
    set_user_data(record, at, from, frame->size);
}

const char *etw_trace_record_build(const uint8_t *at, const etw_frame *frame,
                                   etw_buffer_context context, uint16_t extra_flags,
                                   etw_extended_data_item *items, etw_event_record *record)
{
    const char *problem = NULL;
    record->BufferContext = context;
    record->ExtendedDataCount = 0;
    record->ExtendedData = items;
    record->UserContext = NULL;
    switch (frame->type) {
    case ETW_TYPE_EVENT32:
    case ETW_TYPE_EVENT64:
    case ETW_TYPE_ERROR:
        problem = build_event(at, frame, record);
        break;
    case ETW_TYPE_FULL32:
    case ETW_TYPE_FULL64:
    case ETW_TYPE_INSTANCE32:
    case ETW_TYPE_INSTANCE64:
        build_full(at, frame, record);
        break;
    case ETW_TYPE_MESSAGE:
        build_message(at, frame, record);
        break;
    default:
        problem = build_kernel(at, frame, record);
        break;
    }
    if (frame->type != ETW_TYPE_MESSAGE) {
        record->EventHeader.Flags |= etw_record_forms[frame->type].flags;
    }
    record->EventHeader.Flags |= extra_flags;
    record->ExtendedData = record->ExtendedDataCount == 0 ? NULL : items;
    return problem;
}
