/* Columns that all tables of events begin with, and values for columns one after another. */
#ifndef ETW_FORMAT_PARQUET_FIELDS_H
#define ETW_FORMAT_PARQUET_FIELDS_H

#include "format/output/event_rows.h"
#include "format/output/parquet/parquet_table.h"

#define ETW_PARQUET_OPTIONAL_LEAF(title, what)                                                     \
    {                                                                                              \
        title, ETW_PARQUET_##what, ETW_PARQUET_OPTIONAL, 0                                         \
    }

/* Nodes, without a comma behind the last. */
#define ETW_PARQUET_HEADER_NODES                                                                   \
    ETW_PARQUET_OPTIONAL_LEAF("TimeStamp", TIME_NS),                                               \
        ETW_PARQUET_OPTIONAL_LEAF("ProviderName", STRING),                                         \
        ETW_PARQUET_OPTIONAL_LEAF("ProviderId", STRING),                                           \
        ETW_PARQUET_OPTIONAL_LEAF("EventName", STRING), ETW_PARQUET_OPTIONAL_LEAF("Id", UINT16),   \
        ETW_PARQUET_OPTIONAL_LEAF("Version", UINT8), ETW_PARQUET_OPTIONAL_LEAF("Channel", UINT8),  \
        ETW_PARQUET_OPTIONAL_LEAF("Level", UINT8), ETW_PARQUET_OPTIONAL_LEAF("Opcode", UINT8),     \
        ETW_PARQUET_OPTIONAL_LEAF("Task", UINT16), ETW_PARQUET_OPTIONAL_LEAF("Keyword", UINT64),   \
        ETW_PARQUET_OPTIONAL_LEAF("ProcessId", UINT32),                                            \
        ETW_PARQUET_OPTIONAL_LEAF("ThreadId", UINT32),                                             \
        ETW_PARQUET_OPTIONAL_LEAF("ProcessName", STRING),                                          \
        ETW_PARQUET_OPTIONAL_LEAF("ProcessorIndex", UINT16),                                       \
        ETW_PARQUET_OPTIONAL_LEAF("ActivityId", STRING),                                           \
        ETW_PARQUET_OPTIONAL_LEAF("Flags", UINT16),                                                \
        ETW_PARQUET_OPTIONAL_LEAF("EventProperty", UINT16),                                        \
        ETW_PARQUET_OPTIONAL_LEAF("KernelTime", UINT32),                                           \
        ETW_PARQUET_OPTIONAL_LEAF("UserTime", UINT32),                                             \
        ETW_PARQUET_OPTIONAL_LEAF("Message", STRING)
#define ETW_PARQUET_HEADER_COUNT 21u

/* The leaf that the next value goes to. */
typedef struct etw_parquet_place {
    etw_parquet_table *table;
    uint32_t leaf;
    uint8_t outside; /* definition level of what the leaf is in */
} etw_parquet_place;

void etw_parquet_put(etw_parquet_place *at, bool is_there, const void *bytes, size_t size);
void etw_parquet_put_u32(etw_parquet_place *at, bool is_there, uint32_t value);
/* NULL data: not there. */
void etw_parquet_put_text(etw_parquet_place *at, etw_bytes text);
/* FILETIME to nanoseconds since 1970; false where they cannot hold it. */
bool etw_parquet_time_ns(int64_t time_100ns, int64_t *time_ns);
/* Not there where it is false. */
void etw_parquet_put_time(etw_parquet_place *at, bool is_there, int64_t time_100ns);
/* ETW_PARQUET_HEADER_COUNT of them; all empty for a loss. */
void etw_parquet_put_header(etw_parquet_place *at, const etw_row *row);

/* Columns that they end with: what could not be shown, what else is known, and where the row is
 * from. */
#define ETW_PARQUET_TRAILER_NODES                                                                  \
    ETW_PARQUET_OPTIONAL_LEAF("EventPropertiesError", STRING),                                     \
        ETW_PARQUET_OPTIONAL_LEAF("UserData", BINARY),                                             \
        ETW_PARQUET_OPTIONAL_LEAF("ExtendedInfo", STRING),                                         \
        ETW_PARQUET_OPTIONAL_LEAF("Trace", UINT16), ETW_PARQUET_OPTIONAL_LEAF("Loss", STRING),     \
        ETW_PARQUET_OPTIONAL_LEAF("TraceFile", STRING)
#define ETW_PARQUET_TRAILER_COUNT 6u

/* ETW_PARQUET_TRAILER_COUNT of them. problem: of the properties; data NULL: none. */
void etw_parquet_put_trailer(etw_parquet_place *at, const etw_row *row, etw_bytes problem);

#endif
