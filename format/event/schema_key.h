/* What tells a record which definition is its own. */
#ifndef ETW_FORMAT_EVENT_SCHEMA_KEY_H
#define ETW_FORMAT_EVENT_SCHEMA_KEY_H

#include "format/event/schema.h"
#include "format/event/tei.h"

enum { ETW_KEY_EVENT, ETW_KEY_CLASSIC, ETW_KEY_MESSAGE };

/* Provider, id and version; of a classic event its class, opcode and version; of a WPP message its
 * message GUID and number. */
typedef struct etw_schema_key {
    etw_guid guid;
    uint16_t id;
    uint8_t version;
    uint8_t form; /* one of the above */
} etw_schema_key;

ETW_API etw_schema_key etw_schema_key_of_record(const etw_event_record *record);
/* False for schemas that no such key finds: TraceLogging's. */
ETW_API bool etw_schema_key_of_tei(const etw_tei *tei, etw_schema_key *key);
/* A record without data that asks for the key. */
ETW_API etw_event_record etw_schema_key_ask(const etw_schema_key *key);

#endif
