/* One Parquet table of all events: header fields in their own types, properties as a map of texts.
 * A loss has a row, too, so that nothing is missing without a word: Loss says why, and all else is
 * empty. */
#include "format/base/version.h"
#include "format/output/event_rows.h"
#include "format/output/parquet/parquet_table.h"

#include <stdlib.h>

/* FILETIME of 1970-01-01, and the FILETIMEs that nanoseconds since then can hold. */
#define UNIX_EPOCH_100NS   INT64_C(116444736000000000)
#define MAX_DISTANCE_100NS (INT64_MAX / 100)

#define REQUIRED(title, what)                                                                      \
    {                                                                                              \
        title, ETW_PARQUET_##what, ETW_PARQUET_REQUIRED, 0                                         \
    }
#define OPTIONAL(title, what)                                                                      \
    {                                                                                              \
        title, ETW_PARQUET_##what, ETW_PARQUET_OPTIONAL, 0                                         \
    }

static const etw_parquet_node nodes[] = {
    OPTIONAL("TimeStamp", TIME_NS),
    OPTIONAL("ProviderName", STRING),
    OPTIONAL("ProviderId", STRING),
    OPTIONAL("EventName", STRING),
    OPTIONAL("Id", UINT16),
    OPTIONAL("Version", UINT8),
    OPTIONAL("Channel", UINT8),
    OPTIONAL("Level", UINT8),
    OPTIONAL("Opcode", UINT8),
    OPTIONAL("Task", UINT16),
    OPTIONAL("Keyword", UINT64),
    OPTIONAL("ProcessId", UINT32),
    OPTIONAL("ThreadId", UINT32),
    OPTIONAL("ProcessName", STRING),
    OPTIONAL("ProcessorIndex", UINT16),
    OPTIONAL("ActivityId", STRING),
    OPTIONAL("Flags", UINT16),
    OPTIONAL("EventProperty", UINT16),
    OPTIONAL("KernelTime", UINT32),
    OPTIONAL("UserTime", UINT32),
    OPTIONAL("Message", STRING),
    {"EventProperties", ETW_PARQUET_MAP, ETW_PARQUET_OPTIONAL, 1},
    {"key_value", ETW_PARQUET_GROUP, ETW_PARQUET_REPEATED, 2},
    REQUIRED("key", STRING),
    REQUIRED("value", STRING),
    OPTIONAL("EventPropertiesError", STRING),
    OPTIONAL("UserData", BINARY),
    OPTIONAL("ExtendedInfo", STRING),
    OPTIONAL("Trace", UINT16),
    OPTIONAL("Loss", STRING),
};
#define NODE_COUNT (sizeof nodes / sizeof nodes[0])
#define TOP_COUNT  (NODE_COUNT - 3)

struct etw_collector {
    etw_parquet_table *table;
    uint32_t leaf; /* that the next field of a row goes to */
    bool has_begun;
};

static void close_events(etw_collector *collector)
{
    if (collector != NULL) {
        etw_parquet_table_free(collector->table);
        free(collector);
    }
}

static etw_status open_events(const etw_output_options *options,
                              const etw_collector_target *target, etw_collector **collector,
                              etw_error *error)
{
    (void)options;
    (void)target;
    etw_collector *made = calloc(1, sizeof *made);
    *collector = NULL;
    if (made == NULL) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a table");
    }
    const etw_status status =
        etw_parquet_table_new(nodes, NODE_COUNT, TOP_COUNT, &made->table, error);
    if (etw_failed(status)) {
        close_events(made);
        return status;
    }
    *collector = made;
    return ETW_OK;
}

/* Fields, each the next column's. */

static void put(etw_collector *c, bool is_there, const void *bytes, size_t size)
{
    etw_parquet_table_put(c->table, c->leaf++, 0, is_there ? 1 : 0, bytes, size);
}

static void put_u32(etw_collector *c, bool is_there, uint32_t value)
{
    put(c, is_there, &value, sizeof value);
}

static void put_text(etw_collector *c, etw_bytes text)
{
    put(c, text.data != NULL, text.data, text.size);
}

static void put_guid(etw_collector *c, bool is_there, const etw_guid *guid)
{
    etw_text text = {0};
    etw_text_append_guid(&text, guid);
    put(c, is_there && !text.failed, text.data, text.size);
    etw_text_free(&text);
}

static void put_time(etw_collector *c, bool is_there, int64_t time_100ns)
{
    const bool is_in_range = time_100ns > UNIX_EPOCH_100NS - MAX_DISTANCE_100NS &&
                             time_100ns < UNIX_EPOCH_100NS + MAX_DISTANCE_100NS;
    const int64_t time_ns = is_in_range ? (time_100ns - UNIX_EPOCH_100NS) * 100 : 0;
    put(c, is_there && is_in_range, &time_ns, sizeof time_ns);
}

