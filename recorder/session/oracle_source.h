/* Texts that this machine's TDH gives for the first events of each schema, kept in the recording so
 * that any replay can be checked against them (format/event/oracle.h). */
#ifndef ETW_RECORDER_ORACLE_SOURCE_H
#define ETW_RECORDER_ORACLE_SOURCE_H

#include "format/event/schema.h"

typedef struct etw_oracle_source etw_oracle_source;

/* events_per_schema: how many of each are asked for; they cost a call of TDH for each property.
 * NULL where memory is out. */
ETW_API etw_oracle_source *etw_oracle_source_new(uint32_t events_per_schema);
ETW_API void etw_oracle_source_free(etw_oracle_source *oracle);

/* event_number counts the events of the file. Cheap once a schema has had its share. */
ETW_API void etw_oracle_source_event(etw_oracle_source *oracle, const etw_event_record *record,
                                     const etw_schema *schema, uint32_t pointer_size,
                                     uint64_t event_number);

/* What was gathered since the last call; empty where nothing was. Lent until the next call. */
ETW_API_CHECKED etw_status etw_oracle_source_take(etw_oracle_source *oracle, etw_bytes *blob,
                                                  uint32_t *events, etw_error *error);

#endif
