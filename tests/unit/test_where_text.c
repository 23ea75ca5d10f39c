/* What is looked for in bytes is found wherever it stands, whatever its case. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "format/query/where_tree.h"

static bool contains(const char *bytes, size_t size, const char *part)
{
    return etw_where_bytes_contain((etw_bytes){(const uint8_t *)bytes, size},
                                   (etw_where_slice){part, strlen(part)});
}

static void a_part_is_found_at_each_place(void **state)
{
    (void)state;
    static const char *const parts[] = {"a", "aB", "Abc", "7", "_x_", "Aab"};
    static const char narrow[] = "aAbBcC", fillers[] = {'.', 'a', 'A', '\0'};
    for (size_t p = 0; p < sizeof parts / sizeof parts[0]; p++) {
        const size_t length = strlen(parts[p]);
        for (size_t at = 0; at < 70; at++) {
            for (size_t width = 1; width <= 2; width++) {
                char bytes[80] = {0};
                for (size_t i = 0; i < length; i++) {
                    bytes[at + i * width] = parts[p][i];
                }
                const size_t end = at + length * width;
                assert_true(contains(bytes, end, parts[p]));
                assert_true(contains(bytes, sizeof bytes, parts[p]));
                bytes[at] =
                    (char)(bytes[at] ^ 0x20); /* the other case; of no letter another sign */
                assert_int_equal(contains(bytes, end, parts[p]),
                                 parts[p][0] >= 'A' && parts[p][0] != '_');
                assert_false(contains(bytes, end - width, parts[p]));
            }
        }
    }
    assert_true(contains(narrow, 6, "ABBC"));
    for (size_t f = 0; f < sizeof fillers; f++) {
        char bytes[64];
        memset(bytes, fillers[f], sizeof bytes);
        assert_false(contains(bytes, sizeof bytes, "ab"));
        bytes[63] = 'B';
        assert_int_equal(contains(bytes, sizeof bytes, "ab"),
                         fillers[f] == 'a' || fillers[f] == 'A');
    }
    assert_false(contains("", 0, "a"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_part_is_found_at_each_place)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
