#include "format/output/packets/packet_event.h"

#define PKTMON_PACKET_HEADER 34u
#define NDIS_FRAGMENT        1001u
#define NDIS_SWITCH_PACKET   1003u
#define RAS_SENT             5001u
#define RAS_RECEIVED         5002u
/* Ports that a packet of the virtual switch goes to. */
#define MAX_DESTINATIONS 4096u

static const struct {
    etw_guid provider;
    etw_packet_carrier carrier;
} carriers[] = {
    {{0x4d4f80d9, 0xc8bd, 0x4d73, {0xbb, 0x5b, 0x19, 0xc9, 0x04, 0x02, 0xc5, 0xac}},
     ETW_PACKET_PKTMON},
    {{0x2ed6006e, 0x4729, 0x4609, {0xb4, 0x23, 0x3e, 0xe7, 0xbc, 0xd6, 0x78, 0xef}},
     ETW_PACKET_NDIS},
    {{0xd84521f7, 0x2235, 0x4237, {0xa7, 0xc0, 0x14, 0xe3, 0xa9, 0x67, 0x62, 0x86}},
     ETW_PACKET_RAS},
    {{0xc22d1b14, 0xc242, 0x49de, {0x9f, 0x17, 0x1d, 0x76, 0xb8, 0xb9, 0xc4, 0x58}},
     ETW_PACKET_WFP},
};

static etw_packet_carrier carrier_of(const etw_guid *provider)
{
    for (size_t i = 0; i < sizeof carriers / sizeof carriers[0]; i++) {
        if (etw_guid_equal(&carriers[i].provider, provider)) {
            return carriers[i].carrier;
        }
    }
    return ETW_PACKET_NONE;
}

static bool is_wanted(etw_packet_carrier carrier, uint16_t id)
{
    switch (carrier) {
    case ETW_PACKET_PKTMON:
        return (id >= ETW_PKTMON_COMPONENT && id <= ETW_PKTMON_DROPS) || id == ETW_PKTMON_PACKET ||
               id == ETW_PKTMON_DROPPED || id == ETW_PKTMON_HTTP_PACKET ||
               id == ETW_PKTMON_NEW_COMPONENT;
    case ETW_PACKET_NDIS:
        return id == NDIS_FRAGMENT || id == NDIS_SWITCH_PACKET;
    case ETW_PACKET_RAS:
        return id == RAS_SENT || id == RAS_RECEIVED;
    case ETW_PACKET_WFP:
        return id == ETW_WFP_V4 || id == ETW_WFP_V4_FLOW || id == ETW_WFP_V6 ||
               id == ETW_WFP_V6_FLOW;
    case ETW_PACKET_NONE:
    default:
        return false;
    }
}

/* Between threads: the structure with sizes in place of its pointers, and the bytes behind it. */

static void append_part(etw_text *rows, etw_bytes part)
{
    etw_text_append(rows, (const char *)part.data, part.size);
}

void etw_packet_event_append(const etw_event *event, etw_text *rows)
{
    const etw_event_record *record = etw_event_record_of(event);
    const etw_event_header *header = &record->EventHeader;
    const etw_packet_carrier carrier = carrier_of(&header->ProviderId);
    const uint16_t id = header->EventDescriptor.Id;
    if (!is_wanted(carrier, id)) {
        return;
    }
    const etw_event_process *process = etw_event_process_of(event);
    etw_text reason = {0};
    if (carrier == ETW_PACKET_PKTMON && id == ETW_PKTMON_DROPPED) {
        etw_ignore(etw_event_property_text(event, "DropReason", &reason));
    }
    etw_packet_event row = {
        .time_100ns = etw_event_time_100ns(event),
        .keyword = header->EventDescriptor.Keyword,
        .process_id = header->ProcessId,
        .thread_id = header->ThreadId,
        .id = id,
        .carrier = (uint8_t)carrier,
        .payload = etw_record_user_data(record),
        .reason = etw_text_bytes(&reason),
    };
    if (process != NULL) {
        row.process = (etw_bytes){(const uint8_t *)process->name, strlen(process->name)};
    }
    etw_text_append(rows, (const char *)&row, sizeof row);
    append_part(rows, row.payload);
    append_part(rows, row.reason);
    append_part(rows, row.process);
    rows->failed |= reason.failed;
    etw_text_free(&reason);
}

