/* The container: what is written is read back, by every way of reading. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "format/etwcap/block.h"
#include "tests/support/sample_file.h"

static void every_way_of_reading_gives_what_was_written(void **state)
{
    static const struct {
        const char *path;
        bool ignore_index;
    } ways[] = {{"mem:a", false}, {"mem:a", true}, {"pipe:a", false}};
    write_sample(*state, "mem:a", EVENTS, NULL);
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        const etw_reader_options options = {.ignore_index = ways[i].ignore_index};
        uint32_t losses;
        etw_source *source = open_sample(*state, ways[i].path, &options);
        assert_int_equal(etw_source_trace_count(source), 2);
        assert_int_equal(expect_sample(source, &losses), EVENTS);
        assert_int_equal(losses, 1);
        const etw_file_summary summary = summary_of(source);
        assert_true(summary.complete);
        assert_int_equal(summary.has_index, i == 0);
        assert_int_equal(summary.events, EVENTS);
        assert_int_equal(summary.lost_events, 7);
        assert_int_equal(summary.loss_records, 1);
        assert_int_equal(summary.schemas, 2);
        assert_int_equal(summary.provider_count, 3);
        assert_int_equal(summary.first_time_100ns, SAMPLE_FIRST_TIME);
        assert_int_equal(summary.last_time_100ns,
                         SAMPLE_FIRST_TIME + (EVENTS - 1) * SAMPLE_STEP_100NS);
        assert_string_equal(summary.application, "sample 1");
        etw_source_close(source);
    }
    expect_good(*state, "mem:a");
    expect_good(*state, "pipe:a");
}

static void index_and_scan_tell_the_same(void **state)
{
    etw_file_summary told[2];
    write_sample(*state, "mem:a", EVENTS, NULL);
    for (int scan = 0; scan < 2; scan++) {
        const etw_reader_options options = {.ignore_index = scan != 0};
        etw_source *source = open_sample(*state, "mem:a", &options);
        told[scan] = summary_of(source);
        assert_int_equal(told[scan].has_index, scan == 0);
        told[scan].has_index = false;
        etw_guid provider;
        uint64_t events;
        const char *name;
        for (uint32_t i = 0; i < 3; i++) {
            const etw_guid expected = sample_provider(i);
            assert_true(etw_reader_provider(source, i, &provider, &events, &name));
            assert_true(etw_guid_equal(&provider, &expected));
            assert_int_equal(events, EVENTS / 3);
        }
        assert_false(etw_reader_provider(source, 3, &provider, &events, &name));
        etw_source_close(source);
    }
    assert_memory_equal(&told[0], &told[1], sizeof told[0]);
}

static void traces_and_schemas_come_back(void **state)
{
    write_sample(*state, "mem:a", 20, NULL);
    etw_source *source = open_sample(*state, "mem:a", NULL);
    for (uint16_t i = 0; i < 2; i++) {
        const etw_trace expected = sample_trace(i);
        const etw_trace *trace = etw_source_trace(source, i);
        etw_trace same = *trace;
        assert_int_equal(trace->logfile_header.size, expected.logfile_header.size);
        assert_memory_equal(trace->logfile_header.data, expected.logfile_header.data,
                            expected.logfile_header.size);
        same.logfile_header = expected.logfile_header;
        assert_memory_equal(&same, &expected, sizeof same);
    }
    etw_schema_store *written = sample_store();
    const etw_schema_store *read = etw_reader_schemas(source);
    assert_int_equal(etw_schema_store_count(read), 2);
    for (uint32_t id = 1; id <= 2; id++) {
        const etw_schema *a = etw_schema_store_get(written, id);
        const etw_schema *b = etw_schema_store_get(read, id);
        assert_int_equal(a->hash, b->hash);
        assert_int_equal(a->origin, b->origin);
        assert_int_equal(a->map_count, b->map_count);
        assert_int_equal(a->maps[a->map_count - 1].size, b->maps[b->map_count - 1].size);
    }
    const etw_guid provider = sample_provider(2);
    assert_string_equal(etw_schema_store_provider_name(read, &provider), "Sample-\xC3\x9C");
    etw_schema_store_free(written);
    etw_source_close(source);
}

static void info_needs_as_many_reads_for_a_large_file(void **state)
{
    uint64_t reads[2];
    const etw_reader_options options = {.summary_only = true};
    for (int i = 0; i < 2; i++) {
        write_sample(*state, "mem:a", i == 0 ? 100 : 20000, NULL);
        faulty_os_reset_calls(*state);
        etw_source *source = open_sample(*state, "mem:a", &options);
        const etw_file_summary summary = summary_of(source);
        assert_int_equal(summary.events, i == 0 ? 100 : 20000);
        etw_source_close(source);
        reads[i] = faulty_os_calls(*state, FAULTY_READ);
    }
    assert_int_equal(reads[0], reads[1]);
    assert_true(reads[0] <= 12);
}

static uint32_t count_events(etw_source *source, int64_t from, int64_t to, const etw_guid *provider)
{
    etw_item item;
    uint32_t count = 0;
    while (etw_source_next(source, &item, NULL) == ETW_OK) {
        if (item.kind != ETW_ITEM_EVENT) {
            continue;
        }
        const etw_trace *trace = etw_source_trace(source, item.trace_index);
        const int64_t time =
            etw_clock_to_filetime(&trace->clock, item.record->EventHeader.TimeStamp);
        const bool right =
            provider == NULL || etw_guid_equal(provider, &item.record->EventHeader.ProviderId);
        count += time >= from && time <= to && right ? 1u : 0u;
    }
    return count;
}

static void blocks_outside_the_time_range_are_passed_over(void **state)
{
    write_sample(*state, "mem:a", EVENTS, NULL);
    for (int scan = 0; scan < 2; scan++) {
        const int64_t from = SAMPLE_FIRST_TIME + 1000 * SAMPLE_STEP_100NS;
        const int64_t to = SAMPLE_FIRST_TIME + 1099 * SAMPLE_STEP_100NS;
        const etw_reader_options options = {.ignore_index = scan != 0,
                                            .has_time_range = true,
                                            .from_time_100ns = from,
                                            .to_time_100ns = to};
        etw_reader_counts counts;
        etw_source *source = open_sample(*state, "mem:a", &options);
        faulty_os_reset_calls(*state);
        assert_int_equal(count_events(source, from, to, NULL), 100);
        etw_reader_get_counts(source, &counts);
        assert_true(counts.blocks_skipped > 10);
        /* The index says all of them, so that not even their headers are read. */
        const uint64_t reads = faulty_os_calls(*state, FAULTY_READ);
        assert_int_equal(reads > counts.blocks_skipped, scan != 0);
        etw_source_close(source);
    }
}

