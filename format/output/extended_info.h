/* The extended data items of a record as names and values, for every output format.
 *
 * Nothing disappears: an item whose kind is unknown, or whose bytes are not what its kind promises,
 * is told as "ExtType" and its number with its bytes in hex. Not told: the TraceLogging schema of
 * an event that was rendered by it, and provider traits without a provider group (the name is shown
 * anyway). */
#ifndef ETW_FORMAT_OUTPUT_EXTENDED_INFO_H
#define ETW_FORMAT_OUTPUT_EXTENDED_INFO_H

#include "format/output/event_json.h"

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

typedef struct etw_info_target {
    const etw_info_sink *sink;
    void *context;
    etw_text *text; /* what the sink appends to, and nothing else does */
} etw_info_target;

/* Whether etw_extended_info_tell would tell anything. */
bool etw_extended_info_any(const etw_event *event, const etw_output_options *options);

/* A second item of one kind gets "#2" behind its name, a third "#3", and so on. A stack that came
 * in events of its own is told as the last StackTrace. Where options' namer names any address
 * of a stack, a list of "ntdll.dll+0x1234" stands beside the addresses, as long as theirs,
 * "?" where an address has no name. False where memory ran out; what was told lacks something then.
 */
bool etw_extended_info_tell(const etw_event *event, const etw_output_options *options,
                            const etw_info_target *target);

#endif
