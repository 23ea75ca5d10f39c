/* The network packets of a trace as a capture file: pcapng under their real link types.
 *
 * Names of components come behind all packets, and which copy of a packet is the best one is known
 * at the end: packets are put aside in a temporary file, then chosen, then written. */
#include "format/output/packets/copies.h"
#include "format/output/packets/fragments.h"
#include "format/output/packets/packet_interfaces.h"
#include "format/output/packets/wfp_packet.h"

#include "format/base/version.h"
#include "format/output/output.h"
#include "format/output/spool.h"

#include <stdio.h>
#include <stdlib.h>

#define DIRECTION_IN  1u
#define DIRECTION_OUT 2u
/* Of the option verdict: its kind, and what that kind says. */
#define VERDICT_XDP      2u
#define VERDICT_XDP_DROP 1u

struct etw_collector {
    etw_collector_target target;
    bool takes_all;
    etw_output_spool spool;
    etw_components *components;
    etw_copies *copies;
    etw_packet_interfaces interfaces;
    etw_fragments fragments;
    etw_text frame;   /* a frame whose bytes were mended, or whose header was made */
    etw_text comment; /* of a packet */
    uint64_t events;  /* of packets */
    uint64_t unread;  /* too short for what they say */
    uint64_t written;
    int64_t last_100ns;
};

static void close_packets(etw_collector *collector)
{
    if (collector != NULL) {
        etw_output_spool_close(&collector->spool);
        etw_copies_free(collector->copies);
        etw_components_free(collector->components);
        etw_packet_interfaces_free(&collector->interfaces);
        etw_fragments_free(&collector->fragments);
        etw_text_free(&collector->frame);
        etw_text_free(&collector->comment);
        free(collector);
    }
}

static etw_status no_memory(etw_error *error)
{
    return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for packets");
}

static etw_status open_packets(const etw_output_options *options,
                               const etw_collector_target *target, etw_collector **collector,
                               etw_error *error)
{
    etw_collector *made = calloc(1, sizeof *made);
    *collector = NULL;
    if (made == NULL) {
        return no_memory(error);
    }
    made->target = *target;
    made->takes_all = options->all_components;
    etw_collector_open_spool(target, &made->spool);
    made->components = etw_components_new();
    if (made->components == NULL) {
        close_packets(made);
        return no_memory(error);
    }
    *collector = made;
    return ETW_OK;
}

/* First: what there is. */

static etw_status take_event(etw_collector *c, const etw_packet_event *event, etw_bytes whole,
                             etw_error *error)
{
    etw_pktmon_packet packet;
    const bool is_packet = etw_pktmon_packet_read(event, &packet);
    if (event->carrier == ETW_PACKET_PKTMON && !is_packet && event->id < ETW_PKTMON_PACKET) {
        return etw_components_learn(c->components, event) ? ETW_OK : no_memory(error);
    }
    if (event->carrier == ETW_PACKET_PKTMON && event->id == ETW_PKTMON_NEW_COMPONENT) {
        return etw_components_learn(c->components, event) ? ETW_OK : no_memory(error);
    }
    if (event->carrier == ETW_PACKET_PKTMON && !is_packet) {
        c->unread++;
        return ETW_OK;
    }
    if (is_packet &&
        !etw_components_count(c->components, &packet, event->id == ETW_PKTMON_DROPPED)) {
        return no_memory(error);
    }
    c->events++;
    return etw_output_spool_append(&c->spool, whole, error);
}

static etw_status take_packets(etw_collector *collector, etw_bytes rows, etw_text *out,
                               etw_error *error)
{
    etw_packet_event event;
    etw_bytes whole;
    etw_status status = ETW_OK;
    (void)out;
    while (!etw_failed(status) && etw_packet_event_next(&rows, &event, &whole)) {
        status = take_event(collector, &event, whole, error);
    }
    return status;
}

/* Then: what is kept. */

static etw_status choose_packets(etw_collector *c, etw_error *error)
{
    etw_bytes record;
    etw_packet_event event;
    etw_pktmon_packet packet;
    c->copies = etw_copies_new(c->components, c->takes_all);
    if (c->copies == NULL) {
        return no_memory(error);
    }
    etw_status status = etw_output_spool_rewind(&c->spool, error);
    while (!etw_failed(status)) {
        status = etw_output_spool_next(&c->spool, &record, error);
        if (status != ETW_OK) {
            break;
        }
        etw_bytes whole;
        (void)etw_packet_event_next(&record, &event, &whole);
        const bool is_pktmon = etw_pktmon_packet_read(&event, &packet);
        status = etw_copies_see(c->copies, &event, is_pktmon ? &packet : NULL, error);
    }
    return status;
}

/* Last: it is written. */

typedef struct out_packet {
    etw_packet_interface interface;
    const etw_component *component;
    const etw_packet_drop *drop;
    etw_bytes bytes;
    uint32_t original_bytes;
    uint32_t direction;
    uint64_t group; /* 0: none that means something */
} out_packet;

