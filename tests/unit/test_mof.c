/* MOF classes, and the schemas that are made of them. */
#include "format/schema/mof.h"

#include "tests/support/schema_assert.h"

#define CLASS_GUID "11223344-5566-7788-99aa-bbccddeeff00"
#define HEAD                                                                                       \
    "#pragma autorecover\n/* a comment */\n"                                                       \
    "[Dynamic, Description(\"Ours\") : amended, "                                                  \
    "Guid(\"{22223344-5566-7788-99aa-bbccddeeff00}\")]\n"                                          \
    "class OurProvider : EventTrace { [Values{\"a\"}] uint32 Flags; };\n"                          \
    "[Guid(\"{" CLASS_GUID "}\"), DisplayName(\"Disk\") : amended, EventVersion(2)]\n"             \
    "class DiskClass : OurProvider { };\n"

typedef struct fixture {
    etw_schema_store *store;
    etw_mof_set *set;
    etw_error error;
} fixture;

static int set_up(void **state)
{
    static fixture self;
    self = (fixture){.store = etw_schema_store_new(), .set = etw_mof_set_new(ETW_MOF_MAX_BYTES)};
    *state = &self;
    return self.store == NULL || self.set == NULL;
}

static int tear_down(void **state)
{
    fixture *self = *state;
    etw_mof_set_free(self->set);
    etw_schema_store_free(self->store);
    return 0;
}

static etw_status add(fixture *self, const char *text)
{
    return etw_mof_set_add(self->set, (etw_bytes){(const uint8_t *)text, strlen(text)}, self->store,
                           &self->error);
}

static const etw_schema *find(fixture *self, uint8_t opcode, uint8_t version)
{
    etw_event_record record = {
        .EventHeader = {.EventDescriptor = {.Opcode = opcode, .Version = version}}};
    const etw_schema *schema = NULL;
    assert_true(etw_guid_parse(CLASS_GUID, &record.EventHeader.ProviderId));
    assert_int_equal(etw_mof_set_find(self->set, self->store, &record, 8, &schema, &self->error),
                     ETW_OK);
    return schema;
}

static void passes_over_default_values_and_methods(void **state)
{
    fixture *self = *state;
    assert_int_equal(add(self, HEAD
                         "[EventType(10)] class Disk_Rw : DiskClass {\n"
                         "  uint32 Limits[2] = {1, 2};\n"
                         "  [Implemented] void Ask([in, ValueMap{\"0\", \"1\"}] uint32 What);\n"
                         "  [Implemented] void Refresh();\n"
                         "  [WmiDataId(1), read] uint32 DiskNumber;\n};\n"),
                     ETW_OK);
    assert_properties(find(self, 10, 2)->tei, "DiskNumber 8/0 length=4");
    assert_int_equal(add(self, "class Open { uint32 A = {1, 2} };"), ETW_ERROR_DAMAGED);
    assert_string_equal(self->error.message, "line 1: ; behind a property expected");
}

static void makes_what_tdh_makes_of_a_class(void **state)
{
    fixture *self = *state;
    assert_int_equal(add(self,
                         HEAD "[EventType{10, 11}, EventTypeName{\"Read\", \"Write\"} : amended]\n"
                              "class Disk_Rw : DiskClass {\n"
                              "  [WmiDataId(2), format(\"x\"), read] uint32 IrpFlags;\n"
                              "  [WmiDataId(1), read] uint32 DiskNumber; // first in the payload\n"
                              "  uint32 NotInThePayload;\n};\n"),
                     ETW_OK);
    const etw_schema *schema = find(self, 11, 2);
    assert_non_null(schema);
    assert_int_equal(schema->origin, ETW_SCHEMA_MOF);
    assert_event(schema->tei, "source=1 flags=0x1 properties=2/2 event={" CLASS_GUID "} "
                              "provider=OurProvider task=Disk opcode=Write");
    assert_properties(schema->tei, "DiskNumber 8/0 length=4; IrpFlags 8/18 length=4");
    assert_ptr_equal(find(self, 11, 2), schema);
    assert_ptr_equal(find(self, 11, 3), schema);
    assert_null(find(self, 11, 1));
    assert_null(find(self, 12, 2));
}

