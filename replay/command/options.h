/* The options and verbs of etw-replay: CONTRIBUTING.md says how to add one. */
#ifndef ETW_REPLAY_OPTIONS_H
#define ETW_REPLAY_OPTIONS_H

#include "format/base/options.h"
#include "replay/command/arguments.h"

/* Groups of options, named by the verbs that take them. */
enum {
    ETW_TAKES_FILTER = 0x01,    /* which events */
    ETW_TAKES_RENDERING = 0x02, /* how events become text */
    ETW_TAKES_JSON = 0x04,      /* --json */
    ETW_TAKES_OUTPUT = 0x08,    /* -o */
    ETW_TAKES_FORCE = 0x10,     /* --force */
    ETW_TAKES_WRITER = 0x20,    /* an .etwcap is written */
    ETW_TAKES_REDACTION = 0x40,
    ETW_TAKES_LEVEL_ALIAS = 0x80, /* --level is --compression, as it was once */
    ETW_TAKES_MANIFEST = 0x100,
    ETW_TAKES_THREADS = 0x200,
    ETW_TAKES_COMPARISON = 0x400, /* what counts when events are compared */
    ETW_TAKES_EXPECTATION = 0x1000000,
    ETW_TAKES_REDUCTION = 0x2000000,
    ETW_TAKES_SCHEMAS_ALONE = 0x4000000,
    ETW_TAKES_FAULTS = 0x8000000,
    ETW_TAKES_SPEED = 0x800,
    ETW_TAKES_PROCESSES = 0x1000, /* what info tells */
    ETW_TAKES_TREE = 0x100000,
    ETW_TAKES_AT = 0x200000,
    ETW_TAKES_STATS = 0x2000,
    ETW_TAKES_PROCESS = 0x400000,
    ETW_TAKES_EXPORT = 0x10000000,
    ETW_TAKES_PACK = 0x20000000,
    ETW_TAKES_OFFSET = 0x1000000,
    ETW_TAKES_SPLIT = 0x2000000,
    ETW_TAKES_ORDER = 0x40000000 /* how several inputs are read */
};

/* For .apply of a time, which is kept as text: relative ones need the trace. */
etw_status etw_option_check_time(const etw_option_use *use);

extern const etw_option_section etw_event_options;     /* which events, and how they are printed */
extern const etw_option_section etw_selection_options; /* the last, and those around others */
extern const etw_option_section etw_stats_options;     /* what is counted, and how */
extern const etw_option_section etw_compare_options;   /* what counts when events are compared */
extern const etw_option_section etw_reduce_options;    /* what makes a command fail */
extern const etw_option_section etw_fault_options_section;
extern const etw_option_section etw_export_options;    /* what else events are made into */
extern const etw_option_section etw_trace_options;     /* all others */

#endif
