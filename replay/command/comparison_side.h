/* One of the two sides of a comparison: a trace, or NDJSON, read entry by entry. */
#ifndef ETW_REPLAY_COMPARISON_SIDE_H
#define ETW_REPLAY_COMPARISON_SIDE_H

#include "format/base/line_reader.h"
#include "replay/command/comparison.h"
#include "replay/command/schema_lines.h"
#include "replay/replay_input.h"

typedef struct etw_side_options {
    const char *input;
    bool is_text;
    bool passes_first_line;
    bool gives_losses;
    bool has_names; /* of processes and images, as cat prints them */
    bool only_schemas;
    bool counts_bytes; /* entries tell hashes of what the text may not */
    const etw_rules *rules;
} etw_side_options;

typedef struct etw_side {
    etw_side_options options;
    etw_replay *replay; /* NULL: text */
    etw_line_reader lines;
    etw_json_document document;
    etw_normalizer normalizer;
    etw_address_namer namer;
    const etw_event *held; /* behind the losses that wait */
    etw_text losses;       /* lines that wait to be given */
    size_t losses_given;
    etw_text line;
    etw_schema_lines schemas; /* of only_schemas */
    uint64_t given;
    uint64_t losses_seen; /* in a text */
    bool is_at_end;
} etw_side;

/* Zeroed before; closed also after a failure. */
etw_status etw_side_open(etw_side *side, const etw_replay_arguments *arguments,
                         const etw_side_options *options, etw_error *error);
/* ETW_END. kept: as in etw_entry_read. */
etw_status etw_side_next(etw_side *side, etw_entry *entry, etw_text *kept, etw_error *error);
void etw_side_get_totals(const etw_side *side, etw_replay_totals *totals);
void etw_side_close(etw_side *side);

#endif
