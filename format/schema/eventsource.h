/* Manifests that EventSources send through their own trace, in events of id 0xFFFE.
 *
 * Each such event is one chunk: u8 format (1: XML), u8 major and u8 minor version, u8 0x5B, u16
 * number of chunks, u16 number of this chunk from 0, then UTF-8 bytes. Chunks may come in any order
 * (a scan meets them in the order of the file, not of time), twice, and from several processes at
 * once.
 *
 * Processes may send different manifests of one provider: of the versions of one program, and as
 * the runtime numbers fields. An event is read by what its own process sent last before it, or,
 * where it sent nothing before, first after it; of a process that sent none, by what any process
 * sent. */
#ifndef ETW_FORMAT_SCHEMA_EVENTSOURCE_H
#define ETW_FORMAT_SCHEMA_EVENTSOURCE_H

#include "format/schema/resolver.h"

/* Chunks of one manifest: each brings up to 64 KiB, real ones stay below 16. */
#define ETW_EVENTSOURCE_MAX_CHUNKS 1024u
/* Manifests that are being put together at one time, and their bytes; the oldest gives way. */
#define ETW_EVENTSOURCE_MAX_PENDING       64u
#define ETW_EVENTSOURCE_MAX_PENDING_BYTES ((size_t)64 << 20)
/* What is kept of all complete manifests together, and how many different ones. */
#define ETW_EVENTSOURCE_MAX_BYTES     ((size_t)128 << 20)
#define ETW_EVENTSOURCE_MAX_MANIFESTS 1024u
/* Who sent which, two for each change of what a process sent. */
#define ETW_EVENTSOURCE_MAX_SENT 32768u

/* NULL where memory is out. */
etw_schema_source *etw_eventsource_source_new(void);

#endif
