/* The order of sources, and what is remembered of their answers. */
#include "format/event/tei_builder.h"
#include "format/schema/resolver.h"

#include "tests/support/schema_assert.h"

static const etw_guid provider = {0x11223344, 0x5566, 0x7788, {1, 2, 3, 4, 5, 6, 7, 8}};

/* A source that counts how often it is asked, and knows the events up to a given id. */
typedef struct counting_source {
    etw_schema_source base;
    uint32_t asked;
    uint16_t known_ids;
    etw_status fails;
} counting_source;

typedef struct fixture {
    etw_schema_store *store;
    etw_resolver *resolver;
    counting_source sources[2]; /* asked in this order, once they are added */
} fixture;

static int set_up(void **state)
{
    static fixture self;
    self = (fixture){.store = etw_schema_store_new()};
    *state = &self;
    return self.store == NULL || etw_resolver_new(self.store, NULL, &self.resolver, NULL) != ETW_OK;
}

static int tear_down(void **state)
{
    fixture *self = *state;
    etw_resolver_free(self->resolver);
    etw_schema_store_free(self->store);
    return 0;
}

static etw_status counting_find(etw_schema_source *base, etw_schema_store *store,
                                const etw_event_record *record, uint32_t pointer_size,
                                const etw_schema **schema, etw_error *error)
{
    counting_source *self = (counting_source *)base;
    uint8_t blob[112] = {0};
    self->asked++;
    if (self->fails != ETW_OK) {
        return etw_error_set(error, self->fails, "told to fail");
    }
    if (record->EventHeader.EventDescriptor.Id > self->known_ids) {
        return ETW_OK;
    }
    blob[0] = (uint8_t)pointer_size;
    const etw_schema made = {.origin = ETW_SCHEMA_TDH, .tei = {blob, sizeof blob}};
    return etw_schema_store_intern(store, &made, schema, error);
}

static etw_status counting_observe(etw_schema_source *base, etw_schema_store *store,
                                   const etw_event_record *record, etw_error *error)
{
    counting_source *self = (counting_source *)base;
    (void)store;
    (void)error;
    self->known_ids = record->EventHeader.EventDescriptor.Id;
    base->learnt++;
    return ETW_OK;
}

static void counting_free(etw_schema_source *base)
{
    (void)base;
}

static counting_source *add_counting(fixture *self, uint32_t index, uint16_t known_ids)
{
    counting_source *source = &self->sources[index];
    source->known_ids = known_ids;
    source->base = (etw_schema_source){.name = "counting",
                                       .find = counting_find,
                                       .observe = counting_observe,
                                       .free = counting_free};
    assert_int_equal(etw_resolver_add_source(self->resolver, &source->base, NULL), ETW_OK);
    return source;
}

static const etw_schema *find(fixture *self, const etw_event_record *record, uint32_t pointer_size)
{
    const etw_schema *schema;
    assert_int_equal(etw_resolver_find(self->resolver, record, pointer_size, &schema, NULL),
                     ETW_OK);
    return schema;
}

static etw_event_record event(uint16_t id)
{
    return (etw_event_record){
        .EventHeader = {.ProviderId = provider, .EventDescriptor = {.Id = id}}};
}

static void asks_once_for_each_key(void **state)
{
    fixture *self = *state;
    const counting_source *source = add_counting(self, 0, 1);
    etw_event_record record = event(1);
    const etw_schema *schema = find(self, &record, 8);
    assert_non_null(schema);
    assert_ptr_equal(find(self, &record, 8), schema);
    record.EventHeader.EventDescriptor.Keyword = 5;
    assert_ptr_equal(find(self, &record, 8), schema);
    assert_int_equal(source->asked, 1);
    assert_ptr_not_equal(find(self, &record, 4), schema);
    assert_int_equal(source->asked, 2);
    record.EventHeader.EventDescriptor.Version = 1;
    (void)find(self, &record, 4);
    record.EventHeader.ProviderId.Data1++;
    (void)find(self, &record, 4);
    record.EventHeader.Flags = ETW_FLAG_CLASSIC_HEADER;
    (void)find(self, &record, 4);
    record.EventHeader.EventDescriptor.Opcode = 1;
    (void)find(self, &record, 4);
    assert_int_equal(source->asked, 6);
}

