/* The capture's limits, its segments and its ring, on files in memory with a clock that stands
 * still until it is told to go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "format/etwcap/reader.h"
#include "recorder/capture/capture.h"
#include "tests/support/faulty_os.h"
#include "tests/support/sample.h"

#define MANY UINT64_MAX

typedef struct fixture {
    faulty_os *files;
    etw_capture_options options;
    etw_capture *capture;
    uint32_t next_event;
    uint32_t opened, closing, closed; /* calls seen */
    char last_closed[64];
    bool is_stopped;
} fixture;

static void on_opened(void *context)
{
    ((fixture *)context)->opened++;
}

static void on_closing(void *context)
{
    ((fixture *)context)->closing++;
}

static void on_closed(void *context, const char *path)
{
    fixture *f = context;
    f->closed++;
    (void)snprintf(f->last_closed, sizeof f->last_closed, "%s", path);
}

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    *state = f;
    f->files = faulty_os_new();
    f->options = (etw_capture_options){.os = faulty_os_table(f->files),
                                       .path = "mem:a.etwcap",
                                       .writer = {.batch_bytes = 4096},
                                       .store = etw_schema_store_new(),
                                       .segment_opened = on_opened,
                                       .segment_closing = on_closing,
                                       .segment_closed = on_closed,
                                       .context = f};
    return etw_resolver_new(f->options.store, NULL, &f->options.resolver, NULL) != ETW_OK;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    etw_capture_free(f->capture);
    etw_resolver_free(f->options.resolver);
    etw_schema_store_free(f->options.store);
    assert_int_equal(faulty_os_open_files(f->files), 0);
    faulty_os_free(f->files);
    free(f);
    return 0;
}

static void open_capture(fixture *f, etw_capture_limits limits)
{
    const etw_trace trace = sample_trace(0);
    uint16_t index;
    f->options.limits = limits;
    assert_int_equal(etw_capture_open(&f->options, &f->capture, NULL), ETW_OK);
    assert_int_equal(etw_capture_add_trace(f->capture, &trace, &index, NULL), ETW_OK);
}

static etw_status add_event(fixture *f)
{
    sample_event event;
    sample_make_event(f->next_event++, &event);
    return etw_capture_event(f->capture, 0, &event.record, NULL);
}

static void add_events(fixture *f, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(add_event(f), ETW_OK);
    }
}

static etw_capture_totals finish(fixture *f)
{
    etw_capture_totals totals;
    assert_int_equal(etw_capture_finish(f->capture, &totals, NULL), ETW_OK);
    assert_int_equal(totals.events, totals.written + totals.dropped);
    assert_int_equal(totals.queued, 0);
    return totals;
}

/* What a file holds. */
typedef struct content {
    uint64_t events, losses, lost;
    int64_t first_time;
    char detail[ETW_LOSS_DETAIL_SIZE]; /* of the last loss */
} content;

static content read_back(const fixture *f, const char *path)
{
    content found = {0};
    etw_source *source = NULL;
    etw_item item;
    etw_status status;
    assert_int_equal(etw_reader_open(f->options.os, path, NULL, &source, NULL), ETW_OK);
    while ((status = etw_source_next(source, &item, NULL)) == ETW_OK) {
        if (item.kind == ETW_ITEM_EVENT) {
            if (found.events++ == 0) {
                found.first_time = item.record->EventHeader.TimeStamp;
            }
        } else {
            found.losses++;
            found.lost += item.loss->events;
            (void)snprintf(found.detail, sizeof found.detail, "%s", item.loss->detail);
        }
    }
    assert_int_equal(status, ETW_END);
    etw_source_close(source);
    return found;
}

static bool exists(const fixture *f, const char *path)
{
    return faulty_os_get(f->files, path + 4).data != NULL;
}

static void number_of_events_ends_it(void **state)
{
    fixture *f = *state;
    open_capture(f, (etw_capture_limits){.max_events = 5});
    add_events(f, 4);
    assert_int_equal(add_event(f), ETW_END);
    assert_string_equal(finish(f).end_reason, "number of events reached");
    assert_int_equal(read_back(f, "mem:a.etwcap").events, 5);
}

static void duration_ends_it(void **state)
{
    fixture *f = *state;
    open_capture(f, (etw_capture_limits){.max_duration_ms = 2000});
    faulty_os_advance_ms(f->files, 1999);
    assert_int_equal(etw_capture_tick(f->capture, NULL), ETW_OK);
    faulty_os_advance_ms(f->files, 1);
    assert_int_equal(etw_capture_tick(f->capture, NULL), ETW_END);
    assert_string_equal(finish(f).end_reason, "duration reached");
}

