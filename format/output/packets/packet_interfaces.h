/* The interfaces of a capture: one for each component or adapter and link type, described when the
 * first of its packets is written. */
#ifndef ETW_FORMAT_OUTPUT_PACKET_INTERFACES_H
#define ETW_FORMAT_OUTPUT_PACKET_INTERFACES_H

#include "format/output/packets/frame.h"
#include "format/output/pcapng_block.h"

/* Those from here on share the last one's description. */
#define ETW_PACKET_MAX_INTERFACES 4096u
#define ETW_PACKET_PORT_SIZE      128u

/* Zeroed memory before it is filled in: it is compared whole. */
typedef struct etw_packet_interface {
    uint32_t carrier; /* an etw_packet_carrier */
    uint32_t component;
    uint32_t miniport, lower; /* of NDIS */
    uint32_t link_type;
    char port[ETW_PACKET_PORT_SIZE]; /* of the virtual switch, UTF-8 */
} etw_packet_interface;

typedef struct etw_packet_interfaces {
    etw_packet_interface *list; /* owned */
    uint32_t count, capacity;
} etw_packet_interfaces;

void etw_packet_interfaces_free(etw_packet_interfaces *interfaces);
/* Its number; appends its description where it is new. component may be NULL. */
uint32_t etw_packet_interface_number(etw_packet_interfaces *interfaces,
                                     const etw_packet_interface *wanted,
                                     const etw_component *component, etw_text *out);
/* What counters say of dropped packets, at the end. */
void etw_packet_interfaces_tell_drops(const etw_packet_interfaces *interfaces,
                                      const etw_components *components, int64_t time_100ns,
                                      etw_text *out);

#endif
