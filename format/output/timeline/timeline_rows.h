/* Events as what happens on threads: beginnings, ends, moments, switches of context, counters. */
#ifndef ETW_FORMAT_OUTPUT_TIMELINE_ROWS_H
#define ETW_FORMAT_OUTPUT_TIMELINE_ROWS_H

#include "format/output/output.h"

typedef enum etw_timeline_kind {
    ETW_TIMELINE_INSTANT,
    ETW_TIMELINE_START,
    ETW_TIMELINE_STOP,
    ETW_TIMELINE_SWITCH, /* of a processor, from old_thread to thread */
    ETW_TIMELINE_NAME,   /* of a thread */
    ETW_TIMELINE_COUNTER
} etw_timeline_kind;

typedef struct etw_timeline_row {
    int64_t time_100ns;
    uint64_t key; /* joins a START and a STOP: a hash of what they have in common */
    double value; /* of a COUNTER */
    uint32_t process_id, thread_id;
    uint32_t old_thread;
    uint16_t processor;
    uint8_t kind;                   /* an etw_timeline_kind */
    uint8_t old_state, wait_reason; /* of the thread that was switched out */
    bool is_single; /* of a START: while one is open another with its key is the same once more */
    etw_bytes name; /* UTF-8, as those below */
    etw_bytes category; /* the provider */
    etw_bytes process;  /* its name; empty where unknown */
    etw_bytes args;     /* a JSON object, or empty */
} etw_timeline_row;

void etw_timeline_row_append(const etw_output_options *options, const etw_event *event,
                             etw_text *rows);
bool etw_timeline_row_next(etw_bytes *rows, etw_timeline_row *row);

#endif
