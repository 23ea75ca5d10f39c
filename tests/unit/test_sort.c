/* Sources put in the order of time: a temporary file, chunks, and their merge. */
#include "format/event/sort.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* A source whose records have the time that a function gives their number, and that number in their
 * data and in an extended item. Behind each hundredth stands a loss of that many events. */
typedef struct numbers {
    etw_source base;
    etw_trace trace;
    int64_t (*time_of)(uint32_t number);
    uint32_t next, count;
    bool loss_is_next;
    bool fails; /* instead of ending */
    etw_event_record record;
    etw_extended_data_item item;
    uint8_t data[64];
    etw_loss loss;
} numbers;

static etw_status next(etw_source *source, etw_item *item, etw_error *error)
{
    numbers *n = (numbers *)source;
    if (n->loss_is_next) {
        n->loss_is_next = false;
        n->loss = (etw_loss){.cause = ETW_LOSS_DAMAGE, .events = n->next};
        *item = (etw_item){.kind = ETW_ITEM_LOSS, .loss = &n->loss};
        return ETW_OK;
    }
    if (n->next == n->count) {
        return n->fails ? etw_error_set(error, ETW_ERROR_IO, "broken") : ETW_END;
    }
    etw_store_u32(n->data, n->next);
    n->item = (etw_extended_data_item){
        .ExtType = 1, .DataSize = 4, .DataPtr = (uint64_t)(uintptr_t)n->data};
    n->record = (etw_event_record){.UserData = n->data,
                                   .UserDataLength = (uint16_t)(4 + n->next % 60),
                                   .ExtendedDataCount = (uint16_t)(n->next % 2),
                                   .ExtendedData = &n->item};
    n->record.EventHeader.TimeStamp = n->time_of(n->next);
    *item = (etw_item){.kind = ETW_ITEM_EVENT, .record = &n->record, .schema_id = n->next};
    n->next++;
    n->loss_is_next = n->next % 100 == 0;
    return ETW_OK;
}

static const etw_trace *trace_of(const etw_source *source, uint16_t trace_index)
{
    (void)trace_index;
    return &((const numbers *)source)->trace;
}

static uint16_t one_trace(const etw_source *source)
{
    (void)source;
    return 1;
}

static numbers over(int64_t (*time_of)(uint32_t number), uint32_t count)
{
    static const etw_source_ops ops = {next, trace_of, one_trace, NULL};
    return (numbers){.base = {&ops},
                     .trace.clock = {.type = ETW_CLOCK_SYSTEM_TIME},
                     .time_of = time_of,
                     .count = count};
}

static int64_t rising(uint32_t number)
{
    return number / 3;
}

static int64_t falling(uint32_t number)
{
    return 1000000 - (int64_t)(number / 3);
}

static int64_t scattered(uint32_t number)
{
    return (int64_t)(number * 2654435761u % 997);
}

static int64_t late(uint32_t number)
{
    return number == 4999 ? 0 : number;
}

/* The record is what it was. */
static void check_event(const etw_item *item)
{
    const etw_event_record *record = item->record;
    const uint32_t number = etw_load_u32(record->UserData);
    assert_int_equal(item->schema_id, number);
    assert_int_equal(record->UserDataLength, 4 + number % 60);
    assert_int_equal(record->ExtendedDataCount, number % 2);
    if (record->ExtendedDataCount > 0) {
        assert_int_equal(etw_load_u32(etw_item_bytes(&record->ExtendedData[0]).data), number);
    }
}

static void check_sorted(int64_t (*time_of)(uint32_t number), uint32_t count, uint32_t chunk_events,
                         bool fails)
{
    numbers source = over(time_of, count);
    source.fails = fails;
    etw_spool *spool = etw_spool_new(NULL);
    etw_sort *sort;
    etw_item item;
    etw_error error = {0};
    etw_status status;
    uint32_t events = 0, losses = 0, number_before = 0;
    int64_t time_before = INT64_MIN;
    assert_int_equal(etw_sort_open(&source.base, spool, chunk_events, &sort, &error), ETW_OK);
    while ((status = etw_sort_next(sort, &item, &error)) == ETW_OK) {
        if (item.kind == ETW_ITEM_LOSS) {
            losses++;
            assert_int_equal(item.loss->cause, ETW_LOSS_DAMAGE);
            assert_true(time_of((uint32_t)item.loss->events - 1) >= time_before);
            continue;
        }
        const int64_t time = item.record->EventHeader.TimeStamp;
        const uint32_t number = etw_load_u32(item.record->UserData);
        assert_int_equal(time, time_of(number));
        assert_true(time > time_before ||
                    (time == time_before && (events == 0 || number > number_before)));
        check_event(&item);
        time_before = time;
        number_before = number;
        events++;
    }
    assert_int_equal(status, fails ? ETW_ERROR_IO : ETW_END);
    assert_int_equal(events, count);
    assert_int_equal(losses, count / 100);
    etw_sort_close(sort);
    etw_spool_free(spool);
}

