/* Tortures .etwcap files and counts what comes of it; for the tests in small numbers, by hand in
 * large ones. Exits with 1 at the first thing that must not be, and says how to see it again.
 *
 *     etwcap_torture crash COUNT FOLDER [SEED]   kills a recorder with SIGKILL, again and again
 *     etwcap_torture damage COUNT [SEED]         breaks bytes of a file, again and again
 *     etwcap_torture follow EVENTS FOLDER        reads a file while it is being written
 *     etwcap_torture soak EVENTS FOLDER          records, replays and verifies, memory measured */
#include "format/etwcap/block.h"
#include "format/etwcap/reader.h"
#include "format/etwcap/recover.h"
#include "format/etwcap/verify.h"
#include "format/output/output.h"
#include "recorder/capture/capture.h"
#include "replay/replay.h"
#include "tests/support/faulty_os.h"
#include "tests/support/sample.h"

#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define MUST(condition, ...)                                                                       \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            (void)fprintf(stderr, "line %d: not so: %s\n", __LINE__, #condition);                  \
            (void)fprintf(stderr, __VA_ARGS__);                                                    \
            (void)fputc('\n', stderr);                                                             \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

#define PATH_SIZE 512

static uint32_t next_random(uint32_t *random)
{
    *random = *random * 1664525u + 1013904223u;
    return *random >> 8;
}

/* What was read: events of the sample, each right, in their order. */
typedef struct reading {
    etw_status status; /* of open, or of the last next */
    uint32_t events;
    uint32_t next; /* the number after the last event's */
    uint32_t losses;
    bool truncated;
    uint8_t *seen; /* by number; NULL: not wanted */
} reading;

static void take_item(const etw_item *item, reading *of, const char *again)
{
    if (item->kind == ETW_ITEM_LOSS) {
        const uint32_t cause = item->loss->cause;
        of->truncated |= cause == ETW_LOSS_TRUNCATED;
        of->losses += cause == ETW_LOSS_TRUNCATED || cause == ETW_LOSS_DAMAGE;
        return;
    }
    sample_event expected;
    unsigned number = 0;
    char text[128] = {0};
    const size_t size = item->record->UserDataLength;
    memcpy(text, item->record->UserData, size < 127 ? size : 127);
    MUST(sscanf(text, "event %u of", &number) == 1 && number >= of->next, "%s", again);
    sample_make_event(number, &expected);
    MUST(sample_equal(item->record, &expected.record), "event %u; %s", number, again);
    of->next = number + 1;
    of->events++;
    if (of->seen != NULL) {
        of->seen[number] = 1;
    }
}

static reading read_file(const etw_os *os, const char *path, uint8_t *seen, const char *again)
{
    reading result = {.seen = seen};
    etw_source *source = NULL;
    etw_item item;
    result.status = etw_reader_open(os, path, NULL, &source, NULL);
    if (result.status != ETW_OK) {
        return result;
    }
    while ((result.status = etw_source_next(source, &item, NULL)) == ETW_OK) {
        take_item(&item, &result, again);
    }
    etw_source_close(source);
    return result;
}

static bool verifies(const etw_os *os, const char *path)
{
    etw_verify_report report;
    return etw_verify(os, path, NULL, NULL, &report, NULL) == ETW_OK && report.good;
}

/* ---- crash ---- */

