/* MOF files: event classes below EventTrace, from which TDH explains classic events (SCHEMAS.md,
 * "MOF files"). */
#ifndef ETW_FORMAT_SCHEMA_MOF_H
#define ETW_FORMAT_SCHEMA_MOF_H

#include "format/schema/resolver.h"

/* One file as UTF-8, and what is kept of all files together. */
#define ETW_MOF_MAX_FILE_BYTES ((size_t)64 << 20)
#define ETW_MOF_MAX_BYTES      ((size_t)256 << 20)
/* Classes above a class; values and qualifiers in one list; properties of a class. */
#define ETW_MOF_MAX_DEPTH      32u
#define ETW_MOF_MAX_LIST       4096u
#define ETW_MOF_MAX_PROPERTIES 1024u

typedef struct etw_mof_set etw_mof_set;

/* NULL where memory is out. */
etw_mof_set *etw_mof_set_new(size_t max_bytes);
void etw_mof_set_free(etw_mof_set *set);

/* Adds the event classes of a MOF file: ASCII, UTF-8, windows-1252, or UTF-16 with a byte order
 * mark. The first class of a name stays. What is no class is passed over. ETW_ERROR_NOT_THIS where
 * the file has no event class, ETW_ERROR_DAMAGED, with the line, where a class cannot be read. */
etw_status etw_mof_set_add(etw_mof_set *set, etw_bytes text, etw_schema_store *store,
                           etw_error *error);

/* Walks the event types in the order of the files: index from 0; false past the last. version: the
 * lowest that has this layout. */
bool etw_mof_set_kind_at(const etw_mof_set *set, uint32_t index, etw_guid *class_guid,
                         uint8_t *opcode, uint8_t *version);

/* As etw_schema_source.find, by class, type, and the highest version that is not above the
 * record's. */
etw_status etw_mof_set_find(etw_mof_set *set, etw_schema_store *store,
                            const etw_event_record *record, uint32_t pointer_size,
                            const etw_schema **schema, etw_error *error);

/* A source over the set, which it owns from then on, also on failure: NULL where memory is out. */
etw_schema_source *etw_mof_source_new(etw_mof_set *set);

#endif
