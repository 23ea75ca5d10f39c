/* From a source to files: schemas resolved at first sight, limits kept, losses written in place. */
#ifndef ETW_RECORDER_CAPTURE_H
#define ETW_RECORDER_CAPTURE_H

#include "format/etwcap/writer.h"
#include "format/schema/resolver.h"

typedef struct etw_capture_totals {
    uint64_t events;         /* received from the source */
    uint64_t written;        /* in the file */
    uint64_t dropped;        /* received - written */
    uint64_t lost;           /* lost before they came to us, known counts */
    bool lost_unknown;       /* losses whose count is not known */
    uint64_t with_schema;    /* events that some schema explains */
    uint32_t schemas;        /* stored */
    uint64_t file_bytes;     /* of all segments */
} etw_capture_totals;

typedef struct etw_capture_options {
    const etw_os *os; /* NULL: the default */
    const char *path; /* "-": stdout */
    etw_writer_options writer; /* store is set by the capture */
    etw_resolver *resolver;    /* with its store; both outlive the capture */
    etw_schema_store *store;
} etw_capture_options;

/* Copies everything the source delivers into the file; ends when the source does. Several sources are
 * merged by their clocks' system time, ties in the order given. The file is finished also when a
 * source fails half-way: what was read is kept, and the failure is a loss record. */
etw_status etw_capture_run(etw_source *const *sources, uint32_t source_count,
                           const etw_capture_options *options, etw_capture_totals *totals,
                           etw_error *error);

#endif
