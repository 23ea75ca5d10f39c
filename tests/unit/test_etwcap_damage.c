/* Damaged, cut-off and hostile files: what is delivered is right, and what is not is accounted for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "format/etwcap/block.h"
#include "format/etwcap/reader.h"
#include "format/etwcap/recover.h"
#include "format/etwcap/verify.h"
#include "tests/support/faulty_os.h"
#include "tests/support/sample.h"

/* Small enough for each of its bits to be flipped in turn, with blocks enough to lose one. */
#define EVENTS 24u

/* Sanitizers slow this down thirtyfold: with them, each seventh bit and byte. */
#ifdef __SANITIZE_ADDRESS__
#define STEP 7u
#else
#define STEP 1u
#endif

typedef struct fixture {
    faulty_os *os;
    uint8_t *bytes; /* of the undamaged file */
    size_t size;
} fixture;

static void make_file(fixture *self, uint32_t events, size_t batch_bytes)
{
    const etw_writer_options options = {.batch_bytes = batch_bytes, .replace = true};
    assert_int_equal(sample_write(faulty_os_table(self->os), "mem:whole", events, &options, NULL),
                     ETW_OK);
    const etw_bytes whole = faulty_os_get(self->os, "whole");
    free(self->bytes);
    self->bytes = malloc(whole.size);
    assert_non_null(self->bytes);
    memcpy(self->bytes, whole.data, whole.size);
    self->size = whole.size;
}

static int set_up(void **state)
{
    fixture *self = calloc(1, sizeof *self);
    if (self == NULL) {
        return -1;
    }
    self->os = faulty_os_new();
    *state = self;
    make_file(self, EVENTS, 2000);
    return 0;
}

static int tear_down(void **state)
{
    fixture *self = *state;
    const uint32_t open_files = faulty_os_open_files(self->os);
    faulty_os_free(self->os);
    free(self->bytes);
    free(self);
    return open_files == 0 ? 0 : -1;
}

static void put(fixture *self, const uint8_t *data, size_t size)
{
    assert_true(faulty_os_put(self->os, "a", (etw_bytes){data, size}));
}

typedef struct outcome {
    etw_status status; /* of open or of the last next */
    uint32_t events;   /* delivered */
    uint32_t next;     /* the event after the last one */
    bool in_order;     /* all of them right, in the right order */
    uint32_t damages;  /* DAMAGE losses */
    uint64_t lost;     /* that they count */
    bool lost_unknown;
    bool truncated; /* a TRUNCATED loss */
    bool complete;
} outcome;

/* Every event of the sample says which one it is. */
static void take_event(outcome *result, const etw_item *item)
{
    sample_event expected;
    unsigned number = 0;
    char text[128] = {0};
    memcpy(text, item->record->UserData,
           item->record->UserDataLength < 127 ? item->record->UserDataLength : 127);
    if (sscanf(text, "event %u of", &number) != 1 || number < result->next) {
        result->in_order = false;
        return;
    }
    sample_make_event(number, &expected);
    result->in_order = result->in_order && sample_equal(item->record, &expected.record);
    result->next = number + 1;
    result->events++;
}

static void take_loss(outcome *result, const etw_loss *loss)
{
    if (loss->cause == ETW_LOSS_TRUNCATED) {
        result->truncated = true;
    } else if (loss->cause == ETW_LOSS_DAMAGE) {
        result->damages++;
        result->lost_unknown = result->lost_unknown || loss->events == ETW_LOSS_COUNT_UNKNOWN;
        result->lost += loss->events == ETW_LOSS_COUNT_UNKNOWN ? 0 : loss->events;
    }
}

static outcome read_file(fixture *self, const char *path, const etw_reader_options *options)
{
    outcome result = {.in_order = true};
    etw_source *source;
    etw_item item;
    etw_file_summary summary;
    result.status = etw_reader_open(faulty_os_table(self->os), path, options, &source, NULL);
    if (result.status != ETW_OK) {
        return result;
    }
    while ((result.status = etw_source_next(source, &item, NULL)) == ETW_OK) {
        if (item.kind == ETW_ITEM_EVENT) {
            take_event(&result, &item);
        } else {
            take_loss(&result, item.loss);
        }
    }
    if (etw_reader_summary(source, &summary, NULL) == ETW_OK) {
        result.complete = summary.complete;
    }
    etw_source_close(source);
    return result;
}

