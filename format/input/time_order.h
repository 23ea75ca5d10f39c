/* Events in the order of time, for what merges several traces. */
#ifndef ETW_FORMAT_TIME_ORDER_H
#define ETW_FORMAT_TIME_ORDER_H

#include "format/event/sort.h"
#include "format/input/input.h"

/* So many traces are read side by side, each with its reader's memory; of more, each is moved into
 * the spool first. */
#define ETW_TRACES_AT_ONCE 16u

/* *sort gives the source's events in the order of time: NULL where they are in that order already,
 * which a pass over their headers finds out; of a pipe, and with spools_all, they are sorted in any
 * case. input is what the source was opened from; source and spool outlive the sort. */
ETW_API_CHECKED etw_status etw_time_order_open(const etw_input *input, etw_source *source,
                                               etw_spool *spool, bool spools_all, etw_sort **sort,
                                               etw_error *error);

#endif
