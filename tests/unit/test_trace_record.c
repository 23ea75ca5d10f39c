/* What EVENT_RECORD each kind of record in a trace file becomes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "format/etl/kernel_class.h"
#include "tests/support/etl_maker.h"

static const etw_buffer_context context = {.ProcessorIndex = 0x0803, .LoggerId = 5};
static etw_extended_data_item items[ETW_MAX_RECORD_ITEMS];
static etw_event_record record;
static maker file;

static etw_frame_kind frame_of(const uint8_t *at, etw_frame *frame)
{
    return etw_frame_read(at, file.size - (size_t)(at - file.data), frame);
}

/* Builds the record that stands alone in file. */
static const char *build(void)
{
    etw_frame frame;
    assert_int_equal(frame_of(file.data, &frame), ETW_FRAME_RECORD);
    assert_int_equal(etw_record_span(frame.size), file.size);
    return etw_trace_record_build(file.data, &frame, context, 0, items, &record);
}

static int empty_file(void **state)
{
    (void)state;
    maker_free(&file);
    return 0;
}

/* A record of the type with each byte another value, so that a field read from a wrong place shows.
 */
static uint8_t *counted_record(uint8_t type, uint32_t size)
{
    uint8_t *at = maker_record(&file, type, size, 0);
    const etw_record_form form = etw_record_forms[type];
    for (uint32_t i = 0; i < size; i++) {
        const bool framing = i == 2 || i == 3 || i == form.size_at || i == form.size_at + 1u;
        at[i] = framing ? at[i] : (uint8_t)i;
    }
    return at;
}

static void assert_zero(const void *bytes, size_t size)
{
    static const uint8_t zeros[64];
    assert_memory_equal(bytes, zeros, size);
}

static void assert_data(uint32_t from, uint32_t size)
{
    assert_ptr_equal(record.UserData, file.data + from);
    assert_int_equal(record.UserDataLength, size - from);
}

static void system_records(void **state)
{
    (void)state;
    const uint8_t types[] = {ETW_TYPE_SYSTEM32, ETW_TYPE_SYSTEM64};
    for (size_t i = 0; i < 2; i++) {
        maker_free(&file);
        uint8_t *at = counted_record(types[i], 37);
        etw_store_u16(at, 0x0002);
        at[6] = 0x0A; /* type and group: an image load */
        at[7] = 0x03;
        assert_null(build());
        const etw_event_header *header = &record.EventHeader;
        assert_int_equal(header->Size, 37);
        assert_int_equal(header->HeaderType, types[i]);
        assert_int_equal(header->Flags,
                         ETW_FLAG_CLASSIC_HEADER |
                             (i == 0 ? ETW_FLAG_32_BIT_HEADER : ETW_FLAG_64_BIT_HEADER));
        assert_int_equal(header->ThreadId, 0x0B0A0908);
        assert_int_equal(header->ProcessId, 0x0F0E0D0C);
        assert_int_equal(header->TimeStamp, 0x1716151413121110);
        assert_int_equal(header->KernelTime, 0x1B1A1918);
        assert_int_equal(header->UserTime, 0x1F1E1D1C);
        assert_int_equal(header->EventDescriptor.Opcode, 0x0A);
        assert_int_equal(header->EventDescriptor.Version, 2);
        assert_int_equal(header->ProviderId.Data1, 0x2cb15d1d); /* Image, not Process */
        assert_zero(&header->ActivityId, 16);
        assert_int_equal(record.BufferContext.ProcessorNumber, 3);
        assert_int_equal(record.BufferContext.LoggerId, 5);
        assert_int_equal(record.ExtendedDataCount, 0);
        assert_data(32, 37);
    }
}

static void compact_records_have_no_cpu_times(void **state)
{
    (void)state;
    const uint8_t types[] = {ETW_TYPE_COMPACT32, ETW_TYPE_COMPACT64};
    for (size_t i = 0; i < 2; i++) {
        maker_free(&file);
        uint8_t *at = counted_record(types[i], 30);
        etw_store_u16(at, 0x0003);
        at[7] = 0x05;
        assert_null(build());
        assert_int_equal(record.EventHeader.ThreadId, 0x0B0A0908);
        assert_int_equal(record.EventHeader.ProcessId, 0x0F0E0D0C);
        assert_int_equal(record.EventHeader.TimeStamp, 0x1716151413121110);
        assert_int_equal(record.EventHeader.ProcessorTime, 0);
        assert_int_equal(record.EventHeader.ProviderId.Data1, 0x3d6fa8d1);
        assert_data(24, 30);
    }
}

