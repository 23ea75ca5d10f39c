/* What the reader of trace files makes of a file that a test made: for programs of cmocka, which is
 * included before. */
#ifndef ETW_TESTS_ETL_READING_H
#define ETW_TESTS_ETL_READING_H

#include <stdio.h>

#include "tests/support/etl_maker.h"

#define BUFFER     1024u
#define SEQUENTIAL 1u
#define CIRCULAR   2u
#define COMPRESSED 0x04000001u

/* What a reader delivered: ids of events ("h": the log-file header event) and causes of losses in
 * order ("L7"), and the details of losses. */
typedef struct reading {
    char order[400];
    char details[2000];
    uint64_t events, losses;
    int64_t last_ticks;
    etw_loss loss;
    etw_etl_statistics statistics;
    etw_trace trace;
    etw_status status;
    etw_error error;
} reading;

static maker file;
static reading seen;

static inline int setup(void **state)
{
    (void)state;
    maker_free(&file);
    memset(&seen, 0, sizeof seen);
    file.buffer_size = BUFFER;
    return 0;
}

static inline void note(const char *format, unsigned value)
{
    const size_t size = strlen(seen.order);
    (void)snprintf(seen.order + size, sizeof seen.order - size, format, value);
}

static inline void note_item(const etw_item *item)
{
    if (item->kind == ETW_ITEM_LOSS) {
        const size_t size = strlen(seen.details);
        seen.losses++;
        seen.loss = *item->loss;
        note("L%u ", item->loss->cause);
        (void)snprintf(seen.details + size, sizeof seen.details - size, "%s\n", item->loss->detail);
        return;
    }
    seen.events++;
    seen.last_ticks = item->record->EventHeader.TimeStamp;
    if ((item->record->EventHeader.Flags & ETW_FLAG_CLASSIC_HEADER) != 0) {
        note("h ", 0);
    } else {
        note("%u ", item->record->EventHeader.EventDescriptor.Id);
    }
}

static inline etw_status read_with(const etw_etl_options *options)
{
    const etw_os os = maker_os(&file);
    etw_source *source;
    etw_item item;
    memset(&seen, 0, sizeof seen);
    seen.status = etw_etl_open(&os, "a/b.etl", options, &source, &seen.error);
    if (seen.status != ETW_OK) {
        return seen.status;
    }
    while ((seen.status = etw_source_next(source, &item, &seen.error)) == ETW_OK) {
        note_item(&item);
    }
    seen.statistics = *etw_etl_statistics_of(source);
    seen.trace = *etw_source_trace(source, 0);
    etw_source_close(source);
    return seen.status;
}

static inline void read_all(void)
{
    assert_int_equal(read_with(NULL), ETW_END);
}

/* A buffer of events with the given ids and times, ended by id 0. */
typedef struct timed {
    uint16_t id;
    int64_t ticks;
} timed;

static inline void add_buffer(uint16_t cpu, uint16_t flags, const timed *events)
{
    maker_begin(&file, cpu, flags);
    for (; events->id != 0; events++) {
        (void)maker_event(&file, events->id, events->ticks, 5);
    }
    maker_end(&file);
}

/* The number of a buffer, which its session counts. */
static inline void set_sequence(unsigned buffer, uint64_t number)
{
    etw_store_u64(file.data + buffer * BUFFER + 0x18, number);
}

#define EVENTS(...)                                                                                \
    (const timed[])                                                                                \
    {                                                                                              \
        __VA_ARGS__,                                                                               \
        {                                                                                          \
            0, 0                                                                                   \
        }                                                                                          \
    }

#endif
