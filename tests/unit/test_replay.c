/* The consumer API over a recorded file: loops, filters, stopping, pacing, expiry. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "format/output/output.h"
#include "format/query/where.h"
#include "replay/replay.h"
#include "tests/support/faulty_os.h"
#include "tests/support/sample.h"

#define EVENTS 200u

static int set_up(void **state)
{
    etw_error error;
    faulty_os *os = faulty_os_new();
    *state = os;
    if (os == NULL || sample_write(faulty_os_table(os), "mem:a", EVENTS, NULL, &error) != ETW_OK) {
        return -1;
    }
    return 0;
}

static etw_replay *open_with(faulty_os *os, etw_replay_options options)
{
    etw_replay *replay = NULL;
    etw_error error;
    options.os = faulty_os_table(os);
    if (etw_replay_open("mem:a", &options, &replay, &error) != ETW_OK) {
        fail_msg("%s", error.message);
    }
    return replay;
}

static etw_status count_event(const etw_event *event, void *context)
{
    sample_event expected;
    uint32_t *count = context;
    const etw_event_record *record = etw_event_record_of(event);
    sample_make_event(*count, &expected);
    expected.record.EventHeader.TimeStamp = record->EventHeader.TimeStamp;
    assert_true(sample_equal(record, &expected.record));
    assert_int_equal(record->EventHeader.TimeStamp, etw_event_time_100ns(event));
    ++*count;
    return ETW_OK;
}

static void test_process_delivers_all_events_in_order(void **state)
{
    uint32_t count = 0;
    etw_replay_totals totals;
    etw_replay *replay = open_with(*state, (etw_replay_options){0});
    assert_false(etw_replay_is_etl(replay));
    assert_int_equal(etw_replay_process(replay, count_event, &count, NULL), ETW_OK);
    assert_int_equal(count, EVENTS);
    etw_replay_get_totals(replay, &totals);
    assert_int_equal(totals.events, EVENTS);
    etw_replay_close(replay);
}

static void test_raw_time_is_what_was_recorded(void **state)
{
    const etw_event *event;
    sample_event expected;
    etw_replay *replay = open_with(*state, (etw_replay_options){.raw_time = true});
    for (uint32_t i = 0; i < EVENTS; i++) {
        assert_int_equal(etw_replay_next(replay, &event, NULL), ETW_OK);
        sample_make_event(i, &expected);
        assert_true(sample_equal(etw_event_record_of(event), &expected.record));
        assert_int_equal(etw_replay_trace_index(replay), i % 2);
    }
    assert_int_equal(etw_replay_next(replay, &event, NULL), ETW_END);
    assert_null(event);
    etw_replay_close(replay);
}

static const etw_event *kept;

static etw_status keep_event(const etw_event *event, void *context)
{
    (void)context;
    kept = event;
    assert_non_null(etw_event_record_of(event));
    return ETW_END;
}

static void test_an_event_expires_with_its_callback(void **state)
{
    etw_replay *replay = open_with(*state, (etw_replay_options){0});
    assert_int_equal(etw_replay_process(replay, keep_event, NULL, NULL), ETW_OK);
    assert_null(etw_event_record_of(kept));
    assert_int_equal(etw_event_walk(kept, NULL, NULL, NULL), ETW_ERROR_EXPIRED);
    etw_replay_close(replay);
}

static etw_status stop_at_ten(const etw_event *event, void *context)
{
    static uint32_t seen;
    (void)event;
    if (++seen == 10) {
        etw_replay_stop(context);
    }
    assert_true(seen <= 10);
    return ETW_OK;
}

static void test_stop_ends_the_loop_well(void **state)
{
    etw_replay *replay = open_with(*state, (etw_replay_options){0});
    assert_int_equal(etw_replay_process(replay, stop_at_ten, replay, NULL), ETW_OK);
    etw_replay_close(replay);
}

static void test_stop_ends_a_loop_of_next_calls(void **state)
{
    const etw_event *event;
    etw_replay *replay = open_with(*state, (etw_replay_options){0});
    assert_int_equal(etw_replay_next(replay, &event, NULL), ETW_OK);
    etw_replay_stop(replay);
    assert_int_equal(etw_replay_next(replay, &event, NULL), ETW_END);
    assert_null(event);
    etw_replay_close(replay);
}

static etw_status refuse(const etw_event *event, void *context)
{
    (void)event;
    (void)context;
    return ETW_ERROR_UNSUPPORTED;
}

static void test_a_callback_ends_the_loop_with_its_own_status(void **state)
{
    etw_replay *replay = open_with(*state, (etw_replay_options){0});
    assert_int_equal(etw_replay_process(replay, refuse, NULL, NULL), ETW_ERROR_UNSUPPORTED);
    etw_replay_close(replay);
}

static uint32_t count_with(faulty_os *os, etw_replay_options options)
{
    const etw_event *event;
    uint32_t count = 0;
    etw_replay *replay = open_with(os, options);
    while (etw_replay_next(replay, &event, NULL) == ETW_OK) {
        count++;
    }
    etw_replay_close(replay);
    return count;
}

static uint32_t expected_with(bool (*wants)(const sample_event *event))
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < EVENTS; i++) {
        sample_event event;
        sample_make_event(i, &event);
        count += wants(&event) ? 1 : 0;
    }
    return count;
}

static bool is_first_provider(const sample_event *event)
{
    const etw_guid provider = sample_provider(0);
    return etw_guid_equal(&event->record.EventHeader.ProviderId, &provider);
}

static bool is_mild(const sample_event *event)
{
    return event->record.EventHeader.EventDescriptor.Level <= 3;
}

static void test_filters_choose(void **state)
{
    const etw_guid provider = sample_provider(0);
    etw_replay_options by_provider = {.filter = {.providers = &provider, .provider_count = 1}};
    etw_replay_options by_level = {.filter = {.has_level = true, .max_level = 3}};
    etw_replay_options by_time = {
        .filter = {.has_since = true,
                   .since_100ns = SAMPLE_FIRST_TIME + 50 * SAMPLE_STEP_100NS,
                   .has_until = true,
                   .until_100ns = SAMPLE_FIRST_TIME + 60 * SAMPLE_STEP_100NS}};
    etw_replay_options first = {.head = 7};
    assert_int_equal(count_with(*state, by_provider), expected_with(is_first_provider));
    assert_int_equal(count_with(*state, by_level), expected_with(is_mild));
    assert_int_equal(count_with(*state, by_time), 10);
    assert_int_equal(count_with(*state, first), 7);
}

/* Events that pass, and blocks that were read for them. */
static uint64_t count_where(faulty_os *os, const char *text, uint64_t *blocks)
{
    etw_where *where;
    etw_replay *replay;
    etw_replay_totals totals;
    etw_reader_counts counts;
    const etw_event *event;
    assert_int_equal(etw_where_compile(text, &where, NULL), ETW_OK);
    const etw_replay_options options = {.os = faulty_os_table(os), .filter = {.where = where}};
    assert_int_equal(etw_replay_open("mem:long", &options, &replay, NULL), ETW_OK);
    etw_where_free(where); /* the replay has its own */
    while (etw_replay_next(replay, &event, NULL) == ETW_OK) {
    }
    etw_replay_get_totals(replay, &totals);
    etw_reader_get_counts(etw_replay_source(replay), &counts);
    *blocks = counts.blocks_read;
    etw_replay_close(replay);
    return totals.events;
}

