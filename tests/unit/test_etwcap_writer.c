/* The writer of the container: when bytes go out, in what pieces, and what is too large. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <time.h>

#include "format/etwcap/block.h"
#include "tests/support/sample_file.h"

static void bytes_do_not_depend_on_who_encodes(void **state)
{
    static const struct {
        uint32_t threads;
        uint32_t queue_blocks;
        bool caller_helps;
    } ways[] = {{1, 0, false}, {3, 0, false}, {5, 0, false}, {1, 2, true}, {2, 0, true}};
    etw_writer_options options = {.batch_bytes = 8 << 10, .replace = true};
    write_sample(*state, "mem:0", EVENTS, &options);
    const etw_bytes expected = faulty_os_get(*state, "0");
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        options.threads = ways[i].threads;
        options.queue_blocks = ways[i].queue_blocks;
        options.caller_helps = ways[i].caller_helps;
        write_sample(*state, "mem:n", EVENTS, &options);
        const etw_bytes bytes = faulty_os_get(*state, "n");
        assert_int_equal(bytes.size, expected.size);
        assert_memory_equal(bytes.data, expected.data, expected.size);
    }
}

static void existing_file_is_kept_unless_it_may_be_replaced(void **state)
{
    const etw_writer_options options = {.replace = false};
    write_sample(*state, "mem:a", 5, NULL);
    assert_int_equal(sample_write(faulty_os_table(*state), "mem:a", 5, &options, NULL),
                     ETW_ERROR_EXISTS);
}

/* The file as it is after each flush, read to its end, then read on. */
static void growing_file_is_followed(void **state)
{
    const etw_reader_options follow = {.follow = true};
    const etw_writer_options options = {.replace = true, .threads = 1};
    etw_writer *writer;
    etw_item item;
    uint32_t count = 0;
    const etw_os *os = faulty_os_table(*state);
    assert_int_equal(etw_writer_create(os, "mem:a", &options, &writer, NULL), ETW_OK);
    assert_int_equal(sample_add_traces(writer, NULL), ETW_OK);
    assert_int_equal(etw_writer_flush(writer, NULL), ETW_OK);
    etw_source *source = open_sample(*state, "mem:a", &follow);
    for (uint32_t round = 0; round < 5; round++) {
        assert_int_equal(sample_add_events(writer, round * 50, 50, NULL), ETW_OK);
        assert_int_equal(etw_writer_flush(writer, NULL), ETW_OK);
        etw_status status;
        while ((status = etw_source_next(source, &item, NULL)) == ETW_OK) {
            count += item.kind == ETW_ITEM_EVENT ? 1u : 0u;
        }
        assert_int_equal(status, ETW_END);
        assert_int_equal(count, (round + 1) * 50);
        assert_false(summary_of(source).complete);
    }
    assert_int_equal(etw_writer_finish(writer, NULL), ETW_OK);
    assert_int_equal(etw_source_next(source, &item, NULL), ETW_END);
    assert_true(summary_of(source).complete);
    etw_writer_free(writer);
    etw_source_close(source);
}

static void interval_flushes_what_waits(void **state)
{
    const etw_writer_options options = {.replace = true, .interval_ms = 1000};
    etw_writer *writer;
    etw_writer_counts counts;
    const etw_os *os = faulty_os_table(*state);
    assert_int_equal(etw_writer_create(os, "mem:a", &options, &writer, NULL), ETW_OK);
    assert_int_equal(sample_add_traces(writer, NULL), ETW_OK);
    assert_int_equal(sample_add_events(writer, 0, 5, NULL), ETW_OK);
    etw_writer_get_counts(writer, &counts);
    assert_int_equal(counts.written, 0);
    faulty_os_advance_ms(*state, 1000);
    assert_int_equal(sample_add_events(writer, 5, 1, NULL), ETW_OK);
    etw_writer_get_counts(writer, &counts);
    assert_int_equal(counts.written, 6);
    /* Whoever looks four times an interval never lets anything wait longer. */
    assert_int_equal(sample_add_events(writer, 6, 1, NULL), ETW_OK);
    faulty_os_advance_ms(*state, 740);
    etw_writer_tick(writer);
    etw_writer_get_counts(writer, &counts);
    assert_int_equal(counts.written, 6);
    faulty_os_advance_ms(*state, 250);
    etw_writer_tick(writer);
    etw_writer_get_counts(writer, &counts);
    assert_int_equal(counts.written, 7);
    assert_int_equal(etw_writer_finish(writer, NULL), ETW_OK);
    etw_writer_free(writer);
}

