/* Columns of user data back to payloads, kind by kind. */
#ifndef ETW_FORMAT_ETWCAP_PAYLOAD_READ_H
#define ETW_FORMAT_ETWCAP_PAYLOAD_READ_H

#include "format/etwcap/codec/fields_read.h"
#include "format/etwcap/codec/rows.h"
#include "format/event/record.h"

typedef struct etw_payload_reader etw_payload_reader;
etw_payload_reader *etw_payload_reader_new(void);
void etw_payload_reader_free(etw_payload_reader *reader);

/* Whether what failed last had no memory: such a block is not known to be malformed. */
bool etw_payload_reader_is_out_of_memory(const etw_payload_reader *reader);

/* A new block comes: what the one before turned out to need is forgotten, but for realms. */
void etw_payload_reader_forget(etw_payload_reader *reader);
/* What payloads take of a block's arrays, in bytes an event: touched by all of them, and by few. */
enum {
    ETW_PAYLOAD_READER_EVENT_BYTES = ETW_ROWS_EVENT_BYTES + sizeof(uint32_t) + sizeof(uint64_t),
    ETW_PAYLOAD_READER_RARE_BYTES = ETW_ROWS_RARE_BYTES + sizeof(uint32_t)
};

/* Starts a block of that many events and takes its arrays; texts: its section, which must live
 * until the next. False where it is malformed, or memory is out. */
bool etw_payload_read_begin(etw_payload_reader *reader, etw_bytes texts, uint32_t event_count,
                            etw_event_arrays *arrays);
/* Whether reading a kind failed since another was not made that it is told from; says so once. The
 * block is then to be begun again, makes telling of more: seldom, and a few times in a row at most.
 */
bool etw_payload_lacked_rows(etw_payload_reader *reader);
/* Rows are told from rows of their realm, or of one beside it. */
static inline uint32_t etw_payload_realm(const etw_event_record *record)
{
    return record->EventHeader.ProviderId.Data1;
}
/* Whether rows of the realm must be made though nobody wants them. */
bool etw_payload_makes(const etw_payload_reader *reader, uint32_t realm);
/* The events of one kind: records[order[0]], records[order[1]], ..., their headers known. */
typedef struct etw_kind_records {
    const etw_event_record *records;
    const uint32_t *order;
    uint32_t count; /* not 0 */
    uint32_t realm; /* that of etw_payload_realm */
    bool is_passed; /* nobody wants its payloads: rows may lack them */
    bool is_apart; /* and payloads that are wanted are hardly told from them: they are not made, and
                      their records are not looked at */
} etw_kind_records;

/* The payloads of the next kind into rows, lent until the next block begins. */
bool etw_payload_read(etw_payload_reader *reader, etw_fields_reader *fields, etw_cursor *cursor,
                      const etw_kind_records *kind, etw_bytes *rows);

#endif
