/* What a report tells of a trace, gathered event by event in bounded memory. */
#ifndef ETW_FORMAT_OUTPUT_REPORT_FACTS_H
#define ETW_FORMAT_OUTPUT_REPORT_FACTS_H

#include "format/base/arena.h"
#include "format/base/table.h"
#include "format/output/event_rows.h"

#define ETW_REPORT_BINS         512u
#define ETW_REPORT_MAX_COUNTS   20000u /* kinds and processes; the others are one line more */
#define ETW_REPORT_MAX_LOSSES   200u
#define ETW_REPORT_MAX_TRACES   100u
#define ETW_REPORT_MAX_ERRORS   300u
#define ETW_REPORT_EVENTS_BYTES ((size_t)2 << 20) /* of events in the table: beyond, a sample */
#define ETW_REPORT_TEXT_BYTES   300u              /* of the properties of one event */

/* Counts by a text: "provider\tevent\tid", "process\tparent's id\tid". */
typedef struct etw_report_count {
    etw_bytes key;
    uint64_t count;
} etw_report_count;

typedef struct etw_report_counts {
    etw_table table;
    etw_arena memory;
    etw_report_count **list;
    uint32_t count, capacity;
    uint64_t others;
} etw_report_counts;

/* False where memory is out. */
bool etw_report_count_add(etw_report_counts *counts, etw_bytes key);
/* The most first. */
void etw_report_counts_sort(etw_report_counts *counts);
void etw_report_counts_free(etw_report_counts *counts);

/* One of all events by position: every step-th, the step doubled whenever they grow too large. */
typedef struct etw_report_sample {
    etw_text lines; /* JSON arrays, each with a line feed behind it */
    uint64_t step, seen;
} etw_report_sample;

typedef struct etw_report_facts {
    uint64_t events;
    bool has_times;
    int64_t first_100ns, last_100ns;
    int64_t bin_100ns; /* the width of a bin; they begin at first_100ns */
    uint64_t bins[ETW_REPORT_BINS];
    etw_report_counts kinds, processes;
    etw_report_sample sample;
    etw_text errors, losses, traces; /* as the sample's lines */
    uint32_t error_count, loss_count, trace_count;
    const etw_trace *seen[ETW_REPORT_MAX_TRACES];
    const etw_trace *latest;
    uint64_t unexplained; /* events that no schema explains */
    etw_text key;         /* of a count */
    etw_text line;
} etw_report_facts;

void etw_report_facts_free(etw_report_facts *facts);
/* False where memory is out. */
bool etw_report_facts_add(etw_report_facts *facts, etw_row *row);

/* A JSON string that may stand in a script: no < or & in it. */
void etw_report_append_string(etw_text *text, const void *utf8, size_t size);

#endif
