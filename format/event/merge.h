/* Several sources as one, in the order of their system time; ties in the order the sources were
 * given. Where several are files of one rotated session, whose loss counts are of all files so far,
 * each loses only what the file before has not counted. */
#ifndef ETW_FORMAT_EVENT_MERGE_H
#define ETW_FORMAT_EVENT_MERGE_H

#include "format/event/source.h"

/* Takes ownership of the count (1 to ETW_MAX_TRACES) sources, also on failure. Items carry the
 * merged source's own trace indexes, given out as traces are first seen. A source that fails
 * half-way becomes a LOSS item (cause TRUNCATED, the message as its detail); the others go on, and
 * when all have ended, next returns that first failure instead of ETW_END. */
ETW_API_CHECKED etw_status etw_merge_open(etw_source *const *sources, uint32_t count,
                                          etw_source **merged, etw_error *error);

/* The merged source's index of a trace (below the count of its own source) of the input of that
 * number, given out now where no item had it yet: for what an input tells beside its items. */
ETW_API_CHECKED etw_status etw_merge_trace_index(etw_source *merged, uint32_t input,
                                                 uint16_t trace_index, uint16_t *merged_index,
                                                 etw_error *error);

#endif