/* 5000 events, a millisecond apart from SAMPLE_FIRST_TIME, 2020-11-16T11:33:20Z, of three
 * providers. */
static void test_an_expression_skips_blocks_by_time_and_provider(void **state)
{
    static const struct {
        const char *text;
        uint64_t events;
        uint64_t tenths; /* of the blocks that may be read, at most */
    } rows[] = {
        {"Id < 100", 5000, 10},
        {"TimeStamp >= +4.95s", 50, 3},
        {"TimeStamp > -49ms", 49, 3},
        {"TimeStamp < +100ms and Id >= 0", 100, 3},
        {"TimeStamp < +100ms or TimeStamp >= +4.95s", 150, 10}, /* not by a range */
        {"TimeStamp < 2020-11-16T11:33:20.1Z", 100, 3},
        {"TimeStamp < 2019-01-01", 0, 2},
        {"ProviderId == {11111111-2222-3333-0405-060708090a0b}", 1667, 10},
        {"ProviderId == {99999999-2222-3333-0405-060708090a0b}", 0, 2},
        {"Id == 3 and not (ProviderId == {99999999-2222-3333-0405-060708090a0b} or Id == 1)", 455,
         10},
        {"ProviderName == nobody", 0, 2},
        {"ProviderName like 'nob*' and Id == 3", 0, 2},
        {"not ProviderName contains ''", 0, 2},
    };
    uint64_t all;
    assert_int_equal(sample_write(faulty_os_table(*state), "mem:long", 5000, NULL, NULL), ETW_OK);
    assert_int_equal(count_where(*state, "Id >= 0", &all), 5000);
    assert_true(all > 20);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t blocks;
        const uint64_t events = count_where(*state, rows[i].text, &blocks);
        if (events != rows[i].events || blocks > all * rows[i].tenths / 10) {
            fail_msg("%s: %u events, %u of %u blocks", rows[i].text, (unsigned)events,
                     (unsigned)blocks, (unsigned)all);
        }
    }
}

