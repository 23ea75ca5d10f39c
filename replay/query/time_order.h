/* Events in the order of time, for what merges several traces. */
#ifndef ETW_REPLAY_TIME_ORDER_H
#define ETW_REPLAY_TIME_ORDER_H

#include "format/event/sort.h"
#include "replay/replay.h"

/* *sort gives the source's events in the order of time: NULL where they are in that order already,
 * which a pass over their headers finds out; of a pipe, and where options' spools_all asks for it,
 * they are sorted in any case. input is what the source was opened from. */
etw_status etw_time_order_open(const etw_input *input, etw_source *source,
                               const etw_replay_options *options, etw_sort **sort,
                               etw_error *error);

#endif
