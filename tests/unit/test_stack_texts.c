/* What an output keeps of call stacks: names are asked for once, and again where they may differ.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "format/output/output.h"

/* Names change every 10 units of time, and with the process. */
static bool append_name(const void *context, const etw_address *address, etw_time_span *same,
                        etw_text *text)
{
    const int64_t life = etw_event_time_100ns(address->event) / 10;
    ++*(uint32_t *)(uintptr_t)context;
    *same = (etw_time_span){life * 10, life * 10 + 9};
    etw_text_printf(text, "p%u-%d+0x%x", address->process_id, (int)life, (unsigned)address->value);
    return true;
}

typedef struct bench {
    uint32_t asked; /* for names */
    etw_address_namer namer;
    etw_trace trace;
    etw_event_maker *maker;
    const etw_output_format *format;
    etw_output *output;
    etw_text text;
} bench;

static void begin(bench *b, const char *format)
{
    *b = (bench){.trace = {.pointer_size = 8}};
    b->namer = (etw_address_namer){.context = &b->asked, .append = append_name};
    b->format = etw_output_find(format);
    b->maker = etw_event_maker_new(false);
    b->output = b->format->open(&(etw_output_options){.namer = &b->namer, .stack_events = true});
    assert_true(b->maker != NULL && b->output != NULL);
}

static void end(bench *b)
{
    b->format->close(b->output);
    etw_event_maker_free(b->maker);
    etw_text_free(&b->text);
}

/* The text of an event with a joined stack of those addresses, the first in the kernel. */
static const char *joined(bench *b, int64_t time, uint32_t process_id, const uint64_t *addresses,
                          uint32_t count)
{
    const etw_event_record record = {.EventHeader.TimeStamp = time};
    const etw_event_stack stack = {.process_id = process_id,
                                   .kernel = addresses,
                                   .kernel_count = 1,
                                   .user = addresses + 1,
                                   .user_count = count - 1};
    const etw_event *event = etw_event_make(b->maker, &record, &b->trace, NULL, NULL);
    etw_event_set_stack(b->maker, &stack);
    etw_text_clear(&b->text);
    b->format->event(b->output, event, &b->text);
    return etw_text_z(&b->text);
}

static void names_are_asked_for_once_while_they_hold(void **state)
{
    (void)state;
    static const char *const formats[] = {"json", "text", "xml", "csv"};
    static const uint64_t addresses[] = {0x11, 0x22};
    static const struct {
        int64_t time;
        uint32_t process_id;
        const char *name;
        bool is_asked;
    } rows[] = {{3, 7, "p7-0+0x22", true},  {9, 7, "p7-0+0x22", false},  {10, 7, "p7-1+0x22", true},
                {10, 8, "p8-1+0x22", true}, {19, 8, "p8-1+0x22", false}, {3, 7, "p7-0+0x22", true}};
    for (size_t f = 0; f < sizeof formats / sizeof formats[0]; f++) {
        bench b;
        begin(&b, formats[f]);
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            const uint32_t before = b.asked;
            const char *text = joined(&b, rows[i].time, rows[i].process_id, addresses, 2);
            if (strstr(text, rows[i].name) == NULL || (b.asked != before) != rows[i].is_asked) {
                fail_msg("%s, row %u: %s", formats[f], (unsigned)i, text);
            }
        }
        end(&b);
    }
}

/* As many as are forgotten again and again; each is as it would be without memory of any. */
static void more_stacks_than_are_kept_are_right(void **state)
{
    (void)state;
    enum { DEPTH = 192, STACKS = 3000 };
    bench b;
    begin(&b, "json");
    for (uint32_t i = 0; i < 2 * STACKS; i++) {
        uint64_t addresses[DEPTH];
        char last[64];
        for (uint32_t k = 0; k < DEPTH; k++) {
            addresses[k] = k + 1;
        }
        addresses[DEPTH - 1] = 0x100000 + i % STACKS;
        (void)snprintf(last, sizeof last, "p7-0+0x%x\"]}}}", 0x100000 + (unsigned)(i % STACKS));
        assert_non_null(strstr(joined(&b, 1, 7, addresses, DEPTH), last));
    }
    end(&b);
}

/* Equal addresses, told in another way. */
static void where_a_stack_came_from_matters(void **state)
{
    (void)state;
    static uint64_t item[] = {5, 0x11, 0x22};
    etw_extended_data_item extended = {0, ETW_EXT_STACK_TRACE64, 0, sizeof item,
                                       (uint64_t)(uintptr_t)item};
    const etw_event_record record = {
        .EventHeader.ProcessId = 7, .ExtendedDataCount = 1, .ExtendedData = &extended};
    bench b;
    begin(&b, "json");
    assert_non_null(
        strstr(joined(&b, 1, 7, item + 1, 2), "{\"StackTrace\":{\"Addresses\":[\"0x11\""));
    assert_non_null(
        strstr(joined(&b, 1, 7, item + 1, 1), "\"Missing\":\"the process' part\",\"Addr"));
    const etw_event *event = etw_event_make(b.maker, &record, &b.trace, NULL, NULL);
    etw_text_clear(&b.text);
    b.format->event(b.output, event, &b.text);
    assert_non_null(strstr(etw_text_z(&b.text), "{\"MatchId\":5,\"Addresses\":[\"0x11\""));
    end(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_asked_for_once_while_they_hold),
        cmocka_unit_test(more_stacks_than_are_kept_are_right),
        cmocka_unit_test(where_a_stack_came_from_matters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
