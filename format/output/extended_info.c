#include "format/output/extended_info.h"

#include "format/event/extended.h"
#include "format/output/put.h"
#include "format/output/stack_texts.h"

#include <stdio.h>

#define PLAIN_SIZE 24u
#define NAME_SIZE  48u
#define KIND_COUNT (ETW_EXT_STACK_KEY64 + 1)

/* One item, told alone: `alone` is a record that has only this item, so that the readers of
 * extended.h, which look for the first of a kind, serve every item of a record. */
typedef struct telling {
    const etw_info_target *target;
    char name[NAME_SIZE];
    const etw_event *event;
    const etw_output_options *options;
    etw_event_record alone;
    uint32_t told[KIND_COUNT + 1]; /* by ExtType; the last one for all others */
    bool *is_well;                 /* false once memory ran out */
} telling;

static void tell_guid(const telling *t, const char *name, const etw_guid *guid)
{
    char text[ETW_GUID_TEXT_SIZE];
    etw_put_guid(text, guid);
    t->target->sink->text(t->target->context, name, text, sizeof text);
}

static void tell_hex_number(const telling *t, const char *name, uint64_t value)
{
    char text[ETW_PUT_HEX_MAX];
    const char *end = etw_put_hex(text, value);
    t->target->sink->text(t->target->context, name, text, (size_t)(end - text));
}

static bool tell_number_if(const telling *t, bool found, uint64_t value)
{
    if (found) {
        t->target->sink->number(t->target->context, t->name, value);
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
        t->target->sink->text(t->target->context, t->name, text.data, text.size);
    }
    *t->is_well = *t->is_well && !text.failed;
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
    t->target->sink->open_group(t->target->context, t->name);
    t->target->sink->number(t->target->context, "InstanceId", info.instance_id);
    t->target->sink->number(t->target->context, "ParentInstanceId", info.parent_instance_id);
    tell_guid(t, "ParentGuid", &info.parent_guid);
    t->target->sink->close_group(t->target->context, t->name);
    return true;
}

/* Names are looked for. */
typedef struct stack_names {
    const etw_stack_addresses *stack;
    etw_time_span *same; /* times at which they are the same */
} stack_names;

/* Makes plain ASCII of it, as a sink takes. */
static void make_plain(etw_text *text)
{
    for (size_t i = 0; i < text->size; i++) {
        const unsigned char c = (unsigned char)text->data[i];
        if (c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&') {
            text->data[i] = '_';
        }
    }
}

/* The name, or "?" where there is none. */
static bool name_address(const telling *t, const stack_names *names, uint32_t index, etw_text *text)
{
    const etw_address_namer *namer = t->options->namer;
    const etw_address address = {.event = t->event,
                                 .value = etw_stack_addresses_at(names->stack, index),
                                 .process_id = names->stack->process_id,
                                 .with_methods = t->options->stacks == ETW_STACK_NAMES};
    etw_text_clear(text);
    const bool has_name = namer->append(namer->context, &address, names->same, text);
    if (!has_name) {
        etw_text_append_char(text, '?');
    }
    make_plain(text);
    return has_name;
}

static bool any_name(const telling *t, const stack_names *names, etw_text *text)
{
    const bool is_asked = t->options->stacks != ETW_STACK_ADDRESSES && t->options->namer != NULL;
    for (uint32_t i = 0; is_asked && i < names->stack->count; i++) {
        if (name_address(t, names, i, text)) {
            return true;
        }
    }
    return false;
}

static void tell_modules(const telling *t, const stack_names *names)
{
    const etw_info_sink *sink = t->target->sink;
    void *context = t->target->context;
    etw_text text = {0};
    if (any_name(t, names, &text)) {
        sink->open_list(context, "Modules");
        for (uint32_t i = 0; i < names->stack->count; i++) {
            (void)name_address(t, names, i, &text);
            sink->list_item(context, etw_text_z(&text), text.size);
        }
        sink->close_list(context, "Modules");
    }
    *t->is_well = *t->is_well && !text.failed;
    etw_text_free(&text);
}

static void tell_addresses(const telling *t, const etw_stack_addresses *stack)
{
    const etw_info_sink *sink = t->target->sink;
    void *context = t->target->context;
    etw_text *text = t->target->text;
    etw_stack_texts *kept = t->options->stack_texts;
    etw_time_span same = {INT64_MIN, INT64_MAX};
    if (etw_stack_texts_append(kept, stack, t->event, text)) {
        return;
    }
    const size_t start = text->size;
    sink->open_list(context, "Addresses");
    for (uint32_t i = 0; i < stack->count; i++) {
        char hex[ETW_PUT_HEX_MAX];
        const char *end = etw_put_hex(hex, etw_stack_addresses_at(stack, i));
        sink->list_item(context, hex, (size_t)(end - hex));
    }
    sink->close_list(context, "Addresses");
    tell_modules(t, &(stack_names){.stack = stack, .same = &same});
    if (*t->is_well) {
        etw_stack_texts_keep(kept, stack, &same, text, start);
    }
}

