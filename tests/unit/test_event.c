/* Events as a callback sees them: time, schema, properties by name, and their end. */
#include "format/event/event.h"
#include "format/event/tei_builder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

typedef struct fixture {
    etw_tei_builder *builder;
    etw_event_maker *maker;
    etw_schema schema;
    etw_trace trace;
    etw_text text;
} fixture;

static const uint8_t payload[] = {2, 0, 'a', 0, 'b', 0, 80, 0, 187, 1, 9};

/* Items.Count, Items[], Peer[2] {Port}, Last */
static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    *state = f;
    f->builder = etw_tei_builder_new();
    f->maker = etw_event_maker_new(false);
    f->trace.pointer_size = 8;
    f->trace.clock =
        (etw_clock){.type = ETW_CLOCK_QPC, .frequency_hz = 1000, .base_time_100ns = 5000000};
    const uint32_t count = etw_tei_builder_add(
        f->builder, 0, &(etw_tei_property_spec){.name = "Items.Count", .in_type = ETW_IN_UINT16});
    (void)etw_tei_builder_add(f->builder, 0,
                              &(etw_tei_property_spec){.name = "Items",
                                                       .in_type = ETW_IN_ANSISTRING,
                                                       .count_from = count});
    const uint32_t peer = etw_tei_builder_add(
        f->builder, 0, &(etw_tei_property_spec){.name = "Peer", .is_struct = true, .count = 2});
    (void)etw_tei_builder_add(f->builder, peer,
                              &(etw_tei_property_spec){.name = "Port", .in_type = ETW_IN_UINT16});
    (void)etw_tei_builder_add(f->builder, 0,
                              &(etw_tei_property_spec){.name = "Last", .in_type = ETW_IN_UINT8});
    f->schema.id = 1;
    return etw_tei_builder_finish(f->builder, &(etw_tei_event_spec){.provider_name = "Prov"},
                                  &f->schema.tei, NULL) != ETW_OK;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    etw_text_free(&f->text);
    etw_event_maker_free(f->maker);
    etw_tei_builder_free(f->builder);
    free(f);
    return 0;
}

static const etw_event *make(fixture *f, const etw_schema *schema, uint16_t flags)
{
    const etw_event_record record = {.EventHeader = {.Flags = flags, .TimeStamp = 1500},
                                     .UserData = (void *)payload,
                                     .UserDataLength = sizeof payload};
    return etw_event_make(f->maker, &record, &f->trace, schema, NULL);
}

static void properties_are_found_by_their_path(void **state)
{
    static const struct {
        const char *path;
        const char *expected; /* NULL: not found */
    } cases[] = {
        {"Last", "9"},
        {"Items.Count", "2"},
        {"Items[1]", "b"},
        {"Items[0]", "a"},
        {"Items", "a, b"},
        {"Peer[1].Port", "443"},
        {"Peer[0].Port", "80"},
        {"Peer.Port", "80, 443"},
        {"Items[2]", NULL},
        {"Peer", NULL},
        {"Peer[0]", NULL},
        {"Port", NULL},
        {"Las", NULL},
        {"Last.", NULL},
        {"", NULL},
        {"Items[", NULL},
        {"Items[4294967297]", NULL},
    };
    fixture *f = *state;
    const etw_event *event = make(f, &f->schema, 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        etw_text_clear(&f->text);
        const etw_status status = etw_event_property_text(event, cases[i].path, &f->text);
        assert_int_equal(status, cases[i].expected == NULL ? ETW_ERROR_NOT_FOUND : ETW_OK);
        assert_string_equal(etw_text_z(&f->text),
                            cases[i].expected == NULL ? "" : cases[i].expected);
    }
}

static void time_is_system_time(void **state)
{
    fixture *f = *state;
    const etw_event *event = make(f, NULL, 0);
    assert_int_equal(etw_event_time_100ns(event), 20000000);
    assert_int_equal(etw_event_record_of(event)->EventHeader.TimeStamp, 20000000);

    etw_event_maker *raw = etw_event_maker_new(true);
    assert_non_null(raw);
    const etw_event_record record = {.EventHeader = {.TimeStamp = 1500}};
    event = etw_event_make(raw, &record, &f->trace, NULL, NULL);
    assert_int_equal(etw_event_time_100ns(event), 20000000);
    assert_int_equal(etw_event_record_of(event)->EventHeader.TimeStamp, 1500);
    etw_event_maker_free(raw);
}