static bool verifies(fixture *self, const char *path)
{
    etw_verify_report report;
    return etw_verify(faulty_os_table(self->os), path, NULL, NULL, &report, NULL) == ETW_OK &&
           report.good;
}

static void undamaged_file_is_good(void **state)
{
    fixture *self = *state;
    const outcome result = read_file(self, "mem:whole", NULL);
    assert_int_equal(result.status, ETW_END);
    assert_int_equal(result.events, EVENTS);
    assert_true(result.in_order && result.complete && !result.truncated);
    assert_int_equal(result.damages, 0);
    assert_true(verifies(self, "mem:whole"));
}

static void every_truncation_gives_a_prefix(void **state)
{
    fixture *self = *state;
    const size_t name_size = 7;
    uint32_t before = 0;
    for (size_t size = 0; size < self->size; size += STEP) {
        static const char *const paths[] = {"mem:a", "pipe:a"};
        put(self, self->bytes, size);
        for (size_t i = 0; i < 2; i++) {
            const outcome result = read_file(self, paths[i], NULL);
            if (size < name_size) {
                assert_int_equal(result.status, ETW_ERROR_NOT_THIS);
                continue;
            }
            assert_int_equal(result.status, ETW_END);
            assert_true(result.in_order);
            assert_int_equal(result.next, result.events);
            assert_int_equal(result.damages, 0);
            assert_true(result.truncated);
            assert_false(result.complete);
            assert_true(result.events >= before);
            before = result.events;
        }
    }
    assert_int_equal(before, EVENTS);
}

static void zeros_after_a_truncation_are_its_end(void **state)
{
    fixture *self = *state;
    uint8_t *torn = calloc(1, self->size + 4096);
    assert_non_null(torn);
    for (size_t size = ETW_HEAD_SIZE; size < self->size; size += 13) {
        memset(torn, 0, self->size + 4096);
        memcpy(torn, self->bytes, size);
        put(self, torn, self->size + 4096);
        const outcome result = read_file(self, "mem:a", NULL);
        assert_int_equal(result.status, ETW_END);
        assert_true(result.in_order && result.truncated && !result.complete);
        assert_true(result.damages <= 1); /* the torn block */
        assert_int_equal(result.next, result.events);
    }
    free(torn);
}

