/* Schema, bytes, expected text: what TdhFormatProperty prints for one property. */
#include "format/event/render/plan.h"
#include "format/event/tei_builder.h"

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define MARK "\xE2\x80\x8E"

/* bytes are hex, blanks ignored. clean and json are NULL where they equal exact (json: quoted). */
typedef struct vector {
    uint16_t in_type;
    uint16_t out_type;
    uint16_t length;
    const char *bytes;
    const char *exact;
    const char *clean;
    const char *json;
} vector;

#define MAX_BYTES 512u

static size_t bytes_of_hex(const char *hex, uint8_t *bytes)
{
    size_t size = 0;
    for (; *hex != '\0'; hex++) {
        unsigned value;
        if (*hex != ' ') {
            assert_true(size < MAX_BYTES);
            assert_int_equal(sscanf(hex, "%2x", &value), 1);
            bytes[size++] = (uint8_t)value;
            hex++;
        }
    }
    return size;
}

typedef struct result {
    uint32_t form;
    bool json;
    uint32_t values;
    bool accepted;
    etw_text text;
} result;

static etw_status on_value(void *context, const etw_value *value)
{
    result *r = context;
    r->values++;
    if (r->json) {
        etw_value_append_json(value, r->form, &r->text);
    } else {
        r->accepted = etw_value_append_text(value, r->form, ETW_ESCAPE_NONE, &r->text);
    }
    return ETW_OK;
}

static void render(const etw_schema *schema, const uint8_t *bytes, size_t size,
                   uint32_t pointer_size, result *r, etw_walk_end *end)
{
    static const etw_visitor visitor = {.value = on_value};
    etw_plan *plan;
    etw_error error;
    if (etw_plan_compile(schema, &plan, &error) != ETW_OK) {
        fail_msg("%s", error.message);
    }
    etw_event_record record = {.UserData = (void *)bytes, .UserDataLength = (uint16_t)size};
    assert_int_equal(etw_plan_walk(plan, &record, pointer_size, &visitor, r, end), ETW_OK);
    etw_plan_free(plan);
}

static void check_form(const etw_schema *schema, const vector *v, const char *expected,
                       uint32_t form, bool json)
{
    uint8_t bytes[MAX_BYTES];
    const size_t size = bytes_of_hex(v->bytes, bytes);
    result r = {.form = form, .json = json};
    etw_walk_end end;
    render(schema, bytes, size, 8, &r, &end);
    if (strcmp(etw_text_z(&r.text), expected) != 0 || end.consumed_bytes != size) {
        fail_msg("in type %u, out type %u, bytes %s: \"%s\", not \"%s\"; %u bytes consumed",
                 v->in_type, v->out_type, v->bytes, etw_text_z(&r.text), expected,
                 end.consumed_bytes);
    }
    assert_int_equal(r.values, 1);
    etw_text_free(&r.text);
}

static void check(const vector *v, const char *map_name, const etw_bytes *map)
{
    etw_tei_builder *builder = etw_tei_builder_new();
    assert_non_null(builder);
    const uint32_t fixed = v->length == 0 ? 0 : ETW_PROP_PARAM_FIXED_LENGTH;
    (void)etw_tei_builder_add(builder, 0,
                              &(etw_tei_property_spec){.name = "A",
                                                       .in_type = v->in_type,
                                                       .out_type = v->out_type,
                                                       .length = v->length,
                                                       .map_name = map_name,
                                                       .flags = fixed});
    etw_schema schema = {.map_count = map == NULL ? 0 : 1, .maps = map};
    assert_int_equal(etw_tei_builder_finish(builder, &(etw_tei_event_spec){0}, &schema.tei, NULL),
                     ETW_OK);
    check_form(&schema, v, v->exact, ETW_TEXT_EXACT, false);
    check_form(&schema, v, v->clean == NULL ? v->exact : v->clean, 0, false);
    if (v->json != NULL) {
        check_form(&schema, v, v->json, 0, true);
    }
    etw_tei_builder_free(builder);
}

static void check_all(const vector *vectors, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        check(&vectors[i], NULL, NULL);
    }
}

#define CHECK_ALL(vectors) check_all(vectors, sizeof(vectors) / sizeof(vectors)[0])

