/* The buffers of a trace file in the order in which their first records happened.
 *
 * Entries are added in file order and taken in order of (first_ticks, offset). What does not fit
 * ETW_BUFFER_TABLE_CHUNK entries is sorted and put into an unnamed temporary file, chunk by chunk,
 * and merged from there; a file of 64 KiB buffers needs one above 16 GiB. */
#ifndef ETW_FORMAT_ETL_BUFFER_TABLE_H
#define ETW_FORMAT_ETL_BUFFER_TABLE_H

#include "format/base/os.h"

/* 32 bytes an entry: 8 MiB in memory, twice that for a moment while the first chunk grows. */
#define ETW_BUFFER_TABLE_CHUNK ((size_t)1 << 18)
/* 2^27 buffers in all: 8 TiB of 64 KiB buffers. */
#define ETW_BUFFER_TABLE_MAX_CHUNKS 512u

typedef enum etw_buffer_kind {
    ETW_BUFFER_KIND_WHOLE,      /* a buffer with a possible header */
    ETW_BUFFER_KIND_CUT,        /* as BUFFER, but the file ends in it: size is what is left */
    ETW_BUFFER_KIND_WRONG_SIZE, /* as BUFFER, but its own size is wrong: size is where the next one
                                 * starts
                                 */
    ETW_BUFFER_KIND_NO_HEADER,  /* size bytes that do not start with a possible header */
    ETW_BUFFER_KIND_ZEROS,      /* size zero bytes between buffers */
    ETW_BUFFER_KIND_TAIL,       /* the last bytes, fewer than a header's */
    ETW_BUFFER_KIND_GONE        /* size bytes that the file had when it was opened */
} etw_buffer_kind;

/* No buffer is larger than 16 MiB. */
#define ETW_BUFFER_USED_MASK 0x0FFFFFFFu

typedef struct etw_buffer_entry {
    int64_t first_ticks;
    uint64_t offset;   /* in the file */
    uint64_t size;     /* bytes of the file */
    uint32_t number;   /* of the buffer, from 0 in file order */
    uint32_t kind : 4; /* an etw_buffer_kind */
    /* Of one with records: what its header said when the buffer was found. A file that is written
     * to while it is read may say something else later. */
    uint32_t used_size : 28;
} etw_buffer_entry;

typedef struct etw_buffer_chunk {
    uint64_t next; /* in the temporary file, in entries */
    uint64_t end;
    etw_buffer_entry *entries; /* a piece of it in memory */
    size_t at;
    size_t count;
} etw_buffer_chunk;

typedef struct etw_buffer_table {
    const etw_os *os;
    etw_buffer_entry *entries; /* those not in the temporary file */
    size_t count;
    size_t capacity;
    size_t at;
    bool sorted;
    int file; /* -1: none */
    uint32_t chunk_count;
    etw_buffer_chunk *chunks;
    etw_buffer_chunk *lowest; /* the chunk with the next entry; NULL: entries has it */
} etw_buffer_table;

void etw_buffer_table_init(etw_buffer_table *table, const etw_os *os);
void etw_buffer_table_free(etw_buffer_table *table);
etw_status etw_buffer_table_add(etw_buffer_table *table, const etw_buffer_entry *entry,
                                etw_error *error);
/* After the last add. */
etw_status etw_buffer_table_finish(etw_buffer_table *table, etw_error *error);
/* The next entry, or NULL past the last. */
const etw_buffer_entry *etw_buffer_table_peek(const etw_buffer_table *table);
etw_status etw_buffer_table_pop(etw_buffer_table *table, etw_error *error);

#endif
