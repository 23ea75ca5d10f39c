/* The components that PktMon watches (adapters, filters, protocols), as its events tell of them,
 * and which of them shows the packets of an adapter best. */
#ifndef ETW_FORMAT_OUTPUT_COMPONENTS_H
#define ETW_FORMAT_OUTPUT_COMPONENTS_H

#include "format/output/packets/packet_event.h"

#define ETW_COMPONENT_TEXT_SIZE     256u /* UTF-8 */
#define ETW_COMPONENT_MAX_EDGES     8u
#define ETW_COMPONENT_MAX_ADDRESSES 16u

typedef struct etw_component {
    uint16_t id;
    uint16_t type; /* ComponentType; 0: nothing told of it */
    bool has_mac;
    uint8_t mac[6];
    char name[ETW_COMPONENT_TEXT_SIZE];
    char description[ETW_COMPONENT_TEXT_SIZE];
    char addresses[ETW_COMPONENT_TEXT_SIZE];      /* IPv4, with blanks between */
    uint32_t own_index, miniport_index, ip_index; /* of interfaces; 0: not told */
    uint64_t dropped;                             /* as its counters say */
    bool has_counters;
    /* Packets that were not dropped, by edge; index 0 those of edges from MAX_EDGES on. */
    uint64_t packets[ETW_COMPONENT_MAX_EDGES];
} etw_component;

typedef struct etw_components etw_components;
etw_components *etw_components_new(void); /* NULL: no memory */
void etw_components_free(etw_components *components);

/* Learns from an event that is no packet. False where memory is out. */
bool etw_components_learn(etw_components *components, const etw_packet_event *event);
/* Counts a packet. */
bool etw_components_count(etw_components *components, const etw_pktmon_packet *packet,
                          bool is_dropped);
/* NULL where nothing told of it. */
const etw_component *etw_components_find(const etw_components *components, uint16_t id);
/* By id, from the lowest on; NULL past the last. */
const etw_component *etw_components_at(const etw_components *components, uint32_t index);

/* Whether the packets that this edge of the component shows stand for those of its adapter: the
 * lowest component that any were seen at. */
bool etw_components_is_reference(const etw_components *components, uint16_t id, uint16_t edge);
/* Of ComponentType, such as "Miniport"; "" where no map has it. */
const char *etw_component_type_name(uint16_t type);

#endif
