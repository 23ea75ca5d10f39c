/* Windows' own trace files, read: .etl of any version, delivered in time order as ProcessTrace does.
 *
 * The file is scanned once (buffer headers, first and last time stamp of each buffer), then merged.
 * Records keep raw ticks. Damage costs what it touches: the rest of the buffer, at most; each place
 * becomes a LOSS item that names buffer and offset. Facts: etl-layout.md; checked on the corpus. */
#ifndef ETW_FORMAT_ETL_ETL_H
#define ETW_FORMAT_ETL_ETL_H

#include "format/base/os.h"
#include "format/event/source.h"

/* Memory of one reader, any file: window bytes for the buffers being merged, and the buffer table. */
#define ETW_ETL_MAX_MEMORY ((size_t)48 << 20)

/* Records seen in the pass over the file, by header type byte (1 SYSTEM32 ... 19 EVENT_HEADER64); WPP
 * messages count at ETW_ETL_TYPE_MESSAGE. */
#define ETW_ETL_TYPE_MESSAGE 15u
#define ETW_ETL_TYPE_COUNT 32u

typedef struct etw_etl_statistics {
    uint64_t file_bytes;
    uint64_t buffers;
    uint64_t compressed_buffers;
    uint64_t damaged_buffers;
    uint64_t records;
    uint64_t records_by_type[ETW_ETL_TYPE_COUNT];
    uint64_t expanded_bytes; /* of all records, headers included, compressed buffers unpacked */
} etw_etl_statistics;

typedef struct etw_etl_options {
    /* Called for each record during the scan, in file order; may be NULL. Schema sources learn here.
     * Not every member that needs the merge is set, but all of the record is. */
    etw_status (*scan)(void *context, const etw_event_record *record, const etw_trace *trace,
                       etw_error *error);
    void *scan_context;
    /* Called with bytes read so far and bytes in all, now and then; may be NULL. */
    void (*progress)(void *context, uint64_t done_bytes, uint64_t total_bytes);
    void *progress_context;
} etw_etl_options;

/* Opens and scans. path "-" is stdin: it is copied to an unnamed temporary file first. options may be
 * NULL. A file that does not start as a trace is ETW_ERROR_NOT_THIS. */
etw_status etw_etl_open(const etw_os *os, const char *path, const etw_etl_options *options,
                        etw_source **source, etw_error *error);

/* source must come from etw_etl_open. */
const etw_etl_statistics *etw_etl_statistics_of(const etw_source *source);

/* Reads an instance of TRACE_LOGFILE_HEADER (payload of the first record) into trace, names included;
 * pointer_size is the record's. header_ticks is the record's raw time stamp. */
etw_status etw_trace_from_logfile_header(etw_bytes payload, uint32_t pointer_size,
                                         int64_t header_ticks, etw_trace *trace, etw_error *error);

#endif
