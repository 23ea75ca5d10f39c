/* What the builder makes is what the views read, laid out as TDH does. */
#include "format/event/schema.h"
#include "format/event/tei_builder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static int set_up(void **state)
{
    *state = etw_tei_builder_new();
    return *state == NULL;
}

static int tear_down(void **state)
{
    etw_tei_builder_free(*state);
    return 0;
}

static void assert_units(etw_bytes units, const char *ascii)
{
    assert_int_equal(units.size, 2 * strlen(ascii));
    for (size_t i = 0; i < units.size / 2; i++) {
        assert_int_equal(etw_load_u16(units.data + 2 * i), ascii[i]);
    }
}

static void assert_string(const etw_tei *tei, uint32_t offset, const char *ascii)
{
    etw_bytes units;
    assert_true(etw_tei_string(tei, offset, &units));
    assert_units(units, ascii);
}

static void lays_out_properties_top_level_first(void **state)
{
    etw_tei_builder *builder = *state;
    const uint32_t count = etw_tei_builder_add(
        builder, 0,
        &(etw_tei_property_spec){
            .name = "N", .in_type = ETW_IN_UINT16, .out_type = ETW_OUT_UNSIGNEDSHORT, .length = 2});
    const uint32_t peers = etw_tei_builder_add(
        builder, 0,
        &(etw_tei_property_spec){.name = "Peers", .is_struct = true, .count_from = count});
    const uint32_t inner = etw_tei_builder_add(
        builder, peers, &(etw_tei_property_spec){.name = "Inner", .is_struct = true});
    (void)etw_tei_builder_add(
        builder, inner,
        &(etw_tei_property_spec){.name = "Deep", .in_type = ETW_IN_GUID, .tags = 5});
    const uint32_t size = etw_tei_builder_add(
        builder, peers, &(etw_tei_property_spec){.name = "Size", .in_type = ETW_IN_UINT32});
    (void)etw_tei_builder_add(
        builder, peers,
        &(etw_tei_property_spec){
            .name = "Data", .in_type = ETW_IN_BINARY, .map_name = "M", .length_from = size});
    (void)etw_tei_builder_add(
        builder, 0, &(etw_tei_property_spec){.name = "Last", .in_type = ETW_IN_INT8, .count = 3});

    etw_bytes blob;
    const char *const keywords[] = {"One", NULL, "Two"};
    assert_int_equal(etw_tei_builder_finish(builder,
                                            &(etw_tei_event_spec){.provider_name = "P",
                                                                  .descriptor = {.Id = 7},
                                                                  .keyword_names = keywords,
                                                                  .keyword_count = 3,
                                                                  .event_message = "Hi %1",
                                                                  .template_flags = 1,
                                                                  .tags = 2},
                                            &blob, NULL),
                     ETW_OK);
    etw_tei tei;
    assert_int_equal(etw_tei_open(blob, &tei, NULL), ETW_OK);
    assert_int_equal(tei.info.PropertyCount, 7);
    assert_int_equal(tei.info.TopLevelPropertyCount, 3);
    assert_int_equal(tei.info.Flags, 0x21);
    assert_int_equal(tei.info.EventDescriptor.Id, 7);
    static const char *const names[] = {"N", "Peers", "Last", "Inner", "Size", "Data", "Deep"};
    for (uint32_t i = 0; i < 7; i++) {
        assert_string(&tei, etw_tei_property(&tei, i).NameOffset, names[i]);
    }
    const etw_event_property_info outer = etw_tei_property(&tei, 1);
    assert_int_equal(outer.Flags, ETW_PROP_STRUCT | ETW_PROP_PARAM_COUNT);
    assert_int_equal(outer.StructStartIndex, 3);
    assert_int_equal(outer.NumOfStructMembers, 3);
    assert_int_equal(outer.countPropertyIndex, 0);
    assert_int_equal(etw_tei_property(&tei, 2).count, 3);
    assert_int_equal(etw_tei_property(&tei, 3).StructStartIndex, 6);
    const etw_event_property_info data = etw_tei_property(&tei, 5);
    assert_int_equal(data.Flags, ETW_PROP_PARAM_LENGTH);
    assert_int_equal(data.lengthPropertyIndex, 4);
    assert_string(&tei, data.MapNameOffset, "M");
    assert_int_equal(etw_tei_property(&tei, 6).Tags, 0x50);
    assert_string(&tei, tei.info.ProviderNameOffset, "P");
    assert_string(&tei, tei.info.KeywordsNameOffset, "One");
    assert_string(&tei, tei.info.KeywordsNameOffset + 8, "Two");
    assert_string(&tei, tei.info.KeywordsNameOffset + 16, "");
    assert_string(&tei, tei.info.EventMessageOffset, "Hi %1 ");
    assert_int_equal(tei.info.TaskNameOffset, 0);
}