static void blocks_without_the_provider_are_passed_over(void **state)
{
    const etw_guid unknown = {0xFFFFFFFFu, 0, 0, {0}};
    const etw_guid known = sample_provider(1);
    write_sample(*state, "mem:a", EVENTS, NULL);
    for (int scan = 0; scan < 2; scan++) {
        etw_reader_options options = {
            .ignore_index = scan != 0, .providers = &unknown, .provider_count = 1};
        etw_reader_counts counts;
        etw_source *source = open_sample(*state, "mem:a", &options);
        assert_int_equal(count_events(source, 0, INT64_MAX, &unknown), 0);
        etw_reader_get_counts(source, &counts);
        assert_true(counts.blocks_skipped > 10);
        etw_source_close(source);
        options.providers = &known;
        source = open_sample(*state, "mem:a", &options);
        assert_int_equal(count_events(source, 0, INT64_MAX, &known), EVENTS / 3);
        etw_source_close(source);
    }
}

static etw_status take_private(void *context, const etw_side_block *block, etw_error *error)
{
    (void)error;
    if (block->kind == ETW_BLOCK_CLOCK_ANCHORS) {
        return ETW_OK;
    }
    assert_int_equal(block->kind, SAMPLE_PRIVATE_KIND);
    assert_int_equal(block->count, SAMPLE_PRIVATE_COUNT);
    assert_string_equal((const char *)block->body.data, "something private");
    ++*(int *)context;
    return ETW_OK;
}

static void private_blocks_reach_who_asks_for_them(void **state)
{
    int seen = 0;
    uint32_t losses;
    const etw_reader_options options = {.block = take_private, .block_context = &seen};
    write_sample(*state, "mem:a", 20, NULL);
    etw_source *source = open_sample(*state, "mem:a", &options);
    assert_int_equal(expect_sample(source, &losses), 20);
    assert_int_equal(seen, 1);
    etw_source_close(source);
}

