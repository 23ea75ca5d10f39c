/* TraceLogging metadata and the TRACE_EVENT_INFO that TDH makes of it. */
#include "format/schema/tracelogging.h"

#include "tests/support/schema_assert.h"

static const etw_guid provider = {0x11223344, 0x5566, 0x7788, {1, 2, 3, 4, 5, 6, 7, 8}};

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

/* A blob with its 16-bit size in front of body. */
static etw_bytes sized(uint8_t *into, const char *body, size_t body_size)
{
    etw_store_u16(into, (uint16_t)(body_size + 2));
    memcpy(into + 2, body, body_size);
    return (etw_bytes){into, body_size + 2};
}

static etw_status make(etw_tei_builder *builder, const char *body, size_t body_size, etw_bytes *tei,
                       etw_error *error)
{
    static uint8_t metadata[0x10000];
    static uint8_t traits[64];
    const etw_event_record record = {
        .EventHeader = {.ProviderId = provider, .EventDescriptor = {.Channel = 11, .Level = 4}}};
    const etw_tracelogging from = {.traits = sized(traits, "My.Provider", 12),
                                   .metadata = sized(metadata, body, body_size)};
    return etw_tracelogging_tei(&from, &record, 8, builder, tei, error);
}

/* The event "E" without tags, and one field. */
#define EVENT "\0E\0"

typedef struct field_case {
    const char *what;
    const char *fields;
    size_t size;
    const char *expected;
} field_case;

#define FIELD(what, bytes, expected)                                                               \
    {                                                                                              \
        what, EVENT bytes, sizeof(EVENT bytes) - 1, expected                                       \
    }

/* The first block is what live TDH was seen to answer. */
static const field_case fields[] = {
    FIELD("counted 8-bit string, UTF-8", "a\0\x97\x23", "a 301/35"),
    FIELD("counted UTF-16", "a\0\x16", "a 300/0"),
    FIELD("win32 error", "a\0\x88\x0D", "a 8/30 length=4"),
    FIELD("NTSTATUS", "a\0\x88\x0E", "a 8/31 length=4"),
    FIELD("hex", "a\0\x88\x04", "a 8/18 length=4"),
    FIELD("HRESULT", "a\0\x87\x0F", "a 7/32 length=4"),
    FIELD("code pointer", "a\0\x95\x25", "a 21/37 length=8"),
    FIELD("UTC time", "a\0\x91\x26", "a 17/38 length=8"),
    FIELD("socket address", "a\0\x8E\x0A", "a.Length 6/0 length=2; a 14/25 length<-0"),
    FIELD("no out type stays none", "a\0\x06", "a 6/0 length=2"),
    FIELD("GUID", "a\0\x0F", "a 15/0 length=16"),
    FIELD("array of variable length", "a\0\x46", "a.Count 6/0 length=2; a 6/0 count<-0 length=2"),
    FIELD("z strings",
          "a\0\x01"
          "b\0\x02",
          "a 1/0; b 2/0"),
    /* What follows is inferred (SCHEMAS.md). */
    FIELD("array of constant length", "a\0\x24\x03\x00", "a 4/0 flags=0x20 count=3 length=1"),
    FIELD("hex of other widths",
          "a\0\x84\x04"
          "b\0\x86\x04"
          "c\0\x8A\x04"
          "d\0\x90\x04",
          "a 4/16 length=1; b 6/17 length=2; c 10/19 length=8; d 16/19 length=8"),
    FIELD("signed, unsigned",
          "a\0\x88\x11"
          "b\0\x83\x12",
          "a 8/7 length=4; b 3/4 length=1"),
    FIELD("texts and numbers for people",
          "a\0\x81\x0B"
          "b\0\x97\x0C"
          "c\0\x88\x05"
          "d\0\x86\x07"
          "e\0\x84\x03"
          "f\0\x82\x01",
          "a 1/28; b 301/34; c 8/20 length=4; d 6/22 length=2; e 4/13 length=1; f 2/301"),
    FIELD("counted binary has its count inside", "a\0\x19", "a 25/0"),
    FIELD("array of binary: each element has its own count", "a\0\x4E",
          "a.Count 6/0 length=2; a 25/0 count<-0"),
    FIELD("tags of one to four bytes",
          "a\0\x88\x80\x01"
          "b\0\x88\x80\x81\x02"
          "c\0\x88\x80\xFF\xFF\xFF\x7F",
          "a 8/0 length=4 tags=0x200000; b 8/0 length=4 tags=0x208000; "
          "c 8/0 length=4 tags=0xfffffff"),
    FIELD("custom", "a\0\xE4\x05\x03\0xyz",
          "a.Count 6/0 length=2; a 4/0 count<-0 length=1 custom=5:3"),
    FIELD("struct with two members and a field behind it",
          "s\0\x98\x02"
          "x\0\x08"
          "y\0\x0E"
          "z\0\x04",
          "s struct(2+3); z 4/0 length=1; x 8/0 length=4; y.Length 6/0 length=2; y 14/0 length<-3"),
    FIELD("array of structs", "s\0\xD8\x01x\0\x08",
          "s.Count 6/0 length=2; s struct(2+1) count<-0; x 8/0 length=4"),
    FIELD("a nested struct counts as one member",
          "s\0\x98\x02"
          "t\0\x98\x01"
          "x\0\x08"
          "y\0\x04"
          "z\0\x04",
          "s struct(2+2); z 4/0 length=1; t struct(4+1); y 4/0 length=1; x 8/0 length=4"),
    FIELD("struct without members", "s\0\x18z\0\x04", "s struct(0+0); z 4/0 length=1"),
    FIELD("no fields", "", ""),
};

