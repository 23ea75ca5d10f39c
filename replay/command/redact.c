#include "replay/command/redact.h"

#include "format/event/tei.h"

#include <stdlib.h>

/* TRACE_LOGFILE_HEADER without the two names behind it (evntrace.h). */
#define LOGFILE_HEADER_SIZE_32 272u
#define LOGFILE_HEADER_SIZE_64 280u

/* EventTraceGuid (evntrace.h): the log-file header as an event, with the names of session and file.
 */
static const etw_guid trace_events = {
    0x68FDD900u, 0x4A3E, 0x11D1, {0x84, 0xF4, 0x00, 0x00, 0xF8, 0x04, 0x64, 0xE3}};

struct etw_redactor {
    const etw_redaction *redaction;
    bool *found; /* by name */
    etw_redaction_counts counts;
    uint8_t *data; /* the user data's safe copy */
    etw_extended_data_item *items;
    uint32_t item_capacity;
    const uint8_t *original; /* user data of the event at hand */
    bool is_changed;
    bool drops_sids;
    bool takes_strings;     /* of the event at hand */
    uint32_t named_structs; /* that are open: all in them goes */
    /* How the layout looked, to see whether overwriting changed it. */
    uint32_t values;
    size_t value_bytes;
};

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_same_name(const char *name, const char *other)
{
    while (*name != '\0' && lower(*name) == lower(*other)) {
        name++;
        other++;
    }
    return *name == *other;
}

etw_redactor *etw_redactor_new(const etw_redaction *redaction)
{
    etw_redactor *redactor = calloc(1, sizeof *redactor);
    if (redactor != NULL) {
        redactor->redaction = redaction;
        redactor->data = malloc(ETW_MAX_USER_DATA_SIZE);
        for (uint32_t i = 0; i < redaction->name_count; i++) {
            redactor->drops_sids |= is_same_name(redaction->names[i], ETW_REDACT_USER_SID);
        }
        redactor->drops_sids |= redaction->strings;
        redactor->found = calloc((size_t)redaction->name_count + 1, sizeof *redactor->found);
        if (redactor->data == NULL || redactor->found == NULL) {
            etw_redactor_free(redactor);
            return NULL;
        }
    }
    return redactor;
}

void etw_redactor_free(etw_redactor *redactor)
{
    if (redactor != NULL) {
        free(redactor->found);
        free(redactor->items);
        free(redactor->data);
        free(redactor);
    }
}

static bool is_wide_string(uint16_t in_type)
{
    return in_type == ETW_IN_UNICODESTRING || in_type == ETW_IN_MANIFEST_COUNTEDSTRING ||
           in_type == ETW_IN_UNICODECHAR || in_type == ETW_IN_COUNTEDSTRING ||
           in_type == ETW_IN_REVERSEDCOUNTEDSTRING || in_type == ETW_IN_NONNULLTERMINATEDSTRING;
}

static bool is_narrow_string(uint16_t in_type)
{
    return in_type == ETW_IN_ANSISTRING || in_type == ETW_IN_MANIFEST_COUNTEDANSISTRING ||
           in_type == ETW_IN_ANSICHAR || in_type == ETW_IN_COUNTEDANSISTRING ||
           in_type == ETW_IN_REVERSEDCOUNTEDANSISTRING ||
           in_type == ETW_IN_NONNULLTERMINATEDANSISTRING;
}

/* What holds text although it is no string to its schema, or says who somebody is. */
static bool is_telling(uint16_t in_type)
{
    return in_type == ETW_IN_BINARY || in_type == ETW_IN_MANIFEST_COUNTEDBINARY ||
           in_type == ETW_IN_HEXDUMP || in_type == ETW_IN_SID || in_type == ETW_IN_WBEMSID;
}

static bool is_named(etw_redactor *r, const char *name)
{
    bool found = false;
    for (uint32_t i = 0; i < r->redaction->name_count; i++) {
        if (is_same_name(r->redaction->names[i], name)) {
            r->found[i] = true;
            found = true;
        }
    }
    return found;
}

