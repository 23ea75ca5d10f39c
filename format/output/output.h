/* Events made text (or packets): one format per file, one table of them all.
 *
 * A format renders events one by one and keeps nothing between them that changes what it writes, so
 * that several renderers, one per thread, give together the bytes that one would give alone. */
#ifndef ETW_FORMAT_OUTPUT_OUTPUT_H
#define ETW_FORMAT_OUTPUT_OUTPUT_H

#include "format/base/os.h"
#include "format/output/event_json.h"

/* One renderer; the first member of each format's own structure. */
typedef struct etw_output {
    etw_output_options options;
} etw_output;

/* Makes a file of all events, where a file is not their texts one after another: columns, tables.
 * It gets what `event` and `loss` of its format wrote, in order and never half an event, from one
 * thread at a time, and appends to out what of the file is ready. */
typedef struct etw_collector etw_collector;

/* What a collector may use of the world. */
typedef struct etw_collector_target {
    const etw_os *os;
    /* Of an empty folder, where the format is one; else of the empty file that becomes the output,
     * for who writes it by name; NULL: it has none. */
    const char *path;
    /* Tells the user what the file cannot; may be NULL. */
    void (*note)(void *context, const char *message);
    void *note_context;
    /* Shows how far a finish is; unit is of both numbers, "B": bytes. May be NULL. */
    void (*progress)(void *context, uint64_t done, uint64_t total, const char *unit);
    void *progress_context;
    /* Writes what of the file is ready, for a finish that appends more than a few MiB. */
    etw_status (*write)(void *context, etw_bytes bytes, etw_error *error);
    void *write_context;
} etw_collector_target;

typedef struct etw_collector_kind {
    etw_status (*open)(const etw_output_options *options, const etw_collector_target *target,
                       etw_collector **collector, etw_error *error);
    etw_status (*take)(etw_collector *collector, etw_bytes rows, etw_text *out, etw_error *error);
    etw_status (*finish)(etw_collector *collector, etw_text *out, etw_error *error);
    void (*close)(etw_collector *collector);
} etw_collector_kind;

typedef struct etw_output_format {
    const char *name; /* for --format */
    const char *help; /* one line */
    bool binary;      /* not for a terminal */
    bool is_folder;   /* the collector writes files into a folder, its path */
    bool raw_time;    /* its events come with raw time stamps */
    /* NULL where memory is out. */
    etw_output *(*open)(const etw_output_options *options);
    void (*close)(etw_output *output);
    /* What stands once before the first and once after the last event; either may be NULL. */
    void (*begin)(etw_output *output, etw_text *text);
    void (*end)(etw_output *output, etw_text *text);
    void (*event)(etw_output *output, const etw_event *event, etw_text *text);
    /* Also for losses of the cause FILTERED: events that a cut left out. */
    bool tells_filtered;
    /* Something is missing here; NULL where the format has no place for it. */
    void (*loss)(etw_output *output, const etw_loss *loss, etw_text *text);
    /* The same with options.columns alone; NULL: it has none. */
    const struct etw_output_format *with_columns;
    const etw_collector_kind *collector; /* NULL: the texts are the file; else no begin and end */
} etw_output_format;

/* Within a collector's finish: writes out, and empties it, where it has become large. */
ETW_API_CHECKED etw_status etw_collector_put(const etw_collector_target *target, etw_text *out,
                                             etw_error *error);

/* Tells the user of so many of a noun where count is not 0: "2 events left out". */
ETW_API void etw_collector_say(const etw_collector_target *target, uint64_t count, const char *noun,
                               const char *what);

/* For a format's open: size zeroed bytes that begin with the options. NULL: no memory. */
ETW_API etw_output *etw_output_new(size_t size, const etw_output_options *options);
/* For the open of a format whose renderers have nothing of their own. */
ETW_API etw_output *etw_output_open_plain(const etw_output_options *options);
/* For the close of a format that owns nothing more. */
ETW_API void etw_output_free(etw_output *output);

extern const etw_output_format etw_output_json, etw_output_text, etw_output_xml,
    etw_output_eventviewer, etw_output_csv, etw_output_pcapng, etw_output_parquet,
    etw_output_packets, etw_output_sqlite, etw_output_folded, etw_output_speedscope,
    etw_output_chrome, etw_output_perfetto, etw_output_etl, etw_output_json_array,
    etw_output_parquet_folder, etw_output_csv_folder, etw_output_html;

extern const etw_output_format etw_output_text_columns, etw_output_csv_columns,
    etw_output_json_columns;
/* Whether all of options.columns are names of fields, and any of them needs to know the process of
 * the event. */
ETW_API_CHECKED etw_status etw_output_check_columns(const etw_output_options *options,
                                                    bool *wants_processes, etw_error *error);

/* Whether a column of that name shows extended items, stacks among them. */
ETW_API bool etw_output_is_extended_info(const char *column);

/* NULL past the last. */
ETW_API const etw_output_format *etw_output_at(size_t index);
/* NULL where there is no format of that name. */
ETW_API const etw_output_format *etw_output_find(const char *name);
/* By how a file's name ends, in any case; NULL: no format has this ending. */
ETW_API const etw_output_format *etw_output_for_file(const char *path);
/* The table behind it: NULL from the end on. format may write what *ending says. */
ETW_API const char *etw_output_ending_at(size_t index);

#endif
