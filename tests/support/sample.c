#include "tests/support/sample.h"

#include <stdio.h>

etw_guid sample_provider(uint32_t i)
{
    const etw_guid guid = {0x11111111u * (i % 3 + 1), 0x2222, 0x3333, {4, 5, 6, 7, 8, 9, 10, 11}};
    return guid;
}

void sample_make_event(uint32_t i, sample_event *event)
{
    memset(event, 0, sizeof *event);
    etw_event_header *header = &event->record.EventHeader;
    const int size = snprintf(event->user_data, sizeof event->user_data,
                              "event %u of the sample, user data %x", i, i * 2654435761u);
    header->Size = (uint16_t)(80 + size);
    header->Flags = ETW_FLAG_64_BIT_HEADER;
    header->ThreadId = 100 + i % 7;
    header->ProcessId = 4 * (i % 5 + 1);
    header->ProviderId = sample_provider(i);
    header->EventDescriptor.Id = (uint16_t)(i % 11);
    header->EventDescriptor.Level = (uint8_t)(i % 5 + 1);
    header->EventDescriptor.Keyword = (uint64_t)1 << (i % 64);
    /* Trace 0 counts 100 ns units, trace 1 ticks of 1 MHz since the first event. */
    header->TimeStamp = i % 2 == 0 ? SAMPLE_FIRST_TIME + (int64_t)i * SAMPLE_STEP_100NS
                                   : (int64_t)i * SAMPLE_STEP_100NS / 10;
    event->record.BufferContext.ProcessorIndex = (uint16_t)(i % 4);
    event->record.UserData = event->user_data;
    event->record.UserDataLength = (uint16_t)size;
    if (i % 4 == 3) {
        memset(event->item_data, (int)i, sizeof event->item_data);
        event->record.ExtendedDataCount = 2;
        event->record.ExtendedData = event->items;
        event->items[0] = (etw_extended_data_item){0, ETW_EXT_RELATED_ACTIVITYID, 1, 16,
                                                   (uint64_t)(uintptr_t)event->item_data};
        event->items[1] = (etw_extended_data_item){0, ETW_EXT_STACK_TRACE64, 0, 48,
                                                   (uint64_t)(uintptr_t)(event->item_data + 16)};
        header->Flags |= ETW_FLAG_EXTENDED_INFO;
    }
}

static bool items_equal(const etw_event_record *a, const etw_event_record *b)
{
    bool equal = a->ExtendedDataCount == b->ExtendedDataCount;
    for (uint32_t i = 0; equal && i < a->ExtendedDataCount; i++) {
        const etw_bytes one = etw_item_bytes(&a->ExtendedData[i]);
        const etw_bytes other = etw_item_bytes(&b->ExtendedData[i]);
        equal = memcmp(&a->ExtendedData[i], &b->ExtendedData[i], 8) == 0 &&
                memcmp(one.data, other.data, one.size) == 0;
    }
    return equal;
}

bool sample_equal(const etw_event_record *a, const etw_event_record *b)
{
    return memcmp(&a->EventHeader, &b->EventHeader, sizeof a->EventHeader) == 0 &&
           memcmp(&a->BufferContext, &b->BufferContext, sizeof a->BufferContext) == 0 &&
           a->UserDataLength == b->UserDataLength &&
           memcmp(a->UserData, b->UserData, a->UserDataLength) == 0 && items_equal(a, b);
}

/* The container keeps schemas as bytes and looks into none. */
etw_schema_store *sample_store(void)
{
    static const uint8_t tei[2][200] = {{1, 2, 3}, {4, 5, 6}};
    static const uint8_t map[100] = {7, 8, 9};
    const etw_bytes maps[] = {{map, sizeof map}, {map, sizeof map / 2}};
    const etw_schema *kept;
    etw_schema_store *store = etw_schema_store_new();
    bool good = store != NULL;
    for (uint32_t i = 0; good && i < 2; i++) {
        const etw_schema schema = {.origin = ETW_SCHEMA_MANIFEST,
                                   .tei = {tei[i], sizeof tei[i]},
                                   .map_count = i + 1,
                                   .maps = maps};
        good = etw_schema_store_intern(store, &schema, &kept, NULL) == ETW_OK;
    }
    for (uint32_t i = 0; good && i < 3; i++) {
        static const char *const names[] = {"Sample-One", "Sample-Two", "Sample-\xC3\x9C"};
        const etw_guid provider = sample_provider(i);
        good = etw_schema_store_set_provider_name(store, &provider, names[i], NULL) == ETW_OK;
    }
    if (!good) {
        etw_schema_store_free(store);
        store = NULL;
    }
    return store;
}

