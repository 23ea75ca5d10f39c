/* Targets that fail: the file stays valid, and received = written + dropped, whatever happens. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "format/etwcap/reader.h"
#include "format/etwcap/verify.h"
#include "tests/support/faulty_os.h"
#include "tests/support/sample.h"

#define EVENTS 400u

typedef struct read_back {
    uint32_t events;
    bool in_order;
    uint64_t lost[ETW_LOSS_FILTERED + 1]; /* by cause */
    bool complete;
} read_back;

static read_back read_all(faulty_os *os, const char *path)
{
    read_back result = {.in_order = true};
    uint32_t next = 0;
    etw_source *source;
    etw_item item;
    etw_file_summary summary;
    if (etw_reader_open(faulty_os_table(os), path, NULL, &source, NULL) != ETW_OK) {
        return result;
    }
    while (etw_source_next(source, &item, NULL) == ETW_OK) {
        unsigned number = 0;
        char text[16] = {0};
        if (item.kind == ETW_ITEM_LOSS) {
            result.lost[item.loss->cause] += item.loss->events;
            continue;
        }
        memcpy(text, item.record->UserData, 15);
        result.in_order =
            result.in_order && sscanf(text, "event %u", &number) == 1 && number >= next;
        next = number + 1;
        result.events++;
    }
    assert_int_equal(etw_reader_summary(source, &summary, NULL), ETW_OK);
    result.complete = summary.complete;
    etw_source_close(source);
    return result;
}

static bool is_good(faulty_os *os, const char *path)
{
    etw_verify_report report;
    return etw_verify(faulty_os_table(os), path, NULL, NULL, &report, NULL) == ETW_OK &&
           report.good;
}

/* Adds all events, whatever each says; the writer is finished but not freed. */
static etw_status record_all(faulty_os *os, const etw_writer_options *options,
                             const etw_schema_store *store, etw_writer_counts *counts)
{
    etw_writer *writer;
    etw_writer_options mine = *options;
    uint16_t trace_index;
    mine.store = store;
    etw_status status = etw_writer_create(faulty_os_table(os), "mem:a", &mine, &writer, NULL);
    if (status != ETW_OK) {
        return status;
    }
    for (uint16_t i = 0; i < 2; i++) {
        const etw_trace trace = sample_trace(i);
        etw_ignore(etw_writer_add_trace(writer, &trace, &trace_index, NULL));
    }
    for (uint32_t i = 0; i < EVENTS; i++) {
        sample_event event;
        sample_make_event(i, &event);
        etw_ignore(etw_writer_add_event(writer, &event.record, (uint16_t)(i % 2),
                                        sample_schema_id(i), NULL));
    }
    status = etw_writer_finish(writer, NULL);
    etw_writer_get_counts(writer, counts);
    assert_int_equal(counts->received, EVENTS);
    assert_int_equal(counts->received, counts->written + counts->dropped);
    etw_writer_free(writer);
    return status;
}

static void full_disk_leaves_a_valid_prefix(void **state)
{
    etw_schema_store *store = sample_store();
    for (uint32_t threads = 0; threads < 3; threads++) {
        const etw_writer_options options = {.replace = true,
                                            .batch_bytes = 4 << 10,
                                            .threads = threads,
                                            .caller_helps = threads == 1};
        for (uint64_t capacity = 0;; capacity += 97) {
            const faulty_faults faults = {.capacity = capacity};
            etw_writer_counts counts = {0};
            faulty_os_reset_calls(*state);
            faulty_os_set(*state, &faults);
            const etw_status status = record_all(*state, &options, store, &counts);
            const read_back result = read_all(*state, "mem:a");
            assert_true(result.in_order);
            assert_int_equal(result.complete, status == ETW_OK);
            assert_true(faulty_os_get(*state, "a").size <= capacity);
            if (status == ETW_OK) {
                assert_int_equal(result.events, EVENTS);
                assert_true(is_good(*state, "mem:a"));
                break;
            }
            assert_int_equal(status, ETW_ERROR_NO_SPACE);
            assert_int_equal(result.events, counts.written);
        }
    }
    etw_schema_store_free(store);
}

