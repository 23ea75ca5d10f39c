/* Folded files (FORMAT.md, 13): they give what a file of blocks gives, and are refused or accounted
 * for where they are damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "format/etwcap/fold.h"
#include "format/etwcap/fold_body.h"
#include "format/etwcap/fold_text.h"
#include "format/etwcap/reader.h"
#include "format/etwcap/recover.h"
#include "format/etwcap/verify.h"
#include "tests/support/faulty_os.h"
#include "tests/support/sample.h"

#define EVENTS 24u

/* Sanitizers slow this down thirtyfold. */
#ifdef __SANITIZE_ADDRESS__
#define STEP 29u
#else
#define STEP 1u
#endif

static etw_bytes written(faulty_os *os, const char *name, uint32_t events,
                         const etw_writer_options *options)
{
    char path[32];
    (void)snprintf(path, sizeof path, "mem:%s", name);
    assert_int_equal(sample_write(faulty_os_table(os), path, events, options, NULL), ETW_OK);
    return faulty_os_get(os, name);
}

/* name has so many of the sample's events, in order, and says it is this version. */
static void assert_holds(faulty_os *os, const char *path, uint32_t events, uint32_t version)
{
    etw_source *source;
    etw_item item;
    etw_file_summary summary;
    sample_event expected;
    uint32_t count = 0;
    etw_status status = etw_reader_open(faulty_os_table(os), path, NULL, &source, NULL);
    assert_int_equal(status, ETW_OK);
    while ((status = etw_source_next(source, &item, NULL)) == ETW_OK) {
        if (item.kind == ETW_ITEM_EVENT) {
            sample_make_event(count++, &expected);
            assert_true(sample_equal(item.record, &expected.record));
        }
    }
    assert_int_equal(status, ETW_END);
    assert_int_equal(count, events);
    assert_true(etw_reader_is_complete(source));
    assert_int_equal(etw_reader_summary(source, &summary, NULL), ETW_OK);
    assert_int_equal(summary.events, events);
    assert_int_equal(summary.version_major, version);
    etw_source_close(source);
}

static void a_small_file_is_folded_and_gives_the_same(void **state)
{
    const etw_writer_options blocks = {.replace = true};
    const etw_writer_options small = {.replace = true, .format = ETW_FORMAT_2_0};
    const size_t size = written(*state, "a", EVENTS, &blocks).size;
    const etw_bytes folded = written(*state, "b", EVENTS, &small);
    etw_verify_report report;
    assert_true(folded.size < size / 2);
    assert_holds(*state, "mem:a", EVENTS, ETW_FORMAT_BLOCKS);
    assert_holds(*state, "mem:b", EVENTS, ETW_FORMAT_FOLDED);
    assert_int_equal(etw_verify(faulty_os_table(*state), "mem:b", NULL, NULL, &report, NULL),
                     ETW_OK);
    assert_true(report.good && report.complete);
    assert_int_equal(report.bytes, folded.size);
}

static void a_large_file_is_what_it_was(void **state)
{
    const etw_writer_options blocks = {.replace = true, .batch_bytes = 20000};
    const etw_writer_options small = {
        .replace = true, .batch_bytes = 20000, .format = ETW_FORMAT_2_0};
    const etw_bytes before = written(*state, "a", 20000, &blocks);
    assert_true(before.size > ETW_FOLD_MAX_FILE);
    assert_true(etw_bytes_equal(before, written(*state, "b", 20000, &small)));
}

static void what_must_be_out_at_once_is_not_held_back(void **state)
{
    const etw_writer_options each_block = {
        .replace = true, .format = ETW_FORMAT_2_0, .sync = ETW_SYNC_BLOCK};
    const etw_writer_options live = {.replace = true, .format = ETW_FORMAT_2_0, .interval_ms = 10};
    const etw_writer_options small = {.replace = true, .format = ETW_FORMAT_2_0};
    etw_writer *writer;
    (void)written(*state, "a", EVENTS, &each_block);
    assert_holds(*state, "mem:a", EVENTS, ETW_FORMAT_BLOCKS);
    (void)written(*state, "a", EVENTS, &live);
    assert_holds(*state, "mem:a", EVENTS, ETW_FORMAT_BLOCKS);
    const etw_os *os = faulty_os_table(*state);
    assert_int_equal(etw_writer_create(os, "mem:a", &small, &writer, NULL), ETW_OK);
    assert_int_equal(sample_add_traces(writer, NULL), ETW_OK);
    assert_int_equal(sample_add_events(writer, 0, 5, NULL), ETW_OK);
    assert_int_equal(faulty_os_get(*state, "a").size, 0);
    assert_int_equal(etw_writer_flush(writer, NULL), ETW_OK);
    const size_t flushed = faulty_os_get(*state, "a").size;
    assert_true(flushed > ETW_HEAD_SIZE);
    assert_int_equal(sample_add_events(writer, 5, 5, NULL), ETW_OK);
    assert_int_equal(etw_writer_finish(writer, NULL), ETW_OK);
    assert_true(faulty_os_get(*state, "a").size > flushed);
    etw_writer_free(writer);
    assert_holds(*state, "mem:a", 10, ETW_FORMAT_BLOCKS);
}

