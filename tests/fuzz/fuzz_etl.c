/* The reader of .etl files, with the schemas that a trace carries: the input is a whole file. */
#include "format/etl/etl.h"
#include "format/schema/resolver.h"
#include "tests/fuzz/fuzz.h"

/* More items than an input of the fuzzer's size can hold records and damaged places. */
#define MAX_ITEMS 1000000u

static etw_status observe(void *context, const etw_event_record *record, const etw_trace *trace,
                          etw_error *error)
{
    (void)trace;
    return etw_resolver_observe(context, record, error);
}

static void take_event(etw_source *source, etw_resolver *resolver, const etw_item *item)
{
    FUZZ_CHECK(item->trace_index < etw_source_trace_count(source));
    const etw_trace *trace = etw_source_trace(source, item->trace_index);
    const uint32_t pointer_size = etw_record_pointer_size(item->record, trace->pointer_size);
    const etw_schema *schema = NULL;
    FUZZ_CHECK(pointer_size == 4 || pointer_size == 8);
    (void)fuzz_touch_record(item->record);
    FUZZ_CHECK(etw_resolver_find(resolver, item->record, pointer_size, &schema, NULL) == ETW_OK);
    (void)etw_clock_to_filetime(&trace->clock, item->record->EventHeader.TimeStamp);
}

static void read_all(const etw_os *os, const char *path, etw_resolver *resolver)
{
    const etw_etl_options options = {.scan = observe, .scan_context = resolver};
    etw_error error = {0};
    etw_source *source = NULL;
    if (etw_etl_open(os, path, &options, &source, &error) != ETW_OK) {
        FUZZ_CHECK(error.message[0] != '\0');
        return;
    }
    etw_item item;
    etw_status status;
    uint32_t items = 0;
    uint64_t events = 0;
    while ((status = etw_source_next(source, &item, &error)) == ETW_OK) {
        FUZZ_CHECK(++items < MAX_ITEMS);
        if (item.kind == ETW_ITEM_EVENT) {
            take_event(source, resolver, &item);
            events++;
        } else {
            FUZZ_CHECK(item.loss->cause != 0 && memchr(item.loss->detail, 0, ETW_LOSS_DETAIL_SIZE));
        }
    }
    FUZZ_CHECK(status == ETW_END);
    FUZZ_CHECK(etw_etl_statistics_of(source)->records == events);
    etw_source_close(source);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_files files;
    fuzz_files_init(&files, data, size);
    etw_schema_store *store = etw_schema_store_new();
    etw_resolver *resolver = NULL;
    FUZZ_CHECK(store != NULL && etw_resolver_new(store, NULL, &resolver, NULL) == ETW_OK);
    read_all(&files.os, size % 8 == 7 ? "pipe" : "input", resolver);
    fuzz_files_check_closed(&files);
    etw_resolver_free(resolver);
    etw_schema_store_free(store);
    return 0;
}