/* Records until it is killed; after each flush, says how many events it flushed. */
static void record_until_killed(const char *path, uint32_t random, int report_to)
{
    const uint32_t threads = next_random(&random) % 4;
    const etw_writer_options options = {.replace = true,
                                        .threads = threads,
                                        .batch_bytes = 2048u << (next_random(&random) % 5),
                                        .interval_ms = next_random(&random) % 3,
                                        .sync = next_random(&random) % 4 == 0 ? ETW_SYNC_BLOCK
                                                                              : ETW_SYNC_NONE,
                                        .store = sample_store()};
    etw_writer *writer = NULL;
    uint32_t count = 0;
    if (etw_writer_create(etw_os_default(), path, &options, &writer, NULL) != ETW_OK ||
        sample_add_traces(writer, NULL) != ETW_OK) {
        _exit(1);
    }
    for (;;) {
        const uint32_t more = 1 + next_random(&random) % 500;
        if (sample_add_events(writer, count, more, NULL) != ETW_OK) {
            _exit(1);
        }
        count += more;
        if (next_random(&random) % 4 == 0 && (etw_writer_flush(writer, NULL) != ETW_OK ||
                                              write(report_to, &count, sizeof count) < 0)) {
            _exit(1);
        }
    }
}

static uint32_t last_report(int from)
{
    uint32_t count = 0, last = 0;
    while (read(from, &count, sizeof count) == (ssize_t)sizeof count) {
        last = count;
    }
    return last;
}

/* Gives the number of events that were flushed when the recorder died. */
static uint32_t record_and_kill(const char *path, uint32_t *random)
{
    int ends[2];
    MUST(pipe(ends) == 0, "pipe: %s", strerror(errno));
    const uint32_t seed = next_random(random);
    const useconds_t life_us = next_random(random) % 20000;
    const pid_t child = fork();
    MUST(child >= 0, "fork: %s", strerror(errno));
    if (child == 0) {
        (void)close(ends[0]);
        record_until_killed(path, seed, ends[1]);
    }
    (void)close(ends[1]);
    (void)usleep(life_us);
    (void)kill(child, SIGKILL);
    const uint32_t flushed = last_report(ends[0]);
    int status = 0;
    (void)waitpid(child, &status, 0);
    MUST(WIFSIGNALED(status), "the recorder ended by itself: it failed");
    (void)close(ends[0]);
    return flushed;
}

static int crash(uint32_t count, const char *folder, uint32_t seed)
{
    const etw_os *os = etw_os_default();
    const etw_recover_options replace = {.replace = true};
    char path[PATH_SIZE], recovered[PATH_SIZE], again[64];
    uint64_t flushed = 0, read = 0, without_file = 0, torn = 0;
    (void)snprintf(path, sizeof path, "%s/crashed.etwcap", folder);
    (void)snprintf(recovered, sizeof recovered, "%s/recovered.etwcap", folder);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t random = seed + i;
        etw_recover_report report;
        (void)snprintf(again, sizeof again, "seen with: crash 1 FOLDER %u", seed + i);
        (void)unlink(path);
        const uint32_t sure = record_and_kill(path, &random);
        const reading before = read_file(os, path, NULL, again);
        if (before.status != ETW_END) { /* killed before there was a head */
            MUST(sure == 0, "%u events were flushed, but the file cannot be read; %s", sure, again);
            without_file++;
            continue;
        }
        MUST(before.next == before.events && before.events >= sure,
             "%u events flushed, %u read, the last one is %u; %s", sure, before.events, before.next,
             again);
        MUST(before.truncated, "an unfinished file passes for a finished one; %s", again);
        MUST(etw_recover(os, path, recovered, &replace, &report, NULL) == ETW_OK, "%s", again);
        MUST(verifies(os, recovered), "%s", again);
        const reading after = read_file(os, recovered, NULL, again);
        MUST(after.events == before.events && report.events == before.events, "%s", again);
        flushed += sure;
        read += before.events;
        torn += report.skipped_bytes != 0;
    }
    printf("%u kills: %" PRIu64 " before the file had its head, %" PRIu64
           " in the middle of a block; %" PRIu64 " events were flushed, %" PRIu64
           " read, all of them again after recovery; none was wrong\n",
           count, without_file, torn, flushed, read);
    return 0;
}

/* ---- damage ---- */

#define DAMAGE_EVENTS 4000u
#define MAX_BLOCKS    1024u
#define MAX_DAMAGES   3u

typedef struct block {
    size_t start, end;
    uint32_t first_event, events; /* of an events block */
} block;