static void remembers_that_nothing_explains_an_event(void **state)
{
    fixture *self = *state;
    const counting_source *source = add_counting(self, 0, 1);
    const etw_event_record unknown = event(9);
    assert_null(find(self, &unknown, 8));
    assert_null(find(self, &unknown, 8));
    assert_int_equal(source->asked, 1);
    assert_int_equal(etw_resolver_observe(self->resolver, &unknown, NULL), ETW_OK);
    assert_non_null(find(self, &unknown, 8));
    assert_non_null(find(self, &unknown, 8));
    assert_int_equal(source->asked, 2);
}

static void the_first_source_that_knows_wins(void **state)
{
    fixture *self = *state;
    (void)add_counting(self, 0, 1);
    const counting_source *second = add_counting(self, 1, 2);
    const etw_event_record both = event(1), one = event(2);
    assert_non_null(find(self, &both, 8));
    assert_int_equal(second->asked, 0);
    assert_non_null(find(self, &one, 8));
    assert_int_equal(second->asked, 1);
}

static void counts_failures_and_goes_on(void **state)
{
    fixture *self = *state;
    counting_source *failing = add_counting(self, 0, 1);
    (void)add_counting(self, 1, 1);
    failing->fails = ETW_ERROR_LIMIT;
    const etw_event_record record = event(1);
    assert_string_equal(etw_resolver_first_error(self->resolver), "");
    assert_non_null(find(self, &record, 8));
    assert_int_equal(etw_resolver_error_count(self->resolver), 1);
    assert_string_equal(etw_resolver_first_error(self->resolver), "counting: told to fail");
    failing->fails = ETW_ERROR_NO_MEMORY;
    const etw_event_record other = event(2);
    const etw_schema *schema;
    assert_int_equal(etw_resolver_find(self->resolver, &other, 8, &schema, NULL),
                     ETW_ERROR_NO_MEMORY);
}

static void asks_nobody_where_no_schema_is_needed(void **state)
{
    fixture *self = *state;
    const counting_source *source = add_counting(self, 0, 0xFFFF);
    etw_event_record message = event(1), text = event(1), forwarded = event(1);
    message.EventHeader.Flags = ETW_FLAG_TRACE_MESSAGE;
    text.EventHeader.Flags = ETW_FLAG_STRING_ONLY;
    forwarded.EventHeader.EventProperty = ETW_PROPERTY_FORWARDED_XML;
    assert_null(find(self, &message, 8));
    assert_null(find(self, &text, 8));
    assert_null(find(self, &forwarded, 8));
    assert_int_equal(source->asked, 0);
}

/* Two TraceLogging events of one name, one provider, and nothing else in common but their ids. */
static void tells_tracelogging_events_apart_by_all_their_metadata(void **state)
{
    fixture *self = *state;
    static uint8_t first[] = "\x08\0\0E\0a\0\x08", second[] = "\x08\0\0E\0b\0\x08";
    static uint8_t one_name[] = "\x04\0P", other_name[] = "\x04\0Q";
    etw_extended_data_item items[2] = {{.ExtType = ETW_EXT_PROV_TRAITS, .DataSize = 4},
                                       {.ExtType = ETW_EXT_EVENT_SCHEMA_TL, .DataSize = 8}};
    etw_event_record record = event(0);
    record.ExtendedData = items;
    record.ExtendedDataCount = 2;
    items[0].DataPtr = (uint64_t)(uintptr_t)one_name;
    items[1].DataPtr = (uint64_t)(uintptr_t)first;
    const etw_schema *a = find(self, &record, 8);
    assert_non_null(a);
    assert_properties(a->tei, "a 8/0 length=4");
    assert_ptr_equal(find(self, &record, 8), a);
    items[1].DataPtr = (uint64_t)(uintptr_t)second;
    const etw_schema *b = find(self, &record, 8);
    assert_properties(b->tei, "b 8/0 length=4");
    items[0].DataPtr = (uint64_t)(uintptr_t)other_name;
    assert_ptr_not_equal(find(self, &record, 8), b);
    assert_string_equal(etw_schema_store_provider_name(self->store, &provider), "P");
}

