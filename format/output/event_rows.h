/* Events as rows of fields: what the formats made of columns share. A renderer writes them, in any
 * thread; a collector reads them, in order. They live in memory alone and are in the machine's own
 * byte order.
 *
 * A row is its size (uint32, without itself), the fixed part, and fields: first one with the fields
 * of all properties, each one's name and text, then the ones below. A field is a uint32 size and as
 * many bytes; ETW_ROW_NONE stands for one that is not there. */
#ifndef ETW_FORMAT_OUTPUT_ROWS_H
#define ETW_FORMAT_OUTPUT_ROWS_H

#include "format/output/output.h"
#include "format/output/properties.h"

#define ETW_ROW_NONE UINT32_MAX

typedef struct etw_row_fixed {
    const etw_schema *schema; /* NULL: none; lives as long as the replay, as trace does */
    const etw_trace *trace;   /* NULL of a loss */
    int64_t time_100ns;
    uint64_t keyword;
    etw_guid provider_id, activity_id;
    uint32_t process_id, thread_id;
    uint32_t owner_id;  /* of the process that ETW_ROW_PROCESS_NAME names; else process_id */
    uint32_t parent_id; /* of that process; 0: unknown */
    uint32_t kernel_time, user_time;
    uint32_t property_count; /* ETW_ROW_NONE: nothing explains the event */
    uint16_t id, task, processor, flags, event_property, trace_number;
    uint8_t version, channel, level, opcode;
    bool has_cpu_times, is_loss;
} etw_row_fixed;

typedef enum etw_row_field {
    ETW_ROW_PROVIDER_NAME,
    ETW_ROW_EVENT_NAME,
    ETW_ROW_MESSAGE,
    ETW_ROW_PROBLEM,       /* why properties are missing; of a loss: its cause */
    ETW_ROW_USER_DATA,     /* the bytes that no property shows */
    ETW_ROW_EXTENDED_INFO, /* as a JSON object; of a loss: all that is known of it */
    ETW_ROW_PROCESS_NAME,
    ETW_ROW_FIELD_COUNT
} etw_row_field;

typedef struct etw_row {
    etw_row_fixed fixed;
    etw_bytes fields[ETW_ROW_FIELD_COUNT]; /* data NULL: not there */
    const uint8_t *at, *end;               /* of the properties */
} etw_row;

/* An event's row. Properties of structs are named Peer.Port, elements of arrays Tags[0]; names
 * within a row are unique. */
void etw_row_append(const etw_output_options *options, const etw_event *event, etw_text *rows);
/* Writes the properties of an event in another way than as names and texts (typed_rows.h), and
 * returns how many. */
typedef uint32_t (*etw_row_properties)(const etw_output_options *options, const etw_event *event,
                                       etw_text *rows, etw_property_outcome *outcome);
void etw_row_append_with(const etw_output_options *options, const etw_event *event,
                         etw_row_properties properties, etw_text *rows);
void etw_row_append_loss(const etw_loss *loss, etw_text *rows);

/* Takes the next row off rows; false at their end. */
bool etw_row_next(etw_bytes *rows, etw_row *row);
/* And its properties, one after another. */
bool etw_row_next_property(etw_row *row, etw_bytes *name, etw_bytes *text);

#endif
