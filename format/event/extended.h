/* Extended data items, read with their bounds checked. Each function returns false where the record
 * has no such item or the item is too short for what it says it is; such items stay reachable as
 * raw bytes through etw_record_find_item. Layouts: evntcons.h; of kinds that it does not have, what
 * was seen in real traces. */
#ifndef ETW_FORMAT_EVENT_EXTENDED_H
#define ETW_FORMAT_EVENT_EXTENDED_H

#include "format/event/record.h"

typedef struct etw_stack {
    uint64_t match_id;
    uint32_t address_size; /* 4 or 8 */
    uint32_t count;
    const uint8_t *addresses; /* count * address_size bytes, unaligned */
} etw_stack;

typedef struct etw_instance_info {
    uint32_t instance_id;
    uint32_t parent_instance_id;
    etw_guid parent_guid;
} etw_instance_info;

typedef struct etw_stack_key {
    uint64_t match_id;
    uint64_t stack_key;
    uint32_t key_size; /* 4 or 8 */
} etw_stack_key;

typedef struct etw_provider_traits {
    const char *name; /* UTF-8, NUL terminated inside the item */
    bool has_group;
    etw_guid group;
} etw_provider_traits;

bool etw_record_related_activity_id(const etw_event_record *record, etw_guid *id);
/* The SID's bytes, checked against its own sub-authority count. */
bool etw_record_user_sid(const etw_event_record *record, etw_bytes *sid);
bool etw_record_session_id(const etw_event_record *record, uint32_t *id);
bool etw_record_instance_info(const etw_event_record *record, etw_instance_info *info);
bool etw_record_stack(const etw_event_record *record, etw_stack *stack);
uint64_t etw_stack_address(const etw_stack *stack, uint32_t index);
bool etw_record_pebs_index(const etw_event_record *record, uint64_t *index);
/* counters: count 64-bit values, unaligned. */
bool etw_record_pmc_counters(const etw_event_record *record, etw_bytes *counters);
bool etw_record_psm_key(const etw_event_record *record, uint64_t *key);
bool etw_record_event_key(const etw_event_record *record, uint64_t *key);
bool etw_record_process_start_key(const etw_event_record *record, uint64_t *key);
bool etw_record_control_guid(const etw_event_record *record, etw_guid *guid);
bool etw_record_qpc_delta(const etw_event_record *record, uint64_t *delta);
bool etw_record_container_id(const etw_event_record *record, etw_guid *id);
bool etw_record_stack_key(const etw_event_record *record, etw_stack_key *key);
/* The raw EVENT_SCHEMA_TL bytes: TraceLogging's metadata. */
bool etw_record_tracelogging_schema(const etw_event_record *record, etw_bytes *metadata);
bool etw_record_provider_traits(const etw_event_record *record, etw_provider_traits *traits);

/* "S-1-5-18", as ConvertSidToStringSid writes it; false (and nothing appended) for a bad SID. */
bool etw_text_append_sid(etw_text *text, etw_bytes sid);

#endif
