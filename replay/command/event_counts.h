/* How many events a trace has of each provider, and of each kind. In bounded memory: what comes
 * when the tables are full (statistics.h) is counted as one. */
#ifndef ETW_REPLAY_EVENT_COUNTS_H
#define ETW_REPLAY_EVENT_COUNTS_H

#include "replay/replay.h"

typedef struct etw_event_counts etw_event_counts;

/* by_kind: also the kinds of events. NULL: no memory. */
etw_event_counts *etw_event_counts_new(bool by_kind);
void etw_event_counts_free(etw_event_counts *counts);

etw_status etw_event_counts_add(etw_event_counts *counts, const etw_event *event, etw_error *error);
/* Of a provider whose events were counted elsewhere. */
etw_status etw_event_counts_add_provider(etw_event_counts *counts, const etw_guid *provider,
                                         uint64_t events, const char *name, etw_error *error);
/* Names of providers that came without one, where the store has them by now. */
etw_status etw_event_counts_learn_names(etw_event_counts *counts, const etw_schema_store *store,
                                        etw_error *error);

/* Puts the most frequent ones first; of equal ones those that came first. To be called once all are
 * counted, before the two below. False: no memory. */
bool etw_event_counts_sort(etw_event_counts *counts);

typedef struct etw_provider_count {
    etw_guid provider; /* of kernel events the class */
    const char *name;  /* "" where unknown; of kernel events "MSNT_SystemTrace/Process" */
    uint64_t events;
} etw_provider_count;
/* False past the last. Lent until the next call. */
bool etw_event_counts_provider(etw_event_counts *counts, uint32_t index, etw_provider_count *count);
uint32_t etw_event_counts_provider_count(const etw_event_counts *counts);

typedef struct etw_kind_count {
    etw_guid provider;
    const char *name; /* of the event, "" where unknown */
    bool is_classic;  /* id is its opcode */
    uint16_t id;
    uint8_t version;
    uint64_t events;
} etw_kind_count;
/* Of one provider after another, in the order of the providers, each with its most frequent ones
 * first. False past the last. */
bool etw_event_counts_kind(const etw_event_counts *counts, uint32_t index, etw_kind_count *count);

/* Events that no row is left for. */
uint64_t etw_event_counts_others(const etw_event_counts *counts);

#endif
