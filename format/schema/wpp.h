/* WPP messages: formats from TMF files, and from the annotations that tracewpp leaves in a
 * program's symbols (PDB). Key of a format: message GUID and message number (SCHEMAS.md, "WPP
 * messages"). */
#ifndef ETW_FORMAT_SCHEMA_WPP_H
#define ETW_FORMAT_SCHEMA_WPP_H

#include "format/schema/resolver.h"

/* One line of a TMF file, or one string of an annotation. */
#define ETW_WPP_MAX_LINE_BYTES ((size_t)64 << 10)
/* Arguments of a message, and names of a list or an enum. */
#define ETW_WPP_MAX_ARGUMENTS 1024u
#define ETW_WPP_MAX_NAMES     4096u
/* What is kept of all files together. */
#define ETW_WPP_MAX_BYTES ((size_t)256 << 20)
/* Of a PDB: streams, and modules in its list. Its symbols are read once, from front to back. */
#define ETW_PDB_MAX_STREAMS ((uint32_t)1 << 20)

typedef struct etw_wpp_set etw_wpp_set;

/* NULL where memory is out. */
etw_wpp_set *etw_wpp_set_new(size_t max_bytes);
void etw_wpp_set_free(etw_wpp_set *set);

/* Adds the formats of a TMF file: ASCII, UTF-8, windows-1252, or UTF-16 with a byte order mark. The
 * first format of a key stays; *added, if not NULL, is the number of new ones. ETW_ERROR_NOT_THIS
 * where there is none. Lines that are not understood are passed over. */
etw_status etw_wpp_set_add_tmf(etw_wpp_set *set, etw_bytes text, etw_schema_store *store,
                               uint32_t *added, etw_error *error);

/* The same from the S_ANNOTATION records of a program database (MSF 7.00). ETW_ERROR_NOT_THIS where
 * it is none, or has none (Microsoft strips them from public symbols); ETW_ERROR_DAMAGED where its
 * streams break their bounds. */
etw_status etw_wpp_set_add_pdb(etw_wpp_set *set, etw_bytes file, etw_schema_store *store,
                               uint32_t *added, etw_error *error);

/* How many formats are known, and how many had a key that an unequal one held already. */
uint32_t etw_wpp_set_count(const etw_wpp_set *set);
uint32_t etw_wpp_set_conflicts(const etw_wpp_set *set);

/* Walks the keys in the order they were added: index from 0; false past the last. */
bool etw_wpp_set_key_at(const etw_wpp_set *set, uint32_t index, etw_guid *message,
                        uint32_t *number);

/* As etw_schema_source.find, for records with ETW_FLAG_TRACE_MESSAGE. */
etw_status etw_wpp_set_find(etw_wpp_set *set, etw_schema_store *store,
                            const etw_event_record *record, uint32_t pointer_size,
                            const etw_schema **schema, etw_error *error);

/* A source over the set and the files that wait to be read into it (wpp_files.h), both of which it
 * owns from then on, also on failure: NULL where memory is out. */
struct etw_wpp_files;
etw_schema_source *etw_wpp_source_new(etw_wpp_set *set, struct etw_wpp_files *files);

#endif
