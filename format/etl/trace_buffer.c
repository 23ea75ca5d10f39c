#include "format/etl/trace_buffer.h"

/* Offsets in WMI_BUFFER_HEADER. SavedOffset and CurrentOffset are not used: in real files they are
 * too small, zero, or beyond the buffer; Offset is where the last record ends in every one. */
enum {
    AT_BUFFER_SIZE = 0x00,
    AT_TIME_STAMP = 0x10,
    AT_SEQUENCE = 0x18,
    AT_PROCESSOR = 0x28,
    AT_LOGGER_ID = 0x2A,
    AT_OFFSET = 0x30,
    AT_BUFFER_FLAG = 0x34,
    AT_BUFFER_TYPE = 0x36
};

#define PROCESSOR_INDEX_MASK 0x07FFu
#define KNOWN_FLAGS          0x7Fu
#define TYPE_COUNT           8u

etw_buffer_header etw_buffer_header_read(const uint8_t bytes[ETW_BUFFER_HEADER_SIZE])
{
    etw_buffer_header header = {
        .stored_size = etw_load_u32(bytes + AT_BUFFER_SIZE),
        .used_size = etw_load_u32(bytes + AT_OFFSET),
        .sequence = etw_load_i64(bytes + AT_SEQUENCE),
        .flush_ticks = etw_load_i64(bytes + AT_TIME_STAMP),
        .flags = etw_load_u16(bytes + AT_BUFFER_FLAG),
        .type = etw_load_u16(bytes + AT_BUFFER_TYPE),
    };
    header.context.ProcessorIndex = etw_load_u16(bytes + AT_PROCESSOR);
    header.context.LoggerId = etw_load_u16(bytes + AT_LOGGER_ID);
    if ((header.flags & ETW_BUFFER_PROCESSOR_INDEX) != 0) {
        header.context.ProcessorIndex &= PROCESSOR_INDEX_MASK;
    }
    return header;
}

const char *etw_buffer_header_problem(const etw_buffer_header *header)
{
    if (header->stored_size < ETW_BUFFER_HEADER_SIZE) {
        return "its size is below a header's 72 bytes";
    }
    if (header->stored_size > ETW_MAX_BUFFER_SIZE) {
        return "its size is above 16 MiB";
    }
    if ((header->flags & ~KNOWN_FLAGS) != 0) {
        return "it has flags that no buffer has";
    }
    if (header->type >= TYPE_COUNT) {
        return "its type is unknown";
    }
    if (header->used_size < ETW_BUFFER_HEADER_SIZE || header->used_size > ETW_MAX_BUFFER_SIZE) {
        return "its used length is impossible";
    }
    const bool compressed = (header->flags & ETW_BUFFER_COMPRESSED) != 0;
    if (!compressed && header->used_size > header->stored_size) {
        return "its used length is above its size";
    }
    return NULL;
}