/* Blocks that are read to deliver the last events, whose numbers the index gives. */
static void test_the_last_events_are_found_from_the_end(void **state)
{
    static const struct {
        const char *text; /* NULL: no filter */
        uint64_t tail, events;
        uint64_t tenths; /* of the blocks that may be read, at most */
    } rows[] = {{NULL, 1, 1, 2},        {NULL, 100, 100, 2},       {NULL, 6000, 5000, 10},
                {"Id == 3", 10, 10, 2}, {"Id == 3", 900, 455, 10}, {"Id == 99", 1, 0, 2}};
    uint64_t all;
    assert_int_equal(sample_write(faulty_os_table(*state), "mem:long", 5000, NULL, NULL), ETW_OK);
    assert_int_equal(count_where(*state, "Id >= 0", &all), 5000);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        etw_where *where = NULL;
        etw_replay *replay;
        etw_reader_counts counts;
        const etw_event *event;
        uint64_t events = 0;
        if (rows[i].text != NULL) {
            assert_int_equal(etw_where_compile(rows[i].text, &where, NULL), ETW_OK);
        }
        const etw_replay_options options = {.os = faulty_os_table(*state),
                                            .filter = {.where = where},
                                            .selection = {.tail = rows[i].tail}};
        assert_int_equal(etw_replay_open("mem:long", &options, &replay, NULL), ETW_OK);
        etw_where_free(where);
        while (etw_replay_next(replay, &event, NULL) == ETW_OK) {
            events++;
        }
        etw_reader_get_counts(etw_replay_source(replay), &counts);
        assert_int_equal(events, rows[i].events);
        assert_true(counts.blocks_read <= all * rows[i].tenths / 10);
        etw_replay_close(replay);
    }
}

static void note_loss(void *context, const etw_loss *loss)
{
    uint32_t *causes = context;
    *causes |= 1u << loss->cause;
}

static void test_losses_are_told_in_their_place(void **state)
{
    const etw_event *event;
    uint32_t causes = 0;
    etw_replay_totals totals;
    etw_replay *replay =
        open_with(*state, (etw_replay_options){.loss = note_loss, .loss_context = &causes});
    for (uint32_t i = 0; i < EVENTS; i++) {
        assert_int_equal(etw_replay_next(replay, &event, NULL), ETW_OK);
        assert_int_equal(causes != 0, i >= 10); /* the sample has its loss before event 10 */
    }
    etw_replay_get_totals(replay, &totals);
    assert_int_equal(totals.losses, 1);
    etw_replay_close(replay);
}

/* A clock that jumps at each look: a paced replay needs no real time. */
typedef struct jumping_clock {
    etw_os os;
    const etw_os *inner;
    int64_t now_ns;
} jumping_clock;

static int64_t jump(void *context)
{
    jumping_clock *clock = context;
    clock->now_ns += 1000000;
    return clock->now_ns;
}

static int jumping_open(void *context, const char *path, etw_open_mode mode)
{
    const etw_os *inner = ((jumping_clock *)context)->inner;
    return inner->open(inner->context, path, mode);
}

static int64_t jumping_read_at(void *context, int file, void *into, size_t size, uint64_t offset)
{
    const etw_os *inner = ((jumping_clock *)context)->inner;
    return inner->read_at(inner->context, file, into, size, offset);
}

static int64_t jumping_size(void *context, int file)
{
    const etw_os *inner = ((jumping_clock *)context)->inner;
    return inner->size(inner->context, file);
}

static int jumping_close(void *context, int file)
{
    const etw_os *inner = ((jumping_clock *)context)->inner;
    return inner->close(inner->context, file);
}

static void test_pacing_waits_as_long_as_was_recorded(void **state)
{
    const etw_event *event;
    jumping_clock clock = {.inner = faulty_os_table(*state)};
    clock.os = (etw_os){.context = &clock,
                        .open = jumping_open,
                        .read_at = jumping_read_at,
                        .size = jumping_size,
                        .close = jumping_close,
                        .monotonic_ns = jump};
    etw_replay_options options = {.os = &clock.os, .speed = 2};
    etw_replay *replay;
    assert_int_equal(etw_replay_open("mem:a", &options, &replay, NULL), ETW_OK);
    while (etw_replay_next(replay, &event, NULL) == ETW_OK) {
    }
    /* 199 steps of a millisecond, at double speed. */
    assert_true(clock.now_ns >= 99500000);
    assert_true(clock.now_ns < 99500000 + 2 * (int64_t)EVENTS * 1000000);
    etw_replay_close(replay);
}

