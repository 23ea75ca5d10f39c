/* Manifests that come in pieces, through the trace. */
#include "format/schema/eventsource.h"

#include "tests/support/schema_assert.h"

static const etw_guid provider = {0x11223344, 0x5566, 0x7788, {1, 2, 3, 4, 5, 6, 7, 8}};

#define GUID_TEXT "{11223344-5566-7788-0102-030405060708}"
#define MANIFEST(name, events)                                                                     \
    "<m><provider name='" name "' guid='" GUID_TEXT "'><events>" events "</events></provider></m>"

typedef struct fixture {
    etw_schema_store *store;
    etw_schema_source *source;
} fixture;

static int set_up(void **state)
{
    static fixture self;
    self.store = etw_schema_store_new();
    self.source = etw_eventsource_source_new();
    *state = &self;
    return self.store == NULL || self.source == NULL;
}

static int tear_down(void **state)
{
    fixture *self = *state;
    self->source->free(self->source);
    etw_schema_store_free(self->store);
    return 0;
}

static etw_event_record event(uint16_t id, uint32_t process_id)
{
    return (etw_event_record){.EventHeader = {.ProviderId = provider,
                                              .ProcessId = process_id,
                                              .EventDescriptor = {.Id = id}}};
}

static etw_status send_bytes(fixture *self, uint32_t process_id, const void *bytes, size_t size)
{
    etw_event_record record = event(0xFFFE, process_id);
    record.UserData = (void *)(uintptr_t)bytes;
    record.UserDataLength = (uint16_t)size;
    return self->source->observe(self->source, self->store, &record, NULL);
}

/* Chunk number of count, each of the same share of xml. */
static etw_status send_chunk(fixture *self, uint32_t process_id, const char *xml, uint16_t number,
                             uint16_t count)
{
    uint8_t chunk[1024] = {1, 1, 0, 0x5B};
    const size_t share = strlen(xml) / count + 1;
    const size_t from = share * number < strlen(xml) ? share * number : strlen(xml);
    const size_t size = strlen(xml + from) < share ? strlen(xml + from) : share;
    etw_store_u16(chunk + 4, count);
    etw_store_u16(chunk + 6, number);
    memcpy(chunk + 8, xml + from, size);
    return send_bytes(self, process_id, chunk, 8 + size);
}

static const etw_schema *find(fixture *self, uint16_t id)
{
    const etw_event_record record = event(id, 1);
    const etw_schema *schema;
    assert_int_equal(self->source->find(self->source, self->store, &record, 8, &schema, NULL),
                     ETW_OK);
    return schema;
}

static void learns_from_one_chunk(void **state)
{
    fixture *self = *state;
    assert_int_equal(send_chunk(self, 1, MANIFEST("A", "<event value='1' symbol='First'/>"), 0, 1),
                     ETW_OK);
    assert_int_equal(self->source->learnt, 1);
    assert_int_equal(find(self, 1)->origin, ETW_SCHEMA_EVENTSOURCE);
    assert_event(find(self, 1)->tei, "source=0 flags=0x0 properties=0/0 provider=A name=First");
    assert_null(find(self, 2));
    assert_string_equal(etw_schema_store_provider_name(self->store, &provider), "A");
}

static void puts_chunks_together_in_any_order(void **state)
{
    fixture *self = *state;
    static const char xml[] = MANIFEST("A", "<event value='1'/>");
    static const uint16_t order[] = {2, 0, 0, 3, 2, 1};
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        assert_null(find(self, 1));
        assert_int_equal(send_chunk(self, 1, xml, order[i], 4), ETW_OK);
    }
    assert_non_null(find(self, 1));
}

static void keeps_processes_apart(void **state)
{
    fixture *self = *state;
    static const char one[] = MANIFEST("A", "<event value='1'/>");
    static const char other[] = MANIFEST("A", "<event value='2'/>");
    assert_int_equal(send_chunk(self, 1, one, 0, 2), ETW_OK);
    assert_int_equal(send_chunk(self, 2, other, 0, 2), ETW_OK);
    assert_int_equal(send_chunk(self, 2, other, 1, 2), ETW_OK);
    assert_null(find(self, 1));
    assert_non_null(find(self, 2));
    assert_int_equal(send_chunk(self, 1, one, 1, 2), ETW_OK);
    assert_non_null(find(self, 1));
}

static void begins_again_when_a_provider_changes_its_manifest(void **state)
{
    fixture *self = *state;
    static const char old[] = MANIFEST("A", "<event value='1'/><event value='3'/>");
    static const char new[] = MANIFEST("B", "<event value='2'/><event value='4'/>");
    assert_int_equal(send_chunk(self, 1, old, 0, 2), ETW_OK);
    assert_int_equal(send_chunk(self, 1, new, 0, 2), ETW_OK);
    assert_int_equal(send_chunk(self, 1, new, 1, 2), ETW_OK);
    assert_null(find(self, 1));
    assert_non_null(find(self, 2));
}