/* Same size, nothing told. A SID's size is in its second byte, so its first two stay. */
static void overwrite(uint8_t *bytes, size_t size, uint16_t in_type)
{
    if (is_wide_string(in_type)) {
        for (size_t i = 0; i < size; i++) {
            bytes[i] = i % 2 == 0 ? 'x' : 0;
        }
    } else if (is_narrow_string(in_type)) {
        memset(bytes, 'x', size);
    } else {
        const bool is_sid = in_type == ETW_IN_SID || in_type == ETW_IN_WBEMSID;
        const size_t kept = is_sid && size >= 2 ? 2 : 0;
        memset(bytes + kept, 0, size - kept);
    }
}

static bool is_wanted_gone(etw_redactor *r, const etw_property *property)
{
    const uint16_t in_type = etw_property_in_type(property);
    const bool is_string = is_wide_string(in_type) || is_narrow_string(in_type);
    const bool is_one_of_named = is_named(r, etw_property_name(property)->utf8);
    return is_one_of_named || r->named_structs > 0 || (r->takes_strings && is_string) ||
           (r->redaction->strings && is_telling(in_type));
}

/* A string of a given size ends at its first NUL for whoever reads it, but not in the file: what
 * stands behind goes too. */
static etw_status on_value(void *context, const etw_value *value)
{
    etw_redactor *r = context;
    r->values++;
    r->value_bytes += value->bytes.size;
    const size_t at = (size_t)(value->bytes.data - r->original);
    const size_t end = (size_t)(value->whole.data - r->original) + value->whole.size;
    if (is_wanted_gone(r, value->property) && end > at) {
        const size_t size = value->bytes.size;
        overwrite(r->data + at, size, etw_property_in_type(value->property));
        memset(r->data + at + size, 0, end - at - size);
        r->is_changed = true;
    }
    return ETW_OK;
}

static etw_status on_open_struct(void *context, const etw_property *property, uint32_t element)
{
    etw_redactor *r = context;
    (void)element;
    r->named_structs += is_named(r, etw_property_name(property)->utf8);
    return ETW_OK;
}

static etw_status on_close_struct(void *context, const etw_property *property)
{
    etw_redactor *r = context;
    r->named_structs -= is_named(r, etw_property_name(property)->utf8);
    return ETW_OK;
}

static etw_status count_value(void *context, const etw_value *value)
{
    etw_redactor *r = context;
    r->values++;
    r->value_bytes += value->bytes.size;
    return ETW_OK;
}

/* Whether the overwritten bytes still decode to values of the same sizes. */
static bool keeps_layout(etw_redactor *r, const etw_event *event, const etw_event_record *safe,
                         uint32_t consumed_bytes)
{
    static const etw_visitor counter = {.value = count_value};
    const uint32_t values = r->values;
    const size_t value_bytes = r->value_bytes;
    etw_walk_end end = {0};
    r->values = 0;
    r->value_bytes = 0;
    const uint32_t fallback = etw_event_trace(event)->pointer_size;
    etw_ignore(etw_plan_walk(etw_event_plan(event), safe, etw_record_pointer_size(safe, fallback),
                             &counter, r, &end));
    return r->values == values && r->value_bytes == value_bytes &&
           end.consumed_bytes == consumed_bytes;
}

static void take_out(etw_redactor *r, etw_event_record *safe)
{
    safe->UserData = NULL;
    safe->UserDataLength = 0;
    r->is_changed = true;
}

static void empty(etw_redactor *r, etw_event_record *safe)
{
    take_out(r, safe);
    r->counts.emptied++;
}

static void redact_properties(etw_redactor *r, const etw_event *event, etw_event_record *safe)
{
    static const etw_visitor visitor = {
        .value = on_value, .open_struct = on_open_struct, .close_struct = on_close_struct};
    etw_walk_end end = {0};
    memcpy(r->data, r->original, safe->UserDataLength);
    safe->UserData = r->data;
    r->values = 0;
    r->value_bytes = 0;
    r->named_structs = 0;
    etw_ignore(etw_event_walk(event, &visitor, r, &end));
    /* Where the walk stopped early, what was to go may stand behind, whatever was asked for. */
    const bool takes_rest =
        !r->redaction->keeps_unexplained || end.reason != NULL || end.short_payload;
    if (takes_rest && end.consumed_bytes < safe->UserDataLength) {
        memset(r->data + end.consumed_bytes, 0, safe->UserDataLength - end.consumed_bytes);
        r->is_changed = true;
    } else if (r->is_changed && !keeps_layout(r, event, safe, end.consumed_bytes)) {
        empty(r, safe);
    }
}