uint32_t sample_schema_id(uint32_t i)
{
    return i % 3;
}

etw_trace sample_trace(uint16_t trace_index)
{
    static const uint8_t logfile_header[] = {0xAA, 0xBB, 0xCC, 0xDD, 0xEE};
    etw_trace trace = {.pointer_size = 8,
                       .processor_count = 4,
                       .os_build = 19041,
                       .events_lost = trace_index,
                       .utc_bias_minutes = -60,
                       .start_time_100ns = SAMPLE_FIRST_TIME,
                       .log_instance_id = {1, 2, 3, {4}},
                       .logfile_header = {logfile_header, sizeof logfile_header}};
    trace.clock.type = trace_index == 0 ? ETW_CLOCK_SYSTEM_TIME : ETW_CLOCK_QPC;
    trace.clock.frequency_hz = trace_index == 0 ? 0 : 1000000;
    trace.clock.base_ticks = trace_index == 0 ? SAMPLE_FIRST_TIME : 0;
    trace.clock.base_time_100ns = SAMPLE_FIRST_TIME;
    (void)snprintf(trace.session_name, sizeof trace.session_name, "session %u", trace_index);
    (void)snprintf(trace.log_file_name, sizeof trace.log_file_name, "C:\\logs\\%u.etl",
                   trace_index);
    (void)snprintf(trace.source_path, sizeof trace.source_path, "%u.etl", trace_index);
    return trace;
}

etw_status sample_add_traces(etw_writer *writer, etw_error *error)
{
    etw_status status = ETW_OK;
    for (uint16_t i = 0; status == ETW_OK && i < 2; i++) {
        const etw_trace trace = sample_trace(i);
        uint16_t trace_index;
        status = etw_writer_add_trace(writer, &trace, &trace_index, error);
    }
    return status;
}

static etw_status add_others(etw_writer *writer, etw_error *error)
{
    static const uint8_t bytes[] = "something private";
    const etw_loss loss = {.cause = ETW_LOSS_ETW_EVENTS,
                           .trace_index = 1,
                           .events = 7,
                           .from_time_100ns = SAMPLE_FIRST_TIME,
                           .to_time_100ns = SAMPLE_FIRST_TIME + 5,
                           .detail = "seven events"};
    etw_status status = etw_writer_add_loss(writer, &loss, error);
    if (status == ETW_OK) {
        status = etw_writer_add_clock_anchor(writer, 1, 12345, SAMPLE_FIRST_TIME + 123450, error);
    }
    if (status == ETW_OK) {
        const etw_bytes body = {bytes, sizeof bytes};
        status =
            etw_writer_add_block(writer, SAMPLE_PRIVATE_KIND, SAMPLE_PRIVATE_COUNT, body, error);
    }
    return status;
}

etw_status sample_add_events(etw_writer *writer, uint32_t first, uint32_t count, etw_error *error)
{
    etw_status status = ETW_OK;
    for (uint32_t i = first; status == ETW_OK && i < first + count; i++) {
        sample_event event;
        sample_make_event(i, &event);
        if (i == 10) {
            status = add_others(writer, error);
        }
        if (status == ETW_OK) {
            status = etw_writer_add_event(writer, &event.record, (uint16_t)(i % 2),
                                          sample_schema_id(i), error);
        }
    }
    return status;
}

etw_status sample_write(const etw_os *os, const char *path, uint32_t count,
                        const etw_writer_options *options, etw_error *error)
{
    etw_writer_options mine = {.batch_bytes = 16 << 10, .replace = true, .application = "sample 1"};
    etw_writer *writer = NULL;
    etw_schema_store *store = sample_store();
    if (store == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory");
    }
    if (options != NULL) {
        mine = *options;
    }
    mine.store = store;
    etw_status status = etw_writer_create(os, path, &mine, &writer, error);
    if (status == ETW_OK) {
        status = sample_add_traces(writer, error);
    }
    if (status == ETW_OK) {
        status = sample_add_events(writer, 0, count, error);
    }
    if (status == ETW_OK) {
        status = etw_writer_finish(writer, error);
    }
    etw_writer_free(writer);
    etw_schema_store_free(store);
    return status;
}
