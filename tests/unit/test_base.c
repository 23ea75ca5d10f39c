/* Text, GUIDs, times and the schema store. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
#ifdef _WIN32
#include <windows.h>
#else
#include <sys/stat.h>
#endif

#include "format/base/guid.h"
#include "format/base/lznt1.h"
#include "format/base/names.h"
#include "format/base/os.h"
#include "format/base/wait.h"
#include "format/event/clock.h"
#include "format/event/schema.h"

static void guid_text_and_back(void **state)
{
    (void)state;
    static const uint8_t bytes[16] = {0xD6, 0x51, 0x0B, 0x70, 0xEF, 0x54, 0xD3, 0x45,
                                      0xAD, 0xF3, 0x60, 0xCA, 0xD2, 0x77, 0xD1, 0xBD};
    const etw_guid guid = etw_load_guid(bytes);
    etw_text text = {0};
    etw_text_append_guid(&text, &guid);
    assert_string_equal(etw_text_z(&text), "{700b51d6-54ef-45d3-adf3-60cad277d1bd}");
    etw_guid parsed;
    assert_true(etw_guid_parse(etw_text_z(&text), &parsed));
    assert_true(etw_guid_equal(&guid, &parsed));
    assert_true(etw_guid_parse("700B51D6-54EF-45D3-ADF3-60CAD277D1BD", &parsed));
    assert_true(etw_guid_equal(&guid, &parsed));
    static const char *const bad[] = {"",
                                      "{",
                                      "{700b51d6-54ef-45d3-adf3-60cad277d1bd",
                                      "700b51d6-54ef-45d3-adf3-60cad277d1bd}",
                                      "700b51d6-54ef-45d3-adf3-60cad277d1bdx",
                                      "700b51d654ef"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(etw_guid_parse(bad[i], &parsed));
    }
    etw_text_free(&text);
}

static void provider_guid_follows_from_its_name(void **state)
{
    (void)state;
    etw_guid expected;
    assert_true(etw_guid_parse("adb401e1-5296-51f8-c125-5fda75826144", &expected));
    const etw_guid guid = etw_guid_from_provider_name("Microsoft-Diagnostics-DiagnosticSource");
    assert_true(etw_guid_equal(&guid, &expected));
    /* Beyond ASCII the UTF-16 units count, not the bytes of UTF-8. */
    assert_true(etw_guid_parse("371c1251-48df-5185-892e-5190cda31c0c", &expected));
    const etw_guid wide = etw_guid_from_provider_name("Messger\xC3\x84t-\xF0\x9F\x98\x80");
    assert_true(etw_guid_equal(&wide, &expected));
}

static void utf16_becomes_escaped_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        etw_escape escape;
        const char *expected;
    } rows[] = {
        {"a\0\"\0\x01\0", 6, ETW_ESCAPE_JSON, "a\\\"\\u0001"},
        {"\x3D\xD8\x00\xDE", 4, ETW_ESCAPE_JSON, "\xF0\x9F\x98\x80"},
        {"\x3D\xD8x\0", 4, ETW_ESCAPE_JSON, "\\ud83dx"},
        {"\x3D\xD8", 2, ETW_ESCAPE_NONE, "\xEF\xBF\xBD"},
        {"<\0&\0\x01\0\n\0", 8, ETW_ESCAPE_XML, "&lt;&amp;\xEF\xBF\xBD&#10;"},
        {"\x1B\0[\0\x9B\0\n\0", 8, ETW_ESCAPE_LINE, "\\x1b[\\x9b\\n"},
        {"a\0b", 3, ETW_ESCAPE_NONE, "a"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        etw_text text = {0};
        etw_text_append_utf16(&text, (const uint8_t *)rows[i].bytes, rows[i].size, rows[i].escape);
        assert_string_equal(etw_text_z(&text), rows[i].expected);
        etw_text_free(&text);
    }
}