/* Rendered by the real TdhFormatProperty: the ground truth. */
static void recorded_vectors(void **state)
{
    (void)state;
    static const vector vectors[] = {
        {ETW_IN_INT8, ETW_OUT_BYTE, 0, "E3", "-29", NULL, "-29"},
        {ETW_IN_UINT8, ETW_OUT_UNSIGNEDBYTE, 0, "E8", "232", NULL, "232"},
        {ETW_IN_UINT16, ETW_OUT_UNSIGNEDSHORT, 0, "56 A9", "43350", NULL, "43350"},
        {ETW_IN_FLOAT, ETW_OUT_FLOAT, 0, "14 2E AB 42", "85.589996", NULL, "85.59"},
        {ETW_IN_FLOAT, ETW_OUT_FLOAT, 0, "3E 0A 2E 42", "43.510002", NULL, "43.510002"},
        {ETW_IN_FLOAT, ETW_OUT_FLOAT, 0, "D7 A3 0C 41", "8.790000", NULL, "8.79"},
        {ETW_IN_FLOAT, ETW_OUT_FLOAT, 0, "7B 94 B3 42", "89.790001", NULL, "89.79"},
        {ETW_IN_DOUBLE, ETW_OUT_DOUBLE, 0, "85 EB 51 B8 1E 11 6D 40", "232.535000", NULL,
         "232.535"},
        {ETW_IN_BOOLEAN, ETW_OUT_BOOLEAN, 0, "01 00 00 00", "true", NULL, "true"},
        {ETW_IN_BINARY, ETW_OUT_HEXBINARY, 7, "0A 81 E2 06 FD 8B 1E", "0x0A81E206FD8B1E", NULL,
         "\"0x0A81E206FD8B1E\""},
        {ETW_IN_GUID, ETW_OUT_GUID, 0, "D6 51 0B 70 EF 54 D3 45 AD F3 60 CA D2 77 D1 BD",
         "{700b51d6-54ef-45d3-adf3-60cad277d1bd}", NULL,
         "\"{700b51d6-54ef-45d3-adf3-60cad277d1bd}\""},
        {ETW_IN_POINTER, ETW_OUT_HEXINT64, 0, "88 56 BB 05 00 00 00 00", "0x5BB5688", NULL,
         "\"0x5BB5688\""},
        {ETW_IN_FILETIME, ETW_OUT_DATETIME, 0, "DB DE 6C 19 17 55 D3 01",
         MARK "2017" MARK "-" MARK "11" MARK "-" MARK "04T02:46:22.305045900Z",
         "2017-11-04T02:46:22.305045900Z", "\"2017-11-04T02:46:22.305045900Z\""},
        {ETW_IN_FILETIME, ETW_OUT_DATETIME, 0, "22 3D 60 FF BE F2 DA 01",
         MARK "2024" MARK "-" MARK "08" MARK "-" MARK "20T05:08:30.305616200Z",
         "2024-08-20T05:08:30.305616200Z", NULL},
        {ETW_IN_FILETIME, ETW_OUT_DATETIME, 0, "71 9D 8F 18 56 04 D5 01",
         MARK "2019" MARK "-" MARK "05" MARK "-" MARK "06T21:53:10.306136100Z",
         "2019-05-06T21:53:10.306136100Z", NULL},
        {ETW_IN_SYSTEMTIME, ETW_OUT_DATETIME, 0, "E1 07 0B 00 06 00 04 00 03 00 2E 00 16 00 31 01",
         MARK "2017" MARK "-" MARK "11" MARK "-" MARK "04T03:46:22.305Z",
         "2017-11-04T03:46:22.305Z", NULL},
        {ETW_IN_HEXINT32, ETW_OUT_HEXINT32, 0, "CD 19 A9 9E", "0x9EA919CD", NULL, "\"0x9EA919CD\""},
        {ETW_IN_HEXINT64, ETW_OUT_HEXINT64, 0, "44 35 EC 95 41 C4 24 0F", "0xF24C44195EC3544", NULL,
         NULL},
        {ETW_IN_INT32, ETW_OUT_HRESULT, 0, "CD DD 00 00", "Unknown HResult Error code: 0xddcd",
         NULL, "\"Unknown HResult Error code: 0xddcd\""},
        {ETW_IN_UINT16, ETW_OUT_PORT, 0, "01 BB", "443", NULL, "443"},
        {ETW_IN_DOUBLE, ETW_OUT_DOUBLE, 0, "9A 99 99 99 99 D9 46 40", "45.700000", NULL, "45.7"},
        {ETW_IN_BINARY, ETW_OUT_HEXBINARY, 28,
         "00 06 01 00 00 01 00 00 00 00 00 00 06 67 6F 6F 67 6C 65 02 65 73 00 00 01 00 01 00",
         "0x00060100000100000000000006676F6F676C65026573000001000100", NULL, NULL},
        {ETW_IN_UINT32, ETW_OUT_IPV4, 0, "AC 1F 57 40", "172.31.87.64", NULL, "\"172.31.87.64\""},
        {ETW_IN_BINARY, ETW_OUT_SOCKETADDRESS, 16,
         "02 00 13 88 C0 A8 CC E9 00 00 00 00 00 00 00 00", "192.168.204.233:5000", NULL, NULL},
        {ETW_IN_BINARY, ETW_OUT_SOCKETADDRESS, 28,
         "17 00 00 50 00 00 00 00 00 00 00 00 00 00 00 00 00 00 FF FF 01 02 03 04 00 00 00 00",
         "[::ffff:1.2.3.4]:80", NULL, NULL},
        {ETW_IN_UINT32, ETW_OUT_NTSTATUS, 0, "00 00 00 00", "STATUS_SUCCESS", NULL, NULL},
        {ETW_IN_UINT32, ETW_OUT_WIN32ERROR, 0, "03 00 AB 02", "Unknown Win32 Error code: 0x2ab0003",
         NULL, NULL},
        {ETW_IN_INT32, ETW_OUT_HRESULT, 0, "E7 2E 07 80", "Unknown HResult Error code: 0x80072ee7",
         NULL, NULL},
        {ETW_IN_POINTER, ETW_OUT_HEXINT64, 0, "00 00 A3 DF 86 A1 FF FF", "0xFFFFA186DFA30000", NULL,
         NULL},
        {ETW_IN_SID, ETW_OUT_STRING, 0,
         "01 04 00 00 00 00 00 05 15 00 00 00 9E 22 7B CD 7A 9F 48 A9 B6 D6 C3 45",
         "S-1-5-21-3447399070-2840108922-1170462390", NULL, NULL},
    };
    CHECK_ALL(vectors);
}

