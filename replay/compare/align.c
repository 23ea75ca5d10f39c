#include "replay/compare/align.h"

#include <stdlib.h>

#define WIDTH (ETW_ALIGN_MAX + 1)
/* Equal entries count more than any number of pairs that only are of one kind; a few of the latter
 * do not make up for one equal pair. */
#define SCORE_SAME    (2 * WIDTH)
#define SCORE_CONTENT (SCORE_SAME - 1)
#define SCORE_KIND    1u

static uint32_t score_of(const etw_entry *left, const etw_entry *right)
{
    if (left->key != right->key) {
        return 0;
    }
    if (left->content != right->content) {
        return SCORE_KIND;
    }
    return left->hash == right->hash ? SCORE_SAME : SCORE_CONTENT;
}

static uint32_t most(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

/* scores[i][j]: of left from i on against right from j on. */
static void fill(uint32_t *scores, const etw_entry *const *left, uint32_t left_count,
                 const etw_entry *const *right, uint32_t right_count)
{
    for (uint32_t j = 0; j <= right_count; j++) {
        scores[left_count * WIDTH + j] = 0;
    }
    for (uint32_t i = left_count; i-- > 0;) {
        uint32_t *row = scores + (size_t)i * WIDTH;
        const uint32_t *below = row + WIDTH;
        row[right_count] = 0;
        for (uint32_t j = right_count; j-- > 0;) {
            const uint32_t score = score_of(left[i], right[j]);
            const uint32_t apart = most(row[j + 1], below[j]);
            row[j] = score == 0 ? apart : most(apart, below[j + 1] + score);
        }
    }
}

etw_status etw_align(etw_alignment *alignment, const etw_entry *const *left, uint32_t left_count,
                     const etw_entry *const *right, uint32_t right_count)
{
    if (alignment->scores == NULL) {
        alignment->scores = malloc((size_t)WIDTH * WIDTH * sizeof *alignment->scores);
    }
    uint32_t *scores = alignment->scores;
    if (scores == NULL) {
        return ETW_ERROR_NO_MEMORY;
    }
    memset(alignment->of_left, 0xFF, sizeof alignment->of_left);
    memset(alignment->of_right, 0xFF, sizeof alignment->of_right);
    fill(scores, left, left_count, right, right_count);
    uint32_t i = 0;
    uint32_t j = 0;
    while (i < left_count && j < right_count) {
        const uint32_t *at = scores + (size_t)i * WIDTH + j;
        const uint32_t score = score_of(left[i], right[j]);
        if (score > 0 && *at == at[WIDTH + 1] + score) {
            alignment->of_left[i] = j;
            alignment->of_right[j] = i;
            i++;
            j++;
        } else if (*at == at[WIDTH]) {
            i++;
        } else {
            j++;
        }
    }
    return ETW_OK;
}

void etw_alignment_free(etw_alignment *alignment)
{
    free(alignment->scores);
}
