#include "format/output/packets/components.h"

#include "format/base/grown.h"

#include <stdio.h>
#include <stdlib.h>

/* PropertyType of PktMon's events */
enum {
    PROPERTY_IF_INDEX = 1,
    PROPERTY_MINIPORT_IF_INDEX = 2,
    PROPERTY_PHYSICAL_ADDRESS = 6,
    PROPERTY_IP_IF_INDEX = 14
};

/* By id, ascending; 16 bits of it are the bound. */
struct etw_components {
    etw_component **list;
    uint32_t count, capacity;
};

/* By ComponentType: its name, and how near to the wire it is, 0 being nearest. Measured on builds
 * 19042 to 26200; 11 is in no map but in use. */
static const struct {
    const char *name;
    uint8_t rank;
    bool is_miniport; /* its own interface is the adapter */
} types[] = {
    {"", 9, false},
    {"NDIS", 8, false},
    {"Miniport", 0, true},
    {"Filter", 4, false},
    {"Protocol", 7, false},
    {"VmsVmNic", 5, false},
    {"VmsMiniport", 1, true},
    {"VmsExtMiniport", 2, true},
    {"VmsProtocolNic", 6, false},
    {"NetVsc Miniport", 0, true},
    {"HTTP Protocol", 8, false},
    {"IP", 8, false},
    {"Slbmux", 8, false},
    {"IPSec", 8, false},
    {"NetCx", 3, true},
    {"HTTP Message", 8, false},
};
#define TYPE_COUNT (sizeof types / sizeof types[0])

static size_t type_index(uint16_t type)
{
    return type < TYPE_COUNT ? type : 0;
}

const char *etw_component_type_name(uint16_t type)
{
    return types[type_index(type)].name;
}

etw_components *etw_components_new(void)
{
    return calloc(1, sizeof(etw_components));
}

void etw_components_free(etw_components *components)
{
    if (components == NULL) {
        return;
    }
    for (uint32_t i = 0; i < components->count; i++) {
        free(components->list[i]);
    }
    free(components->list);
    free(components);
}