static void makes_the_properties_that_tdh_makes(void **state)
{
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        etw_bytes tei;
        etw_error error = {0};
        if (make(*state, fields[i].fields, fields[i].size, &tei, &error) != ETW_OK) {
            fail_msg("%s: %s", fields[i].what, error.message);
        }
        assert_properties(tei, fields[i].expected);
    }
}

static void names_event_and_provider(void **state)
{
    etw_bytes tei;
    etw_tei view;
    assert_int_equal(make(*state, "\x81\x80\x02Started\0", 11, &tei, NULL), ETW_OK);
    assert_event(tei, "source=3 flags=0x2001000 properties=0/0 provider=My.Provider task=Started "
                      "name=Started");
    assert_int_equal(etw_tei_open(tei, &view, NULL), ETW_OK);
    assert_true(etw_guid_equal(&view.info.ProviderGuid, &provider));
    assert_int_equal(view.info.EventDescriptor.Channel, 11);
    assert_int_equal(view.info.EventDescriptor.Level, 4);
}

static const field_case damaged[] = {
    {"nothing but a size", "", 0, "the event's name runs past the end"},
    {"name without end", "\0E", 2, "the event's name runs past the end"},
    {"tags without end", "\x80\x80\x80", 3, "the event's name runs past the end"},
    {"field without type", EVENT "a\0", 5, "a field runs past the end"},
    {"field without out type", EVENT "a\0\x88", 6, "a field runs past the end"},
    {"field without count", EVENT "a\0\x24\x03", 7, "a field runs past the end"},
    {"custom that is cut", EVENT "a\0\xE4\x05\x09\0xyz", 12, "a field runs past the end"},
    {"struct lacks members", EVENT "s\0\x98\x02x\0\x08", 10, "a struct lacks 1 of its members"},
};

static void reports_damage_and_goes_on(void **state)
{
    for (size_t i = 0; i < sizeof damaged / sizeof damaged[0]; i++) {
        etw_bytes tei;
        etw_error error = {0};
        assert_int_equal(make(*state, damaged[i].fields, damaged[i].size, &tei, &error),
                         ETW_ERROR_DAMAGED);
        if (strstr(error.message, damaged[i].expected) == NULL) {
            fail_msg("%s: %s", damaged[i].what, error.message);
        }
        assert_int_equal(make(*state, EVENT "z\0\x04", 6, &tei, NULL), ETW_OK);
        assert_properties(tei, "z 4/0 length=1");
    }
}

static void bounds_nesting_and_properties(void **state)
{
    char body[0xF000] = EVENT;
    size_t size = sizeof EVENT - 1;
    etw_bytes tei;
    for (uint32_t i = 0; i <= ETW_MAX_STRUCT_DEPTH; i++) {
        memcpy(body + size, "s\0\x98\x01", 4);
        size += 4;
    }
    assert_int_equal(make(*state, body, size, &tei, NULL), ETW_ERROR_LIMIT);
    size = sizeof EVENT - 1;
    for (uint32_t i = 0; i <= ETW_MAX_PROPERTIES; i++) {
        memcpy(body + size, "s\0\x04", 3);
        size += 3;
    }
    assert_int_equal(make(*state, body, size, &tei, NULL), ETW_ERROR_LIMIT);
    assert_int_equal(make(*state, body, size - 3, &tei, NULL), ETW_OK);
}

static void finds_metadata_in_items_and_in_user_data(void **state)
{
    uint8_t traits[32], metadata[32], both[64];
    const etw_bytes provider_blob = sized(traits, "P", 2);
    const etw_bytes event_blob = sized(metadata, EVENT "z\0\x04", 6);
    etw_tracelogging found;
    etw_extended_data_item items[] = {
        {.ExtType = ETW_EXT_PROV_TRAITS, .DataSize = (uint16_t)provider_blob.size},
        {.ExtType = ETW_EXT_EVENT_SCHEMA_TL, .DataSize = 20},
    };
    items[0].DataPtr = (uint64_t)(uintptr_t)traits;
    items[1].DataPtr = (uint64_t)(uintptr_t)metadata;
    etw_event_record record = {.ExtendedData = items, .ExtendedDataCount = 2};
    (void)state;
    assert_true(etw_tracelogging_locate(&record, &found));
    assert_ptr_equal(found.traits.data, traits);
    assert_int_equal(found.metadata.size, event_blob.size); /* its own size, below the item's */
    record.ExtendedDataCount = 1;
    assert_false(etw_tracelogging_locate(&record, &found));

    memcpy(both, traits, provider_blob.size);
    memcpy(both + provider_blob.size, metadata, event_blob.size);
    record = (etw_event_record){.UserData = both,
                                .UserDataLength = (uint16_t)(provider_blob.size + event_blob.size)};
    assert_false(etw_tracelogging_locate(&record, &found));
    record.EventHeader.EventDescriptor.Channel = 11;
    assert_true(etw_tracelogging_locate(&record, &found));
    assert_ptr_equal(found.metadata.data, both + provider_blob.size);
    for (uint16_t size = 0; size < provider_blob.size + event_blob.size; size++) {
        record.UserDataLength = size;
        assert_false(etw_tracelogging_locate(&record, &found));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(makes_the_properties_that_tdh_makes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_event_and_provider, set_up, tear_down),
        cmocka_unit_test_setup_teardown(reports_damage_and_goes_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bounds_nesting_and_properties, set_up, tear_down),
        cmocka_unit_test(finds_metadata_in_items_and_in_user_data),
    };
    return cmocka_run_group_tests_name("tracelogging", tests, NULL, NULL);
}
