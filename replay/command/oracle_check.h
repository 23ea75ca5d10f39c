/* Compares the texts that TDH gave on the recording machine, where a file carries some (ORACLE
 * blocks), with the texts that this project renders. */
#ifndef ETW_REPLAY_ORACLE_CHECK_H
#define ETW_REPLAY_ORACLE_CHECK_H

#include "format/etwcap/reader.h"
#include "format/event/oracle.h"

/* Blobs of one file together; what is above it is not compared, and said so in skipped_bytes. */
#define ETW_ORACLE_CHECK_MAX_BYTES ((size_t)16 << 20)

typedef struct etw_oracle_check_counts {
    uint64_t blocks;
    uint64_t skipped_bytes;
    uint64_t unmatched; /* entries whose event is not there, has other bytes or no usable schema */
    etw_oracle_counts compared;
} etw_oracle_check_counts;

typedef void (*etw_oracle_check_report)(void *context, const etw_schema *schema,
                                        uint64_t event_number,
                                        const etw_oracle_difference *difference);

/* path: an .etwcap file, read twice where it has such blocks; not "-". */
etw_status etw_oracle_check(const etw_os *os, const char *path, etw_oracle_check_report report,
                            void *context, etw_oracle_check_counts *counts, etw_error *error);

#endif
