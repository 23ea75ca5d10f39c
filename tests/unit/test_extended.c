/* Extended items: each kind read from its bytes, and refused when it is too short. */
#include "format/event/extended.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* A record with one item; the item's bytes are of exactly that size, for the sanitizer. */
typedef struct one_item {
    etw_extended_data_item item;
    etw_event_record record;
    uint8_t *data;
} one_item;

static void make(one_item *one, uint16_t ext_type, const void *bytes, size_t size)
{
    one->data = malloc(size + (size == 0));
    assert_non_null(one->data);
    memcpy(one->data, bytes, size);
    one->item = (etw_extended_data_item){
        .ExtType = ext_type, .DataSize = (uint16_t)size, .DataPtr = (uintptr_t)one->data};
    one->record = (etw_event_record){.ExtendedDataCount = 1, .ExtendedData = &one->item};
}

static const uint8_t counting[] = {1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16,
                                   17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32};

#define U64_1_TO_8 0x0807060504030201u

typedef bool (*read_u64)(const etw_event_record *record, uint64_t *value);

static void numbers(void **state)
{
    (void)state;
    static const struct {
        uint16_t ext_type;
        read_u64 read;
    } cases[] = {
        {ETW_EXT_PEBS_INDEX, etw_record_pebs_index},
        {ETW_EXT_PSM_KEY, etw_record_psm_key},
        {ETW_EXT_EVENT_KEY, etw_record_event_key},
        {ETW_EXT_PROCESS_START_KEY, etw_record_process_start_key},
        {ETW_EXT_QPC_DELTA, etw_record_qpc_delta},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        one_item one;
        uint64_t value;
        make(&one, cases[i].ext_type, counting, 8);
        assert_true(cases[i].read(&one.record, &value));
        assert_true(value == U64_1_TO_8);
        one.item.DataSize = 7;
        assert_false(cases[i].read(&one.record, &value));
        one.item.DataSize = 8;
        one.item.ExtType = 0x7F;
        assert_false(cases[i].read(&one.record, &value));
        free(one.data);
    }
    one_item one;
    uint32_t session;
    make(&one, ETW_EXT_TS_ID, counting, 4);
    assert_true(etw_record_session_id(&one.record, &session));
    assert_int_equal(session, 0x04030201);
    one.item.DataSize = 3;
    assert_false(etw_record_session_id(&one.record, &session));
    free(one.data);
}

typedef bool (*read_guid)(const etw_event_record *record, etw_guid *value);

static void guids(void **state)
{
    (void)state;
    static const struct {
        uint16_t ext_type;
        read_guid read;
    } cases[] = {
        {ETW_EXT_RELATED_ACTIVITYID, etw_record_related_activity_id},
        {ETW_EXT_CONTROL_GUID, etw_record_control_guid},
        {ETW_EXT_CONTAINER_ID, etw_record_container_id},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        one_item one;
        etw_guid value;
        make(&one, cases[i].ext_type, counting, 16);
        assert_true(cases[i].read(&one.record, &value));
        assert_memory_equal(&value, counting, 16);
        one.item.DataSize = 15;
        assert_false(cases[i].read(&one.record, &value));
        free(one.data);
    }
}

static void instance_info(void **state)
{
    (void)state;
    one_item one;
    etw_instance_info info;
    make(&one, ETW_EXT_INSTANCE_INFO, counting, 24);
    assert_true(etw_record_instance_info(&one.record, &info));
    assert_int_equal(info.instance_id, 0x04030201);
    assert_int_equal(info.parent_instance_id, 0x08070605);
    assert_memory_equal(&info.parent_guid, counting + 8, 16);
    one.item.DataSize = 23;
    assert_false(etw_record_instance_info(&one.record, &info));
    free(one.data);
}

