/* An event as a consumer's callback gets it, live or replayed: the record, its time, its schema,
 * its properties as text. Valid only inside the callback (or until the next call of a next-event
 * loop); a later use is ETW_ERROR_EXPIRED. */
#ifndef ETW_FORMAT_EVENT_EVENT_H
#define ETW_FORMAT_EVENT_EVENT_H

#include "format/event/render/plan.h"
#include "format/event/source.h"

typedef struct etw_event etw_event;

/* Return ETW_OK to go on; anything else ends the loop with that status (ETW_END: ends it well). */
typedef etw_status (*etw_event_callback)(const etw_event *event, void *context);

/* NULL once expired. TimeStamp is FILETIME, or raw ticks where the loop was opened so. */
ETW_API const etw_event_record *etw_event_record_of(const etw_event *event);
/* FILETIME in 100 ns, whatever the record's TimeStamp holds; INT64_MIN once expired. */
ETW_API int64_t etw_event_time_100ns(const etw_event *event);
ETW_API const etw_trace *etw_event_trace(const etw_event *event);
/* Which trace of its file that is, from 1 on; 0 where the file has one alone. */
ETW_API uint16_t etw_event_trace_number(const etw_event *event);
/* NULL where nothing explains the event. */
ETW_API const etw_schema *etw_event_schema(const etw_event *event);
ETW_API const etw_plan *etw_event_plan(const etw_event *event);
/* The process that an event is about, as far as its trace tells; texts are UTF-8, "" where unknown.
 */
typedef struct etw_event_process {
    uint32_t process_id, parent_id;
    uint32_t session_id;            /* UINT32_MAX: unknown */
    int64_t start_100ns, end_100ns; /* FILETIME; INT64_MIN and INT64_MAX: not in the trace */
    const char *name, *parent_name; /* "svchost.exe" */
    const char *path, *command_line;
    const char *user; /* the SID */
} etw_event_process;
/* NULL where unknown, and where the loop was not asked to find it. */
ETW_API const etw_event_process *etw_event_process_of(const etw_event *event);
/* The call stack that the trace has for an event in other events: addresses of the kernel, then of
 * the process, each from the leaf on. Where a process has a kernel part alone, its own part was
 * lost or never logged. */
typedef struct etw_event_stack {
    uint32_t process_id; /* whose addresses they are */
    uint32_t kernel_count, user_count;
    const uint64_t *kernel, *user;
} etw_event_stack;
/* The file that it was read from, UTF-8; NULL where the loop does not tell. */
ETW_API const char *etw_event_file(const etw_event *event);
/* NULL where there is none, and where the loop was not asked to find it. */
ETW_API const etw_event_stack *etw_event_stack_of(const etw_event *event);
/* The name of the provider, UTF-8: the one in the event's schema; where that has none, the one that
 * the trace first gives the GUID; NULL where unknown. */
ETW_API const char *etw_event_provider_name(const etw_event *event);
/* Walks the properties (plan.h). ETW_ERROR_NOT_FOUND where the event has no schema. */
ETW_API_CHECKED etw_status etw_event_walk(const etw_event *event, const etw_visitor *visitor,
                                          void *context, etw_walk_end *end);
/* Starts an iterator over the properties (plan.h); it ends with the event. Fails as walk does. */
ETW_API_CHECKED etw_status etw_event_properties(const etw_event *event,
                                                etw_property_iterator *iterator);
/* The property with that name, as etw_event_property_text finds it, with its type; of an array the
 * first element where the name has no index. ETW_ERROR_NOT_FOUND where there is none. */
ETW_API_CHECKED etw_status etw_event_property_value(const etw_event *event, const char *name,
                                                    etw_typed_value *typed);
/* Appends the text of the property with that name ("Peer.Port" reaches into structs, "Tags[1]" into
 * arrays); ETW_ERROR_NOT_FOUND where there is none. */
ETW_API_CHECKED etw_status etw_event_property_text(const etw_event *event, const char *name,
                                                   etw_text *text);

/* How loops make events. A maker is owned by a loop; each call expires the event made before. NULL
 * where there is no memory for the plan of its schema: nothing may be taken for damage then. */
typedef struct etw_event_maker etw_event_maker;
ETW_API etw_event_maker *etw_event_maker_new(bool raw_time);
ETW_API void etw_event_maker_free(etw_event_maker *maker);
ETW_API const etw_event *etw_event_make(etw_event_maker *maker, const etw_event_record *record,
                                        const etw_trace *trace, const etw_schema *schema,
                                        const char *provider_name);
/* Of the event made last, which has 0 before. */
ETW_API void etw_event_set_trace_number(etw_event_maker *maker, uint16_t trace_number);
/* As set_trace_number; lent until the event expires. NULL: unknown. */
ETW_API void etw_event_set_process(etw_event_maker *maker, const etw_event_process *process);
ETW_API void etw_event_set_stack(etw_event_maker *maker, const etw_event_stack *stack);
ETW_API void etw_event_set_file(etw_event_maker *maker, const char *file);
ETW_API void etw_event_expire(etw_event_maker *maker);

#endif
