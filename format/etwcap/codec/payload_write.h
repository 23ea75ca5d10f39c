/* User data of a block's events to columns, kind by kind. */
#ifndef ETW_FORMAT_ETWCAP_PAYLOAD_WRITE_H
#define ETW_FORMAT_ETWCAP_PAYLOAD_WRITE_H

#include "format/etwcap/codec/fields.h"
#include "format/etwcap/codec/rows.h"
#include "format/event/record.h"

typedef struct etw_payload_writer etw_payload_writer;
etw_payload_writer *etw_payload_writer_new(void);
void etw_payload_writer_free(etw_payload_writer *writer);

/* What payloads take of a block's arrays, in bytes an event: touched by all of them, and by few. */
enum {
    ETW_PAYLOAD_EVENT_BYTES = ETW_ROWS_EVENT_BYTES + sizeof(uint32_t),
    ETW_PAYLOAD_RARE_BYTES = ETW_ROWS_RARE_BYTES + sizeof(etw_event_record *) + sizeof(uint32_t)
};

/* Starts a block of that many events and takes its arrays; false where memory ran out. */
bool etw_payload_begin(etw_payload_writer *writer, uint32_t event_count, etw_event_arrays *arrays);
/* Where the caller puts the records of a kind and their user data, in order, before each call of
 * etw_payload_write. 8 bytes from any place in user data may be loaded. */
const etw_event_record **etw_payload_records(etw_payload_writer *writer);
etw_bytes *etw_payload_rows(etw_payload_writer *writer);
/* The payloads of one kind. realm: keys of different realms do not meet. */
bool etw_payload_write(etw_payload_writer *writer, etw_fields *fields, uint32_t count,
                       uint32_t realm, etw_buffer *out);
/* After all kinds: the section of the texts that they refer to, lent until the next block. No bytes
 * where memory ran out. */
etw_bytes etw_payload_texts(etw_payload_writer *writer);

#endif