static void perfinfo_records_have_no_thread(void **state)
{
    (void)state;
    const uint8_t types[] = {ETW_TYPE_PERFINFO32, ETW_TYPE_PERFINFO64};
    for (size_t i = 0; i < 2; i++) {
        maker_free(&file);
        uint8_t *at = counted_record(types[i], 24);
        etw_store_u16(at, 0x0002);
        at[7] = 0x0F;
        assert_null(build());
        assert_int_equal(record.EventHeader.TimeStamp, 0x0F0E0D0C0B0A0908);
        assert_int_equal(record.EventHeader.ThreadId, 0xFFFFFFFF);
        assert_int_equal(record.EventHeader.ProcessId, 0xFFFFFFFF);
        assert_data(16, 24);
    }
}

/* Bit 0x8000 of the version word: a PEBS index; bits 0x0700: a count of PMC counters. */
static void counters_of_kernel_records_become_items(void **state)
{
    (void)state;
    static const struct {
        uint16_t version;
        uint32_t pebs, pmc;
    } cases[] = {{0x8002, 8, 0}, {0x0302, 0, 24}, {0x8702, 8, 56}};
    const uint8_t types[] = {ETW_TYPE_SYSTEM64, ETW_TYPE_COMPACT32, ETW_TYPE_PERFINFO64};
    for (size_t i = 0; i < 9; i++) {
        const uint32_t base = etw_record_forms[types[i / 3]].header_size;
        const uint32_t pebs = cases[i % 3].pebs, pmc = cases[i % 3].pmc;
        maker_free(&file);
        etw_store_u16(counted_record(types[i / 3], 100), cases[i % 3].version);
        assert_null(build());
        assert_int_equal(record.EventHeader.EventDescriptor.Version, 2);
        assert_true((record.EventHeader.Flags & ETW_FLAG_EXTENDED_INFO) != 0);
        assert_int_equal(record.ExtendedDataCount, (pebs != 0) + (pmc != 0));
        const etw_extended_data_item *item = etw_record_find_item(&record, ETW_EXT_PEBS_INDEX);
        assert_int_equal(item != NULL, pebs != 0);
        if (item != NULL) {
            assert_ptr_equal((void *)(uintptr_t)item->DataPtr, file.data + base);
            assert_int_equal(item->DataSize, 8);
            assert_int_equal(item->Linkage, pmc != 0);
        }
        item = etw_record_find_item(&record, ETW_EXT_PMC_COUNTERS);
        assert_int_equal(item != NULL, pmc != 0);
        if (item != NULL) {
            assert_ptr_equal((void *)(uintptr_t)item->DataPtr, file.data + base + pebs);
            assert_int_equal(item->DataSize, pmc);
        }
        assert_data(base + pebs + pmc, 100);
    }
    maker_free(&file);
    etw_store_u16(counted_record(ETW_TYPE_PERFINFO64, 20), 0x8002);
    assert_non_null(build());
    assert_data(16, 20);
}

static void full_and_instance_records(void **state)
{
    (void)state;
    const uint8_t types[] = {ETW_TYPE_FULL32, ETW_TYPE_FULL64, ETW_TYPE_INSTANCE32,
                             ETW_TYPE_INSTANCE64};
    for (size_t i = 0; i < 4; i++) {
        maker_free(&file);
        (void)counted_record(types[i], 90);
        assert_null(build());
        const etw_event_header *header = &record.EventHeader;
        assert_int_equal(header->EventDescriptor.Opcode, 4);
        assert_int_equal(header->EventDescriptor.Level, 5);
        assert_int_equal(header->EventDescriptor.Version, 6);
        assert_int_equal(header->EventDescriptor.Id, 0);
        assert_int_equal(header->ThreadId, 0x0B0A0908);
        assert_int_equal(header->ProcessId, 0x0F0E0D0C);
        assert_int_equal(header->ProviderId.Data1, 0x1B1A1918);
        assert_int_equal(header->KernelTime, 0x2B2A2928);
        assert_int_equal(header->UserTime, 0x2F2E2D2C);
        assert_true((header->Flags & ETW_FLAG_CLASSIC_HEADER) != 0);
        assert_int_equal((header->Flags & ETW_FLAG_32_BIT_HEADER) != 0, i % 2 == 0);
        if (i < 2) {
            assert_data(48, 90);
            continue;
        }
        const etw_extended_data_item *item = etw_record_find_item(&record, ETW_EXT_INSTANCE_INFO);
        assert_non_null(item);
        assert_ptr_equal((void *)(uintptr_t)item->DataPtr, file.data + 48);
        assert_int_equal(item->DataSize, 24);
        assert_data(72, 90);
    }
}