static void integers(void **state)
{
    (void)state;
    static const vector vectors[] = {
        {ETW_IN_INT8, ETW_OUT_STRING, 0, "41", "A", NULL, "\"A\""},
        {ETW_IN_UINT8, ETW_OUT_HEXINT8, 0, "0F", "0xF", NULL, "\"0xF\""},
        {ETW_IN_UINT8, ETW_OUT_BOOLEAN, 0, "02", "true", NULL, "true"},
        {ETW_IN_UINT8, ETW_OUT_STRING, 0, "E9", "\xC3\xA9", NULL, NULL},
        {ETW_IN_UINT8, ETW_OUT_STRING, 0, "00", "", NULL, "\"\""},
        {ETW_IN_UINT8, ETW_OUT_NOPRINT, 0, "07", "", "7", "7"},
        {ETW_IN_UINT64, ETW_OUT_NOPRINT, 0, "07 00 00 00 00 00 00 00", "", "7", "7"},
        {ETW_IN_INT16, ETW_OUT_SHORT, 0, "35 AE", "-20939", NULL, "-20939"},
        {ETW_IN_UINT16, ETW_OUT_HEXINT16, 0, "FE 0C", "0xCFE", NULL, NULL},
        {ETW_IN_UINT16, ETW_OUT_STRING, 0, "AC 20", "\xE2\x82\xAC", NULL, NULL},
        {ETW_IN_INT32, ETW_OUT_INT, 0, "57 BC 57 86", "-2041070505", NULL, "-2041070505"},
        {ETW_IN_INT32, ETW_OUT_INT, 0, "00 00 00 80", "-2147483648", NULL, "-2147483648"},
        {ETW_IN_UINT32, ETW_OUT_UNSIGNEDINT, 0, "FF FF FF FF", "4294967295", NULL, "4294967295"},
        {ETW_IN_UINT32, ETW_OUT_PID, 0, "0A 00 00 00", "10", NULL, "10"},
        {ETW_IN_UINT32, ETW_OUT_TID, 0, "63 00 00 00", "99", NULL, "99"},
        {ETW_IN_UINT32, ETW_OUT_HEXINT32, 0, "EF BE AD DE", "0xDEADBEEF", NULL, NULL},
        {ETW_IN_UINT32, ETW_OUT_ERRORCODE, 0, "05 00 00 00", "0x5", NULL, NULL},
        {ETW_IN_UINT32, ETW_OUT_ETWTIME, 0, "05 00 00 00", "5", NULL, "5"},
        {ETW_IN_UINT32, ETW_OUT_PORT, 0, "05 00 00 00", "5", NULL, "5"},
        {ETW_IN_HEXINT32, ETW_OUT_IPV4, 0, "05 00 00 00", "0x5", NULL, NULL},
        {ETW_IN_INT64, ETW_OUT_LONG, 0, "00 00 00 00 00 00 00 80", "-9223372036854775808", NULL,
         "-9223372036854775808"},
        {ETW_IN_UINT64, ETW_OUT_UNSIGNEDLONG, 0, "FF FF FF FF FF FF FF FF", "18446744073709551615",
         NULL, "18446744073709551615"},
        {ETW_IN_UINT64, ETW_OUT_HEXINT64, 0, "00 00 00 00 00 00 00 00", "0x0", NULL, NULL},
        {ETW_IN_UINT64, ETW_OUT_CODE_POINTER, 0, "00 10 71 33 F8 7F 00 00", "0x7FF833711000", NULL,
         NULL},
        {ETW_IN_HEXINT64, ETW_OUT_NULL, 0, "14 80 28 30 60 A9 AA 00", "0xAAA96030288014", NULL,
         NULL},
        {ETW_IN_SIZET, ETW_OUT_NULL, 0, "10 00 00 00 00 00 00 00", "0x10", NULL, NULL},
        {ETW_IN_POINTER, ETW_OUT_LONG, 0, "FF FF FF FF FF FF FF FF", "-1", NULL, "-1"},
        {ETW_IN_POINTER, ETW_OUT_UNSIGNEDLONG, 0, "10 00 00 00 00 00 00 00", "16", NULL, "16"},
        {ETW_IN_BOOLEAN, ETW_OUT_BOOLEAN, 0, "00 00 00 00", "false", NULL, "false"},
        {ETW_IN_NULL, ETW_OUT_NULL, 0, "", "", NULL, NULL},
    };
    CHECK_ALL(vectors);
}

