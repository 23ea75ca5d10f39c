/* The test kit: events from text, and checks of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "replay/testing.h"

#define ID "\"ProviderId\":\"{11111111-2222-3333-4444-555555555555}\",\"Id\":1"
static const char schema[] =
    "{\"Schema\":{" ID ",\"ProviderName\":\"P\",\"Properties\":["
    "{\"Name\":\"Count\",\"InType\":\"UINT32\"},{\"Name\":\"Name\",\"InType\":\"UNICODESTRING\"},"
    "{\"Name\":\"Left\",\"InType\":\"INT32\"},{\"Name\":\"Yes\",\"InType\":\"BOOLEAN\"}]}}\n";
static const char event_line[] =
    "{" ID ",\"EventProperties\":{\"Count\":7,\"Name\":\"a\",\"Left\":-3,\"Yes\":true},"
    "\"ExtendedInfo\":{\"SessionID\":2}}\n";

typedef struct seen {
    int count;
    etw_status answer;
} seen;

static etw_status on_event(const etw_event *event, void *context)
{
    seen *s = context;
    s->count++;
    assert_true(etw_test_property_is(event, "Name", "a"));
    assert_false(etw_test_property_is(event, "Name", "b"));
    assert_false(etw_test_property_is(event, "None", "b"));
    assert_true(etw_test_number_is(event, "Count", 7));
    assert_true(etw_test_number_is(event, "Left", -3));
    assert_true(etw_test_number_is(event, "Yes", 1));
    assert_false(etw_test_number_is(event, "Count", 8));
    assert_false(etw_test_number_is(event, "Name", 8));
    assert_string_equal(etw_event_provider_name(event), "P");
    assert_int_equal(etw_event_record_of(event)->ExtendedDataCount, 1);
    return s->answer;
}

static etw_status run(seen *s, const char *first, const char *second, etw_error *error)
{
    char text[2048];
    (void)snprintf(text, sizeof text, "%s%s%s", schema, first, second);
    return etw_test_run_text(text, on_event, s, error);
}

static void events_come_from_text(void **state)
{
    (void)state;
    seen s = {0};
    assert_int_equal(run(&s, event_line, "{\"Loss\":{\"Cause\":\"events lost by ETW\"}}", NULL),
                     ETW_OK);
    assert_int_equal(s.count, 1);
}

static void the_callback_ends_the_run(void **state)
{
    (void)state;
    seen s = {.answer = ETW_END};
    assert_int_equal(run(&s, event_line, event_line, NULL), ETW_OK);
    assert_int_equal(s.count, 1);
    s = (seen){.answer = ETW_ERROR_LIMIT};
    assert_int_equal(run(&s, event_line, event_line, NULL), ETW_ERROR_LIMIT);
}

static void a_wrong_text_is_told(void **state)
{
    (void)state;
    seen s = {0};
    etw_error error = {0};
    assert_int_equal(run(&s, event_line, "{" ID ",\"EventProperties\":{\"Count\":\"x\"}}", &error),
                     ETW_ERROR_INVALID_ARGUMENT);
    assert_string_equal(error.message, "text: line 3: column 90: Count: a number from 0 on that "
                                       "fits the type is expected");
    assert_int_equal(etw_test_run_text(NULL, on_event, &s, &error), ETW_ERROR_INVALID_ARGUMENT);
    assert_int_equal(etw_test_run_file("/no/such/file", on_event, &s, &error), ETW_ERROR_NOT_FOUND);
}

static etw_status note_event(const etw_event *event, void *context)
{
    int *count = context;
    ++*count;
    assert_true(etw_test_number_is(event, "Count", 9));
    assert_true(etw_test_property_is(event, "Name", "a \"b\""));
    assert_int_equal(etw_event_record_of(event)->EventHeader.ProcessId, 4711);
    return ETW_OK;
}

static void events_are_built_of_names_and_values(void **state)
{
    (void)state;
    etw_error error = {0};
    etw_test_trace *trace = NULL;
    int count = 0;
    assert_int_equal(etw_test_trace_new(&trace, NULL), ETW_OK);
    assert_int_equal(etw_test_trace_add_text(trace, schema, NULL), ETW_OK);
    assert_int_equal(etw_build_event(trace, "P", 1, "Yes", "true", "Count", "9", ".ProcessId",
                                     "4711", "Left", "0", "Name", "a \"b\"", NULL),
                     ETW_OK);
    assert_int_equal(etw_test_trace_run(trace, note_event, &count, NULL), ETW_OK);
    assert_int_equal(etw_test_trace_save(trace, "built.etwcap", true, NULL), ETW_OK);
    assert_int_equal(etw_test_run_file("built.etwcap", note_event, &count, NULL), ETW_OK);
    assert_int_equal(count, 2);
    assert_int_equal(etw_test_trace_save(trace, "built.etwcap", false, NULL), ETW_ERROR_EXISTS);
    assert_int_equal(remove("built.etwcap"), 0);
    assert_int_equal(
        etw_build_event(trace, "{11111111-2222-3333-4444-555555555555}", 1, "Count", "x", NULL),
        ETW_OK);
    assert_int_equal(etw_test_trace_run(trace, note_event, &count, &error),
                     ETW_ERROR_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "line 4"));
    assert_int_equal(etw_test_trace_save(trace, "built.etwcap", true, NULL),
                     ETW_ERROR_INVALID_ARGUMENT);
    assert_int_not_equal(remove("built.etwcap"), 0);
    etw_test_trace_free(trace);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_come_from_text),
        cmocka_unit_test(the_callback_ends_the_run),
        cmocka_unit_test(a_wrong_text_is_told),
        cmocka_unit_test(events_are_built_of_names_and_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
