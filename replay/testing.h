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

/* A trace that is made piece by piece: text as above, and events of a few words. */
typedef struct etw_test_trace etw_test_trace;

ETW_API_CHECKED etw_status etw_test_trace_new(etw_test_trace **trace, etw_error *error);
ETW_API void etw_test_trace_free(etw_test_trace *trace);
/* Schemas, losses, events: one or more lines, which are copied and looked at when the trace runs.
 */
ETW_API_CHECKED etw_status etw_test_trace_add_text(etw_test_trace *trace, const char *ndjson,
                                                   etw_error *error);
/* An event of a provider (its name, or its GUID in braces) and id that a schema of the text
 * before it describes. Behind them stand names and values of properties in pairs, texts as etw-replay shows
 * them, in any order, and NULL:
 *
 *     etw_build_event(trace, "My.Shop", 1, "Price", "5", "Name", "tea", NULL)
 *
 * A name that begins with a dot is a member of the event itself, its value a piece of JSON:
 * ".ProcessId", "4711", ".ExtendedInfo", "{\"SessionID\":2}". What does not fit is told when the
 * trace runs. */
ETW_API_CHECKED etw_status etw_build_event(etw_test_trace *trace, const char *provider, unsigned id,
                                           ...);
/* As etw_test_run_text; any number of times. */
ETW_API_CHECKED etw_status etw_test_trace_run(etw_test_trace *trace, etw_event_callback callback,
                                              void *context, etw_error *error);
/* Its lines; lent until something is added. */
ETW_API const char *etw_test_trace_text(etw_test_trace *trace);
/* As an .etwcap file, which is not left where it cannot be written whole. replace: an existing file
 * is overwritten; else ETW_ERROR_EXISTS. */
ETW_API_CHECKED etw_status etw_test_trace_save(etw_test_trace *trace, const char *path,
                                               bool replace, etw_error *error);

/* Whether the property has that text, as etw-replay shows it; where not, says on stderr what it
 * has, and the event. name as in etw_event_property_text. */
ETW_API bool etw_test_property_is(const etw_event *event, const char *name, const char *text);
/* Whether an unsigned, signed or boolean property has that value; else says so, as above. */
ETW_API bool etw_test_number_is(const etw_event *event, const char *name, int64_t number);
/* The event as one line of JSON on stderr. */
ETW_API void etw_test_print(const etw_event *event);

#endif
