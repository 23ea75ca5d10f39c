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
 * Memory: stacks are kept in generations. A full one makes room for the next, and the oldest goes
 * when its events have passed (etw_stacks_forget): a trace of any length is read half a million
 * stacks ahead. By the default limits 340 MiB at most, equal stacks of a generation kept once; the
 * large trace of the bench, eight million events, takes 60. What does not fit is left out, and
 * counted. */
#ifndef ETW_REPLAY_QUERY_STACKS_H
#define ETW_REPLAY_QUERY_STACKS_H

#include "format/event/event.h"

/* That many are kept: events of one pass, events of the others wait for their parts, and the last
 * is being filled. */
#define ETW_STACKS_GENERATIONS 6u
/* Of one generation. */
#define ETW_STACKS_MAX       ((uint32_t)1 << 17)
#define ETW_STACKS_MAX_BYTES ((size_t)16 << 20)
/* For threads, for keys, and for what is told ahead, each, with the bytes of a generation by
 * default; else that many times as much. */
#define ETW_STACKS_MAX_SHARES 4u
/* Addresses of one StackWalk event (192), and of one of the CLR, which states no limit. */
#define ETW_STACKS_MAX_DEPTH 8192u

typedef struct etw_stacks etw_stacks;
/* Of one generation; 0: ETW_STACKS_MAX, ETW_STACKS_MAX_BYTES. */
typedef struct etw_stacks_limits {
    uint32_t stacks;
    size_t bytes;
} etw_stacks_limits;

ETW_API etw_stacks *etw_stacks_new(const etw_stacks_limits *limits); /* NULL: no memory */
ETW_API void etw_stacks_free(etw_stacks *stacks);

/* In the order of time. Cheap for events that tell of no stack. False where memory is out. */
ETW_API bool etw_stacks_feed(etw_stacks *stacks, const etw_event_record *record,
                             const etw_trace *trace);
/* What keys stand for, where definitions may come later than events can wait: all events of the
 * trace, from its start, wherever feeding is; then told_ahead. False where memory is out. */
ETW_API bool etw_stacks_tell_ahead(etw_stacks *stacks, const etw_event_record *record,
                                   const etw_trace *trace);
ETW_API void etw_stacks_told_ahead(etw_stacks *stacks);
/* Whether etw_stacks_tell_ahead learns from an event with that header. */
ETW_API bool etw_stacks_wants_ahead(const etw_event_header *header);
/* Something is missing here: what waits for its other part will not get it. */
ETW_API void etw_stacks_lost(etw_stacks *stacks);

/* Whether more is to be fed before the stack of an event of that time (FILETIME) is asked for, once
 * what has passed is forgotten: some of it with each event, so that nobody waits for a whole
 * generation. */
ETW_API bool etw_stacks_is_behind(const etw_stacks *stacks, int64_t time_100ns);
/* Whether the next stack may find no room: time to let events pass and to forget theirs. */
ETW_API bool etw_stacks_is_full(const etw_stacks *stacks);
/* Whether there is a generation to forget: all events of it and of the one behind it are before
 * that time (FILETIME). */
ETW_API bool etw_stacks_has_passed(const etw_stacks *stacks, int64_t time_100ns);
/* No event before that time will be asked for. Frees the generation that has passed: what was found
 * stays for as long as a generation lasts. False: there was nothing to free. */
ETW_API bool etw_stacks_forget(etw_stacks *stacks, int64_t time_100ns);

/* The stack of an event, whose TimeStamp is raw ticks; false where there is none. What it points to
 * lives until its generation is forgotten. */
ETW_API bool etw_stacks_find(etw_stacks *stacks, const etw_event_record *record,
                             const etw_trace *trace, etw_event_stack *stack);
/* How many are above a limit. */
ETW_API uint64_t etw_stacks_dropped(const etw_stacks *stacks);

#endif