static void ansi_is_utf8_where_valid_else_windows_1252(void **state)
{
    (void)state;
    etw_text text = {0};
    etw_text_append_ansi(&text, (const uint8_t *)"\xC3\xA9|", 3, ETW_ESCAPE_NONE);
    etw_text_append_ansi(&text, (const uint8_t *)"\xE9\x80", 2, ETW_ESCAPE_NONE);
    assert_string_equal(etw_text_z(&text), "\xC3\xA9|\xC3\xA9\xE2\x82\xAC");
    etw_text_free(&text);
}

static void numbers_print_as_printf_does(void **state)
{
    (void)state;
    etw_text text = {0};
    etw_text_append_u64(&text, UINT64_MAX);
    etw_text_append_char(&text, ' ');
    etw_text_append_i64(&text, INT64_MIN);
    etw_text_append_char(&text, ' ');
    etw_text_append_hex(&text, 0xF24C44195EC3544u);
    etw_text_append_char(&text, ' ');
    etw_text_append_u64(&text, 0);
    assert_string_equal(etw_text_z(&text),
                        "18446744073709551615 -9223372036854775808 0xF24C44195EC3544 0");
    etw_text_free(&text);
}

static void check_number(etw_text *text, uint64_t value)
{
    char decimal[32], hex[32];
    (void)snprintf(decimal, sizeof decimal, "%llu", (unsigned long long)value);
    (void)snprintf(hex, sizeof hex, "0x%llX", (unsigned long long)value);
    etw_text_clear(text);
    etw_text_append_u64(text, value);
    assert_string_equal(etw_text_z(text), decimal);
    etw_text_clear(text);
    etw_text_append_hex(text, value);
    assert_string_equal(etw_text_z(text), hex);
}

static void numbers_of_each_length_print(void **state)
{
    (void)state;
    etw_text text = {0};
    for (uint64_t power = 1;; power *= 10) {
        check_number(&text, power - 1);
        check_number(&text, power);
        check_number(&text, power + 7);
        if (power > UINT64_MAX / 10) {
            break;
        }
    }
    for (unsigned bit = 0; bit < 64; bit++) {
        check_number(&text, ((uint64_t)1 << bit) - 1);
        check_number(&text, (uint64_t)1 << bit);
    }
    check_number(&text, UINT64_MAX);
    etw_text_free(&text);
}

static void bytes_of_each_number_print_in_hex(void **state)
{
    (void)state;
    uint8_t bytes[40];
    char expected[2 * sizeof bytes + 1] = "";
    etw_text text = {0};
    for (size_t size = 0; size < sizeof bytes; size++) {
        bytes[size] = (uint8_t)(size * 37 + 9);
        (void)snprintf(expected + 2 * size, 3, "%02X", bytes[size]);
        etw_text_clear(&text);
        etw_text_append_hex_bytes(&text, bytes, size + 1);
        assert_string_equal(etw_text_z(&text), expected);
    }
    etw_text_free(&text);
}

