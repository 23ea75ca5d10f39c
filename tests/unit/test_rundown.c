/* The rundown: made, read back, asked for images, and fed what breaks its own sizes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "format/event/rundown.h"

static etw_bytes make(etw_text *blob)
{
    etw_rundown_writer writer;
    etw_rundown_begin(&writer, blob);
    etw_rundown_process(&writer, 0, 0, 0, "System");
    etw_rundown_image(&writer, 0xFFFFF80000000000u, 0x1000, "\\SystemRoot\\ntoskrnl.exe");
    etw_rundown_process(&writer, 42, 4, 132404548306935923, "C:\\a\\b.exe");
    etw_rundown_image(&writer, 0x7FF800000000u, 0x2000, "C:\\Windows\\ntdll.dll");
    etw_rundown_image(&writer, 0x400000, 0x1000, "C:\\a\\b.exe");
    assert_false(blob->failed);
    return etw_text_bytes(blob);
}

static void addresses_become_image_and_offset(void **state)
{
    (void)state;
    static const struct {
        uint32_t process_id;
        uint64_t address;
        const char *symbol; /* NULL: no image holds it */
    } rows[] = {
        {42, 0x400010, "b.exe+0x10"},
        {42, 0x7FF800001FFFu, "ntdll.dll+0x1FFF"},
        {42, 0x7FF800002000u, NULL},
        {42, 0x3FFFFF, NULL},
        {42, 0xFFFFF80000000004u, "ntoskrnl.exe+0x4"},
        {7, 0x400010, NULL},
        {7, 0xFFFFF80000000FFFu, "ntoskrnl.exe+0xFFF"},
    };
    etw_text blob = {0};
    etw_rundown *rundown = etw_rundown_new();
    assert_int_equal(etw_rundown_add(rundown, make(&blob), NULL), ETW_OK);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        etw_text text = {0};
        const bool found = etw_rundown_append_symbol(rundown, rows[i].process_id, rows[i].address,
                                                     ETW_ESCAPE_NONE, &text);
        assert_int_equal(found, rows[i].symbol != NULL);
        assert_string_equal(etw_text_z(&text), found ? rows[i].symbol : "");
        etw_text_free(&text);
    }
    etw_rundown_free(rundown);
    etw_text_free(&blob);
}

static void a_process_told_of_again_replaces_what_was_known(void **state)
{
    (void)state;
    etw_text blob = {0}, later = {0};
    etw_rundown *rundown = etw_rundown_new();
    assert_int_equal(etw_rundown_add(rundown, make(&blob), NULL), ETW_OK);
    etw_rundown_writer writer;
    etw_rundown_begin(&writer, &later);
    etw_rundown_process(&writer, 42, 4, 1, "C:\\other.exe");
    const etw_bytes bytes = etw_text_bytes(&later);
    assert_int_equal(etw_rundown_add(rundown, bytes, NULL), ETW_OK);
    assert_int_equal(etw_rundown_count(rundown), 2);
    assert_int_equal(etw_rundown_find(rundown, 42)->start_time_100ns, 1);
    assert_null(etw_rundown_image_of(rundown, 42, 0x400010));
    assert_null(etw_rundown_at(rundown, 2));
    etw_rundown_free(rundown);
    etw_text_free(&later);
    etw_text_free(&blob);
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    etw_text blob = {0};
    const etw_bytes whole = make(&blob);
    for (size_t size = 0; size < whole.size; size++) {
        etw_rundown *rundown = etw_rundown_new();
        const etw_bytes cut = {whole.data, size};
        assert_int_equal(etw_rundown_add(rundown, cut, NULL), ETW_ERROR_DAMAGED);
        etw_rundown_free(rundown);
    }
    etw_text_free(&blob);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_become_image_and_offset),
        cmocka_unit_test(a_process_told_of_again_replaces_what_was_known),
        cmocka_unit_test(every_truncation_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
