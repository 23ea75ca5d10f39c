/* The log-file header and the buffer headers of a trace file that is written. Its shape is that of
 * files which Windows' own relogger writes: they are read by all of its tools. */
#ifndef ETW_FORMAT_ETL_HEADER_WRITE_H
#define ETW_FORMAT_ETL_HEADER_WRITE_H

#include "format/base/buffer.h"
#include "format/etl/trace_buffer.h"
#include "format/event/source.h"

/* What the file holds, once that is known. */
typedef struct etw_file_facts {
    uint32_t buffer_size;  /* of each; of compressed ones: what they expand to, at most */
    uint32_t buffer_count; /* the header's included */
    uint32_t processors;   /* at least so many */
    uint32_t events_lost;
    int64_t end_time_100ns;
    bool is_compressed; /* for Windows 8 and later */
} etw_file_facts;

/* Appends TRACE_LOGFILE_HEADER, as the trace has it, or made of what else it says, with these
 * facts; its clock begins at the trace's clock.base_ticks. Returns its pointers' size. */
uint32_t etw_logfile_header_write(const etw_trace *trace, const etw_file_facts *facts,
                                  etw_buffer *out);

typedef struct etw_buffer_facts {
    uint32_t buffer_size; /* in the file */
    uint32_t used_size;   /* of what a compressed one expands to */
    uint64_t sequence;    /* 0: the header's buffer */
    int64_t written_100ns;
    etw_buffer_context context;
    bool is_indexed; /* context has a processor index */
    bool is_last;
    bool is_compressed; /* of the header's buffer: the others are, it never is */
} etw_buffer_facts;
/* Appends the 72 bytes. */
void etw_buffer_header_write(const etw_buffer_facts *facts, etw_buffer *out);

#endif