static void times_print_and_parse(void **state)
{
    (void)state;
    static const struct {
        int64_t time;
        const char *text;
    } rows[] = {
        {0, "1601-01-01T00:00:00.0000000Z"},
        {0x01D35517196CDEDBLL, "2017-11-04T02:46:22.3050459Z"},
        {116444736000000000LL, "1970-01-01T00:00:00.0000000Z"},
        {125911584000000000LL - 1, "1999-12-31T23:59:59.9999999Z"},
        {125962560000000000LL, "2000-02-29T00:00:00.0000000Z"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        etw_text text = {0};
        etw_text_append_time(&text, rows[i].time);
        assert_string_equal(etw_text_z(&text), rows[i].text);
        int64_t parsed;
        assert_true(etw_time_parse(etw_text_z(&text), &parsed));
        assert_int_equal(parsed, rows[i].time);
        etw_text_free(&text);
    }
    int64_t a, b;
    assert_true(etw_time_parse("2017-11-04 04:46+02:00", &a));
    assert_true(etw_time_parse("2017-11-04T02:46", &b));
    assert_int_equal(a, b);
    assert_true(etw_time_parse("2017-11-04", &a));
    static const char *const bad[] = {"",
                                      "2017",
                                      "2017-13-01",
                                      "2017-02-29",
                                      "2017-11-04T25:00",
                                      "2017-11-04T02:46:22.Z",
                                      "2017-11-04x"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(etw_time_parse(bad[i], &a));
    }
}

static void clocks_convert_and_saturate(void **state)
{
    (void)state;
    const etw_clock qpc = {ETW_CLOCK_QPC, 0, 3000000, 1000, 5000};
    assert_int_equal(etw_clock_to_filetime(&qpc, 1000), 5000);
    assert_int_equal(etw_clock_to_filetime(&qpc, 1003), 5010);
    assert_int_equal(etw_clock_to_filetime(&qpc, 1004), 5013);
    assert_int_equal(etw_clock_to_filetime(&qpc, 999), 4996);
    assert_int_equal(etw_clock_from_filetime(&qpc, 5010), 1003);
    assert_int_equal(etw_clock_from_filetime(&qpc, 5011), 1004);
    assert_int_equal(etw_clock_to_filetime(&qpc, INT64_MAX), INT64_MAX);
    /* The last ticks whose product fits 64 bits, and the next. */
    assert_int_equal(etw_clock_to_filetime(&qpc, 1000 + INT64_MAX / 10000000), 3074457350616);
    assert_int_equal(etw_clock_to_filetime(&qpc, 1001 + INT64_MAX / 10000000), 3074457350620);
    const etw_clock cycles = {ETW_CLOCK_CPU_CYCLE, 2000, 0, 0, 0};
    assert_int_equal(etw_clock_to_filetime(&cycles, 2000000000), 10000000);
    const etw_clock system = {ETW_CLOCK_SYSTEM_TIME, 0, 10000000, 7, 9};
    assert_int_equal(etw_clock_to_filetime(&system, 42), 42);
    const etw_clock broken = {ETW_CLOCK_QPC, 0, 0, 10, 100};
    assert_int_equal(etw_clock_to_filetime(&broken, 11), 101);
    const etw_clock absurd = {ETW_CLOCK_QPC, 0, UINT64_MAX, INT64_MAX, INT64_MIN};
    assert_int_equal(etw_clock_to_filetime(&absurd, INT64_MIN), INT64_MIN);
    assert_int_equal(etw_clock_from_filetime(&absurd, INT64_MAX), INT64_MAX);
    const etw_clock fastest = {ETW_CLOCK_QPC, 0, INT64_MAX, INT64_MIN, INT64_MIN};
    assert_int_equal(etw_clock_from_filetime(&fastest, INT64_MAX), INT64_MAX);
}

static void store_keeps_each_content_once(void **state)
{
    (void)state;
    etw_schema_store *store = etw_schema_store_new();
    assert_non_null(store);
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < 1000; i++) {
            const etw_bytes map = {(const uint8_t *)"map", 3};
            const etw_schema schema = {.origin = ETW_SCHEMA_MANIFEST,
                                       .tei = {(const uint8_t *)&i, sizeof i},
                                       .map_count = i % 2,
                                       .maps = &map};
            const etw_schema *kept;
            assert_int_equal(etw_schema_store_intern(store, &schema, &kept, NULL), ETW_OK);
            assert_int_equal(kept->id, i + 1);
            assert_memory_equal(kept->tei.data, &i, sizeof i);
        }
    }
    assert_int_equal(etw_schema_store_count(store), 1000);
    assert_null(etw_schema_store_get(store, 0));
    assert_null(etw_schema_store_get(store, 1001));
    etw_schema_store_free(store);
}

