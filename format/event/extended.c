#include "format/event/extended.h"

/* Layouts of evntcons.h. */
#define STACK_MATCH_ID_SIZE 8u
#define INSTANCE_INFO_SIZE  24u /* two 32-bit ids and a GUID */
#define STACK_KEY_SIZE      16u /* of both kinds: the 32-bit one is padded */
#define SID_HEAD_SIZE       8u
#define SID_MAX_AUTHORITIES 15u
#define TRAIT_GROUP         1u
#define TRAIT_GROUP_SIZE    19u /* size, type, GUID */

/* The data of the first item of that kind if it has at least size bytes. */
static const uint8_t *item_data(const etw_event_record *record, uint16_t ext_type, size_t size)
{
    const etw_extended_data_item *item = etw_record_find_item(record, ext_type);
    return item == NULL || item->DataSize < size ? NULL : etw_item_bytes(item).data;
}

static bool item_u64(const etw_event_record *record, uint16_t ext_type, uint64_t *value)
{
    const uint8_t *data = item_data(record, ext_type, sizeof *value);
    if (data == NULL) {
        return false;
    }
    *value = etw_load_u64(data);
    return true;
}

static bool item_guid(const etw_event_record *record, uint16_t ext_type, etw_guid *guid)
{
    const uint8_t *data = item_data(record, ext_type, sizeof *guid);
    if (data == NULL) {
        return false;
    }
    *guid = etw_load_guid(data);
    return true;
}

bool etw_record_related_activity_id(const etw_event_record *record, etw_guid *id)
{
    return item_guid(record, ETW_EXT_RELATED_ACTIVITYID, id);
}

static bool is_sid(etw_bytes sid)
{
    return sid.size >= SID_HEAD_SIZE && sid.data[0] == 1 && sid.data[1] <= SID_MAX_AUTHORITIES &&
           sid.size >= SID_HEAD_SIZE + 4 * (size_t)sid.data[1];
}

bool etw_record_user_sid(const etw_event_record *record, etw_bytes *sid)
{
    const etw_extended_data_item *item = etw_record_find_item(record, ETW_EXT_SID);
    if (item == NULL || !is_sid(etw_item_bytes(item))) {
        return false;
    }
    *sid = etw_item_bytes(item);
    sid->size = SID_HEAD_SIZE + 4 * (size_t)sid->data[1];
    return true;
}

bool etw_record_session_id(const etw_event_record *record, uint32_t *id)
{
    const uint8_t *data = item_data(record, ETW_EXT_TS_ID, sizeof *id);
    if (data == NULL) {
        return false;
    }
    *id = etw_load_u32(data);
    return true;
}

bool etw_record_instance_info(const etw_event_record *record, etw_instance_info *info)
{
    const uint8_t *data = item_data(record, ETW_EXT_INSTANCE_INFO, INSTANCE_INFO_SIZE);
    if (data == NULL) {
        return false;
    }
    info->instance_id = etw_load_u32(data);
    info->parent_instance_id = etw_load_u32(data + 4);
    info->parent_guid = etw_load_guid(data + 8);
    return true;
}

bool etw_record_stack(const etw_event_record *record, etw_stack *stack)
{
    const etw_extended_data_item *item = etw_record_find_item(record, ETW_EXT_STACK_TRACE64);
    stack->address_size = 8;
    if (item == NULL) {
        item = etw_record_find_item(record, ETW_EXT_STACK_TRACE32);
        stack->address_size = 4;
    }
    if (item == NULL || item->DataSize < STACK_MATCH_ID_SIZE) {
        return false;
    }
    const uint8_t *data = etw_item_bytes(item).data;
    stack->match_id = etw_load_u64(data);
    stack->addresses = data + STACK_MATCH_ID_SIZE;
    stack->count = (item->DataSize - STACK_MATCH_ID_SIZE) / stack->address_size;
    return true;
}

uint64_t etw_stack_address(const etw_stack *stack, uint32_t index)
{
    const uint8_t *at = stack->addresses + (size_t)index * stack->address_size;
    return stack->address_size == 8 ? etw_load_u64(at) : etw_load_u32(at);
}

bool etw_record_pebs_index(const etw_event_record *record, uint64_t *index)
{
    return item_u64(record, ETW_EXT_PEBS_INDEX, index);
}

