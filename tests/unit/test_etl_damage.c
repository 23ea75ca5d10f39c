/* The reader of trace files, on files made here: what their sessions lost, and what is broken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/etl_reading.h"

/* ---- losses of the session --------------------------------------------------------------------
 */

static void flags_of_buffers_are_losses_in_their_place(void **state)
{
    (void)state;
    (void)maker_header(&file, SEQUENTIAL, ETW_CLOCK_QPC);
    add_buffer(0, 0, EVENTS({1, 2000}));
    add_buffer(0, ETW_BUFFER_EVENTS_LOST, EVENTS({2, 3000}));
    maker_begin(&file, 0, ETW_BUFFER_BUFFER_LOST);
    maker_end(&file);
    add_buffer(0, ETW_BUFFER_BACKUP_CORRUPT, EVENTS({3, 4000}));
    read_all();
    assert_string_equal(seen.order, "h 1 L1 2 L2 L3 3 ");
    assert_true(seen.loss.events == ETW_LOSS_COUNT_UNKNOWN);
    assert_int_equal(seen.loss.from_time_100ns, MAKER_START_TIME + 3000);
    assert_non_null(strstr(seen.details, "buffer 2 at 0x800"));
}

static void counts_of_the_header_are_not_counted_twice(void **state)
{
    (void)state;
    uint8_t *payload = maker_header(&file, SEQUENTIAL, ETW_CLOCK_QPC);
    etw_store_u32(payload + 0x30, 12);
    etw_store_u32(payload + 0x114, 3);
    add_buffer(0, ETW_BUFFER_EVENTS_LOST | ETW_BUFFER_BUFFER_LOST, EVENTS({1, 2000}));
    read_all();
    assert_string_equal(seen.order, "h L1 L2 L1 L2 1 ");
    assert_int_equal(seen.loss.events, 0);
    assert_int_equal(seen.trace.events_lost, 12);
    assert_int_equal(seen.trace.buffers_lost, 3);
}

/* ---- damage -----------------------------------------------------------------------------------
 */

static void zeros_at_the_end_are_no_damage(void **state)
{
    (void)state;
    (void)maker_header(&file, SEQUENTIAL, ETW_CLOCK_QPC);
    add_buffer(0, 0, EVENTS({1, 2000}));
    (void)maker_add(&file, 5 * BUFFER + 17);
    read_all();
    assert_string_equal(seen.order, "h 1 ");
    assert_int_equal(seen.statistics.unused_bytes, 5 * BUFFER + 17);
}

static void zeros_between_buffers_are_a_loss(void **state)
{
    (void)state;
    (void)maker_header(&file, SEQUENTIAL, ETW_CLOCK_QPC);
    add_buffer(0, 0, EVENTS({1, 2000}));
    (void)maker_add(&file, 2 * BUFFER);
    add_buffer(0, 0, EVENTS({2, 3000}));
    read_all();
    assert_string_equal(seen.order, "h 1 L7 2 ");
    assert_int_equal(seen.loss.bytes, 2 * BUFFER);
    assert_string_equal(seen.details, "buffer 2 at 0x800: zeros where a buffer should be\n");
}

static void a_damaged_header_costs_no_record(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        uint8_t value;
    } damage[] = {{0x00, 0x10}, {0x01, 0},    {0x02, 1}, {0x03, 0x80},
                  {0x31, 0xFF}, {0x34, 0x80}, {0x36, 99}};
    for (size_t i = 0; i < sizeof damage / sizeof damage[0]; i++) {
        (void)setup(NULL);
        (void)maker_header(&file, SEQUENTIAL, ETW_CLOCK_QPC);
        add_buffer(0, 0, EVENTS({1, 2000}, {2, 2001}));
        add_buffer(0, 0, EVENTS({3, 3000}, {4, 3001}));
        add_buffer(0, 0, EVENTS({5, 4000}));
        file.data[2 * BUFFER + damage[i].at] = damage[i].value;
        read_all();
        assert_int_equal(seen.events, 6);
        assert_true(seen.losses >= 1);
        assert_int_equal(seen.statistics.damaged_buffers, 1);
        assert_non_null(strstr(seen.details, "buffer 2 at 0x800"));
    }
}

