#include "format/output/extended_info.h"

#include "format/event/extended.h"
#include "format/output/put.h"

#include <stdio.h>

#define PLAIN_SIZE 24u
#define NAME_SIZE  48u
#define KIND_COUNT (ETW_EXT_STACK_KEY64 + 1)

/* One item, told alone: `alone` is a record that has only this item, so that the readers of
 * extended.h, which look for the first of a kind, serve every item of a record. */
typedef struct telling {
    const etw_info_sink *sink;
    void *context;
    char name[NAME_SIZE];
    const etw_rundown *rundown; /* NULL: none */
    etw_event_record alone;
    uint32_t told[KIND_COUNT + 1]; /* by ExtType; the last one for all others */
} telling;

static void tell_guid(const telling *t, const char *name, const etw_guid *guid)
{
    char text[ETW_GUID_TEXT_SIZE];
    etw_put_guid(text, guid);
    t->sink->text(t->context, name, text, sizeof text);
}

static void tell_hex_number(const telling *t, const char *name, uint64_t value)
{
    char text[ETW_PUT_HEX_MAX];
    const char *end = etw_put_hex(text, value);
    t->sink->text(t->context, name, text, (size_t)(end - text));
}

static bool tell_number_if(const telling *t, bool found, uint64_t value)
{
    if (found) {
        t->sink->number(t->context, t->name, value);
    }
    return found;
}

static bool tell_related_activity(const telling *t)
{
    etw_guid id;
    const bool found = etw_record_related_activity_id(&t->alone, &id);
    if (found) {
        tell_guid(t, t->name, &id);
    }
    return found;
}

static bool tell_sid(const telling *t)
{
    etw_bytes sid;
    etw_text text = {0};
    const bool found =
        etw_record_user_sid(&t->alone, &sid) && etw_text_append_sid(&text, sid) && !text.failed;
    if (found) {
        t->sink->text(t->context, t->name, text.data, text.size);
    }
    etw_text_free(&text);
    return found;
}

static bool tell_session(const telling *t)
{
    uint32_t id = 0;
    const bool found = etw_record_session_id(&t->alone, &id);
    return tell_number_if(t, found, id);
}

static bool tell_instance(const telling *t)
{
    etw_instance_info info;
    if (!etw_record_instance_info(&t->alone, &info)) {
        return false;
    }
    t->sink->open_group(t->context, t->name);
    t->sink->number(t->context, "InstanceId", info.instance_id);
    t->sink->number(t->context, "ParentInstanceId", info.parent_instance_id);
    tell_guid(t, "ParentGuid", &info.parent_guid);
    t->sink->close_group(t->context, t->name);
    return true;
}

/* "ntdll.dll+0x1234", or "?" where no image holds the address. A sink takes plain ASCII. */
static void name_address(const telling *t, uint64_t address, etw_text *text)
{
    etw_text_clear(text);
    if (!etw_rundown_append_symbol(t->rundown, t->alone.EventHeader.ProcessId, address,
                                   ETW_ESCAPE_NONE, text)) {
        etw_text_append_char(text, '?');
    }
    for (size_t i = 0; i < text->size; i++) {
        const unsigned char c = (unsigned char)text->data[i];
        if (c < ' ' || c > '~' || strchr("\"\\<>&", c) != NULL) {
            text->data[i] = '_';
        }
    }
}

static bool any_image(const telling *t, const etw_stack *stack)
{
    for (uint32_t i = 0; t->rundown != NULL && i < stack->count; i++) {
        if (etw_rundown_image_of(t->rundown, t->alone.EventHeader.ProcessId,
                                 etw_stack_address(stack, i)) != NULL) {
            return true;
        }
    }
    return false;
}

static void tell_modules(const telling *t, const etw_stack *stack)
{
    if (!any_image(t, stack)) {
        return;
    }
    etw_text text = {0};
    t->sink->open_list(t->context, "Modules");
    for (uint32_t i = 0; i < stack->count; i++) {
        name_address(t, etw_stack_address(stack, i), &text);
        t->sink->list_item(t->context, etw_text_z(&text), text.size);
    }
    t->sink->close_list(t->context, "Modules");
    etw_text_free(&text);
}

