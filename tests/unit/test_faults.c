/* The whole jobs (record a trace file into segments, replay, recover, verify) with each call of the
 * operating system failing once, one after the other, with each kind of error. */
#include "format/etwcap/reader.h"
#include "format/etwcap/recover.h"
#include "format/etwcap/verify.h"
#include "recorder/capture/capture.h"
#include "replay/command/stream.h"
#include "replay/command/tool.h"
#include "tests/support/faulty_os.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/support/etl_maker.h"

#define EVENTS_PER_BUFFER 40u
#define BUFFERS           8u
#define EVENTS            (EVENTS_PER_BUFFER * BUFFERS)
#define SEGMENTS          99u

static const int errors[] = {EIO, ENOSPC, EINTR, EACCES};
#define ERROR_COUNT (sizeof errors / sizeof errors[0])

static void put_trace(faulty_os *files)
{
    maker trace = {.buffer_size = 8192};
    (void)maker_header(&trace, 0, 1);
    for (uint32_t b = 0; b < BUFFERS; b++) {
        maker_begin(&trace, (uint16_t)(b % 2), 0);
        for (uint32_t i = 0; i < EVENTS_PER_BUFFER; i++) {
            const uint32_t number = b * EVENTS_PER_BUFFER + i;
            uint8_t *at = maker_event(&trace, (uint16_t)number, 2000 + (int64_t)number, 64);
            for (uint32_t byte = 0; byte < 64; byte++) { /* what zstd cannot make small */
                at[80 + byte] = (uint8_t)((number * 2654435761u) >> (byte % 24));
            }
        }
        maker_end(&trace);
    }
    assert_true(faulty_os_put(files, "in.etl", (etw_bytes){trace.data, trace.size}));
    maker_free(&trace);
}

static int set_up(void **state)
{
    faulty_os *files = faulty_os_new();
    *state = files;
    if (files != NULL) {
        put_trace(files);
    }
    return files == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    faulty_os_free(*state);
    return 0;
}

/* Jobs: each does all of its work on the faulty system and tells what came of it. */

typedef struct outcome {
    etw_status status;
    etw_error error;
    etw_capture_totals totals; /* of recordings */
} outcome;

static etw_status open_input(const etw_os *os, etw_source **source, etw_error *error)
{
    return etw_etl_open(os, "mem:in.etl", NULL, source, error);
}

/* Into one file, or into a ring of segments. */
static outcome record(faulty_os *files, uint32_t ring)
{
    outcome result = {0};
    etw_capture_options options = {.os = faulty_os_table(files),
                                   .path = "mem:out",
                                   .writer = {.batch_bytes = 4096, .sync = ETW_SYNC_BLOCK},
                                   .limits = {.rotate_bytes = ring == 0 ? 0 : 4000,
                                              .ring_segments = ring,
                                              .min_free_bytes = 1},
                                   .store = etw_schema_store_new()};
    etw_source *source = NULL;
    etw_capture *capture = NULL;
    assert_int_equal(etw_resolver_new(options.store, NULL, &options.resolver, NULL), ETW_OK);
    result.status = open_input(options.os, &source, &result.error);
    if (result.status == ETW_OK) {
        result.status = etw_capture_open(&options, &capture, &result.error);
    }
    if (result.status == ETW_OK) {
        result.status = etw_capture_pull(capture, source, &result.error);
        etw_error ignored = {0};
        const bool is_first = result.status == ETW_OK;
        const etw_status finished =
            etw_capture_finish(capture, &result.totals, is_first ? &result.error : &ignored);
        result.status = is_first ? finished : result.status;
    }
    etw_capture_free(capture);
    etw_source_close(source);
    etw_resolver_free(options.resolver);
    etw_schema_store_free(options.store);
    return result;
}

static outcome record_file(faulty_os *files)
{
    return record(files, 0);
}

static outcome record_ring(faulty_os *files)
{
    return record(files, 2);
}

static outcome replay(faulty_os *files)
{
    outcome result = {0};
    const etw_replay_options options = {.os = faulty_os_table(files)};
    const etw_output_options rendering = {.message = true};
    etw_output *output = etw_output_json.open(&rendering);
    etw_replay *replayed = NULL;
    etw_stream stream;
    const etw_event *event;
    assert_non_null(output);
    result.status = etw_replay_open("mem:in.etwcap", &options, &replayed, &result.error);
    if (result.status == ETW_OK) {
        result.status = etw_stream_open(&stream, options.os, "mem:out", true, &result.error);
    }
    if (result.status == ETW_OK) {
        while ((result.status = etw_replay_next(replayed, &event, &result.error)) == ETW_OK) {
            etw_output_json.event(output, event, &stream.text);
        }
        result.status = result.status == ETW_END ? ETW_OK : result.status;
        result.status = etw_stream_close(&stream, result.status, &result.error);
    }
    etw_replay_close(replayed);
    etw_output_json.close(output);
    return result;
}

