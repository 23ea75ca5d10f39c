/* Makes a complete file of what is readable in a damaged one. */
#ifndef ETW_FORMAT_ETWCAP_RECOVER_H
#define ETW_FORMAT_ETWCAP_RECOVER_H

#include "format/base/os.h"
#include "format/etwcap/block_kind.h"

typedef struct etw_recover_options {
    bool replace; /* an existing output is overwritten, once the new file is verified */
    void (*progress)(void *context, uint64_t done_bytes, uint64_t total_bytes); /* may be NULL */
    void *progress_context;
} etw_recover_options;

/* Blocks of one kind. lost: those whose header was good and whose body was not. */
typedef struct etw_recover_count {
    uint64_t recovered, lost;
} etw_recover_count;

typedef struct etw_recover_report {
    /* By etw_block_kind; [0] holds private and unknown kinds. Index, summary and end are made anew
     * and not counted. */
    etw_recover_count kinds[ETW_BLOCK_END + 1];
    uint64_t missing_blocks; /* of which not even a header was found */
    uint64_t events;         /* recovered */
    uint64_t lost_events;    /* known by number: in broken blocks with good headers */
    bool lost_unknown;       /* and there are losses without a number */
    uint64_t skipped_bytes;  /* in which no block was found */
    bool unreadable;         /* the disk could not read some of it: taken for zeros */
    bool was_complete;       /* the input had its end block */
    bool head_damaged;       /* the input's first bytes were not a head */
    uint64_t written_bytes;
} etw_recover_report;

/* Reads `in` from end to end, past whatever is broken, and writes `out` with all blocks that are
 * good, a loss record in place of each that is not, and a fresh index and summary. `out` is written
 * under the name `out`.part, read back and verified in full, and only then gets its name; on any
 * failure the .part file is removed. What already has the name `out` must be a regular file, for a
 * new file takes its place. options may be NULL. ETW_ERROR_NOT_THIS where no block is
 * found at all. `in` must be seekable. Memory: that of a reader and a writer without threads. */
ETW_API_CHECKED etw_status etw_recover(const etw_os *os, const char *in, const char *out,
                                       const etw_recover_options *options,
                                       etw_recover_report *report, etw_error *error);

#endif