static bool tell_stack(const telling *t)
{
    etw_stack stack;
    if (!etw_record_stack(&t->alone, &stack)) {
        return false;
    }
    t->sink->open_group(t->context, t->name);
    t->sink->number(t->context, "MatchId", stack.match_id);
    t->sink->open_list(t->context, "Addresses");
    for (uint32_t i = 0; i < stack.count; i++) {
        char text[ETW_PUT_HEX_MAX];
        const char *end = etw_put_hex(text, etw_stack_address(&stack, i));
        t->sink->list_item(t->context, text, (size_t)(end - text));
    }
    t->sink->close_list(t->context, "Addresses");
    tell_modules(t, &stack);
    t->sink->close_group(t->context, t->name);
    return true;
}

static bool tell_pebs(const telling *t)
{
    uint64_t value = 0;
    const bool found = etw_record_pebs_index(&t->alone, &value);
    return tell_number_if(t, found, value);
}

static bool tell_pmc(const telling *t)
{
    etw_bytes counters;
    if (!etw_record_pmc_counters(&t->alone, &counters)) {
        return false;
    }
    t->sink->open_list(t->context, t->name);
    for (size_t at = 0; at + 8 <= counters.size; at += 8) {
        char text[ETW_PUT_U64_MAX];
        const char *end = etw_put_u64(text, etw_load_u64(counters.data + at));
        t->sink->list_item(t->context, text, (size_t)(end - text));
    }
    t->sink->close_list(t->context, t->name);
    return true;
}

static bool tell_psm_key(const telling *t)
{
    uint64_t value = 0;
    const bool found = etw_record_psm_key(&t->alone, &value);
    return tell_number_if(t, found, value);
}

static bool tell_event_key(const telling *t)
{
    uint64_t value = 0;
    const bool found = etw_record_event_key(&t->alone, &value);
    return tell_number_if(t, found, value);
}

static bool tell_process_start_key(const telling *t)
{
    uint64_t value = 0;
    const bool found = etw_record_process_start_key(&t->alone, &value);
    return tell_number_if(t, found, value);
}

static bool tell_control_guid(const telling *t)
{
    etw_guid guid;
    const bool found = etw_record_control_guid(&t->alone, &guid);
    if (found) {
        tell_guid(t, t->name, &guid);
    }
    return found;
}

static bool tell_qpc_delta(const telling *t)
{
    uint64_t value = 0;
    const bool found = etw_record_qpc_delta(&t->alone, &value);
    return tell_number_if(t, found, value);
}

static bool tell_container(const telling *t)
{
    etw_guid id;
    const bool found = etw_record_container_id(&t->alone, &id);
    if (found) {
        tell_guid(t, t->name, &id);
    }
    return found;
}

static bool tell_stack_key(const telling *t)
{
    etw_stack_key key;
    if (!etw_record_stack_key(&t->alone, &key)) {
        return false;
    }
    t->sink->open_group(t->context, t->name);
    t->sink->number(t->context, "MatchId", key.match_id);
    tell_hex_number(t, "StackKey", key.stack_key);
    t->sink->close_group(t->context, t->name);
    return true;
}

static bool tell_traits(const telling *t)
{
    etw_provider_traits traits;
    const bool found = etw_record_provider_traits(&t->alone, &traits);
    if (found && traits.has_group) {
        tell_guid(t, t->name, &traits.group);
    }
    return found;
}

typedef struct item_kind {
    const char *name;
    bool (*tell)(const telling *t); /* false: the bytes are not what the kind promises */
} item_kind;

/* Indexed by ExtType. */
static const item_kind kinds[KIND_COUNT] = {
    [ETW_EXT_RELATED_ACTIVITYID] = {"RelatedActivityId", tell_related_activity},
    [ETW_EXT_SID] = {"UserSID", tell_sid},
    [ETW_EXT_TS_ID] = {"SessionID", tell_session},
    [ETW_EXT_INSTANCE_INFO] = {"InstanceInfo", tell_instance},
    [ETW_EXT_STACK_TRACE32] = {"StackTrace", tell_stack},
    [ETW_EXT_STACK_TRACE64] = {"StackTrace", tell_stack},
    [ETW_EXT_PEBS_INDEX] = {"PEBSIndex", tell_pebs},
    [ETW_EXT_PMC_COUNTERS] = {"PMCCounters", tell_pmc},
    [ETW_EXT_PSM_KEY] = {"PSMKey", tell_psm_key},
    [ETW_EXT_EVENT_KEY] = {"EventKey", tell_event_key},
    [ETW_EXT_PROV_TRAITS] = {"ProviderGroup", tell_traits},
    [ETW_EXT_PROCESS_START_KEY] = {"ProcessStartKey", tell_process_start_key},
    [ETW_EXT_CONTROL_GUID] = {"ControlGuid", tell_control_guid},
    [ETW_EXT_QPC_DELTA] = {"QpcDelta", tell_qpc_delta},
    [ETW_EXT_CONTAINER_ID] = {"ContainerId", tell_container},
    [ETW_EXT_STACK_KEY32] = {"StackKey", tell_stack_key},
    [ETW_EXT_STACK_KEY64] = {"StackKey", tell_stack_key},
};