static void every_flipped_bit_is_found(void **state)
{
    fixture *self = *state;
    uint8_t *data;
    put(self, self->bytes, self->size);
    data = (uint8_t *)(uintptr_t)faulty_os_get(self->os, "a").data;
    for (size_t bit = 0; bit < self->size * 8; bit += STEP) {
        const etw_reader_options scan = {.ignore_index = bit % 2 == 0};
        data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        const outcome result = read_file(self, "mem:a", &scan);
        if (bit / 8 < ETW_HEAD_SIZE) {
            assert_true(etw_failed(result.status));
        } else {
            assert_int_equal(result.status, ETW_END);
            assert_true(result.in_order);
            assert_true(result.lost_unknown || result.lost == EVENTS - result.events);
            assert_true(EVENTS - result.events <= 16); /* one block's */
        }
        if (bit % 17 == 0) {
            assert_false(verifies(self, "mem:a"));
        }
        data[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
}

/* Offsets of the blocks, found by their headers. */
static size_t find_blocks(const fixture *self, size_t *offsets, etw_block_header *headers,
                          size_t most)
{
    size_t count = 0;
    size_t at = ETW_HEAD_SIZE;
    while (at < self->size && count < most) {
        assert_true(etw_block_header_load(self->bytes + at, &headers[count]));
        offsets[count] = at;
        at += ETW_BLOCK_HEADER_SIZE + headers[count].stored_size;
        count++;
    }
    return count;
}

static void block_that_is_cut_out_is_missed(void **state)
{
    fixture *self = *state;
    size_t offsets[64];
    etw_block_header headers[64];
    make_file(self, 100, 2000);
    const size_t count = find_blocks(self, offsets, headers, 64);
    uint8_t *cut = malloc(self->size);
    assert_non_null(cut);
    for (size_t i = 0; i + 1 < count; i++) {
        const size_t next = offsets[i + 1];
        memcpy(cut, self->bytes, offsets[i]);
        memcpy(cut + offsets[i], self->bytes + next, self->size - next);
        put(self, cut, self->size - (next - offsets[i]));
        const outcome result = read_file(self, "mem:a", NULL);
        assert_int_equal(result.status, ETW_END);
        assert_true(result.in_order);
        assert_int_equal(result.damages, 1);
        const uint32_t lost = headers[i].kind == ETW_BLOCK_EVENTS ? headers[i].count : 0;
        assert_int_equal(result.events, 100 - lost);
        assert_false(verifies(self, "mem:a"));
    }
    free(cut);
}

static void repeated_block_is_not_delivered_twice(void **state)
{
    fixture *self = *state;
    size_t offsets[64];
    etw_block_header headers[64];
    make_file(self, 100, 2000);
    const size_t count = find_blocks(self, offsets, headers, 64);
    uint8_t *twice = malloc(self->size * 2);
    assert_non_null(twice);
    for (size_t i = 0; i + 1 < count; i++) {
        const size_t next = offsets[i + 1];
        memcpy(twice, self->bytes, next);
        memcpy(twice + next, self->bytes + offsets[i], self->size - offsets[i]);
        put(self, twice, self->size + next - offsets[i]);
        const outcome result = read_file(self, "mem:a", NULL);
        assert_int_equal(result.status, ETW_END);
        assert_true(result.in_order);
        assert_int_equal(result.events, 100);
        assert_true(result.damages >= 1);
        assert_false(verifies(self, "mem:a"));
    }
    free(twice);
}

/* With the index the events of a block whose header is broken are known by number. */
static void index_counts_what_a_broken_header_hides(void **state)
{
    fixture *self = *state;
    size_t offsets[64];
    etw_block_header headers[64];
    make_file(self, 100, 2000);
    const size_t count = find_blocks(self, offsets, headers, 64);
    for (size_t i = 0; i < count; i++) {
        if (headers[i].kind != ETW_BLOCK_EVENTS) {
            continue;
        }
        put(self, self->bytes, self->size);
        uint8_t *data = (uint8_t *)(uintptr_t)faulty_os_get(self->os, "a").data;
        memset(data + offsets[i], 0xEE, ETW_BLOCK_HEADER_SIZE);
        const outcome with = read_file(self, "mem:a", NULL);
        assert_int_equal(with.lost, headers[i].count);
        assert_false(with.lost_unknown);
        assert_int_equal(with.events, 100 - headers[i].count);
        const etw_reader_options scan = {.ignore_index = true};
        const outcome without = read_file(self, "mem:a", &scan);
        assert_true(without.lost_unknown);
        assert_int_equal(without.events, 100 - headers[i].count);
    }
}

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static void damage_somewhere(uint8_t *data, size_t size, uint32_t *random)
{
    const size_t at = ETW_HEAD_SIZE + next_random(random) % (size - ETW_HEAD_SIZE);
    size_t length = 1 + next_random(random) % 200;
    length = at + length > size ? size - at : length;
    for (size_t i = 0; i < length; i++) {
        data[at + i] = (uint8_t)next_random(random);
    }
}

static void random_damage_is_recovered_from(void **state)
{
    fixture *self = *state;
    uint32_t random = 12345;
    make_file(self, 300, 2000);
    for (int round = 0; round < 200; round++) {
        etw_recover_report report;
        etw_error error;
        put(self, self->bytes, self->size);
        uint8_t *data = (uint8_t *)(uintptr_t)faulty_os_get(self->os, "a").data;
        for (uint32_t i = 0; i <= next_random(&random) % 4; i++) {
            damage_somewhere(data, self->size, &random);
        }
        const outcome damaged = read_file(self, "mem:a", NULL);
        assert_int_equal(damaged.status, ETW_END);
        assert_true(damaged.in_order);
        const etw_recover_options options = {.replace = true};
        if (etw_recover(faulty_os_table(self->os), "mem:a", "mem:r", &options, &report, &error) !=
            ETW_OK) {
            fail_msg("%s", error.message);
        }
        assert_true(verifies(self, "mem:r"));
        const outcome recovered = read_file(self, "mem:r", NULL);
        assert_true(recovered.in_order && recovered.complete);
        assert_int_equal(recovered.events, report.events);
        assert_int_equal(recovered.events, damaged.events);
    }
}

static void every_truncation_is_recovered_from(void **state)
{
    fixture *self = *state;
    for (size_t size = 1; size < self->size; size += 7) {
        etw_recover_report report;
        const etw_recover_options options = {.replace = true};
        put(self, self->bytes, size);
        const outcome cut = read_file(self, "mem:a", NULL);
        const etw_status status =
            etw_recover(faulty_os_table(self->os), "mem:a", "mem:r", &options, &report, NULL);
        if (size < ETW_HEAD_SIZE) {
            assert_int_equal(status, ETW_ERROR_NOT_THIS);
            continue;
        }
        assert_int_equal(status, ETW_OK);
        assert_false(report.was_complete);
        assert_true(report.lost_unknown);
        const outcome recovered = read_file(self, "mem:r", NULL);
        assert_true(recovered.complete && recovered.in_order && recovered.truncated);
        assert_int_equal(recovered.events, cut.events);
    }
}

/* The start of the file is gone, head and all: traces are found at its end. */
static void lost_start_is_recovered_from_the_copies_at_the_end(void **state)
{
    fixture *self = *state;
    size_t offsets[64];
    etw_block_header headers[64];
    etw_recover_report report;
    etw_source *source;
    make_file(self, 100, 2000);
    const size_t count = find_blocks(self, offsets, headers, 64);
    size_t first = 0;
    while (first < count && headers[first].kind != ETW_BLOCK_SCHEMAS) {
        first++;
    }
    put(self, self->bytes + offsets[first], self->size - offsets[first]);
    assert_int_equal(read_file(self, "mem:a", NULL).status, ETW_ERROR_NOT_THIS);
    assert_int_equal(etw_recover(faulty_os_table(self->os), "mem:a", "mem:r", NULL, &report, NULL),
                     ETW_OK);
    assert_true(report.head_damaged);
    assert_int_equal(report.events, 100);
    assert_int_equal(report.missing_blocks, first);
    assert_int_equal(etw_reader_open(faulty_os_table(self->os), "mem:r", NULL, &source, NULL),
                     ETW_OK);
    const etw_trace expected = sample_trace(1);
    assert_int_equal(etw_source_trace_count(source), 2);
    assert_string_equal(etw_source_trace(source, 1)->session_name, expected.session_name);
    etw_source_close(source);
    assert_int_equal(read_file(self, "mem:r", NULL).events, 100);
}

/* All that is left are blocks of events: no trace, no schemas, no clock. */
static void events_without_their_trace_are_kept(void **state)
{
    fixture *self = *state;
    size_t offsets[64];
    etw_block_header headers[64];
    etw_recover_report report;
    make_file(self, 100, 2000);
    const size_t count = find_blocks(self, offsets, headers, 64);
    size_t first = 0, last = 0;
    for (size_t i = 0; i < count; i++) {
        if (headers[i].kind == ETW_BLOCK_EVENTS) {
            first = first == 0 ? i : first;
            last = i;
        }
    }
    put(self, self->bytes + offsets[first], offsets[last] - offsets[first]);
    assert_int_equal(etw_recover(faulty_os_table(self->os), "mem:a", "mem:r", NULL, &report, NULL),
                     ETW_OK);
    assert_int_equal(report.kinds[ETW_BLOCK_TRACE].lost, 2);
    const outcome result = read_file(self, "mem:r", NULL);
    assert_int_equal(result.events, 100 - headers[last].count);
    assert_true(result.in_order && result.complete);
}

static void recovery_leaves_nothing_behind_on_failure(void **state)
{
    fixture *self = *state;
    etw_recover_report report;
    for (int call = 0; call < FAULTY_CALLS; call++) {
        for (uint64_t at = 1;; at++) {
            faulty_faults faults = {.capacity = UINT64_MAX};
            put(self, self->bytes, self->size - 50);
            (void)faulty_os_table(self->os)->remove(faulty_os_table(self->os)->context, "mem:r");
            faults.fail_at[call] = at;
            faults.keep_failing = true;
            faulty_os_reset_calls(self->os);
            faulty_os_set(self->os, &faults);
            const etw_status status =
                etw_recover(faulty_os_table(self->os), "mem:a", "mem:r", NULL, &report, NULL);
            const uint64_t calls = faulty_os_calls(self->os, (faulty_call)call);
            faults.fail_at[call] = 0;
            faulty_os_set(self->os, &faults);
            assert_int_equal(faulty_os_open_files(self->os), 0);
            if (calls < at) {
                assert_int_equal(status, ETW_OK);
                break;
            }
            if (etw_failed(status)) {
                assert_null(faulty_os_get(self->os, "r").data);
                assert_true(call == FAULTY_REMOVE ||
                            faulty_os_get(self->os, "r.part").data == NULL);
            } else {
                assert_true(verifies(self, "mem:r"));
            }
        }
    }
}

/* One place of the disk gives errors, whatever is tried. */
static void unreadable_place_is_passed_over(void **state)
{
    fixture *self = *state;
    etw_recover_report report;
    make_file(self, 2000, 4000);
    put(self, self->bytes, self->size);
    for (uint64_t bad = 0; bad + 1 < self->size / 4096; bad++) {
        const faulty_faults faults = {.capacity = UINT64_MAX,
                                      .bad_name = "a",
                                      .bad_from = bad * 4096 + 100,
                                      .bad_to = bad * 4096 + 200};
        const etw_recover_options options = {.replace = true};
        faulty_os_set(self->os, &faults);
        const etw_status status =
            etw_recover(faulty_os_table(self->os), "mem:a", "mem:r", &options, &report, NULL);
        assert_int_equal(status, ETW_OK);
        assert_true(report.unreadable);
        const outcome result = read_file(self, "mem:r", NULL);
        assert_true(result.in_order && result.complete && result.damages > 0);
        assert_int_equal(result.events, report.events);
        assert_true(result.events > 1000 && result.events < 2000);
    }
}

/* Headers that name each other as their bodies: the cost stays near the file's size. */
static void nested_headers_do_not_cost_the_square_of_the_size(void **state)
{
    fixture *self = *state;
    const size_t count = 20000;
    const size_t size = ETW_HEAD_SIZE + count * ETW_BLOCK_HEADER_SIZE;
    uint8_t *data = malloc(size);
    assert_non_null(data);
    memcpy(data, self->bytes, ETW_HEAD_SIZE);
    for (size_t i = 0; i < count; i++) {
        const size_t at = ETW_HEAD_SIZE + i * ETW_BLOCK_HEADER_SIZE;
        const etw_block_header header = {.kind = ETW_BLOCK_EVENTS,
                                         .stored_size =
                                             (uint32_t)(size - at - ETW_BLOCK_HEADER_SIZE),
                                         .count = 1,
                                         .sequence = i};
        etw_block_header_store(&header, data + at);
    }
    put(self, data, size);
    faulty_os_reset_calls(self->os);
    const outcome result = read_file(self, "mem:a", NULL);
    assert_int_equal(result.status, ETW_END);
    assert_int_equal(result.events, 0);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(undamaged_file_is_good, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_truncation_gives_a_prefix, set_up, tear_down),
        cmocka_unit_test_setup_teardown(zeros_after_a_truncation_are_its_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_flipped_bit_is_found, set_up, tear_down),
        cmocka_unit_test_setup_teardown(block_that_is_cut_out_is_missed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(repeated_block_is_not_delivered_twice, set_up, tear_down),
        cmocka_unit_test_setup_teardown(index_counts_what_a_broken_header_hides, set_up, tear_down),
        cmocka_unit_test_setup_teardown(random_damage_is_recovered_from, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_truncation_is_recovered_from, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lost_start_is_recovered_from_the_copies_at_the_end, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(events_without_their_trace_are_kept, set_up, tear_down),
        cmocka_unit_test_setup_teardown(recovery_leaves_nothing_behind_on_failure, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(unreadable_place_is_passed_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nested_headers_do_not_cost_the_square_of_the_size, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
