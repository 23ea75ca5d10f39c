#include "replay/redact.h"

#include "format/event/tei.h"

#include <stdlib.h>

/* TRACE_LOGFILE_HEADER without the two names behind it (evntrace.h). */
#define LOGFILE_HEADER_SIZE_32 272u
#define LOGFILE_HEADER_SIZE_64 280u

struct etw_redactor {
    const etw_redaction *redaction;
    etw_redaction_counts counts;
    uint8_t *data; /* the user data's safe copy */
    etw_extended_data_item *items;
    uint32_t item_capacity;
    const uint8_t *original; /* user data of the event at hand */
    bool is_changed;
    /* How the layout looked, to see whether overwriting changed it. */
    uint32_t values;
    size_t value_bytes;
};

etw_redactor *etw_redactor_new(const etw_redaction *redaction)
{
    etw_redactor *redactor = calloc(1, sizeof *redactor);
    if (redactor != NULL) {
        redactor->redaction = redaction;
        redactor->data = malloc(ETW_MAX_USER_DATA_SIZE);
        if (redactor->data == NULL) {
            free(redactor);
            return NULL;
        }
    }
    return redactor;
}

void etw_redactor_free(etw_redactor *redactor)
{
    if (redactor != NULL) {
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

static bool is_named(const etw_redaction *redaction, const char *name)
{
    for (uint32_t i = 0; i < redaction->name_count; i++) {
        if (strcmp(redaction->names[i], name) == 0) {
            return true;
        }
    }
    return false;
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
        const size_t kept = in_type == ETW_IN_SID && size >= 2 ? 2 : 0;
        memset(bytes + kept, 0, size - kept);
    }
}

static etw_status on_value(void *context, const etw_value *value)
{
    etw_redactor *r = context;
    const uint16_t in_type = etw_property_in_type(value->property);
    const bool is_string = is_wide_string(in_type) || is_narrow_string(in_type);
    r->values++;
    r->value_bytes += value->bytes.size;
    if (value->bytes.size > 0 &&
        ((r->redaction->strings && is_string) ||
         is_named(r->redaction, etw_property_name(value->property)->utf8))) {
        const size_t at = (size_t)(value->bytes.data - r->original);
        overwrite(r->data + at, value->bytes.size, in_type);
        r->is_changed = true;
    }
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
    (void)etw_plan_walk(etw_event_plan(event), safe, etw_record_pointer_size(safe, fallback),
                        &counter, r, &end);
    return r->values == values && r->value_bytes == value_bytes &&
           end.consumed_bytes == consumed_bytes;
}

static void empty(etw_redactor *r, etw_event_record *safe)
{
    safe->UserData = NULL;
    safe->UserDataLength = 0;
    r->is_changed = true;
    r->counts.emptied++;
}

static void redact_properties(etw_redactor *r, const etw_event *event, etw_event_record *safe)
{
    static const etw_visitor visitor = {.value = on_value};
    etw_walk_end end = {0};
    memcpy(r->data, r->original, safe->UserDataLength);
    safe->UserData = r->data;
    r->values = 0;
    r->value_bytes = 0;
    (void)etw_event_walk(event, &visitor, r, &end);
    if (r->redaction->strings && end.consumed_bytes < safe->UserDataLength) {
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

/* Without memory all items go: telling less is the safe side. */
static void drop_sids(etw_redactor *r, etw_event_record *safe)
{
    if (etw_record_find_item(safe, ETW_EXT_SID) == NULL) {
        return;
    }
    const uint16_t count = safe->ExtendedDataCount;
    uint16_t kept = 0;
    if (grow_items(r, count)) {
        for (uint16_t i = 0; i < count; i++) {
            if (safe->ExtendedData[i].ExtType != ETW_EXT_SID) {
                r->items[kept++] = safe->ExtendedData[i];
            }
        }
    }
    safe->ExtendedData = r->items;
    safe->ExtendedDataCount = kept;
    r->is_changed = true;
}

void etw_redactor_apply(etw_redactor *redactor, const etw_event *event, etw_event_record *safe)
{
    *safe = *etw_event_record_of(event);
    redactor->original = safe->UserData;
    redactor->is_changed = false;
    if (safe->UserDataLength > 0 && etw_event_plan(event) != NULL) {
        redact_properties(redactor, event, safe);
    } else if (safe->UserDataLength > 0 && redactor->redaction->strings) {
        empty(redactor, safe);
    }
    if (redactor->redaction->strings || is_named(redactor->redaction, ETW_REDACT_USER_SID)) {
        drop_sids(redactor, safe);
    }
    redactor->counts.events += redactor->is_changed ? 1 : 0;
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
