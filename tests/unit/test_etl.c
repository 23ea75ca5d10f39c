/* The reader of trace files, on files made here: order, clocks, compression, limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "format/etl/buffer_table.h"
#include "tests/support/etl_reading.h"

static void buffers_are_merged_by_time_and_ties_by_place(void **state)
{
    (void)state;
    (void)maker_header(&file, SEQUENTIAL, ETW_CLOCK_QPC);
    add_buffer(1, 0, EVENTS({1, 2000}, {4, 2300}, {7, 2500}));
    add_buffer(0, 0, EVENTS({9, 2900}));
    add_buffer(2, 0, EVENTS({2, 2000}, {3, 2300}, {8, 2500}));
    add_buffer(3, 0, EVENTS({5, 500}, {6, 2400}));
    read_all();
    /* 5 is older than the header event, which nevertheless comes first */
    assert_string_equal(seen.order, "h 5 1 2 4 3 6 7 8 9 ");
    assert_int_equal(seen.statistics.records_by_type[ETW_TYPE_EVENT64], 9);
    assert_int_equal(seen.statistics.records_by_type[ETW_TYPE_SYSTEM64], 1);
    assert_int_equal(seen.statistics.buffers, 5);
    assert_string_equal(seen.trace.source_path, "b.etl");
    assert_string_equal(seen.trace.session_name, "S");
    assert_string_equal(seen.trace.log_file_name, "f");
}

static void records_of_one_buffer_keep_their_order(void **state)
{
    (void)state;
    (void)maker_header(&file, SEQUENTIAL, ETW_CLOCK_QPC);
    add_buffer(0, 0, EVENTS({1, 2000}, {2, 1500}, {3, 2100}));
    add_buffer(1, 0, EVENTS({4, 2050}));
    read_all();
    assert_string_equal(seen.order, "h 1 2 4 3 ");
}

static void the_processor_is_read_by_the_form_of_the_buffer(void **state)
{
    (void)state;
    static const struct {
        uint16_t word, flags, processor;
    } cases[] = {{0x0803, 0x00, 3}, {0x0103, 0x20, 0x103}, {0xF903, 0x20, 0x103}};
    for (size_t i = 0; i < 3; i++) {
        (void)setup(NULL);
        (void)maker_header(&file, SEQUENTIAL, ETW_CLOCK_QPC);
        add_buffer(cases[i].word, cases[i].flags, EVENTS({1, 2000}));
        const etw_os os = maker_os(&file);
        etw_source *source;
        etw_item item;
        assert_int_equal(etw_etl_open(&os, "a", NULL, &source, NULL), ETW_OK);
        assert_int_equal(etw_source_next(source, &item, NULL), ETW_OK);
        assert_int_equal(etw_source_next(source, &item, NULL), ETW_OK);
        assert_int_equal(etw_record_processor(item.record), cases[i].processor);
        assert_int_equal((item.record->EventHeader.Flags & ETW_FLAG_PROCESSOR_INDEX) != 0,
                         cases[i].flags != 0);
        assert_int_equal(item.record->BufferContext.LoggerId, 9);
        etw_source_close(source);
    }
}

static void clocks_are_those_of_the_header(void **state)
{
    (void)state;
    static const struct {
        uint32_t type;
        int64_t ticks, time_100ns;
    } cases[] = {
        {ETW_CLOCK_QPC, 1000 + 77, MAKER_START_TIME + 77},
        {ETW_CLOCK_SYSTEM_TIME, MAKER_START_TIME + 5, MAKER_START_TIME + 5},
        {ETW_CLOCK_CPU_CYCLE, 1000 + 2000, MAKER_START_TIME + 10}, /* 2000 MHz */
    };
    for (size_t i = 0; i < 3; i++) {
        (void)setup(NULL);
        (void)maker_header(&file, SEQUENTIAL, cases[i].type);
        add_buffer(0, 0, EVENTS({1, cases[i].ticks}));
        read_all();
        assert_int_equal(seen.last_ticks, cases[i].ticks);
        assert_int_equal(etw_clock_to_filetime(&seen.trace.clock, seen.last_ticks),
                         cases[i].time_100ns);
    }
}