typedef struct range {
    size_t start, end;
} range;

typedef struct damaged {
    faulty_os *files;
    uint8_t *whole, *bytes;
    size_t whole_size, size;
    block blocks[MAX_BLOCKS];
    uint32_t block_count;
    range ranges[MAX_DAMAGES];
    uint32_t range_count;
    bool has_copies; /* of whole block headers, in a wrong place */
} damaged;

static void find_blocks(damaged *of)
{
    size_t at = ETW_HEAD_SIZE;
    uint32_t events = 0;
    etw_block_header header;
    while (at < of->whole_size && etw_block_header_load(of->whole + at, &header)) {
        const size_t end = at + ETW_BLOCK_HEADER_SIZE + header.stored_size;
        const uint32_t count = header.kind == ETW_BLOCK_EVENTS ? header.count : 0;
        MUST(of->block_count < MAX_BLOCKS, "more blocks than were thought of");
        of->blocks[of->block_count++] = (block){at, end, events, count};
        events += count;
        at = end;
    }
    MUST(events == DAMAGE_EVENTS && at == of->whole_size, "the sample is not as expected");
}

/* Good blocks of a later place are believed, and those between are then taken for copies: all of
 * that is reported, but the loss is not confined to what was damaged. */
static bool has_header(const damaged *of, size_t start, size_t length)
{
    bool has = false;
    for (uint32_t b = 0; b < of->block_count; b++) {
        const size_t at = of->blocks[b].start;
        has |= at >= start && at + ETW_BLOCK_HEADER_SIZE <= start + length;
    }
    return has;
}

/* One of: a bit, garbage, zeros, bytes of another place, the end cut off. */
static void break_somewhere(damaged *of, uint32_t *random)
{
    const size_t start = next_random(random) % of->size;
    size_t length = 1 + next_random(random) % (next_random(random) % 4 == 0 ? 20000 : 64);
    length = length < of->size - start ? length : of->size - start;
    uint8_t *at = of->bytes + start;
    const size_t from = next_random(random) % (of->size - length + 1);
    switch (next_random(random) % 6) {
    case 0:
    case 1:
        length = 1;
        *at ^= (uint8_t)(1u << (next_random(random) % 8));
        break;
    case 2:
        for (size_t i = 0; i < length; i++) {
            at[i] = (uint8_t)next_random(random);
        }
        break;
    case 3:
        memset(at, 0, length);
        break;
    case 4:
        memmove(at, of->bytes + from, length);
        of->has_copies |= has_header(of, from, length);
        break;
    default:
        if (next_random(random) % 4 == 0 && start > 0) {
            of->size = start;
            length = of->whole_size - start;
        } else {
            length = 1;
            *at ^= 0xFF;
        }
        break;
    }
    of->ranges[of->range_count++] = (range){start, start + length};
}

static bool is_touched(const damaged *of, const block *which)
{
    bool touched = which->end > of->size;
    for (uint32_t i = 0; i < of->range_count; i++) {
        touched |= of->ranges[i].start < which->end && which->start < of->ranges[i].end;
    }
    return touched;
}

/* Every event of a block that was not touched must have been read. */
static uint32_t check_confined(const damaged *of, const uint8_t *seen, const char *again)
{
    uint32_t lost = 0;
    for (uint32_t b = 0; b < of->block_count; b++) {
        const block *which = &of->blocks[b];
        uint32_t missing = 0;
        for (uint32_t i = 0; i < which->events; i++) {
            missing += seen[which->first_event + i] == 0;
        }
        MUST(missing == 0 || is_touched(of, which) || of->has_copies,
             "%u events lost of block %u, not touched; %s", missing, b, again);
        lost += missing;
    }
    return lost;
}

typedef struct damage_counts {
    uint64_t detected, harmless, no_head, copies, lost_events, lost_of_touched;
} damage_counts;

