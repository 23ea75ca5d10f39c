/* The flight recorder: the newest events in memory, and a whole file when it is asked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "format/etwcap/reader.h"
#include "recorder/capture/flight.h"
#include "recorder/capture/memory_files.h"
#include "tests/support/faulty_os.h"

typedef struct fixture {
    faulty_os *disk;
    etw_capture_options options;
    etw_flight *flight;
    uint64_t random;
    uint32_t next_event;
} fixture;

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    *state = f;
    f->disk = faulty_os_new();
    f->random = 1;
    f->options = (etw_capture_options){.os = faulty_os_table(f->disk),
                                       .path = "mem:out.etwcap",
                                       .writer = {.batch_bytes = 64 << 10},
                                       .store = etw_schema_store_new()};
    return etw_resolver_new(f->options.store, NULL, &f->options.resolver, NULL) != ETW_OK;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    etw_flight_free(f->flight);
    etw_resolver_free(f->options.resolver);
    etw_schema_store_free(f->options.store);
    faulty_os_free(f->disk);
    free(f);
    return 0;
}

static void open_flight(fixture *f)
{
    const etw_flight_options options = {
        .max_bytes = ETW_FLIGHT_MIN_BYTES, .has_trigger = true, .trigger_id = 9};
    const etw_trace trace = {.pointer_size = 8, .clock.type = ETW_CLOCK_SYSTEM_TIME};
    uint16_t index;
    assert_int_equal(etw_flight_open(&options, &f->options, &f->flight, NULL), ETW_OK);
    assert_int_equal(etw_capture_add_trace(etw_flight_capture(f->flight), &trace, &index, NULL),
                     ETW_OK);
}

/* Payloads that do not compress, so that the ring's size is reached soon. */
static void add_events(fixture *f, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint64_t payload[32];
        for (uint32_t k = 0; k < 32; k++) {
            f->random = f->random * 6364136223846793005u + 1442695040888963407u;
            payload[k] = f->random ^ f->random >> 29;
        }
        etw_event_record record = {.UserData = payload, .UserDataLength = sizeof payload};
        record.EventHeader.TimeStamp = f->next_event++;
        assert_int_equal(etw_capture_event(etw_flight_capture(f->flight), 0, &record, NULL),
                         ETW_OK);
        if (i % 100 == 99) {
            assert_int_equal(etw_capture_tick(etw_flight_capture(f->flight), NULL), ETW_OK);
        }
    }
}

/* Events of a dump are the newest, without a gap; gives their number. */
static uint32_t check_dump(const fixture *f, const char *path)
{
    etw_source *source = NULL;
    etw_file_summary summary;
    etw_item item;
    etw_status status;
    uint32_t count = 0;
    int64_t last = 0;
    assert_int_equal(etw_reader_open(f->options.os, path, NULL, &source, NULL), ETW_OK);
    while ((status = etw_source_next(source, &item, NULL)) == ETW_OK) {
        assert_int_equal(item.kind, ETW_ITEM_EVENT);
        const int64_t number = item.record->EventHeader.TimeStamp;
        assert_true(count == 0 || number == last + 1);
        last = number;
        count++;
    }
    assert_int_equal(status, ETW_END);
    assert_int_equal(last, f->next_event - 1);
    assert_int_equal(etw_reader_summary(source, &summary, NULL), ETW_OK);
    assert_true(summary.complete);
    etw_source_close(source);
    return count;
}

static void all_is_kept_while_it_fits(void **state)
{
    fixture *f = *state;
    const char *path = NULL;
    open_flight(f);
    add_events(f, 1000);
    assert_null(faulty_os_get(f->disk, "out-0001.etwcap").data);
    assert_int_equal(etw_flight_dump(f->flight, &path, NULL), ETW_OK);
    assert_string_equal(path, "mem:out-0001.etwcap");
    assert_int_equal(check_dump(f, path), 1000);
}

