/* JSON written one call a value: commas, names, escapes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "format/output/json_writer.h"

static void values_are_separated_and_escaped(void **state)
{
    (void)state;
    static const uint8_t utf16[] = {'h', 0, '"', 0};
    etw_text text = {0};
    etw_text elements = {0};
    etw_json_u64(&elements, NULL, 1);
    etw_json_string(&elements, NULL, "[");
    etw_json_u64(&elements, NULL, 2);
    etw_json_open(&text, NULL, '{');
    etw_json_string(&text, "a", "x\"\n{");
    etw_json_string_if_any(&text, "none", "");
    etw_json_time_if_any(&text, "never", 0);
    etw_json_open(&text, "list", '[');
    etw_json_open(&text, NULL, '{');
    etw_json_close(&text, '}');
    etw_json_i64(&text, NULL, -1);
    etw_json_close(&text, ']');
    etw_json_flag(&text, "flag", true);
    etw_json_utf16(&text, "wide", (etw_bytes){utf16, sizeof utf16});
    etw_json_printf(&text, "version", "%u.%u", 1u, 0u);
    etw_json_list_of(&text, "of", &elements);
    etw_json_close(&text, '}');
    etw_text_append_char(&text, '\n');
    etw_json_open(&text, NULL, '{');
    etw_json_close(&text, '}');
    assert_string_equal(etw_text_z(&text),
                        "{\"a\":\"x\\\"\\n{\",\"list\":[{},-1],\"flag\":true,\"wide\":\"h\\\"\","
                        "\"version\":\"1.0\",\"of\":[1,\"[\",2]}\n{}");
    etw_text_free(&text);
    etw_text_free(&elements);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(values_are_separated_and_escaped)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