static void reading_goes_on_behind_a_damaged_record(void **state)
{
    (void)state;
    (void)maker_header(&file, SEQUENTIAL, ETW_CLOCK_QPC);
    add_buffer(0, 0, EVENTS({1, 2000}, {2, 2001}, {3, 2002}, {4, 2003}, {5, 2004}, {6, 2005}));
    uint8_t *third = file.data + BUFFER + 72 + 2 * 88;
    static const uint32_t markers[] = {0, 0xC0130010u, 0xC0FF0055u, 0xC013FFFFu, 0x12345678u};
    for (size_t i = 0; i < sizeof markers / sizeof markers[0]; i++) {
        etw_store_u32(third, markers[i]);
        read_all();
        assert_string_equal(seen.order, "h 1 2 L7 4 5 6 ");
        assert_int_equal(seen.loss.bytes, 88);
        assert_non_null(strstr(seen.details, "buffer 1 at 0x400: at 0xf8: "));
    }
}

static void a_file_cut_in_a_buffer_says_so(void **state)
{
    (void)state;
    (void)maker_header(&file, SEQUENTIAL, ETW_CLOCK_QPC);
    add_buffer(0, 0, EVENTS({1, 2000}, {2, 2001}, {3, 2002}));
    const size_t whole = file.size;
    for (size_t size = BUFFER + 2; size < whole; size++) { /* one zero byte is unused space */
        file.size = size;
        read_all();
        const size_t records = size < BUFFER + 72 ? 0 : (size - BUFFER - 72 + 3) / 88;
        assert_int_equal(seen.events, 1 + (records < 3 ? records : 3));
        assert_int_equal(seen.losses, 1);
        assert_int_equal(seen.loss.cause, ETW_LOSS_TRUNCATED);
    }
    file.size = whole;
}

static void missing_buffers_show_in_the_count(void **state)
{
    (void)state;
    for (uint32_t mode = SEQUENTIAL; mode <= CIRCULAR; mode++) {
        (void)setup(NULL);
        uint8_t *payload = maker_header(&file, mode, ETW_CLOCK_QPC);
        etw_store_u32(payload + 0x24, 10);
        add_buffer(0, 0, EVENTS({1, 2000}));
        read_all();
        assert_string_equal(seen.order, mode == SEQUENTIAL ? "h 1 L9 " : "h 1 ");
    }
}

static void a_file_that_its_session_did_not_close_says_so(void **state)
{
    (void)state;
    for (uint32_t mode = SEQUENTIAL; mode <= CIRCULAR; mode++) {
        (void)setup(NULL);
        uint8_t *payload = maker_header(&file, mode, ETW_CLOCK_QPC);
        etw_store_u64(payload + 0x10, 0);
        etw_store_u32(payload + 0x24, 1);
        add_buffer(0, 0, EVENTS({1, 2000}));
        add_buffer(0, 0, EVENTS({2, 2100}));
        set_sequence(1, 2);
        set_sequence(2, 5);
        read_all();
        assert_string_equal(seen.order, "h 1 2 L9 ");
        assert_int_equal(seen.loss.buffers, mode == SEQUENTIAL ? 3 : 0);
        assert_non_null(strstr(seen.details, "counts 1 buffers, the file holds 3"));
    }
}

static void a_closed_file_may_have_gaps(void **state)
{
    (void)state;
    (void)maker_header(&file, SEQUENTIAL, ETW_CLOCK_QPC);
    add_buffer(0, 0, EVENTS({1, 2000}));
    set_sequence(1, 9);
    read_all();
    assert_string_equal(seen.order, "h 1 ");
}

static void counts_of_a_rotated_session_are_no_count_of_one_file(void **state)
{
    (void)state;
    uint8_t *payload = maker_header(&file, 8, ETW_CLOCK_QPC);
    etw_store_u32(payload + 0x30, 16);
    add_buffer(0, 0, EVENTS({1, 2000}));
    read_all();
    assert_string_equal(seen.order, "h L1 1 ");
    assert_true(seen.loss.events == ETW_LOSS_COUNT_UNKNOWN);
    assert_int_equal(seen.loss.since_session_start, 16);
    assert_non_null(strstr(seen.details, "up to 16 since the session began"));
}

/* What may happen to a file between the first pass and the second. */
typedef enum change { CHANGE_ZEROS, CHANGE_CUT, CHANGE_CUT_IN_BUFFER, CHANGE_EMPTIED } change;

static void change_file(change what)
{
    switch (what) {
    case CHANGE_ZEROS:
        memset(file.data + 2 * BUFFER, 0, 2 * BUFFER);
        break;
    case CHANGE_CUT:
        file.size = 2 * BUFFER;
        break;
    case CHANGE_CUT_IN_BUFFER:
        file.size = 2 * BUFFER + 72 + 88 + 8;
        break;
    case CHANGE_EMPTIED:
        etw_store_u32(file.data + 2 * BUFFER + 0x30, 72);
        break;
    }
}