static void an_event_without_schema_has_no_properties(void **state)
{
    fixture *f = *state;
    const etw_event *event = make(f, NULL, 0);
    assert_null(etw_event_plan(event));
    assert_null(etw_event_schema(event));
    assert_null(etw_event_provider_name(event));
    assert_int_equal(etw_event_property_text(event, "Last", &f->text), ETW_ERROR_NOT_FOUND);
}

static void string_only_events_have_a_message(void **state)
{
    static const uint8_t text[] = {'h', 0, 'i', 0, 0, 0};
    fixture *f = *state;
    const etw_event_record record = {.EventHeader = {.Flags = ETW_FLAG_STRING_ONLY},
                                     .UserData = (void *)text,
                                     .UserDataLength = sizeof text};
    const etw_event *event = etw_event_make(f->maker, &record, &f->trace, NULL, NULL);
    assert_int_equal(etw_event_property_text(event, "Message", &f->text), ETW_OK);
    assert_string_equal(etw_text_z(&f->text), "hi");
}

static void a_kept_event_is_seen_to_be_expired(void **state)
{
    fixture *f = *state;
    etw_walk_end end;
    const etw_visitor visitor = {0};
    const etw_event *first = make(f, &f->schema, 0);
    assert_string_equal(etw_event_provider_name(first), "Prov");
    assert_ptr_equal(etw_event_schema(first), &f->schema);
    assert_ptr_equal(etw_event_trace(first), &f->trace);
    const etw_event *second = make(f, &f->schema, 0);
    for (unsigned round = 0; round < 2; round++) {
        const etw_event *gone = round == 0 ? first : second;
        assert_null(etw_event_record_of(gone));
        assert_null(etw_event_plan(gone));
        assert_null(etw_event_schema(gone));
        assert_null(etw_event_trace(gone));
        assert_null(etw_event_provider_name(gone));
        assert_true(etw_event_time_100ns(gone) == INT64_MIN);
        assert_int_equal(etw_event_walk(gone, &visitor, NULL, &end), ETW_ERROR_EXPIRED);
        assert_int_equal(etw_event_property_text(gone, "Last", &f->text), ETW_ERROR_EXPIRED);
        etw_event_expire(f->maker);
    }
}

static void a_schema_that_cannot_be_compiled_is_remembered(void **state)
{
    (void)state;
    static const uint8_t bytes[20];
    const etw_schema broken = {.id = 70, .tei = {bytes, sizeof bytes}};
    etw_plan_cache *cache = etw_plan_cache_new();
    assert_non_null(cache);
    const char *problem = NULL;
    const char *again = NULL;
    assert_null(etw_plan_cache_get(cache, &broken, &problem));
    assert_non_null(problem);
    assert_null(etw_plan_cache_get(cache, &broken, &again));
    assert_ptr_equal(problem, again);
    assert_null(etw_plan_cache_get(cache, NULL, &problem));
    assert_null(problem);
    etw_plan_cache_free(cache);
}