static bool grow_items(etw_redactor *r, uint32_t count)
{
    if (count <= r->item_capacity) {
        return true;
    }
    etw_extended_data_item *items = realloc(r->items, count * sizeof *items);
    if (items == NULL) {
        return false;
    }
    r->items = items;
    r->item_capacity = count;
    return true;
}

static bool keeps_item(const etw_redactor *r, const etw_extended_data_item *item)
{
    /* Of a newer Windows: nothing explains its bytes. */
    const bool is_known =
        item->ExtType >= ETW_EXT_RELATED_ACTIVITYID && item->ExtType <= ETW_EXT_STACK_KEY64;
    return item->ExtType == ETW_EXT_SID ? !r->drops_sids
                                        : is_known || r->redaction->keeps_unexplained;
}

/* Without memory all items go: telling less is the safe side. */
static void drop_items(etw_redactor *r, etw_event_record *safe)
{
    const uint16_t count = safe->ExtendedDataCount;
    uint16_t kept = 0;
    bool all = true;
    for (uint16_t i = 0; i < count && all; i++) {
        all = keeps_item(r, &safe->ExtendedData[i]);
    }
    if (all) {
        return;
    }
    if (grow_items(r, count)) {
        for (uint16_t i = 0; i < count; i++) {
            if (keeps_item(r, &safe->ExtendedData[i])) {
                r->items[kept++] = safe->ExtendedData[i];
            }
        }
    }
    safe->ExtendedData = r->items;
    safe->ExtendedDataCount = kept;
    r->is_changed = true;
}

/* The event is of the trace's description, and told as much of it. */
static bool is_header_event(const etw_event_header *header)
{
    return etw_guid_equal(&header->ProviderId, &trace_events) &&
           header->EventDescriptor.Opcode == 0;
}

void etw_redactor_apply(etw_redactor *redactor, const etw_event *event, etw_event_record *safe)
{
    *safe = *etw_event_record_of(event);
    redactor->original = safe->UserData;
    redactor->is_changed = false;
    redactor->takes_strings = redactor->redaction->strings || is_header_event(&safe->EventHeader);
    if (safe->UserDataLength > 0 && etw_event_plan(event) != NULL) {
        redact_properties(redactor, event, safe);
    } else if (safe->UserDataLength > 0) {
        redactor->counts.unexplained++;
        if (!redactor->redaction->keeps_unexplained || is_header_event(&safe->EventHeader)) {
            take_out(redactor, safe);
        }
    }
    drop_items(redactor, safe);
    redactor->counts.events += redactor->is_changed ? 1 : 0;
}

const char *etw_redactor_not_found(const etw_redactor *redactor, uint32_t *at)
{
    const etw_redaction *redaction = redactor->redaction;
    while (*at < redaction->name_count) {
        const uint32_t i = (*at)++;
        if (!redactor->found[i] && !is_same_name(redaction->names[i], ETW_REDACT_USER_SID)) {
            return redaction->names[i];
        }
    }
    return NULL;
}

void etw_redactor_get_counts(const etw_redactor *redactor, etw_redaction_counts *counts)
{
    *counts = redactor->counts;
}

void etw_redact_trace(etw_trace *trace)
{
    const size_t plain = trace->pointer_size == 4 ? LOGFILE_HEADER_SIZE_32 : LOGFILE_HEADER_SIZE_64;
    if (trace->logfile_header.size > plain) {
        trace->logfile_header.size = plain;
    }
    trace->session_name[0] = '\0';
    trace->log_file_name[0] = '\0';
    trace->source_path[0] = '\0';
    trace->host_name[0] = '\0';
}