static uint32_t events_of_touched(const damaged *of)
{
    uint32_t events = 0;
    for (uint32_t b = 0; b < of->block_count; b++) {
        events += is_touched(of, &of->blocks[b]) ? of->blocks[b].events : 0;
    }
    return events;
}

static void damage_once(damaged *of, uint32_t random, damage_counts *counts, const char *again)
{
    uint8_t seen[DAMAGE_EVENTS] = {0};
    const etw_os *os = faulty_os_table(of->files);
    of->size = of->whole_size;
    of->range_count = 0;
    of->has_copies = false;
    memcpy(of->bytes, of->whole, of->whole_size);
    for (uint32_t left = 1 + next_random(&random) % MAX_DAMAGES; left > 0; left--) {
        break_somewhere(of, &random);
    }
    const bool same = of->size == of->whole_size && memcmp(of->bytes, of->whole, of->size) == 0;
    MUST(faulty_os_put(of->files, "a", (etw_bytes){of->bytes, of->size}), "no memory");
    reading result = read_file(os, "mem:a", seen, again);
    MUST(same || !verifies(os, "mem:a"), "verify finds nothing; %s", again);
    if (result.status != ETW_END) { /* its head is gone: recovery reads it all the same */
        const etw_recover_options replace = {.replace = true};
        etw_recover_report report;
        MUST(result.status == ETW_ERROR_NOT_THIS || result.status == ETW_ERROR_DAMAGED ||
                 result.status == ETW_ERROR_VERSION,
             "%s", again);
        counts->no_head++;
        if (etw_recover(os, "mem:a", "mem:r", &replace, &report, NULL) != ETW_OK) {
            MUST(events_of_touched(of) == DAMAGE_EVENTS || of->has_copies, "not recovered; %s",
                 again);
            return;
        }
        result = read_file(os, "mem:r", seen, again);
        MUST(result.status == ETW_END, "%s", again);
    }
    const uint32_t lost = check_confined(of, seen, again);
    MUST(lost == 0 || result.losses > 0, "%u events lost without a word; %s", lost, again);
    counts->detected += result.losses > 0;
    counts->harmless += result.losses == 0;
    counts->copies += of->has_copies;
    counts->lost_events += of->has_copies ? 0 : lost;
    counts->lost_of_touched += of->has_copies ? 0 : events_of_touched(of);
}

static int damage(uint32_t count, uint32_t seed)
{
    static damaged of;
    const etw_writer_options options = {.replace = true, .batch_bytes = 16 << 10};
    damage_counts counts = {0};
    char again[64];
    of.files = faulty_os_new();
    MUST(of.files != NULL && sample_write(faulty_os_table(of.files), "mem:whole", DAMAGE_EVENTS,
                                          &options, NULL) == ETW_OK,
         "the sample cannot be written");
    const etw_bytes whole = faulty_os_get(of.files, "whole");
    of.whole = (uint8_t *)(uintptr_t)whole.data;
    of.whole_size = whole.size;
    of.bytes = malloc(whole.size);
    MUST(of.bytes != NULL, "no memory");
    find_blocks(&of);
    for (uint32_t i = 0; i < count; i++) {
        (void)snprintf(again, sizeof again, "seen with: damage 1 %u", seed + i);
        damage_once(&of, seed + i, &counts, again);
    }
    printf("%u damaged files of %zu bytes and %u blocks: %" PRIu64
           " said that something is missing, %" PRIu64 " had all events, %" PRIu64
           " had lost their head, %" PRIu64
           " had good blocks in wrong places; in the others %" PRIu64 " events lost of %" PRIu64
           " in damaged blocks, none elsewhere; none was wrong\n",
           count, of.whole_size, of.block_count, counts.detected, counts.harmless, counts.no_head,
           counts.copies, counts.lost_events, counts.lost_of_touched);
    free(of.bytes);
    faulty_os_free(of.files);
    return 0;
}

/* ---- follow ---- */

typedef struct following {
    const char *path;
    uint32_t events;
} following;

