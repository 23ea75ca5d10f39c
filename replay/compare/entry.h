/* What is compared: one event (or loss) as named values, told by its JSON object, whether that came
 * from a trace or stands in a file. */
#ifndef ETW_REPLAY_COMPARE_ENTRY_H
#define ETW_REPLAY_COMPARE_ENTRY_H

#include "format/base/json_reader.h"
#include "format/event/record.h"
#include "replay/compare/rules.h"

/* Of a record beyond what its object tells. */
typedef enum etw_entry_part {
    ETW_ENTRY_HEADER,
    ETW_ENTRY_CONTEXT,
    ETW_ENTRY_USER_DATA,
    ETW_ENTRY_EXTENDED,
    ETW_ENTRY_PARTS
} etw_entry_part;

/* Places in the entry's text. */
typedef struct etw_entry_field {
    uint32_t name, name_size;   /* "TimeStamp", "EventProperties.Peer.Port", "...Tags[1]"; a NUL
                                   stands behind it */
    uint32_t value, value_size; /* as in JSON, without quotes: 443 is "443" */
    bool is_quoted;
} etw_entry_field;

/* Zeroed memory is an empty entry, to be used again and again. */
typedef struct etw_entry {
    uint64_t number; /* on its side, from 1 */
    etw_text text;
    etw_entry_field *fields; /* owned */
    uint32_t count;
    uint32_t capacity;
    uint64_t hash;    /* of all fields, in any order */
    uint64_t content; /* of all but TimeStamp */
    uint64_t key;     /* of what says what kind of event it is, and of the chosen keys */
    uint64_t parts[ETW_ENTRY_PARTS]; /* hashes; all 0 where bytes do not count */
} etw_entry;

void etw_entry_free(etw_entry *entry);

/* object: of one event, as etw-replay prints it. What the rules ignore is not in the entry. kept:
 * where not NULL, the object without it, normalized, is appended. */
etw_status etw_entry_read(etw_entry *entry, const etw_rules *rules, etw_normalizer *normalizer,
                          const etw_json_document *object, etw_text *kept, etw_error *error);

/* Sets the parts, for entries whose bytes count. */
void etw_entry_hash_bytes(etw_entry *entry, const etw_event_record *record);

/* A property's name without "EventProperties.", as people know it. */
const char *etw_field_shown_name(const char *name);

/* NULL where it has no field of that whole name. */
const etw_entry_field *etw_entry_find(const etw_entry *entry, const char *name);
static inline const char *etw_entry_text(const etw_entry *entry, uint32_t place)
{
    return entry->text.data + place;
}

/* Calls tell for each field that differs, in the order of the left one, then what only the right
 * one has; either side may be NULL. */
typedef void (*etw_entry_difference)(void *context, const etw_entry_field *left,
                                     const etw_entry_field *right);
etw_status etw_entry_compare(const etw_entry *left, const etw_entry *right,
                             etw_entry_difference tell, void *context);

#endif