static void learns_each_manifest_once(void **state)
{
    fixture *self = *state;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(send_chunk(self, 1, MANIFEST("A", "<event value='1'/>"), 0, 1), ETW_OK);
        assert_int_equal(send_chunk(self, 1, MANIFEST("A", "<event value='2'/>"), 0, 1), ETW_OK);
    }
    assert_int_equal(self->source->learnt, 2);
    assert_null(find(self, 1)); /* the process has sent another since */
    assert_non_null(find(self, 2));
}

static void describes_the_chunks_themselves(void **state)
{
    fixture *self = *state;
    static uint8_t chunk[] = {1, 1, 0, 0x5B, 1, 0, 0, 0, '<'};
    etw_event_record record = event(0xFFFE, 1);
    const etw_schema *schema;
    record.UserData = chunk;
    record.UserDataLength = sizeof chunk;
    assert_int_equal(self->source->find(self->source, self->store, &record, 8, &schema, NULL),
                     ETW_OK);
    assert_event(schema->tei, "source=0 flags=0x1 properties=7/7 name=ManifestData");
    assert_properties(schema->tei,
                      "Format 4/0 length=1; MajorVersion 4/0 length=1; MinorVersion 4/0 length=1; "
                      "Magic 4/0 length=1; TotalChunks 6/0 length=2; ChunkNumber 6/0 length=2; "
                      "Data 305/35");
    record.UserDataLength = 7;
    assert_int_equal(self->source->find(self->source, self->store, &record, 8, &schema, NULL),
                     ETW_OK);
    assert_null(schema);
}

typedef struct chunk_case {
    const char *what;
    const char *bytes;
    size_t size;
    etw_status status;
} chunk_case;

static const chunk_case chunks[] = {
    {"other magic", "\1\1\0\x5A\1\0\0\0<a/>", 12, ETW_OK},
    {"other format", "\2\1\0\x5B\1\0\0\0<a/>", 12, ETW_OK},
    {"cut header", "\1\1\0\x5B\1\0\0", 7, ETW_OK},
    {"no chunks", "\1\1\0\x5B\0\0\0\0<a/>", 12, ETW_ERROR_DAMAGED},
    {"number beyond the count", "\1\1\0\x5B\2\0\2\0<a/>", 12, ETW_ERROR_DAMAGED},
    {"too many chunks", "\1\1\0\x5B\1\4\0\0<a/>", 12, ETW_ERROR_DAMAGED},
    {"no XML", "\1\1\0\x5B\1\0\0\0nope", 12, ETW_ERROR_DAMAGED},
    {"nothing in it", "\1\1\0\x5B\1\0\0\0", 8, ETW_ERROR_DAMAGED},
    {"no manifest", "\1\1\0\x5B\1\0\0\0<a/>", 12, ETW_ERROR_NOT_THIS},
};

static void takes_nothing_from_what_is_no_manifest(void **state)
{
    fixture *self = *state;
    for (size_t i = 0; i < sizeof chunks / sizeof chunks[0]; i++) {
        const etw_status status = send_bytes(self, 1, chunks[i].bytes, chunks[i].size);
        if (status != chunks[i].status) {
            fail_msg("%s: %s", chunks[i].what, etw_status_name(status));
        }
    }
    /* who sends nothing that can be read has no other's manifest either */
    assert_true(self->source->learnt <= 1);
}

/* More manifests begun than are kept: the oldest gives way, the newest still comes out. */
static void bounds_what_is_pending(void **state)
{
    fixture *self = *state;
    static const char xml[] = MANIFEST("A", "<event value='1'/>");
    for (uint32_t process = 0; process <= ETW_EVENTSOURCE_MAX_PENDING; process++) {
        assert_int_equal(send_chunk(self, process, xml, 0, 2), ETW_OK);
    }
    assert_int_equal(send_chunk(self, 0, xml, 1, 2), ETW_OK);
    assert_null(find(self, 1));
    assert_int_equal(send_chunk(self, ETW_EVENTSOURCE_MAX_PENDING, xml, 1, 2), ETW_OK);
    assert_non_null(find(self, 1));

    static uint8_t large[0xFFFF] = {1, 1, 0, 0x5B};
    etw_store_u16(large + 4, ETW_EVENTSOURCE_MAX_CHUNKS);
    for (uint32_t process = 0; process < 3; process++) {
        for (uint16_t number = 0; number + 1u < ETW_EVENTSOURCE_MAX_CHUNKS; number++) {
            etw_store_u16(large + 6, number);
            assert_int_equal(send_bytes(self, process, large, sizeof large), ETW_OK);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(learns_from_one_chunk, set_up, tear_down),
        cmocka_unit_test_setup_teardown(puts_chunks_together_in_any_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keeps_processes_apart, set_up, tear_down),
        cmocka_unit_test_setup_teardown(begins_again_when_a_provider_changes_its_manifest, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(learns_each_manifest_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(describes_the_chunks_themselves, set_up, tear_down),
        cmocka_unit_test_setup_teardown(takes_nothing_from_what_is_no_manifest, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bounds_what_is_pending, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("eventsource", tests, NULL, NULL);
}