static void total_size_ends_it(void **state)
{
    fixture *f = *state;
    open_capture(f, (etw_capture_limits){.max_total_bytes = 20000});
    etw_status status = ETW_OK;
    for (uint32_t i = 0; i < 100 && status == ETW_OK; i++) {
        add_events(f, 50);
        status = etw_capture_tick(f->capture, NULL);
    }
    assert_int_equal(status, ETW_END);
    const etw_capture_totals totals = finish(f);
    assert_string_equal(totals.end_reason, "total size reached");
    assert_true(totals.file_bytes >= 20000);
    assert_int_equal(totals.file_bytes, faulty_os_get(f->files, "a.etwcap").size);
}

static void floor_of_free_space_ends_it(void **state)
{
    fixture *f = *state;
    faulty_os_set(f->files, &(faulty_faults){.capacity = 100000});
    open_capture(f, (etw_capture_limits){.min_free_bytes = 50000});
    etw_status status = ETW_OK;
    for (uint32_t i = 0; i < 200 && status == ETW_OK; i++) {
        add_events(f, 50);
        status = etw_capture_tick(f->capture, NULL);
    }
    assert_int_equal(status, ETW_END);
    assert_string_equal(finish(f).end_reason, "free space of the target at its floor");
}

static bool is_stopped(void *context)
{
    return ((const fixture *)context)->is_stopped;
}

static void being_stopped_ends_it(void **state)
{
    fixture *f = *state;
    f->options.is_stopped = is_stopped;
    open_capture(f, (etw_capture_limits){0});
    assert_int_equal(etw_capture_tick(f->capture, NULL), ETW_OK);
    f->is_stopped = true;
    assert_int_equal(etw_capture_tick(f->capture, NULL), ETW_END);
    assert_string_equal(finish(f).end_reason, "interrupted");
}

static void time_rotates_into_segments_that_stand_alone(void **state)
{
    fixture *f = *state;
    open_capture(f, (etw_capture_limits){.rotate_ms = 1000});
    for (uint32_t i = 0; i < 3; i++) {
        add_events(f, 10);
        faulty_os_advance_ms(f->files, 1000);
        assert_int_equal(etw_capture_tick(f->capture, NULL), ETW_OK);
    }
    add_events(f, 7);
    const etw_capture_totals totals = finish(f);
    assert_int_equal(totals.segments, 4);
    assert_int_equal(f->opened, 3);
    assert_int_equal(f->closing, 4);
    assert_int_equal(f->closed, 4);
    assert_string_equal(f->last_closed, "mem:a-0004.etwcap");
    static const char *const paths[] = {"mem:a-0001.etwcap", "mem:a-0002.etwcap",
                                        "mem:a-0003.etwcap", "mem:a-0004.etwcap"};
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(read_back(f, paths[i]).events, i < 3 ? 10 : 7);
    }
}

static void size_rotates(void **state)
{
    fixture *f = *state;
    open_capture(f, (etw_capture_limits){.rotate_bytes = 10000});
    for (uint32_t i = 0; i < 100; i++) {
        add_events(f, 20);
        assert_int_equal(etw_capture_tick(f->capture, NULL), ETW_OK);
    }
    const etw_capture_totals totals = finish(f);
    assert_true(totals.segments >= 3);
    assert_int_equal(totals.written, 2000);
    const size_t size = faulty_os_get(f->files, "a-0001.etwcap").size;
    assert_in_range(size, 10000, 20000);
}

static void ring_keeps_the_newest_segments(void **state)
{
    static const uint32_t rings[] = {1, 2, 3};
    for (uint32_t i = 0; i < 3; i++) {
        fixture *f = *state;
        faulty_os_set(f->files, &(faulty_faults){.capacity = MANY});
        f->options.writer.replace = true;
        f->next_event = 0;
        open_capture(f, (etw_capture_limits){.rotate_ms = 1000, .ring_segments = rings[i]});
        for (uint32_t segment = 0; segment < 5; segment++) {
            add_events(f, 10);
            assert_int_equal(etw_capture_rotate(f->capture, NULL), ETW_OK);
        }
        add_events(f, 4);
        const etw_capture_totals totals = finish(f);
        assert_int_equal(totals.removed_events, 10 * (6 - rings[i]));
        assert_int_equal(totals.written, 54);
        for (uint32_t segment = 1; segment <= 6; segment++) {
            char path[64];
            (void)snprintf(path, sizeof path, "mem:a-%04u.etwcap", (unsigned)segment);
            assert_int_equal(exists(f, path), segment > 6 - rings[i]);
        }
        etw_capture_free(f->capture);
        f->capture = NULL;
    }
}

/* While the disk is full a live recording stays in its segment, and what was lost is told there as
 * soon as there is room. */