/* Room for a part of the file, then none, then, while events still come, room again. */
static void loss_is_recorded_once_there_is_space_again(void **state)
{
    etw_schema_store *store = sample_store();
    uint64_t dropped = 0;
    for (uint64_t capacity = 200; capacity < 8000; capacity += 331) {
        const etw_writer_options options = {
            .replace = true, .batch_bytes = 4 << 10, .store = store};
        faulty_faults faults = {.capacity = capacity};
        etw_writer *writer;
        etw_writer_counts counts;
        uint32_t failed = 0;
        faulty_os_reset_calls(*state);
        faulty_os_set(*state, &faults);
        assert_int_equal(
            etw_writer_create(faulty_os_table(*state), "mem:a", &options, &writer, NULL), ETW_OK);
        assert_int_equal(sample_add_traces(writer, NULL), ETW_OK);
        for (uint32_t i = 0; i < EVENTS; i++) {
            sample_event event;
            sample_make_event(i, &event);
            if (i == 300) {
                faults.capacity = UINT64_MAX;
                faulty_os_set(*state, &faults);
                faulty_os_advance_ms(*state, 1000);
            }
            const etw_status status = etw_writer_add_event(writer, &event.record, (uint16_t)(i % 2),
                                                           sample_schema_id(i), NULL);
            failed += status == ETW_ERROR_NO_SPACE ? 1u : 0u;
            assert_true(i < 300 || status == ETW_OK);
        }
        assert_int_equal(etw_writer_finish(writer, NULL), ETW_OK);
        etw_writer_get_counts(writer, &counts);
        etw_writer_free(writer);
        assert_int_equal(counts.received, EVENTS);
        assert_int_equal(counts.received, counts.written + counts.dropped);
        assert_true(counts.dropped >= failed);
        const read_back result = read_all(*state, "mem:a");
        assert_true(result.complete && result.in_order);
        assert_int_equal(result.events, counts.written);
        assert_int_equal(result.lost[ETW_LOSS_DISK], counts.dropped);
        assert_true(is_good(*state, "mem:a"));
        dropped += counts.dropped;
    }
    assert_true(dropped > 0);
    etw_schema_store_free(store);
}

static void short_and_interrupted_writes_are_completed(void **state)
{
    const faulty_faults faults = {.most_bytes = 7, .capacity = UINT64_MAX};
    const faulty_faults interrupted = {
        .fail_at = {[FAULTY_WRITE] = 3, [FAULTY_READ] = 5}, .error = EINTR, .capacity = UINT64_MAX};
    const faulty_faults *const rows[] = {&faults, &interrupted};
    for (size_t i = 0; i < 2; i++) {
        faulty_os_reset_calls(*state);
        faulty_os_set(*state, rows[i]);
        assert_int_equal(sample_write(faulty_os_table(*state), "mem:a", EVENTS, NULL, NULL),
                         ETW_OK);
        const read_back result = read_all(*state, "mem:a");
        assert_int_equal(result.events, EVENTS);
        assert_true(is_good(*state, "mem:a"));
    }
}

/* Each call of each kind fails, once or from then on: never a wrong file, never a wrong count. */
static void every_call_may_fail_while_recording(void **state)
{
    static const faulty_call calls[] = {FAULTY_OPEN, FAULTY_WRITE, FAULTY_SYNC, FAULTY_CLOSE};
    etw_schema_store *store = sample_store();
    const etw_writer_options options = {
        .replace = true, .batch_bytes = 4 << 10, .sync = ETW_SYNC_BLOCK};
    for (size_t row = 0; row < 8; row++) {
        const faulty_call call = calls[row / 2];
        for (uint64_t at = 1;; at++) {
            faulty_faults faults = {.capacity = UINT64_MAX, .keep_failing = row % 2 != 0};
            etw_writer_counts counts = {0};
            faults.fail_at[call] = at;
            faulty_os_reset_calls(*state);
            faulty_os_set(*state, &faults);
            const etw_status status = record_all(*state, &options, store, &counts);
            const uint64_t made = faulty_os_calls(*state, call);
            faults.fail_at[call] = 0;
            faulty_os_set(*state, &faults);
            const read_back result = read_all(*state, "mem:a");
            assert_true(result.in_order);
            if (made < at) {
                assert_int_equal(status, ETW_OK);
                break;
            }
            if (call != FAULTY_OPEN && call != FAULTY_WRITE) {
                assert_true(etw_failed(status));
                assert_int_equal(result.events, EVENTS);
            }
            if (status == ETW_OK) {
                assert_true(result.complete && is_good(*state, "mem:a"));
                assert_int_equal(result.events, counts.written);
            }
            (void)faulty_os_table(*state)->remove(faulty_os_table(*state)->context, "mem:a");
        }
    }
    etw_schema_store_free(store);
}