static void a_full_disk_is_a_failure_and_nothing_counts_as_written(void **state)
{
    const etw_writer_options small = {.replace = true, .format = ETW_FORMAT_2_0};
    const faulty_faults full = {.capacity = 100};
    const etw_os *os = faulty_os_table(*state);
    etw_writer_counts counts;
    etw_writer *writer;
    faulty_os_set(*state, &full);
    assert_int_equal(etw_writer_create(os, "mem:a", &small, &writer, NULL), ETW_OK);
    assert_int_equal(sample_add_traces(writer, NULL), ETW_OK);
    assert_int_equal(sample_add_events(writer, 0, 5, NULL), ETW_OK);
    assert_int_not_equal(etw_writer_finish(writer, NULL), ETW_OK);
    etw_writer_get_counts(writer, &counts);
    assert_int_equal(counts.received, 5);
    assert_int_equal(counts.written, 0);
    assert_int_equal(counts.dropped, 5);
    etw_writer_free(writer);
}

static void a_flush_tells_what_the_disk_did_not_take(void **state)
{
    const etw_writer_options small = {.replace = true, .format = ETW_FORMAT_2_0};
    const faulty_faults full = {.capacity = 50};
    const faulty_faults none = {.capacity = UINT64_MAX};
    const etw_os *os = faulty_os_table(*state);
    etw_writer *writer;
    faulty_os_set(*state, &full);
    assert_int_equal(etw_writer_create(os, "mem:a", &small, &writer, NULL), ETW_OK);
    assert_int_equal(etw_writer_flush(writer, NULL), ETW_ERROR_NO_SPACE);
    faulty_os_set(*state, &none);
    faulty_os_advance_ms(*state, 1000);
    assert_int_equal(sample_add_traces(writer, NULL), ETW_OK);
    assert_int_equal(sample_add_events(writer, 0, 5, NULL), ETW_OK);
    assert_int_equal(etw_writer_finish(writer, NULL), ETW_OK);
    etw_writer_free(writer);
    assert_holds(*state, "mem:a", 5, ETW_FORMAT_BLOCKS);
}

/* What reading "mem:a" to its end says is lost. */
static bool tells_a_loss(faulty_os *os)
{
    etw_source *source;
    etw_item item;
    bool lost = false;
    assert_int_equal(etw_reader_open(faulty_os_table(os), "mem:a", NULL, &source, NULL), ETW_OK);
    while (etw_source_next(source, &item, NULL) == ETW_OK) {
        lost = lost || item.kind == ETW_ITEM_LOSS;
    }
    etw_source_close(source);
    return lost;
}

static void check_damaged(faulty_os *os, bool is_cut_off)
{
    const etw_recover_options options = {.replace = true};
    const etw_os *table = faulty_os_table(os);
    etw_verify_report report;
    etw_recover_report recovered;
    assert_true(tells_a_loss(os));
    assert_int_equal(etw_verify(table, "mem:a", NULL, NULL, &report, NULL), ETW_OK);
    assert_false(report.good);
    assert_int_equal(report.complete, !is_cut_off);
    assert_int_equal(etw_recover(table, "mem:a", "mem:out", &options, &recovered, NULL), ETW_OK);
    assert_int_equal(etw_verify(table, "mem:out", NULL, NULL, &report, NULL), ETW_OK);
    assert_true(report.good && report.loss_records > 0);
}

static uint8_t *copy_of(etw_bytes bytes)
{
    uint8_t *copy = malloc(bytes.size);
    assert_non_null(copy);
    memcpy(copy, bytes.data, bytes.size);
    return copy;
}

static void damage_is_a_loss_wherever_it_is(void **state)
{
    const etw_writer_options small = {
        .replace = true, .format = ETW_FORMAT_2_0, .application = "test"};
    const etw_bytes folded = written(*state, "b", EVENTS, &small);
    uint8_t *copy = copy_of(folded);
    for (size_t at = ETW_HEAD_SIZE; at < folded.size; at += 5 * STEP) {
        copy[at] ^= 0x10;
        assert_true(faulty_os_put(*state, "a", (etw_bytes){copy, folded.size}));
        assert_true(tells_a_loss(*state));
        copy[at] ^= 0x10;
    }
    for (size_t size = ETW_HEAD_SIZE; size < folded.size; size += folded.size / 7) {
        assert_true(faulty_os_put(*state, "a", (etw_bytes){copy, size}));
        check_damaged(*state, true);
    }
    copy[folded.size - 1] ^= 1;
    assert_true(faulty_os_put(*state, "a", (etw_bytes){copy, folded.size}));
    check_damaged(*state, false);
    free(copy);
}

