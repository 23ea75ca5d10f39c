/* The extended data items of a record as names and values, for every output format.
 *
 * Nothing disappears: an item whose kind is unknown, or whose bytes are not what its kind promises,
 * is told as "ExtType" and its number with its bytes in hex. Not told: the TraceLogging schema of
 * an event that was rendered by it, and provider traits without a provider group (the name is shown
 * anyway). */
#ifndef ETW_FORMAT_OUTPUT_EXTENDED_INFO_H
#define ETW_FORMAT_OUTPUT_EXTENDED_INFO_H

#include "format/event/record.h"
#include "format/event/rundown.h"

/* All texts are plain ASCII without quotes, backslashes or angle brackets. */
typedef struct etw_info_sink {
    void (*text)(void *context, const char *name, const char *text, size_t size);
    void (*number)(void *context, const char *name, uint64_t value);
    void (*open_group)(void *context, const char *name);
    void (*close_group)(void *context, const char *name);
    void (*open_list)(void *context, const char *name);
    void (*list_item)(void *context, const char *text, size_t size);
    void (*close_list)(void *context, const char *name);
} etw_info_sink;

/* Whether etw_extended_info_tell would tell anything. */
bool etw_extended_info_any(const etw_event_record *record, bool has_schema);

/* A second item of one kind gets "#2" behind its name, a third "#3", and so on. Where the rundown
 * (may be NULL) has an image for any address of a stack, a list of "ntdll.dll+0x1234" stands beside
 * the addresses, as long as theirs, "?" where no image holds the address. */
void etw_extended_info_tell(const etw_event_record *record, bool has_schema,
                            const etw_rundown *rundown, const etw_info_sink *sink, void *context);

#endif
