/* Differences as people and as programs read them. */
#ifndef ETW_REPLAY_DIFFERENCE_H
#define ETW_REPLAY_DIFFERENCE_H

#include "replay/command/comparison.h"

/* Fields of one event that are printed; JSON has them all. */
#define ETW_DIFFERENCE_MAX_FIELDS 40u
/* Bytes of a value that are printed, from a little before where the two differ. */
#define ETW_DIFFERENCE_MAX_VALUE 160u

/* colours: for a terminal. ETW_ERROR_NO_MEMORY. */
etw_status etw_difference_append_text(const etw_difference *difference, bool colours,
                                      etw_text *text);
/* One line: {"Change":"changed","Left":5,"Right":5,...,"Fields":[...]}. */
etw_status etw_difference_append_json(const etw_difference *difference, etw_text *text);

/* "12 events compared, 3 differ: 1 changed, ...". */
void etw_comparison_append_summary(const etw_comparison_result *result, etw_text *text);
void etw_comparison_append_summary_json(const etw_comparison_result *result, etw_text *text);

#endif
