/* JSON read: what it is made of, what is refused and where. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "format/base/json_reader.h"

static etw_status read(etw_json_document *document, const char *json, char **copy, etw_error *error)
{
    *copy = malloc(strlen(json) + 1);
    memcpy(*copy, json, strlen(json) + 1);
    return etw_json_read(document, *copy, strlen(json), error);
}

static void members_and_elements_are_found(void **state)
{
    (void)state;
    char *copy;
    etw_json_document d = {0};
    assert_int_equal(
        read(&d, " {\"a\" : [1, -2.5e+3, true ,null], \"b\":{\"c\":\"x\"} } ", &copy, NULL),
        ETW_OK);
    const etw_json_value *one = etw_json_first(&d, etw_json_member(&d, &d.values[0], "a"));
    const etw_json_value *two = etw_json_next(&d, one);
    assert_int_equal(one->kind, ETW_JSON_NUMBER);
    assert_memory_equal(two->text, "-2.5e+3", two->text_size);
    assert_int_equal(etw_json_next(&d, two)->kind, ETW_JSON_TRUE);
    assert_null(etw_json_next(&d, etw_json_next(&d, etw_json_next(&d, two))));
    const etw_json_value *b = etw_json_member(&d, &d.values[0], "b");
    assert_true(etw_json_is_string(etw_json_member(&d, b, "c"), "x"));
    assert_null(etw_json_member(&d, b, "d"));
    assert_null(etw_json_member(&d, one, "d"));
    etw_json_document_free(&d);
    free(copy);
}

static void strings_are_decoded_and_written_back(void **state)
{
    (void)state;
    static const struct {
        const char *json, *decoded, *again;
    } rows[] = {
        {"\"a\\\"\\\\\\/\\n\\t\"", "a\"\\/\n\t", "a\\\"\\\\/\\n\\t"},
        {"\"\\u00e9\\u20AC\"", "\xC3\xA9\xE2\x82\xAC", "\xC3\xA9\xE2\x82\xAC"},
        {"\"\\ud83d\\ude00\"", "\xF0\x9F\x98\x80", "\xF0\x9F\x98\x80"},
        {"\"\\ud800x\"", "\xED\xA0\x80x", "\\ud800x"},
        {"\"\\ud800\\u0041\"",
         "\xED\xA0\x80"
         "A",
         "\\ud800A"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *copy;
        etw_text again = {0};
        etw_json_document d = {0};
        assert_int_equal(read(&d, rows[i].json, &copy, NULL), ETW_OK);
        assert_true(etw_json_is_string(&d.values[0], rows[i].decoded));
        etw_json_append_string(&again, d.values[0].text, d.values[0].text_size);
        assert_string_equal(etw_text_z(&again), rows[i].again);
        etw_text_free(&again);
        etw_json_document_free(&d);
        free(copy);
    }
}

static void what_is_no_json_is_refused_with_its_column(void **state)
{
    (void)state;
    static const struct {
        const char *json, *message;
    } rows[] = {
        {"", "column 1: a value is expected"},
        {"{\"a\":1,}", "column 8: the name of a member is expected"},
        {"{\"a\" 1}", "column 6: ':' is expected"},
        {"[1 2]", "column 4: ',' or ']' is expected"},
        {"{\"a\":1", "column 7: ',' or '}' is expected"},
        {"\"a", "column 3: the string has no end"},
        {"\"\\x\"", "column 3: this is no escape"},
        {"\"\xFF\"", "column 2: this is no UTF-8"},
        {"\"\n\"", "column 2: a control character in a string must be written as \\u00XX"},
        {"1 1", "column 3: more follows the value"},
        {"01", "column 3: a value is expected"},
        {"tru", "column 1: a value is expected"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *copy;
        etw_error error = {0};
        etw_json_document d = {0};
        assert_int_equal(read(&d, rows[i].json, &copy, &error), ETW_ERROR_DAMAGED);
        assert_string_equal(error.message, rows[i].message);
        etw_json_document_free(&d);
        free(copy);
    }
}

static void depth_is_bounded(void **state)
{
    (void)state;
    char text[2 * (ETW_JSON_MAX_DEPTH + 2)];
    for (uint32_t depth = ETW_JSON_MAX_DEPTH; depth <= ETW_JSON_MAX_DEPTH + 2; depth++) {
        etw_json_document d = {0};
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        assert_int_equal(etw_json_read(&d, text, 2 * depth, NULL),
                         depth <= ETW_JSON_MAX_DEPTH + 1 ? ETW_OK : ETW_ERROR_LIMIT);
        etw_json_document_free(&d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_and_elements_are_found),
        cmocka_unit_test(strings_are_decoded_and_written_back),
        cmocka_unit_test(what_is_no_json_is_refused_with_its_column),
        cmocka_unit_test(depth_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