/* As on Windows while somebody reads it. */
static void a_segment_that_cannot_be_removed_goes_later(void **state)
{
    fixture *f = *state;
    open_capture(f, (etw_capture_limits){.rotate_ms = 1000, .ring_segments = 2});
    faulty_os_reset_calls(f->files);
    faulty_os_set(f->files, &(faulty_faults){.capacity = UINT64_MAX,
                                             .error = 13 /* EACCES */,
                                             .fail_at = {[FAULTY_REMOVE] = 1},
                                             .keep_failing = true});
    for (uint32_t i = 0; i < 4; i++) {
        add_events(f, 1);
        assert_int_equal(etw_capture_rotate(f->capture, NULL), ETW_OK);
    }
    assert_true(exists(f, "mem:a-0001.etwcap") && exists(f, "mem:a-0002.etwcap"));
    faulty_os_set(f->files, &(faulty_faults){.capacity = UINT64_MAX});
    assert_int_equal(etw_capture_tick(f->capture, NULL), ETW_OK);
    assert_false(exists(f, "mem:a-0001.etwcap") || exists(f, "mem:a-0003.etwcap"));
    assert_true(exists(f, "mem:a-0004.etwcap") && exists(f, "mem:a-0005.etwcap"));
    finish(f);
}

static void a_name_that_is_taken_is_passed_over(void **state)
{
    fixture *f = *state;
    const etw_bytes ours = {(const uint8_t *)"ours", 4};
    assert_true(faulty_os_put(f->files, "a-0002.etwcap", ours));
    assert_true(faulty_os_put(f->files, "a-0003.etwcap", ours));
    open_capture(f, (etw_capture_limits){.rotate_ms = 1000});
    add_events(f, 5);
    assert_int_equal(etw_capture_rotate(f->capture, NULL), ETW_OK);
    add_events(f, 7);
    assert_int_equal(finish(f).segments, 2);
    assert_int_equal(read_back(f, "mem:a-0001.etwcap").events, 5);
    assert_int_equal(read_back(f, "mem:a-0004.etwcap").events, 7);
    assert_int_equal(faulty_os_get(f->files, "a-0003.etwcap").size, 4);
}

static void the_first_name_must_be_free(void **state)
{
    fixture *f = *state;
    assert_true(faulty_os_put(f->files, "a-0001.etwcap", (etw_bytes){(const uint8_t *)"ours", 4}));
    f->options.limits.rotate_ms = 1000;
    assert_int_equal(etw_capture_open(&f->options, &f->capture, NULL), ETW_ERROR_EXISTS);
}

/* The second segment cannot be opened: the first says that there was more. */
static void what_is_not_read_any_more_is_told(void **state)
{
    fixture *f = *state;
    etw_source *source = NULL;
    etw_error error = {0};
    open_capture(f, (etw_capture_limits){.rotate_ms = 1000});
    add_events(f, 5000); /* the clock is looked at every 4096 */
    assert_int_equal(etw_capture_finish(f->capture, NULL, NULL), ETW_OK);
    etw_capture_free(f->capture);
    f->capture = NULL;
    assert_int_equal(etw_reader_open(f->options.os, "mem:a-0001.etwcap", NULL, &source, NULL),
                     ETW_OK);
    f->options.path = "mem:b.etwcap";
    f->options.limits = (etw_capture_limits){.rotate_ms = 1};
    assert_int_equal(etw_capture_open(&f->options, &f->capture, NULL), ETW_OK);
    faulty_os_advance_ms(f->files, 10);
    faulty_os_reset_calls(f->files);
    faulty_os_set(f->files, &(faulty_faults){.capacity = UINT64_MAX,
                                             .error = 13 /* EACCES */,
                                             .fail_at = {[FAULTY_OPEN] = 1}});
    assert_int_equal(etw_capture_pull(f->capture, source, &error), ETW_ERROR_ACCESS);
    faulty_os_set(f->files, &(faulty_faults){.capacity = UINT64_MAX});
    etw_source_close(source);
    finish(f);
    assert_int_equal(read_back(f, "mem:b-0001.etwcap").losses, 1);
}