static void make_comment(etw_collector *c, const etw_packet_event *event,
                         const etw_packet_drop *drop)
{
    etw_text *text = &c->comment;
    etw_text_clear(text);
    if (drop != NULL) {
        const etw_component *at = etw_components_find(c->components, drop->component);
        etw_text_append_z(text, "dropped: ");
        if (drop->text[0] != '\0') {
            etw_text_printf(text, "%s (%u)", drop->text, drop->reason);
        } else {
            etw_text_printf(text, "reason %u", drop->reason);
        }
        etw_text_printf(text, ", location 0x%X, by component %u%s%s", drop->location,
                        drop->component, at == NULL || at->name[0] == '\0' ? "" : " ",
                        at == NULL ? "" : at->name);
    }
    if (event->process.size > 0) {
        etw_text_append_z(text, text->size > 0 ? "; process " : "process ");
        etw_text_append_utf8(text, event->process.data, event->process.size, ETW_ESCAPE_NONE);
        etw_text_printf(text, " (%u)", event->process_id);
    }
}

static void write_options(etw_collector *c, const out_packet *p, etw_text *out)
{
    static const uint8_t dropped[9] = {VERDICT_XDP, VERDICT_XDP_DROP};
    if (p->direction != 0) {
        etw_pcapng_option(out, ETW_PCAPNG_PACKET_FLAGS, &p->direction, sizeof p->direction);
    }
    if (p->group != 0) {
        etw_pcapng_option(out, ETW_PCAPNG_PACKET_ID, &p->group, sizeof p->group);
    }
    if (p->drop != NULL) {
        etw_pcapng_option(out, ETW_PCAPNG_PACKET_VERDICT, dropped, sizeof dropped);
    }
    if (c->comment.size > 0) {
        etw_pcapng_option(out, ETW_PCAPNG_COMMENT, c->comment.data, c->comment.size);
    }
    etw_pcapng_end_options(out);
}

/* Clears the Protected bit of a body that is plain. */
static etw_bytes mended(etw_collector *c, etw_bytes frame, uint32_t link_type)
{
    if (link_type != ETW_LINK_WIFI || !etw_frame_is_plain_wifi(frame)) {
        return frame;
    }
    etw_text_clear(&c->frame);
    etw_text_append(&c->frame, (const char *)frame.data, frame.size);
    if (c->frame.failed) {
        return frame;
    }
    c->frame.data[1] = (char)(c->frame.data[1] & ~0x40);
    return etw_text_bytes(&c->frame);
}

static void write_packet(etw_collector *c, const out_packet *p, const etw_packet_event *event,
                         etw_text *out)
{
    const uint32_t number =
        etw_packet_interface_number(&c->interfaces, &p->interface, p->component, out);
    const etw_bytes bytes = mended(c, p->bytes, p->interface.link_type);
    const size_t start =
        etw_pcapng_begin_packet(out, number, event->time_100ns, bytes, p->original_bytes);
    make_comment(c, event, p->drop);
    write_options(c, p, out);
    etw_pcapng_end(out, start);
    out->failed |= c->frame.failed || c->comment.failed;
    c->last_100ns = event->time_100ns;
    c->written++;
}

/* PacketDirectionTag: 1 In, 3 Rx, 5 Ingress come in; 2 Out, 4 Tx, 6 Egress go out. */
static uint32_t pktmon_direction(uint16_t tag)
{
    if (tag == 0 || tag > 6) {
        return 0;
    }
    return tag % 2 == 1 ? DIRECTION_IN : DIRECTION_OUT;
}

static void write_pktmon(etw_collector *c, uint64_t index, const etw_packet_event *event,
                         const etw_pktmon_packet *from, etw_text *out)
{
    out_packet p = {.bytes = from->bytes,
                    .original_bytes = from->original_bytes,
                    .direction = pktmon_direction(from->direction),
                    .group = from->appearance != 0 ? from->group : 0};
    memset(&p.interface, 0, sizeof p.interface);
    p.component = etw_components_find(c->components, from->component);
    p.drop = etw_copies_drop_of(c->copies, index);
    p.interface.carrier = ETW_PACKET_PKTMON;
    p.interface.component = from->component;
    p.interface.link_type = etw_frame_link_type(from, p.component);
    write_packet(c, &p, event, out);
}

static uint16_t ndis_link_type(uint64_t keyword)
{
    if ((keyword & ETW_NDIS_WIFI) != 0) {
        return ETW_LINK_WIFI;
    }
    return (keyword & ETW_NDIS_WAN) != 0 ? ETW_LINK_RAW_IP : ETW_LINK_ETHERNET;
}

static void set_port(out_packet *p, etw_bytes utf16)
{
    etw_text port = {0};
    etw_text_append_utf16(&port, utf16.data, utf16.size, ETW_ESCAPE_NONE);
    (void)snprintf(p->interface.port, sizeof p->interface.port, "%s", etw_text_z(&port));
    etw_trim_partial_utf8(p->interface.port, sizeof p->interface.port);
    etw_text_free(&port);
}

