/* Metadata events: the TRACE_EVENT_INFO and EVENT_MAP_INFO blobs that a merge puts into a trace.
 *
 * Class bbccf6c1-6cd1-48c4-80ff-839482e37671: opcode 32 holds one TRACE_EVENT_INFO, opcode 33 a
 * provider GUID and one EVENT_MAP_INFO (SCHEMAS.md). They stand anywhere in a trace,
 * mostly near its end, in any order: a map that comes after the event that names it is joined to it
 * then. */
#ifndef ETW_FORMAT_SCHEMA_METADATA_EVENT_H
#define ETW_FORMAT_SCHEMA_METADATA_EVENT_H

#include "format/schema/resolver.h"

/* Blobs kept from one input, with what it takes to find them again; more are refused with LIMIT. */
#define ETW_METADATA_EVENTS_MAX_BYTES ((size_t)64 << 20)

/* NULL where memory is out. */
etw_schema_source *etw_metadata_event_source_new(void);

#endif
