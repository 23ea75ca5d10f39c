/* Schemas that a merge put into the trace. */
#include "format/event/tei_builder.h"
#include "format/schema/metadata_event.h"

#include "tests/support/schema_assert.h"

static const etw_guid metadata_class = {
    0xbbccf6c1, 0x6cd1, 0x48c4, {0x80, 0xff, 0x83, 0x94, 0x82, 0xe3, 0x76, 0x71}};
static const etw_guid provider = {0x11223344, 0x5566, 0x7788, {1, 2, 3, 4, 5, 6, 7, 8}};

typedef struct fixture {
    etw_schema_store *store;
    etw_tei_builder *builder;
    etw_schema_source *source;
} fixture;

static int set_up(void **state)
{
    static fixture self;
    self.store = etw_schema_store_new();
    self.builder = etw_tei_builder_new();
    self.source = etw_metadata_event_source_new();
    *state = &self;
    return self.store == NULL || self.builder == NULL || self.source == NULL;
}

static int tear_down(void **state)
{
    fixture *self = *state;
    self->source->free(self->source);
    etw_tei_builder_free(self->builder);
    etw_schema_store_free(self->store);
    return 0;
}

static etw_status observe(fixture *self, uint8_t opcode, etw_bytes payload)
{
    const etw_event_record record = {.EventHeader = {.ProviderId = metadata_class,
                                                     .Flags = ETW_FLAG_CLASSIC_HEADER,
                                                     .EventDescriptor = {.Opcode = opcode}},
                                     .UserData = (void *)(uintptr_t)payload.data,
                                     .UserDataLength = (uint16_t)payload.size};
    return self->source->observe(self->source, self->store, &record, NULL);
}

static etw_status observe_event(fixture *self, uint16_t id, const char *map)
{
    etw_bytes blob;
    (void)etw_tei_builder_add(
        self->builder, 0,
        &(etw_tei_property_spec){.name = "a", .in_type = 8, .length = 4, .map_name = map});
    (void)etw_tei_builder_add(
        self->builder, 0,
        &(etw_tei_property_spec){.name = "b", .in_type = 8, .length = 4, .map_name = map});
    const etw_tei_event_spec event = {
        .provider_guid = provider, .descriptor = {.Id = id, .Version = 1}, .provider_name = "Prov"};
    assert_int_equal(etw_tei_builder_finish(self->builder, &event, &blob, NULL), ETW_OK);
    return observe(self, 32, blob);
}

static etw_status observe_map(fixture *self, const char *name, const char *text)
{
    uint8_t payload[512];
    etw_bytes blob;
    const etw_map_entry_spec entry = {.value = 7, .text = text};
    assert_int_equal(etw_tei_builder_map(
                         self->builder, &(etw_map_spec){name, ETW_MAP_MANIFEST_VALUEMAP, &entry, 1},
                         &blob, NULL),
                     ETW_OK);
    memcpy(payload, &provider, sizeof provider);
    memcpy(payload + sizeof provider, blob.data, blob.size);
    return observe(self, 33, (etw_bytes){payload, sizeof provider + blob.size});
}

static const etw_schema *find(fixture *self, uint16_t id, uint8_t version)
{
    const etw_event_record record = {
        .EventHeader = {.ProviderId = provider,
                        .EventDescriptor = {.Id = id, .Version = version, .Level = 5}}};
    const etw_schema *schema;
    assert_int_equal(self->source->find(self->source, self->store, &record, 8, &schema, NULL),
                     ETW_OK);
    return schema;
}

static void finds_by_provider_id_and_version(void **state)
{
    fixture *self = *state;
    assert_null(find(self, 3, 1));
    assert_int_equal(observe_event(self, 3, NULL), ETW_OK);
    assert_int_equal(self->source->learnt, 1);
    assert_non_null(find(self, 3, 1));
    assert_int_equal(find(self, 3, 1)->origin, ETW_SCHEMA_METADATA_EVENT);
    assert_null(find(self, 3, 0));
    assert_null(find(self, 4, 1));
    assert_string_equal(etw_schema_store_provider_name(self->store, &provider), "Prov");
}

static void learns_each_event_and_map_once(void **state)
{
    fixture *self = *state;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(observe_event(self, 3, "M"), ETW_OK);
        assert_int_equal(observe_map(self, "M", "seven"), ETW_OK);
    }
    assert_int_equal(self->source->learnt, 2);
}

static void joins_maps_that_come_before_and_after(void **state)
{
    fixture *self = *state;
    assert_int_equal(observe_event(self, 3, "M"), ETW_OK);
    assert_int_equal(find(self, 3, 1)->map_count, 0);
    assert_int_equal(observe_map(self, "Other", "x"), ETW_OK);
    assert_int_equal(find(self, 3, 1)->map_count, 0);
    assert_int_equal(observe_map(self, "M", "seven"), ETW_OK);
    const etw_schema *joined = find(self, 3, 1);
    assert_int_equal(joined->map_count, 1); /* two properties name it */
    assert_map(joined->maps[0], "M flag=1: 0x7=seven ");
    assert_int_equal(observe_event(self, 4, "M"), ETW_OK);
    assert_int_equal(find(self, 4, 1)->map_count, 1);
}

static void refuses_what_is_damaged(void **state)
{
    fixture *self = *state;
    uint8_t bytes[200] = {0};
    for (size_t size = 0; size < 112; size++) {
        assert_int_equal(observe(self, 32, (etw_bytes){bytes, size}), ETW_ERROR_DAMAGED);
    }
    for (size_t size = 0; size < sizeof bytes; size++) {
        assert_int_equal(observe(self, 33, (etw_bytes){bytes, size}), ETW_ERROR_DAMAGED);
    }
    assert_int_equal(self->source->learnt, 0);
    assert_int_equal(observe(self, 34, (etw_bytes){bytes, 1}), ETW_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(finds_by_provider_id_and_version, set_up, tear_down),
        cmocka_unit_test_setup_teardown(learns_each_event_and_map_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(joins_maps_that_come_before_and_after, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses_what_is_damaged, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("metadata_event", tests, NULL, NULL);
}