static etw_bytes take_part(const uint8_t **at, size_t size)
{
    const etw_bytes part = {*at, size};
    *at += size;
    return part;
}

bool etw_packet_event_next(etw_bytes *rows, etw_packet_event *event, etw_bytes *whole)
{
    if (rows->size == 0) {
        return false;
    }
    const uint8_t *at = rows->data + sizeof *event;
    memcpy(event, rows->data, sizeof *event);
    event->payload = take_part(&at, event->payload.size);
    event->reason = take_part(&at, event->reason.size);
    event->process = take_part(&at, event->process.size);
    *whole = (etw_bytes){rows->data, (size_t)(at - rows->data)};
    rows->data = at;
    rows->size -= whole->size;
    return true;
}

/* Layouts. */

bool etw_pktmon_packet_read(const etw_packet_event *event, etw_pktmon_packet *packet)
{
    const bool is_packet = event->id == ETW_PKTMON_PACKET || event->id == ETW_PKTMON_DROPPED ||
                           event->id == ETW_PKTMON_HTTP_PACKET;
    etw_cursor cursor = etw_cursor_over(event->payload);
    if (event->carrier != ETW_PACKET_PKTMON || !is_packet) {
        return false;
    }
    packet->group = etw_cursor_u64(&cursor);
    packet->number = etw_cursor_u16(&cursor);
    packet->appearance = etw_cursor_u16(&cursor);
    packet->direction = etw_cursor_u16(&cursor);
    packet->type = etw_cursor_u16(&cursor);
    packet->component = etw_cursor_u16(&cursor);
    packet->edge = etw_cursor_u16(&cursor);
    packet->filter = etw_cursor_u16(&cursor);
    packet->drop_reason = etw_cursor_u32(&cursor);
    packet->drop_location = etw_cursor_u32(&cursor);
    packet->original_bytes = etw_cursor_u16(&cursor);
    const uint16_t logged = etw_cursor_u16(&cursor);
    packet->bytes = (etw_bytes){etw_cursor_take(&cursor, logged), logged};
    return !cursor.failed;
}

/* Without its NUL. */
static etw_bytes take_wide(etw_cursor *cursor)
{
    const size_t left = etw_cursor_left(cursor);
    const size_t size = left == 0 ? 0 : etw_utf16_length_bytes(cursor->at, left);
    etw_bytes text = {etw_cursor_take(cursor, size), size};
    (void)etw_cursor_u16(cursor);
    return text;
}

static void skip_destinations(etw_cursor *cursor)
{
    const uint32_t count = etw_cursor_u32(cursor);
    cursor->failed |= count > MAX_DESTINATIONS;
    for (uint32_t i = 0; i < count && !cursor->failed; i++) {
        (void)etw_cursor_u32(cursor);
        for (unsigned text = 0; text < 3; text++) {
            (void)take_wide(cursor);
        }
    }
}

static void read_switch_ports(etw_cursor *cursor, etw_ndis_fragment *fragment)
{
    (void)etw_cursor_u32(cursor); /* the port's number */
    (void)take_wide(cursor);
    fragment->port = take_wide(cursor);
    (void)take_wide(cursor);
    skip_destinations(cursor);
}

bool etw_ndis_fragment_read(const etw_packet_event *event, etw_ndis_fragment *fragment)
{
    etw_cursor cursor = etw_cursor_over(event->payload);
    *fragment = (etw_ndis_fragment){0};
    if (event->carrier == ETW_PACKET_NDIS) {
        fragment->miniport = etw_cursor_u32(&cursor);
        fragment->lower = etw_cursor_u32(&cursor);
        if (event->id == NDIS_SWITCH_PACKET) {
            read_switch_ports(&cursor, fragment);
        }
    } else if (event->carrier == ETW_PACKET_RAS) {
        (void)take_wide(&cursor); /* the routing domain */
        fragment->port = take_wide(&cursor);
    } else {
        return false;
    }
    const uint32_t size = etw_cursor_u32(&cursor);
    fragment->bytes = (etw_bytes){etw_cursor_take(&cursor, size), size};
    return !cursor.failed;
}
