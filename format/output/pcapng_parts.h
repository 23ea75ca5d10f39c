/* Packets of LINKTYPE_ETW in the layout that Wireshark's main branch reads since 2026
 * (epan/dissectors/packet-etw.c there): EVENT_HEADER, ETW_BUFFER_CONTEXT, u16 count of extended
 * items, u16 count of parts, u32 count of properties; then those: items as EVENT_HEADER_EXTENDED_
 * DATA_ITEM with an offset in place of the pointer, parts {u32 type, u32 offset, u32 size},
 * properties {u32 offset, u16 size of the name, u16 size of the value behind it}; then what they
 * point to. Offsets count from the packet's start, texts are UTF-16LE. */
#ifndef ETW_FORMAT_OUTPUT_PCAPNG_PARTS_H
#define ETW_FORMAT_OUTPUT_PCAPNG_PARTS_H

#include "format/output/event_rows.h"

/* Text of all properties of a packet, and their number: those behind are left to the message. */
#define ETW_PCAPNG_MAX_PROPERTY_BYTES ((size_t)16 << 10)
#define ETW_PCAPNG_MAX_PROPERTIES     256u
/* Of all extended items; those behind are left out. */
#define ETW_PCAPNG_MAX_ITEM_BYTES ((size_t)64 << 10)

/* What was made of the event: UTF-16LE, empty where there is none. */
typedef struct etw_pcapng_texts {
    etw_bytes message, provider;
} etw_pcapng_texts;

/* Appends UTF-8 as UTF-16LE, at most max_bytes of it; whole characters. */
void etw_pcapng_utf16(etw_text *utf16, etw_bytes utf8, size_t max_bytes);

/* Appends EVENT_HEADER, with the time as a FILETIME, and ETW_BUFFER_CONTEXT: both layouts begin
 * so. */
void etw_pcapng_event_header(const etw_event *event, etw_text *packet);

void etw_pcapng_parts_append(const etw_output_options *options, const etw_event *event,
                             const etw_pcapng_texts *texts, etw_text *packet);

#endif
