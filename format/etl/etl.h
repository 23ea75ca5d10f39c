/* Windows' own trace files, read: .etl of any version, delivered in time order as ProcessTrace
 * does.
 *
 * A first pass finds the buffers and the time of each one's first record; then the buffers are
 * merged by (raw time stamp, place in the file), the log-file header event before all others;
 * records of one buffer keep their order. Where the clock is the system's time, which can be set
 * back, the buffers of one processor keep their sequence (not in circular files, whose sequence is
 * not that of the file): only merging between processors goes by time. Records keep raw ticks; WPP
 * messages logged without a time stamp get that of the record before them. The length of the file
 * is trusted, never the count of buffers in its header.
 *
 * Damage costs what it touches: reading goes on at the next place where records follow each other,
 * at the latest in the next buffer. Each place becomes a LOSS item that names buffer and offset, in
 * the stream where it happened. So do events and buffers that the session itself lost: once for the
 * counts of the log-file header, right behind the header event, and once for each buffer flagged so
 * (with a count of 0 where the header has counted them, else unknown). Zeros at the end of the file
 * are no damage: files are laid out ahead of their use. 0xFF inside the used part of a buffer,
 * which no real trace has, is damage. So is a buffer whose header says something else when its
 * records are read than when it was found: the file changed meanwhile.
 *
 * A header without an end time is one that its session did not close: a LOSS item at the end, with
 * the buffers that are missing in the sequence (circular files overwrite their own, which is no
 * loss). Sessions that start new files count what is lost since they began: the item of one such
 * file has no count, and etw_merge_open takes the difference where it has the file before, too.
 *
 * Memory, for a file of any size: ETW_ETL_MAX_MEMORY at most.
 *  - 24 MiB of windows of 96 KiB, one for each buffer that is being merged: those whose records
 *    overlap in time, usually one per processor. Where more than 256 overlap, the window that is
 *    needed last is given to another buffer and filled again later. A compressed buffer is unpacked
 *    from its start then; one that suffers this ETW_ETL_MAX_RESTARTS times is given up, which is a
 *    LOSS item.
 *  - 10 MiB for the states of up to ETW_ETL_MAX_RUNS overlapping buffers; more: LOSS items.
 *  - 8 MiB (12 MiB for a moment) for the table of buffers, enough for 16 GiB of 64 KiB buffers;
 *    beyond that it moves into a temporary file, with 2 MiB to merge it from there.
 *  - 0.4 MiB for the rest. */
#ifndef ETW_FORMAT_ETL_ETL_H
#define ETW_FORMAT_ETL_ETL_H

#include "format/base/os.h"
#include "format/event/source.h"

#define ETW_ETL_MAX_MEMORY   ((size_t)48 << 20)
#define ETW_ETL_MAX_WINDOWS  256u
#define ETW_ETL_MAX_RUNS     49152u
#define ETW_ETL_MAX_RESTARTS 64u

/* Records by header type byte (1 SYSTEM32 ... 19 EVENT_HEADER64 ...); WPP messages count at
 * ETW_ETL_TYPE_MESSAGE. */
#define ETW_ETL_TYPE_MESSAGE 15u
#define ETW_ETL_TYPE_COUNT   32u

typedef struct etw_etl_statistics {
    /* known after opening */
    uint64_t file_bytes;
    uint64_t buffers; /* with a header; compressed and damaged ones included */
    uint64_t compressed_buffers;
    uint64_t unused_bytes; /* zeros at the end of the file */
    /* of what was delivered so far */
    uint64_t damaged_buffers; /* that had at least one LOSS item for damage */
    uint64_t records;
    uint64_t records_by_type[ETW_ETL_TYPE_COUNT];
    uint64_t expanded_bytes; /* of all records, headers included, compressed buffers unpacked */
} etw_etl_statistics;

typedef struct etw_etl_options {
    /* Called for each record during the first pass, in file order; may be NULL. Schema sources
     * learn here. The record is as it will be delivered. The pass then reads the whole file. */
    etw_status (*scan)(void *context, const etw_event_record *record, const etw_trace *trace,
                       etw_error *error);
    void *scan_context;
    /* Calls scan only for what can carry schemas: metadata events (class bbccf6c1-...) and events
     * of id 0xFFFE, and for an event of each provider whose extended items name it (TraceLogging).
     * All other records are only stepped over. */
    bool scan_schemas_only;
    /* Called in the first pass with bytes passed so far and bytes in all, now and then; may be
     * NULL. */
    void (*progress)(void *context, uint64_t done_bytes, uint64_t total_bytes);
    void *progress_context;
    /* The session still writes the file: after ETW_END another next looks for whole buffers that
     * came since, which are merged among themselves. The end of the file is no loss until the
     * session has closed it. Compressed and circular files are ETW_ERROR_UNSUPPORTED. */
    bool follow;
} etw_etl_options;

/* Opens and makes the first pass. os NULL: the default. path "-" is stdin; it, and any other path
 * that is no regular file, is copied to a temporary file first. options may be NULL. A file that
 * does not start as a trace is ETW_ERROR_NOT_THIS. */
ETW_API_CHECKED etw_status etw_etl_open(const etw_os *os, const char *path,
                                        const etw_etl_options *options, etw_source **source,
                                        etw_error *error);

/* Of a source from etw_etl_open. */
ETW_API const etw_etl_statistics *etw_etl_statistics_of(const etw_source *source);

/* Whether the session has closed the file, so that there is no more of it. */
ETW_API bool etw_etl_is_closed(const etw_source *source);

/* Reads an instance of TRACE_LOGFILE_HEADER (payload of the first record) into trace, names
 * included; pointer_size (4 or 8) is the record's, header_ticks its raw time stamp.
 * trace->logfile_header becomes payload, which is lent. Members that the header does not tell of
 * stay as they are; so does all of *trace on failure. */
ETW_API_CHECKED etw_status etw_trace_from_logfile_header(etw_bytes payload, uint32_t pointer_size,
                                                         int64_t header_ticks, etw_trace *trace,
                                                         etw_error *error);

#endif
