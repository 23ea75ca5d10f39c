/* What `stats` counts and how it is shown, between verb_stats.c and stats_output.c.
 *
 * A group's key is a list of cells: first the file, then the time where --interval is given, then
 * one for each column. */
#ifndef ETW_REPLAY_STATS_H
#define ETW_REPLAY_STATS_H

#include "replay/command/tool.h"
#include "replay/query/statistics.h"

typedef enum etw_calculation_kind {
    ETW_CALCULATE_SUM,
    ETW_CALCULATE_MIN,
    ETW_CALCULATE_MAX,
    ETW_CALCULATE_AVG,
    ETW_CALCULATE_PERCENTILE
} etw_calculation_kind;

/* One more column: of the values of a measured field. */
typedef struct etw_calculation {
    etw_calculation_kind kind;
    uint32_t percent;
    uint32_t measure;
    char name[96]; /* "avg(size)" */
} etw_calculation;

#define ETW_STATS_MAX_COLUMNS      8u
#define ETW_STATS_MAX_CALCULATIONS 16u

typedef struct etw_stats_table {
    bool has_files; /* show the file */
    bool has_interval;
    double interval_s;
    bool is_pairs; /* events are pairs, which have no bytes */
    const char *columns[ETW_STATS_MAX_COLUMNS];
    uint32_t column_count;
    etw_calculation calculations[ETW_STATS_MAX_CALCULATIONS];
    uint32_t calculation_count;
    uint32_t top; /* rows; the others are summed as one; 0: all */
} etw_stats_table;

/* Cells of keys. A cell without text stands for a value that is not there. */
void etw_stats_append_cell(etw_text *key, const char *text, size_t size);

/* Bytes of a key's cells before those of its columns. */
size_t etw_stats_key_prefix(const etw_stats_table *table, const char *key);

/* Appends the rows, the largest first; statistics' groups are not in use afterwards. */
etw_status etw_stats_print(const etw_stats_table *table, etw_statistics *statistics, bool json,
                           bool csv, etw_text *text, etw_error *error);

#endif
