/* WPP formats: TMF text and the annotations of a PDB, and the messages they make. */
#include "format/event/render/plan.h"
#include "format/schema/wpp.h"

#include "tests/support/schema_assert.h"

#define MESSAGE_GUID "744151fd-b3f4-32e6-38eb-0fd11e3fb62d"

typedef struct fixture {
    etw_schema_store *store;
    etw_wpp_set *set;
    etw_error error;
} fixture;

static int set_up(void **state)
{
    static fixture self;
    self = (fixture){.store = etw_schema_store_new(), .set = etw_wpp_set_new(ETW_WPP_MAX_BYTES)};
    *state = &self;
    return self.store == NULL || self.set == NULL;
}

static int tear_down(void **state)
{
    fixture *self = *state;
    etw_wpp_set_free(self->set);
    etw_schema_store_free(self->store);
    return 0;
}

static etw_status add(fixture *self, const char *text)
{
    return etw_wpp_set_add_tmf(self->set, (etw_bytes){(const uint8_t *)text, strlen(text)},
                               self->store, NULL, &self->error);
}

static etw_event_record message_of(uint16_t number, const void *payload, size_t size)
{
    etw_event_record record = {.EventHeader = {.Flags = ETW_FLAG_TRACE_MESSAGE,
                                               .ProcessId = 0x1A,
                                               .ThreadId = 0x2B,
                                               .EventDescriptor = {.Id = number}},
                               .UserData = (void *)(uintptr_t)payload,
                               .UserDataLength = (uint16_t)size};
    assert_true(etw_guid_parse(MESSAGE_GUID, &record.EventHeader.ProviderId));
    return record;
}

static const etw_schema *find(fixture *self, const etw_event_record *record, uint32_t pointer_size)
{
    const etw_schema *schema = NULL;
    assert_int_equal(
        etw_wpp_set_find(self->set, self->store, record, pointer_size, &schema, &self->error),
        ETW_OK);
    return schema;
}

/* The text of the message, and how much of the payload its arguments take. */
static void assert_message(fixture *self, const etw_event_record *record, uint32_t pointer_size,
                           const char *expected, uint32_t left_bytes)
{
    etw_plan *plan;
    etw_text text = {0};
    etw_walk_end end;
    static const etw_visitor nobody = {0};
    const etw_schema *schema = find(self, record, pointer_size);
    assert_non_null(schema);
    assert_int_equal(etw_plan_compile(schema, &plan, &self->error), ETW_OK);
    assert_int_equal(etw_plan_append_message(plan, record, pointer_size, 0, ETW_ESCAPE_NONE, &text),
                     ETW_OK);
    assert_int_equal(etw_plan_walk(plan, record, pointer_size, &nobody, NULL, &end), ETW_OK);
    etw_plan_free(plan);
    assert_text(&text, expected);
    assert_int_equal(end.left_bytes, left_bytes);
}

#define BYTES(string) string, sizeof(string) - 1