static outcome recover(faulty_os *files)
{
    outcome result = {0};
    etw_recover_report report;
    result.status = etw_recover(faulty_os_table(files), "mem:in.etwcap", "mem:out", NULL, &report,
                                &result.error);
    return result;
}

static outcome verify(faulty_os *files)
{
    outcome result = {0};
    etw_verify_report report;
    result.status =
        etw_verify(faulty_os_table(files), "mem:in.etwcap", NULL, NULL, &report, &result.error);
    if (result.status == ETW_OK && !report.good) {
        result.status = etw_error_set(&result.error, ETW_ERROR_DAMAGED, "found bad");
    }
    return result;
}

/* What is in a file: UINT64_MAX where it has not even a head. */
static uint64_t events_in(faulty_os *files, const char *path, bool *complete)
{
    etw_source *source = NULL;
    etw_item item;
    etw_status status;
    etw_file_summary summary;
    uint64_t events = 0;
    int64_t last = -1;
    *complete = false;
    if (etw_reader_open(faulty_os_table(files), path, NULL, &source, NULL) != ETW_OK) {
        return UINT64_MAX;
    }
    while ((status = etw_source_next(source, &item, NULL)) == ETW_OK) {
        if (item.kind == ETW_ITEM_EVENT) {
            assert_true(item.record->EventHeader.TimeStamp > last); /* each once, in order */
            last = item.record->EventHeader.TimeStamp;
            events++;
        }
    }
    assert_int_equal(status, ETW_END);
    assert_int_equal(etw_reader_summary(source, &summary, NULL), ETW_OK);
    *complete = summary.complete;
    etw_source_close(source);
    return events;
}

static bool is_good(faulty_os *files, const char *path)
{
    etw_verify_report report;
    return etw_verify(faulty_os_table(files), path, NULL, NULL, &report, NULL) == ETW_OK &&
           report.good;
}

/* Events in all files that a recording left; good ones only where it says that all went well. */
static uint64_t events_left(faulty_os *files, bool well)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i <= SEGMENTS; i++) {
        char path[32];
        bool complete;
        (void)snprintf(path, sizeof path, i == 0 ? "mem:out" : "mem:out-%04u", (unsigned)i);
        if (faulty_os_get(files, path + 4).data == NULL) {
            continue;
        }
        const uint64_t events = events_in(files, path, &complete);
        assert_true(!well || (complete && is_good(files, path)));
        assert_true(!complete || is_good(files, path));
        sum += events == UINT64_MAX ? 0 : events;
    }
    return sum;
}

static void remove_outputs(faulty_os *files)
{
    const etw_os *os = faulty_os_table(files);
    (void)os->remove(os->context, "mem:out");
    (void)os->remove(os->context, "mem:out" ETW_PART_SUFFIX);
    for (uint32_t i = 1; i <= SEGMENTS; i++) {
        char path[32];
        (void)snprintf(path, sizeof path, "mem:out-%04u", (unsigned)i);
        (void)os->remove(os->context, path);
    }
}

static void check_recording(faulty_os *files, const outcome *of)
{
    const etw_capture_totals *totals = &of->totals;
    assert_int_equal(totals->events, totals->written + totals->dropped);
    assert_int_equal(events_left(files, of->status == ETW_OK) + totals->removed_events,
                     totals->written);
    assert_true(of->status != ETW_OK || totals->events == EVENTS + 1); /* and the header event */
}

static etw_bytes whole_text; /* what a replay writes when nothing fails */

static void check_replay(faulty_os *files, const outcome *of)
{
    const etw_bytes text = faulty_os_get(files, "out");
    if (of->status == ETW_OK) {
        assert_int_equal(text.size, whole_text.size);
        assert_memory_equal(text.data, whole_text.data, text.size);
    }
}

static void check_recovery(faulty_os *files, const outcome *of)
{
    assert_true(of->status == ETW_OK ? is_good(files, "mem:out")
                                     : faulty_os_get(files, "out").data == NULL);
}

static void check_nothing(faulty_os *files, const outcome *of)
{
    (void)files;
    (void)of;
}

typedef struct job {
    const char *name;
    outcome (*run)(faulty_os *files);
    void (*check)(faulty_os *files, const outcome *of);
} job;