static const struct {
    const char *property;
    const char *expected;
} properties[] = {
    {"[WmiDataId(1)] uint8 A;", "A 4/0 length=1"},
    {"[WmiDataId(1)] sint64 A;", "A 9/0 length=8"},
    {"[WmiDataId(1), format(\"x\")] uint64 A;", "A 10/19 length=8"},
    {"[WmiDataId(1), format(\"c\")] uint8 A;", "A 307/0 length=1"},
    {"[WmiDataId(1), pointer] uint32 A;", "A 16/0 length=8"},
    {"[WmiDataId(1), PointerType] uint32 A;", "A 16/0 length=8"},
    {"[WmiDataId(1)] boolean A;", "A 4/13 length=1"},
    {"[WmiDataId(1)] real64 A;", "A 12/0 length=8"},
    {"[WmiDataId(1)] string A;", "A 2/0"},
    {"[WmiDataId(1), StringTermination(\"NullTerminated\"), format(\"w\")] string A;", "A 1/0"},
    {"[WmiDataId(1), StringTermination(\"Counted\"), format(\"w\")] string A;", "A 300/0"},
    {"[WmiDataId(1), StringTermination(\"ReverseCounted\")] string A;", "A 303/0"},
    {"[WmiDataId(1), StringTermination(\"NotCounted\"), format(\"w\")] string A;", "A 304/0"},
    {"[WmiDataId(1), format(\"s\")] char16 A[16];", "A 306/1 count=16 length=2"},
    {"[WmiDataId(1), MAX(3)] uint16 A[];", "A 6/0 length=2"},
    {"[WmiDataId(1), extension(\"Port\")] object A;", "A 6/22 length=2"},
    {"[WmiDataId(1), extension(\"IPAddr\")] object A;", "A 8/23 length=4"},
    {"[WmiDataId(1), extension(\"IPAddrV6\")] object A;", "A 14/24 length=16"},
    {"[WmiDataId(1), extension(\"Sid\")] object A;", "A 310/0"},
    {"[WmiDataId(1), extension(\"SizeT\")] object A;", "A 308/0 length=8"},
    {"[WmiDataId(1), extension(\"Guid\")] object A;", "A 15/0 length=16"},
    {"[WmiDataId(1), extension(\"Variant\")] object A;", "A 309/0"},
    {"[WmiDataId(1), extension(\"WmiTime\")] object A;", "A 10/27 length=8"},
    {"[WmiDataId(1), extension(\"NoPrint\")] uint8 A[4];", "A 4/301 count=4 length=1"},
    {"[WmiDataId(1), extension(\"RWString\")] object A;", "A 1/300"},
    {"[WmiDataId(1)] uint32 N; [WmiDataId(2), WmiSizeIs(\"n\")] uint16 A[];",
     "N 8/0 length=4; A 6/0 count<-0 length=2"},
    {"[WmiDataId(1)] uint32 N; [WmiDataId(2)] object A; [WmiDataId(3)] uint32 B;",
     "N 8/0 length=4"},
};

static void knows_the_types(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof properties / sizeof properties[0]; i++) {
        char text[1024];
        fixture *self;
        assert_int_equal(set_up((void **)&self), 0);
        (void)snprintf(text, sizeof text, HEAD "[EventType(1)] class E : DiskClass { %s };",
                       properties[i].property);
        assert_int_equal(add(self, text), ETW_OK);
        const etw_schema *schema = find(self, 1, 2);
        assert_non_null(schema);
        assert_properties(schema->tei, properties[i].expected);
        assert_int_equal(tear_down((void **)&self), 0);
    }
}

static const struct {
    const char *qualifiers;
    const char *map;
} maps[] = {
    {"Values{\"a\", \"b\"}", "A flag=72: 0x0=a; 0x1=b"},
    {"ValueMap{\"1\", \"0x10\"}, Values{\"a\", \"b\"}", "A flag=8: 0x1=a; 0x10=b"},
    {"ValueType(\"flag\"), ValueMap{\"1\", \"4\"}, Values{\"a\", \"b\"}",
     "A flag=40: 0x1=a; 0x4=b"},
    {"BitValues{\"a\", \"b\"}", "A flag=80: 0x0=a; 0x1=b"},
    {"BitMap{\"0\", \"3\"}, BitValues{\"a\", \"b\"}", "A flag=16: 0x0=a; 0x3=b"},
};

static void makes_maps(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof maps / sizeof maps[0]; i++) {
        char text[1024];
        fixture *self;
        assert_int_equal(set_up((void **)&self), 0);
        (void)snprintf(text, sizeof text,
                       HEAD "[EventType(1)] class E : DiskClass { [WmiDataId(1), %s] uint32 A; };",
                       maps[i].qualifiers);
        assert_int_equal(add(self, text), ETW_OK);
        const etw_schema *schema = find(self, 1, 2);
        assert_non_null(schema);
        assert_int_equal(schema->map_count, 1);
        assert_properties(schema->tei, "A 8/0 length=4 map=A");
        assert_map(schema->maps[0], maps[i].map);
        assert_int_equal(tear_down((void **)&self), 0);
    }
}

static void says_where_a_class_cannot_be_read(void **state)
{
    fixture *self = *state;
    assert_int_equal(add(self, "\n\nclass A {\n uint32 ;\n};"), ETW_ERROR_DAMAGED);
    assert_string_equal(self->error.message, "line 4: a property's name expected");
    assert_int_equal(add(self, "class B { [ Values{ \"a\""), ETW_ERROR_DAMAGED);
    assert_int_equal(add(self, "nothing here"), ETW_ERROR_NOT_THIS);
    /* A class that is its own ancestor has no GUID, and no event. */
    assert_int_equal(add(self, "[EventType(1)] class C : D { }; class D : C { };"), ETW_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(passes_over_default_values_and_methods, set_up, tear_down),
        cmocka_unit_test_setup_teardown(makes_what_tdh_makes_of_a_class, set_up, tear_down),
        cmocka_unit_test(knows_the_types),
        cmocka_unit_test(makes_maps),
        cmocka_unit_test_setup_teardown(says_where_a_class_cannot_be_read, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
