/* The filter language: which events a user wants, as one expression.
 *
 *     Id in (3006, 3008..3010) and QueryName contains "example" and not ProcessName == svchost.exe
 *
 * A test is a field, an operator and a value; tests combine by and, or, not and parentheses.
 *
 * Fields are the names of the JSON object (TimeStamp, ProviderName, Id, ExtendedInfo.UserSID, ...)
 * and ParentName, of the process that began the event's process;
 * any other name is a property of the event. EventProperties.Id reaches a property that has a
 * header field's name, Peer.Port a struct's member, Tags[2] an element; without an index any
 * element of an array may pass. Names ignore case; a quoted name is taken as it is. * is any text
 * of the event: its properties, provider, name and user; of bytes that no schema explains, and of
 * binary values, any 8-bit or UTF-16 text in them.
 *
 * Operators: == != < <= > >= in, contains startswith endswith like, ~ (a regular expression), `has
 * NAME`, and `NAME & MASK`. A name alone asks for a value other than 0, false or "". != is true
 * where the field is there and == is not.
 *
 * Values: numbers (decimal, 0x, with k M G for powers of 1024), quoted or bare text, GUIDs, IP
 * addresses with or without /prefix, times (2024-05-01T12:00:00Z, +5s after the trace's first
 * event, -5s before its last), true and false; in takes a list of them, and ranges a..b. Where both
 * sides are numbers they are compared as such, however the event shows them; a value with a map by
 * number or by the map's text, of a bit map by the name of any bit; levels, opcodes, tasks and
 * keywords by number or name. Text ignores case, except with ~. */
#ifndef ETW_FORMAT_QUERY_WHERE_H
#define ETW_FORMAT_QUERY_WHERE_H

#include "format/event/event.h"

#define ETW_WHERE_MAX_TEXT     ((size_t)64 << 10)
#define ETW_WHERE_MAX_NODES    2048u  /* tests and what joins them */
#define ETW_WHERE_MAX_DEPTH    64u    /* of parentheses and not */
#define ETW_WHERE_MAX_LITERALS 16384u /* values */
#define ETW_WHERE_MAX_PATH     8u     /* parts of a property's name */

typedef struct etw_where etw_where;

/* ETW_ERROR_INVALID_ARGUMENT: the message shows the place in the text with a caret, and what was
 * expected. ETW_ERROR_UNSUPPORTED: `~` in a build without PCRE2. Used by one thread at a time. */
ETW_API_CHECKED etw_status etw_where_compile(const char *text, etw_where **where, etw_error *error);
/* All of them, joined by and; *where is NULL where there is none. */
ETW_API_CHECKED etw_status etw_where_compile_all(const char *const *texts, uint32_t count,
                                                 etw_where **where, etw_error *error);
ETW_API void etw_where_free(etw_where *where);
/* What it was compiled from. */
ETW_API const char *etw_where_text(const etw_where *where);
/* Another one of the same text. */
ETW_API_CHECKED etw_status etw_where_copy(const etw_where *where, etw_where **copy,
                                          etw_error *error);

/* Times of the trace that +5s and -5s count from, where the text has such. Without them no event
 * passes a test for such a time. */
ETW_API bool etw_where_wants_first_time(const etw_where *where);
ETW_API bool etw_where_wants_last_time(const etw_where *where);
static inline bool etw_where_wants_times(const etw_where *where)
{
    return where != NULL && (etw_where_wants_first_time(where) || etw_where_wants_last_time(where));
}
ETW_API void etw_where_set_times(etw_where *where, int64_t first_100ns, int64_t last_100ns);

/* Whether the text names ProcessName or ParentName: events then need etw_event_set_process. */
ETW_API bool etw_where_wants_processes(const etw_where *where);

/* Whether it tests TimeStamp: else etw_where_header needs no time. */
ETW_API bool etw_where_asks_time(const etw_where *where);

typedef enum etw_verdict { ETW_VERDICT_NO, ETW_VERDICT_YES, ETW_VERDICT_OPEN } etw_verdict;

/* What the record's header says alone, before anything of the event is decoded: OPEN where names,
 * properties or extended items decide. */
ETW_API etw_verdict etw_where_header(etw_where *where, const etw_event_record *record,
                                     int64_t time_100ns);

/* The same for what all events of a kind share in their headers: NO where none of them passes. */
ETW_API etw_verdict etw_where_event_kind(etw_where *where, const etw_event_header *header);
/* Whether it tests any of that. */
ETW_API bool etw_where_asks_kind(const etw_where *where);

/* Whether the event passes. Fails only where memory is out or a regular expression meets its
 * limits. */
ETW_API_CHECKED etw_status etw_where_event(etw_where *where, const etw_event *event, bool *passes,
                                           etw_error *error);

/* Bounds that every passing event keeps, for readers that skip blocks by them. Relative times count
 * once they are set. */
typedef struct etw_where_bounds {
    int64_t since_100ns; /* included; INT64_MIN: none */
    int64_t until_100ns; /* excluded; INT64_MAX: none */
} etw_where_bounds;
ETW_API void etw_where_get_bounds(const etw_where *where, etw_where_bounds *bounds);

/* What the provider of an event alone says: NO where no event of it passes. name: NULL where it is
 * not known. */
ETW_API etw_verdict etw_where_provider(etw_where *where, const etw_guid *provider,
                                       const char *name);

/* Property names of the text that no event tested so far had, though at least one was tested for
 * them: index from 0; NULL past the last. */
ETW_API const char *etw_where_unseen_name(const etw_where *where, uint32_t index);
/* Whether a plan has what the name at that index asks for, at any depth. */
ETW_API bool etw_where_plan_has_unseen(const etw_where *where, uint32_t index,
                                       const etw_plan *plan);

#endif