/* Also when no event comes any more: by the tick. */
static void interval_flushes_without_another_event(void **state)
{
    const etw_writer_options options = {.replace = true, .interval_ms = 1, .threads = 1};
    etw_writer *writer;
    etw_writer_counts counts = {0};
    const etw_os *os = faulty_os_table(*state);
    assert_int_equal(etw_writer_create(os, "mem:a", &options, &writer, NULL), ETW_OK);
    assert_int_equal(sample_add_traces(writer, NULL), ETW_OK);
    assert_int_equal(sample_add_events(writer, 0, 5, NULL), ETW_OK);
    faulty_os_advance_ms(*state, 1);
    etw_writer_tick(writer);
    while (counts.written < 5) {
        const struct timespec pause = {0, 2000000};
        (void)nanosleep(&pause, NULL);
        etw_writer_get_counts(writer, &counts);
    }
    assert_int_equal(etw_writer_finish(writer, NULL), ETW_OK);
    etw_writer_free(writer);
    expect_good(*state, "mem:a");
}

static void sync_keeps_its_promise(void **state)
{
    static const struct {
        etw_sync sync;
        uint64_t least, most;
    } rows[] = {{ETW_SYNC_NONE, 0, 0}, {ETW_SYNC_BLOCK, 20, 1000}, {ETW_SYNC_INTERVAL, 1, 2}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const etw_writer_options options = {
            .replace = true, .batch_bytes = 8 << 10, .sync = rows[i].sync};
        faulty_os_reset_calls(*state);
        write_sample(*state, "mem:a", EVENTS, &options);
        const uint64_t syncs = faulty_os_calls(*state, FAULTY_SYNC);
        assert_true(syncs >= rows[i].least && syncs <= rows[i].most);
    }
}

/* An event as large as the limits allow, and one beyond them, which is dropped and accounted for.
 */
static void limits_of_a_record(void **state)
{
    static uint8_t data[0x10000];
    static etw_extended_data_item items[20];
    etw_event_record record = {.UserData = data, .UserDataLength = 0xFFFF, .ExtendedData = items};
    etw_writer *writer;
    etw_writer_counts counts;
    etw_item item;
    const etw_writer_options options = {.replace = true};
    const etw_os *os = faulty_os_table(*state);
    for (size_t i = 0; i < 20; i++) {
        items[i] = (etw_extended_data_item){0, 0x7F, i < 19, 0xFFFF, (uint64_t)(uintptr_t)data};
    }
    assert_int_equal(etw_writer_create(os, "mem:a", &options, &writer, NULL), ETW_OK);
    assert_int_equal(sample_add_traces(writer, NULL), ETW_OK);
    record.ExtendedDataCount = 15;
    assert_int_equal(etw_writer_add_event(writer, &record, 0, 0, NULL), ETW_OK);
    record.ExtendedDataCount = 20;
    assert_int_equal(etw_writer_add_event(writer, &record, 0, 0, NULL), ETW_ERROR_LIMIT);
    assert_int_equal(etw_writer_add_event(writer, &record, 9, 0, NULL), ETW_ERROR_INVALID_ARGUMENT);
    assert_int_equal(etw_writer_finish(writer, NULL), ETW_OK);
    etw_writer_get_counts(writer, &counts);
    assert_int_equal(counts.received, 2);
    assert_int_equal(counts.written, 1);
    assert_int_equal(counts.dropped, 1);
    etw_writer_free(writer);
    expect_good(*state, "mem:a");
    etw_source *source = open_sample(*state, "mem:a", NULL);
    assert_int_equal(etw_source_next(source, &item, NULL), ETW_OK);
    record.ExtendedDataCount = 15;
    assert_true(sample_equal(item.record, &record));
    assert_int_equal(etw_source_next(source, &item, NULL), ETW_OK);
    assert_int_equal(item.kind, ETW_ITEM_LOSS);
    assert_int_equal(item.loss->cause, ETW_LOSS_LIMIT);
    assert_int_equal(item.loss->events, 1);
    etw_source_close(source);
}

