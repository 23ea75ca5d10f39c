/* Methods of .NET: where their code is, from MethodLoad and MethodUnload events, the rundowns of
 * the runtime, and R2RGetEntryPoint. Code that was compiled while the program ran lies in no image.
 */
#ifndef ETW_REPLAY_QUERY_METHODS_H
#define ETW_REPLAY_QUERY_METHODS_H

#include "format/output/event_json.h"

/* Events on methods: 48 MiB. More are not known, and counted. */
#define ETW_METHODS_MAX ((uint32_t)1 << 20)

/* The size of what is known to begin at an address alone: it is found by this address. */
#define ETW_METHOD_POINT 1u

typedef enum etw_method_event {
    ETW_METHOD_LOAD,
    ETW_METHOD_UNLOAD,
    ETW_METHOD_IS
} etw_method_event;

/* One event on a method; once settled, the life of one. */
typedef struct etw_method {
    uint64_t process; /* host and id: etw_life_key */
    uint64_t start;   /* address */
    uint32_t size;
    uint32_t event; /* an etw_method_event */
    int64_t from_100ns, to_100ns;
    const char *name; /* "System.String.Concat" */
} etw_method;

/* Zeroed memory is an empty list. */
typedef struct etw_method_list {
    etw_method *methods;
    uint32_t count, capacity;
    uint64_t dropped;
} etw_method_list;

void etw_method_list_free(etw_method_list *list);
/* method's from_100ns is the event's time. False where memory is out. */
bool etw_method_list_add(etw_method_list *list, const etw_method *method);
/* Makes lives of events. After this nothing is added, and methods are found. */
void etw_method_list_settle(etw_method_list *list);
/* The method whose code holds the address at that time, else one that held it at another. same: is
 * narrowed to the times for which this is so. */
const etw_method *etw_method_list_find(const etw_method_list *list, uint64_t process,
                                       uint64_t address, int64_t time_100ns, etw_time_span *same);

#endif
