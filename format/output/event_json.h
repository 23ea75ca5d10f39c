/* One event as one JSON text. */
#ifndef ETW_FORMAT_OUTPUT_EVENT_JSON_H
#define ETW_FORMAT_OUTPUT_EVENT_JSON_H

#include "format/event/event.h"
#include "format/event/rundown.h"

/* How events are made text; all zero: as `etw-replay` does without options. */
typedef struct etw_output_options {
    bool message;      /* the event's message with its inserts filled in */
    bool exact;        /* property texts exactly as TDH gives them (plan.h, ETW_TEXT_EXACT) */
    bool typed;        /* typed values where the format has them (JSON) */
    bool hex_numbers;  /* of typed values those that Windows shows in hex, too */
    bool names;        /* of level, opcode, task, keywords and channel (JSON) */
    bool raw_time;     /* time stamps as raw ticks of the trace's clock */
    bool process_info; /* what is known of the event's process, as an object (JSON) */
    bool schema_hash;  /* which schema explained the event */
    /* Names the images that hold the addresses of stacks; NULL: none are named. */
    const etw_rundown *rundown;
} etw_output_options;

/* Appends the JSON object that `etw-replay` writes as one line, without the line's end. options may
 * be NULL. ETW_ERROR_EXPIRED; ETW_ERROR_NO_MEMORY where the text could not grow (what it then holds
 * is not the whole object). */
ETW_API_CHECKED etw_status etw_event_json(const etw_event *event, const etw_output_options *options,
                                          etw_text *text);

#endif
