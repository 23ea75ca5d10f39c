/* One Parquet table of all events: header fields in their own types, properties as a map of texts.
 * A loss has a row, too, so that nothing is missing without a word: Loss says why, and all else is
 * empty. */
#include "format/base/version.h"
#include "format/output/parquet/parquet_fields.h"

#include <stdlib.h>

#define REQUIRED(title, what)                                                                      \
    {                                                                                              \
        title, ETW_PARQUET_##what, ETW_PARQUET_REQUIRED, 0                                         \
    }
static const etw_parquet_node nodes[] = {
    ETW_PARQUET_HEADER_NODES,
    {"EventProperties", ETW_PARQUET_MAP, ETW_PARQUET_OPTIONAL, 1},
    {"key_value", ETW_PARQUET_GROUP, ETW_PARQUET_REPEATED, 2},
    REQUIRED("key", STRING),
    REQUIRED("value", STRING),
    ETW_PARQUET_TRAILER_NODES,
};
#define NODE_COUNT (sizeof nodes / sizeof nodes[0])
#define TOP_COUNT  (NODE_COUNT - 3)

struct etw_collector {
    etw_parquet_table *table;
    bool has_begun;
};

static void close_events(etw_collector *collector)
{
    if (collector != NULL) {
        etw_parquet_table_free(collector->table);
        free(collector);
    }
}

static etw_status open_events(const etw_output_options *options, const etw_collector_target *target,
                              etw_collector **collector, etw_error *error)
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

/* Definition levels of the map: 0 no map, 1 an empty one, 2 an entry. */
static void put_properties(etw_parquet_place *c, etw_row *row)
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

static void put_row(const etw_collector *c, etw_row *row)
{
    etw_parquet_place at = {.table = c->table};
    etw_parquet_put_header(&at, row);
    put_properties(&at, row);
    etw_parquet_put_trailer(&at, row, row->fields[ETW_ROW_PROBLEM]);
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
    .open = etw_output_open_plain,
    .close = etw_output_free,
    .event = render_event,
    .loss = render_loss,
    .collector = &collector,
};
