/* Columns of user data back to payloads, kind by kind. */
#ifndef ETW_FORMAT_ETWCAP_PAYLOAD_READ_H
#define ETW_FORMAT_ETWCAP_PAYLOAD_READ_H

#include "format/etwcap/fields_read.h"

typedef struct etw_payload_reader etw_payload_reader;
etw_payload_reader *etw_payload_reader_new(void);
void etw_payload_reader_free(etw_payload_reader *reader);

/* Starts a block; texts: its section, which must live until the next. False where it is malformed.
 */
bool etw_payload_read_begin(etw_payload_reader *reader, etw_bytes texts, uint32_t event_count);
/* The payloads of the next kind into rows, lent until the next block begins. */
bool etw_payload_read(etw_payload_reader *reader, etw_fields_reader *fields, etw_cursor *cursor,
                      uint32_t count, uint32_t realm, etw_bytes *rows);

#endif
