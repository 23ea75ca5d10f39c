/* Records put aside in a temporary file, in order, to be read once more when all are known: what
 * stands first in an output may be known last. Memory: one chunk, or the largest record. */
#ifndef ETW_FORMAT_OUTPUT_SPOOL_H
#define ETW_FORMAT_OUTPUT_SPOOL_H

#include "format/base/os.h"
#include "format/base/text.h"

/* No record is larger: one event with all of its text. */
#define ETW_SPOOL_MAX_RECORD ((size_t)48 << 20)

typedef struct etw_output_spool {
    const etw_os *os;
    int file; /* -1: nothing was written to one yet */
    uint64_t written_bytes;
    etw_text waiting;     /* to be written; while reading: what was read */
    uint64_t read_offset; /* of the byte in the file behind those in waiting */
    size_t at;            /* in waiting, of the next record */
    /* Called as the file is read; may be NULL. unit "B": bytes. */
    void (*progress)(void *context, uint64_t done, uint64_t total, const char *unit);
    void *progress_context;
} etw_output_spool;

void etw_output_spool_open(etw_output_spool *spool, const etw_os *os);
void etw_output_spool_close(etw_output_spool *spool);
etw_status etw_output_spool_append(etw_output_spool *spool, etw_bytes record, etw_error *error);
/* From the first record on; nothing may be appended any more. */
etw_status etw_output_spool_rewind(etw_output_spool *spool, etw_error *error);
/* ETW_END behind the last; the record is lent until the next call. */
etw_status etw_output_spool_next(etw_output_spool *spool, etw_bytes *record, etw_error *error);

struct etw_collector_target; /* format/output/output.h */
/* Of a collector: one that shows how far it is read. */
void etw_collector_open_spool(const struct etw_collector_target *target, etw_output_spool *spool);

#endif
