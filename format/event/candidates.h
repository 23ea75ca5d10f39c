/* Definitions of one event from several files, among which one was chosen. */
#ifndef ETW_FORMAT_EVENT_CANDIDATES_H
#define ETW_FORMAT_EVENT_CANDIDATES_H

#include "format/event/schema.h"

/* Definitions of one event that are compared; further ones are left out. */
#define ETW_SCHEMA_MAX_CANDIDATES 16u

typedef struct etw_candidate {
    const etw_schema *schema;
    const char *from; /* lives as long as the files */
    uint32_t build;   /* 0: not known */
    bool is_own;      /* of the trace's build */
    bool was_chosen;  /* at least once */
} etw_candidate;

/* Different definitions of one event. */
typedef struct etw_candidates {
    etw_candidate items[ETW_SCHEMA_MAX_CANDIDATES];
    uint32_t count;
    uint32_t left_out; /* beyond the limit */
} etw_candidates;

#endif
