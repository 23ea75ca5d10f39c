/* Stacks that come in events of their own, where more of them are in a trace than are kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "format/base/options.h"
#include "replay/replay.h"
#include "replay/testing.h"

#define FILE_NAME   "test_stacks.etwcap"
#define KEYED_NAME  "test_stacks_keyed.etwcap"
#define STACK_CLASS "def2fe46-7bd6-4b80-bd94-f57fe20d0ce3"
#define KEYS        5u
#define SAMPLES     200u
#define START       UINT64_C(132000000000000000)
#define SPACING     UINT64_C(10000)
#define THREAD      40u

static void add_line(etw_test_trace *trace, const char *class, unsigned opcode, uint64_t ticks,
                     const uint8_t *data, size_t size)
{
    char line[512], time[64], hex[128] = "";
    const uint64_t at = (ticks - START) / 10000; /* milliseconds of one minute */
    assert_true(size * 2 < sizeof hex && at < 60000);
    (void)snprintf(time, sizeof time, "2019-04-17T18:40:%02u.%03u0000Z", (unsigned)(at / 1000),
                   (unsigned)(at % 1000));
    for (size_t i = 0; i < size; i++) {
        (void)snprintf(hex + 2 * i, 3, "%02X", data[i]);
    }
    (void)snprintf(line, sizeof line,
                   "{\"TimeStamp\":\"%s\",\"ProviderId\":\"{%s}\",\"Opcode\":%u,\"Version\":2,"
                   "\"Flags\":320,\"ProcessId\":100,\"ThreadId\":%u,\"UserData\":\"%s\"}",
                   time, class, opcode, THREAD, hex);
    assert_int_equal(etw_test_trace_add_text(trace, line, NULL), ETW_OK);
}

static uint64_t address_of(uint32_t sample)
{
    return 0x10000 + sample;
}

static uint64_t keyed_address(uint32_t sample)
{
    return address_of(sample < SAMPLES / 2 ? sample % KEYS : SAMPLES / 2 + sample % KEYS);
}

/* A sample, and its stack, or the key of it, a millisecond later. */
static void add_sample(etw_test_trace *trace, uint32_t sample, unsigned opcode, uint64_t what)
{
    const uint64_t ticks = START + sample * 2 * SPACING;
    uint8_t data[32] = {0};
    etw_store_u32(data + 8, THREAD);
    add_line(trace, "ce1dbfb4-137e-4da6-87b0-3f59aa102cbc", 46, ticks, data, 16);
    etw_store_u64(data, ticks);
    etw_store_u32(data + 8, 100);
    etw_store_u32(data + 12, THREAD);
    etw_store_u64(data + 16, what);
    add_line(trace, STACK_CLASS, opcode, ticks + SPACING, data, 24);
}

static void define(etw_test_trace *trace, uint64_t key, unsigned opcode, uint32_t before,
                   uint64_t address)
{
    uint8_t data[16];
    etw_store_u64(data, key);
    etw_store_u64(data + 8, address);
    add_line(trace, STACK_CLASS, opcode, START + before * 2 * SPACING - SPACING / 2, data, 16);
}

static void save(etw_test_trace *trace, const char *name)
{
    assert_int_equal(etw_test_trace_save(trace, name, true, NULL), ETW_OK);
    etw_test_trace_free(trace);
}

/* Keys are reused: each stands for one stack in the first half, and for another after. */
static int setup(void **state)
{
    etw_test_trace *trace, *cached;
    (void)state;
    assert_int_equal(etw_test_trace_new(&trace, NULL), ETW_OK);
    assert_int_equal(etw_test_trace_new(&cached, NULL), ETW_OK);
    for (uint32_t i = 0; i < SAMPLES; i++) {
        add_sample(trace, i, 32, address_of(i));
        for (uint32_t key = 0; i == SAMPLES / 2 && key < KEYS; key++) {
            define(cached, key, 35, i, keyed_address(key));
        }
        add_sample(cached, i, 38, i % KEYS);
    }
    for (uint32_t key = 0; key < KEYS; key++) {
        define(cached, key, 36, SAMPLES, keyed_address(key + SAMPLES / 2));
    }
    save(trace, FILE_NAME);
    save(cached, KEYED_NAME);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return remove(FILE_NAME) | remove(KEYED_NAME);
}

