/* Events that no schema explains, counted by provider, and what could be done about them. */
#ifndef ETW_FORMAT_EVENT_UNEXPLAINED_H
#define ETW_FORMAT_EVENT_UNEXPLAINED_H

#include "format/base/text.h"
#include "format/event/schema.h"
#include "format/event/schema_key.h"

/* Providers that are told apart; events of further ones are counted together. */
#define ETW_UNEXPLAINED_MAX_PROVIDERS 4096u

typedef struct etw_unexplained etw_unexplained;

/* form: an ETW_KEY_...; guid: of a classic event its class, of a WPP message its message GUID. */
typedef struct etw_unexplained_row {
    etw_guid guid;
    uint8_t form;
    uint64_t events;
} etw_unexplained_row;

/* NULL where memory is out. */
ETW_API etw_unexplained *etw_unexplained_new(void);
ETW_API void etw_unexplained_free(etw_unexplained *unexplained);

/* Counts an event without a schema, unless it needs none. */
ETW_API void etw_unexplained_note(etw_unexplained *unexplained, const etw_event_record *record);

/* So many such events; record: one of them, of which only the header is looked at. */
ETW_API void etw_unexplained_add(etw_unexplained *unexplained, const etw_event_record *record,
                                 uint64_t events);

/* All that were noted, also those of providers beyond the limit. */
ETW_API uint64_t etw_unexplained_events(const etw_unexplained *unexplained);
/* Sorts by number of events, most first; rows are lent until the next note. */
ETW_API const etw_unexplained_row *etw_unexplained_rows(etw_unexplained *unexplained,
                                                        uint32_t *count);

/* One line for people: "7,937 events of NAME have no schema". name: NULL where not known. */
ETW_API void etw_unexplained_append_line(etw_text *text, const etw_unexplained_row *row,
                                         const char *name);

#endif
