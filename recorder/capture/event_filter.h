/* Which events a recording keeps: an expression of the filter language, asked before an event is
 * written. What is left out is counted. */
#ifndef ETW_RECORDER_EVENT_FILTER_H
#define ETW_RECORDER_EVENT_FILTER_H

#include "format/event/event.h"
#include "format/event/schema.h"
#include "format/query/where.h"

typedef struct etw_event_filter etw_event_filter;

/* ETW_ERROR_UNSUPPORTED where the expression asks for what is not known while events come: names of
 * processes, and the time of the last event. */
ETW_API_CHECKED etw_status etw_event_filter_check(const etw_where *where, etw_error *error);

/* The filter has its own copy of the expression. store has the names of providers and outlives it.
 * Fails as check does, too. */
ETW_API_CHECKED etw_status etw_event_filter_new(const etw_where *where,
                                                const etw_schema_store *store,
                                                etw_event_filter **filter, etw_error *error);
ETW_API void etw_event_filter_free(etw_event_filter *filter);

/* What the header alone says; NO is counted. record's TimeStamp is raw ticks. Times such as +5s
 * count from the first event that was looked at. */
ETW_API etw_verdict etw_event_filter_header(etw_event_filter *filter,
                                            const etw_event_record *record, const etw_trace *trace);
/* After OPEN, once the schema is known (NULL: there is none); what does not pass is counted. */
ETW_API_CHECKED etw_status etw_event_filter_event(etw_event_filter *filter,
                                                  const etw_event_record *record,
                                                  const etw_trace *trace, const etw_schema *schema,
                                                  bool *passes, etw_error *error);

/* Gives what was left out since the last call as the loss that tells it; false where nothing was.
 */
ETW_API bool etw_event_filter_take_count(etw_event_filter *filter, etw_loss *loss);

#endif
