/* passes MODE ...: single passes over traces, for bench.py to time from outside.
 *
 *   records IN.etl OUT     the records of a trace as they are, unpacked, one after another
 *   etl IN.etl             every EVENT_RECORD of a trace to a callback
 *   headers IN.etwcap      every header
 *   all IN.etwcap          every EVENT_RECORD with items and user data
 *   query IN.etwcap N      a time range that holds about N events; prints events, blocks read, of
 *                          all
 *   append IN.etl          copies records into a batch, and the same bytes by memcpy; prints ns
 *   write IN.etl N OUT     a session's side of recording: records that are in memory are handed to
 * a writer with N encoder threads, again and again */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "format/etl/buffer_chain.h"
#include "format/etl/buffer_run.h"
#include "format/etl/etl.h"
#include "format/etwcap/codec/codec.h"
#include "format/etwcap/reader.h"
#include "format/etwcap/writer.h"

static int failed(const etw_error *error)
{
    fprintf(stderr, "passes: %s\n", error->message);
    return 1;
}

static bool write_run(etw_run *run, const etw_run_input *input, FILE *out)
{
    etw_run_damage damage;
    etw_run_step step;
    while ((step = etw_run_locate(run, input, &damage, NULL)) != ETW_RUN_END) {
        if (step == ETW_RUN_FAILED) {
            return false;
        }
        if (step == ETW_RUN_RECORD) {
            if (fwrite(etw_run_record(run), 1, run->frame.size, out) != run->frame.size) {
                return false;
            }
            etw_run_pass(run);
        }
    }
    return true;
}

static int write_records(const char *from, const char *to)
{
    const etw_os *os = etw_os_default();
    etw_error error = {0};
    etw_buffer_entry entry;
    etw_buffer_header header;
    etw_run run;
    const int file = os->open(os->context, from, ETW_OPEN_READ);
    FILE *out = fopen(to, "wb");
    if (file < 0 || out == NULL) {
        perror(file < 0 ? from : to);
        return 1;
    }
    etw_run_input input = {os, file, malloc(ETW_RUN_SCRATCH)};
    etw_chain chain = {.os = os,
                       .file = file,
                       .file_size = (uint64_t)os->size(os->context, file),
                       .step = 1,
                       .ahead = malloc(ETW_CHAIN_AHEAD)};
    uint8_t *window = malloc(ETW_RUN_WINDOW);
    bool good = input.scratch != NULL && chain.ahead != NULL && window != NULL;
    etw_bytes first = {NULL, 0};
    if (good && etw_chain_peek(&chain, 0, ETW_BUFFER_HEADER_SIZE, &first, &error) == ETW_OK &&
        first.size == ETW_BUFFER_HEADER_SIZE) {
        /* Without compression all buffers have one size; with it, the first is the header's alone.
         */
        const etw_buffer_header of = etw_buffer_header_read(first.data);
        chain.step =
            of.stored_size >= 4096 && chain.file_size % of.stored_size == 0 ? of.stored_size : 1;
        chain.logger_id = of.context.LoggerId;
    }
    while (good && etw_chain_next(&chain, &entry, &header, &error) == ETW_OK) {
        if (entry.kind > ETW_BUFFER_KIND_WRONG_SIZE) {
            continue;
        }
        memset(&run, 0, sizeof run);
        etw_run_start(&run, &entry, &header);
        run.window = window;
        good = write_run(&run, &input, out);
    }
    free(window);
    free(chain.ahead);
    free(input.scratch);
    (void)os->close(os->context, file);
    return fclose(out) == 0 && good ? 0 : failed(&error);
}

/* What a callback would look at. */
static uint64_t look(const etw_event_record *record)
{
    return (uint64_t)record->EventHeader.TimeStamp + record->EventHeader.EventDescriptor.Id +
           record->UserDataLength + record->ExtendedDataCount;
}

static int read_all(etw_source *source)
{
    etw_error error = {0};
    etw_item item;
    etw_status status;
    uint64_t events = 0;
    uint64_t sum = 0;
    while ((status = etw_source_next(source, &item, &error)) == ETW_OK) {
        if (item.kind == ETW_ITEM_EVENT) {
            events++;
            sum += look(item.record);
        }
    }
    etw_source_close(source);
    printf("%" PRIu64 " events %016" PRIx64 "\n", events, sum);
    return status == ETW_END ? 0 : failed(&error);
}