static void floating_point(void **state)
{
    (void)state;
    static const vector vectors[] = {
        {ETW_IN_FLOAT, 0, 0, "00 00 80 7F", "inf", NULL, "\"inf\""},
        {ETW_IN_FLOAT, 0, 0, "00 00 80 FF", "-inf", NULL, "\"-inf\""},
        {ETW_IN_FLOAT, 0, 0, "00 00 C0 7F", "nan", NULL, "\"nan\""},
        {ETW_IN_FLOAT, 0, 0, "00 00 C0 FF", "-nan(ind)", NULL, NULL},
        {ETW_IN_DOUBLE, 0, 0, "00 00 00 00 00 00 00 80", "-0.000000", NULL, "-0"},
        {ETW_IN_DOUBLE, 0, 0, "00 00 00 00 00 00 80 3F", "0.007812", NULL, "0.0078125"},
        {ETW_IN_DOUBLE, 0, 0, "00 00 00 00 00 00 98 3F", "0.023438", NULL, "0.0234375"},
        {ETW_IN_DOUBLE, 0, 0, "01 00 00 00 00 00 00 00", "0.000000", NULL, NULL},
        {ETW_IN_DOUBLE, 0, 0, "FF FF FF FF FF FF EF 3F", "1.000000", NULL, NULL},
        {ETW_IN_DOUBLE, 0, 0, "9A 99 99 99 99 99 B9 3F", "0.100000", NULL, "0.1"},
        {ETW_IN_DOUBLE, 0, 0, "FF FF FF FF FF FF AF 42", "17592186044415.998047", NULL, NULL},
        {ETW_IN_DOUBLE, 0, 0, "FF FF FF FF FF FF 3F 43", "9007199254740991.000000", NULL, NULL},
        {ETW_IN_DOUBLE, 0, 0, "00 00 00 00 00 00 F0 43", "18446744073709551616.000000", NULL,
         "1.8446744073709552e+19"},
        {ETW_IN_DOUBLE, 0, 0, "F6 4A E1 C7 02 2D B5 44", "99999999999999991611392.000000", NULL,
         "1e+23"},
    };
    CHECK_ALL(vectors);
    uint8_t largest[8];
    const double big = 1.7976931348623157e308;
    memcpy(largest, &big, sizeof largest);
    char expected[400];
    (void)snprintf(expected, sizeof expected, "%f", big);
    check(&(vector){ETW_IN_DOUBLE, 0, 0, "FF FF FF FF FF FF EF 7F", expected, NULL, NULL}, NULL,
          NULL);
}

static void times(void **state)
{
    (void)state;
    static const vector vectors[] = {
        {ETW_IN_FILETIME, ETW_OUT_CULTURE_INSENSITIVE_DATETIME, 0, "00 00 00 00 00 00 00 00",
         "1601-01-01T00:00:00.000000000Z", NULL, NULL},
        {ETW_IN_FILETIME, 0, 0, "00 00 00 00 00 00 00 00",
         MARK "1601" MARK "-" MARK "01" MARK "-" MARK "01T00:00:00.000000000Z",
         "1601-01-01T00:00:00.000000000Z", NULL},
        {ETW_IN_FILETIME, 0, 0, "01 00 00 00 00 00 00 80", "1:2147483648", NULL, NULL},
        {ETW_IN_FILETIME, ETW_OUT_CULTURE_INSENSITIVE_DATETIME, 0, "FF FF FF FF FF FF FF 7F",
         "30828-09-14T02:48:05.477580700Z", NULL, NULL},
        {ETW_IN_FILETIME, ETW_OUT_CULTURE_INSENSITIVE_DATETIME, 0, "00 80 CC EB 47 82 BF 01",
         "2000-02-29T00:00:00.000000000Z", NULL, NULL},
        {ETW_IN_SYSTEMTIME, 0, 0, "E1 07 0D 00 06 00 04 00 03 00 2E 00 16 00 31 01",
         "2017:13:6:4:3:46:22:305", NULL, NULL},
    };
    CHECK_ALL(vectors);
}

static void strings(void **state)
{
    (void)state;
    static const vector vectors[] = {
        {ETW_IN_UNICODESTRING, ETW_OUT_STRING, 0, "68 00 69 00 00 00", "hi", NULL, "\"hi\""},
        {ETW_IN_UNICODESTRING, ETW_OUT_STRING, 0, "68 00 69 00", "hi", NULL, NULL},
        {ETW_IN_UNICODESTRING, ETW_OUT_STRING, 0, "68 00 69", "h", NULL, NULL},
        {ETW_IN_UNICODESTRING, ETW_OUT_STRING, 0, "", "", NULL, NULL},
        {ETW_IN_UNICODESTRING, ETW_OUT_STRING, 4, "61 00 00 00 62 00 63 00", "a", NULL, NULL},
        {ETW_IN_UNICODESTRING, ETW_OUT_JSON, 0, "22 00 0A 00 00 00", "\"\n", NULL, "\"\\\"\\n\""},
        {ETW_IN_UNICODESTRING, ETW_OUT_STRING, 0, "3D D8 00 DE 00 D8 00 00",
         "\xF0\x9F\x98\x80\xEF\xBF\xBD", NULL, "\"\xF0\x9F\x98\x80\\ud800\""},
        {ETW_IN_ANSISTRING, ETW_OUT_STRING, 0, "63 61 66 E9 00", "caf\xC3\xA9", NULL, NULL},
        {ETW_IN_ANSISTRING, ETW_OUT_UTF8, 0, "C3 A9 00", "\xC3\xA9", NULL, NULL},
        {ETW_IN_ANSISTRING, ETW_OUT_UTF8, 0, "E9 00", "\xEF\xBF\xBD", NULL, NULL},
        {ETW_IN_ANSISTRING, ETW_OUT_STRING, 3, "61 62 63", "abc", NULL, NULL},
        {ETW_IN_COUNTEDSTRING, 0, 0, "04 00 68 00 69 00", "hi", NULL, NULL},
        {ETW_IN_COUNTEDSTRING, 0, 0, "05 00 68 00 69 00 6A", "hi", NULL, NULL},
        {ETW_IN_COUNTEDSTRING, 0, 0, "00 00", "", NULL, NULL},
        {ETW_IN_COUNTEDSTRING, 0, 0, "0A 00 61 00 00 00 62 00 63 00 64 00", "a", NULL,
         "\"a\\u0000bcd\""},
        {ETW_IN_COUNTEDSTRING, 0, 0, "06 00 61 00 00 00 00 00", "a", NULL, "\"a\""},
        {ETW_IN_COUNTEDANSISTRING, 0, 0, "04 00 61 00 62 00", "a", NULL, "\"a\\u0000b\""},
        {ETW_IN_COUNTEDANSISTRING, ETW_OUT_UTF8, 0, "02 00 C3 A9", "\xC3\xA9", NULL, NULL},
        {ETW_IN_MANIFEST_COUNTEDSTRING, 0, 0, "02 00 68 00", "h", NULL, NULL},
        {ETW_IN_MANIFEST_COUNTEDANSISTRING, 0, 0, "02 00 68 69", "hi", NULL, NULL},
        {ETW_IN_REVERSEDCOUNTEDSTRING, 0, 0, "00 04 68 00 69 00", "hi", NULL, NULL},
        {ETW_IN_REVERSEDCOUNTEDANSISTRING, 0, 0, "00 02 68 69", "hi", NULL, NULL},
        {ETW_IN_NONNULLTERMINATEDSTRING, 0, 0, "68 00 69 00", "hi", NULL, NULL},
        {ETW_IN_NONNULLTERMINATEDANSISTRING, 0, 0, "68 69", "hi", NULL, NULL},
        {ETW_IN_UNICODECHAR, 0, 0, "AC 20", "\xE2\x82\xAC", NULL, NULL},
        {ETW_IN_ANSICHAR, 0, 0, "41", "A", NULL, NULL},
    };
    CHECK_ALL(vectors);
}