/* One argument, of one type. */
static const struct {
    const char *type;
    const char *conversion;
    const char *payload;
    size_t size;
    const char *text;
} items[] = {
    {"ItemChar", "c", BYTES("A"), "A"},
    {"ItemChar", "d", BYTES("\xFF"), "-1"},
    {"ItemUChar", "02X", BYTES("\x0A"), "0A"},
    {"ItemShort", "d", BYTES("\xFE\xFF"), "-2"},
    {"ItemUShort", "04X", BYTES("\x0F\x00"), "000F"},
    {"ItemLong", "d", BYTES("\x18\xFC\xFF\xFF"), "-1000"},
    {"ItemLong", "u", BYTES("\x00\x28\x6B\xEE"), "4000000000"},
    {"ItemLong", "x", BYTES("\xEF\xCD\xAB\x00"), "abcdef"},
    {"ItemLong", "05d", BYTES("\x2A\0\0\0"), "00042"},
    {"ItemLong", "-5d", BYTES("\x2A\0\0\0"), "42   "},
    {"ItemLong", "08x", BYTES("\xEF\xBE\0\0"), "0000beef"},
    {"ItemLong", "s", BYTES("\xFF\xFF\xFF\xFF"), "-1"},
    {"ItemULongX", "#x", BYTES("\xEF\xBE\0\0"), "0xbeef"},
    {"ItemLongLong", "I64d", BYTES("\0\x0E\xFA\xD5\xFE\xFF\xFF\xFF"), "-5000000000"},
    {"ItemULongLong", "I64u", BYTES("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"), "18446744073709551615"},
    {"ItemLongLongX", "I64x", BYTES("\xFE\xCA\xEF\xBE\xAD\xDE\0\0"), "deadbeefcafe"},
    {"ItemLongLongXX", "012I64X", BYTES("\xEF\xCD\xAB\0\0\0\0\0"), "000000ABCDEF"},
    {"ItemLongLongO", "I64o", BYTES("\xFF\1\0\0\0\0\0\0"), "777"},
    {"ItemPtr", "p", BYTES("\x78\x56\x34\x12\xF0\x7F\0\0"), "00007FF012345678"},
    {"ItemDouble", "s", BYTES("\0\0\0\0\0\x20\x09\x40"), "3.14062"},
    {"ItemDouble", "08.3f", BYTES("\0\0\0\0\0\x20\x09\x40"), "0003.141"},
    {"ItemString", "s", BYTES("alpha"), "alpha"},
    {"ItemString", ".3s", BYTES("alpha"), "alp"},
    {"ItemString", "7s", BYTES("alpha"), "  alpha"},
    {"ItemRString", "s", BYTES("RawAnsi"), "RawAnsi"},
    {"ItemWString", "s", BYTES("r\0o\0o\0t\0\0"), "root"},
    {"ItemPString", "s", BYTES("\2\0ab"), "ab"},
    {"ItemPWString", "s", BYTES("\4\0a\0b\0"), "ab"},
    {"ItemGuid", "s", BYTES("\x44\x33\x22\x11\x66\x55\x88\x77\x99\xAA\xBB\xCC\xDD\xEE\xFF\0"),
     "11223344-5566-7788-99aa-bbccddeeff00"},
    {"ItemCLSID", "s", BYTES("\xDD\xCC\xBB\xAA\xFF\xEE\x22\x11\x33\x44\x55\x66\x77\x88\x99\0"),
     "aabbccdd-eeff-1122-3344-556677889900"},
    {"ItemNTSTATUS", "s", BYTES("\x22\0\0\xC0"), "0xc0000022(STATUS_ACCESS_DENIED)"},
    {"ItemNTSTATUS", "s", BYTES("\1\0\xDE\xC0"), "0xc0de0001"},
    {"ItemNTSTATUS", "x", BYTES("\x22\0\0\xC0"), "c0000022"},
    {"ItemHRESULT", "s", BYTES("\5\0\7\x80"), "0x80070005(ERROR_ACCESS_DENIED)"},
    {"ItemHRESULT", "s", BYTES("\5\x40\0\x80"), "0x80004005(E_FAIL)"},
    {"ItemWINERROR", "s", BYTES("\2\0\0\0"), "2(ERROR_FILE_NOT_FOUND)"},
    {"ItemWINERROR", "s", BYTES("\xF0\xF0\xF0\xF0"), "4042322160"},
    {"ItemNDIS_STATUS", "s", BYTES("\x0B\0\1\x40"), "0x4001000b(NDIS_STATUS_MEDIA_CONNECT)"},
    {"ItemNDIS_OID", "s", BYTES("\1\1\1\0"), "0x00010101(OID_GEN_SUPPORTED_LIST)"},
    {"ItemIPAddr", "s", BYTES("\x7F\0\0\1"), "127.0.0.1"},
    {"ItemPort", "s", BYTES("\0\x50"), "80"},
    {"ItemSid", "s", BYTES("\1\1\0\0\0\0\0\5\x12\0\0\0"), "S-1-5-18"},
    {"ItemChar4", "s", BYTES("RGBA"), "RGBA"},
    {"ItemTimestamp", "s", BYTES("\0\0\5\x69\x36\xC0\xD5\1"), "2020-01-01 00:00:00.000Z"},
    {"ItemTimeDelta", "s", BYTES("\x80\xF0\xFA\2\0\0\0\0"), "5.000s"},
    {"ItemTimeDelta", "s", BYTES("\x7E\xA5\x0F\0\0\0\0\0"), "102ms"},
    {"ItemTimeDelta", "s", BYTES("\x82\x5A\xF0\xFF\xFF\xFF\xFF\xFF"), "-102ms"},
    {"ItemWaitTime", "s", BYTES("\x80\xF0\xFA\2\0\0\0\0"), "0~00:00:05"},
    {"ItemHexDump", "s", BYTES("\4\0\xDE\xAD\xBE\xEF"), "DEADBEEF"},
    {"ItemListLong(false,true)", "s", BYTES("\1\0\0\0"), "0x00000001(true)"},
    {"ItemListByte(Low,APC,DPC)", "s", BYTES("\2"), "0x00000002(DPC)"},
    {"ItemListShort(a,b=5,c)", "s", BYTES("\6\0"), "0x00000006(c)"},
    {"ItemListByte(Low,APC,DPC)", "s", BYTES("\7"), "0x00000007"},
    {"ItemSetLong(1,2,3,4)", "s", BYTES("\5\0\0\0"), "[1,3]"},
    {"ItemSetByte(1,2)", "s", BYTES("\x85"), "[1,0x84]"},
    {"ItemEnum(State)", "s", BYTES("\1\0\0\0"), "StateActive"},
    {"ItemEnum(State)", "s", BYTES("\5\0\0\0"), "0x5"},
    {"ItemEnum(Unknown)", "s", BYTES("\5\0\0\0"), "0x5"},
    {"ItemFlagsEnum(Access)", "s", BYTES("\5\0\0\0"), "FlagRead | FlagExec(0x5)"},
    {"ItemFlagsEnum(Access)", "s", BYTES("\0\0\0\0"), "0x0"},
};