static int read_etl(const char *path)
{
    etw_error error = {0};
    etw_source *source = NULL;
    return etw_etl_open(etw_os_default(), path, NULL, &source, &error) == ETW_OK ? read_all(source)
                                                                                 : failed(&error);
}

static int read_etwcap(const char *path, bool headers_only)
{
    const etw_reader_options options = {.headers_only = headers_only};
    etw_error error = {0};
    etw_source *source = NULL;
    return etw_reader_open(etw_os_default(), path, &options, &source, &error) == ETW_OK
               ? read_all(source)
               : failed(&error);
}

static int query(const char *path, uint64_t wanted)
{
    etw_reader_options options = {.headers_only = true};
    etw_error error = {0};
    etw_source *source = NULL;
    etw_file_summary summary;
    etw_reader_counts counts;
    etw_item item;
    if (etw_reader_open(etw_os_default(), path, &options, &source, &error) != ETW_OK ||
        etw_reader_summary(source, &summary, &error) != ETW_OK) {
        return failed(&error);
    }
    etw_source_close(source);
    const int64_t span = summary.last_time_100ns - summary.first_time_100ns;
    options.headers_only = false;
    options.has_time_range = true;
    options.from_time_100ns = summary.first_time_100ns + span / 2;
    options.to_time_100ns =
        options.from_time_100ns + (int64_t)((double)span * (double)wanted / (double)summary.events);
    if (etw_reader_open(etw_os_default(), path, &options, &source, &error) != ETW_OK) {
        return failed(&error);
    }
    uint64_t found = 0;
    while (etw_source_next(source, &item, &error) == ETW_OK) {
        if (item.kind == ETW_ITEM_EVENT) {
            const int64_t time =
                etw_clock_to_filetime(&etw_source_trace(source, item.trace_index)->clock,
                                      item.record->EventHeader.TimeStamp);
            found += time >= options.from_time_100ns && time <= options.to_time_100ns;
        }
    }
    etw_reader_get_counts(source, &counts);
    printf("%" PRIu64 " events, %" PRIu64 " blocks read, %" PRIu64 " of events in all, %" PRIu64
           " bytes read, %" PRIu64 " in all\n",
           found, counts.blocks_read, summary.event_blocks, counts.bytes_read, summary.file_bytes);
    etw_source_close(source);
    return 0;
}

/* One batch that is filled again and again from a batch of real records, beside memcpy of the same
 * bytes into one buffer. The records are warm in both. */
static int append(const char *path)
{
    enum { ROUNDS = 200 };
    const etw_os *os = etw_os_default();
    etw_error error = {0};
    etw_source *source = NULL;
    etw_item item;
    etw_batch *from = etw_batch_new((size_t)1 << 20, ETW_BATCH_MAX_EVENTS);
    etw_batch *to = etw_batch_new((size_t)2 << 20, ETW_BATCH_MAX_EVENTS);
    uint8_t *buffer = malloc((size_t)2 << 20);
    if (from == NULL || to == NULL || buffer == NULL ||
        etw_etl_open(os, path, NULL, &source, &error) != ETW_OK) {
        return failed(&error);
    }
    while (etw_source_next(source, &item, &error) == ETW_OK) {
        if (item.kind == ETW_ITEM_EVENT && !etw_batch_append(from, item.record, 0, 0)) {
            break;
        }
    }
    const uint32_t count = etw_batch_count(from);
    etw_event_record *records = malloc(count * sizeof *records);
    if (records == NULL) {
        return 1;
    }
    for (uint32_t i = 0; i < count; i++) {
        etw_batch_item(from, i, &records[i], &item);
    }
    int64_t best[2] = {INT64_MAX, INT64_MAX};
    for (int round = 0; round < ROUNDS; round++) {
        const int64_t start = os->monotonic_ns(os->context);
        etw_batch_clear(to);
        for (uint32_t i = 0; i < count; i++) {
            (void)etw_batch_append(to, &records[i], 0, 0);
        }
        const int64_t middle = os->monotonic_ns(os->context);
        uint8_t *at = buffer;
        for (uint32_t i = 0; i < count; i++) {
            memcpy(at, &records[i], sizeof records[i]);
            at += sizeof records[i];
            for (uint32_t x = 0; x < records[i].ExtendedDataCount; x++) {
                const etw_bytes bytes = etw_item_bytes(&records[i].ExtendedData[x]);
                memcpy(at, &records[i].ExtendedData[x], sizeof records[i].ExtendedData[x]);
                at += sizeof records[i].ExtendedData[x];
                memcpy(at, bytes.data, bytes.size);
                at += bytes.size;
            }
            memcpy(at, records[i].UserData, records[i].UserDataLength);
            at += records[i].UserDataLength;
        }
        const int64_t end = os->monotonic_ns(os->context);
        best[0] = middle - start < best[0] ? middle - start : best[0];
        best[1] = end - middle < best[1] ? end - middle : best[1];
    }
    printf("%u events append %" PRId64 " ns memcpy %" PRId64 " ns check %u\n", count, best[0],
           best[1], buffer[count]);
    free(records);
    free(buffer);
    etw_batch_free(from);
    etw_batch_free(to);
    etw_source_close(source);
    return 0;
}

