/* An input among several, in the order of time, so that what is merged of them is, too. */
#ifndef ETW_RECORDER_ORDERED_INPUT_H
#define ETW_RECORDER_ORDERED_INPUT_H

#include "format/base/console.h"
#include "format/event/source.h"
#include "format/input/time_order.h"

typedef struct etw_ordered_input_options {
    etw_input *input; /* what the source was opened from */
    etw_spool *spool;
    bool spools_all;       /* as etw_time_order_open */
    etw_status_line *line; /* shows how much of it was read while it is put in order */
} etw_ordered_input_options;

/* *ordered takes the source over where it is not in order already; else it is the source itself,
 * which stays the caller's where this fails. What options point to outlives both. */
etw_status etw_ordered_input_open(etw_source *source, const etw_ordered_input_options *options,
                                  etw_source **ordered, etw_error *error);

#endif