static void test_what_is_no_trace_is_named(void **state)
{
    etw_error error;
    etw_replay *replay;
    const etw_replay_options options = {.os = faulty_os_table(*state)};
    static const char text[4096] = "no trace at all";
    const etw_bytes bytes = {(const uint8_t *)text, sizeof text};
    assert_true(faulty_os_put(*state, "text", bytes));
    assert_int_equal(etw_replay_open("mem:text", &options, &replay, &error), ETW_ERROR_NOT_THIS);
    assert_non_null(strstr(error.message, "mem:text"));
    assert_null(replay);
    assert_int_equal(etw_replay_open("mem:none", &options, &replay, &error), ETW_ERROR_NOT_FOUND);
    etw_replay_close(NULL);
}

static void test_every_failing_read_is_a_status_not_a_crash(void **state)
{
    faulty_os_reset_calls(*state);
    (void)count_with(*state, (etw_replay_options){0});
    const uint64_t reads = faulty_os_calls(*state, FAULTY_READ);
    for (uint64_t at = 1; at <= reads; at++) {
        const etw_event *event;
        etw_replay *replay;
        etw_error error = {0};
        etw_status status;
        faulty_faults faults = {.fail_at = {[FAULTY_READ] = at}};
        const etw_replay_options options = {.os = faulty_os_table(*state)};
        faulty_os_reset_calls(*state);
        faulty_os_set(*state, &faults);
        status = etw_replay_open("mem:a", &options, &replay, &error);
        while (status == ETW_OK) {
            status = etw_replay_next(replay, &event, &error);
        }
        assert_true(status == ETW_END || error.message[0] != '\0');
        etw_replay_close(replay);
    }
}

static void test_seek_goes_both_ways(void **state)
{
    static const uint32_t places[] = {150, 20, 0, 199};
    const etw_event *event;
    etw_replay *replay = open_with(*state, (etw_replay_options){0});
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        uint32_t count = 0;
        const int64_t from = SAMPLE_FIRST_TIME + places[i] * (int64_t)SAMPLE_STEP_100NS;
        assert_int_equal(etw_replay_seek(replay, from, NULL), ETW_OK);
        while (etw_replay_next(replay, &event, NULL) == ETW_OK) {
            assert_true(etw_event_time_100ns(event) >= from);
            count++;
        }
        assert_int_equal(count, EVENTS - places[i]);
    }
    etw_replay_close(replay);
}

static void test_seek_keeps_the_range_that_was_asked_for(void **state)
{
    const etw_event *event;
    uint32_t count = 0;
    etw_replay *replay = open_with(
        *state, (etw_replay_options){
                    .filter = {.has_since = true,
                               .since_100ns = SAMPLE_FIRST_TIME + 50 * SAMPLE_STEP_100NS,
                               .has_until = true,
                               .until_100ns = SAMPLE_FIRST_TIME + 60 * SAMPLE_STEP_100NS}});
    assert_int_equal(etw_replay_seek(replay, SAMPLE_FIRST_TIME, NULL), ETW_OK);
    while (etw_replay_next(replay, &event, NULL) == ETW_OK) {
        count++;
    }
    assert_int_equal(count, 10);
    etw_replay_close(replay);
}

static void test_an_events_json_is_the_line_that_cat_writes(void **state)
{
    const etw_event *event;
    etw_text line = {0};
    etw_text json = {0};
    const etw_output_options options = {.typed = true, .schema_hash = true};
    etw_output *output = etw_output_json.open(&options);
    etw_replay *replay = open_with(*state, (etw_replay_options){0});
    while (etw_replay_next(replay, &event, NULL) == ETW_OK) {
        etw_text_clear(&line);
        etw_text_clear(&json);
        etw_output_json.event(output, event, &line);
        assert_int_equal(etw_event_json(event, &options, &json), ETW_OK);
        etw_text_append_char(&json, '\n');
        assert_string_equal(etw_text_z(&json), etw_text_z(&line));
    }
    etw_replay_close(replay);
    etw_output_json.close(output);
    etw_text_free(&line);
    etw_text_free(&json);
}

