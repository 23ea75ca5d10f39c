/* Which event has which stack, of one stretch of a trace: found by its time and thread. */
#ifndef ETW_REPLAY_QUERY_STACK_ENTRIES_H
#define ETW_REPLAY_QUERY_STACK_ENTRIES_H

#include "format/base/probe.h"
#include "replay/query/stack_keys.h"

/* What kind of event a stack belongs to: events of different kinds may share time and thread. */
typedef enum etw_stack_domain {
    ETW_STACK_CLASSIC,
    ETW_STACK_CLR,
    ETW_STACK_CLR_STACK
} etw_stack_domain;

typedef struct etw_stack_event {
    int64_t ticks;
    uint32_t thread_id;
    uint16_t processor; /* of the idle thread, which each processor has; else 0 */
    uint16_t domain;
} etw_stack_event;

/* 40 bytes, of which a trace has millions. */
typedef struct etw_stack_entry {
    etw_stack_event event;
    const etw_stack_frames *parts[ETW_STACK_PARTS];
    uint32_t process_id;
    uint32_t generation : 31;
    uint32_t is_waiting : 1; /* for its user part */
} etw_stack_entry;

/* Zeroed it is empty. Entries stay where they are. */
typedef struct etw_stack_entries {
    etw_stack_entry **chunks;
    uint32_t chunk_capacity;
    etw_probe probe; /* over entries, by event */
    uint32_t count;
    uint32_t next;                   /* entry behind the one found last */
    int64_t first_ticks, last_ticks; /* the least and the greatest */
} etw_stack_entries;

void etw_stack_entries_free(etw_stack_entries *entries);
/* NULL where it is not there. */
etw_stack_entry *etw_stack_entries_find(etw_stack_entries *entries, const etw_stack_event *event);
/* A new one, zeroed but for its event; NULL: no memory. */
etw_stack_entry *etw_stack_entries_add(etw_stack_entries *entries, const etw_stack_event *event);

#endif
