/* The reader of .etwcap files, verify and recover: the input is a whole file. See blocks.h for how
 * it is mutated.
 *
 * What must hold: a file that verify finds good reads the same with and without its index and has
 * nothing missing; what recover makes is good, and holds as many events as a reader delivers. */
#include "format/etwcap/reader.h"
#include "format/etwcap/recover.h"
#include "format/etwcap/verify.h"
#include "tests/fuzz/blocks.h"
#include "tests/support/faulty_os.h"

/* More items than an input of the fuzzer's size can hold blocks and events. */
#define MAX_ITEMS 20000000u

typedef struct reading {
    bool opened;
    uint64_t events, losses, sum;
} reading;

static void take_item(const etw_item *item, reading *of)
{
    if (item->kind == ETW_ITEM_EVENT) {
        of->events++;
        of->sum = of->sum * 31 + fuzz_touch_record(item->record) + item->schema_id;
    } else {
        of->losses += item->loss->cause != ETW_LOSS_FILTERED;
        FUZZ_CHECK(memchr(item->loss->detail, 0, ETW_LOSS_DETAIL_SIZE) != NULL);
    }
}

static etw_status take_block(void *context, const etw_side_block *block, etw_error *error)
{
    (void)context;
    (void)error;
    (void)fuzz_touch(block->body.data, block->body.size);
    return ETW_OK;
}

static void take_summary(etw_source *source)
{
    etw_file_summary summary;
    etw_guid provider;
    uint64_t events;
    const char *name;
    if (etw_reader_summary(source, &summary, NULL) == ETW_OK) {
        for (uint32_t i = 0; etw_reader_provider(source, i, &provider, &events, &name); i++) {
            FUZZ_CHECK(i < summary.provider_count && name != NULL);
        }
        for (uint16_t i = 0; i < etw_source_trace_count(source); i++) {
            const etw_trace *trace = etw_source_trace(source, i);
            (void)fuzz_touch(trace->logfile_header.data, trace->logfile_header.size);
        }
    }
}

static reading read_all(const etw_os *os, const char *path, etw_reader_options options)
{
    reading result = {0};
    etw_source *source = NULL;
    etw_error error = {0};
    etw_item item;
    etw_status status;
    options.block = take_block;
    if (etw_reader_open(os, path, &options, &source, &error) != ETW_OK) {
        FUZZ_CHECK(error.message[0] != '\0');
        return result;
    }
    result.opened = true;
    for (uint64_t items = 0; (status = etw_source_next(source, &item, &error)) == ETW_OK; items++) {
        FUZZ_CHECK(items < MAX_ITEMS);
        FUZZ_CHECK(item.kind != ETW_ITEM_EVENT ||
                   item.trace_index < etw_source_trace_count(source));
        take_item(&item, &result);
    }
    FUZZ_CHECK(status == ETW_END);
    take_summary(source);
    etw_source_close(source);
    return result;
}

static void recover(faulty_os *files, const reading *by_scan)
{
    const etw_os *os = faulty_os_table(files);
    etw_recover_report report;
    etw_verify_report verified;
    etw_error error = {0};
    if (etw_recover(os, "mem:in", "mem:out", NULL, &report, &error) != ETW_OK) {
        FUZZ_CHECK(error.message[0] != '\0' && faulty_os_get(files, "out").data == NULL);
    } else {
        FUZZ_CHECK(etw_verify(os, "mem:out", NULL, NULL, &verified, NULL) == ETW_OK);
        FUZZ_CHECK(verified.complete && verified.problems == verified.newer_blocks);
        FUZZ_CHECK(verified.events == report.events);
        FUZZ_CHECK(!by_scan->opened || report.events == by_scan->events);
    }
    FUZZ_CHECK(faulty_os_open_files(files) == 0);
}

static void check_verdict(const etw_os *os, const reading *by_scan)
{
    etw_verify_report report = {0};
    const reading by_index = read_all(os, "mem:in", (etw_reader_options){0});
    if (etw_verify(os, "mem:in", NULL, NULL, &report, NULL) == ETW_OK && report.good) {
        FUZZ_CHECK(by_index.opened && by_scan->opened);
        FUZZ_CHECK(by_index.events == by_scan->events && by_index.sum == by_scan->sum);
        FUZZ_CHECK(by_index.losses == report.loss_records && by_index.events == report.events);
    }
}

static void check_pipe(const etw_os *os, const reading *by_scan)
{
    const reading by_pipe = read_all(os, "pipe:in", (etw_reader_options){0});
    FUZZ_CHECK(by_scan->opened == by_pipe.opened);
    FUZZ_CHECK(by_scan->events == by_pipe.events && by_scan->sum == by_pipe.sum);
}

/* An input of a size goes one way: readers allocate much, and all ways together are slow. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    faulty_os *files = faulty_os_new();
    FUZZ_CHECK(files != NULL && faulty_os_put(files, "in", (etw_bytes){data, size}));
    const etw_os *os = faulty_os_table(files);
    const reading by_scan = read_all(os, "mem:in", (etw_reader_options){.ignore_index = true});
    switch (size % 8) {
    case 0:
        check_pipe(os, &by_scan);
        break;
    case 1:
        (void)read_all(os, "mem:in",
                       (etw_reader_options){.headers_only = true,
                                            .has_time_range = true,
                                            .from_time_100ns = INT64_MIN,
                                            .to_time_100ns = INT64_MAX / 4});
        break;
    case 2:
    case 3:
        recover(files, &by_scan);
        break;
    default:
        check_verdict(os, &by_scan);
        break;
    }
    faulty_os_free(files);
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    return fuzz_mutate_file(data, size, max_size, seed);
}