/* The message of a failure must name its cause; that is also how a failure is known to be the one
 * that was injected. */
static void check_message(const job *of, const outcome *result, int call, uint64_t n, int error)
{
    if (result->status != ETW_OK && strstr(result->error.message, strerror(error)) == NULL) {
        fail_msg("%s, call %llu of kind %d: \"%s\" does not say \"%s\"", of->name,
                 (unsigned long long)n, call, result->error.message, strerror(error));
    }
}

/* The nth call of a kind fails. False once there are fewer than n calls. */
static bool run_with_fault(faulty_os *files, const job *of, faulty_call call, uint64_t n, int error)
{
    faulty_faults faults = {.capacity = UINT64_MAX, .error = error};
    faults.fail_at[call] = n;
    faulty_os_reset_calls(files);
    faulty_os_set(files, &faults);
    const outcome result = of->run(files);
    const bool fired = faulty_os_calls(files, call) >= n;
    faulty_os_set(files, &(faulty_faults){.capacity = UINT64_MAX});
    assert_int_equal(faulty_os_open_files(files), 0);
    check_message(of, &result, call, n, error);
    assert_true(fired || result.status == ETW_OK);
    /* An interrupted read or write is no failure at all. */
    assert_true(error != EINTR || result.status == ETW_OK ||
                (call != FAULTY_READ && call != FAULTY_WRITE));
    of->check(files, &result);
    remove_outputs(files);
    return fired;
}

static void fail_each_call(faulty_os *files, const job *of)
{
    for (int call = 0; call < FAULTY_CALLS; call++) {
        for (size_t e = 0; e < ERROR_COUNT; e++) {
            uint64_t n = 1;
            while (run_with_fault(files, of, (faulty_call)call, n, errors[e])) {
                n++;
            }
        }
    }
}

/* Reads and writes move at most so many bytes. */
static void shorten_all_calls(faulty_os *files, const job *of)
{
    static const size_t most[] = {1, 7, 1000};
    for (size_t i = 0; i < sizeof most / sizeof most[0]; i++) {
        faulty_os_reset_calls(files);
        faulty_os_set(files, &(faulty_faults){.capacity = UINT64_MAX, .most_bytes = most[i]});
        const outcome result = of->run(files);
        faulty_os_set(files, &(faulty_faults){.capacity = UINT64_MAX});
        assert_int_equal(result.status, ETW_OK);
        of->check(files, &result);
        remove_outputs(files);
    }
}

static void make_recording(faulty_os *files)
{
    assert_int_equal(record_file(files).status, ETW_OK);
    const etw_os *os = faulty_os_table(files);
    assert_int_equal(os->rename(os->context, "mem:out", "mem:in.etwcap"), 0);
}

static void each_call_of_a_recording_may_fail(void **state)
{
    static const job jobs[] = {{"record", record_file, check_recording},
                               {"record a ring", record_ring, check_recording}};
    for (size_t i = 0; i < sizeof jobs / sizeof jobs[0]; i++) {
        fail_each_call(*state, &jobs[i]);
        shorten_all_calls(*state, &jobs[i]);
    }
}

static void each_call_of_a_replay_may_fail(void **state)
{
    const job it = {"replay", replay, check_replay};
    make_recording(*state);
    assert_int_equal(replay(*state).status, ETW_OK);
    const etw_bytes text = faulty_os_get(*state, "out");
    uint8_t *copy = malloc(text.size);
    assert_non_null(copy);
    memcpy(copy, text.data, text.size);
    whole_text = (etw_bytes){copy, text.size};
    remove_outputs(*state);
    fail_each_call(*state, &it);
    shorten_all_calls(*state, &it);
    free(copy);
}

static void each_call_of_a_recovery_may_fail(void **state)
{
    const job it = {"recover", recover, check_recovery};
    make_recording(*state);
    fail_each_call(*state, &it);
    shorten_all_calls(*state, &it);
}

static void each_call_of_a_verification_may_fail(void **state)
{
    const job it = {"verify", verify, check_nothing};
    make_recording(*state);
    fail_each_call(*state, &it);
    shorten_all_calls(*state, &it);
}

/* The disk is full after each number of bytes: what the files have and what was dropped are all. */
static void disk_may_be_full_at_any_byte(void **state)
{
    const job it = {"record", record_file, check_recording};
    uint64_t capacity = 0;
    outcome result = {.status = ETW_ERROR_NO_SPACE};
    while (result.status != ETW_OK) {
        faulty_os_reset_calls(*state);
        faulty_os_set(*state, &(faulty_faults){.capacity = capacity});
        result = it.run(*state);
        faulty_os_set(*state, &(faulty_faults){.capacity = UINT64_MAX});
        check_message(&it, &result, FAULTY_WRITE, capacity, ENOSPC);
        it.check(*state, &result);
        remove_outputs(*state);
        capacity += 17;
    }
    assert_true(capacity > EVENTS);
}