static void binaries_and_addresses(void **state)
{
    (void)state;
    static const vector vectors[] = {
        {ETW_IN_BINARY, ETW_OUT_HEXBINARY, 0, "", "", NULL, "\"\""},
        {ETW_IN_MANIFEST_COUNTEDBINARY, 0, 0, "02 00 AB CD", "0xABCD", NULL, NULL},
        {ETW_IN_MANIFEST_COUNTEDBINARY, ETW_OUT_PKCS7_WITH_TYPE_INFO, 0, "01 00 AB", "0xAB", NULL,
         NULL},
        {ETW_IN_HEXDUMP, 0, 0, "02 00 00 00 AB CD", "0xABCD", NULL, NULL},
        {ETW_IN_HEXDUMP, 0, 0, "00 00 00 00", "", NULL, NULL},
        {ETW_IN_WBEMSID, 0, 0, "00 00 00 00", "", NULL, NULL},
        {ETW_IN_WBEMSID, 0, 0,
         "11 22 33 44 55 66 77 88 00 00 00 00 00 00 00 00 01 01 00 00 00 00 00 05 12 00 00 00",
         "S-1-5-18", NULL, NULL},
        {ETW_IN_SID, 0, 0, "01 01 80 00 00 00 00 00 07 00 00 00", "S-1-0x800000000000-7", NULL,
         NULL},
        {ETW_IN_SID, 0, 0, "02 01 00 00 00 00 00 05 12 00 00 00", "0x020100000000000512000000",
         NULL, NULL},
        {ETW_IN_BINARY, ETW_OUT_IPV6, 0, "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00",
         "::", NULL, NULL},
        {ETW_IN_BINARY, ETW_OUT_IPV6, 16, "00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 01", "::1",
         NULL, NULL},
        {ETW_IN_BINARY, ETW_OUT_IPV6, 16, "00 00 00 00 00 00 00 00 00 00 00 00 01 02 03 04",
         "::1.2.3.4", NULL, NULL},
        {ETW_IN_BINARY, ETW_OUT_IPV6, 16, "00 00 00 00 00 00 00 00 00 00 FF FF 01 02 03 04",
         "::ffff:1.2.3.4", NULL, NULL},
        {ETW_IN_BINARY, ETW_OUT_IPV6, 16, "00 00 00 00 00 00 00 00 FF FF 00 00 01 02 03 04",
         "::ffff:0:1.2.3.4", NULL, NULL},
        {ETW_IN_BINARY, ETW_OUT_IPV6, 16, "FE 80 00 00 00 00 00 00 00 00 5E FE 01 02 03 04",
         "fe80::5efe:1.2.3.4", NULL, NULL},
        {ETW_IN_BINARY, ETW_OUT_IPV6, 16, "20 01 0D B8 00 00 00 00 00 01 00 00 00 00 00 01",
         "2001:db8::1:0:0:1", NULL, NULL},
        {ETW_IN_BINARY, ETW_OUT_IPV6, 16, "20 01 0D B8 00 00 00 01 00 01 00 01 00 01 00 01",
         "2001:db8:0:1:1:1:1:1", NULL, NULL},
        {ETW_IN_BINARY, ETW_OUT_IPV6, 16, "FE 80 00 00 00 00 00 00 00 00 00 00 00 00 00 00",
         "fe80::", NULL, NULL},
        {ETW_IN_BINARY, ETW_OUT_IPV6, 3, "01 02 03", "0x010203", NULL, NULL},
        {ETW_IN_BINARY, ETW_OUT_SOCKETADDRESS, 28,
         "17 00 01 BD 00 00 00 00 FE 80 00 00 00 00 00 00 00 00 00 00 00 00 00 01 07 00 00 00",
         "[fe80::1%7]:445", NULL, NULL},
        {ETW_IN_BINARY, ETW_OUT_SOCKETADDRESS, 16,
         "02 00 00 00 01 02 03 04 00 00 00 00 00 00 00 00", "1.2.3.4", NULL, NULL},
        {ETW_IN_BINARY, ETW_OUT_SOCKETADDRESS, 4, "01 00 2F 00", "0x01002F00", NULL, NULL},
    };
    CHECK_ALL(vectors);
}