static void store_refuses_a_schema_above_the_limit(void **state)
{
    (void)state;
    etw_schema_store *store = etw_schema_store_new();
    const uint8_t byte = 0;
    const etw_schema schema = {.tei = {&byte, (size_t)ETW_MAX_TEI_SIZE + 1}};
    const etw_schema *kept;
    etw_error error;
    assert_int_equal(etw_schema_store_intern(store, &schema, &kept, &error), ETW_ERROR_LIMIT);
    assert_string_equal(error.message, "schema of 1048577 bytes is above the limit of 1048576");
    etw_schema_store_free(store);
}

static void first_provider_name_stays(void **state)
{
    (void)state;
    etw_schema_store *store = etw_schema_store_new();
    for (uint32_t i = 0; i < 100; i++) {
        const etw_guid guid = {i, 0, 0, {0}};
        assert_null(etw_schema_store_provider_name(store, &guid));
        assert_int_equal(etw_schema_store_set_provider_name(store, &guid, "first", NULL), ETW_OK);
        assert_int_equal(etw_schema_store_set_provider_name(store, &guid, "second", NULL), ETW_OK);
        assert_string_equal(etw_schema_store_provider_name(store, &guid), "first");
    }
    const etw_guid *provider;
    const char *name;
    assert_true(etw_schema_store_provider_at(store, 99, &provider, &name));
    assert_int_equal(provider->Data1, 99);
    assert_false(etw_schema_store_provider_at(store, 100, &provider, &name));
    etw_schema_store_free(store);
}

static void errors_read_from_the_outside_in(void **state)
{
    (void)state;
    etw_error error;
    assert_int_equal(etw_error_set(&error, ETW_ERROR_DAMAGED, "size %d", 12), ETW_ERROR_DAMAGED);
    assert_int_equal(etw_error_wrap(&error, ETW_ERROR_IO, "a.etl: buffer %d", 3),
                     ETW_ERROR_DAMAGED);
    assert_string_equal(error.message, "a.etl: buffer 3: size 12");
    assert_int_equal(etw_error_wrap(NULL, ETW_ERROR_IO, "nobody listens"), ETW_ERROR_IO);
}

static void make_file(const etw_os *os, const char *path, const char *content)
{
    const int file = os->open(os->context, path, ETW_OPEN_REPLACE);
    assert_true(file >= 0);
    assert_int_equal(etw_os_write_full(os, file, content, strlen(content), NULL, NULL), ETW_OK);
    assert_int_equal(os->close(os->context, file), 0);
}

static void rename_replaces_and_a_failed_one_costs_nothing(void **state)
{
    (void)state;
    static const char from[] = "test_base_from.tmp", to[] = "test_base_to.tmp";
    const etw_os *os = etw_os_default();
    make_file(os, to, "old");
    assert_true(os->rename(os->context, "test_base_not_there.tmp", to) < 0);
    make_file(os, from, "new");
    const int kept = os->open(os->context, to, ETW_OPEN_READ);
    assert_true(kept >= 0);
    assert_int_equal(os->close(os->context, kept), 0);
    assert_int_equal(os->rename(os->context, from, to), 0);
    const int file = os->open(os->context, to, ETW_OPEN_READ);
    assert_true(file >= 0);
    char content[8];
    size_t got;
    assert_int_equal(etw_os_read_full(os, file, content, sizeof content, &got, NULL), ETW_OK);
    assert_int_equal(got, 3);
    assert_memory_equal(content, "new", 3);
    assert_int_equal(os->close(os->context, file), 0);
    assert_int_equal(os->remove(os->context, to), 0);
}

