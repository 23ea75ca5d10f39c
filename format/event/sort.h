/* A source in the order of time, whatever order its events are in; events of one time keep their
 * order. Losses keep their place behind the event that they stood behind, or one of the same time.
 *
 * All of the source is read first and moves, sorted in chunks, into a temporary file from which the
 * chunks are merged. Memory: 17 MiB while it is read, then ETW_SORT_WINDOW for each chunk, of which
 * there is one where the source is in order already, and never more than ETW_SORT_MAX_RUNS. An
 * event that is larger than the window has one of its size. */
#ifndef ETW_FORMAT_EVENT_SORT_H
#define ETW_FORMAT_EVENT_SORT_H

#include "format/base/os.h"
#include "format/event/source.h"

#define ETW_SORT_WINDOW   ((size_t)16 << 10)
#define ETW_SORT_MAX_RUNS 1024u

/* The temporary file, for any number of sources. Not thread safe. */
typedef struct etw_spool etw_spool;

/* The file is made once something is written. NULL: no memory. */
ETW_API etw_spool *etw_spool_new(const etw_os *os);
ETW_API void etw_spool_free(etw_spool *spool);
/* Asked now and then while a source is read: true ends that as a failure, ETW_ERROR_STOPPED. */
ETW_API void etw_spool_stop_by(etw_spool *spool, bool (*is_stopped)(void *context), void *context);

typedef struct etw_sort etw_sort;

/* source and spool must outlive it. Nothing is read yet. chunk_events: sorted at once, at most
 * ETW_BATCH_MAX_EVENTS; 0: that many. */
ETW_API_CHECKED etw_status etw_sort_open(etw_source *source, etw_spool *spool,
                                         uint32_t chunk_events, etw_sort **sort, etw_error *error);
/* As etw_source_next; trace_index and schema_id are the source's. Where the source failed half-way,
 * what it gave comes first, then its failure. */
ETW_API_CHECKED etw_status etw_sort_next(etw_sort *sort, etw_item *item, etw_error *error);
ETW_API void etw_sort_close(etw_sort *sort);

/* Reads the source until an event is earlier than one before it (*is_sorted false), or to its end.
 */
ETW_API_CHECKED etw_status etw_sort_check(etw_source *source, bool *is_sorted, etw_error *error);

#endif
