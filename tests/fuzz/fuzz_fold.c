/* Folded files: the input is what the frame of one expands to (FORMAT.md, 13.2).
 *
 * What must hold: reading, from a file and from a pipe, gives the same events; what verify finds
 * good lacks nothing; what recover makes, where it does, is good, and folds to the same events
 * again. */
#include "format/etwcap/fold.h"
#include "format/etwcap/reader.h"
#include "format/etwcap/recover.h"
#include "format/etwcap/verify.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/faulty_os.h"

#define FRAME_BLOCK_MAX ((size_t)64 << 10)

/* A zstd frame, without its magic, of bytes that are not compressed. */
static void append_frame(etw_bytes bytes, etw_buffer *to)
{
    size_t done = 0;
    etw_buffer_append_u8(to, 0xA0);
    etw_buffer_append_u32(to, (uint32_t)bytes.size);
    do {
        const size_t left = bytes.size - done;
        const size_t size = left < FRAME_BLOCK_MAX ? left : FRAME_BLOCK_MAX;
        const uint32_t header = (uint32_t)(size << 3) | (size == left ? 1u : 0u);
        etw_buffer_append(to, &header, 3);
        etw_buffer_append(to, bytes.data + done, size);
        done += size;
    } while (done < bytes.size);
}

static void put_file(faulty_os *files, etw_bytes text)
{
    etw_buffer stored = {0};
    etw_buffer file = {0};
    uint8_t head[ETW_FOLD_HEAD_SIZE];
    append_frame(text, &stored);
    const etw_fold_head facts = {(uint32_t)stored.size, 1,
                                 etw_block_hash(etw_buffer_bytes(&stored))};
    etw_fold_head_store(&facts, head);
    etw_buffer_append(&file, head, sizeof head);
    etw_buffer_append(&file, stored.data, stored.size);
    FUZZ_CHECK(!stored.failed && !file.failed);
    FUZZ_CHECK(faulty_os_put(files, "in", etw_buffer_bytes(&file)));
    etw_buffer_free(&stored);
    etw_buffer_free(&file);
}

typedef struct reading {
    uint64_t events, losses, sum;
} reading;

static reading read_all(const etw_os *os, const char *path)
{
    reading result = {0};
    etw_source *source = NULL;
    etw_item item;
    FUZZ_CHECK(etw_reader_open(os, path, NULL, &source, NULL) == ETW_OK);
    while (etw_source_next(source, &item, NULL) == ETW_OK) {
        if (item.kind == ETW_ITEM_EVENT) {
            result.events++;
            result.sum = result.sum * 31 + fuzz_touch_record(item.record);
        } else {
            result.losses++;
        }
    }
    etw_source_close(source);
    return result;
}

static void check_recovered(faulty_os *files, const reading *read)
{
    const etw_os *os = faulty_os_table(files);
    etw_recover_report report;
    etw_verify_report verified;
    etw_buffer folded = {0};
    etw_error error = {0};
    if (etw_recover(os, "mem:in", "mem:out", NULL, &report, &error) != ETW_OK) {
        FUZZ_CHECK(error.message[0] != '\0' && faulty_os_get(files, "out").data == NULL);
        return;
    }
    FUZZ_CHECK(etw_verify(os, "mem:out", NULL, NULL, &verified, NULL) == ETW_OK);
    FUZZ_CHECK(verified.complete && verified.problems == verified.newer_blocks);
    FUZZ_CHECK(report.events == read->events);
    if (etw_fold(faulty_os_get(files, "out"), false, &folded)) {
        FUZZ_CHECK(faulty_os_put(files, "in", etw_buffer_bytes(&folded)));
        const reading again = read_all(os, "mem:in");
        FUZZ_CHECK(again.events == read->events && again.sum == read->sum);
    }
    etw_buffer_free(&folded);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    faulty_os *files = faulty_os_new();
    etw_verify_report report = {0};
    FUZZ_CHECK(files != NULL);
    put_file(files, (etw_bytes){data, size});
    const etw_os *os = faulty_os_table(files);
    const reading by_file = read_all(os, "mem:in");
    const reading by_pipe = read_all(os, "pipe:in");
    FUZZ_CHECK(by_file.events == by_pipe.events && by_file.sum == by_pipe.sum);
    FUZZ_CHECK(etw_verify(os, "mem:in", NULL, NULL, &report, NULL) == ETW_OK);
    FUZZ_CHECK(!report.good ||
               (report.events == by_file.events && report.loss_records == by_file.losses));
    check_recovered(files, &by_file);
    FUZZ_CHECK(faulty_os_open_files(files) == 0);
    faulty_os_free(files);
    return 0;
}
