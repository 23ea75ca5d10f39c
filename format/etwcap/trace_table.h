/* The traces that a file describes, by their numbers. */
#ifndef ETW_FORMAT_ETWCAP_TRACE_TABLE_H
#define ETW_FORMAT_ETWCAP_TRACE_TABLE_H

#include "format/etwcap/scan.h"
#include "format/event/source.h"

/* All zero: an empty table. */
typedef struct etw_trace_table {
    etw_trace *traces[ETW_MAX_TRACES]; /* owned; NULL where nothing is known yet */
    uint16_t count;                    /* the highest number that was met, and one */
    bool searched;                     /* the whole file, for blocks out of order */
} etw_trace_table;

void etw_trace_table_free(etw_trace_table *table);

/* Keeps what a TRACE block says; a trace that is there already keeps what it has. */
etw_status etw_trace_table_load(etw_trace_table *table, etw_bytes body, etw_error *error);

/* The slow half of etw_trace_table_ensure. */
etw_status etw_trace_table_find(etw_trace_table *table, uint16_t trace_index, etw_scan *scan,
                                etw_error *error);

/* Events name traces by number: each must be there, if only as a place holder without a clock.
 * scan goes once through the file where one is missing; NULL: nothing to go back to. DAMAGED for a
 * number above the limit. */
static inline etw_status etw_trace_table_ensure(etw_trace_table *table, uint16_t trace_index,
                                                etw_scan *scan, etw_error *error)
{
    return trace_index < ETW_MAX_TRACES && table->traces[trace_index] != NULL
               ? ETW_OK
               : etw_trace_table_find(table, trace_index, scan, error);
}

/* NULL from count on. A place holder where the number's block is lost, or has never been there. */
const etw_trace *etw_trace_table_get(const etw_trace_table *table, uint16_t trace_index);

#endif