static void modern_records_stand_as_they_are_delivered(void **state)
{
    (void)state;
    const uint8_t types[] = {ETW_TYPE_EVENT32, ETW_TYPE_EVENT64, ETW_TYPE_ERROR};
    const uint16_t bits[] = {ETW_FLAG_32_BIT_HEADER, ETW_FLAG_64_BIT_HEADER, 0};
    for (size_t i = 0; i < 3; i++) {
        maker_free(&file);
        uint8_t *at = counted_record(types[i], 93);
        etw_store_u16(at + 4, ETW_FLAG_NO_CPUTIME);
        etw_store_u16(at + 6, ETW_PROPERTY_RELOGGABLE);
        assert_null(build());
        assert_int_equal(record.EventHeader.HeaderType, i == 2 ? ETW_TYPE_ERROR : 0);
        assert_int_equal(record.EventHeader.Flags, ETW_FLAG_NO_CPUTIME | bits[i]);
        assert_memory_equal((const uint8_t *)&record.EventHeader + 6, file.data + 6, 74);
        assert_int_equal(record.EventHeader.Size, 93);
        assert_data(80, 93);
    }
}

static uint32_t put_item(uint8_t *at, uint16_t type, uint16_t linkage, uint16_t data_size)
{
    const uint32_t size = 8u + ((data_size + 7u) & ~7u);
    etw_store_u16(at, (uint16_t)size);
    etw_store_u16(at + 2, type);
    etw_store_u16(at + 4, linkage);
    etw_store_u16(at + 6, data_size);
    return size;
}

static void every_kind_of_item_passes_through(void **state)
{
    (void)state;
    uint8_t *at = maker_record(&file, ETW_TYPE_EVENT64, 1000, 1);
    etw_store_u16(at + 4, ETW_FLAG_EXTENDED_INFO);
    uint32_t from = 80, offsets[0x20];
    for (uint16_t type = 1; type < 0x20; type++) {
        offsets[type] = from + 8;
        from += put_item(at + from, type, type < 0x1F ? 1 : 0, (uint16_t)(type % 20));
    }
    assert_null(build());
    assert_int_equal(record.ExtendedDataCount, 0x1F);
    for (uint16_t type = 1; type < 0x20; type++) {
        const etw_extended_data_item *item = &record.ExtendedData[type - 1];
        assert_int_equal(item->ExtType, type);
        assert_int_equal(item->DataSize, type % 20);
        assert_int_equal(item->Linkage, type < 0x1F);
        assert_ptr_equal((void *)(uintptr_t)item->DataPtr, file.data + offsets[type]);
    }
    assert_data(from, 1000);
}

static void broken_items_are_told_and_stay_user_data(void **state)
{
    (void)state;
    static const struct {
        uint16_t size, data_size, linkage;
    } broken[] = {{7, 0, 0}, {0, 0, 0}, {200, 8, 0}, {16, 9, 0}, {40, 8, 1}};
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        maker_free(&file);
        uint8_t *at = maker_record(&file, ETW_TYPE_EVENT64, 136, 1);
        etw_store_u16(at + 4, ETW_FLAG_EXTENDED_INFO);
        (void)put_item(at + 80, ETW_EXT_EVENT_KEY, 1, 8);
        etw_store_u16(at + 96, broken[i].size);
        etw_store_u16(at + 100, broken[i].linkage);
        etw_store_u16(at + 102, broken[i].data_size);
        assert_non_null(build());
        assert_int_equal(record.ExtendedDataCount, broken[i].linkage != 0 ? 2 : 1);
        assert_data(broken[i].linkage != 0 ? 136 : 96, 136);
    }
}

