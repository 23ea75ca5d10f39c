/* PktMon logs a packet at each layer that it passes: 4 to 13 events for one packet. This chooses
 * one event for each packet, and joins drops to the packets that were dropped.
 *
 * Up to Windows Server 2022 the copies share group and number: the copy at the adapter's reference
 * component (components.h) is taken, or the first. From Windows 11 24H2 on each copy has a group of
 * its own and the appearance 0: what the reference component shows is taken. A dropped packet is
 * one of those seen in the last 10 ms where addresses, ports and sequence are the same, else one
 * more. Copies are looked for among the last 65,536 groups.
 *
 * Memory: a bit for each event of a packet, 6 MiB of tables, 16 bytes for each drop. */
#ifndef ETW_FORMAT_OUTPUT_COPIES_H
#define ETW_FORMAT_OUTPUT_COPIES_H

#include "format/output/packets/frame.h"

#define ETW_COPIES_MAX_PACKETS ((uint64_t)1 << 32)
#define ETW_COPIES_MAX_DROPS   ((uint32_t)1 << 20)
#define ETW_COPIES_MAX_REASONS 4096u

/* Where a packet ended. */
typedef struct etw_packet_drop {
    uint64_t packet; /* its index */
    uint32_t reason, location;
    uint16_t component;
    const char *text; /* of the reason, UTF-8; "" where the trace does not tell; lives as the copies
                       */
} etw_packet_drop;

typedef struct etw_copies etw_copies;
/* takes_all: one event is one packet. components must live as long. NULL: no memory. */
etw_copies *etw_copies_new(const etw_components *components, bool takes_all);
void etw_copies_free(etw_copies *copies);

/* The events of packets in their order, each once; packet is NULL for those of NDIS, which have no
 * copies. ETW_ERROR_LIMIT, ETW_ERROR_NO_MEMORY. */
etw_status etw_copies_see(etw_copies *copies, const etw_packet_event *event,
                          const etw_pktmon_packet *packet, etw_error *error);
/* Once all were seen. */
bool etw_copies_is_kept(const etw_copies *copies, uint64_t index);
/* The drop of a packet; to be asked for kept packets in ascending order. NULL: it was not dropped.
 */
const etw_packet_drop *etw_copies_drop_of(etw_copies *copies, uint64_t index);
/* Events that are no packets of a known link type: messages of HTTP, payloads alone. */
uint64_t etw_copies_strange(const etw_copies *copies);

#endif
