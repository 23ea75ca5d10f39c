#include "format/output/packets/copies.h"

#include "format/base/arena.h"
#include "format/base/grown.h"

#include <stdlib.h>

#define SETS        16384u
#define WAYS        4u
#define DROP_WINDOW INT64_C(100000) /* 10 ms */

/* What was seen lately: by group and number, or by the hash of its addresses. */
typedef struct recent {
    uint64_t key;
    uint64_t number; /* of the group; 0 of a hash */
    uint64_t kept;   /* index of the event that stands for the packet */
    int64_t time_100ns;
    uint64_t used; /* counts up; 0: free */
    bool has_reference;
    bool is_dropped;
    etw_packet_drop drop;
} recent;

struct etw_copies {
    const etw_components *components;
    bool takes_all;
    uint64_t count, strange, clock;
    uint8_t *kept; /* a bit for each event */
    size_t capacity;
    recent *recents; /* SETS of WAYS */
    etw_packet_drop *drops;
    uint32_t drop_count, drop_capacity, next_drop;
    bool is_sorted;
    struct {
        uint32_t reason;
        const char *text;
    } reasons[ETW_COPIES_MAX_REASONS];
    uint32_t reason_count;
    etw_arena texts;
};

etw_copies *etw_copies_new(const etw_components *components, bool takes_all)
{
    etw_copies *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return NULL;
    }
    made->components = components;
    made->takes_all = takes_all;
    made->recents = calloc((size_t)SETS * WAYS, sizeof *made->recents);
    if (made->recents == NULL) {
        etw_copies_free(made);
        return NULL;
    }
    return made;
}

void etw_copies_free(etw_copies *copies)
{
    if (copies != NULL) {
        free(copies->kept);
        free(copies->recents);
        free(copies->drops);
        etw_arena_free(&copies->texts);
        free(copies);
    }
}

uint64_t etw_copies_strange(const etw_copies *copies)
{
    return copies->strange;
}

/* Bits. */

static etw_status make_room(etw_copies *c, etw_error *error)
{
    if (c->count == ETW_COPIES_MAX_PACKETS) {
        return etw_error_set(error, ETW_ERROR_LIMIT, "more than 2^32 events of packets");
    }
    if (c->count / 8 < c->capacity) {
        return ETW_OK;
    }
    const size_t capacity = c->capacity == 0 ? 4096 : 2 * c->capacity;
    uint8_t *longer = realloc(c->kept, capacity);
    if (longer == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for the list of packets");
    }
    memset(longer + c->capacity, 0, capacity - c->capacity);
    c->kept = longer;
    c->capacity = capacity;
    return ETW_OK;
}

static void keep(etw_copies *c, uint64_t index)
{
    c->kept[index / 8] = (uint8_t)(c->kept[index / 8] | (1u << (index % 8)));
}

static void leave_out(etw_copies *c, uint64_t index)
{
    c->kept[index / 8] = (uint8_t)(c->kept[index / 8] & ~(1u << (index % 8)));
}

bool etw_copies_is_kept(const etw_copies *copies, uint64_t index)
{
    return index < copies->count && (copies->kept[index / 8] >> (index % 8) & 1) != 0;
}

/* Drops. */

static const char *text_of(etw_copies *c, const etw_packet_event *event, uint32_t reason)
{
    for (uint32_t i = 0; i < c->reason_count; i++) {
        if (c->reasons[i].reason == reason) {
            return c->reasons[i].text;
        }
    }
    const char *text = etw_arena_copy(&c->texts, event->reason.data, event->reason.size);
    if (text == NULL || c->reason_count == ETW_COPIES_MAX_REASONS) {
        return "";
    }
    c->reasons[c->reason_count].reason = reason;
    c->reasons[c->reason_count++].text = text;
    return text;
}

static etw_packet_drop drop_of(etw_copies *c, const etw_packet_event *event,
                               const etw_pktmon_packet *packet)
{
    return (etw_packet_drop){.reason = packet->drop_reason,
                             .location = packet->drop_location,
                             .component = packet->component,
                             .text = text_of(c, event, packet->drop_reason)};
}

static etw_status add_drop(etw_copies *c, uint64_t index, etw_packet_drop drop, etw_error *error)
{
    drop.packet = index;
    if (c->drop_count == ETW_COPIES_MAX_DROPS) {
        return etw_error_set(error, ETW_ERROR_LIMIT, "more than %u dropped packets",
                             ETW_COPIES_MAX_DROPS);
    }
    etw_packet_drop *longer =
        etw_grown(c->drops, &c->drop_capacity, c->drop_count, 64, sizeof *longer);
    if (longer == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for dropped packets");
    }
    c->drops = longer;
    c->drops[c->drop_count++] = drop;
    return ETW_OK;
}

static int by_packet(const void *one, const void *other)
{
    const etw_packet_drop *a = one;
    const etw_packet_drop *b = other;
    return (a->packet > b->packet) - (a->packet < b->packet);
}

