/* What writing a column would cost, judged by a sample of its values: integers only, so that every
 * machine chooses alike. Shared by column_write.c, which chooses, and column_form.c, whose sparse
 * form holds a column again. */
#ifndef ETW_FORMAT_ETWCAP_COLUMN_COST_H
#define ETW_FORMAT_ETWCAP_COLUMN_COST_H

#include "format/etwcap/codec/column.h"

enum {
    ETW_SAMPLE_RUN = 64, /* consecutive values, so that deltas are real ones */
    ETW_SAMPLE_RUNS = 4,
    ETW_SAMPLE_SIZE = ETW_SAMPLE_RUN * ETW_SAMPLE_RUNS
};

/* Runs of neighbouring values, or all of them. */
typedef struct etw_sample_runs {
    uint32_t count, length, stride;
} etw_sample_runs;

/* The runs of a sample of a column of count values. */
etw_sample_runs etw_sample_runs_of(uint32_t count);
/* Takes the sample; there is room for ETW_SAMPLE_SIZE. Returns how many values it has. */
uint32_t etw_sample_take(const uint64_t *values, uint32_t count, uint64_t *sample);

/* Of entropies: to be set up once. */
typedef struct etw_column_costs {
    uint32_t
        equal[ETW_SAMPLE_SIZE + 1]; /* what the n-th equal value adds to n * log2(n), times 256 */
    uint32_t total[ETW_SAMPLE_SIZE + 1]; /* n * log2(n), times 256 */
} etw_column_costs;

void etw_column_costs_init(etw_column_costs *costs);

typedef struct etw_estimate {
    uint32_t bits_256; /* per sample, times 256 */
    uint32_t form;     /* ETW_COLUMN_PLANES, ... */
} etw_estimate;

/* What the best form would cost for the sample; where that is limit or more, perhaps more than it
 * would. count: of the whole column. */
etw_estimate etw_estimate_forms(const etw_column_costs *costs, const uint64_t *sample,
                                uint32_t sample_count, uint32_t count, uint32_t limit);

/* Bytes up to the highest that is not 0. */
static inline uint32_t etw_significant_bytes(uint64_t value)
{
    return value == 0 ? 0 : 8 - (uint32_t)__builtin_clzll(value) / 8;
}

#endif