#ifndef _WIN32
/* For root, nothing else would keep a device such as /dev/null in its place. */
static void only_regular_files_are_replaced_and_removed(void **state)
{
    (void)state;
    static const char from[] = "test_base_from.tmp", to[] = "test_base_pipe.tmp";
    const etw_os *os = etw_os_default();
    (void)unlink(to);
    assert_int_equal(mkfifo(to, S_IRUSR | S_IWUSR), 0);
    make_file(os, from, "new");
    assert_int_equal(os->kind(os->context, "test_base_not_there.tmp"), ETW_PATH_NOTHING);
    assert_int_equal(os->kind(os->context, from), ETW_PATH_FILE);
    assert_int_equal(os->kind(os->context, to), ETW_PATH_OTHER);
    assert_true(os->rename(os->context, from, to) < 0);
    assert_true(os->remove(os->context, to) < 0);
    assert_int_equal(os->kind(os->context, to), ETW_PATH_OTHER);
    assert_int_equal(unlink(to), 0);
    assert_int_equal(symlink(from, to), 0);
    assert_true(etw_os_is_same_file(from, to));
    assert_true(os->rename(os->context, from, to) < 0);
    assert_int_equal(os->remove(os->context, to), 0);
    assert_false(etw_os_is_same_file(from, to));
    assert_int_equal(os->remove(os->context, from), 0);
}
#endif

static bool make_hard_link(const char *from, const char *to)
{
#ifdef _WIN32
    return CreateHardLinkA(to, from, NULL);
#else
    return link(from, to) == 0;
#endif
}

static void names_of_one_file_are_seen_to_be(void **state)
{
    (void)state;
    static const char path[] = "test_base_one.tmp", other[] = "test_base_two.tmp";
    const etw_os *os = etw_os_default();
    make_file(os, path, "1");
    make_file(os, other, "1");
    assert_true(etw_os_is_same_file(path, "./test_base_one.tmp"));
    assert_false(etw_os_is_same_file(path, other));
    assert_int_equal(os->remove(os->context, other), 0);
    assert_true(make_hard_link(path, other));
    assert_true(etw_os_is_same_file(path, other));
    assert_int_equal(os->remove(os->context, path), 0);
    assert_int_equal(os->remove(os->context, other), 0);
    assert_false(etw_os_is_same_file(path, path));
}

/* Also a name that the system takes only with a prefix on Windows, and a folder that is none. */
static void long_names_are_names(void **state)
{
    (void)state;
    char path[241] = "", full[700];
    memset(path, 'n', sizeof path - 1);
    assert_non_null(getcwd(full, 400));
    const size_t folder_size = strlen(full);
    full[folder_size] = '/';
    memcpy(full + folder_size + 1, path, sizeof path);
    const etw_os *os = etw_os_default();
    make_file(os, full, "1");
    assert_int_equal(os->kind(os->context, full), ETW_PATH_FILE);
    assert_true(etw_os_is_same_file(path, full));
    assert_int_equal(os->list(os->context, full, NULL, NULL), -ENOTDIR);
    assert_true(os->free_space(os->context, full) > 0);
    assert_int_equal(os->rename(os->context, full, path), 0);
    assert_int_equal(os->remove(os->context, full), 0);
    assert_int_equal(os->kind(os->context, path), ETW_PATH_NOTHING);
}

static void limited_waits_end(void **state)
{
    (void)state;
    const etw_os *os = etw_os_default();
    pthread_mutex_t mutex;
    pthread_cond_t condition;
    (void)pthread_mutex_init(&mutex, NULL);
    etw_condition_init(&condition);
    const int64_t end_ns = os->monotonic_ns(os->context) + 2000000;
    (void)pthread_mutex_lock(&mutex);
    for (int64_t left = 2000000; left > 0; left = end_ns - os->monotonic_ns(os->context)) {
        etw_condition_wait(&condition, &mutex, left);
    }
    (void)pthread_mutex_unlock(&mutex);
    (void)pthread_cond_destroy(&condition);
    (void)pthread_mutex_destroy(&mutex);
}

