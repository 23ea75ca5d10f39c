#include "format/output/packets/wfp_packet.h"

#define IPV4_HEADER 20u
#define IPV6_HEADER 40u
#define HOP_LIMIT   64u

bool etw_wfp_packet_read(const etw_packet_event *event, etw_wfp_packet *packet)
{
    const bool is_v4 = event->id == ETW_WFP_V4 || event->id == ETW_WFP_V4_FLOW;
    const bool has_flow = event->id == ETW_WFP_V4_FLOW || event->id == ETW_WFP_V6_FLOW;
    etw_cursor cursor = etw_cursor_over(event->payload);
    if (event->carrier != ETW_PACKET_WFP) {
        return false;
    }
    packet->address_bytes = is_v4 ? 4 : 16;
    packet->source = etw_cursor_take(&cursor, packet->address_bytes);
    packet->destination = etw_cursor_take(&cursor, packet->address_bytes);
    packet->protocol = etw_cursor_u8(&cursor);
    if (has_flow) {
        (void)etw_cursor_u64(&cursor);
    }
    const uint16_t size = etw_cursor_u16(&cursor);
    packet->bytes = (etw_bytes){etw_cursor_take(&cursor, size), size};
    return !cursor.failed;
}

static void store_network_u16(uint8_t *to, uint32_t value)
{
    to[0] = (uint8_t)(value >> 8);
    to[1] = (uint8_t)value;
}

/* RFC 1071, over an even number of bytes. */
static uint32_t checksum(const uint8_t *bytes, size_t size)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < size; i += 2) {
        sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
    }
    while (sum > UINT16_MAX) {
        sum = (sum & UINT16_MAX) + (sum >> 16);
    }
    return ~sum & UINT16_MAX;
}

static void append_v4(const etw_wfp_packet *p, etw_text *ip)
{
    uint8_t header[IPV4_HEADER] = {0x45};
    const size_t size = IPV4_HEADER + p->bytes.size;
    store_network_u16(header + 2, size < UINT16_MAX ? (uint32_t)size : UINT16_MAX);
    header[8] = HOP_LIMIT;
    header[9] = p->protocol;
    memcpy(header + 12, p->source, 4);
    memcpy(header + 16, p->destination, 4);
    store_network_u16(header + 10, checksum(header, sizeof header));
    etw_text_append(ip, (const char *)header, sizeof header);
}

static void append_v6(const etw_wfp_packet *p, etw_text *ip)
{
    uint8_t header[IPV6_HEADER] = {0x60};
    store_network_u16(header + 4, (uint32_t)p->bytes.size);
    header[6] = p->protocol;
    header[7] = HOP_LIMIT;
    memcpy(header + 8, p->source, 16);
    memcpy(header + 24, p->destination, 16);
    etw_text_append(ip, (const char *)header, sizeof header);
}

void etw_wfp_packet_append(const etw_wfp_packet *packet, etw_text *ip)
{
    if (packet->address_bytes == 4) {
        append_v4(packet, ip);
    } else {
        append_v6(packet, ip);
    }
    etw_text_append(ip, (const char *)packet->bytes.data, packet->bytes.size);
}
