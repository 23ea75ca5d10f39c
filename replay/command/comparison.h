/* Two traces, or what cat printed of them, compared event by event. At most ETW_ALIGN_MAX events or
 * some MiB of each are kept: what moved farther than that is one removed and one added. */
#ifndef ETW_REPLAY_COMPARISON_H
#define ETW_REPLAY_COMPARISON_H

#include "replay/command/arguments.h"
#include "replay/compare/align.h"

/* Texts of one side's events that are kept, beyond which fewer are. */
#define ETW_COMPARISON_MAX_BYTES ((size_t)32 << 20)

typedef enum etw_difference_kind {
    ETW_DIFFERENCE_CHANGED,
    ETW_DIFFERENCE_MOVED, /* and perhaps at another time */
    ETW_DIFFERENCE_REMOVED,
    ETW_DIFFERENCE_ADDED,
    ETW_DIFFERENCE_KINDS
} etw_difference_kind;

const char *etw_difference_name(etw_difference_kind kind);

/* Lent until tell returns. */
typedef struct etw_difference {
    etw_difference_kind kind;
    const etw_entry *left;  /* NULL: ADDED */
    const etw_entry *right; /* NULL: REMOVED */
} etw_difference;

typedef struct etw_comparison_options {
    const char *names[2];   /* inputs */
    bool is_text[2];        /* NDJSON; else a trace */
    bool compares_losses;   /* as events; else they are only counted */
    bool passes_first_line; /* of the left one */
    const etw_rules *rules;
    /* May end the comparison by a failure. */
    etw_status (*tell)(void *context, const etw_difference *difference, etw_error *error);
    void *context;
} etw_comparison_options;

typedef struct etw_comparison_result {
    uint64_t events[2];
    uint64_t same;
    uint64_t differences[ETW_DIFFERENCE_KINDS];
    etw_replay_totals totals[2]; /* of texts: only the losses */
} etw_comparison_result;

static inline uint64_t etw_comparison_differences(const etw_comparison_result *result)
{
    return result->differences[ETW_DIFFERENCE_CHANGED] + result->differences[ETW_DIFFERENCE_MOVED] +
           result->differences[ETW_DIFFERENCE_REMOVED] + result->differences[ETW_DIFFERENCE_ADDED];
}

/* Whether the input is NDJSON: it begins with {. False for a pipe, which cannot be looked into. */
bool etw_comparison_is_text(const char *input);

etw_status etw_compare(const etw_replay_arguments *arguments, const etw_comparison_options *options,
                       etw_comparison_result *result, etw_error *error);

/* The rules of the command line. */
etw_status etw_comparison_rules(const etw_replay_arguments *arguments, etw_rules *rules,
                                etw_error *error);

#endif
