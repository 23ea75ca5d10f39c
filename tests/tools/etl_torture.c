/* etl_torture FILE STEP CUTS FLIPS: reads FILE cut off and damaged, many times, and checks what
 * must hold for any input: the reader ends, all it lends can be read, and what is cut off is told.
 *
 * Cuts FILE at each STEP-th byte of its first two buffers and at CUTS random places, and changes
 * one byte at each of FLIPS random places, one at a time. The places depend on FILE's size alone.
 */
#include <inttypes.h>
#include <stdio.h>

#include "tests/support/etl_maker.h"

typedef struct outcome {
    etw_status status;
    uint64_t events;
    uint64_t losses;
    uint64_t bytes; /* of all events */
    uint64_t sum;   /* of all bytes lent: they must be readable */
} outcome;

static uint64_t sum_of(const uint8_t *bytes, size_t size)
{
    uint64_t sum = size;
    for (size_t i = 0; i < size; i++) {
        sum += bytes[i];
    }
    return sum;
}

static void take(outcome *out, const etw_event_record *record)
{
    out->events++;
    out->bytes += record->UserDataLength;
    out->sum += sum_of(record->UserData, record->UserDataLength);
    for (uint16_t i = 0; i < record->ExtendedDataCount; i++) {
        const etw_bytes item = etw_item_bytes(&record->ExtendedData[i]);
        out->sum += sum_of(item.data, item.size);
    }
}

static outcome read_file(maker *file)
{
    const etw_os os = maker_os(file);
    etw_error error;
    etw_source *source;
    outcome out = {ETW_OK, 0, 0, 0, 0};
    out.status = etw_etl_open(&os, "torture", NULL, &source, &error);
    if (out.status != ETW_OK) {
        return out;
    }
    etw_item item;
    while ((out.status = etw_source_next(source, &item, &error)) == ETW_OK) {
        if (item.kind == ETW_ITEM_EVENT) {
            take(&out, item.record);
        } else {
            out.losses++;
        }
    }
    etw_source_close(source);
    return out;
}

/* Where the buffer that holds the byte at place starts. */
static size_t buffer_of(const maker *file, size_t place)
{
    size_t at = 0;
    for (size_t next = 0; next <= place; next += etw_load_u32(file->data + next)) {
        at = next;
    }
    return at;
}

/* A cut right between two buffers, or one that leaves nothing but zeros of the next, looks like the
 * end of a trace: only a count of buffers in the header could tell. */
static bool looks_whole(const maker *file, size_t size)
{
    return size == 0 ||
           sum_of(file->data + buffer_of(file, size - 1), size - buffer_of(file, size - 1)) ==
               size - buffer_of(file, size - 1) ||
           (size < file->size && buffer_of(file, size) == size);
}

static bool check_cut(maker *file, size_t size, const outcome *whole)
{
    const bool may_be_silent = looks_whole(file, size);
    const size_t whole_size = file->size;
    file->size = size;
    const outcome cut = read_file(file);
    file->size = whole_size;
    const bool refused = cut.status == ETW_ERROR_NOT_THIS && size < ETW_BUFFER_HEADER_SIZE;
    const bool told = cut.losses != 0 || cut.events == whole->events || may_be_silent;
    if (refused || (cut.status == ETW_END && cut.events <= whole->events && told)) {
        return true;
    }
    printf("cut at %zu: %s, %" PRIu64 " events of %" PRIu64 ", %" PRIu64 " losses\n", size,
           etw_status_name(cut.status), cut.events, whole->events, cut.losses);
    return false;
}

static bool check_flip(maker *file, size_t place, uint8_t change)
{
    file->data[place] ^= change;
    const outcome flipped = read_file(file);
    file->data[place] ^= change;
    if (flipped.status == ETW_END || flipped.status == ETW_ERROR_NOT_THIS) {
        return true;
    }
    printf("byte %zu changed by %02x: %s\n", place, change, etw_status_name(flipped.status));
    return false;
}

static uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

static bool load(maker *file, const char *path)
{
    FILE *from = fopen(path, "rb");
    if (from == NULL) {
        return false;
    }
    uint8_t piece[65536];
    size_t got;
    while ((got = fread(piece, 1, sizeof piece, from)) != 0) {
        memcpy(maker_add(file, got), piece, got);
    }
    (void)fclose(from);
    return file->size > ETW_BUFFER_HEADER_SIZE;
}

int main(int argc, char **argv)
{
    maker file = {0};
    if (argc != 5 || !load(&file, argv[1])) {
        fprintf(stderr, "usage: etl_torture FILE STEP CUTS FLIPS\n");
        return 2;
    }
    const size_t step = strtoul(argv[2], NULL, 10);
    const size_t cuts = strtoul(argv[3], NULL, 10), flips = strtoul(argv[4], NULL, 10);
    const outcome whole = read_file(&file);
    uint64_t random = file.size;
    size_t failed = 0, done = 0;
    size_t two_buffers = etw_load_u32(file.data);
    if (two_buffers + 4 < file.size) {
        two_buffers += etw_load_u32(file.data + two_buffers);
    }
    for (size_t size = 0; step != 0 && size <= two_buffers; size += step, done++) {
        failed += !check_cut(&file, size, &whole);
    }
    for (size_t i = 0; i < cuts; i++, done++) {
        failed += !check_cut(&file, next_random(&random) % file.size, &whole);
    }
    for (size_t i = 0; i < flips; i++, done++) {
        const size_t place = next_random(&random) % file.size;
        failed += !check_flip(&file, place, (uint8_t)(1u << (next_random(&random) % 8)));
    }
    printf("%zu readings, %zu failed\n", done, failed);
    maker_free(&file);
    return failed == 0 ? 0 : 1;
}
