/* Stacks that came in events of their own, joined to the events they belong to.
 *
 * The kernel logs the stack of a classic event as StackWalk events with that event's raw time stamp
 * and thread: the kernel's part at once, the user's part when the thread leaves the kernel. One
 * user part serves all events of one stay there: those from the time that it names to the time at
 * which it was logged. Where stacks are cached both are keys, which a later event defines; a key
 * stands for the next definition of its kind. A CLRStackWalk belongs to the event of the .NET
 * runtime that the same thread logged last.
 *
 * Measured on real traces: of 40,292 StackWalk events each finds its event (tests/tools).
 *
 * Memory: at most ETW_STACKS_MAX stacks and ETW_STACKS_MAX_BYTES of addresses, equal ones kept
 * once: 500 MiB if both were met. What is beyond is left out, and counted. */
#ifndef ETW_REPLAY_QUERY_STACKS_H
#define ETW_REPLAY_QUERY_STACKS_H

#include "format/event/event.h"

#define ETW_STACKS_MAX       ((uint32_t)1 << 21)
#define ETW_STACKS_MAX_BYTES ((size_t)256 << 20)
/* Addresses of one StackWalk event (192), and of one of the CLR, which states no limit. */
#define ETW_STACKS_MAX_DEPTH 8192u

typedef struct etw_stacks etw_stacks;

ETW_API etw_stacks *etw_stacks_new(void); /* NULL: no memory */
ETW_API void etw_stacks_free(etw_stacks *stacks);

/* In the order of time. Cheap for events that tell of no stack. False where memory is out. */
ETW_API bool etw_stacks_feed(etw_stacks *stacks, const etw_event_record *record,
                             const etw_trace *trace);
/* Something is missing here: what waits for its other part will not get it. */
ETW_API void etw_stacks_lost(etw_stacks *stacks);

/* The stack of an event, whose TimeStamp is raw ticks; false where there is none. What it points to
 * lives as long as the stacks. */
ETW_API bool etw_stacks_find(const etw_stacks *stacks, const etw_event_record *record,
                             const etw_trace *trace, etw_event_stack *stack);
/* How many are above a limit. */
ETW_API uint64_t etw_stacks_dropped(const etw_stacks *stacks);

#endif
