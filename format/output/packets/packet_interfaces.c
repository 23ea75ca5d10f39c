#include "format/output/packets/packet_interfaces.h"

#include "format/base/grown.h"

#include <stdlib.h>

void etw_packet_interfaces_free(etw_packet_interfaces *interfaces)
{
    free(interfaces->list);
    *interfaces = (etw_packet_interfaces){0};
}

static void option_text(etw_text *out, uint16_t code, etw_text *value)
{
    if (value->size > 0 && !value->failed) {
        etw_pcapng_option(out, code, value->data, value->size);
    }
    etw_text_clear(value);
}

static void name_component(etw_text *out, const etw_packet_interface *wanted,
                           const etw_component *component)
{
    etw_text value = {0};
    if (component == NULL || component->name[0] == '\0') {
        etw_text_printf(&value, "component %u", wanted->component);
        option_text(out, ETW_PCAPNG_INTERFACE_NAME, &value);
        etw_text_free(&value);
        return;
    }
    etw_text_append_z(&value, component->name);
    option_text(out, ETW_PCAPNG_INTERFACE_NAME, &value);
    etw_text_append_z(&value, component->description);
    option_text(out, ETW_PCAPNG_INTERFACE_DESCRIPTION, &value);
    if (component->has_mac) {
        etw_pcapng_option(out, ETW_PCAPNG_INTERFACE_MAC, component->mac, sizeof component->mac);
    }
    etw_text_printf(&value, "component %u", component->id);
    if (etw_component_type_name(component->type)[0] != '\0') {
        etw_text_printf(&value, ", %s", etw_component_type_name(component->type));
    }
    if (component->own_index != 0) {
        etw_text_printf(&value, ", IfIndex %u", component->own_index);
    }
    if (component->addresses[0] != '\0') {
        etw_text_printf(&value, ", %s", component->addresses);
    }
    option_text(out, ETW_PCAPNG_COMMENT, &value);
    etw_text_free(&value);
}

static void name_adapter(etw_text *out, const etw_packet_interface *wanted)
{
    static const char *const kinds[] = {
        [ETW_LINK_ETHERNET] = "eth", [ETW_LINK_RAW_IP] = "mbb", [ETW_LINK_WIFI] = "wifi"};
    etw_text value = {0};
    if (wanted->carrier == ETW_PACKET_WFP) {
        etw_text_append_z(&value, "wfp");
    } else if (wanted->carrier == ETW_PACKET_RAS) {
        etw_text_printf(&value, "ras:%s", wanted->port);
    } else if (wanted->port[0] != '\0') {
        etw_text_printf(&value, "vnic:%s:%u", wanted->port, wanted->miniport);
    } else {
        etw_text_printf(&value, "%s:%u", kinds[wanted->link_type], wanted->miniport);
    }
    option_text(out, ETW_PCAPNG_INTERFACE_NAME, &value);
    if (wanted->lower != 0 && wanted->lower != wanted->miniport) {
        etw_text_printf(&value, "filter above interface %u", wanted->lower);
        option_text(out, ETW_PCAPNG_INTERFACE_DESCRIPTION, &value);
    }
    etw_text_free(&value);
}

static void describe(etw_text *out, const etw_packet_interface *wanted,
                     const etw_component *component)
{
    const size_t start = etw_pcapng_begin_interface(out, (uint16_t)wanted->link_type);
    if (wanted->carrier == ETW_PACKET_PKTMON) {
        name_component(out, wanted, component);
    } else {
        name_adapter(out, wanted);
    }
    etw_pcapng_end_options(out);
    etw_pcapng_end(out, start);
}

static bool grow(etw_packet_interfaces *interfaces)
{
    etw_packet_interface *longer =
        etw_grown(interfaces->list, &interfaces->capacity, interfaces->count, 16, sizeof *longer);
    interfaces->list = longer == NULL ? interfaces->list : longer;
    return longer != NULL;
}

uint32_t etw_packet_interface_number(etw_packet_interfaces *interfaces,
                                     const etw_packet_interface *wanted,
                                     const etw_component *component, etw_text *out)
{
    for (uint32_t i = 0; i < interfaces->count; i++) {
        if (memcmp(&interfaces->list[i], wanted, sizeof *wanted) == 0) {
            return i;
        }
    }
    if (!grow(interfaces)) {
        out->failed = true;
        return 0;
    }
    const bool is_full = interfaces->count >= ETW_PACKET_MAX_INTERFACES;
    for (uint32_t i = interfaces->count; is_full && i-- > 0;) {
        if (interfaces->list[i].link_type == wanted->link_type) {
            return i;
        }
    }
    interfaces->list[interfaces->count] = *wanted;
    describe(out, wanted, component);
    return interfaces->count++;
}

void etw_packet_interfaces_tell_drops(const etw_packet_interfaces *interfaces,
                                      const etw_components *components, int64_t time_100ns,
                                      etw_text *out)
{
    for (uint32_t i = 0; i < interfaces->count; i++) {
        const etw_packet_interface *one = &interfaces->list[i];
        const etw_component *component =
            one->carrier == ETW_PACKET_PKTMON
                ? etw_components_find(components, (uint16_t)one->component)
                : NULL;
        if (component == NULL || !component->has_counters) {
            continue;
        }
        const size_t start = etw_pcapng_begin(out, ETW_PCAPNG_STATISTICS);
        etw_pcapng_u32(out, i);
        etw_pcapng_time(out, time_100ns);
        etw_pcapng_option(out, ETW_PCAPNG_STATISTICS_DROPPED, &component->dropped,
                          sizeof component->dropped);
        etw_pcapng_end_options(out);
        etw_pcapng_end(out, start);
    }
}