/* The example of [MS-XCA] 3.3. */
static void unpacks_lznt1(void **state)
{
    (void)state;
    static const uint8_t packed[] = {
        0x38, 0xb0, 0x88, 0x46, 0x23, 0x20, 0x00, 0x20, 0x47, 0x20, 0x41, 0x00, 0x10, 0xa2, 0x47,
        0x01, 0xa0, 0x45, 0x20, 0x44, 0x00, 0x08, 0x45, 0x01, 0x50, 0x79, 0x00, 0xc0, 0x45, 0x20,
        0x05, 0x24, 0x13, 0x88, 0x05, 0xb4, 0x02, 0x4a, 0x44, 0xef, 0x03, 0x58, 0x02, 0x8c, 0x09,
        0x16, 0x01, 0x48, 0x45, 0x00, 0xbe, 0x00, 0x9e, 0x00, 0x04, 0x01, 0x18, 0x90, 0x00};
    const char *unpacked =
        "F# F# G A A G F# E D D E F# F# E E F# F# G A A G F# E D D E F# E D D E E F# D E F# G F# D "
        "E F# G F# E D E A F# F# G A A G F# E D D E F# E D D";
    etw_text text = {0};
    assert_true(etw_lznt1_decompress((etw_bytes){packed, sizeof packed}, &text));
    assert_memory_equal(text.data, unpacked, strlen(unpacked));
    for (size_t size = 3; size + 1 < sizeof packed; size++) { /* cut off */
        etw_text_clear(&text);
        assert_false(etw_lznt1_decompress((etw_bytes){packed, size}, &text));
    }
    static const uint8_t too_far[] = {0x03, 0xb0, 0x02, 'a', 0x00, 0x20};
    assert_false(etw_lznt1_decompress((etw_bytes){too_far, sizeof too_far}, &text));
    etw_text_free(&text);
}

static void patterns_fit_whole_names(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *name;
        bool fits, fits_in_any_case;
    } cases[] = {
        {"", "", true, true},
        {"*", "", true, true},
        {"", "a", false, false},
        {"?", "", false, false},
        {"a?c", "abc", true, true},
        {"A?c", "abC", false, true},
        {"*.etl", "a.etl", true, true},
        {"*.etl", "a.etl.gz", false, false},
        {"*ab", "aab", true, true},
        {"*ab*ab", "abab", true, true},
        {"*ab*ab", "aab", false, false},
        {"a**", "a", true, true},
        {"[", "{", false, false},
        {"*Z", "xyz", false, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const size_t size = strlen(cases[i].name);
        assert_int_equal(etw_name_fits(cases[i].pattern, cases[i].name, size, false),
                         cases[i].fits);
        assert_int_equal(etw_name_fits(cases[i].pattern, cases[i].name, size, true),
                         cases[i].fits_in_any_case);
    }
    assert_true(etw_name_fits("ab", "abc", 2, false)); /* no more than size is looked at */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unpacks_lznt1),
        cmocka_unit_test(patterns_fit_whole_names),
        cmocka_unit_test(guid_text_and_back),
        cmocka_unit_test(provider_guid_follows_from_its_name),
        cmocka_unit_test(utf16_becomes_escaped_utf8),
        cmocka_unit_test(ansi_is_utf8_where_valid_else_windows_1252),
        cmocka_unit_test(numbers_print_as_printf_does),
        cmocka_unit_test(numbers_of_each_length_print),
        cmocka_unit_test(bytes_of_each_number_print_in_hex),
        cmocka_unit_test(times_print_and_parse),
        cmocka_unit_test(clocks_convert_and_saturate),
        cmocka_unit_test(store_keeps_each_content_once),
        cmocka_unit_test(store_refuses_a_schema_above_the_limit),
        cmocka_unit_test(first_provider_name_stays),
        cmocka_unit_test(errors_read_from_the_outside_in),
        cmocka_unit_test(rename_replaces_and_a_failed_one_costs_nothing),
#ifndef _WIN32
        cmocka_unit_test(only_regular_files_are_replaced_and_removed),
#endif
        cmocka_unit_test(names_of_one_file_are_seen_to_be),
        cmocka_unit_test(long_names_are_names),
        cmocka_unit_test(limited_waits_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