static const item_kind *kind_of(uint16_t ext_type)
{
    const bool known = ext_type < KIND_COUNT && kinds[ext_type].name != NULL;
    return known ? &kinds[ext_type] : NULL;
}

static bool is_shown_elsewhere(const etw_extended_data_item *item, bool has_schema)
{
    return item->ExtType == ETW_EXT_EVENT_SCHEMA_TL && has_schema;
}

/* How often items of this kind were told, this one included. Kinds that nobody knows share a count,
 * which keeps names unique at a cost that a record with thousands of items cannot drive up. */
static uint32_t count_kind(telling *t, uint16_t ext_type)
{
    uint16_t slot = ext_type < KIND_COUNT ? ext_type : KIND_COUNT;
    if (slot == ETW_EXT_STACK_TRACE64 || slot == ETW_EXT_STACK_KEY64) {
        slot--; /* shares its name with the 32-bit form */
    }
    return ++t->told[slot];
}

static void set_name(telling *t, const char *plain, uint32_t nth)
{
    if (nth == 1) {
        (void)snprintf(t->name, NAME_SIZE, "%s", plain);
    } else {
        (void)snprintf(t->name, NAME_SIZE, "%s#%u", plain, (unsigned)nth);
    }
}

static void tell_raw(const etw_extended_data_item *item, uint32_t nth, telling *t)
{
    char plain[PLAIN_SIZE];
    (void)snprintf(plain, sizeof plain, "ExtType%u", (unsigned)item->ExtType);
    set_name(t, plain, nth);
    const etw_bytes bytes = etw_item_bytes(item);
    etw_text hex = {0};
    etw_text_append_hex_bytes(&hex, bytes.data, bytes.size);
    t->sink->text(t->context, t->name, etw_text_z(&hex), hex.size);
    etw_text_free(&hex);
}

static void tell_item(etw_extended_data_item *item, telling *t)
{
    const item_kind *kind = kind_of(item->ExtType);
    const uint32_t nth = count_kind(t, item->ExtType);
    if (kind != NULL) {
        set_name(t, kind->name, nth);
        t->alone.ExtendedData = item;
        if (kind->tell(t)) {
            return;
        }
    }
    tell_raw(item, nth, t);
}

bool etw_extended_info_any(const etw_event_record *record, bool has_schema)
{
    for (uint16_t i = 0; i < record->ExtendedDataCount; i++) {
        const etw_extended_data_item *item = &record->ExtendedData[i];
        if (is_shown_elsewhere(item, has_schema)) {
            continue;
        }
        if (item->ExtType != ETW_EXT_PROV_TRAITS) {
            return true;
        }
        etw_provider_traits traits;
        etw_event_record alone = {.ExtendedDataCount = 1, .ExtendedData = &record->ExtendedData[i]};
        if (!etw_record_provider_traits(&alone, &traits) || traits.has_group) {
            return true;
        }
    }
    return false;
}

void etw_extended_info_tell(const etw_event_record *record, bool has_schema,
                            const etw_rundown *rundown, const etw_info_sink *sink, void *context)
{
    telling t = {.sink = sink, .context = context, .rundown = rundown, .alone = *record};
    t.alone.ExtendedDataCount = 1;
    for (uint16_t i = 0; i < record->ExtendedDataCount; i++) {
        if (!is_shown_elsewhere(&record->ExtendedData[i], has_schema)) {
            tell_item(&record->ExtendedData[i], &t);
        }
    }
}
