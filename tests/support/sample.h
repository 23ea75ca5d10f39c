/* A small made-up recording that has one of everything a file can hold, for tests of the container.
 */
#ifndef ETW_TESTS_SAMPLE_H
#define ETW_TESTS_SAMPLE_H

#include "format/etwcap/writer.h"

#define SAMPLE_PRIVATE_KIND  0x8001u
#define SAMPLE_PRIVATE_COUNT 3u
/* Events are one millisecond apart from here on. */
#define SAMPLE_FIRST_TIME 132500000000000000LL
#define SAMPLE_STEP_100NS 10000

/* Provider of event i: one of three. */
etw_guid sample_provider(uint32_t i);

/* Event i, and memory it points to. */
typedef struct sample_event {
    etw_event_record record;
    etw_extended_data_item items[2];
    uint8_t item_data[64];
    char user_data[128];
} sample_event;

void sample_make_event(uint32_t i, sample_event *event);
bool sample_equal(const etw_event_record *a, const etw_event_record *b);

/* A store with two schemas that share a map; NULL: no memory. Event i names schema
 * sample_schema_id(i). */
etw_schema_store *sample_store(void);
uint32_t sample_schema_id(uint32_t i);

/* Two traces with clocks of different kinds. Event i belongs to trace i % 2. */
etw_trace sample_trace(uint16_t trace_index);

/* Hands over traces, events first to first + count - 1, and, at event 10, a loss, a clock anchor
 * and a private block. Stops at the first failure. */
etw_status sample_add_traces(etw_writer *writer, etw_error *error);
etw_status sample_add_events(etw_writer *writer, uint32_t first, uint32_t count, etw_error *error);

/* A whole file of so many events. options NULL: no threads, one batch per 16 KiB. */
etw_status sample_write(const etw_os *os, const char *path, uint32_t count,
                        const etw_writer_options *options, etw_error *error);

#endif
