/* Message tables (RT_MESSAGETABLE): the texts of a compiled manifest, found by number.
 *
 * Opening one lays out where each text is, with work and memory in proportion to the table's own
 * size: a block may claim 2^32 ids and blocks may overlap, but a table of n bytes gives at most
 * n / 4 texts. */
#ifndef ETW_FORMAT_SCHEMA_MESSAGE_TABLE_H
#define ETW_FORMAT_SCHEMA_MESSAGE_TABLE_H

#include "format/base/status.h"
#include "format/base/text.h"

/* The largest table that is read. Those of Windows stay below 2 MiB. */
#define ETW_MESSAGE_TABLE_MAX_BYTES ((size_t)64 << 20)

typedef struct etw_message_place {
    uint32_t id;
    uint32_t offset; /* of the entry, from the table's start */
} etw_message_place;

typedef struct etw_message_table {
    etw_bytes bytes;           /* lent */
    etw_message_place *places; /* by id; of equal ids the first in the table comes first */
    uint32_t count;
} etw_message_table;

/* bytes must outlive the table. What lies outside of it is left out. NOT_THIS where the head cannot
 * be one of a message table; NO_MEMORY. */
etw_status etw_message_table_open(etw_bytes bytes, etw_message_table *table, etw_error *error);
void etw_message_table_free(etw_message_table *table);

/* Sets text (UTF-8) to the message without the line end that closes it. False where the table has
 * no such message; check text->failed. */
bool etw_message_table_get(const etw_message_table *table, uint32_t id, etw_text *text);

#endif