enum { WRITE_BATCHES = 8, WRITE_ROUNDS = 40 };

/* As many of the trace's records as the batches hold. */
static uint32_t load_batches(etw_source *source, etw_batch **batches)
{
    etw_item item;
    uint32_t at = 0;
    while (etw_source_next(source, &item, NULL) == ETW_OK) {
        if (item.kind != ETW_ITEM_EVENT || etw_batch_append(batches[at], item.record, 0, 0)) {
            continue;
        }
        if (++at == WRITE_BATCHES) {
            return at;
        }
        (void)etw_batch_append(batches[at], item.record, 0, 0);
    }
    return at + 1;
}

static etw_status add_batch(etw_writer *writer, etw_batch *batch, etw_error *error)
{
    etw_status status = ETW_OK;
    for (uint32_t i = 0; status == ETW_OK && i < etw_batch_count(batch); i++) {
        etw_event_record record;
        etw_item item;
        etw_batch_item(batch, i, &record, &item);
        status = etw_writer_add_event(writer, &record, 0, 0, error);
    }
    return status;
}

static int write_again(const char *from, uint32_t threads, const char *to)
{
    const etw_os *os = etw_os_default();
    const etw_writer_options options = {.threads = threads, .replace = true};
    etw_error error = {0};
    etw_source *source = NULL;
    etw_writer *writer = NULL;
    etw_batch *batches[WRITE_BATCHES];
    for (uint32_t i = 0; i < WRITE_BATCHES; i++) {
        batches[i] = etw_batch_new((size_t)4 << 20, ETW_BATCH_MAX_EVENTS);
        if (batches[i] == NULL) {
            return failed(&error);
        }
    }
    uint16_t trace;
    if (etw_etl_open(os, from, NULL, &source, &error) != ETW_OK ||
        etw_writer_create(os, to, &options, &writer, &error) != ETW_OK ||
        etw_writer_add_trace(writer, etw_source_trace(source, 0), &trace, &error) != ETW_OK) {
        return failed(&error);
    }
    const uint32_t loaded = load_batches(source, batches);
    etw_status status = ETW_OK;
    for (uint32_t i = 0; status == ETW_OK && i < WRITE_ROUNDS * loaded; i++) {
        status = add_batch(writer, batches[i % loaded], &error);
    }
    status = status == ETW_OK ? etw_writer_finish(writer, &error) : status;
    etw_writer_free(writer);
    etw_source_close(source);
    for (uint32_t i = 0; i < WRITE_BATCHES; i++) {
        etw_batch_free(batches[i]);
    }
    return status == ETW_OK ? 0 : failed(&error);
}

int main(int argc, char **argv)
{
    const char *mode = argc > 2 ? argv[1] : "";
    if (strcmp(mode, "records") == 0 && argc == 4) {
        return write_records(argv[2], argv[3]);
    }
    if (strcmp(mode, "etl") == 0) {
        return read_etl(argv[2]);
    }
    if (strcmp(mode, "headers") == 0 || strcmp(mode, "all") == 0) {
        return read_etwcap(argv[2], strcmp(mode, "headers") == 0);
    }
    if (strcmp(mode, "query") == 0 && argc == 4) {
        return query(argv[2], strtoull(argv[3], NULL, 10));
    }
    if (strcmp(mode, "append") == 0) {
        return append(argv[2]);
    }
    if (strcmp(mode, "write") == 0 && argc == 5) {
        return write_again(argv[2], (uint32_t)strtoul(argv[3], NULL, 10), argv[4]);
    }
    fprintf(stderr, "passes: wrong usage\n");
    return 2;
}