static void a_file_that_changes_while_it_is_read_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *order;
        const char *detail;
    } expected[] = {
        [CHANGE_ZEROS] = {"h 1 L7 L7 ", "buffer 2 at 0x800: the file changed while it was read"},
        [CHANGE_CUT] = {"h 1 L7 L7 ", "buffer 3 at 0xc00: the file changed while it was read"},
        [CHANGE_CUT_IN_BUFFER] = {"h 1 2 L9 L7 ", "buffer 2 at 0x800: at 0xa0: the file ends"},
        [CHANGE_EMPTIED] = {"h 1 L7 4 5 ", "of the 248 bytes that were used, 72 are left"},
    };
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        (void)setup(NULL);
        (void)maker_header(&file, SEQUENTIAL, ETW_CLOCK_QPC);
        add_buffer(0, 0, EVENTS({1, 2000}));
        add_buffer(0, 0, EVENTS({2, 2100}, {3, 2101}));
        add_buffer(0, 0, EVENTS({4, 2200}, {5, 2201}));
        const etw_os os = maker_os(&file);
        etw_source *source;
        etw_item item;
        assert_int_equal(etw_etl_open(&os, "a.etl", NULL, &source, &seen.error), ETW_OK);
        change_file((change)i);
        while ((seen.status = etw_source_next(source, &item, &seen.error)) == ETW_OK) {
            note_item(&item);
        }
        etw_source_close(source);
        assert_int_equal(seen.status, ETW_END);
        assert_string_equal(seen.order, expected[i].order);
        assert_non_null(strstr(seen.details, expected[i].detail));
    }
}

static void a_file_that_shrinks_in_the_first_pass_is_told(void **state)
{
    (void)state;
    (void)maker_header(&file, SEQUENTIAL, ETW_CLOCK_QPC);
    add_buffer(0, 0, EVENTS({1, 2000}));
    file.told_size = 5 * BUFFER;
    read_all();
    assert_string_equal(seen.order, "h 1 L9 ");
    assert_int_equal(seen.loss.bytes, 3 * BUFFER);
    assert_non_null(strstr(seen.details, "buffer 2 at 0x800: the file became shorter"));
}

static void filler_in_the_used_part_is_told_and_passed_over(void **state)
{
    (void)state;
    (void)maker_header(&file, SEQUENTIAL, ETW_CLOCK_QPC);
    add_buffer(0, 0, EVENTS({1, 2000}, {2, 2001}, {3, 2002}));
    memset(file.data + BUFFER + 72 + 88, 0xFF, 88);
    read_all();
    assert_string_equal(seen.order, "h 1 L7 3 ");
    assert_int_equal(seen.loss.bytes, 88);
    assert_non_null(strstr(seen.details, "0xFF in the used part"));
    memset(file.data + BUFFER + 72 + 88, 0xFF, 2 * 88);
    read_all();
    assert_string_equal(seen.order, "h 1 L7 ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(flags_of_buffers_are_losses_in_their_place, setup),
        cmocka_unit_test_setup(counts_of_the_header_are_not_counted_twice, setup),
        cmocka_unit_test_setup(zeros_at_the_end_are_no_damage, setup),
        cmocka_unit_test_setup(zeros_between_buffers_are_a_loss, setup),
        cmocka_unit_test_setup(a_damaged_header_costs_no_record, setup),
        cmocka_unit_test_setup(reading_goes_on_behind_a_damaged_record, setup),
        cmocka_unit_test_setup(a_file_cut_in_a_buffer_says_so, setup),
        cmocka_unit_test_setup(missing_buffers_show_in_the_count, setup),
        cmocka_unit_test_setup(a_file_that_its_session_did_not_close_says_so, setup),
        cmocka_unit_test_setup(a_closed_file_may_have_gaps, setup),
        cmocka_unit_test_setup(counts_of_a_rotated_session_are_no_count_of_one_file, setup),
        cmocka_unit_test_setup(a_file_that_changes_while_it_is_read_is_told, setup),
        cmocka_unit_test_setup(a_file_that_shrinks_in_the_first_pass_is_told, setup),
        cmocka_unit_test_setup(filler_in_the_used_part_is_told_and_passed_over, setup),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    maker_free(&file);
    return failed;
}