const etw_packet_drop *etw_copies_drop_of(etw_copies *copies, uint64_t index)
{
    if (!copies->is_sorted) {
        copies->is_sorted = true;
        if (copies->drop_count > 0) {
            qsort(copies->drops, copies->drop_count, sizeof *copies->drops, by_packet);
        }
    }
    while (copies->next_drop < copies->drop_count &&
           copies->drops[copies->next_drop].packet < index) {
        copies->next_drop++;
    }
    const bool is_its =
        copies->next_drop < copies->drop_count && copies->drops[copies->next_drop].packet == index;
    return is_its ? &copies->drops[copies->next_drop] : NULL;
}

/* What was seen lately. */

/* Its place, or the one of the oldest in its set, emptied. */
static recent *find_recent(etw_copies *c, uint64_t key, uint64_t number)
{
    const uint64_t set = etw_hash_pair(etw_frame_seed, key, number) % SETS;
    recent *oldest = &c->recents[set * WAYS];
    for (uint32_t way = 0; way < WAYS; way++) {
        recent *r = &c->recents[set * WAYS + way];
        if (r->used != 0 && r->key == key && r->number == number) {
            r->used = ++c->clock;
            return r;
        }
        oldest = r->used < oldest->used ? r : oldest;
    }
    *oldest = (recent){.key = key, .number = number};
    return oldest;
}

static void begin_recent(etw_copies *c, recent *r, uint64_t index, int64_t time_100ns)
{
    r->used = ++c->clock;
    r->kept = index;
    r->time_100ns = time_100ns;
    keep(c, index);
}

/* The first drop that is told is the nearest to its cause. */
static etw_status tell_drop(etw_copies *c, recent *r, etw_packet_drop drop, etw_error *error)
{
    if (r->is_dropped) {
        return ETW_OK;
    }
    r->is_dropped = true;
    r->drop = drop;
    return add_drop(c, r->kept, drop, error);
}

/* Copies share group and number. */
static etw_status see_group(etw_copies *c, const etw_packet_event *event,
                            const etw_pktmon_packet *packet, etw_error *error)
{
    const bool is_dropped = event->id == ETW_PKTMON_DROPPED;
    const bool is_reference =
        !is_dropped && etw_components_is_reference(c->components, packet->component, packet->edge);
    recent *r = find_recent(c, packet->group, packet->number + UINT64_C(1));
    if (r->used == 0) {
        begin_recent(c, r, c->count, event->time_100ns);
    } else if (is_reference && !r->has_reference) {
        leave_out(c, r->kept);
        r->kept = c->count;
        keep(c, c->count);
        if (r->is_dropped) {
            const etw_status status = add_drop(c, r->kept, r->drop, error);
            if (etw_failed(status)) {
                return status;
            }
        }
    }
    r->has_reference |= is_reference;
    return is_dropped ? tell_drop(c, r, drop_of(c, event, packet), error) : ETW_OK;
}

/* Nothing joins the copies. */
static etw_status see_alone(etw_copies *c, const etw_packet_event *event,
                            const etw_pktmon_packet *packet, uint16_t link_type, etw_error *error)
{
    const bool is_dropped = event->id == ETW_PKTMON_DROPPED;
    uint64_t hash = 0;
    if (!is_dropped &&
        !etw_components_is_reference(c->components, packet->component, packet->edge)) {
        return ETW_OK;
    }
    if (!etw_frame_hash(packet->bytes, link_type, &hash)) {
        keep(c, c->count);
        return is_dropped ? add_drop(c, c->count, drop_of(c, event, packet), error) : ETW_OK;
    }
    recent *r = find_recent(c, hash, 0);
    const bool is_new =
        !is_dropped || r->used == 0 || event->time_100ns - r->time_100ns > DROP_WINDOW;
    if (is_new) {
        *r = (recent){.key = hash};
        begin_recent(c, r, c->count, event->time_100ns);
    }
    return is_dropped ? tell_drop(c, r, drop_of(c, event, packet), error) : ETW_OK;
}

static etw_status choose(etw_copies *c, const etw_packet_event *event,
                         const etw_pktmon_packet *packet, etw_error *error)
{
    if (packet == NULL) {
        keep(c, c->count);
        return ETW_OK;
    }
    const uint16_t link_type =
        etw_frame_link_type(packet, etw_components_find(c->components, packet->component));
    if (link_type == 0) {
        c->strange++;
        return ETW_OK;
    }
    if (c->takes_all) {
        keep(c, c->count);
        return event->id == ETW_PKTMON_DROPPED
                   ? add_drop(c, c->count, drop_of(c, event, packet), error)
                   : ETW_OK;
    }
    return packet->appearance != 0 ? see_group(c, event, packet, error)
                                   : see_alone(c, event, packet, link_type, error);
}

etw_status etw_copies_see(etw_copies *copies, const etw_packet_event *event,
                          const etw_pktmon_packet *packet, etw_error *error)
{
    etw_status status = make_room(copies, error);
    if (!etw_failed(status)) {
        status = choose(copies, event, packet, error);
        copies->count++;
    }
    return status;
}