static void messages_without_time_take_that_of_the_record_before(void **state)
{
    (void)state;
    (void)maker_header(&file, SEQUENTIAL, ETW_CLOCK_QPC);
    maker_begin(&file, 0, 0);
    for (int i = 0; i < 3; i++) {
        if (i == 1) {
            (void)maker_event(&file, 2, 2000, 0);
        } else {
            uint8_t *at = maker_add(&file, 16);
            etw_store_u32(at, 0x9000000Au);
            etw_store_u16(at + 4, (uint16_t)(i + 1));
        }
    }
    maker_end(&file);
    add_buffer(0, 0, EVENTS({9, 1999}));
    read_all();
    assert_string_equal(seen.order, "h 9 1 2 3 ");
    assert_int_equal(seen.last_ticks, 2000);
}

/* Only merging between processors goes by time: the system's time can be set back. */
static void a_processor_keeps_its_order_when_the_clock_goes_back(void **state)
{
    (void)state;
    static const struct {
        uint32_t mode, clock;
        const char *order;
    } cases[] = {
        {SEQUENTIAL, ETW_CLOCK_SYSTEM_TIME, "h 1 6 2 3 4 5 7 "},
        {SEQUENTIAL, ETW_CLOCK_QPC, "h 3 4 5 1 6 2 7 "},
        {CIRCULAR, ETW_CLOCK_SYSTEM_TIME, "h 3 4 5 1 6 2 7 "},
        {0x10000000, ETW_CLOCK_SYSTEM_TIME, "h 3 4 5 1 6 2 7 "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        (void)setup(NULL);
        (void)maker_header(&file, cases[i].mode, cases[i].clock);
        add_buffer(1, 0, EVENTS({6, 2050}, {7, 2200}));
        add_buffer(0, 0, EVENTS({1, 2000}, {2, 2100}));
        add_buffer(0, 0, EVENTS({3, 1500}));
        add_buffer(0, 0, EVENTS({4, 1600}, {5, 1700}));
        for (unsigned buffer = 1; buffer <= 4; buffer++) {
            set_sequence(buffer, buffer);
        }
        read_all();
        assert_string_equal(seen.order, cases[i].order);
    }
}

static void what_is_no_trace_is_refused(void **state)
{
    (void)state;
    static const char *const contents[] = {"", "PK\3\4 not a trace", NULL};
    for (size_t i = 0; i < 3; i++) {
        (void)setup(NULL);
        if (contents[i] != NULL) {
            memcpy(maker_add(&file, 200), contents[i], strlen(contents[i]));
            file.size = i == 0 ? 0 : file.size;
        } else {
            (void)maker_add(&file, 4096);
        }
        assert_int_equal(read_with(NULL), ETW_ERROR_NOT_THIS);
        assert_non_null(strstr(seen.error.message, "a/b.etl: not a Windows event trace"));
    }
}

static void a_trace_without_its_header_event_is_read(void **state)
{
    (void)state;
    add_buffer(0, 0, EVENTS({1, 2000}, {2, 2001}));
    read_all();
    assert_string_equal(seen.order, "L7 1 2 ");
}

static void failing_reads_are_errors_that_name_the_place(void **state)
{
    (void)state;
    (void)maker_header(&file, SEQUENTIAL, ETW_CLOCK_QPC);
    add_buffer(0, 0, EVENTS({1, 2000}));
    file.fail_from = BUFFER + 90;
    assert_int_equal(read_with(NULL), ETW_ERROR_IO);
    assert_non_null(strstr(seen.error.message, "at offset 0x"));
}

static void short_reads_are_completed(void **state)
{
    (void)state;
    (void)maker_header(&file, SEQUENTIAL, ETW_CLOCK_QPC);
    add_buffer(0, 0, EVENTS({1, 2000}, {2, 2001}, {3, 2002}));
    file.read_most = 7;
    read_all();
    assert_string_equal(seen.order, "h 1 2 3 ");
}

/* ---- compressed buffers -----------------------------------------------------------------------
 */

/* Packs the open buffer as literals alone, each flag word 32 of them, and closes it. */
static void end_packed(void)
{
    const uint32_t used = (uint32_t)(file.size - file.buffer);
    const size_t body = used - 72;
    uint8_t *copy = malloc(body);
    assert_non_null(copy);
    memcpy(copy, file.data + file.buffer + 72, body);
    file.size = file.buffer + 72;
    for (size_t at = 0; at < body; at += 32) {
        const size_t size = body - at < 32 ? body - at : 32;
        memcpy(maker_add(&file, 4 + size) + 4, copy + at, size);
    }
    free(copy);
    uint8_t *header = file.data + file.buffer;
    etw_store_u32(header, (uint32_t)(file.size - file.buffer));
    etw_store_u32(header + 0x30, used);
}

static void add_packed(uint16_t cpu, const timed *events)
{
    maker_begin(&file, cpu, ETW_BUFFER_COMPRESSED);
    for (; events->id != 0; events++) {
        (void)maker_event(&file, events->id, events->ticks, 5);
    }
    end_packed();
}

static void compressed_buffers_are_unpacked(void **state)
{
    (void)state;
    (void)maker_header(&file, COMPRESSED, ETW_CLOCK_QPC);
    add_packed(0, EVENTS({1, 2000}, {3, 2002}));
    add_packed(1, EVENTS({2, 2001}, {4, 2003}));
    read_all();
    assert_string_equal(seen.order, "h 1 2 3 4 ");
    assert_int_equal(seen.statistics.compressed_buffers, 2);
}

/* Larger than a window: it slides. */
static void large_compressed_buffers_are_unpacked_piece_by_piece(void **state)
{
    (void)state;
    (void)maker_header(&file, COMPRESSED, ETW_CLOCK_QPC);
    maker_begin(&file, 0, ETW_BUFFER_COMPRESSED);
    for (uint16_t i = 1; i <= 100; i++) {
        (void)maker_event(&file, i, 2000 + i, i * 600u);
    }
    end_packed();
    read_all();
    assert_int_equal(seen.events, 101);
    assert_int_equal(seen.losses, 0);
    assert_int_equal(seen.last_ticks, 2100);
}

static void a_damaged_compressed_buffer_costs_its_rest(void **state)
{
    (void)state;
    (void)maker_header(&file, COMPRESSED, ETW_CLOCK_QPC);
    const size_t second = file.size;
    add_packed(0, EVENTS({1, 2000}, {2, 2001}, {3, 2002}, {4, 2003}));
    const size_t third = file.size;
    add_packed(1, EVENTS({5, 3001}));
    /* a match that reaches back too far, in the flags of the fifth word */
    file.data[second + 72 + 4 * 36 + 3] = 0x80;
    file.data[second + 72 + 4 * 36 + 4] = 0xFF;
    file.data[second + 72 + 4 * 36 + 5] = 0xFF;
    read_all();
    assert_string_equal(seen.order, "h 1 L7 5 ");
    assert_non_null(strstr(seen.details, "contradicts itself"));
    /* a header that cannot be: the next buffer is searched for */
    file.data[second + 0x36] = 77;
    read_all();
    assert_string_equal(seen.order, "h L7 5 ");
    assert_int_equal(seen.loss.bytes, third - second);
    /* a size that leads into the next buffer */
    file.data[second + 0x36] = 0;
    file.data[second] = (uint8_t)(file.data[second] + 8);
    read_all();
    assert_string_equal(seen.order, "h L7 1 L7 5 ");
}

/* ---- limits -----------------------------------------------------------------------------------
 */

/* More buffers overlap than there are windows, and each record is in another buffer than the one
 * before: windows wander. */
static void more_buffers_may_overlap_than_there_are_windows(void **state)
{
    (void)state;
    const uint16_t buffers = ETW_ETL_MAX_WINDOWS + 30;
    for (int packed = 0; packed < 2; packed++) {
        (void)setup(NULL);
        (void)maker_header(&file, packed != 0 ? COMPRESSED : SEQUENTIAL, ETW_CLOCK_QPC);
        for (uint16_t i = 0; i < buffers; i++) {
            maker_begin(&file, i, packed != 0 ? ETW_BUFFER_COMPRESSED : 0);
            for (uint16_t j = 0; j < 8; j++) {
                (void)maker_event(&file, (uint16_t)(j + 1), 2000 + j * 1000 + i, 5);
            }
            packed != 0 ? end_packed() : maker_end(&file);
        }
        const etw_os os = maker_os(&file);
        etw_source *source;
        etw_item item;
        assert_int_equal(etw_etl_open(&os, "a", NULL, &source, NULL), ETW_OK);
        assert_int_equal(etw_source_next(source, &item, NULL), ETW_OK);
        for (int64_t i = 0; i < buffers * 8; i++) {
            assert_int_equal(etw_source_next(source, &item, NULL), ETW_OK);
            assert_int_equal(item.kind, ETW_ITEM_EVENT);
            assert_int_equal(item.record->EventHeader.TimeStamp,
                             2000 + i / buffers * 1000 + i % buffers);
            assert_int_equal(item.record->EventHeader.EventDescriptor.Id, i / buffers + 1);
        }
        assert_int_equal(etw_source_next(source, &item, NULL), ETW_END);
        etw_source_close(source);
    }
}

/* A compressed buffer that lost its window too often is given up, and says so; nothing else is
 * lost. */
static void too_much_overlap_of_compressed_buffers_is_a_loss(void **state)
{
    (void)state;
    const uint16_t buffers = 2 * ETW_ETL_MAX_WINDOWS, rounds = 200;
    (void)maker_header(&file, COMPRESSED, ETW_CLOCK_QPC);
    for (uint16_t i = 0; i < buffers; i++) {
        maker_begin(&file, i, ETW_BUFFER_COMPRESSED);
        for (uint16_t j = 0; j < rounds; j++) {
            (void)maker_event(&file, 1, 2000 + j * 1000 + i, 0);
        }
        end_packed();
    }
    const etw_os os = maker_os(&file);
    etw_source *source;
    etw_item item;
    uint64_t events = 0, lost = 0;
    assert_int_equal(etw_etl_open(&os, "a", NULL, &source, NULL), ETW_OK);
    while (etw_source_next(source, &item, NULL) == ETW_OK) {
        if (item.kind == ETW_ITEM_EVENT) {
            events++;
        } else {
            assert_int_equal(item.loss->cause, ETW_LOSS_LIMIT);
            lost += item.loss->bytes / 80;
        }
    }
    assert_true(lost != 0);
    assert_int_equal(events + lost, 1u + buffers * rounds);
    etw_source_close(source);
}

static void too_many_overlapping_buffers_are_a_loss(void **state)
{
    (void)state;
    const uint32_t beyond = 100, buffers = ETW_ETL_MAX_RUNS + beyond;
    (void)maker_header(&file, COMPRESSED, ETW_CLOCK_QPC);
    file.buffer_size = 0;
    for (uint32_t i = 0; i < buffers; i++) {
        maker_begin(&file, 0, 0);
        (void)maker_event(&file, 1, 2000 + i, 0);
        (void)maker_event(&file, 2, 1000000 + i, 0);
        maker_end(&file);
    }
    read_all();
    assert_int_equal(seen.events, 1 + 2 * ETW_ETL_MAX_RUNS);
    assert_int_equal(seen.losses, beyond);
    assert_int_equal(seen.loss.cause, ETW_LOSS_LIMIT);
}

/* A file of more buffers than the table holds in memory, made up while it is read: behind the
 * header buffer, in file, come MANY of one event each, shuffled in time. */
#define MANY     ((uint32_t)ETW_BUFFER_TABLE_CHUNK * 2 + 1000)
#define ONE_SIZE (72u + 80u)

static int64_t read_many(void *context, int handle, void *into, size_t size, uint64_t offset)
{
    if (handle != 7) { /* the table's temporary file */
        return etw_os_default()->read_at(NULL, handle, into, size, offset);
    }
    if (offset < file.size) {
        size = size < file.size - offset ? size : file.size - (size_t)offset;
        return maker_read_at(context, handle, into, size, offset);
    }
    const uint64_t number = (offset - file.size) / ONE_SIZE;
    const size_t skipped = (size_t)((offset - file.size) % ONE_SIZE);
    uint8_t one[ONE_SIZE] = {0};
    etw_store_u32(one, ONE_SIZE);
    etw_store_u16(one + 0x2A, 9);
    etw_store_u32(one + 0x30, ONE_SIZE);
    etw_store_u32(one + 72, 0xC0130050u);
    etw_store_u64(one + 72 + 16, 2000 + number * 1000003 % MANY);
    size = size < ONE_SIZE - skipped ? size : ONE_SIZE - skipped;
    memcpy(into, one + skipped, size);
    return number < MANY ? (int64_t)size : 0;
}

static int64_t size_of_many(void *context, int handle)
{
    (void)context;
    (void)handle;
    return (int64_t)(file.size + (uint64_t)MANY * ONE_SIZE);
}

static int close_many(void *context, int handle)
{
    return handle == 7 ? 0 : etw_os_default()->close(context, handle);
}

static void a_table_beyond_memory_moves_to_a_temporary_file(void **state)
{
    (void)state;
    (void)maker_header(&file, COMPRESSED, ETW_CLOCK_QPC);
    etw_os os = maker_os(&file);
    os.read_at = read_many;
    os.size = size_of_many;
    os.close = close_many;
    etw_source *source;
    etw_item item;
    assert_int_equal(etw_etl_open(&os, "a", NULL, &source, NULL), ETW_OK);
    assert_int_equal(etw_source_next(source, &item, NULL), ETW_OK);
    for (uint32_t i = 0; i < MANY; i++) {
        assert_int_equal(etw_source_next(source, &item, NULL), ETW_OK);
        assert_int_equal(item.record->EventHeader.TimeStamp, 2000 + i);
    }
    assert_int_equal(etw_source_next(source, &item, NULL), ETW_END);
    etw_source_close(source);
}

/* ---- the first pass ---------------------------------------------------------------------------
 */

static etw_status note_scanned(void *context, const etw_event_record *record,
                               const etw_trace *trace, etw_error *error)
{
    (void)trace;
    (void)error;
    uint64_t *sum = context;
    *sum = *sum * 10 + record->EventHeader.EventDescriptor.Id % 10;
    return record->EventHeader.EventDescriptor.Id == 9 ? ETW_ERROR_STOPPED : ETW_OK;
}

static void the_scan_sees_records_in_file_order(void **state)
{
    (void)state;
    (void)maker_header(&file, SEQUENTIAL, ETW_CLOCK_QPC);
    add_buffer(0, 0, EVENTS({3, 3000}, {0xFFFE, 3001}));
    add_buffer(0, 0, EVENTS({1, 2000}, {2, 2001}));
    uint64_t sum = 0;
    etw_etl_options options = {.scan = note_scanned, .scan_context = &sum};
    assert_int_equal(read_with(&options), ETW_END);
    assert_string_equal(seen.order, "h 1 2 3 65534 ");
    assert_int_equal(sum, 3412);
    sum = 0;
    options.scan_schemas_only = true;
    assert_int_equal(read_with(&options), ETW_END);
    assert_string_equal(seen.order, "h 1 2 3 65534 ");
    assert_int_equal(sum, 4);
    add_buffer(0, 0, EVENTS({9, 4000}));
    options.scan_schemas_only = false;
    assert_int_equal(read_with(&options), ETW_ERROR_STOPPED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(buffers_are_merged_by_time_and_ties_by_place, setup),
        cmocka_unit_test_setup(records_of_one_buffer_keep_their_order, setup),
        cmocka_unit_test_setup(the_processor_is_read_by_the_form_of_the_buffer, setup),
        cmocka_unit_test_setup(clocks_are_those_of_the_header, setup),
        cmocka_unit_test_setup(messages_without_time_take_that_of_the_record_before, setup),
        cmocka_unit_test_setup(what_is_no_trace_is_refused, setup),
        cmocka_unit_test_setup(a_processor_keeps_its_order_when_the_clock_goes_back, setup),
        cmocka_unit_test_setup(a_trace_without_its_header_event_is_read, setup),
        cmocka_unit_test_setup(failing_reads_are_errors_that_name_the_place, setup),
        cmocka_unit_test_setup(short_reads_are_completed, setup),
        cmocka_unit_test_setup(compressed_buffers_are_unpacked, setup),
        cmocka_unit_test_setup(large_compressed_buffers_are_unpacked_piece_by_piece, setup),
        cmocka_unit_test_setup(a_damaged_compressed_buffer_costs_its_rest, setup),
        cmocka_unit_test_setup(more_buffers_may_overlap_than_there_are_windows, setup),
        cmocka_unit_test_setup(too_much_overlap_of_compressed_buffers_is_a_loss, setup),
        cmocka_unit_test_setup(too_many_overlapping_buffers_are_a_loss, setup),
        cmocka_unit_test_setup(a_table_beyond_memory_moves_to_a_temporary_file, setup),
        cmocka_unit_test_setup(the_scan_sees_records_in_file_order, setup),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    maker_free(&file);
    return failed;
}