static void shows_each_item_type(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof items / sizeof items[0]; i++) {
        char tmf[1024];
        fixture *self;
        assert_int_equal(set_up((void **)&self), 0);
        (void)snprintf(tmf, sizeof tmf,
                       MESSAGE_GUID " component // SRC=a.cpp MJ= MN=\r\n"
                                    "#typev a_cpp7 10 \"%%0<%%10!%s!>\" //   LEVEL=L FUNC=main\r\n"
                                    "{\r\nf(a, \"-- 9\"), %s -- 10\r\n}\r\n"
                                    "#enumv State\r\n{\r\nStateIdle,0x0\r\nStateActive,0x1\r\n"
                                    "StateAgain,0x1\r\n}\r\n"
                                    "#enumv Access\r\n{\r\nFlagRead,0x1\r\nFlagWrite,0x2\r\n"
                                    "FlagExec,0x4\r\n}\r\n",
                       items[i].conversion, items[i].type);
        char expected[128];
        (void)snprintf(expected, sizeof expected, "<%s>", items[i].text);
        assert_int_equal(add(self, tmf), ETW_OK);
        const etw_event_record record = message_of(10, items[i].payload, items[i].size);
        assert_message(self, &record, 8, expected, 0);
        assert_int_equal(tear_down((void **)&self), 0);
    }
}

#define BLOCK MESSAGE_GUID " driver // SRC=Device.c MJ=1 MN=2\n"

/* The format string, without arguments but for one number, 7. */
static const struct {
    const char *format;
    const char *text;
} formats[] = {
    {"%0 [%!FUNC!] x", " [Open] x"},
    {"%!FILE! %!LEVEL! %!FLAGS! %!COMPNAME!", "Device.c TRACE_INFO IO driver"},
    {"%1 %2 %3!04X! %8!d!", "driver Device_c104 002B 26"},
    {"100%% %10!d!!", "100% 7!"},
    {"a!!b %q %!NOT! %11!d!.", "a!!b %q %!NOT! ."},
    {"say \"%10!d!\" // now", "say \"7\" // now"},
    {"c:\\new%n%t%10", "c:\\new\n\t7"},
    {"%10!5000d!", NULL},
    {"%10!", "7!"},
    {"", ""},
};

