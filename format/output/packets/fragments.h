/* Packets that NDIS-PacketCapture logged in several events, put together: by thread and adapter,
 * from the event that has the keyword for the start to the one that has that for the end. */
#ifndef ETW_FORMAT_OUTPUT_FRAGMENTS_H
#define ETW_FORMAT_OUTPUT_FRAGMENTS_H

#include "format/output/packets/packet_event.h"

#define ETW_FRAGMENTS_MAX_OPEN  64u
#define ETW_FRAGMENTS_MAX_BYTES ((size_t)256 << 10) /* of a packet: more is no packet */

typedef struct etw_open_packet {
    bool is_open;
    uint32_t process_id, thread_id, miniport, lower;
    uint64_t used; /* counts up */
    etw_text bytes;
} etw_open_packet;

typedef struct etw_fragments {
    etw_open_packet open[ETW_FRAGMENTS_MAX_OPEN];
    uint64_t clock;
    uint64_t broken; /* packets that lack their start or end */
} etw_fragments;

void etw_fragments_free(etw_fragments *fragments);
/* True where the fragment completes a packet: *packet is lent until the next call. False also where
 * memory is out: then *failed is true. */
bool etw_fragments_add(etw_fragments *fragments, const etw_packet_event *event,
                       const etw_ndis_fragment *fragment, etw_bytes *packet, bool *failed);

#endif