/* Definition levels of the map: 0 no map, 1 an empty one, 2 an entry. */
static void put_properties(etw_collector *c, etw_row *row)
{
    etw_bytes name;
    etw_bytes text;
    uint8_t repetition = 0;
    while (etw_row_next_property(row, &name, &text)) {
        etw_parquet_table_put(c->table, c->leaf, repetition, 2, name.data, name.size);
        etw_parquet_table_put(c->table, c->leaf + 1, repetition, 2, text.data, text.size);
        repetition = 1;
    }
    if (repetition == 0) {
        const uint8_t definition = row->fixed.property_count == ETW_ROW_NONE ? 0 : 1;
        etw_parquet_table_put(c->table, c->leaf, 0, definition, NULL, 0);
        etw_parquet_table_put(c->table, c->leaf + 1, 0, definition, NULL, 0);
    }
    c->leaf += 2;
}

static void put_header(etw_collector *c, const etw_row *row)
{
    const etw_row_fixed *f = &row->fixed;
    const bool is_event = !f->is_loss;
    put_time(c, is_event, f->time_100ns);
    put_text(c, row->fields[ETW_ROW_PROVIDER_NAME]);
    put_guid(c, is_event, &f->provider_id);
    put_text(c, row->fields[ETW_ROW_EVENT_NAME]);
    put_u32(c, is_event, f->id);
    put_u32(c, is_event, f->version);
    put_u32(c, is_event, f->channel);
    put_u32(c, is_event, f->level);
    put_u32(c, is_event, f->opcode);
    put_u32(c, is_event, f->task);
    put(c, is_event, &f->keyword, sizeof f->keyword);
    put_u32(c, is_event, f->process_id);
    put_u32(c, is_event, f->thread_id);
    put_text(c, row->fields[ETW_ROW_PROCESS_NAME]);
    put_u32(c, is_event, f->processor);
    put_guid(c, is_event && !etw_guid_is_zero(&f->activity_id), &f->activity_id);
    put_u32(c, is_event, f->flags);
    put_u32(c, is_event, f->event_property);
    put_u32(c, is_event && f->has_cpu_times, f->kernel_time);
    put_u32(c, is_event && f->has_cpu_times, f->user_time);
    put_text(c, row->fields[ETW_ROW_MESSAGE]);
}

static void put_row(etw_collector *c, etw_row *row)
{
    const bool is_loss = row->fixed.is_loss;
    const etw_bytes problem = row->fields[ETW_ROW_PROBLEM];
    const etw_bytes none = {NULL, 0};
    c->leaf = 0;
    put_header(c, row);
    put_properties(c, row);
    put_text(c, is_loss ? none : problem);
    put_text(c, row->fields[ETW_ROW_USER_DATA]);
    put_text(c, row->fields[ETW_ROW_EXTENDED_INFO]);
    put_u32(c, row->fixed.trace_number != 0, row->fixed.trace_number);
    put_text(c, is_loss ? problem : none);
}

static void begin_file(etw_collector *c, etw_text *out)
{
    if (!c->has_begun) {
        c->has_begun = true;
        etw_parquet_table_begin(c->table, out);
    }
}

static etw_status take_rows(etw_collector *collector, etw_bytes rows, etw_text *out,
                            etw_error *error)
{
    etw_row row;
    etw_status status = ETW_OK;
    begin_file(collector, out);
    while (!etw_failed(status) && etw_row_next(&rows, &row)) {
        put_row(collector, &row);
        status = etw_parquet_table_end_row(collector->table, out, error);
    }
    return status;
}

static etw_status finish_events(etw_collector *collector, etw_text *out, etw_error *error)
{
    begin_file(collector, out);
    return etw_parquet_table_end(collector->table, "etwcap " ETW_VERSION, out, error);
}

/* The renderer's half. */

static etw_output *open_renderer(const etw_output_options *options)
{
    return etw_output_new(sizeof(etw_output), options);
}

static void render_event(etw_output *output, const etw_event *event, etw_text *text)
{
    etw_row_append(&output->options, event, text);
}

static void render_loss(etw_output *output, const etw_loss *loss, etw_text *text)
{
    (void)output;
    etw_row_append_loss(loss, text);
}

static const etw_collector_kind collector = {open_events, take_rows, finish_events, close_events};

const etw_output_format etw_output_parquet = {
    .name = "parquet",
    .help = "one Parquet table of events, properties as a map of texts",
    .binary = true,
    .open = open_renderer,
    .close = etw_output_free,
    .event = render_event,
    .loss = render_loss,
    .collector = &collector,
};
