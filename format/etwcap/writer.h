/* Writes an .etwcap file, to disk or to a pipe. FORMAT.md is the specification.
 *
 * Memory, measured on the largest real traces: up to 28 MiB without threads, 55 MiB with one
 * encoder thread, 25 MiB more for each further one; twice that from ETW_WRITER_ARCHIVE_LEVEL on.
 *
 * One thread at a time may call; with encoder threads etw_writer_get_counts may come from any.
 *
 * Adding an event copies it into the current batch; encoder threads compress, one thread writes
 * blocks in order. Threads are started with the first batch that is full; where some cannot be,
 * there are fewer, or the caller encodes. Equal input and options give equal bytes whatever the
 * number of threads. Until
 * etw_writer_finish returned ETW_OK the file is incomplete, and readers say so. */
#ifndef ETW_FORMAT_ETWCAP_WRITER_H
#define ETW_FORMAT_ETWCAP_WRITER_H

#include "format/base/os.h"
#include "format/etwcap/sync.h"
#include "format/event/schema.h"
#include "format/event/source.h"

/* Batches in flight, together: what queue_blocks asks for is cut down to it. */
#define ETW_WRITER_MAX_QUEUE_BYTES ((size_t)32 << 20)
#define ETW_WRITER_MAX_THREADS     16u
#define ETW_WRITER_MAX_QUEUE       64u
#define ETW_WRITER_DEFAULT_LEVEL   3
/* Larger blocks compress better; this is the largest that keeps a recording within 64 MiB. */
#define ETW_WRITER_DEFAULT_BATCH ((size_t)5 << 20)
/* From this level on, the default is the largest batch: archives are written once. */
#define ETW_WRITER_ARCHIVE_LEVEL 16

typedef enum etw_overload {
    ETW_OVERLOAD_WAIT, /* adding an event waits for the encoders: files, pipes */
    ETW_OVERLOAD_DROP  /* the event is dropped and counted: live sessions */
} etw_overload;

typedef enum etw_file_format {
    ETW_FORMAT_1_0, /* blocks, whatever their number: every reader reads it */
    /* A file that stays below 40 KiB, or 64 KiB from ETW_WRITER_ARCHIVE_LEVEL on, is folded
     * (FORMAT.md, 13), which readers of 1.0 refuse; a larger one is as in 1.0. The bytes of a small
     * file go out when it is finished, those of a larger one from when it is larger. Without effect
     * where interval_ms is set or sync is BLOCK: what is recorded live goes out at once. */
    ETW_FORMAT_2_0
} etw_file_format;

typedef struct etw_writer_options {
    int level; /* zstd level, 1 to 19; 0: the default */
    /* Encoder threads, at most; 0: encode in the calling thread. A library starts none unasked;
     * etw_os_spare_processors tells how many pay. */
    uint32_t threads;
    size_t batch_bytes;    /* 0: the default; at most 14 MiB */
    uint32_t queue_blocks; /* batches in flight at most; 0: the default, 2 + 2 * threads */
    uint32_t
        interval_ms; /* flush at least so often, by the wall clock; 0: only full batches (files) */
    etw_sync sync;
    etw_overload overload;
    /* While all batches are in flight the calling thread encodes, too, instead of waiting; not from
     * ETW_WRITER_ARCHIVE_LEVEL on, for its memory. */
    bool caller_helps;
    etw_file_format format;
    bool replace;            /* an existing file is overwritten; else ETW_ERROR_EXISTS */
    const char *application; /* "etw-record 1.0"; kept in the file info; NULL: nothing */
    /* What was taken out of the events ("QueryName, UserSID"), kept in the file info; NULL: nothing
     * was. */
    const char *redacted;
    const etw_schema_store *store; /* schemas that events name by id; must outlive the writer */
} etw_writer_options;

typedef struct etw_writer_counts {
    uint64_t received; /* events handed over */
    uint64_t written;  /* events in blocks that the operating system took */
    uint64_t dropped;  /* received - written, at the end: each is in a loss record if one could be
                          written */
    uint64_t blocks;
    uint64_t bytes; /* of the file so far */
} etw_writer_counts;

typedef struct etw_writer etw_writer;

/* path "-": stdout. options may be NULL. */
ETW_API_CHECKED etw_status etw_writer_create(const etw_os *os, const char *path,
                                             const etw_writer_options *options, etw_writer **writer,
                                             etw_error *error);

/* Traces get indexes 0, 1, ... in this order. At least one is needed before the first event. */
ETW_API_CHECKED etw_status etw_writer_add_trace(etw_writer *writer, const etw_trace *trace,
                                                uint16_t *trace_index, etw_error *error);

/* schema_id: an id of options.store, or 0. The schema is written before the first block that needs
 * it. Errors of the disk turn up here or later; the event then counts as dropped. */
ETW_API_CHECKED etw_status etw_writer_add_event(etw_writer *writer, const etw_event_record *record,
                                                uint16_t trace_index, uint32_t schema_id,
                                                etw_error *error);

/* Whether the next event finds room, for a caller that drops on overload but can wait a little:
 * waits for it up to wait_ms. Quick while the current batch has room. */
ETW_API bool etw_writer_has_room(etw_writer *writer, uint32_t wait_ms);

/* Stands between the events added before and after it. */
ETW_API_CHECKED etw_status etw_writer_add_loss(etw_writer *writer, const etw_loss *loss,
                                               etw_error *error);

/* raw ticks <-> FILETIME of one trace at one moment. */
ETW_API_CHECKED etw_status etw_writer_add_clock_anchor(etw_writer *writer, uint16_t trace_index,
                                                       int64_t ticks, int64_t time_100ns,
                                                       etw_error *error);

/* A block of a private kind, or of one whose body its caller knows (ORACLE); count is shown by
 * info. Stands between the events added before and after it. At most ETW_WRITER_MAX_BLOCK bytes. */
#define ETW_WRITER_MAX_BLOCK ((size_t)8 << 20)
ETW_API_CHECKED etw_status etw_writer_add_block(etw_writer *writer, uint16_t kind, uint32_t count,
                                                etw_bytes body, etw_error *error);

/* Hands over what waited for interval_ms. Adding events does that too; whoever adds none for a
 * while calls this four times an interval: nothing then waits longer than that. Does not wait for
 * the disk. */
ETW_API void etw_writer_tick(etw_writer *writer);

/* Hands over what was added: without threads it is written then, and counted. */
ETW_API void etw_writer_submit(etw_writer *writer);

/* Hands all that was added to the operating system, in blocks of their own; waits for it. */
ETW_API_CHECKED etw_status etw_writer_flush(etw_writer *writer, etw_error *error);
ETW_API void etw_writer_get_counts(const etw_writer *writer, etw_writer_counts *counts);

/* From now on providers' names come from this store, which has those of the one before in the same
 * order. For a finish on another thread, while the first store grows. */
ETW_API void etw_writer_use_store(etw_writer *writer, const etw_schema_store *store);

/* Flushes, writes summary, index and closing magic, syncs (unless SYNC_NONE), closes. After a
 * failure the file holds what could be written and is incomplete. */
ETW_API_CHECKED etw_status etw_writer_finish(etw_writer *writer, etw_error *error);
/* Frees; without a finish before it the file stays incomplete. NULL is fine. */
ETW_API void etw_writer_free(etw_writer *writer);

#endif