static void starts_anew_after_each_event(void **state)
{
    etw_tei_builder *builder = *state;
    etw_bytes blob;
    etw_tei tei;
    for (uint32_t properties = 0; properties < 3; properties++) {
        for (uint32_t i = 0; i < properties; i++) {
            (void)etw_tei_builder_add(
                builder, 0, &(etw_tei_property_spec){.name = "A", .in_type = ETW_IN_UINT8});
        }
        assert_int_equal(etw_tei_builder_finish(builder, &(etw_tei_event_spec){0}, &blob, NULL),
                         ETW_OK);
        assert_int_equal(etw_tei_open(blob, &tei, NULL), ETW_OK);
        assert_int_equal(tei.info.PropertyCount, properties);
    }
}

static void reports_the_first_failure_at_the_end(void **state)
{
    etw_tei_builder *builder = *state;
    etw_bytes blob;
    etw_error error;
    assert_int_equal(etw_tei_builder_add(builder, 9, &(etw_tei_property_spec){.name = "A"}), 0);
    assert_int_equal(etw_tei_builder_finish(builder, &(etw_tei_event_spec){0}, &blob, &error),
                     ETW_ERROR_INVALID_ARGUMENT);
    for (uint32_t i = 0; i <= ETW_MAX_PROPERTIES; i++) {
        (void)etw_tei_builder_add(builder, 0, &(etw_tei_property_spec){.name = "A"});
    }
    assert_int_equal(etw_tei_builder_finish(builder, &(etw_tei_event_spec){0}, &blob, &error),
                     ETW_ERROR_LIMIT);
}

static void manifest_maps_get_their_space(void **state)
{
    static const etw_map_entry_spec entries[] = {{1, "Sun"}, {2, "M\xC3\xBCll"}};
    etw_bytes blob;
    etw_map map;
    etw_bytes units;
    assert_int_equal(
        etw_tei_builder_map(*state, &(etw_map_spec){"Days", ETW_MAP_MANIFEST_BITMAP, entries, 2},
                            &blob, NULL),
        ETW_OK);
    assert_int_equal(etw_map_open(blob, &map, NULL), ETW_OK);
    assert_int_equal(map.info.NameOffset, 32);
    assert_int_equal(map.info.EntryCount, 2);
    assert_int_equal(etw_map_entry(&map, 1).Value, 2);
    assert_true(etw_map_string(&map, etw_map_entry(&map, 0).OutputOffset, &units));
    assert_units(units, "Sun ");
    assert_true(etw_map_string(&map, etw_map_entry(&map, 1).OutputOffset, &units));
    assert_int_equal(units.size, 10);
    assert_int_equal(etw_load_u16(units.data + 2), 0xFC);

    assert_int_equal(etw_tei_builder_map(*state,
                                         &(etw_map_spec){"Days", ETW_MAP_WBEM_VALUEMAP, entries, 1},
                                         &blob, NULL),
                     ETW_OK);
    assert_int_equal(etw_map_open(blob, &map, NULL), ETW_OK);
    assert_true(etw_map_string(&map, etw_map_entry(&map, 0).OutputOffset, &units));
    assert_units(units, "Sun");
}

static void views_refuse_what_is_not_inside(void **state)
{
    etw_bytes blob;
    etw_tei tei;
    etw_bytes units;
    (void)etw_tei_builder_add(*state, 0, &(etw_tei_property_spec){.name = "A"});
    assert_int_equal(etw_tei_builder_finish(*state, &(etw_tei_event_spec){0}, &blob, NULL), ETW_OK);
    uint8_t *copy = malloc(blob.size);
    assert_non_null(copy);
    memcpy(copy, blob.data, blob.size);
    assert_int_equal(etw_tei_open((etw_bytes){copy, 111}, &tei, NULL), ETW_ERROR_DAMAGED);
    assert_int_equal(etw_tei_open((etw_bytes){copy, 135}, &tei, NULL), ETW_ERROR_DAMAGED);
    assert_int_equal(etw_tei_open((etw_bytes){copy, 136}, &tei, NULL), ETW_OK);
    assert_false(etw_tei_string(&tei, 136, &units));
    assert_false(etw_tei_string(&tei, 0xFFFFFFFF, &units));
    copy[104] = 2; /* two properties at the top level of one */
    assert_int_equal(etw_tei_open((etw_bytes){copy, blob.size}, &tei, NULL), ETW_ERROR_DAMAGED);
    free(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lays_out_properties_top_level_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(starts_anew_after_each_event, set_up, tear_down),
        cmocka_unit_test_setup_teardown(reports_the_first_failure_at_the_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(manifest_maps_get_their_space, set_up, tear_down),
        cmocka_unit_test_setup_teardown(views_refuse_what_is_not_inside, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("tei_builder", tests, NULL, NULL);
}
