/* The kernel's own events of what runs: kept, found by process, told again as they were. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "format/event/extended.h"
#include "recorder/rundown/kernel_rundown.h"
#include "recorder/rundown/rundown_events.h"

static const uint8_t system_sid[] = {1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0};

/* As the kernel logs them: the recorder's own events have the same layouts. */
static void make(etw_buffer *events)
{
    const etw_rundown_process_facts processes[] = {
        {.process_id = 900,
         .parent_id = 4,
         .sid = {system_sid, sizeof system_sid},
         .name = "b.exe"},
        {.process_id = 42, .parent_id = 900, .name = "a.exe"}};
    const etw_rundown_image_facts images[] = {
        {42, 0x1000, 0x3000, "\\Device\\x\\\xC3\xBC.dll", NULL},
        {0, 0xFFFFF80000000000, 0x100, "nt", NULL},
        {42, 0x8000, 0x2000, "second", NULL}};
    for (size_t i = 0; i < 3; i++) {
        etw_rundown_events_image(events, &images[i]);
        if (i < 2) {
            etw_rundown_process_facts facts = processes[i];
            facts.command_line = "";
            etw_rundown_events_process(events, &facts);
        }
    }
    assert_false(events->failed);
}

static void keep_all(const etw_buffer *events, etw_kernel_rundown *rundown)
{
    etw_bytes left = etw_buffer_bytes(events);
    etw_rundown_event event;
    while (etw_rundown_events_next(&left, &event)) {
        event.record.EventHeader.TimeStamp = 77;
        event.record.BufferContext.LoggerId = 3;
        assert_true(etw_kernel_rundown_add(rundown, &event.record));
    }
    assert_true(etw_kernel_rundown_sort(rundown));
}

static void assert_text(const etw_kernel_rundown *rundown, const etw_kernel_record *record,
                        const char *expected)
{
    etw_text text = {0};
    etw_kernel_rundown_append_text(rundown, record, &text);
    assert_string_equal(etw_text_z(&text), expected);
    etw_text_free(&text);
}

static void a_process_comes_before_its_images(void **unused)
{
    (void)unused;
    etw_buffer events = {0};
    etw_kernel_rundown rundown = {.bytes = {0}};
    size_t count = 0;
    make(&events);
    keep_all(&events, &rundown);
    (void)etw_kernel_rundown_all(&rundown, &count);
    assert_int_equal(count, 5);
    const etw_kernel_record *found = etw_kernel_rundown_of(&rundown, 42, &count);
    assert_int_equal(count, 3);
    assert_false(found[0].is_image);
    assert_int_equal(found[0].parent_id, 900);
    assert_text(&rundown, &found[0], "a.exe");
    assert_int_equal(found[1].base, 0x1000);
    assert_int_equal(found[1].size, 0x3000);
    assert_text(&rundown, &found[1], "\\Device\\x\\\xC3\xBC.dll");
    assert_text(&rundown, &found[2], "second");
    assert_text(&rundown, etw_kernel_rundown_of(&rundown, 900, &count), "b.exe"); /* behind a SID */
    assert_true(etw_kernel_rundown_of(&rundown, 0, &count)->is_image);
    assert_null(etw_kernel_rundown_of(&rundown, 43, &count));
    assert_int_equal(count, 0);
    etw_kernel_rundown_free(&rundown);
    etw_buffer_free(&events);
}

static void they_are_told_again_as_they_were(void **unused)
{
    (void)unused;
    etw_buffer events = {0}, again = {0};
    etw_kernel_rundown rundown = {.bytes = {0}};
    etw_rundown_event event;
    size_t count = 0;
    make(&events);
    keep_all(&events, &rundown);
    const etw_kernel_record *process = etw_kernel_rundown_of(&rundown, 42, &count);
    etw_rundown_events_kernel(&again, etw_kernel_rundown_event(&rundown, process), 0x1234567890);
    etw_rundown_events_kernel(&again, etw_kernel_rundown_event(&rundown, process + 1), 0);
    etw_rundown_events_kernel(&again, (etw_bytes){(const uint8_t *)"short", 5}, 0); /* left out */
    etw_bytes left = etw_buffer_bytes(&again);
    assert_true(etw_rundown_events_next(&left, &event));
    uint64_t start_key = 0;
    assert_true(etw_record_process_start_key(&event.record, &start_key));
    assert_int_equal(start_key, 0x1234567890);
    assert_int_equal(event.record.EventHeader.TimeStamp, 77);
    assert_int_equal(event.record.EventHeader.EventDescriptor.Opcode, 3);
    assert_int_equal(event.record.BufferContext.LoggerId, ETW_RUNDOWN_KERNEL_LOGGER_ID);
    assert_true(etw_rundown_events_next(&left, &event));
    assert_int_equal(event.record.ExtendedDataCount, 0);
    assert_int_equal(event.record.EventHeader.Flags & ETW_FLAG_EXTENDED_INFO, 0);
    assert_false(etw_rundown_events_next(&left, &event));
    etw_kernel_rundown_free(&rundown);
    etw_buffer_free(&again);
    etw_buffer_free(&events);
}

/* Cut at any byte, of another opcode, class or version: not kept, or kept with a text that ends. */
static void what_is_not_whole_is_not_kept(void **unused)
{
    (void)unused;
    etw_buffer events = {0};
    make(&events);
    etw_bytes left = etw_buffer_bytes(&events);
    etw_rundown_event event;
    while (etw_rundown_events_next(&left, &event)) {
        const etw_event_record whole = event.record;
        for (uint16_t size = 0; size < whole.UserDataLength; size++) {
            etw_kernel_rundown rundown = {.bytes = {0}};
            etw_text text = {0};
            size_t count = 0;
            etw_event_record cut = whole;
            cut.UserDataLength = size;
            cut.EventHeader.Flags = size % 2 == 0 ? ETW_FLAG_32_BIT_HEADER : ETW_FLAG_64_BIT_HEADER;
            if (etw_kernel_rundown_add(&rundown, &cut)) {
                etw_kernel_rundown_append_text(&rundown, etw_kernel_rundown_all(&rundown, &count),
                                               &text);
                assert_int_equal(count, 1);
            }
            etw_text_free(&text);
            etw_kernel_rundown_free(&rundown);
        }
        etw_kernel_rundown rundown = {.bytes = {0}};
        etw_event_record other = whole;
        other.EventHeader.EventDescriptor.Opcode = 4;
        assert_false(etw_kernel_rundown_add(&rundown, &other));
        other = whole;
        other.EventHeader.EventDescriptor.Version = 1;
        assert_false(etw_kernel_rundown_add(&rundown, &other));
        other = whole;
        other.EventHeader.ProviderId.Data1++;
        assert_false(etw_kernel_rundown_add(&rundown, &other));
    }
    etw_buffer_free(&events);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_process_comes_before_its_images),
                                       cmocka_unit_test(they_are_told_again_as_they_were),
                                       cmocka_unit_test(what_is_not_whole_is_not_kept)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