static void write_ndis(etw_collector *c, const etw_packet_event *event, etw_text *out)
{
    etw_ndis_fragment fragment;
    out_packet p = {0};
    bool failed = false;
    if (!etw_ndis_fragment_read(event, &fragment)) {
        c->unread++;
        return;
    }
    if (!etw_fragments_add(&c->fragments, event, &fragment, &p.bytes, &failed)) {
        out->failed |= failed;
        return;
    }
    const bool is_ras = event->carrier == ETW_PACKET_RAS;
    const bool is_sent = is_ras ? event->id == 5001 : (event->keyword & ETW_NDIS_SEND) != 0;
    memset(&p.interface, 0, sizeof p.interface);
    p.interface.carrier = event->carrier;
    p.interface.miniport = fragment.miniport;
    p.interface.lower = fragment.lower;
    p.interface.link_type = is_ras ? ETW_LINK_ETHERNET : ndis_link_type(event->keyword);
    p.direction = is_sent ? DIRECTION_OUT : DIRECTION_IN;
    set_port(&p, fragment.port);
    write_packet(c, &p, event, out);
}

static void write_wfp(etw_collector *c, const etw_packet_event *event, etw_text *out)
{
    etw_wfp_packet packet;
    out_packet p = {0};
    if (!etw_wfp_packet_read(event, &packet)) {
        c->unread++;
        return;
    }
    etw_text_clear(&c->frame);
    etw_wfp_packet_append(&packet, &c->frame);
    memset(&p.interface, 0, sizeof p.interface);
    p.interface.carrier = ETW_PACKET_WFP;
    p.interface.link_type = ETW_LINK_RAW_IP;
    p.bytes = etw_text_bytes(&c->frame);
    p.original_bytes = (uint32_t)p.bytes.size;
    write_packet(c, &p, event, out);
}

static void write_event(etw_collector *c, uint64_t index, etw_bytes record, etw_text *out)
{
    etw_packet_event event;
    etw_pktmon_packet packet;
    etw_bytes whole;
    (void)etw_packet_event_next(&record, &event, &whole);
    if (event.carrier == ETW_PACKET_WFP) {
        write_wfp(c, &event, out);
    } else if (event.carrier != ETW_PACKET_PKTMON) {
        write_ndis(c, &event, out);
    } else if (etw_copies_is_kept(c->copies, index) && etw_pktmon_packet_read(&event, &packet)) {
        write_pktmon(c, index, &event, &packet, out);
    }
}

static void say_doubts(const etw_collector *c)
{
    uint64_t dropped = 0;
    const etw_component *component;
    for (uint32_t i = 0; (component = etw_components_at(c->components, i)) != NULL; i++) {
        dropped += component->dropped;
    }
    etw_collector_say(&c->target, c->unread, "event", "of packets left out: shorter than stated");
    etw_collector_say(&c->target, c->fragments.broken, "packet", "left out: without start or end");
    etw_collector_say(&c->target, etw_copies_strange(c->copies), "event",
                      "left out: no frame of a known link type (HTTP, payloads alone)");
    if (c->events == 0 && c->target.note != NULL) {
        c->target.note(c->target.note_context,
                       etw_components_at(c->components, 0) == NULL
                           ? "the trace holds no packets of PktMon or NDIS-PacketCapture"
                           : "the trace holds no packets, but counters of PktMon alone");
        etw_collector_say(&c->target, dropped, "packet", "dropped, as those counters say");
    }
}

static etw_status finish_packets(etw_collector *c, etw_text *out, etw_error *error)
{
    etw_bytes record;
    etw_status status = choose_packets(c, error);
    if (etw_failed(status)) {
        return status;
    }
    etw_pcapng_section(out, "etwcap " ETW_VERSION);
    status = etw_output_spool_rewind(&c->spool, error);
    for (uint64_t index = 0; !etw_failed(status); index++) {
        status = etw_output_spool_next(&c->spool, &record, error);
        if (status != ETW_OK) {
            break;
        }
        write_event(c, index, record, out);
        status = etw_collector_put(&c->target, out, error);
    }
    if (!etw_failed(status)) {
        etw_packet_interfaces_tell_drops(&c->interfaces, c->components, c->last_100ns, out);
        say_doubts(c);
        status = ETW_OK;
    }
    return status;
}

/* The renderer's half. */

static void render_event(etw_output *output, const etw_event *event, etw_text *text)
{
    (void)output;
    etw_packet_event_append(event, text);
}

static const etw_collector_kind collector = {open_packets, take_packets, finish_packets,
                                             close_packets};

const etw_output_format etw_output_packets = {
    .name = "packets",
    .help = "the network packets of PktMon and NDIS-PacketCapture, as pcapng",
    .binary = true,
    .open = etw_output_open_plain,
    .close = etw_output_free,
    .event = render_event,
    .collector = &collector,
};