/* The disk of a live recording is full for a while: what it did not take is a loss in its place. */
static void full_disk_does_not_end_a_live_recording(void **state)
{
    etw_capture_options options = {.os = faulty_os_table(*state),
                                   .path = "mem:out",
                                   .writer = {.batch_bytes = 4096, .overload = ETW_OVERLOAD_DROP},
                                   .store = etw_schema_store_new()};
    etw_source *source = NULL;
    etw_capture *capture = NULL;
    etw_item item;
    uint32_t taken = 0;
    outcome result = {0};
    assert_int_equal(etw_resolver_new(options.store, NULL, &options.resolver, NULL), ETW_OK);
    assert_int_equal(open_input(options.os, &source, NULL), ETW_OK);
    assert_int_equal(etw_capture_open(&options, &capture, NULL), ETW_OK);
    while (etw_source_next(source, &item, NULL) == ETW_OK) {
        uint16_t index;
        assert_int_equal(item.kind, ETW_ITEM_EVENT);
        if (taken == 0) {
            assert_int_equal(
                etw_capture_add_trace(capture, etw_source_trace(source, 0), &index, NULL), ETW_OK);
        }
        if (taken == EVENTS / 4 || taken == EVENTS / 2) {
            const bool is_full = taken == EVENTS / 4;
            faulty_os_set(*state, &(faulty_faults){.capacity = is_full ? 1 : UINT64_MAX});
            faulty_os_advance_ms(*state, 1000);
        }
        assert_int_equal(etw_capture_event(capture, 0, item.record, NULL), ETW_OK);
        taken++;
    }
    result.status = etw_capture_finish(capture, &result.totals, &result.error);
    assert_int_equal(result.status, ETW_OK);
    assert_true(result.totals.dropped > 0);
    check_recording(*state, &result);
    etw_capture_free(capture);
    etw_source_close(source);
    etw_resolver_free(options.resolver);
    etw_schema_store_free(options.store);
}

/* A rotation that cannot open its next segment leaves the current one in use. */
static void capture_stays_in_its_segment_where_the_next_cannot_be_opened(void **state)
{
    etw_capture_options options = {.os = faulty_os_table(*state),
                                   .path = "mem:out",
                                   .limits = {.rotate_ms = 1000},
                                   .store = etw_schema_store_new()};
    etw_capture *capture = NULL;
    etw_capture_totals totals;
    etw_error error = {0};
    uint16_t index;
    const etw_trace trace = {.pointer_size = 8};
    const etw_event_record event = {.UserDataLength = 0};
    assert_int_equal(etw_resolver_new(options.store, NULL, &options.resolver, NULL), ETW_OK);
    assert_int_equal(etw_capture_open(&options, &capture, NULL), ETW_OK);
    assert_int_equal(etw_capture_add_trace(capture, &trace, &index, NULL), ETW_OK);
    faulty_os_reset_calls(*state);
    faulty_os_set(*state, &(faulty_faults){.fail_at = {[FAULTY_OPEN] = 1}, .capacity = UINT64_MAX});
    assert_int_equal(etw_capture_rotate(capture, &error), ETW_ERROR_IO);
    assert_int_equal(etw_capture_event(capture, 0, &event, &error), ETW_OK);
    assert_int_equal(etw_capture_loss(capture, &(etw_loss){.cause = 1}, &error), ETW_OK);
    assert_int_equal(etw_capture_finish(capture, &totals, &error), ETW_OK);
    assert_int_equal(totals.written, 1);
    assert_int_equal(totals.dropped, 0);
    assert_int_equal(totals.segments, 1);
    etw_capture_free(capture);
    etw_resolver_free(options.resolver);
    etw_schema_store_free(options.store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_call_of_a_recording_may_fail, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_call_of_a_replay_may_fail, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_call_of_a_recovery_may_fail, set_up, tear_down),
        cmocka_unit_test_setup_teardown(each_call_of_a_verification_may_fail, set_up, tear_down),
        cmocka_unit_test_setup_teardown(disk_may_be_full_at_any_byte, set_up, tear_down),
        cmocka_unit_test_setup_teardown(full_disk_does_not_end_a_live_recording, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            capture_stays_in_its_segment_where_the_next_cannot_be_opened, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
