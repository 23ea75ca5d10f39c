#include "format/output/packets/frame.h"

#define ETHERNET_HEADER 14u
#define WIFI_MAX_HEADER 36u
#define SNAP_HEADER     8u
#define FLOW_BYTES      8u /* ports and, of TCP, the sequence */

const etw_seed etw_frame_seed = {{UINT64_C(0x9E3779B97F4A7C15), UINT64_C(0xC2B2AE3D27D4EB4F)}};

static uint16_t load_be16(const uint8_t *at)
{
    return (uint16_t)((at[0] << 8) | at[1]);
}

/* Of a data frame; 0 for others, and where the frame is shorter. IEEE 802.11, 9.2.3: 24 bytes, a
 * fourth address where both DS bits are set, QoS control, and HT control where the order bit is
 * set. */
static size_t wifi_header_size(etw_bytes frame)
{
    if (frame.size < 24 || ((frame.data[0] >> 2) & 3u) != 2) {
        return 0;
    }
    const bool has_qos = (frame.data[0] & 0x80u) != 0;
    size_t size = 24;
    size += (frame.data[1] & 3u) == 3 ? 6 : 0;
    size += has_qos ? 2 : 0;
    size += has_qos && (frame.data[1] & 0x80u) != 0 ? 4 : 0;
    return size <= frame.size ? size : 0;
}

static bool has_snap(etw_bytes frame, size_t at)
{
    return at != 0 && frame.size >= at + SNAP_HEADER && frame.data[at] == 0xAA &&
           frame.data[at + 1] == 0xAA && frame.data[at + 2] == 0x03;
}

bool etw_frame_is_plain_wifi(etw_bytes frame)
{
    return has_snap(frame, wifi_header_size(frame)) && (frame.data[1] & 0x40u) != 0;
}

static bool is_known_ether_type(uint16_t type)
{
    static const uint16_t known[] = {0x0800, 0x0806, 0x86DD, 0x8100, 0x88A8,
                                     0x888E, 0x88CC, 0x890D, 0x8863, 0x8864};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (known[i] == type) {
            return true;
        }
    }
    return false;
}

static bool is_ethernet(etw_bytes frame, const etw_component *component)
{
    if (frame.size < ETHERNET_HEADER) {
        return false;
    }
    const bool has_own_address = component != NULL && component->has_mac &&
                                 (memcmp(frame.data, component->mac, 6) == 0 ||
                                  memcmp(frame.data + 6, component->mac, 6) == 0);
    return has_own_address || is_known_ether_type(load_be16(frame.data + 12));
}

/* A frame of 802.11 has version 0 in its lowest two bits (IEEE 802.11, 9.2.4.1.2); an Ethernet
 * frame to a group address has 1 in the lowest. */
static bool is_no_wifi(etw_bytes frame)
{
    return frame.size >= ETHERNET_HEADER && (frame.data[0] & 3u) != 0;
}

static bool is_ip(etw_bytes packet)
{
    return packet.size > 0 && (packet.data[0] >> 4 == 4 || packet.data[0] >> 4 == 6);
}

uint16_t etw_frame_link_type(const etw_pktmon_packet *packet, const etw_component *component)
{
    switch (packet->type) {
    case ETW_PKTMON_TYPE_ETHERNET:
        return ETW_LINK_ETHERNET;
    case ETW_PKTMON_TYPE_WIFI:
        if (is_no_wifi(packet->bytes)) {
            return ETW_LINK_ETHERNET;
        }
        return !has_snap(packet->bytes, wifi_header_size(packet->bytes)) &&
                       is_ethernet(packet->bytes, component)
                   ? ETW_LINK_ETHERNET
                   : ETW_LINK_WIFI;
    case ETW_PKTMON_TYPE_IP:
        return ETW_LINK_RAW_IP;
    case ETW_PKTMON_TYPE_UNKNOWN:
        if (is_ethernet(packet->bytes, component)) {
            return ETW_LINK_ETHERNET;
        }
        return is_ip(packet->bytes) ? ETW_LINK_RAW_IP : 0;
    default:
        return 0; /* messages of HTTP, payloads without their headers */
    }
}

/* The packet behind the link's header; empty where that is none of IP. */
static etw_bytes ip_of(etw_bytes frame, uint16_t link_type)
{
    size_t at = 0;
    if (link_type == ETW_LINK_ETHERNET) {
        at = ETHERNET_HEADER;
    } else if (link_type == ETW_LINK_WIFI) {
        const size_t header = wifi_header_size(frame);
        at = has_snap(frame, header) ? header + SNAP_HEADER : frame.size;
    }
    if (at >= frame.size || (at != 0 && load_be16(frame.data + at - 2) != 0x0800 &&
                             load_be16(frame.data + at - 2) != 0x86DD)) {
        return (etw_bytes){NULL, 0};
    }
    return (etw_bytes){frame.data + at, frame.size - at};
}

bool etw_frame_hash(etw_bytes frame, uint16_t link_type, uint64_t *hash)
{
    const etw_bytes ip = ip_of(frame, link_type);
    uint8_t key[1 + 32 + FLOW_BYTES];
    if (!is_ip(ip)) {
        return false;
    }
    const bool is_v4 = ip.data[0] >> 4 == 4;
    const size_t header = is_v4 ? (size_t)(ip.data[0] & 15u) * 4 : 40;
    if (header < 20 || ip.size < header + FLOW_BYTES) {
        return false;
    }
    const size_t addresses = is_v4 ? 8 : 32;
    key[0] = is_v4 ? ip.data[9] : ip.data[6];
    memcpy(key + 1, ip.data + (is_v4 ? 12 : 8), addresses);
    memcpy(key + 1 + addresses, ip.data + header, FLOW_BYTES);
    *hash = etw_hash_bytes(etw_frame_seed, key, 1 + addresses + FLOW_BYTES);
    return true;
}