static bool tell_stack(const telling *t)
{
    etw_stack stack;
    if (!etw_record_stack(&t->alone, &stack)) {
        return false;
    }
    const etw_stack_addresses addresses =
        etw_stack_addresses_of_item(&stack, t->alone.EventHeader.ProcessId);
    t->target->sink->open_group(t->target->context, t->name);
    t->target->sink->number(t->target->context, "MatchId", stack.match_id);
    tell_addresses(t, &addresses);
    t->target->sink->close_group(t->target->context, t->name);
    return true;
}

/* Idle and System run in the kernel alone. */
static bool lacks_user_part(const etw_event_stack *stack)
{
    return stack->user_count == 0 && stack->process_id != 0 && stack->process_id != 4;
}

static void tell_joined_stack(const telling *t, const etw_event_stack *stack)
{
    static const char missing[] = "the process' part";
    const etw_stack_addresses addresses = etw_stack_addresses_joined(stack);
    t->target->sink->open_group(t->target->context, t->name);
    if (lacks_user_part(stack)) {
        t->target->sink->text(t->target->context, "Missing", missing, sizeof missing - 1);
    }
    tell_addresses(t, &addresses);
    t->target->sink->close_group(t->target->context, t->name);
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
    t->target->sink->open_list(t->target->context, t->name);
    for (size_t at = 0; at + 8 <= counters.size; at += 8) {
        char text[ETW_PUT_U64_MAX];
        const char *end = etw_put_u64(text, etw_load_u64(counters.data + at));
        t->target->sink->list_item(t->target->context, text, (size_t)(end - text));
    }
    t->target->sink->close_list(t->target->context, t->name);
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
    t->target->sink->open_group(t->target->context, t->name);
    t->target->sink->number(t->target->context, "MatchId", key.match_id);
    tell_hex_number(t, "StackKey", key.stack_key);
    t->target->sink->close_group(t->target->context, t->name);
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
    t->target->sink->text(t->target->context, t->name, etw_text_z(&hex), hex.size);
    *t->is_well = *t->is_well && !hex.failed;
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

static bool is_stack(const etw_extended_data_item *item)
{
    return item->ExtType == ETW_EXT_STACK_TRACE32 || item->ExtType == ETW_EXT_STACK_TRACE64;
}

/* Traits are told for their provider group alone. */
static bool is_told(const etw_extended_data_item *item, const etw_output_options *options,
                    bool has_schema)
{
    if (is_shown_elsewhere(item, has_schema) ||
        (is_stack(item) && options->stacks == ETW_STACK_NONE)) {
        return false;
    }
    if (item->ExtType != ETW_EXT_PROV_TRAITS) {
        return true;
    }
    etw_provider_traits traits;
    etw_extended_data_item copy = *item;
    const etw_event_record alone = {.ExtendedDataCount = 1, .ExtendedData = &copy};
    return !etw_record_provider_traits(&alone, &traits) || traits.has_group;
}

static const etw_event_stack *joined_stack(const etw_event *event,
                                           const etw_output_options *options)
{
    return options->stacks == ETW_STACK_NONE ? NULL : etw_event_stack_of(event);
}

bool etw_extended_info_any(const etw_event *event, const etw_output_options *options)
{
    const etw_event_record *record = etw_event_record_of(event);
    const bool has_schema = etw_event_schema(event) != NULL;
    for (uint16_t i = 0; i < record->ExtendedDataCount; i++) {
        if (is_told(&record->ExtendedData[i], options, has_schema)) {
            return true;
        }
    }
    return joined_stack(event, options) != NULL;
}

bool etw_extended_info_tell(const etw_event *event, const etw_output_options *options,
                            const etw_info_target *target)
{
    bool is_well = true;
    const etw_event_record *record = etw_event_record_of(event);
    const bool has_schema = etw_event_schema(event) != NULL;
    telling t = {.target = target,
                 .event = event,
                 .options = options,
                 .alone = *record,
                 .is_well = &is_well};
    t.alone.ExtendedDataCount = 1;
    for (uint16_t i = 0; i < record->ExtendedDataCount; i++) {
        if (is_told(&record->ExtendedData[i], options, has_schema)) {
            tell_item(&record->ExtendedData[i], &t);
        }
    }
    const etw_event_stack *stack = joined_stack(event, options);
    if (stack != NULL) {
        set_name(&t, "StackTrace", count_kind(&t, ETW_EXT_STACK_TRACE32));
        tell_joined_stack(&t, stack);
    }
    return is_well;
}