static void *write_slowly(void *context)
{
    const following *job = context;
    const etw_writer_options options = {
        .replace = true, .threads = 1, .batch_bytes = 4096, .store = sample_store()};
    etw_writer *writer = NULL;
    MUST(etw_writer_create(etw_os_default(), job->path, &options, &writer, NULL) == ETW_OK,
         "cannot write %s", job->path);
    MUST(sample_add_traces(writer, NULL) == ETW_OK, "traces");
    for (uint32_t i = 0; i < job->events; i += 1000) {
        const uint32_t more = job->events - i < 1000 ? job->events - i : 1000;
        MUST(sample_add_events(writer, i, more, NULL) == ETW_OK, "events");
        MUST(etw_writer_flush(writer, NULL) == ETW_OK, "flush");
    }
    MUST(etw_writer_finish(writer, NULL) == ETW_OK, "finish");
    etw_writer_free(writer);
    etw_schema_store_free((etw_schema_store *)(uintptr_t)options.store);
    return NULL;
}

static int follow(uint32_t events, const char *folder)
{
    char path[PATH_SIZE];
    (void)snprintf(path, sizeof path, "%s/growing.etwcap", folder);
    (void)unlink(path);
    following job = {path, events};
    const etw_reader_options options = {.follow = true};
    pthread_t writing;
    etw_source *source = NULL;
    etw_item item;
    reading of = {0};
    uint64_t looks = 0;
    MUST(pthread_create(&writing, NULL, write_slowly, &job) == 0, "no thread");
    while (etw_reader_open(etw_os_default(), path, &options, &source, NULL) != ETW_OK) {
        (void)usleep(1000);
    }
    while (of.next < events) {
        const etw_status status = etw_source_next(source, &item, NULL);
        MUST(status == ETW_OK || status == ETW_END, "reading failed");
        if (status == ETW_OK) {
            take_item(&item, &of, "while it was written");
            MUST(of.losses == 0, "a growing file passes for a damaged one");
        } else {
            looks++;
            (void)usleep(200);
        }
    }
    MUST(pthread_join(writing, NULL) == 0, "join");
    etw_source_close(source);
    MUST(of.events == events, "%u of %u events read", of.events, events);
    printf("%u events read while they were written; waited %" PRIu64 " times for more\n", of.events,
           looks);
    return 0;
}

/* ---- soak ---- */

/* Memory in use is looked at so often; the second half of a long run must not use more than the
 * first, but for what a moment's fill of the queues makes of it. */
#define SOAK_LOOKS         10u
#define SOAK_MAX_GROWTH_KB (16 << 10)
/* Below it, what the first segments need is still being allocated half-way. */
#define SOAK_MIN_EVENTS 5000000u

typedef struct soaking {
    uint64_t replayed, bytes;
    etw_output *output;
} soaking;

