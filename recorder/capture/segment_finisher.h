/* A closed segment that is finished on a thread of its own: writing what is queued and the index,
 * and waiting for the disk, may take seconds, which ETW's thread does not have. */
#ifndef ETW_RECORDER_SEGMENT_FINISHER_H
#define ETW_RECORDER_SEGMENT_FINISHER_H

#include "format/etwcap/writer.h"

typedef struct etw_segment_finisher etw_segment_finisher;

/* Takes the writer over. The names that store (its own) has by now are copied, so that store may
 * grow meanwhile. NULL where memory or threads are out: the writer is then still the caller's. */
etw_segment_finisher *etw_segment_finisher_start(etw_writer *writer, const etw_schema_store *store);

bool etw_segment_finisher_is_done(etw_segment_finisher *finisher);

/* Waits for it, and frees it and the writer. As etw_writer_finish did; counts are the final ones.
 */
etw_status etw_segment_finisher_end(etw_segment_finisher *finisher, etw_writer_counts *counts,
                                    etw_error *error);

#endif
