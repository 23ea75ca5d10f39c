/* Events of a saved trace, many at a time, in structures whose layout does not change: for bindings
 * of other languages, to which each call costs, and which read no C headers. The Python module is
 * made on it (replay/python/). C programs take replay.h.
 *
 * What a batch gives (texts, bytes) is lent until the next one is read, or it is closed. */
#ifndef ETW_REPLAY_EVENT_BATCH_H
#define ETW_REPLAY_EVENT_BATCH_H

#include "format/event/event.h"

/* Events of one batch at most. */
#define ETW_BATCHED_MAX_EVENTS 4096u

/* 192 bytes (on 64-bit machines, which the bindings are for); pointers are NULL where there is
 * nothing. */
typedef struct etw_batched_event {
    int64_t time_100ns; /* FILETIME */
    uint64_t keyword;
    uint64_t processor_time; /* KernelTime and UserTime, or one number: has_cpu_times */
    etw_guid provider_id;
    etw_guid activity_id;
    const char *provider_name; /* UTF-8, with NUL, as all texts here */
    const char *event_name;
    const uint8_t *user_data;
    uint32_t user_data_size;
    uint32_t process_id;
    uint32_t thread_id;
    uint16_t id;
    uint16_t task;
    uint16_t flags; /* of EVENT_HEADER */
    uint16_t event_property;
    uint16_t processor;
    uint16_t trace_number; /* from 1; 0 where the trace is the only one */
    uint8_t version;
    uint8_t channel;
    uint8_t level;
    uint8_t opcode;
    uint8_t has_schema;
    uint8_t has_cpu_times;
    uint8_t reserved[2];
    uint64_t schema_hash;           /* 0: no schema */
    const etw_event_record *record; /* the whole record; TimeStamp is raw ticks */
    uint64_t reserved_more[8];
} etw_batched_event;

/* One value of a property. */
typedef enum etw_batched_kind {
    ETW_BATCHED_NONE = 0,
    ETW_BATCHED_INT64 = 1,
    ETW_BATCHED_UINT64 = 2,
    ETW_BATCHED_DOUBLE = 3,
    ETW_BATCHED_BOOL = 4,  /* number: 0 or 1 */
    ETW_BATCHED_TIME = 5,  /* number: FILETIME */
    ETW_BATCHED_BYTES = 6, /* data */
    ETW_BATCHED_TEXT = 7   /* data: UTF-8; also GUIDs, SIDs, addresses, mapped values */
} etw_batched_kind;

typedef struct etw_batched_value {
    uint32_t kind; /* an etw_batched_kind */
    uint32_t size; /* of data, in bytes */
    union {
        int64_t int64;
        uint64_t uint64;
        double real;
    } number; /* also of a value with a map, where it has one */
    const char *data;
} etw_batched_value;

/* What is to be read. All zero, or NULL instead of it: all events of the trace. */
typedef struct etw_event_batch_options {
    const char *where;          /* a filter, as --where takes it; NULL: none */
    const char *const *schemas; /* paths, as --schemas takes them */
    uint32_t schema_count;
    uint32_t without_default_schemas; /* 1: as --no-default-schemas */
    uint64_t reserved[4];
} etw_event_batch_options;

typedef struct etw_event_batch etw_event_batch;

ETW_API_CHECKED etw_status etw_event_batch_open(const char *path,
                                                const etw_event_batch_options *options,
                                                etw_event_batch **batch, etw_error *error);
ETW_API void etw_event_batch_close(etw_event_batch *batch);

/* The next events, at least one. ETW_END at the end. */
ETW_API_CHECKED etw_status etw_event_batch_next(etw_event_batch *batch,
                                                const etw_batched_event **events, uint32_t *count,
                                                etw_error *error);

/* A property of the event with that index in the batch, by name as etw_event_property_value finds
 * it. ETW_ERROR_NOT_FOUND where it has none; *value is lent until the next call for a value. */
ETW_API_CHECKED etw_status etw_event_batch_value(etw_event_batch *batch, uint32_t index,
                                                 const char *name, etw_batched_value *value);
/* The event as etw_event_json writes it; typed: 1 for numbers and booleans as such. *json: NUL
 * terminated, lent until the next call for JSON. */
ETW_API_CHECKED etw_status etw_event_batch_json(etw_event_batch *batch, uint32_t index,
                                                uint32_t typed, const char **json, size_t *size);
/* The schema that explains the event, as `etw-replay schemas --json` lists it, without a line
 * break;
 * "" where none does. Lent until the next call for JSON. */
ETW_API_CHECKED etw_status etw_event_batch_schema(etw_event_batch *batch, uint32_t index,
                                                  const char **json, size_t *size);
/* All schemas of the events so far, one a line; lent as the above. */
ETW_API_CHECKED etw_status etw_event_batch_schemas(etw_event_batch *batch, const char **json,
                                                   size_t *size);
/* What was missing so far, one JSON object a line; lent until more is read. */
ETW_API const char *etw_event_batch_losses(etw_event_batch *batch);

#endif
