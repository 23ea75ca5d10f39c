/* Checks all of an .etwcap file: every hash, every event, every figure that is said twice. */
#ifndef ETW_FORMAT_ETWCAP_VERIFY_H
#define ETW_FORMAT_ETWCAP_VERIFY_H

#include "format/base/os.h"
#include "format/etwcap/block_kind.h"

/* One thing that is wrong, and where. */
typedef struct etw_verify_problem {
    uint64_t offset; /* in the file */
    uint64_t size;   /* bytes concerned */
    uint16_t kind;   /* of the block; 0 where there is none to name */
    /* Which events are concerned: numbered from 0 over the whole file, as far as it is readable,
     * with broken blocks counted by their headers. */
    bool has_events;
    uint64_t first_event, event_count;
    int64_t first_time_100ns, last_time_100ns; /* FILETIME; 0, 0 where unknown */
    char text[512];
} etw_verify_problem;

typedef struct etw_verify_report {
    bool good;     /* complete, and not one problem */
    bool complete; /* there is an end block */
    uint64_t problems;
    uint64_t blocks, event_blocks, damaged_blocks, missing_blocks;
    uint64_t
        newer_blocks; /* of the damaged ones: by flags of a newer version, with no other fault */
    uint64_t events;  /* decoded and checked */
    uint64_t damaged_events;    /* in broken blocks whose headers are good */
    uint64_t received, dropped; /* as the summary says; 0 without one */
    uint64_t loss_records;
    uint64_t missing_records; /* of those: not of events left out on request */
    uint64_t lost_events;     /* that loss records account for */
    bool lost_unknown;
    uint64_t schemas;
    uint64_t schemaless_events; /* name a schema that was lost with a broken block */
    uint64_t index_blocks;      /* compared, entry for entry, with what was found */
    uint64_t bytes;             /* of the file */
    uint64_t torn_bytes;        /* of a cut-off block at its end */
    uint64_t trailing_bytes;    /* behind the end block */
} etw_verify_report;

/* ETW_OK where the file could be read through, whatever was found: see report. Also on a failure
 * report holds what was found so far. problem (may be NULL) is called for each problem, in file
 * order. path "-": stdin. */
ETW_API_CHECKED etw_status etw_verify(const etw_os *os, const char *path,
                                      void (*problem)(void *context,
                                                      const etw_verify_problem *problem),
                                      void *context, etw_verify_report *report, etw_error *error);

#endif
