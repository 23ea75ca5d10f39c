/* For tests of programs that consume events: traces from text in memory, and checks that show the
 * event where they fail. Any test framework will do; none is needed.
 *
 *     static etw_status on_event(const etw_event *event, void *context)
 *     {
 *         parser_feed(context, event);
 *         return ETW_OK;
 *     }
 *
 *     status = etw_test_run_text(
 *         "{\"Schema\":{\"ProviderName\":\"My.Shop\",\"Id\":1,\"ProviderId\":\"{...}\","
 *         "\"Properties\":[{\"Name\":\"Price\",\"InType\":\"UINT32\"}]}}\n"
 *         "{\"ProviderId\":\"{...}\",\"Id\":1,\"EventProperties\":{\"Price\":5}}\n",
 *         on_event, &parser, &error);
 *
 * What the text may hold is in FIXTURES.md: header fields, properties, extended items, raw bytes. A
 * saved trace is run by etw_test_run_file. */
#ifndef ETW_REPLAY_TESTING_H
#define ETW_REPLAY_TESTING_H

#include "format/event/event.h"

/* Calls callback for each event of the text, in its order; losses are passed over. Ends as
 * etw_replay_process does. Errors of the text tell line and column. */
ETW_API_CHECKED etw_status etw_test_run_text(const char *ndjson, etw_event_callback callback,
                                             void *context, etw_error *error);
/* The same for an .etwcap or .etl file. */
ETW_API_CHECKED etw_status etw_test_run_file(const char *path, etw_event_callback callback,
                                             void *context, etw_error *error);

/* Whether the property has that text, as etw-replay shows it; where not, says on stderr what it
 * has, and the event. name as in etw_event_property_text. */
ETW_API bool etw_test_property_is(const etw_event *event, const char *name, const char *text);
/* Whether an unsigned, signed or boolean property has that value; else says so, as above. */
ETW_API bool etw_test_number_is(const etw_event *event, const char *name, int64_t number);
/* The event as one line of JSON on stderr. */
ETW_API void etw_test_print(const etw_event *event);

#endif