static void any_order_becomes_that_of_time(void **state)
{
    (void)state;
    int64_t (*const orders[])(uint32_t) = {rising, falling, scattered, late};
    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
        check_sorted(orders[i], 5000, 0, false);
        check_sorted(orders[i], 5000, 64, false);
        check_sorted(orders[i], 0, 0, false);
        check_sorted(orders[i], 1, 0, false);
    }
}

static void more_chunks_than_may_wait_are_merged(void **state)
{
    (void)state;
    check_sorted(falling, 3 * ETW_SORT_MAX_RUNS * 4, 2, false);
    check_sorted(scattered, 3 * ETW_SORT_MAX_RUNS, 1, false);
}

static void a_source_that_fails_gives_what_it_had(void **state)
{
    (void)state;
    check_sorted(scattered, 5000, 64, true);
}

static bool after_a_thousand(void *context)
{
    return ((numbers *)context)->next >= 1000;
}

static void a_stop_ends_the_reading_as_a_failure(void **state)
{
    (void)state;
    numbers source = over(falling, 5000);
    etw_spool *spool = etw_spool_new(NULL);
    etw_sort *sort;
    etw_item item;
    etw_status status;
    uint32_t events = 0;
    etw_spool_stop_by(spool, after_a_thousand, &source);
    assert_int_equal(etw_sort_open(&source.base, spool, 0, &sort, NULL), ETW_OK);
    while ((status = etw_sort_next(sort, &item, NULL)) == ETW_OK) {
        events += item.kind == ETW_ITEM_EVENT;
    }
    assert_int_equal(status, ETW_ERROR_STOPPED);
    assert_int_equal(events, 1000);
    etw_sort_close(sort);
    etw_spool_free(spool);
}

static void several_sources_share_a_file(void **state)
{
    (void)state;
    numbers sources[] = {over(scattered, 3000), over(falling, 3000)};
    etw_spool *spool = etw_spool_new(NULL);
    etw_sort *sorts[2];
    int64_t before[2] = {INT64_MIN, INT64_MIN};
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(etw_sort_open(&sources[i].base, spool, 100, &sorts[i], NULL), ETW_OK);
    }
    uint32_t ended = 0, events = 0;
    while (ended < 2) {
        ended = 0;
        for (uint32_t i = 0; i < 2; i++) {
            etw_item item;
            const etw_status status = etw_sort_next(sorts[i], &item, NULL);
            ended += status == ETW_END;
            if (status == ETW_OK && item.kind == ETW_ITEM_EVENT) {
                assert_true(item.record->EventHeader.TimeStamp >= before[i]);
                before[i] = item.record->EventHeader.TimeStamp;
                check_event(&item);
                events++;
            }
        }
    }
    assert_int_equal(events, 6000);
    etw_sort_close(sorts[0]);
    etw_sort_close(sorts[1]);
    etw_spool_free(spool);
}

static void a_check_tells_order(void **state)
{
    (void)state;
    const struct {
        int64_t (*time_of)(uint32_t number);
        bool is_sorted;
    } orders[] = {{rising, true}, {falling, false}, {scattered, false}, {late, false}};
    for (size_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
        numbers source = over(orders[i].time_of, 5000);
        bool is_sorted;
        assert_int_equal(etw_sort_check(&source.base, &is_sorted, NULL), ETW_OK);
        assert_int_equal(is_sorted, orders[i].is_sorted);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_order_becomes_that_of_time),
        cmocka_unit_test(more_chunks_than_may_wait_are_merged),
        cmocka_unit_test(a_source_that_fails_gives_what_it_had),
        cmocka_unit_test(a_stop_ends_the_reading_as_a_failure),
        cmocka_unit_test(several_sources_share_a_file),
        cmocka_unit_test(a_check_tells_order),
    };
    return cmocka_run_group_tests_name("sort", tests, NULL, NULL);
}
