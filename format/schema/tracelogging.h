/* TraceLogging: events that carry their own description, turned into TRACE_EVENT_INFO as TDH does.
 *
 * The description travels in two extended items: the provider's traits (its name) and the event's
 * metadata (name and fields). SCHEMAS.md lists the layout, TDH's answers,
 * and what is inferred. */
#ifndef ETW_FORMAT_SCHEMA_TRACELOGGING_H
#define ETW_FORMAT_SCHEMA_TRACELOGGING_H

#include "format/event/tei_builder.h"
#include "format/schema/resolver.h"

/* What describes one record; lent by it. Each begins with its own 16-bit size and is not longer. */
typedef struct etw_tracelogging {
    etw_bytes traits; /* empty where the record has none */
    etw_bytes metadata;
} etw_tracelogging;

/* False where the record is no TraceLogging event. Looks for the extended items; without them, and
 * on channel 11, for traits and metadata at the start of the user data, as TDH does. Blobs whose
 * size field is larger than what is there are given as they are: etw_tracelogging_tei reports them.
 */
bool etw_tracelogging_locate(const etw_event_record *record, etw_tracelogging *found);

/* *tei is lent by builder until its next use. DAMAGED where the metadata breaks its own bounds,
 * LIMIT where it nests deeper or has more properties than schema.h allows. */
etw_status etw_tracelogging_tei(const etw_tracelogging *from, const etw_event_record *record,
                                uint32_t pointer_size, etw_tei_builder *builder, etw_bytes *tei,
                                etw_error *error);

/* NULL where memory is out. */
etw_schema_source *etw_tracelogging_source_new(void);

#endif
