/* The table of classic kernel classes: which layout a record gets, and that every row can be built.
 */
#include "format/event/tei.h"
#include "format/schema/classic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define PROCESS       "3d6fa8d0-fe05-11d0-9dda-00c04fd7ba7c"
#define STACK_WALK    "def2fe46-7bd6-4b80-bd94-f57fe20d0ce3"
#define SYSTEM_CONFIG "01853a65-418f-4f36-aefc-dc0f1d2fd235"

typedef struct fixture {
    etw_schema_source *source;
    etw_schema_store *store;
} fixture;

static int set_up(void **state)
{
    fixture *made = calloc(1, sizeof *made);
    *state = made;
    if (made == NULL) {
        return 1;
    }
    made->source = etw_classic_source_new();
    made->store = etw_schema_store_new();
    return made->source == NULL || made->store == NULL;
}

static int tear_down(void **state)
{
    fixture *made = *state;
    made->source->free(made->source);
    etw_schema_store_free(made->store);
    free(made);
    return 0;
}

static etw_event_record record_of(const char *class_guid, uint8_t opcode, uint8_t version)
{
    etw_event_record record = {.EventHeader = {.Flags = ETW_FLAG_CLASSIC_HEADER}};
    assert_true(etw_guid_parse(class_guid, &record.EventHeader.ProviderId));
    record.EventHeader.EventDescriptor.Opcode = opcode;
    record.EventHeader.EventDescriptor.Version = version;
    return record;
}

static const etw_schema *find(fixture *in, const etw_event_record *record, uint32_t pointer_size)
{
    const etw_schema *schema = NULL;
    etw_error error = {0};
    const etw_status status =
        in->source->find(in->source, in->store, record, pointer_size, &schema, &error);
    if (status != ETW_OK) {
        fail_msg("%s", error.message);
    }
    return schema;
}

static void assert_string(const etw_tei *tei, uint32_t offset, const char *ascii)
{
    etw_bytes units;
    char text[100] = "";
    assert_true(etw_tei_string(tei, offset, &units));
    assert_true(units.size / 2 < sizeof text);
    for (size_t i = 0; i < units.size / 2; i++) {
        text[i] = (char)etw_load_u16(units.data + 2 * i);
    }
    assert_string_equal(text, ascii);
}

static void builds_every_row_for_both_pointer_sizes(void **state)
{
    fixture *in = *state;
    etw_classic_kind kind;
    uint32_t count = 0;
    for (; etw_classic_kind_at(count, &kind); count++) {
        for (uint32_t pointer_size = 4; pointer_size <= 8; pointer_size += 4) {
            etw_event_record record = {.EventHeader = {.ProviderId = kind.class_guid}};
            record.EventHeader.EventDescriptor.Opcode = kind.opcode;
            record.EventHeader.EventDescriptor.Version = kind.version;
            const etw_schema *schema = find(in, &record, pointer_size);
            etw_tei tei;
            assert_non_null(schema);
            assert_int_equal(schema->origin, ETW_SCHEMA_CLASSIC);
            assert_int_equal(etw_tei_open(schema->tei, &tei, NULL), ETW_OK);
            assert_true(etw_guid_equal(&tei.info.EventGuid, &kind.class_guid));
            assert_int_equal(tei.info.EventDescriptor.Opcode, kind.opcode);
        }
    }
    assert_true(count > 300);
}

static void is_told_as_tdh_tells_mof_classes(void **state)
{
    const etw_event_record record = record_of(PROCESS, 1, 2);
    const etw_schema *schema = find(*state, &record, 8);
    etw_tei tei;
    assert_non_null(schema);
    assert_int_equal(etw_tei_open(schema->tei, &tei, NULL), ETW_OK);
    etw_guid system_trace_control;
    assert_true(etw_guid_parse("9e814aad-3204-11d2-9a82-006008a86939", &system_trace_control));
    assert_true(etw_guid_equal(&tei.info.ProviderGuid, &system_trace_control));
    assert_int_equal(tei.info.DecodingSource, ETW_DECODING_WBEM);
    assert_int_equal(tei.info.Flags, ETW_TEMPLATE_EVENT_DATA);
    assert_string(&tei, tei.info.ProviderNameOffset, "MSNT_SystemTrace");
    assert_string(&tei, tei.info.TaskNameOffset, "Process");
    assert_string(&tei, tei.info.OpcodeNameOffset, "Start");
    assert_int_equal(tei.info.TopLevelPropertyCount, 8);
    static const struct {
        const char *name;
        uint16_t in_type, out_type, length;
    } expected[] = {
        {"UniqueProcessKey", ETW_IN_POINTER, ETW_OUT_NULL, 8},
        {"ProcessId", ETW_IN_UINT32, ETW_OUT_HEXINT32, 4},
        {"ParentId", ETW_IN_UINT32, ETW_OUT_HEXINT32, 4},
        {"SessionId", ETW_IN_UINT32, ETW_OUT_NULL, 4},
        {"ExitStatus", ETW_IN_INT32, ETW_OUT_NULL, 4},
        {"UserSID", ETW_IN_WBEMSID, ETW_OUT_NULL, 0},
        {"ImageFileName", ETW_IN_ANSISTRING, ETW_OUT_NULL, 0},
        {"CommandLine", ETW_IN_UNICODESTRING, ETW_OUT_NULL, 0},
    };
    for (uint32_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        const etw_event_property_info property = etw_tei_property(&tei, i);
        assert_string(&tei, property.NameOffset, expected[i].name);
        assert_int_equal(property.Flags, 0);
        assert_int_equal(property.InType, expected[i].in_type);
        assert_int_equal(property.OutType, expected[i].out_type);
        assert_int_equal(property.count, 1);
        assert_int_equal(property.length, expected[i].length);
    }
}