static void keeps_answering_beyond_its_limit_of_keys(void **state)
{
    fixture *self = *state;
    const counting_source *source = add_counting(self, 0, 0);
    for (uint32_t i = 0; i <= ETW_RESOLVER_MAX_KEYS; i++) {
        etw_event_record record = event((uint16_t)(i & 0xFFFF));
        record.EventHeader.EventDescriptor.Version = (uint8_t)(i >> 16);
        record.EventHeader.EventDescriptor.Task = 7;
        const etw_schema *schema = find(self, &record, 8);
        assert_true((schema != NULL) == ((i & 0xFFFF) == 0));
    }
    assert_int_equal(source->asked, ETW_RESOLVER_MAX_KEYS + 1);
}

static void asks_the_classic_table_before_added_sources_unless_told_not_to(void **state)
{
    fixture *self = *state;
    const etw_guid process_class = {
        0x3d6fa8d0, 0xfe05, 0x11d0, {0x9d, 0xda, 0x00, 0xc0, 0x4f, 0xd7, 0xba, 0x7c}};
    etw_event_record record = event(0);
    record.EventHeader.ProviderId = process_class;
    record.EventHeader.Flags = ETW_FLAG_CLASSIC_HEADER;
    record.EventHeader.EventDescriptor.Opcode = 1;
    record.EventHeader.EventDescriptor.Version = 3;
    assert_int_equal(find(self, &record, 8)->origin, ETW_SCHEMA_CLASSIC);
    const counting_source *source = add_counting(self, 0, 0);
    assert_int_equal(find(self, &record, 8)->origin, ETW_SCHEMA_CLASSIC);
    assert_int_equal(source->asked, 0);

    etw_resolver_free(self->resolver);
    const etw_resolver_options options = {.no_classic = true};
    assert_int_equal(etw_resolver_new(self->store, &options, &self->resolver, NULL), ETW_OK);
    assert_null(find(self, &record, 8));
}

static void names_well_known_providers_of_unexplained_events(void **state)
{
    fixture *self = *state;
    etw_event_record record = event(1);
    assert_true(
        etw_guid_parse("22fb2cd6-0e7b-422b-a0c7-2fad1fd0e716", &record.EventHeader.ProviderId));
    assert_null(etw_schema_store_provider_name(self->store, &record.EventHeader.ProviderId));
    assert_null(find(self, &record, 8));
    assert_string_equal(etw_schema_store_provider_name(self->store, &record.EventHeader.ProviderId),
                        "Microsoft-Windows-Kernel-Process");
    assert_true(
        etw_guid_parse("7e8ad27f-b271-4ea2-a783-a47bde29143b", &record.EventHeader.ProviderId));
    assert_null(find(self, &record, 8));
    assert_string_equal(etw_schema_store_provider_name(self->store, &record.EventHeader.ProviderId),
                        "Microsoft-Windows-IIS-Logging");
    record = event(1);
    assert_null(find(self, &record, 8));
    assert_null(etw_schema_store_provider_name(self->store, &provider));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(asks_once_for_each_key, set_up, tear_down),
        cmocka_unit_test_setup_teardown(remembers_that_nothing_explains_an_event, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_first_source_that_knows_wins, set_up, tear_down),
        cmocka_unit_test_setup_teardown(counts_failures_and_goes_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(asks_nobody_where_no_schema_is_needed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tells_tracelogging_events_apart_by_all_their_metadata,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            asks_the_classic_table_before_added_sources_unless_told_not_to, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_well_known_providers_of_unexplained_events, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(keeps_answering_beyond_its_limit_of_keys, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests_name("resolver", tests, NULL, NULL);
}