/* Resident now, not at its peak: proc(5). */
static long memory_kb(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    MUST(file != NULL && fscanf(file, "%*d %ld", &pages) == 1, "no /proc/self/statm");
    (void)fclose(file);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* A closed segment is verified, replayed as JSON and removed. */
static void use_segment(void *context, const char *path)
{
    soaking *soak = context;
    etw_replay *replay = NULL;
    const etw_event *event;
    etw_text text = {0};
    etw_error error = {0};
    MUST(verifies(etw_os_default(), path), "%s does not verify", path);
    MUST(etw_replay_open(path, NULL, &replay, &error) == ETW_OK, "%s", error.message);
    etw_status status;
    while ((status = etw_replay_next(replay, &event, &error)) == ETW_OK) {
        etw_text_clear(&text);
        etw_output_json.event(soak->output, event, &text);
        soak->bytes += text.size;
        soak->replayed++;
    }
    MUST(status == ETW_END, "%s", error.message);
    etw_replay_close(replay);
    etw_text_free(&text);
    (void)unlink(path);
}

static int soak(uint64_t events, const char *folder)
{
    (void)mallopt(M_MMAP_THRESHOLD, 256 << 10); /* as etw-record does */
    char path[PATH_SIZE];
    soaking of = {.output = etw_output_json.open(&(etw_output_options){0})};
    etw_capture_options options = {.path = path,
                                   .writer = {.replace = true, .threads = 2, .level = 1},
                                   .limits = {.rotate_bytes = 256 << 10},
                                   .segment_closed = use_segment,
                                   .context = &of,
                                   .store = etw_schema_store_new()};
    etw_capture *capture = NULL;
    etw_capture_totals totals;
    etw_error error = {0};
    long memory_kbs[SOAK_LOOKS] = {0};
    const etw_trace trace = sample_trace(0);
    uint16_t index;
    (void)snprintf(path, sizeof path, "%s/soak.etwcap", folder);
    MUST(of.output != NULL && options.store != NULL, "no memory");
    MUST(etw_resolver_new(options.store, NULL, &options.resolver, NULL) == ETW_OK, "no memory");
    MUST(etw_capture_open(&options, &capture, &error) == ETW_OK, "%s", error.message);
    MUST(etw_capture_add_trace(capture, &trace, &index, &error) == ETW_OK, "%s", error.message);
    for (uint64_t i = 0; i < events; i++) {
        sample_event event;
        sample_make_event((uint32_t)i, &event);
        event.record.EventHeader.TimeStamp = SAMPLE_FIRST_TIME + (int64_t)i * 10;
        MUST(etw_capture_event(capture, 0, &event.record, &error) == ETW_OK, "%s", error.message);
        const uint64_t look = (i + 1) * SOAK_LOOKS / events;
        if (look > i * SOAK_LOOKS / events) {
            memory_kbs[look - 1] = memory_kb();
        }
    }
    MUST(etw_capture_finish(capture, &totals, &error) == ETW_OK, "%s", error.message);
    MUST(totals.events == events && totals.dropped == 0, "events were dropped");
    MUST(of.replayed == events, "%" PRIu64 " events replayed", of.replayed);
    printf("%" PRIu64 " events in %u segments of %" PRIu64 " MB in all, replayed as %" PRIu64
           " MB of JSON; memory in MB:",
           events, totals.segments, totals.file_bytes >> 20, of.bytes >> 20);
    long first_half_kb = 0, second_half_kb = 0;
    for (uint32_t i = 0; i < SOAK_LOOKS; i++) {
        long *half = i < SOAK_LOOKS / 2 ? &first_half_kb : &second_half_kb;
        *half = memory_kbs[i] > *half ? memory_kbs[i] : *half;
        printf(" %ld", memory_kbs[i] >> 10);
    }
    printf("\n");
    MUST(events < SOAK_MIN_EVENTS || second_half_kb < first_half_kb + SOAK_MAX_GROWTH_KB,
         "memory grew");
    etw_capture_free(capture);
    etw_resolver_free(options.resolver);
    etw_schema_store_free(options.store);
    etw_output_json.close(of.output);
    return 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 2 ? argv[1] : "";
    const uint64_t count = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
    const uint32_t seed = argc > 3 ? (uint32_t)strtoul(argv[argc - 1], NULL, 10) : 0;
    if (strcmp(what, "damage") == 0) {
        return damage((uint32_t)count, seed);
    }
    if (strcmp(what, "crash") == 0 && argc > 3) {
        return crash((uint32_t)count, argv[3], argc > 4 ? seed : 0);
    }
    if (strcmp(what, "follow") == 0 && argc > 3) {
        return follow((uint32_t)count, argv[3]);
    }
    if (strcmp(what, "soak") == 0 && argc > 3) {
        return soak(count, argv[3]);
    }
    (void)fputs("usage: etwcap_torture crash COUNT FOLDER [SEED] | damage COUNT [SEED] | "
                "follow EVENTS FOLDER | soak EVENTS FOLDER\n",
                stderr);
    return 2;
}
