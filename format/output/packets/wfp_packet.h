/* Packets of Microsoft-Pef-WFP-MessageProvider (Message Analyzer's capture without a driver of
 * NDIS): addresses, protocol and what stands behind an IP header, which is made anew. Layouts as
 * Wireshark reads them (packet-message_analyzer.c). */
#ifndef ETW_FORMAT_OUTPUT_WFP_PACKET_H
#define ETW_FORMAT_OUTPUT_WFP_PACKET_H

#include "format/output/packets/packet_event.h"

typedef struct etw_wfp_packet {
    uint32_t address_bytes; /* 4 or 16 */
    const uint8_t *source, *destination;
    uint8_t protocol;
    etw_bytes bytes; /* behind the IP header */
} etw_wfp_packet;

/* False where the event is none, or is shorter than it says. */
bool etw_wfp_packet_read(const etw_packet_event *event, etw_wfp_packet *packet);

/* Appends the packet of IPv4 or IPv6, its header with a hop limit of 64. */
void etw_wfp_packet_append(const etw_wfp_packet *packet, etw_text *ip);

#endif
