/* What does not count when events are compared: fields that are ignored, and values that stand for
 * something that differs from run to run, such as process ids, and so are numbered in the order in
 * which they appear. */
#ifndef ETW_REPLAY_COMPARE_RULES_H
#define ETW_REPLAY_COMPARE_RULES_H

#include "format/base/arena.h"
#include "format/base/guid.h"
#include "format/base/table.h"
#include "format/base/text.h"

#define ETW_RULES_MAX_NAMES 256u
/* Values that one trace may have numbers for, in bytes; then ETW_ERROR_LIMIT. */
#define ETW_NORMALIZER_MAX_BYTES ((size_t)64 << 20)

typedef enum etw_normal_kind {
    ETW_NORMAL_TIME,
    ETW_NORMAL_PID,
    ETW_NORMAL_TID,
    ETW_NORMAL_GUID,
    ETW_NORMAL_ADDRESS,
    ETW_NORMAL_HANDLE,
    ETW_NORMAL_KINDS /* how many; also: none of them */
} etw_normal_kind;

typedef struct etw_name_list {
    const char *names[ETW_RULES_MAX_NAMES];
    uint32_t count;
} etw_name_list;

/* Zeroed: everything counts. */
typedef struct etw_rules {
    etw_arena texts;
    etw_name_list ignored; /* may have * and ?, in any case */
    etw_name_list keys;  /* fields that events of one kind must share to be taken for one another */
    uint32_t normalized; /* bit 1 << an etw_normal_kind */
} etw_rules;

void etw_rules_free(etw_rules *rules);
/* list: names with commas between. ETW_ERROR_LIMIT, ETW_ERROR_NO_MEMORY; for normalized
 * ETW_ERROR_INVALID_ARGUMENT, the message has the words that it takes. */
etw_status etw_rules_add_names(etw_rules *rules, etw_name_list *to, const char *list,
                               etw_error *error);
etw_status etw_rules_add_normalized(etw_rules *rules, const char *list, etw_error *error);
const char *etw_normal_name(etw_normal_kind kind);

/* Before the names of an event's properties. */
#define ETW_PROPERTY_PREFIX "EventProperties."

/* name: of a field, "EventProperties.Peer.Port", "ExtendedInfo.SessionID"; a property's name may
 * stand without its prefix in the list. A name in the list fits the whole; what it is a part of
 * ("Peer", "ExtendedInfo"); or one word between dots ("Port"), without [n]. */
bool etw_name_list_has(const etw_name_list *list, const char *name, size_t size);

/* Which of the asked-for kinds a value is, by its field's name and by how it looks. */
etw_normal_kind etw_rules_kind_of(const etw_rules *rules, const char *name, size_t name_size,
                                  const char *value, size_t value_size);

/* The numbers of one trace. Zeroed memory has none. */
typedef struct etw_normalizer {
    etw_arena texts;
    etw_table numbers;
    uint32_t counts[ETW_NORMAL_KINDS];
} etw_normalizer;

void etw_normalizer_free(etw_normalizer *normalizer);
/* Appends "<pid 3>"; times have no numbers: "<time>". */
etw_status etw_normalizer_append(etw_normalizer *normalizer, etw_normal_kind kind,
                                 const char *value, size_t size, etw_text *text);

#endif