static etw_status refuse_private(void *context, const etw_side_block *block, etw_error *error)
{
    return block->kind == SAMPLE_PRIVATE_KIND
               ? etw_error_set(error, *(const etw_status *)context, "too many of them")
               : ETW_OK;
}

/* A good block that its reader has no room for is no damaged one. */
static void limit_of_the_reader_is_not_told_as_damage(void **state)
{
    static const struct {
        etw_status status;
        uint32_t cause;
    } cases[] = {{ETW_ERROR_LIMIT, ETW_LOSS_LIMIT}, {ETW_ERROR_DAMAGED, ETW_LOSS_DAMAGE}};
    write_sample(*state, "mem:a", 20, NULL);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        etw_status refusal = cases[i].status;
        const etw_reader_options options = {.block = refuse_private, .block_context = &refusal};
        etw_source *source = open_sample(*state, "mem:a", &options);
        uint32_t told = 0;
        etw_item item;
        while (etw_source_next(source, &item, NULL) == ETW_OK) {
            if (item.kind == ETW_ITEM_LOSS && strstr(item.loss->detail, "too many of them")) {
                assert_int_equal(item.loss->cause, cases[i].cause);
                told++;
            }
        }
        assert_int_equal(told, 1);
        etw_source_close(source);
    }
}

static etw_status take_bytes(void *context, const etw_side_block *block, etw_error *error)
{
    (void)error;
    etw_text *bytes = context;
    etw_text_append(bytes, (const char *)block->body.data, block->body.size);
    return ETW_OK;
}

/* A body in which the markers of another file stand, as they do in a trace of a copied one. */
static void marker_occurs_in_headers_only(void **state)
{
    uint8_t body[3 * ETW_BLOCK_HEADER_SIZE];
    const etw_block_header inner = {.kind = ETW_BLOCK_EVENTS, .sequence = 1000};
    const etw_writer_options options = {.replace = true};
    etw_writer *writer;
    etw_text seen = {0};
    const etw_reader_options reading = {.block = take_bytes, .block_context = &seen};
    for (size_t i = 0; i < sizeof body; i += ETW_BLOCK_HEADER_SIZE) {
        etw_block_header_store(&inner, body + i);
        etw_block_xor(body + i, 4, (uint8_t)i); /* also what the mask 0x40 would make a marker */
    }
    assert_int_equal(etw_writer_create(faulty_os_table(*state), "mem:a", &options, &writer, NULL),
                     ETW_OK);
    assert_int_equal(sample_add_traces(writer, NULL), ETW_OK);
    for (size_t size = 4; size <= sizeof body; size++) {
        const etw_bytes bytes = {body, size};
        assert_int_equal(etw_writer_add_block(writer, SAMPLE_PRIVATE_KIND, 0, bytes, NULL), ETW_OK);
    }
    assert_int_equal(etw_writer_finish(writer, NULL), ETW_OK);
    etw_writer_free(writer);
    expect_good(*state, "mem:a");
    const etw_bytes file = faulty_os_get(*state, "a");
    uint64_t blocks = 0;
    size_t at = ETW_HEAD_SIZE;
    while (at < file.size) {
        etw_block_header header;
        assert_int_equal(etw_block_find_marker(file, at), at);
        assert_true(etw_block_header_load(file.data + at, &header));
        assert_int_equal(header.sequence, blocks++);
        at += 4;
        at = etw_block_find_marker(file, at);
    }
    etw_source *source = open_sample(*state, "mem:a", &reading);
    uint32_t losses;
    assert_int_equal(expect_sample(source, &losses), 0);
    etw_source_close(source);
    size_t offset = 0;
    for (size_t size = 4; size <= sizeof body; size++) {
        assert_memory_equal(seen.data + offset, body, size);
        offset += size;
    }
    assert_int_equal(seen.size, offset);
    etw_text_free(&seen);
}