static void the_oldest_is_forgotten(void **state)
{
    fixture *f = *state;
    const char *path = NULL;
    open_flight(f);
    add_events(f, 20000); /* some 6 MB, of which 1 MiB stays */
    assert_int_equal(etw_flight_dump(f->flight, &path, NULL), ETW_OK);
    const uint32_t kept = check_dump(f, path);
    assert_in_range(kept, 1500, 4000);
    assert_true(faulty_os_get(f->disk, "out-0001.etwcap").size <=
                ETW_FLIGHT_MIN_BYTES + ETW_FLIGHT_MIN_BYTES / ETW_FLIGHT_SEGMENTS);
    etw_capture_totals totals;
    etw_capture_get_totals(etw_flight_capture(f->flight), &totals);
    assert_int_equal(totals.dropped, 0);
}

static void recording_goes_on_after_a_dump(void **state)
{
    fixture *f = *state;
    const char *path = NULL;
    open_flight(f);
    add_events(f, 500);
    assert_int_equal(etw_flight_dump(f->flight, &path, NULL), ETW_OK);
    add_events(f, 300);
    assert_int_equal(etw_flight_dump(f->flight, &path, NULL), ETW_OK);
    assert_string_equal(path, "mem:out-0002.etwcap");
    assert_int_equal(check_dump(f, path), 800);
}

static void its_trigger_is_one_event_of_one_provider(void **state)
{
    fixture *f = *state;
    open_flight(f);
    etw_event_record record = {.UserDataLength = 0};
    record.EventHeader.EventDescriptor.Id = 9;
    assert_true(etw_flight_is_trigger(f->flight, &record));
    record.EventHeader.EventDescriptor.Id = 8;
    assert_false(etw_flight_is_trigger(f->flight, &record));
    record.EventHeader.EventDescriptor.Id = 9;
    record.EventHeader.ProviderId.Data1 = 1;
    assert_false(etw_flight_is_trigger(f->flight, &record));
}

static void its_size_has_limits(void **state)
{
    fixture *f = *state;
    static const uint64_t sizes[] = {ETW_FLIGHT_MIN_BYTES - 1, ETW_FLIGHT_MAX_BYTES + 1};
    for (size_t i = 0; i < 2; i++) {
        const etw_flight_options options = {.max_bytes = sizes[i]};
        assert_int_equal(etw_flight_open(&options, &f->options, &f->flight, NULL),
                         ETW_ERROR_INVALID_ARGUMENT);
    }
}

static void memory_files_behave_as_files(void **state)
{
    (void)state;
    etw_memory_files *files = etw_memory_files_new(1000);
    const etw_os *os = etw_memory_files_os(files);
    static const char text[400] = "abc";
    char back[4] = "";
    const int file = os->open(os->context, "a", ETW_OPEN_CREATE);
    assert_true(file >= 0);
    assert_true(os->open(os->context, "a", ETW_OPEN_CREATE) < 0);
    assert_true(os->open(os->context, "b", ETW_OPEN_READ) < 0);
    assert_int_equal(os->write(os->context, file, text, sizeof text), sizeof text);
    assert_int_equal(os->write(os->context, file, text, sizeof text), sizeof text);
    assert_true(os->write(os->context, file, text, sizeof text) < 0); /* full */
    assert_int_equal(os->size(os->context, file), 800);
    assert_int_equal(os->free_space(os->context, "a"), 200);
    assert_int_equal(os->read_at(os->context, file, back, 3, 400), 3);
    assert_string_equal(back, "abc");
    assert_int_equal(os->close(os->context, file), 0);
    assert_int_equal(os->rename(os->context, "a", "b"), 0);
    assert_int_equal(os->remove(os->context, "b"), 0);
    assert_true(os->remove(os->context, "b") < 0);
    assert_int_equal(os->free_space(os->context, "a"), 1000);
    etw_memory_files_free(files);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(all_is_kept_while_it_fits),
        TEST(the_oldest_is_forgotten),
        TEST(recording_goes_on_after_a_dump),
        TEST(its_trigger_is_one_event_of_one_provider),
        TEST(its_size_has_limits),
        cmocka_unit_test(memory_files_behave_as_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
