/* Events that carry network packets, and those that say what carried them:
 *
 *   Microsoft-Windows-PktMon: packets 160, 170 (dropped) and 240; components 20 and 270, their
 *   properties 30 to 75, drop counters 80. Layouts as in its manifests from Windows 10 1809 to 11
 *   26H1, and as measured; packed, little-endian.
 *   Microsoft-Windows-NDIS-PacketCapture: 1001 fragments, 1003 of the virtual switch. Layouts as
 *   etl2pcapng and Wireshark read them.
 *   Microsoft-Windows-Ras-NdisWanPacketCapture: 5001, 5002.
 *   Microsoft-Pef-WFP-MessageProvider: 60011 to 60022 (wfp_packet.h). */
#ifndef ETW_FORMAT_OUTPUT_PACKET_EVENT_H
#define ETW_FORMAT_OUTPUT_PACKET_EVENT_H

#include "format/event/event.h"

typedef enum etw_packet_carrier {
    ETW_PACKET_NONE,
    ETW_PACKET_PKTMON,
    ETW_PACKET_NDIS,
    ETW_PACKET_RAS,
    ETW_PACKET_WFP
} etw_packet_carrier;

/* ids of PktMon */
enum {
    ETW_PKTMON_COMPONENT = 20,
    ETW_PKTMON_NUMBER = 30,
    ETW_PKTMON_HEX_NUMBER = 50,
    ETW_PKTMON_ADDRESS4 = 65,
    ETW_PKTMON_BYTES = 70,
    ETW_PKTMON_DROPS = 80,
    ETW_PKTMON_PACKET = 160,
    ETW_PKTMON_DROPPED = 170,
    ETW_PKTMON_HTTP_PACKET = 240,
    ETW_PKTMON_NEW_COMPONENT = 270
};

/* ids of the WFP provider */
enum { ETW_WFP_V4 = 60011, ETW_WFP_V4_FLOW = 60012, ETW_WFP_V6 = 60021, ETW_WFP_V6_FLOW = 60022 };

/* Keywords of NDIS-PacketCapture. */
#define ETW_NDIS_WAN     UINT64_C(0x200)
#define ETW_NDIS_WIFI    UINT64_C(0x10000)
#define ETW_NDIS_START   UINT64_C(0x40000000)
#define ETW_NDIS_END     UINT64_C(0x80000000)
#define ETW_NDIS_SEND    UINT64_C(0x100000000)
#define ETW_NDIS_DROPPED UINT64_C(0x10000000000)

/* One of them, as it goes from a renderer to the collector. */
typedef struct etw_packet_event {
    int64_t time_100ns;
    uint64_t keyword;
    uint32_t process_id, thread_id;
    uint16_t id;
    uint8_t carrier;   /* an etw_packet_carrier */
    etw_bytes payload; /* the user data */
    etw_bytes reason;  /* of a dropped packet: the text of its map, where it has one */
    etw_bytes process; /* the process' name, where known */
} etw_packet_event;

/* Appends the event where it is one of them. */
void etw_packet_event_append(const etw_event *event, etw_text *rows);
/* Takes the next one off what was appended; false at its end. */
bool etw_packet_event_next(etw_bytes *rows, etw_packet_event *event, etw_bytes *whole);

/* Of PktMon's 160, 170 and 240. */
typedef struct etw_pktmon_packet {
    uint64_t group;
    uint32_t drop_reason, drop_location;
    uint16_t number, appearance, direction, type, component, edge, filter;
    uint16_t original_bytes;
    etw_bytes bytes;
} etw_pktmon_packet;
enum {
    ETW_PKTMON_TYPE_UNKNOWN,
    ETW_PKTMON_TYPE_ETHERNET,
    ETW_PKTMON_TYPE_WIFI,
    ETW_PKTMON_TYPE_IP
};
/* False where the payload is too short for what it says, or the event is no packet of PktMon. */
bool etw_pktmon_packet_read(const etw_packet_event *event, etw_pktmon_packet *packet);

/* What NDIS-PacketCapture and RAS say of a packet or a part of one. */
typedef struct etw_ndis_fragment {
    uint32_t miniport, lower;
    etw_bytes port; /* UTF-16LE: the virtual switch's source port, or RAS' user; may be empty */
    etw_bytes bytes;
} etw_ndis_fragment;
bool etw_ndis_fragment_read(const etw_packet_event *event, etw_ndis_fragment *fragment);

#endif
