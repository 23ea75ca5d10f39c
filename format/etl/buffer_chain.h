/* The pass over a trace file that finds its buffers, also behind damage. */
#ifndef ETW_FORMAT_ETL_BUFFER_CHAIN_H
#define ETW_FORMAT_ETL_BUFFER_CHAIN_H

#include "format/base/os.h"
#include "format/etl/trace_buffer.h"

/* Read ahead of small buffers at once. */
#define ETW_CHAIN_AHEAD ((size_t)64 << 10)

typedef struct etw_chain {
    const etw_os *os;
    int file;
    uint64_t file_size;
    uint64_t at; /* the next buffer */
    uint32_t number;
    uint32_t step; /* distance of buffers in a file without compression; 1: they differ */
    uint16_t logger_id;
    uint8_t *ahead; /* ETW_CHAIN_AHEAD bytes */
    uint64_t ahead_at;
    size_t ahead_size;
    uint64_t last;         /* where the last look was */
    size_t look;           /* bytes to read where it jumps */
    uint64_t unused_bytes; /* zeros at the end of a file that was laid out ahead of time */
} etw_chain;

/* Looks at size bytes of the file (at most ETW_CHAIN_AHEAD); *bytes holds fewer at its end. Lent
 * until the next call on the chain. */
etw_status etw_chain_peek(etw_chain *chain, uint64_t offset, size_t size, etw_bytes *bytes,
                          etw_error *error);

/* What is read at each buffer from now on: as much as a buffer like this one holds, or, with NULL,
 * its headers alone. */
void etw_chain_expect(etw_chain *chain, const etw_buffer_header *header);

/* The next entry, without time; header is set for the kinds that have one. ETW_END after the last.
 */
struct etw_buffer_entry;
etw_status etw_chain_next(etw_chain *chain, struct etw_buffer_entry *entry,
                          etw_buffer_header *header, etw_error *error);

#endif