/* A batch of the largest size, of bytes that nothing compresses: no event may be lost for that. */
static void batch_that_does_not_fit_a_block_becomes_several(void **state)
{
    static uint8_t data[0xFFFF];
    const etw_writer_options options = {.replace = true, .level = ETW_WRITER_ARCHIVE_LEVEL};
    const uint32_t events = 230;
    etw_writer *writer;
    etw_item item;
    uint32_t random = 1, count = 0;
    assert_int_equal(etw_writer_create(faulty_os_table(*state), "mem:a", &options, &writer, NULL),
                     ETW_OK);
    assert_int_equal(sample_add_traces(writer, NULL), ETW_OK);
    for (uint32_t i = 0; i < events; i++) {
        const etw_event_record record = {.UserData = data, .UserDataLength = sizeof data};
        for (size_t b = 0; b < sizeof data; b++) {
            random = random * 1664525u + 1013904223u;
            data[b] = (uint8_t)(random >> 24);
        }
        etw_store_u32(data, i);
        assert_int_equal(etw_writer_add_event(writer, &record, 0, 0, NULL), ETW_OK);
    }
    assert_int_equal(etw_writer_finish(writer, NULL), ETW_OK);
    etw_writer_free(writer);
    expect_good(*state, "mem:a");
    etw_source *source = open_sample(*state, "mem:a", NULL);
    while (etw_source_next(source, &item, NULL) == ETW_OK) {
        assert_int_equal(item.kind, ETW_ITEM_EVENT);
        assert_int_equal(etw_load_u32(item.record->UserData), count++);
    }
    assert_int_equal(count, events);
    etw_source_close(source);
}

/* More blocks than one index block has entries. */
static void index_is_a_chain_of_blocks(void **state)
{
    const etw_writer_options options = {.replace = true, .batch_bytes = 1};
    const etw_reader_options late = {.has_time_range = true,
                                     .from_time_100ns =
                                         SAMPLE_FIRST_TIME + 8999 * SAMPLE_STEP_100NS,
                                     .to_time_100ns = INT64_MAX};
    uint32_t losses;
    etw_item item;
    etw_reader_counts counts;
    write_sample(*state, "mem:a", 9000, &options);
    expect_good(*state, "mem:a");
    etw_source *source = open_sample(*state, "mem:a", NULL);
    assert_int_equal(expect_sample(source, &losses), 9000);
    assert_true(summary_of(source).has_index);
    etw_source_close(source);
    source = open_sample(*state, "mem:a", &late);
    assert_int_equal(etw_source_next(source, &item, NULL), ETW_OK);
    assert_int_equal(item.kind, ETW_ITEM_LOSS);
    assert_int_equal(etw_source_next(source, &item, NULL), ETW_OK);
    assert_int_equal(item.record->EventHeader.EventDescriptor.Id, 8999 % 11);
    etw_reader_get_counts(source, &counts);
    assert_int_equal(counts.blocks_skipped, 8999);
    etw_source_close(source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(bytes_do_not_depend_on_who_encodes, faulty_os_set_up,
                                        faulty_os_tear_down),
        cmocka_unit_test_setup_teardown(existing_file_is_kept_unless_it_may_be_replaced,
                                        faulty_os_set_up, faulty_os_tear_down),
        cmocka_unit_test_setup_teardown(growing_file_is_followed, faulty_os_set_up,
                                        faulty_os_tear_down),
        cmocka_unit_test_setup_teardown(interval_flushes_what_waits, faulty_os_set_up,
                                        faulty_os_tear_down),
        cmocka_unit_test_setup_teardown(interval_flushes_without_another_event, faulty_os_set_up,
                                        faulty_os_tear_down),
        cmocka_unit_test_setup_teardown(sync_keeps_its_promise, faulty_os_set_up,
                                        faulty_os_tear_down),
        cmocka_unit_test_setup_teardown(limits_of_a_record, faulty_os_set_up, faulty_os_tear_down),
        cmocka_unit_test_setup_teardown(batch_that_does_not_fit_a_block_becomes_several,
                                        faulty_os_set_up, faulty_os_tear_down),
        cmocka_unit_test_setup_teardown(index_is_a_chain_of_blocks, faulty_os_set_up,
                                        faulty_os_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