static etw_status count_block(void *context, const etw_sink_block *block, etw_error *error)
{
    (void)block;
    (void)error;
    ++*(uint32_t *)context;
    return ETW_OK;
}

/* The same with a checksum that is right: whatever the bytes say, it is an error or blocks. */
static void a_hostile_file_is_survived(void **state)
{
    const etw_writer_options small = {.replace = true, .format = ETW_FORMAT_2_0};
    const etw_bytes folded = written(*state, "b", EVENTS, &small);
    uint8_t *copy = copy_of(folded);
    uint32_t blocks = 0;
    const etw_fold_visitor visitor = {count_block, &blocks};
    for (size_t at = ETW_FOLD_HEAD_SIZE; at < folded.size; at += STEP) {
        for (uint32_t bit = 0; bit < 8; bit++) {
            const etw_bytes stored = {copy + ETW_FOLD_HEAD_SIZE, folded.size - ETW_FOLD_HEAD_SIZE};
            copy[at] ^= (uint8_t)(1u << bit);
            const etw_status status = etw_fold_each(1, stored, &visitor, NULL);
            assert_true(status == ETW_OK || status == ETW_ERROR_DAMAGED);
            etw_fold_head head = etw_fold_head_load(copy);
            head.hash = etw_block_hash(stored);
            etw_fold_head_store(&head, copy);
            assert_true(faulty_os_put(*state, "a", (etw_bytes){copy, folded.size}));
            (void)tells_a_loss(*state);
            copy[at] ^= (uint8_t)(1u << bit);
        }
    }
    free(copy);
}

static void an_unknown_dictionary_is_named(void **state)
{
    etw_error error;
    const etw_fold_visitor visitor = {count_block, NULL};
    (void)state;
    assert_int_equal(etw_fold_each(2, (etw_bytes){NULL, 0}, &visitor, &error),
                     ETW_ERROR_UNSUPPORTED);
    assert_non_null(strstr(error.message, "dictionary 2"));
}

static void texts_come_back(void **state)
{
    static const char bytes[] =
        "\1\2a\0b\0c\0d\0\0\0e\0f\0g\0h\0\0\0\0\0xyz\0\0\0w\0i\0d\0e\0\xE4\0!";
    etw_buffer folded = {0}, wide = {0};
    (void)state;
    for (size_t size = 0; size < sizeof bytes; size++) {
        const etw_bytes part = {(const uint8_t *)bytes, size};
        etw_buffer_clear(&folded);
        etw_buffer_clear(&wide);
        etw_fold_text(part, &folded);
        assert_true(etw_unfold_text(etw_buffer_bytes(&folded), size, &wide));
        assert_true(etw_bytes_equal(part, etw_buffer_bytes(&wide)));
        etw_buffer_clear(&wide);
        assert_true(size == 0 || !etw_unfold_text(etw_buffer_bytes(&folded), size - 1, &wide));
    }
    etw_buffer_free(&folded);
    etw_buffer_free(&wide);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_small_file_is_folded_and_gives_the_same, faulty_os_set_up,
                                        faulty_os_tear_down),
        cmocka_unit_test_setup_teardown(a_large_file_is_what_it_was, faulty_os_set_up,
                                        faulty_os_tear_down),
        cmocka_unit_test_setup_teardown(what_must_be_out_at_once_is_not_held_back, faulty_os_set_up,
                                        faulty_os_tear_down),
        cmocka_unit_test_setup_teardown(a_full_disk_is_a_failure_and_nothing_counts_as_written,
                                        faulty_os_set_up, faulty_os_tear_down),
        cmocka_unit_test_setup_teardown(a_flush_tells_what_the_disk_did_not_take, faulty_os_set_up,
                                        faulty_os_tear_down),
        cmocka_unit_test_setup_teardown(damage_is_a_loss_wherever_it_is, faulty_os_set_up,
                                        faulty_os_tear_down),
        cmocka_unit_test_setup_teardown(a_hostile_file_is_survived, faulty_os_set_up,
                                        faulty_os_tear_down),
        cmocka_unit_test(an_unknown_dictionary_is_named),
        cmocka_unit_test(texts_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
