/* Compares the texts that TDH gave on the recording machine, where a file carries some (RENDERED
 * blocks), with the texts that this project renders. */
#ifndef ETW_REPLAY_RENDERED_H
#define ETW_REPLAY_RENDERED_H

#include "format/etwcap/reader.h"
#include "format/event/oracle.h"

/* Blobs of one file together; what is above it is not compared, and said so in skipped_bytes. */
#define ETW_RENDERED_MAX_BYTES ((size_t)16 << 20)

typedef struct etw_rendered_counts {
    uint64_t blocks;
    uint64_t skipped_bytes;
    uint64_t unmatched; /* entries whose event is not there, has other bytes or no usable schema */
    etw_oracle_counts compared;
} etw_rendered_counts;

typedef void (*etw_rendered_report)(void *context, const etw_schema *schema, uint64_t event_number,
                                    const etw_oracle_difference *difference);

/* path: an .etwcap file, read twice where it has such blocks; not "-". */
etw_status etw_rendered_check(const etw_os *os, const char *path, etw_rendered_report report,
                              void *context, etw_rendered_counts *counts, etw_error *error);

#endif