bool etw_record_pmc_counters(const etw_event_record *record, etw_bytes *counters)
{
    const etw_extended_data_item *item = etw_record_find_item(record, ETW_EXT_PMC_COUNTERS);
    if (item == NULL || item->DataSize < 8) {
        return false;
    }
    *counters = etw_item_bytes(item);
    counters->size -= counters->size % 8;
    return true;
}

bool etw_record_psm_key(const etw_event_record *record, uint64_t *key)
{
    return item_u64(record, ETW_EXT_PSM_KEY, key);
}

bool etw_record_event_key(const etw_event_record *record, uint64_t *key)
{
    return item_u64(record, ETW_EXT_EVENT_KEY, key);
}

bool etw_record_process_start_key(const etw_event_record *record, uint64_t *key)
{
    return item_u64(record, ETW_EXT_PROCESS_START_KEY, key);
}

bool etw_record_control_guid(const etw_event_record *record, etw_guid *guid)
{
    return item_guid(record, ETW_EXT_CONTROL_GUID, guid);
}

bool etw_record_qpc_delta(const etw_event_record *record, uint64_t *delta)
{
    return item_u64(record, ETW_EXT_QPC_DELTA, delta);
}

bool etw_record_container_id(const etw_event_record *record, etw_guid *id)
{
    return item_guid(record, ETW_EXT_CONTAINER_ID, id);
}

bool etw_record_stack_key(const etw_event_record *record, etw_stack_key *key)
{
    const uint8_t *data = item_data(record, ETW_EXT_STACK_KEY64, STACK_KEY_SIZE);
    key->key_size = 8;
    if (data == NULL) {
        data = item_data(record, ETW_EXT_STACK_KEY32, STACK_KEY_SIZE);
        key->key_size = 4;
    }
    if (data == NULL) {
        return false;
    }
    key->match_id = etw_load_u64(data);
    key->stack_key = key->key_size == 8 ? etw_load_u64(data + 8) : etw_load_u32(data + 8);
    return true;
}

bool etw_record_tracelogging_schema(const etw_event_record *record, etw_bytes *metadata)
{
    const etw_extended_data_item *item = etw_record_find_item(record, ETW_EXT_EVENT_SCHEMA_TL);
    if (item == NULL || item->DataSize < 2) {
        return false;
    }
    *metadata = etw_item_bytes(item);
    return true;
}

/* Traits follow the name, each as size, type, data. */
static void find_group(const uint8_t *at, size_t left, etw_provider_traits *traits)
{
    while (left >= 3) {
        const uint16_t size = etw_load_u16(at);
        if (size < 3 || size > left) {
            return;
        }
        if (at[2] == TRAIT_GROUP && size >= TRAIT_GROUP_SIZE) {
            traits->has_group = true;
            traits->group = etw_load_guid(at + 3);
            return;
        }
        at += size;
        left -= size;
    }
}

bool etw_record_provider_traits(const etw_event_record *record, etw_provider_traits *traits)
{
    const etw_extended_data_item *item = etw_record_find_item(record, ETW_EXT_PROV_TRAITS);
    if (item == NULL || item->DataSize < 3) {
        return false;
    }
    const uint8_t *data = etw_item_bytes(item).data;
    const uint16_t said = etw_load_u16(data);
    const size_t size = said >= 3 && said < item->DataSize ? said : item->DataSize;
    const uint8_t *nul = memchr(data + 2, 0, size - 2);
    if (nul == NULL) {
        return false;
    }
    *traits = (etw_provider_traits){.name = (const char *)data + 2};
    find_group(nul + 1, size - (size_t)(nul + 1 - data), traits);
    return true;
}

bool etw_text_append_sid(etw_text *text, etw_bytes sid)
{
    if (!is_sid(sid)) {
        return false;
    }
    uint64_t authority = 0;
    for (unsigned i = 2; i < SID_HEAD_SIZE; i++) {
        authority = authority << 8 | sid.data[i];
    }
    etw_text_append(text, "S-1-", 4);
    if (authority > UINT32_MAX) {
        etw_text_append_hex(text, authority);
    } else {
        etw_text_append_u64(text, authority);
    }
    for (unsigned i = 0; i < sid.data[1]; i++) {
        etw_text_append_char(text, '-');
        etw_text_append_u64(text, etw_load_u32(sid.data + SID_HEAD_SIZE + 4 * (size_t)i));
    }
    return true;
}
