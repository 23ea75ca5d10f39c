/* User data of a block's events to columns, kind by kind. */
#ifndef ETW_FORMAT_ETWCAP_PAYLOAD_WRITE_H
#define ETW_FORMAT_ETWCAP_PAYLOAD_WRITE_H

#include "format/etwcap/fields.h"

typedef struct etw_payload_writer etw_payload_writer;
etw_payload_writer *etw_payload_writer_new(void);
void etw_payload_writer_free(etw_payload_writer *writer);

/* Starts a block of that many events; false where memory ran out. */
bool etw_payload_begin(etw_payload_writer *writer, uint32_t event_count);
/* The payloads of one kind, in order; 8 bytes from any place in one may be loaded. rows are
 * reordered. realm: told apart in references. */
bool etw_payload_write(etw_payload_writer *writer, etw_fields *fields, etw_bytes *rows,
                       uint32_t count, uint32_t realm, etw_text *out);
/* After all kinds: the texts that they refer to. */
void etw_payload_write_texts(const etw_payload_writer *writer, etw_text *out);

#endif