static void error_codes(void **state)
{
    (void)state;
    static const vector vectors[] = {
        {ETW_IN_UINT32, ETW_OUT_WIN32ERROR, 0, "02 00 00 00",
         "The system cannot find the file specified.", NULL, NULL},
        {ETW_IN_HEXINT32, ETW_OUT_WIN32ERROR, 0, "05 00 00 00", "Access is denied.", NULL, NULL},
        {ETW_IN_INT32, ETW_OUT_HRESULT, 0, "05 00 07 80", "Access is denied.", NULL, NULL},
        {ETW_IN_INT32, ETW_OUT_HRESULT, 0, "05 40 00 80", "Unspecified error", NULL, NULL},
        {ETW_IN_INT32, ETW_OUT_HRESULT, 0, "00 00 00 00", "The operation completed successfully.",
         NULL, NULL},
        {ETW_IN_HEXINT32, ETW_OUT_NTSTATUS, 0, "22 00 00 C0",
         "{Access Denied}\r\nA process has requested access to an object, but has not been granted "
         "those access rights.",
         NULL, NULL},
        {ETW_IN_UINT32, ETW_OUT_NTSTATUS, 0, "01 EF CD EB",
         "Unknown NTSTATUS Error code: "
         "0xebcdef01",
         NULL, NULL},
        {ETW_IN_UINT32, ETW_OUT_WIN32ERROR, 0, "2B 00 18 80",
         "Unknown Win32 Error code: 0x8018002b", NULL, NULL},
        {ETW_IN_INT32, ETW_OUT_HRESULT, 0, "C1 00 07 80", "Unknown HResult Error code: 0x800700c1",
         NULL, NULL},
        {ETW_IN_INT32, ETW_OUT_HRESULT, 0, "02 00 03 80", "Unknown HResult Error code: 0x80030002",
         NULL, NULL},
    };
    CHECK_ALL(vectors);
}

static void check_map(uint32_t flag, const vector *vectors, size_t count)
{
    static const etw_map_entry_spec entries[] = {{1, "Sun"}, {2, "Mon"}, {8, "Wed"}, {0, "None"}};
    etw_tei_builder *builder = etw_tei_builder_new();
    assert_non_null(builder);
    etw_bytes map;
    assert_int_equal(
        etw_tei_builder_map(builder, &(etw_map_spec){"Days", flag, entries, 4}, &map, NULL),
        ETW_OK);
    for (size_t i = 0; i < count; i++) {
        check(&vectors[i], "Days", &map);
    }
    etw_tei_builder_free(builder);
}

#define CHECK_MAP(flag, vectors) check_map(flag, vectors, sizeof(vectors) / sizeof(vectors)[0])

static void value_maps(void **state)
{
    (void)state;
    static const vector vectors[] = {
        {ETW_IN_UINT32, ETW_OUT_UNSIGNEDINT, 0, "01 00 00 00", "Sun ", "Sun", "\"Sun\""},
        {ETW_IN_UINT8, ETW_OUT_UNSIGNEDBYTE, 0, "08", "Wed ", "Wed", "\"Wed\""},
        {ETW_IN_UINT16, ETW_OUT_UNSIGNEDSHORT, 0, "00 00", "None ", "None", "\"None\""},
        {ETW_IN_HEXINT32, ETW_OUT_HEXINT32, 0, "02 00 00 00", "Mon ", "Mon", "\"Mon\""},
        {ETW_IN_UINT32, ETW_OUT_UNSIGNEDINT, 0, "03 00 00 00", "3", NULL, "3"},
        {ETW_IN_HEXINT32, ETW_OUT_HEXINT32, 0, "0B 00 00 00", "0xB", NULL, "\"0xB\""},
        {ETW_IN_UINT64, ETW_OUT_UNSIGNEDLONG, 0, "01 00 00 00 00 00 00 00", "1", NULL, "1"},
    };
    CHECK_MAP(ETW_MAP_MANIFEST_VALUEMAP, vectors);
    static const vector wbem[] = {
        {ETW_IN_UINT32, 0, 0, "01 00 00 00", "Sun", NULL, NULL},
    };
    CHECK_MAP(ETW_MAP_WBEM_VALUEMAP, wbem);
    static const vector by_index[] = {
        {ETW_IN_UINT32, 0, 0, "02 00 00 00", "Wed", NULL, NULL},
        {ETW_IN_UINT32, 0, 0, "04 00 00 00", "4", NULL, NULL},
    };
    CHECK_MAP(ETW_MAP_WBEM_VALUEMAP | ETW_MAP_WBEM_NO_MAP, by_index);
}

static void bit_maps(void **state)
{
    (void)state;
    static const vector vectors[] = {
        {ETW_IN_UINT32, 0, 0, "02 00 00 00", "Mon ", "Mon", NULL},
        {ETW_IN_UINT32, 0, 0, "0B 00 00 00", "Sun ,Mon ,Wed ", "Sun,Mon,Wed", "\"Sun,Mon,Wed\""},
        {ETW_IN_UINT32, 0, 0, "05 00 00 00", "Sun ", "Sun,0x4", "\"Sun,0x4\""},
        {ETW_IN_UINT32, 0, 0, "00 00 00 00", "None ", "None", NULL},
        {ETW_IN_UINT32, 0, 0, "10 00 00 00", "16", NULL, "16"},
    };
    CHECK_MAP(ETW_MAP_MANIFEST_BITMAP, vectors);
    static const vector flags[] = {
        {ETW_IN_UINT32, 0, 0, "03 00 00 00", "Sun,Mon", NULL, NULL},
    };
    CHECK_MAP(ETW_MAP_WBEM_VALUEMAP | ETW_MAP_WBEM_FLAG, flags);
    static const vector masks[] = {
        {ETW_IN_UINT32, 0, 0, "09 00 00 00", "Sun,Wed", NULL, NULL},
    };
    CHECK_MAP(ETW_MAP_WBEM_BITMAP, masks);
    static const vector by_index[] = {
        {ETW_IN_UINT32, 0, 0, "05 00 00 00", "Sun,Wed", NULL, NULL},
    };
    CHECK_MAP(ETW_MAP_WBEM_BITMAP | ETW_MAP_WBEM_NO_MAP, by_index);
}