static void stacks(void **state)
{
    (void)state;
    one_item one;
    etw_stack stack;
    make(&one, ETW_EXT_STACK_TRACE64, counting, 31);
    assert_true(etw_record_stack(&one.record, &stack));
    assert_true(stack.match_id == U64_1_TO_8);
    assert_int_equal(stack.address_size, 8);
    assert_int_equal(stack.count, 2);
    assert_true(etw_stack_address(&stack, 1) == 0x1817161514131211u);
    one.item.ExtType = ETW_EXT_STACK_TRACE32;
    assert_true(etw_record_stack(&one.record, &stack));
    assert_int_equal(stack.address_size, 4);
    assert_int_equal(stack.count, 5);
    assert_true(etw_stack_address(&stack, 4) == 0x1C1B1A19u);
    one.item.DataSize = 7;
    assert_false(etw_record_stack(&one.record, &stack));
    free(one.data);

    etw_stack_key key;
    make(&one, ETW_EXT_STACK_KEY64, counting, 16);
    assert_true(etw_record_stack_key(&one.record, &key));
    assert_true(key.match_id == U64_1_TO_8 && key.stack_key == 0x100F0E0D0C0B0A09u);
    one.item.ExtType = ETW_EXT_STACK_KEY32;
    assert_true(etw_record_stack_key(&one.record, &key));
    assert_true(key.stack_key == 0x0C0B0A09u && key.key_size == 4);
    one.item.DataSize = 15;
    assert_false(etw_record_stack_key(&one.record, &key));
    free(one.data);
}

static void pmc_counters(void **state)
{
    (void)state;
    one_item one;
    etw_bytes counters;
    make(&one, ETW_EXT_PMC_COUNTERS, counting, 20);
    assert_true(etw_record_pmc_counters(&one.record, &counters));
    assert_int_equal(counters.size, 16);
    one.item.DataSize = 7;
    assert_false(etw_record_pmc_counters(&one.record, &counters));
    free(one.data);
}

static void sids(void **state)
{
    (void)state;
    static const uint8_t sid[] = {1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 32, 2, 0, 0};
    one_item one;
    etw_bytes found;
    make(&one, ETW_EXT_SID, sid, sizeof sid);
    assert_true(etw_record_user_sid(&one.record, &found));
    etw_text text = {0};
    assert_true(etw_text_append_sid(&text, found));
    assert_string_equal(etw_text_z(&text), "S-1-5-32-544");
    one.item.DataSize = sizeof sid - 1;
    assert_false(etw_record_user_sid(&one.record, &found));
    assert_false(etw_text_append_sid(&text, (etw_bytes){sid, 15}));
    assert_string_equal(etw_text_z(&text), "S-1-5-32-544");
    etw_text_free(&text);
    free(one.data);
}

static void provider_traits(void **state)
{
    (void)state;
    static const uint8_t bytes[] = "\x1E\0Prov\0\x04\0\x09x\x13\0\x01GGGGGGGGGGGGGGGG";
    const size_t size = 30;
    one_item one;
    etw_provider_traits traits;
    make(&one, ETW_EXT_PROV_TRAITS, bytes, size);
    assert_true(etw_record_provider_traits(&one.record, &traits));
    assert_string_equal(traits.name, "Prov");
    assert_true(traits.has_group);
    assert_memory_equal(&traits.group, "GGGGGGGGGGGGGGGG", 16);
    one.item.DataSize = (uint16_t)(size - 1);
    assert_true(etw_record_provider_traits(&one.record, &traits));
    assert_false(traits.has_group);
    one.item.DataSize = 6; /* no NUL behind the name */
    assert_false(etw_record_provider_traits(&one.record, &traits));
    free(one.data);
}

static void tracelogging_schema(void **state)
{
    (void)state;
    one_item one;
    etw_bytes metadata;
    make(&one, ETW_EXT_EVENT_SCHEMA_TL, counting, 9);
    assert_true(etw_record_tracelogging_schema(&one.record, &metadata));
    assert_int_equal(metadata.size, 9);
    one.item.DataSize = 1;
    assert_false(etw_record_tracelogging_schema(&one.record, &metadata));
    free(one.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers),         cmocka_unit_test(guids),
        cmocka_unit_test(instance_info),   cmocka_unit_test(stacks),
        cmocka_unit_test(pmc_counters),    cmocka_unit_test(sids),
        cmocka_unit_test(provider_traits), cmocka_unit_test(tracelogging_schema),
    };
    return cmocka_run_group_tests_name("extended items", tests, NULL, NULL);
}