static void headers_come_without_payload(void **state)
{
    const etw_reader_options options = {.headers_only = true};
    etw_item item;
    uint32_t count = 0;
    write_sample(*state, "mem:a", 100, NULL);
    etw_source *source = open_sample(*state, "mem:a", &options);
    while (etw_source_next(source, &item, NULL) == ETW_OK) {
        if (item.kind == ETW_ITEM_EVENT) {
            sample_event event;
            sample_make_event(count++, &event);
            /* Size tells what comes: it grows with user data and items. */
            event.record.EventHeader.Size = item.record->EventHeader.Size;
            assert_memory_equal(&item.record->EventHeader, &event.record.EventHeader, 80);
            assert_int_equal(item.record->UserDataLength, 0);
            assert_int_equal(item.record->ExtendedDataCount, 0);
        }
    }
    assert_int_equal(count, 100);
    etw_source_close(source);
}

/* Those after it are as whole as ever, whatever of their block was left undecoded. */
static void events_before_a_number_are_passed(void **state)
{
    static const uint32_t froms[] = {0,          1,      EVENTS / 2, EVENTS / 2 + 1,
                                     EVENTS - 1, EVENTS, UINT32_MAX};
    write_sample(*state, "mem:a", EVENTS, NULL);
    for (size_t i = 0; i < sizeof froms / sizeof froms[0]; i++) {
        const uint32_t from = froms[i] < EVENTS ? froms[i] : EVENTS;
        etw_source *source = open_sample(*state, "mem:a", NULL);
        etw_reader_counts counts;
        etw_item item;
        uint32_t next = from;
        etw_status status;
        etw_reader_pass_events(source, froms[i]);
        while ((status = etw_source_next(source, &item, NULL)) == ETW_OK) {
            sample_event event;
            if (item.kind != ETW_ITEM_EVENT) {
                continue;
            }
            assert_int_equal(etw_reader_event_number(source), next);
            sample_make_event(next++, &event);
            assert_true(sample_equal(item.record, &event.record));
        }
        assert_int_equal(status, ETW_END);
        assert_int_equal(next, EVENTS);
        etw_reader_get_counts(source, &counts);
        assert_int_equal(counts.events_passed, from);
        etw_source_close(source);
    }
}

static bool wants_provider(void *context, const etw_event_header *header)
{
    return etw_guid_equal(&header->ProviderId, context);
}

static void kinds_that_are_not_wanted_are_left_out(void **state)
{
    write_sample(*state, "mem:a", EVENTS, NULL);
    for (uint32_t turn = 0; turn < 8; turn++) {
        const uint32_t provider = turn % 4;
        const bool is_bare = turn >= 4;
        etw_guid wanted = sample_provider(provider % 3);
        wanted.Data1 += provider == 3 ? 1 : 0; /* nobody's */
        const etw_reader_options options = {
            .wants_kind = wants_provider, .wants_kind_context = &wanted, .bare_events = is_bare};
        etw_reader_counts counts;
        uint32_t passed = 0;
        etw_source *source = open_sample(*state, "mem:a", &options);
        etw_item item = {0};
        etw_status status = ETW_OK;
        for (uint32_t i = 0; i < EVENTS; i++) {
            sample_event event;
            sample_make_event(i, &event);
            if (!etw_guid_equal(&event.record.EventHeader.ProviderId, &wanted)) {
                passed++;
                continue;
            }
            do {
                status = etw_source_next(source, &item, NULL);
            } while (status == ETW_OK && item.kind != ETW_ITEM_EVENT);
            assert_int_equal(status, ETW_OK);
            assert_int_equal(item.record->EventHeader.TimeStamp,
                             event.record.EventHeader.TimeStamp);
            assert_int_equal(item.record->EventHeader.ThreadId, event.record.EventHeader.ThreadId);
            assert_int_equal(item.record->ExtendedDataCount,
                             is_bare ? 0 : event.record.ExtendedDataCount);
            if (!is_bare) {
                assert_memory_equal(&item.record->EventHeader, &event.record.EventHeader, 80);
            }
            assert_int_equal(item.record->UserDataLength, event.record.UserDataLength);
            assert_memory_equal(item.record->UserData, event.record.UserData,
                                event.record.UserDataLength);
        }
        while ((status = etw_source_next(source, &item, NULL)) == ETW_OK) {
            assert_int_not_equal(item.kind, ETW_ITEM_EVENT);
        }
        assert_int_equal(status, ETW_END);
        etw_reader_get_counts(source, &counts);
        assert_int_equal(counts.events_passed, passed);
        etw_source_close(source);
    }
}