static void every_call_may_fail_while_reading(void **state)
{
    static const faulty_call calls[] = {FAULTY_OPEN, FAULTY_READ, FAULTY_SIZE};
    assert_int_equal(sample_write(faulty_os_table(*state), "mem:a", EVENTS, NULL, NULL), ETW_OK);
    for (size_t row = 0; row < 3; row++) {
        for (uint64_t at = 1;; at++) {
            faulty_faults faults = {.capacity = UINT64_MAX, .keep_failing = true};
            etw_source *source = NULL;
            etw_item item;
            faults.fail_at[calls[row]] = at;
            faulty_os_reset_calls(*state);
            faulty_os_set(*state, &faults);
            etw_status status =
                etw_reader_open(faulty_os_table(*state), "mem:a", NULL, &source, NULL);
            while (status == ETW_OK) {
                status = etw_source_next(source, &item, NULL);
            }
            etw_source_close(source);
            assert_int_equal(faulty_os_open_files(*state), 0);
            if (faulty_os_calls(*state, calls[row]) < at) {
                assert_int_equal(status, ETW_END);
                break;
            }
            assert_true(etw_failed(status) || calls[row] == FAULTY_SIZE);
        }
    }
}

/* A slow encoder is stood in for by a queue of two small batches: what does not fit is counted. */
static void full_queue_drops_and_says_so(void **state)
{
    const etw_writer_options options = {.replace = true,
                                        .batch_bytes = 1,
                                        .threads = 1,
                                        .queue_blocks = 2,
                                        .overload = ETW_OVERLOAD_DROP};
    etw_writer *writer;
    etw_writer_counts counts;
    const uint32_t events = 20000;
    assert_int_equal(etw_writer_create(faulty_os_table(*state), "mem:a", &options, &writer, NULL),
                     ETW_OK);
    assert_int_equal(sample_add_traces(writer, NULL), ETW_OK);
    assert_int_equal(sample_add_events(writer, 0, events, NULL), ETW_OK);
    assert_int_equal(etw_writer_finish(writer, NULL), ETW_OK);
    etw_writer_get_counts(writer, &counts);
    etw_writer_free(writer);
    assert_int_equal(counts.received, events);
    assert_int_equal(counts.received, counts.written + counts.dropped);
    const read_back result = read_all(*state, "mem:a");
    assert_true(result.complete && result.in_order);
    assert_int_equal(result.events, counts.written);
    assert_int_equal(result.lost[ETW_LOSS_QUEUE_FULL], counts.dropped);
    assert_true(is_good(*state, "mem:a"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(full_disk_leaves_a_valid_prefix, faulty_os_set_up,
                                        faulty_os_tear_down),
        cmocka_unit_test_setup_teardown(loss_is_recorded_once_there_is_space_again,
                                        faulty_os_set_up, faulty_os_tear_down),
        cmocka_unit_test_setup_teardown(short_and_interrupted_writes_are_completed,
                                        faulty_os_set_up, faulty_os_tear_down),
        cmocka_unit_test_setup_teardown(every_call_may_fail_while_recording, faulty_os_set_up,
                                        faulty_os_tear_down),
        cmocka_unit_test_setup_teardown(every_call_may_fail_while_reading, faulty_os_set_up,
                                        faulty_os_tear_down),
        cmocka_unit_test_setup_teardown(full_queue_drops_and_says_so, faulty_os_set_up,
                                        faulty_os_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
