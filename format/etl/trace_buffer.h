/* WMI_BUFFER_HEADER: the 72 bytes in front of each buffer of a trace file. */
#ifndef ETW_FORMAT_ETL_TRACE_BUFFER_H
#define ETW_FORMAT_ETL_TRACE_BUFFER_H

#include "format/event/record.h"

#define ETW_BUFFER_HEADER_SIZE 72u

/* No buffer is larger: the maximum since Windows 8 (1 MB before). */
#define ETW_MAX_BUFFER_SIZE ((uint32_t)16 << 20)

enum {
    ETW_BUFFER_EVENTS_LOST = 0x02,
    ETW_BUFFER_BUFFER_LOST = 0x04,
    ETW_BUFFER_BACKUP_CORRUPT = 0x08,
    ETW_BUFFER_PROCESSOR_INDEX = 0x20,
    ETW_BUFFER_COMPRESSED = 0x40
};

typedef struct etw_buffer_header {
    uint32_t stored_size; /* in the file, this header included */
    uint32_t used_size; /* valid bytes, this header included; of what a compressed one expands to */
    int64_t sequence;   /* the session's count of its buffers; not in file order */
    int64_t flush_ticks; /* when it was flushed; by the session's clock in files not rewritten */
    uint16_t flags;
    uint16_t type;
    etw_buffer_context context; /* as EVENT_RECORD.BufferContext shows it */
} etw_buffer_header;

etw_buffer_header etw_buffer_header_read(const uint8_t bytes[ETW_BUFFER_HEADER_SIZE]);

/* Bytes to read at once of a buffer, header included, that may be like the one with this header.
 * Buffers that were filled differ by the size of an event, and so an eighth is added. */
static inline size_t etw_buffer_usual_bytes(const etw_buffer_header *header)
{
    return header->used_size + header->used_size / 8 + ETW_BUFFER_HEADER_SIZE;
}

/* What a real header cannot hold, as a fixed text; NULL where all fields are possible. */
const char *etw_buffer_header_problem(const etw_buffer_header *header);

#endif