static void file_without_events_is_a_file(void **state)
{
    uint32_t losses;
    write_sample(*state, "mem:a", 0, NULL);
    etw_source *source = open_sample(*state, "mem:a", NULL);
    assert_int_equal(expect_sample(source, &losses), 0);
    assert_int_equal(losses, 0);
    const etw_file_summary summary = summary_of(source);
    assert_true(summary.complete);
    etw_source_close(source);
    expect_good(*state, "mem:a");
}

static etw_status open_changed(faulty_os *os, size_t at, uint8_t value, bool right_hash)
{
    etw_source *source;
    write_sample(os, "mem:a", 5, NULL);
    uint8_t *data = (uint8_t *)(uintptr_t)faulty_os_get(os, "a").data;
    data[at] = value;
    if (right_hash) {
        etw_store_u64(data + 16, etw_block_hash((etw_bytes){data, 16}));
    }
    return etw_reader_open(faulty_os_table(os), "mem:a", NULL, &source, NULL);
}

static void other_files_and_newer_ones_are_told_apart(void **state)
{
    assert_int_equal(open_changed(*state, 0, 0x88, false), ETW_ERROR_NOT_THIS);
    assert_int_equal(open_changed(*state, 7, '\n', false), ETW_ERROR_DAMAGED);
    assert_int_equal(open_changed(*state, 12, 3, false), ETW_ERROR_DAMAGED);
    assert_int_equal(open_changed(*state, 12, 3, true), ETW_ERROR_VERSION);
}

static void newer_minor_version_is_read(void **state)
{
    uint32_t losses;
    write_sample(*state, "mem:a", 5, NULL);
    uint8_t *data = (uint8_t *)(uintptr_t)faulty_os_get(*state, "a").data;
    data[14] = 7;
    etw_store_u64(data + 16, etw_block_hash((etw_bytes){data, 16}));
    etw_source *source = open_sample(*state, "mem:a", NULL);
    assert_int_equal(expect_sample(source, &losses), 5);
    assert_int_equal(summary_of(source).version_minor, 7);
    etw_source_close(source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_way_of_reading_gives_what_was_written,
                                        faulty_os_set_up, faulty_os_tear_down),
        cmocka_unit_test_setup_teardown(index_and_scan_tell_the_same, faulty_os_set_up,
                                        faulty_os_tear_down),
        cmocka_unit_test_setup_teardown(traces_and_schemas_come_back, faulty_os_set_up,
                                        faulty_os_tear_down),
        cmocka_unit_test_setup_teardown(info_needs_as_many_reads_for_a_large_file, faulty_os_set_up,
                                        faulty_os_tear_down),
        cmocka_unit_test_setup_teardown(blocks_outside_the_time_range_are_passed_over,
                                        faulty_os_set_up, faulty_os_tear_down),
        cmocka_unit_test_setup_teardown(blocks_without_the_provider_are_passed_over,
                                        faulty_os_set_up, faulty_os_tear_down),
        cmocka_unit_test_setup_teardown(limit_of_the_reader_is_not_told_as_damage, faulty_os_set_up,
                                        faulty_os_tear_down),
        cmocka_unit_test_setup_teardown(private_blocks_reach_who_asks_for_them, faulty_os_set_up,
                                        faulty_os_tear_down),
        cmocka_unit_test_setup_teardown(marker_occurs_in_headers_only, faulty_os_set_up,
                                        faulty_os_tear_down),
        cmocka_unit_test_setup_teardown(headers_come_without_payload, faulty_os_set_up,
                                        faulty_os_tear_down),
        cmocka_unit_test_setup_teardown(events_before_a_number_are_passed, faulty_os_set_up,
                                        faulty_os_tear_down),
        cmocka_unit_test_setup_teardown(kinds_that_are_not_wanted_are_left_out, faulty_os_set_up,
                                        faulty_os_tear_down),
        cmocka_unit_test_setup_teardown(file_without_events_is_a_file, faulty_os_set_up,
                                        faulty_os_tear_down),
        cmocka_unit_test_setup_teardown(other_files_and_newer_ones_are_told_apart, faulty_os_set_up,
                                        faulty_os_tear_down),
        cmocka_unit_test_setup_teardown(newer_minor_version_is_read, faulty_os_set_up,
                                        faulty_os_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
