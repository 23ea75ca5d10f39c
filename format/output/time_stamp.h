/* The time stamp of an event, in the form that the options ask for. */
#ifndef ETW_FORMAT_OUTPUT_TIME_STAMP_H
#define ETW_FORMAT_OUTPUT_TIME_STAMP_H

#include "format/output/event_json.h"
#include "format/output/put.h"

/* Whether the form is a plain number: raw ticks, or seconds. */
static inline bool etw_time_stamp_is_number(const etw_output_options *options)
{
    return options->raw_time || options->time == ETW_TIME_RELATIVE;
}

/* At most ETW_PUT_TIME_MAX bytes. The cache belongs to one loop over events, with one form. */
char *etw_put_time_stamp(char *at, etw_put_time_cache *cache, const etw_output_options *options,
                         const etw_event *event);
void etw_text_append_time_stamp(etw_text *text, etw_put_time_cache *cache,
                                const etw_output_options *options, const etw_event *event);

#endif