static void escapes_for_each_output(void **state)
{
    (void)state;
    etw_tei_builder *builder = etw_tei_builder_new();
    assert_non_null(builder);
    (void)etw_tei_builder_add(builder, 0,
                              &(etw_tei_property_spec){.name = "A", .in_type = ETW_IN_ANSISTRING});
    etw_schema schema = {0};
    assert_int_equal(etw_tei_builder_finish(builder, &(etw_tei_event_spec){0}, &schema.tei, NULL),
                     ETW_OK);
    result r = {.json = true};
    etw_walk_end end;
    render(&schema, (const uint8_t *)"a\"\x01", 4, 8, &r, &end);
    assert_string_equal(etw_text_z(&r.text), "\"a\\\"\\u0001\"");
    etw_text_free(&r.text);
    etw_tei_builder_free(builder);
}

/* A typed value in words: kind, then what it holds. */
static void describe(const etw_typed_value *typed, etw_text *text)
{
    static const char *const names[] = {
        "none", "int64", "uint64", "double", "bool",  "guid", "filetime", "systemtime",
        "sid",  "ipv4",  "ipv6",   "socket", "utf16", "ansi", "utf8",     "binary"};
    etw_text_append_z(text, names[typed->kind]);
    switch (typed->kind) {
    case ETW_VALUE_INT64:
    case ETW_VALUE_FILETIME:
        etw_text_printf(text, " %lld", (long long)typed->as.int64);
        break;
    case ETW_VALUE_UINT64:
        etw_text_printf(text, typed->shown_as_hex ? " 0x%llx" : " %llu",
                        (unsigned long long)typed->as.uint64);
        break;
    case ETW_VALUE_DOUBLE:
        etw_text_printf(text, " %g", typed->as.real);
        break;
    case ETW_VALUE_BOOL:
        etw_text_append_z(text, typed->as.boolean ? " true" : " false");
        break;
    case ETW_VALUE_GUID:
        etw_text_append_char(text, ' ');
        etw_text_append_guid(text, &typed->as.guid);
        break;
    default:
        etw_text_printf(text, " %zu", typed->bytes.size);
        break;
    }
    if (typed->is_mapped) {
        etw_text_printf(text, " (%.*s)", (int)typed->map_text_size,
                        typed->map_text == NULL ? "" : typed->map_text);
    }
}

static etw_status on_typed(void *context, const etw_value *value)
{
    etw_typed_value typed;
    etw_value_get(value, &typed);
    assert_ptr_equal(typed.value.property, value->property);
    describe(&typed, context);
    return ETW_OK;
}

static void check_typed(const vector *v, const etw_bytes *map)
{
    static const etw_visitor visitor = {.value = on_typed};
    uint8_t bytes[MAX_BYTES];
    etw_text text = {0};
    etw_plan *plan = NULL;
    etw_tei_builder *builder = etw_tei_builder_new();
    const uint32_t fixed = v->length == 0 ? 0 : ETW_PROP_PARAM_FIXED_LENGTH;
    (void)etw_tei_builder_add(builder, 0,
                              &(etw_tei_property_spec){.name = "A",
                                                       .in_type = v->in_type,
                                                       .out_type = v->out_type,
                                                       .length = v->length,
                                                       .map_name = map == NULL ? NULL : "Days",
                                                       .flags = fixed});
    etw_schema schema = {.map_count = map == NULL ? 0 : 1, .maps = map};
    assert_int_equal(etw_tei_builder_finish(builder, &(etw_tei_event_spec){0}, &schema.tei, NULL),
                     ETW_OK);
    assert_int_equal(etw_plan_compile(&schema, &plan, NULL), ETW_OK);
    const etw_event_record record = {.UserData = bytes,
                                     .UserDataLength = (uint16_t)bytes_of_hex(v->bytes, bytes)};
    assert_int_equal(etw_plan_walk(plan, &record, 8, &visitor, &text, NULL), ETW_OK);
    assert_string_equal(etw_text_z(&text), v->exact);
    etw_text_free(&text);
    etw_plan_free(plan);
    etw_tei_builder_free(builder);
}

