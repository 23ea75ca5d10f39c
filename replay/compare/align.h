/* Which entries of two lists are each other's: the longest common subsequence of equal ones, and
 * among all such the one with most pairs of the same kind. */
#ifndef ETW_REPLAY_COMPARE_ALIGN_H
#define ETW_REPLAY_COMPARE_ALIGN_H

#include "replay/compare/entry.h"

/* Entries of one list: (this + 1)^2 numbers of 4 bytes are needed. */
#define ETW_ALIGN_MAX  1024u
#define ETW_ALIGN_NONE UINT32_MAX

typedef struct etw_alignment {
    uint32_t *scores;                /* owned */
    uint32_t of_left[ETW_ALIGN_MAX]; /* index of its counterpart, or ETW_ALIGN_NONE */
    uint32_t of_right[ETW_ALIGN_MAX];
} etw_alignment;

/* Zeroed: ready. ETW_ERROR_NO_MEMORY. Counts are at most ETW_ALIGN_MAX. */
etw_status etw_align(etw_alignment *alignment, const etw_entry *const *left, uint32_t left_count,
                     const etw_entry *const *right, uint32_t right_count);
void etw_alignment_free(etw_alignment *alignment);

#endif
