/* What the bytes of a packet are: events say it, but not always right. */
#ifndef ETW_FORMAT_OUTPUT_FRAME_H
#define ETW_FORMAT_OUTPUT_FRAME_H

#include "format/base/probe.h"
#include "format/output/packets/components.h"

/* Of all hashes of packets: what is written follows from them, and must not change from run to run.
 */
extern const etw_seed etw_frame_seed;

/* Link types of pcapng. */
enum { ETW_LINK_ETHERNET = 1, ETW_LINK_RAW_IP = 101, ETW_LINK_WIFI = 105 };

/* The link type of a packet of PktMon; 0 where it is none that has one. component: where it was
 * seen, may be NULL. Filters above the Wi-Fi layer call Ethernet Wi-Fi, so 802.11 is taken for what
 * it is where SNAP (AA AA 03) follows its header, or where nothing looks like Ethernet. */
uint16_t etw_frame_link_type(const etw_pktmon_packet *packet, const etw_component *component);

/* Whether the Protected bit (0x40 of byte 1) of an 802.11 frame has to go: received frames keep it
 * though their bodies are plain. */
bool etw_frame_is_plain_wifi(etw_bytes frame);

/* A hash of what tells one IP packet from another: addresses, protocol, and the first bytes behind
 * them (ports and sequence). False where the frame holds no IP packet. */
bool etw_frame_hash(etw_bytes frame, uint16_t link_type, uint64_t *hash);

#endif