static void an_iterator_gives_what_a_walk_shows(void **state)
{
    static const char expected[] = "Items.Count=2 Items[2: Items=a Items=b ] "
                                   "Peer[2: Peer{ Port=80 } Peer{ Port=443 } ] Last=9 ";
    fixture *f = *state;
    const etw_event *event = make(f, &f->schema, 0);
    etw_property_iterator iterator;
    etw_part part;
    etw_walk_end end;
    assert_int_equal(etw_event_properties(event, &iterator), ETW_OK);
    while (etw_property_iterator_next(&iterator, &part)) {
        const char *name = etw_property_name(part.value.property)->utf8;
        switch (part.kind) {
        case ETW_PART_VALUE:
            etw_text_printf(&f->text, "%s=", name);
            (void)etw_value_append_text(&part.value, 0, ETW_ESCAPE_NONE, &f->text);
            etw_text_append_char(&f->text, ' ');
            break;
        case ETW_PART_OPEN_ARRAY:
            etw_text_printf(&f->text, "%s[%u: ", name, part.count);
            break;
        case ETW_PART_OPEN_STRUCT:
            etw_text_printf(&f->text, "%s{ ", name);
            break;
        case ETW_PART_CLOSE_ARRAY:
            etw_text_append_z(&f->text, "] ");
            break;
        case ETW_PART_CLOSE_STRUCT:
            etw_text_append_z(&f->text, "} ");
            break;
        }
    }
    etw_property_iterator_end(&iterator, &end);
    assert_string_equal(etw_text_z(&f->text), expected);
    assert_int_equal(end.consumed_bytes, sizeof payload);
    assert_int_equal(etw_event_properties(make(f, NULL, 0), &iterator), ETW_ERROR_NOT_FOUND);
    assert_int_equal(etw_event_properties(event, &iterator), ETW_ERROR_EXPIRED);
}

static void a_property_is_found_with_its_type(void **state)
{
    fixture *f = *state;
    etw_typed_value typed;
    const etw_event *event = make(f, &f->schema, 0);
    assert_int_equal(etw_event_property_value(event, "Peer[1].Port", &typed), ETW_OK);
    assert_int_equal(typed.kind, ETW_VALUE_UINT64);
    assert_int_equal(typed.as.uint64, 443);
    assert_int_equal(etw_event_property_value(event, "Items", &typed), ETW_OK);
    assert_int_equal(typed.kind, ETW_VALUE_ANSI);
    assert_memory_equal(typed.bytes.data, "a", 1);
    assert_int_equal(etw_event_property_value(event, "Nothing", &typed), ETW_ERROR_NOT_FOUND);
    assert_int_equal(typed.kind, ETW_VALUE_NONE);
}

static void the_properties_of_a_plan_can_be_listed(void **state)
{
    fixture *f = *state;
    const etw_plan *plan = etw_event_plan(make(f, &f->schema, 0));
    assert_int_equal(etw_plan_top_count(plan), 4);
    const etw_property *peer = etw_plan_property(plan, 2);
    assert_string_equal(etw_property_name(peer)->utf8, "Peer");
    assert_int_equal(etw_property_member_count(peer), 1);
    const etw_property *port = etw_plan_property(plan, etw_property_first_member(peer));
    assert_string_equal(etw_property_name(port)->utf8, "Port");
    assert_int_equal(etw_property_member_count(port), 0);
    assert_null(etw_plan_property(plan, 5));
}

static void schemas_are_found_by_kind(void **state)
{
    fixture *f = *state;
    const etw_guid none = {0};
    const etw_guid other = {1, 2, 3, {4}};
    const etw_schema *kept = NULL;
    etw_schema_store *store = etw_schema_store_new();
    assert_int_equal(etw_schema_store_intern(store, &f->schema, &kept, NULL), ETW_OK);
    assert_ptr_equal(etw_schema_store_find(store, &none, 0, 0, 0), kept);
    assert_ptr_equal(etw_schema_store_find(store, &none, ETW_ANY_ID, ETW_ANY_ID, 0), kept);
    assert_null(etw_schema_store_find(store, &none, 0, 0, kept->id));
    assert_null(etw_schema_store_find(store, &none, 7, 0, 0));
    assert_null(etw_schema_store_find(store, &none, 0, 1, 0));
    assert_null(etw_schema_store_find(store, &other, 0, 0, 0));
    etw_schema_store_free(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
        TEST(properties_are_found_by_their_path),
        TEST(an_iterator_gives_what_a_walk_shows),
        TEST(a_property_is_found_with_its_type),
        TEST(the_properties_of_a_plan_can_be_listed),
        TEST(schemas_are_found_by_kind),
        TEST(time_is_system_time),
        TEST(an_event_without_schema_has_no_properties),
        TEST(string_only_events_have_a_message),
        TEST(a_kept_event_is_seen_to_be_expired),
        TEST(a_schema_that_cannot_be_compiled_is_remembered),
    };
    return cmocka_run_group_tests_name("event", tests, NULL, NULL);
}
