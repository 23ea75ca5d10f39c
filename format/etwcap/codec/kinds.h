/* The kinds of events in a batch: what many events have in common is found, and written, once.
 * FORMAT.md, 12.4, says what makes a kind. */
#ifndef ETW_FORMAT_ETWCAP_KINDS_H
#define ETW_FORMAT_ETWCAP_KINDS_H

#include "format/base/probe.h"
#include "format/event/batch.h"

/* All that two events of one kind share, but for their extended items' types. */
typedef struct etw_kind_key {
    uint64_t words[6];
    uint64_t item_count;
} etw_kind_key;

typedef struct etw_kind {
    etw_kind_key key;
    const etw_staged *first; /* the first event of the kind */
    int64_t first_ticks, last_ticks;
    uint32_t count;
    uint32_t start;       /* of its events in order */
    uint32_t next;        /* the kind that followed it last: often it does so again */
    uint16_t size_excess; /* of the first event */
} etw_kind;

typedef struct etw_kinds {
    etw_kind *kinds; /* in the order of their first events; ETW_BATCH_MAX_EVENTS */
    uint32_t count;
    etw_probe probe;    /* over kinds; has memory for all of them */
    uint32_t found;     /* the kind of the event seen last */
    uint64_t raw_bytes; /* of all events, as FORMAT.md, 6.4, counts them */
} etw_kinds;

bool etw_kinds_init(etw_kinds *kinds);
void etw_kinds_free(etw_kinds *kinds);
void etw_kinds_clear(etw_kinds *kinds);
/* The kind of the batch's next event, known or new. */
uint32_t etw_kinds_find(etw_kinds *kinds, const etw_staged *event);

/* EventHeader.Size without what user data and items explain, modulo 65,536. */
uint16_t etw_size_excess(const etw_event_record *record);

#endif
