/* Counts and measures of events in groups, in bounded memory: the groups that come first have rows
 * of their own; what comes when the table is full is summed as one more group, "others".
 *
 * Percentiles come from counts in classes 2 % wide (DDSketch: Masson and others, 2019): each is
 * within 1 % of a value that has that rank. */
#ifndef ETW_REPLAY_QUERY_STATISTICS_H
#define ETW_REPLAY_QUERY_STATISTICS_H

#include "format/base/status.h"

#define ETW_STATISTICS_MAX_GROUPS    100000u
#define ETW_STATISTICS_MAX_SKETCHED  1000u /* groups, where percentiles are asked for */
#define ETW_STATISTICS_MAX_KEY_BYTES ((size_t)64 << 20)
#define ETW_STATISTICS_MAX_MEASURES  8u

typedef struct etw_sketch etw_sketch;

/* Values of one field within a group. */
typedef struct etw_measure {
    uint64_t count;
    double sum, least, most;
    etw_sketch *sketch; /* NULL: none is kept */
} etw_measure;

typedef struct etw_group {
    const char *key; /* the caller's bytes, copied */
    size_t key_size;
    uint64_t events, bytes;
    int64_t first_100ns, last_100ns;
    etw_measure *measures;
} etw_group;

typedef struct etw_statistics etw_statistics;

/* NULL: no memory. most_groups: 0 for the limits above. */
ETW_API etw_statistics *etw_statistics_new(uint32_t measures, bool sketches, uint32_t most_groups);
ETW_API void etw_statistics_free(etw_statistics *statistics);

/* The group of that key, made where it is new; that of the others where the table is full. Valid
 * until the statistics are freed. */
ETW_API_CHECKED etw_status etw_statistics_group(etw_statistics *statistics, const void *key,
                                                size_t key_size, etw_group **group,
                                                etw_error *error);
ETW_API void etw_group_count(etw_group *group, uint64_t bytes, int64_t time_100ns);
ETW_API_CHECKED etw_status etw_statistics_measure(etw_statistics *statistics, etw_group *group,
                                                  uint32_t measure, double value, etw_error *error);
/* Adds the counts and measures of one group to another. */
ETW_API_CHECKED etw_status etw_statistics_join(etw_statistics *statistics, etw_group *to,
                                               const etw_group *from, etw_error *error);

ETW_API uint32_t etw_statistics_count(const etw_statistics *statistics);
ETW_API etw_group *etw_statistics_at(const etw_statistics *statistics, uint32_t index);
/* events 0: the table was never full. */
ETW_API etw_group *etw_statistics_others(etw_statistics *statistics);

/* percent: 0 to 100; 0 where there are no values. */
ETW_API double etw_measure_percentile(const etw_measure *measure, double percent);

#endif