static void full_disk_postpones_a_rotation(void **state)
{
    fixture *f = *state;
    f->options.writer.overload = ETW_OVERLOAD_DROP;
    open_capture(f, (etw_capture_limits){.rotate_ms = 1000});
    add_events(f, 10);
    faulty_os_set(f->files, &(faulty_faults){.fail_at = {[FAULTY_WRITE] = 1},
                                             .keep_failing = true,
                                             .error = 28 /* ENOSPC */,
                                             .capacity = MANY});
    faulty_os_reset_calls(f->files);
    for (uint32_t i = 0; i < 3; i++) {
        faulty_os_advance_ms(f->files, 1000);
        assert_int_equal(etw_capture_tick(f->capture, NULL), ETW_OK);
        add_events(f, 500);
    }
    assert_false(exists(f, "mem:a-0002.etwcap"));
    faulty_os_set(f->files, &(faulty_faults){.capacity = MANY});
    faulty_os_advance_ms(f->files, 10000);
    add_events(f, 200);
    assert_int_equal(etw_capture_tick(f->capture, NULL), ETW_OK);
    add_events(f, 5);
    const etw_capture_totals totals = finish(f);
    assert_int_equal(totals.segments, 2);
    assert_int_equal(totals.events, 1715);
    assert_true(totals.dropped > 0);
    const content first = read_back(f, "mem:a-0001.etwcap");
    assert_int_equal(first.events + 5, totals.written);
    assert_int_equal(first.lost, totals.dropped);
    assert_int_equal(read_back(f, "mem:a-0002.etwcap").events, 5);
}

static void losses_stand_where_they_happened(void **state)
{
    fixture *f = *state;
    open_capture(f, (etw_capture_limits){0});
    add_events(f, 3);
    const etw_loss loss = {.cause = ETW_LOSS_ETW_EVENTS, .events = 7};
    assert_int_equal(etw_capture_loss(f->capture, &loss, NULL), ETW_OK);
    const etw_loss unknown = {.cause = ETW_LOSS_ETW_BUFFERS, .events = ETW_LOSS_COUNT_UNKNOWN};
    const etw_loss filtered = {.cause = ETW_LOSS_FILTERED, .events = 9};
    assert_int_equal(etw_capture_loss(f->capture, &filtered, NULL), ETW_OK);
    etw_capture_totals totals;
    etw_capture_get_totals(f->capture, &totals);
    assert_int_equal(totals.lost, 7);
    assert_false(totals.lost_unknown);
    assert_int_equal(etw_capture_loss(f->capture, &unknown, NULL), ETW_OK);
    totals = finish(f);
    assert_int_equal(totals.lost, 7);
    assert_true(totals.lost_unknown);
    assert_int_equal(read_back(f, "mem:a.etwcap").losses, 3);
}

static void segments_are_numbered_before_the_extension(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        uint32_t number;
        const char *expected;
    } rows[] = {
        {"a.etwcap", 7, "a-0007.etwcap"},
        {"dir.d/a", 1, "dir.d/a-0001"},
        {"C:\\x.y\\a.b.etwcap", 12345, "C:\\x.y\\a.b-12345.etwcap"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *path = etw_capture_segment_path(rows[i].path, rows[i].number);
        assert_string_equal(path, rows[i].expected);
        free(path);
    }
}

static void stdout_is_not_rotated(void **state)
{
    fixture *f = *state;
    etw_error error = {0};
    f->options.path = "-";
    f->options.limits.rotate_ms = 1;
    assert_int_equal(etw_capture_open(&f->options, &f->capture, &error),
                     ETW_ERROR_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "rotated"));
}

static void what_is_not_wanted_is_counted_and_not_received(void **state)
{
    fixture *f = *state;
    etw_where *where;
    assert_int_equal(etw_where_compile("ThreadId == 100", &where, NULL), ETW_OK);
    f->options.where = where;
    open_capture(f, (etw_capture_limits){.max_events = 3});
    etw_where_free(where);
    add_events(f, 14);
    assert_int_equal(add_event(f), ETW_END);
    const etw_capture_totals totals = finish(f);
    assert_int_equal(totals.events, 3);
    assert_int_equal(totals.left_out, 12);
    const content found = read_back(f, "mem:a.etwcap");
    assert_int_equal(found.events, 3);
    assert_int_equal(found.lost, 12);
    assert_string_equal(found.detail, "recorded only: where=ThreadId == 100");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(number_of_events_ends_it),
        TEST(duration_ends_it),
        TEST(total_size_ends_it),
        TEST(floor_of_free_space_ends_it),
        TEST(being_stopped_ends_it),
        TEST(time_rotates_into_segments_that_stand_alone),
        TEST(size_rotates),
        TEST(a_segment_that_cannot_be_removed_goes_later),
        TEST(a_name_that_is_taken_is_passed_over),
        TEST(the_first_name_must_be_free),
        TEST(what_is_not_read_any_more_is_told),
        TEST(ring_keeps_the_newest_segments),
        TEST(full_disk_postpones_a_rotation),
        TEST(losses_stand_where_they_happened),
        TEST(segments_are_numbered_before_the_extension),
        TEST(stdout_is_not_rotated),
        TEST(what_is_not_wanted_is_counted_and_not_received),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
