/* Weights summed by stack, in bounded memory: stacks that come when it is full are summed by their
 * processes. */
#ifndef ETW_FORMAT_OUTPUT_STACK_SUMS_H
#define ETW_FORMAT_OUTPUT_STACK_SUMS_H

#include "format/output/stacks/stack_rows.h"

#define ETW_STACK_SUMS_MAX_BYTES ((size_t)256 << 20)

typedef struct etw_stack_sum {
    etw_bytes frames;
    uint64_t weight;
    uint32_t process_size; /* bytes of the first frame */
} etw_stack_sum;

typedef struct etw_stack_sums etw_stack_sums;
etw_stack_sums *etw_stack_sums_new(void); /* NULL: no memory */
void etw_stack_sums_free(etw_stack_sums *sums);
etw_status etw_stack_sums_add(etw_stack_sums *sums, const etw_stack_row *row, etw_error *error);

/* By their frames, those of one process together; no more may be added. */
const etw_stack_sum *const *etw_stack_sums_sorted(etw_stack_sums *sums, uint32_t *count);
/* How many rows had that fault; one not among them: rows above the limit. */
uint64_t etw_stack_sums_faults(const etw_stack_sums *sums, etw_stack_row_fault fault);
uint64_t etw_stack_sums_crowded_out(const etw_stack_sums *sums);

#endif