static void tells_arrays_by_constant_and_by_property(void **state)
{
    const etw_event_record pnp = record_of(SYSTEM_CONFIG, 22, 4);
    const etw_schema *schema = find(*state, &pnp, 8);
    etw_tei tei;
    assert_non_null(schema);
    assert_int_equal(etw_tei_open(schema->tei, &tei, NULL), ETW_OK);
    const etw_event_property_info filters = etw_tei_property(&tei, 8);
    assert_string(&tei, filters.NameOffset, "UpperFilters");
    assert_int_equal(filters.Flags, ETW_PROP_PARAM_COUNT);
    assert_int_equal(filters.countPropertyIndex, 1);

    const etw_event_record cpu = record_of(SYSTEM_CONFIG, 10, 3);
    schema = find(*state, &cpu, 8);
    assert_non_null(schema);
    assert_int_equal(etw_tei_open(schema->tei, &tei, NULL), ETW_OK);
    const etw_event_property_info name = etw_tei_property(&tei, 5);
    assert_string(&tei, name.NameOffset, "ComputerName");
    assert_int_equal(name.InType, ETW_IN_UNICODECHAR);
    assert_int_equal(name.OutType, ETW_OUT_STRING);
    assert_int_equal(name.count, 256);
}

static void numbers_the_frames_of_a_stack(void **state)
{
    const etw_event_record record = record_of(STACK_WALK, 32, 2);
    const etw_schema *schema = find(*state, &record, 4);
    etw_tei tei;
    assert_non_null(schema);
    assert_int_equal(etw_tei_open(schema->tei, &tei, NULL), ETW_OK);
    assert_int_equal(tei.info.TopLevelPropertyCount, 3 + 192);
    assert_string(&tei, etw_tei_property(&tei, 3).NameOffset, "Stack1");
    assert_string(&tei, etw_tei_property(&tei, 194).NameOffset, "Stack192");
    assert_int_equal(etw_tei_property(&tei, 194).length, 4);
}

static void chooses_the_highest_version_not_above_the_records(void **state)
{
    static const struct {
        uint8_t opcode, version;
        uint32_t properties; /* 0: no schema */
    } cases[] = {
        {1, 0, 4},   {1, 1, 7},   {1, 4, 12}, {1, 200, 12},
        {39, 4, 12}, {39, 5, 13}, {11, 1, 0}, {12, 9, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const etw_event_record record = record_of(PROCESS, cases[i].opcode, cases[i].version);
        const etw_schema *schema = find(*state, &record, 8);
        etw_tei tei = {0};
        if (schema != NULL) {
            assert_int_equal(etw_tei_open(schema->tei, &tei, NULL), ETW_OK);
        }
        assert_int_equal(tei.info.TopLevelPropertyCount, cases[i].properties);
    }
}

static void knows_no_other_classes_and_no_messages(void **state)
{
    const etw_event_record other = record_of("22fb2cd6-0e7b-422b-a0c7-2fad1fd0e716", 1, 0);
    assert_null(find(*state, &other, 8));
    etw_event_record message = record_of(PROCESS, 1, 2);
    message.EventHeader.Flags = ETW_FLAG_TRACE_MESSAGE;
    assert_null(find(*state, &message, 8));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(builds_every_row_for_both_pointer_sizes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(is_told_as_tdh_tells_mof_classes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tells_arrays_by_constant_and_by_property, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(numbers_the_frames_of_a_stack, set_up, tear_down),
        cmocka_unit_test_setup_teardown(chooses_the_highest_version_not_above_the_records, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(knows_no_other_classes_and_no_messages, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