static void fills_the_format_string(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        char tmf[512];
        fixture *self;
        assert_int_equal(set_up((void **)&self), 0);
        (void)snprintf(tmf, sizeof tmf,
                       BLOCK "#typev Device_c104 12 \"%s\" //   LEVEL=TRACE_INFO Flags=IO "
                             "FUNC=Open\n{\nx, ItemLong -- 10\n}\n",
                       formats[i].format);
        assert_int_equal(add(self, tmf), ETW_OK);
        const etw_event_record record = message_of(12, BYTES("\7\0\0\0"));
        char wide[1025];
        (void)snprintf(wide, sizeof wide, "%1024d", 7);
        assert_message(self, &record, 8, formats[i].text == NULL ? wide : formats[i].text, 0);
        assert_int_equal(tear_down((void **)&self), 0);
    }
}

static void tells_the_message_in_a_trace_event_info(void **state)
{
    fixture *self = *state;
    assert_int_equal(
        add(self,
            BLOCK "#typev Device_c104 12 \"%0p=%10!p! b=%11!s!\" //   LEVEL=L FLAGS=IO "
                  "FUNC=Open\n{\nptr, ItemPtr -- 10\nbus->type, ItemListLong(a,b) -- 11\n}\n"),
        ETW_OK);
    const etw_event_record record = message_of(12, BYTES("\1\0\0\0\1\0\0\0"));
    const etw_schema *schema = find(self, &record, 4);
    assert_int_equal(schema->origin, ETW_SCHEMA_WPP);
    assert_event(schema->tei, "source=2 flags=0x1 properties=2/2 event={" MESSAGE_GUID "} "
                              "provider=driver level=L keywords=IO task=Open opcode=Device_c104 "
                              "message=%0p=%10!p! b=%11!s!  attributes=FILE=Device.c");
    assert_properties(schema->tei, "ptr 16/0 length=4; bus->type 8/0 length=4 map=Map11 tags=0x1");
    assert_int_equal(schema->map_count, 1);
    assert_map(schema->maps[0], "Map11 flag=8: 0x0=a; 0x1=b");
    assert_string_equal(etw_schema_store_provider_name(self->store, &record.EventHeader.ProviderId),
                        "driver");
    assert_message(self, &record, 4, "p=00000001 b=0x00000001(b)", 0);
}

static void keeps_the_bytes_behind_an_unknown_type(void **state)
{
    fixture *self = *state;
    assert_int_equal(add(self, BLOCK "#typev t 10 \"%10!d! %11!s! %12!d!\" //\n{\na, ItemLong -- "
                                     "10\nb, ItemOfMine -- 11\nc, ItemLong -- 12\n}\n"),
                     ETW_OK);
    const etw_event_record record = message_of(10, BYTES("\7\0\0\0\1\2\3"));
    assert_message(self, &record, 8, "7  ", 3);
}

static void the_first_format_of_a_key_stays(void **state)
{
    fixture *self = *state;
    const char *first = BLOCK "#typev t 10 \"one\" //\n{\n}\n#typev t 10 \"one\" //\n{\n}\n";
    assert_int_equal(add(self, first), ETW_OK);
    assert_int_equal(etw_wpp_set_conflicts(self->set), 0);
    assert_int_equal(add(self, BLOCK "#typev t 10 \"two\" //\n{\n}\n"), ETW_OK);
    assert_int_equal(etw_wpp_set_count(self->set), 1);
    assert_int_equal(etw_wpp_set_conflicts(self->set), 1);
    const etw_event_record record = message_of(10, NULL, 0);
    assert_message(self, &record, 8, "one", 0);
    const etw_event_record other = message_of(11, NULL, 0);
    assert_null(find(self, &other, 8));
}

static void refuses_what_holds_no_message(void **state)
{
    fixture *self = *state;
    assert_int_equal(add(self, "<xml/>"), ETW_ERROR_NOT_THIS);
    assert_int_equal(add(self, "#typev t 10 \"no block before it\" //\n{\n}\n"),
                     ETW_ERROR_NOT_THIS);
}

/* A program database of 512-byte pages: 0 superblock, 1 list of the directory's pages, 2 directory,
 * 3 DBI with one module, 4 the module's symbols. */
#define PAGE 512u

static uint32_t append_symbol(uint8_t *at, uint16_t kind, const void *head, size_t head_size,
                              const char *strings, size_t strings_size)
{
    const size_t size = 2 + head_size + strings_size;
    const size_t padded = (size + 2 + 3) & ~(size_t)3;
    etw_store_u16(at, (uint16_t)(padded - 2));
    etw_store_u16(at + 2, kind);
    memcpy(at + 4, head, head_size);
    memcpy(at + 4 + head_size, strings, strings_size);
    return (uint32_t)padded;
}

