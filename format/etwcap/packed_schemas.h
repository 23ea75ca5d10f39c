/* Schemas in a pack's compact form (FORMAT.md, "Packed schemas"): the fields of many
 * TRACE_EVENT_INFO column by column, offsets of strings as distances from where the string before
 * ends. */
#ifndef ETW_FORMAT_ETWCAP_PACKED_SCHEMAS_H
#define ETW_FORMAT_ETWCAP_PACKED_SCHEMAS_H

#include "format/etwcap/body.h"

/* Schemas and maps of one block. */
#define ETW_PACKED_MAX_SCHEMAS 0x10000u
#define ETW_PACKED_MAX_MAPS    0x10000u

/* Appends a body; ids run from first_id on. count, and all maps, within the limits. */
void etw_packed_schemas_append(etw_buffer *body, uint32_t first_id,
                               const etw_schema *const *schemas, uint32_t count);

/* Calls visitor->schema for each, in order; hash is not set. Memory: twice the body's size at most,
 * and one schema. */
etw_status etw_packed_schemas_load(etw_bytes body, const etw_schemas_visitor *visitor,
                                   etw_error *error);

#endif