static void wpp_messages(void **state)
{
    (void)state;
    static const struct {
        uint16_t options;
        uint32_t id_at, time_at, thread_at, data_at; /* 0: absent */
        uint16_t flags;
    } cases[] = {
        {0xAA, 8, 24, 32, 40, ETW_FLAG_64_BIT_HEADER},
        {0x6A, 8, 24, 32, 40, ETW_FLAG_32_BIT_HEADER},
        {0xB3, 12, 28, 36, 44, ETW_FLAG_64_BIT_HEADER},
        {0x2D, 12, 16, 24, 32, 0},
        {0x00, 0, 0, 0, 8, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        maker_free(&file);
        uint8_t *at = maker_add(&file, 56);
        for (uint8_t j = 4; j < 50; j++) {
            at[j] = j;
        }
        etw_store_u16(at, 50);
        at[3] = 0x90;
        etw_store_u16(at + 6, cases[i].options);
        assert_null(build());
        const etw_event_header *header = &record.EventHeader;
        assert_int_equal(header->Flags, ETW_FLAG_TRACE_MESSAGE | cases[i].flags);
        assert_int_equal(header->EventDescriptor.Id, 0x0504);
        if (cases[i].id_at != 0) {
            assert_int_equal(header->ProviderId.Data1, etw_load_u32(at + cases[i].id_at));
        } else {
            assert_zero(&header->ProviderId, 16);
        }
        assert_int_equal(header->TimeStamp,
                         cases[i].time_at != 0 ? etw_load_i64(at + cases[i].time_at) : INT64_MIN);
        const uint32_t thread_at = cases[i].thread_at;
        assert_int_equal(header->ThreadId, thread_at != 0 ? etw_load_u32(at + thread_at) : 0);
        assert_int_equal(header->ProcessId, thread_at != 0 ? etw_load_u32(at + thread_at + 4) : 0);
        assert_data(cases[i].data_at, 50);
    }
}

static void what_is_no_record_is_told(void **state)
{
    (void)state;
    static const struct {
        uint32_t marker, second;
        etw_frame_kind kind;
    } cases[] = {
        {0xFFFFFFFF, 0, ETW_FRAME_FILLER},
        {0x00000000, 0, ETW_FRAME_BAD},
        {0x12345678, 0, ETW_FRAME_BAD},
        {0xB0000020, 0, ETW_FRAME_BAD}, /* the old header with a 32-bit time */
        {0xC00C0050, 0, ETW_FRAME_BAD}, /* TIMED and WNODE: no file holds them */
        {0xC00E0050, 0, ETW_FRAME_BAD},
        {0xC0400050, 0, ETW_FRAME_BAD},
        {0xC013004F, 0, ETW_FRAME_BAD}, /* one byte less than EVENT_HEADER */
        {0xC0130050, 0, ETW_FRAME_RECORD},
        {0xC0020002, 0x0000001F, ETW_FRAME_BAD},
        {0xC0020002, 0x00000020, ETW_FRAME_RECORD},
        {0xC0110002, 0x0000000F, ETW_FRAME_BAD},
        {0xC0110002, 0x00000010, ETW_FRAME_RECORD},
        {0x90000027, 0x00AA0001, ETW_FRAME_BAD},
        {0x90000028, 0x00AA0001, ETW_FRAME_RECORD},
    };
    (void)maker_add(&file, 100);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        etw_store_u32(file.data, cases[i].marker);
        etw_store_u32(file.data + 4, cases[i].second);
        etw_frame frame;
        assert_int_equal(frame_of(file.data, &frame), cases[i].kind);
        assert_int_equal(etw_frame_read(file.data, 7, &frame), ETW_FRAME_SHORT);
        if (cases[i].kind == ETW_FRAME_BAD) {
            assert_int_equal(etw_frame_read(file.data, 8, &frame), ETW_FRAME_BAD);
            assert_non_null(frame.problem);
        }
    }
}

static void groups_have_their_classes(void **state)
{
    (void)state;
    assert_int_equal(etw_kernel_class_guid(0x03, 0x01)->Data1, 0x3d6fa8d0);
    assert_int_equal(etw_kernel_class_guid(0x03, 0x0A)->Data1, 0x2cb15d1d);
    assert_int_equal(etw_kernel_class_guid(0x1E, 0)->Data1, 0x2ce9a149);
    assert_true(etw_guid_is_zero(etw_kernel_class_guid(0x1F, 0)));
    assert_true(etw_guid_is_zero(etw_kernel_class_guid(0xFF, 0x0A)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(system_records),
        cmocka_unit_test(compact_records_have_no_cpu_times),
        cmocka_unit_test(perfinfo_records_have_no_thread),
        cmocka_unit_test(counters_of_kernel_records_become_items),
        cmocka_unit_test(full_and_instance_records),
        cmocka_unit_test(modern_records_stand_as_they_are_delivered),
        cmocka_unit_test_setup(every_kind_of_item_passes_through, empty_file),
        cmocka_unit_test(broken_items_are_told_and_stay_user_data),
        cmocka_unit_test(wpp_messages),
        cmocka_unit_test_setup(what_is_no_record_is_told, empty_file),
        cmocka_unit_test(groups_have_their_classes),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    maker_free(&file);
    return failed;
}