static void make_pdb(uint8_t pdb[5 * PAGE])
{
    static const char annotation[] =
        "TMF:\0" MESSAGE_GUID " driver // SRC=a.c MJ= MN=\0"
        "#typev a_c7 10 \"%0%!FUNC! n=%10!d!\" //   LEVEL=L\0{\0n, ItemLong -- 10\0}";
    memset(pdb, 0, (size_t)5 * PAGE);
    memcpy(pdb,
           "Microsoft C/C++ MSF 7.00\r\n\x1a"
           "DS\0\0",
           32);
    const uint32_t head[] = {PAGE, 1, 5, 4 + 5 * 4 + 2 * 4, 0, 1};
    memcpy(pdb + 32, head, sizeof head);
    etw_store_u32(pdb + PAGE, 2);
    uint8_t *symbols = pdb + (size_t)4 * PAGE;
    static const uint8_t procedure[35] = {0};
    static const uint8_t place[8] = {0, 0, 0, 0, 1, 0, 6, 0};
    etw_store_u32(symbols, 4);
    uint32_t size = 4;
    size += append_symbol(symbols + size, 0x1110, procedure, sizeof procedure, "Open", 5);
    size +=
        append_symbol(symbols + size, 0x1019, place, sizeof place, annotation, sizeof annotation);
    uint8_t *dbi = pdb + (size_t)3 * PAGE;
    etw_store_u32(dbi + 24, 72);
    etw_store_u16(dbi + 64 + 34, 4);
    etw_store_u32(dbi + 64 + 36, size);
    memcpy(dbi + 64 + 64, "a\0b\0", 4);
    const uint32_t directory[] = {5, 0, 0, 0, 64 + 72, size, 3, 4};
    memcpy(pdb + (size_t)2 * PAGE, directory, sizeof directory);
}

static etw_status add_pdb(fixture *self, const uint8_t *pdb, size_t size)
{
    return etw_wpp_set_add_pdb(self->set, (etw_bytes){pdb, size}, self->store, NULL, &self->error);
}

static void reads_annotations_of_a_pdb(void **state)
{
    fixture *self = *state;
    uint8_t pdb[5 * PAGE];
    make_pdb(pdb);
    assert_int_equal(add_pdb(self, pdb, sizeof pdb), ETW_OK);
    const etw_event_record record = message_of(10, BYTES("\7\0\0\0"));
    assert_message(self, &record, 8, "Open n=7", 0);
}

static void refuses_what_is_no_pdb(void **state)
{
    fixture *self = *state;
    uint8_t pdb[5 * PAGE];
    make_pdb(pdb);
    assert_int_equal(add_pdb(self, (const uint8_t *)"MZ", 2), ETW_ERROR_NOT_THIS);
    assert_int_equal(add_pdb(self, pdb, 4 * PAGE), ETW_ERROR_DAMAGED);
    etw_store_u32(pdb + 44, 0x7FFFFFFF); /* size of the directory */
    assert_int_equal(add_pdb(self, pdb, sizeof pdb), ETW_ERROR_DAMAGED);
    make_pdb(pdb);
    etw_store_u32(pdb + (size_t)2 * PAGE, 0xFFFFFF); /* number of streams */
    assert_int_equal(add_pdb(self, pdb, sizeof pdb), ETW_ERROR_DAMAGED);
    make_pdb(pdb);
    etw_store_u32(pdb + (size_t)3 * PAGE + 24, 0); /* no module */
    assert_int_equal(add_pdb(self, pdb, sizeof pdb), ETW_ERROR_NOT_THIS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shows_each_item_type),
        cmocka_unit_test(fills_the_format_string),
        cmocka_unit_test_setup_teardown(tells_the_message_in_a_trace_event_info, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keeps_the_bytes_behind_an_unknown_type, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_first_format_of_a_key_stays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses_what_holds_no_message, set_up, tear_down),
        cmocka_unit_test_setup_teardown(reads_annotations_of_a_pdb, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refuses_what_is_no_pdb, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