static void typed_values(void **state)
{
    (void)state;
    static const vector vectors[] = {
        {ETW_IN_INT8, 0, 0, "E3", "int64 -29", NULL, NULL},
        {ETW_IN_INT64, 0, 0, "FFFFFFFFFFFFFFFF", "int64 -1", NULL, NULL},
        {ETW_IN_UINT64, 0, 0, "FFFFFFFFFFFFFFFF", "uint64 18446744073709551615", NULL, NULL},
        {ETW_IN_HEXINT32, 0, 0, "FF000000", "uint64 0xff", NULL, NULL},
        {ETW_IN_POINTER, 0, 0, "0010000000000000", "uint64 0x1000", NULL, NULL},
        {ETW_IN_UINT32, ETW_OUT_NTSTATUS, 0, "050000C0", "uint64 0xc0000005", NULL, NULL},
        {ETW_IN_UINT16, ETW_OUT_PORT, 0, "01BB", "uint64 443", NULL, NULL},
        {ETW_IN_FLOAT, 0, 0, "0000C03F", "double 1.5", NULL, NULL},
        {ETW_IN_DOUBLE, 0, 0, "000000000000F83F", "double 1.5", NULL, NULL},
        {ETW_IN_BOOLEAN, 0, 0, "01000000", "bool true", NULL, NULL},
        {ETW_IN_UINT8, ETW_OUT_BOOLEAN, 0, "00", "bool false", NULL, NULL},
        {ETW_IN_GUID, 0, 0, "04030201 0605 0807 090A0B0C0D0E0F10",
         "guid {01020304-0506-0708-090a-0b0c0d0e0f10}", NULL, NULL},
        {ETW_IN_FILETIME, 0, 0, "0100000001000000", "filetime 4294967297", NULL, NULL},
        {ETW_IN_SYSTEMTIME, 0, 0, "E407070003001D00000007000A00B302", "systemtime 16", NULL, NULL},
        {ETW_IN_SID, 0, 0, "010100000000000512000000", "sid 12", NULL, NULL},
        {ETW_IN_WBEMSID, 0, 0, "00000000", "none 0", NULL, NULL},
        {ETW_IN_UINT32, ETW_OUT_IPV4, 0, "7F000001", "ipv4 4", NULL, NULL},
        {ETW_IN_BINARY, ETW_OUT_IPV6, 16, "00000000000000000000000000000001", "ipv6 16", NULL,
         NULL},
        {ETW_IN_BINARY, ETW_OUT_IPV6, 3, "000001", "binary 3", NULL, NULL},
        {ETW_IN_BINARY, ETW_OUT_SOCKETADDRESS, 4, "02000050", "socket 4", NULL, NULL},
        {ETW_IN_BINARY, 0, 3, "0A81E2", "binary 3", NULL, NULL},
        {ETW_IN_UNICODESTRING, 0, 0, "410042000000", "utf16 4", NULL, NULL},
        {ETW_IN_UNICODECHAR, 0, 0, "0000", "utf16 0", NULL, NULL},
        {ETW_IN_ANSISTRING, 0, 0, "414200", "ansi 2", NULL, NULL},
        {ETW_IN_ANSISTRING, ETW_OUT_UTF8, 0, "C3A900", "utf8 2", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        check_typed(&vectors[i], NULL);
    }
}

static void typed_values_have_the_text_of_their_map(void **state)
{
    (void)state;
    static const etw_map_entry_spec entries[] = {{1, "Sun"}, {2, "Mon"}};
    static const struct {
        uint32_t flag;
        vector vector;
    } cases[] = {
        {ETW_MAP_MANIFEST_VALUEMAP,
         {ETW_IN_UINT32, 0, 0, "02000000", "uint64 2 (Mon)", NULL, NULL}},
        {ETW_MAP_MANIFEST_VALUEMAP, {ETW_IN_UINT32, 0, 0, "03000000", "uint64 3", NULL, NULL}},
        {ETW_MAP_MANIFEST_BITMAP, {ETW_IN_UINT32, 0, 0, "05000000", "uint64 5 (Sun)", NULL, NULL}},
        {ETW_MAP_MANIFEST_BITMAP, {ETW_IN_UINT32, 0, 0, "03000000", "uint64 3 ()", NULL, NULL}},
        {ETW_MAP_MANIFEST_BITMAP, {ETW_IN_UINT32, 0, 0, "04000000", "uint64 4", NULL, NULL}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        etw_bytes map;
        etw_tei_builder *builder = etw_tei_builder_new();
        assert_int_equal(etw_tei_builder_map(builder,
                                             &(etw_map_spec){"Days", cases[i].flag, entries, 2},
                                             &map, NULL),
                         ETW_OK);
        check_typed(&cases[i].vector, &map);
        etw_tei_builder_free(builder);
    }
}

/* Whoever links the library may have set a locale whose decimal point is a comma. */
static void locales_change_no_number(void **state)
{
    (void)state;
    static const vector number = {.in_type = ETW_IN_DOUBLE,
                                  .bytes = "9A 99 99 99 99 D9 46 40",
                                  .exact = "45.700000",
                                  .json = "45.7"};
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8", "German_Germany.1252"};
    const char *set = NULL;
    for (size_t i = 0; i < sizeof names / sizeof names[0] && set == NULL; i++) {
        set = setlocale(LC_ALL, names[i]);
    }
    if (set == NULL || localeconv()->decimal_point[0] != ',') {
        skip(); /* no such locale is installed here */
    }
    check(&number, NULL, NULL);
    (void)setlocale(LC_ALL, "C");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(locales_change_no_number),
        cmocka_unit_test(recorded_vectors),
        cmocka_unit_test(integers),
        cmocka_unit_test(floating_point),
        cmocka_unit_test(times),
        cmocka_unit_test(strings),
        cmocka_unit_test(binaries_and_addresses),
        cmocka_unit_test(error_codes),
        cmocka_unit_test(value_maps),
        cmocka_unit_test(typed_values),
        cmocka_unit_test(typed_values_have_the_text_of_their_map),
        cmocka_unit_test(bit_maps),
        cmocka_unit_test(escapes_for_each_output),
    };
    return cmocka_run_group_tests_name("value text", tests, NULL, NULL);
}
