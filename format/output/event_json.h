/* One event as one JSON text. */
#ifndef ETW_FORMAT_OUTPUT_EVENT_JSON_H
#define ETW_FORMAT_OUTPUT_EVENT_JSON_H

#include "format/event/event.h"

/* An address in a stack of the event, of that process at the event's time. */
typedef struct etw_address {
    const etw_event *event;
    uint64_t value;
    uint32_t process_id;
    bool with_methods; /* the method of .NET is asked for, where it lies in an image, too */
} etw_address;

/* Both ends are within. */
typedef struct etw_time_span {
    int64_t from_100ns, to_100ns;
} etw_time_span;

/* Names addresses of stacks. */
typedef struct etw_address_namer {
    const void *context;
    /* Appends the name, such as "ntdll.dll+0x1234"; false and nothing appended where there is none.
     * same: is narrowed to the times at which the answer is the same. Called by several threads at
     * once. */
    bool (*append)(const void *context, const etw_address *address, etw_time_span *same,
                   etw_text *text);
} etw_address_namer;

/* How much of call stacks is shown. */
typedef enum etw_stack_form {
    ETW_STACK_MODULES,   /* "ntdll.dll+0x1234" beside the addresses */
    ETW_STACK_NONE,      /* nothing */
    ETW_STACK_ADDRESSES, /* addresses alone */
    ETW_STACK_NAMES      /* beside the modules, the methods of .NET that the trace names */
} etw_stack_form;

/* Folders of a data set, by what their events have in common. */
enum { ETW_PARTITION_HOST = 1, ETW_PARTITION_PROVIDER = 2, ETW_PARTITION_DATE = 4 };

/* What stacks are weighed by, where they are summed. */
typedef enum etw_stack_weight {
    ETW_STACK_WEIGHT_COUNT,   /* 1 each */
    ETW_STACK_WEIGHT_TIME,    /* of samples: nanoseconds since the one before */
    ETW_STACK_WEIGHT_PROPERTY /* a number of the event */
} etw_stack_weight;

/* How times of events are written. */
typedef enum etw_time_form {
    ETW_TIME_UTC,     /* 2020-07-29T00:07:10.6912345Z */
    ETW_TIME_LOCAL,   /* 2020-07-29T02:07:10.6912345+02:00, in the reader's own time zone */
    ETW_TIME_RELATIVE /* 10.6912345: seconds since start_100ns */
} etw_time_form;

/* How events are made text; all zero: as `etw-replay` does without options. */

typedef enum etw_pcapng_layout {
    ETW_PCAPNG_REGISTERED, /* as tcpdump.org has it, and Wireshark 3.6 to 4.6 */
    ETW_PCAPNG_PARTS       /* as Wireshark's main branch has it since 2026 */
} etw_pcapng_layout;

typedef struct etw_output_options {
    bool message;            /* the event's message with its inserts filled in */
    bool exact;              /* property texts exactly as TDH gives them (plan.h, ETW_TEXT_EXACT) */
    bool typed;              /* typed values where the format has them (JSON) */
    bool hex_numbers;        /* of typed values those that Windows shows in hex, too */
    bool names;              /* of level, opcode, task, keywords and channel (JSON) */
    bool raw_time;           /* time stamps as raw ticks of the trace's clock */
    bool process_info;       /* what is known of the event's process, as an object (JSON) */
    uint32_t pcapng_layout;  /* an etw_pcapng_layout (pcapng) */
    bool compressed_buffers; /* of an .etl file, as Windows 8 and later do (etl) */
    bool all_components;     /* packets as often as PktMon logged them (packets) */
    bool schema_hash;        /* which schema explained the event */
    bool file;       /* a column for the file of each event (CSV), which others have anyhow */
    bool strings;    /* add the strings found in user data that no schema explains */
    uint32_t stacks; /* an etw_stack_form */
    const char *const *counters; /* properties that are counters (chrome, perfetto) */
    uint32_t counter_count;
    uint32_t partition;    /* ETW_PARTITION_..., or 0 (folders of files) */
    uint32_t stack_weight; /* an etw_stack_weight (folded, speedscope), and its property */
    const char *stack_property;
    bool stack_events;          /* stacks of all events, not of CPU samples alone */
    uint32_t sample_100ns;      /* between two samples of a CPU; 0: unknown */
    bool colors;                /* lines coloured by level (text) */
    uint32_t width;             /* lines cut to so many characters (text); 0: not */
    uint32_t time;              /* an etw_time_form (JSON, CSV, text) */
    int64_t start_100ns;        /* of ETW_TIME_RELATIVE */
    const char *const *columns; /* fields by the names of filters; count 0: all of the event */
    uint32_t column_count;
    const etw_address_namer *namer;      /* NULL: addresses have no names */
    struct etw_stack_texts *stack_texts; /* each output's own, which sets it; NULL elsewhere */
} etw_output_options;

/* Appends the JSON object that `etw-replay` writes as one line, without the line's end. options may
 * be NULL. ETW_ERROR_EXPIRED; ETW_ERROR_NO_MEMORY where the text could not grow (what it then holds
 * is not the whole object). */
ETW_API_CHECKED etw_status etw_event_json(const etw_event *event, const etw_output_options *options,
                                          etw_text *text);

/* Appends "{...}" with what is known of a loss. */
ETW_API void etw_json_append_loss(const etw_loss *loss, etw_text *text);

#endif