typedef struct file {
    const char *name;
    uint64_t (*address)(uint32_t sample);
} file;
static const file plain = {FILE_NAME, address_of}, keyed = {KEYED_NAME, keyed_address};

/* How many samples of the file have their own stack. */
static uint32_t stacks_found(const file *of, etw_replay_options options, uint64_t *dropped)
{
    etw_replay *replay;
    const etw_event *event;
    uint32_t samples = 0, found = 0;
    options.stacks = true;
    assert_int_equal(etw_replay_open(of->name, &options, &replay, NULL), ETW_OK);
    while (etw_replay_next(replay, &event, NULL) == ETW_OK) {
        const etw_event_stack *stack = etw_event_stack_of(event);
        if (etw_event_record_of(event)->EventHeader.EventDescriptor.Opcode != 46) {
            continue;
        }
        if (stack != NULL) {
            assert_int_equal(stack->user_count, 1);
            assert_int_equal(stack->user[0], of->address(samples % SAMPLES));
            found++;
        }
        samples++;
    }
    etw_replay_totals totals;
    etw_replay_get_totals(replay, &totals);
    *dropped = totals.dropped_stacks;
    etw_replay_close(replay);
    return found;
}

static void stacks_beyond_the_limit_are_read_when_their_events_come(void **state)
{
    (void)state;
    static const etw_stacks_limits limits[] = {{0, 0}, {50, 0}, {8, 0}, {3, 0}, {0, 67000}};
    for (size_t i = 0; i < ETW_COUNT_OF(limits); i++) {
        uint64_t dropped;
        const etw_replay_options options = {.stacks_limits = limits[i]};
        assert_int_equal(stacks_found(&plain, options, &dropped), SAMPLES);
        assert_int_equal(dropped, 0);
        assert_int_equal(stacks_found(&keyed, options, &dropped), SAMPLES);
        assert_int_equal(dropped, 0);
    }
}

static void a_second_round_begins_with_the_first_stacks(void **state)
{
    (void)state;
    uint64_t dropped;
    const etw_replay_options options = {.stacks_limits = {8, 0}, .faults = {.rounds = 2}};
    assert_int_equal(stacks_found(&plain, options, &dropped), 2 * SAMPLES);
    assert_int_equal(stacks_found(&keyed, options, &dropped), 2 * SAMPLES);
}

/* Whoever does not forget keeps what fitted. */
static void what_does_not_fit_is_counted(void **state)
{
    (void)state;
    const etw_trace trace = {.pointer_size = 8, .clock = {.type = ETW_CLOCK_SYSTEM_TIME}};
    etw_stacks *stacks = etw_stacks_new(&(etw_stacks_limits){.stacks = 4});
    assert_non_null(stacks);
    uint32_t fitted = 0;
    for (uint32_t i = 0; i < 20; i++) {
        uint8_t data[24];
        etw_event_record record = {.UserData = data, .UserDataLength = sizeof data};
        const uint64_t ticks = START + i * SPACING;
        assert_true(etw_guid_parse(STACK_CLASS, &record.EventHeader.ProviderId));
        record.EventHeader.Flags = ETW_FLAG_CLASSIC_HEADER | ETW_FLAG_64_BIT_HEADER;
        record.EventHeader.EventDescriptor.Opcode = 32;
        record.EventHeader.TimeStamp = (int64_t)ticks + 1;
        etw_store_u64(data, ticks);
        etw_store_u32(data + 8, 100);
        etw_store_u32(data + 12, THREAD);
        etw_store_u64(data + 16, address_of(i));
        fitted += etw_stacks_is_full(stacks) ? 0 : 1;
        assert_true(etw_stacks_feed(stacks, &record, &trace));
    }
    assert_true(etw_stacks_is_full(stacks));
    assert_true(etw_stacks_dropped(stacks) > 0 && etw_stacks_dropped(stacks) <= 20 - fitted);
    assert_false(etw_stacks_forget(stacks, (int64_t)START));
    assert_true(etw_stacks_forget(stacks, INT64_MAX));
    assert_false(etw_stacks_is_full(stacks));
    etw_stacks_free(stacks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stacks_beyond_the_limit_are_read_when_their_events_come),
        cmocka_unit_test(a_second_round_begins_with_the_first_stacks),
        cmocka_unit_test(what_does_not_fit_is_counted),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