/* What the example consumer does with each event, on a thousand bad days: all of it can be read,
 * the counts agree, and the same seed gives the same day. */
static uint64_t hash_of_day(void **state, uint64_t seed)
{
    const etw_event *event;
    etw_text json = {0};
    etw_typed_value value;
    etw_fault_counts counts;
    uint64_t hash = 0, events = 0;
    etw_replay_options options = {.faults = {.drop = 0.1,
                                             .duplicate = 0.1,
                                             .corrupt = 0.5,
                                             .reorder = (uint32_t)(seed % 9),
                                             .seed = seed}};
    assert_int_equal(etw_fault_set(&options.faults, "lose", "5@+10ms", NULL), ETW_OK);
    etw_replay *replay = open_with(*state, options);
    while (etw_replay_next(replay, &event, NULL) == ETW_OK) {
        etw_text_clear(&json);
        assert_int_equal(etw_event_json(event, NULL, &json), ETW_OK);
        etw_ignore(etw_event_property_value(event, "Number", &value));
        for (size_t i = 0; i < json.size; i++) {
            hash = hash * 31 + (uint8_t)json.data[i];
        }
        events++;
    }
    etw_replay_get_faults(replay, &counts);
    assert_int_equal(events, EVENTS - counts.dropped - counts.lost + counts.duplicated);
    etw_replay_close(replay);
    etw_text_free(&json);
    return hash;
}

static void test_a_thousand_bad_days_are_survived(void **state)
{
    for (uint64_t seed = 0; seed < 1000; seed++) {
        const uint64_t hash = hash_of_day(state, seed);
        if (seed % 100 == 0) {
            assert_true(hash == hash_of_day(state, seed));
        }
    }
}

static void test_an_expired_event_has_no_json(void **state)
{
    etw_text json = {0};
    etw_replay *replay = open_with(*state, (etw_replay_options){0});
    assert_int_equal(etw_replay_process(replay, keep_event, NULL, NULL), ETW_OK);
    assert_int_equal(etw_event_json(kept, NULL, &json), ETW_ERROR_EXPIRED);
    assert_int_equal(json.size, 0);
    etw_replay_close(replay);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_process_delivers_all_events_in_order, set_up,
                                        faulty_os_tear_down),
        cmocka_unit_test_setup_teardown(test_raw_time_is_what_was_recorded, set_up,
                                        faulty_os_tear_down),
        cmocka_unit_test_setup_teardown(test_an_event_expires_with_its_callback, set_up,
                                        faulty_os_tear_down),
        cmocka_unit_test_setup_teardown(test_stop_ends_the_loop_well, set_up, faulty_os_tear_down),
        cmocka_unit_test_setup_teardown(test_stop_ends_a_loop_of_next_calls, set_up,
                                        faulty_os_tear_down),
        cmocka_unit_test_setup_teardown(test_a_callback_ends_the_loop_with_its_own_status, set_up,
                                        faulty_os_tear_down),
        cmocka_unit_test_setup_teardown(test_seek_goes_both_ways, set_up, faulty_os_tear_down),
        cmocka_unit_test_setup_teardown(test_seek_keeps_the_range_that_was_asked_for, set_up,
                                        faulty_os_tear_down),
        cmocka_unit_test_setup_teardown(test_an_events_json_is_the_line_that_cat_writes, set_up,
                                        faulty_os_tear_down),
        cmocka_unit_test_setup_teardown(test_a_thousand_bad_days_are_survived, set_up,
                                        faulty_os_tear_down),
        cmocka_unit_test_setup_teardown(test_an_expired_event_has_no_json, set_up,
                                        faulty_os_tear_down),
        cmocka_unit_test_setup_teardown(test_filters_choose, set_up, faulty_os_tear_down),
        cmocka_unit_test_setup_teardown(test_an_expression_skips_blocks_by_time_and_provider,
                                        set_up, faulty_os_tear_down),
        cmocka_unit_test_setup_teardown(test_the_last_events_are_found_from_the_end, set_up,
                                        faulty_os_tear_down),
        cmocka_unit_test_setup_teardown(test_losses_are_told_in_their_place, set_up,
                                        faulty_os_tear_down),
        cmocka_unit_test_setup_teardown(test_pacing_waits_as_long_as_was_recorded, set_up,
                                        faulty_os_tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_no_trace_is_named, set_up,
                                        faulty_os_tear_down),
        cmocka_unit_test_setup_teardown(test_every_failing_read_is_a_status_not_a_crash, set_up,
                                        faulty_os_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
