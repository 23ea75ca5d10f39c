/* The options and verbs of etw-replay: CONTRIBUTING.md says how to add one. */
#ifndef ETW_REPLAY_OPTIONS_H
#define ETW_REPLAY_OPTIONS_H

#include "format/base/options.h"
#include "replay/command/arguments.h"

/* Groups of options, named by the verbs that take them: a bit each, which a test compares. */
enum {
    ETW_TAKES_FILTER = 1 << 0,    /* which events */
    ETW_TAKES_RENDERING = 1 << 1, /* how events become text */
    ETW_TAKES_JSON = 1 << 2,      /* --json */
    ETW_TAKES_OUTPUT = 1 << 3,    /* -o */
    ETW_TAKES_FORCE = 1 << 4,     /* --force */
    ETW_TAKES_WRITER = 1 << 5,    /* an .etwcap is written */
    ETW_TAKES_REDACTION = 1 << 6,
    ETW_TAKES_LEVEL_ALIAS = 1 << 7, /* --level is --compression, as it was once */
    ETW_TAKES_MANIFEST = 1 << 8,
    ETW_TAKES_THREADS = 1 << 9,
    ETW_TAKES_COMPARISON = 1 << 10, /* what counts when events are compared */
    ETW_TAKES_EXPECTATION = 1 << 11,
    ETW_TAKES_REDUCTION = 1 << 12,
    ETW_TAKES_SCHEMAS_ALONE = 1 << 13,
    ETW_TAKES_FAULTS = 1 << 14,
    ETW_TAKES_SPEED = 1 << 15,
    ETW_TAKES_PROCESSES = 1 << 16, /* what info tells */
    ETW_TAKES_TREE = 1 << 17,
    ETW_TAKES_AT = 1 << 18,
    ETW_TAKES_STATS = 1 << 19,
    ETW_TAKES_PROCESS = 1 << 20,
    ETW_TAKES_EXPORT = 1 << 21,
    ETW_TAKES_PACK = 1 << 22,
    ETW_TAKES_OFFSET = 1 << 23,
    ETW_TAKES_SPLIT = 1 << 24,
    ETW_TAKES_ORDER = 1 << 25, /* how several inputs are read */
    ETW_TAKES_FOLLOW = 1 << 26
};

/* For .apply of a time, which is kept as text: relative ones need the trace. */
etw_status etw_option_check_time(const etw_option_use *use);

extern const etw_option_section etw_event_options;     /* which events, and how they are printed */
extern const etw_option_section etw_selection_options; /* the last, and those around others */
extern const etw_option_section etw_stats_options;     /* what is counted, and how */
extern const etw_option_section etw_compare_options;   /* what counts when events are compared */
extern const etw_option_section etw_reduce_options;    /* what makes a command fail */
extern const etw_option_section etw_fault_options_section;
extern const etw_option_section etw_export_options; /* what else events are made into */
extern const etw_option_section etw_trace_options;  /* all others */

#endif