/* Where the id stands, or would. */
static uint32_t place_of(const etw_components *components, uint16_t id)
{
    uint32_t from = 0;
    uint32_t to = components->count;
    while (from < to) {
        const uint32_t middle = from + (to - from) / 2;
        if (components->list[middle]->id < id) {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    return from;
}

static etw_component *find(const etw_components *components, uint16_t id)
{
    const uint32_t place = place_of(components, id);
    return place < components->count && components->list[place]->id == id ? components->list[place]
                                                                          : NULL;
}

const etw_component *etw_components_find(const etw_components *components, uint16_t id)
{
    return find(components, id);
}

const etw_component *etw_components_at(const etw_components *components, uint32_t index)
{
    return index < components->count ? components->list[index] : NULL;
}

static bool grow(etw_components *components)
{
    etw_component **longer =
        etw_grown(components->list, &components->capacity, components->count, 64, sizeof(*longer));
    components->list = longer == NULL ? components->list : longer;
    return longer != NULL;
}

/* NULL where memory is out. */
static etw_component *find_or_add(etw_components *components, uint16_t id)
{
    etw_component *found = find(components, id);
    if (found != NULL || !grow(components)) {
        return found;
    }
    etw_component *made = calloc(1, sizeof *made);
    if (made == NULL) {
        return NULL;
    }
    const uint32_t place = place_of(components, id);
    memmove(components->list + place + 1, components->list + place,
            (components->count - place) * sizeof *components->list);
    made->id = id;
    components->list[place] = made;
    components->count++;
    return made;
}

/* Learning. */

/* Takes a UTF-16LE text with its NUL, and cuts it to what fits. */
static void take_text(etw_cursor *cursor, char text[ETW_COMPONENT_TEXT_SIZE])
{
    const size_t left = etw_cursor_left(cursor);
    const size_t size = left == 0 ? 0 : etw_utf16_length_bytes(cursor->at, left);
    const uint8_t *units = etw_cursor_take(cursor, size);
    etw_text utf8 = {0};
    (void)etw_cursor_u16(cursor);
    if (units != NULL) {
        etw_text_append_utf16(&utf8, units, size, ETW_ESCAPE_NONE);
    }
    size_t kept = utf8.size < ETW_COMPONENT_TEXT_SIZE ? utf8.size : ETW_COMPONENT_TEXT_SIZE - 1;
    while (kept > 0 && kept < utf8.size && ((uint8_t)utf8.data[kept] & 0xC0u) == 0x80u) {
        kept--;
    }
    if (kept > 0) {
        memcpy(text, utf8.data, kept);
    }
    text[kept] = '\0';
    etw_text_free(&utf8);
}

static void learn_number(etw_component *component, uint16_t property, uint32_t value)
{
    if (property == PROPERTY_IF_INDEX) {
        component->own_index = value;
    } else if (property == PROPERTY_MINIPORT_IF_INDEX) {
        component->miniport_index = value;
    } else if (property == PROPERTY_IP_IF_INDEX) {
        component->ip_index = value;
    }
}

static void learn_address(etw_component *component, const uint8_t *bytes)
{
    const size_t used = strlen(component->addresses);
    if (bytes != NULL && used + 17 < sizeof component->addresses) {
        (void)snprintf(component->addresses + used, sizeof component->addresses - used,
                       "%s%u.%u.%u.%u", used == 0 ? "" : " ", bytes[0], bytes[1], bytes[2],
                       bytes[3]);
    }
}

static void learn_bytes(etw_component *component, uint16_t property, etw_cursor *cursor)
{
    const uint32_t size = etw_cursor_u32(cursor);
    const uint8_t *bytes = etw_cursor_take(cursor, size);
    if (property == PROPERTY_PHYSICAL_ADDRESS && size == sizeof component->mac && bytes != NULL) {
        component->has_mac = true;
        memcpy(component->mac, bytes, sizeof component->mac);
    }
}

/* Two directions: each its number (16 bits), packets and bytes (64 bits). */
static void learn_drops(etw_component *component, etw_cursor *cursor)
{
    uint64_t packets = 0;
    for (unsigned direction = 0; direction < 2; direction++) {
        (void)etw_cursor_u16(cursor);
        packets += etw_cursor_u64(cursor);
        (void)etw_cursor_u64(cursor);
    }
    if (!cursor->failed) {
        component->has_counters = true;
        component->dropped = packets;
    }
}

bool etw_components_learn(etw_components *components, const etw_packet_event *event)
{
    etw_cursor cursor = etw_cursor_over(event->payload);
    const uint16_t id = etw_cursor_u16(&cursor);
    const bool is_drops = event->id == ETW_PKTMON_DROPS;
    const uint16_t type = is_drops ? 0 : etw_cursor_u16(&cursor);
    etw_component *component = cursor.failed ? NULL : find_or_add(components, id);
    if (component == NULL) {
        return cursor.failed;
    }
    switch (event->id) {
    case ETW_PKTMON_COMPONENT:
    case ETW_PKTMON_NEW_COMPONENT:
        component->type = type;
        take_text(&cursor, component->name);
        take_text(&cursor, component->description);
        break;
    case ETW_PKTMON_NUMBER:
    case ETW_PKTMON_HEX_NUMBER:
        learn_number(component, type, etw_cursor_u32(&cursor));
        break;
    case ETW_PKTMON_ADDRESS4:
        learn_address(component, etw_cursor_take(&cursor, 4));
        break;
    case ETW_PKTMON_BYTES:
        learn_bytes(component, type, &cursor);
        break;
    case ETW_PKTMON_DROPS:
        learn_drops(component, &cursor);
        break;
    default:
        break;
    }
    return true;
}

static size_t edge_index(uint16_t edge)
{
    return edge < ETW_COMPONENT_MAX_EDGES ? edge : 0;
}

bool etw_components_count(etw_components *components, const etw_pktmon_packet *packet,
                          bool is_dropped)
{
    etw_component *component = find_or_add(components, packet->component);
    if (component != NULL && !is_dropped) {
        component->packets[edge_index(packet->edge)]++;
    }
    return component != NULL;
}

/* Adapters. */

/* The interface whose packets pass here; 0: not told. */
static uint32_t adapter_of(const etw_component *component)
{
    if (types[type_index(component->type)].is_miniport && component->own_index != 0) {
        return component->own_index;
    }
    return component->miniport_index != 0 ? component->miniport_index : component->ip_index;
}

/* The upper edge (1) where it has packets, else the next that has; UINT32_MAX: none. */
static uint32_t best_edge(const etw_component *component)
{
    for (uint32_t i = 1; i <= ETW_COMPONENT_MAX_EDGES; i++) {
        if (component->packets[i % ETW_COMPONENT_MAX_EDGES] > 0) {
            return i % ETW_COMPONENT_MAX_EDGES;
        }
    }
    return UINT32_MAX;
}

static uint32_t rank_of(const etw_component *component)
{
    return types[type_index(component->type)].rank;
}

bool etw_components_is_reference(const etw_components *components, uint16_t id, uint16_t edge)
{
    const etw_component *own = find(components, id);
    if (own == NULL || best_edge(own) != edge_index(edge)) {
        return false;
    }
    const uint32_t adapter = adapter_of(own);
    for (uint32_t i = 0; adapter != 0 && i < components->count; i++) {
        const etw_component *other = components->list[i];
        const bool is_lower = rank_of(other) < rank_of(own) ||
                              (rank_of(other) == rank_of(own) && other->id < own->id);
        if (is_lower && adapter_of(other) == adapter && best_edge(other) != UINT32_MAX) {
            return false;
        }
    }
    return true;
}
