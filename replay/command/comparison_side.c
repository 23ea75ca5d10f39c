#include "replay/command/comparison_side.h"

#include "format/output/json.h"
#include "replay/command/tool.h"

static void on_loss(void *context, const etw_loss *loss)
{
    etw_side *side = context;
    if (side->options.gives_losses && loss->cause != ETW_LOSS_FILTERED) {
        etw_text_append_z(&side->losses, "{\"Loss\":");
        etw_json_append_loss(loss, &side->losses);
        etw_text_append_z(&side->losses, "}\n");
    }
}

static etw_status open_trace(etw_side *side, const etw_replay_arguments *arguments,
                             etw_error *error)
{
    etw_replay_options options = arguments->replay;
    options.raw_time = true;
    options.processes = options.stacks = side->options.has_names;
    options.loss = on_loss;
    options.loss_context = side;
    const etw_status status =
        etw_tool_open(arguments, side->options.input, &options, &side->replay, error);
    if (!etw_failed(status) && etw_replay_state(side->replay) != NULL &&
        etw_input_can_seek(etw_replay_input(side->replay))) {
        etw_state_get_namer(etw_replay_state(side->replay), &side->namer);
    }
    return status;
}

etw_status etw_side_open(etw_side *side, const etw_replay_arguments *arguments,
                         const etw_side_options *options, etw_error *error)
{
    side->options = *options;
    if (!options->is_text) {
        return open_trace(side, arguments, error);
    }
    char *line;
    size_t size;
    etw_status status = etw_line_reader_open(&side->lines, etw_os_default(), options->input, error);
    if (!etw_failed(status) && options->passes_first_line) {
        status = etw_line_reader_next(&side->lines, &line, &size, error);
    }
    return etw_failed(status) ? status : ETW_OK;
}

static etw_status take_line(etw_side *side, char *line, size_t size, etw_entry *entry,
                            etw_text *kept, etw_error *error)
{
    etw_status status = etw_json_read(&side->document, line, size, error);
    if (!etw_failed(status)) {
        status = etw_entry_read(entry, side->options.rules, &side->normalizer, &side->document,
                                kept, error);
    }
    entry->number = ++side->given;
    return status;
}

/* Texts. */

static bool is_blank(const char *line, size_t size)
{
    return size == 0 || (size == 1 && *line == '\r');
}

/* As --from-json takes them: bare, or the member of an object. */
static bool is_schema_line(const etw_json_document *document, const etw_json_value *whole)
{
    return etw_json_member(document, whole, "Schema") != NULL ||
           etw_json_member(document, whole, "Properties") != NULL;
}

static etw_status next_of_text(etw_side *side, etw_entry *entry, etw_text *kept, etw_error *error)
{
    char *line;
    size_t size;
    for (;;) {
        etw_status status = etw_line_reader_next(&side->lines, &line, &size, error);
        if (status != ETW_OK) {
            return status;
        }
        if (is_blank(line, size)) {
            continue;
        }
        status = take_line(side, line, size, entry, kept, error);
        if (etw_failed(status)) {
            return etw_error_wrap(error, status, "%s: line %llu", side->lines.path,
                                  (unsigned long long)side->lines.number);
        }
        const etw_json_value *whole = &side->document.values[0];
        const bool is_loss = etw_json_member(&side->document, whole, "Loss") != NULL;
        const bool is_schema = is_schema_line(&side->document, whole);
        side->losses_seen += is_loss;
        if (!is_schema && (!is_loss || side->options.gives_losses)) {
            return ETW_OK;
        }
        side->given--;
        if (kept != NULL) {
            etw_text_clear(kept);
        }
    }
}

/* Traces. */

static etw_status take_event(etw_side *side, etw_entry *entry, etw_text *kept, etw_error *error)
{
    const etw_output_options how = {.namer = side->namer.append == NULL ? NULL : &side->namer};
    etw_text_clear(&side->line);
    etw_status status = etw_event_json(side->held, &how, &side->line);
    if (etw_failed(status)) {
        return etw_error_set(error, status, "no memory for an event's text");
    }
    status = take_line(side, side->line.data, side->line.size, entry, kept, error);
    if (!etw_failed(status) && side->options.counts_bytes) {
        etw_entry_hash_bytes(entry, etw_event_record_of(side->held));
    }
    side->held = NULL;
    return status;
}

static etw_status take_loss(etw_side *side, etw_entry *entry, etw_text *kept, etw_error *error)
{
    char *line = side->losses.data + side->losses_given;
    const char *end = memchr(line, '\n', side->losses.size - side->losses_given);
    side->losses_given += (size_t)(end - line) + 1;
    return take_line(side, line, (size_t)(end - line), entry, kept, error);
}

static etw_status next_of_trace(etw_side *side, etw_entry *entry, etw_text *kept, etw_error *error)
{
    if (side->held == NULL && side->losses_given == side->losses.size && !side->is_at_end) {
        etw_text_clear(&side->losses);
        side->losses_given = 0;
        const etw_status status = etw_replay_next(side->replay, &side->held, error);
        side->is_at_end = status == ETW_END;
        side->held = status == ETW_OK ? side->held : NULL;
        if (etw_failed(status) || side->losses.failed) {
            return etw_failed(status) ? status
                                      : etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory");
        }
    }
    if (side->losses_given < side->losses.size) {
        return take_loss(side, entry, kept, error);
    }
    return side->held == NULL ? ETW_END : take_event(side, entry, kept, error);
}

/* Schemas. */

/* A line of a text that is one; {"Schema":...} without what is around it. */
static etw_status add_schema_of_text(etw_side *side, const char *line, size_t size,
                                     etw_error *error)
{
    etw_text copy = {0}; /* reading changes it */
    etw_text_append(&copy, line, size);
    if (copy.failed) {
        return etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a line");
    }
    etw_status status = etw_json_read(&side->document, copy.data, copy.size, error);
    const etw_json_value *whole = side->document.values;
    if (status == ETW_OK && is_schema_line(&side->document, whole)) {
        const etw_json_value *inner = etw_json_member(&side->document, whole, "Schema");
        const etw_json_value *schema = inner != NULL ? inner : whole;
        status = etw_schema_lines_add(&side->schemas, line + schema->offset,
                                      schema->end - schema->offset, error);
    }
    etw_text_free(&copy);
    return status;
}

static etw_status read_schemas_of_text(etw_side *side, etw_error *error)
{
    char *line;
    size_t size;
    etw_status status;
    while ((status = etw_line_reader_next(&side->lines, &line, &size, error)) == ETW_OK) {
        status = size == 0 ? ETW_OK : add_schema_of_text(side, line, size, error);
        if (status != ETW_OK) {
            return etw_error_wrap(error, status, "%s: line %llu", side->lines.path,
                                  (unsigned long long)side->lines.number);
        }
    }
    return status == ETW_END ? ETW_OK : status;
}

static etw_status read_schemas(etw_side *side, etw_error *error)
{
    const etw_status status = side->options.is_text
                                  ? read_schemas_of_text(side, error)
                                  : etw_schema_lines_of_replay(&side->schemas, side->replay, error);
    side->is_at_end = true;
    return status == ETW_OK ? etw_schema_lines_sort(&side->schemas, error) : status;
}

static etw_status next_schema(etw_side *side, etw_entry *entry, etw_text *kept, etw_error *error)
{
    if (!side->is_at_end) {
        const etw_status status = read_schemas(side, error);
        if (status != ETW_OK) {
            return status;
        }
    }
    if (side->schemas.given == side->schemas.count) {
        return ETW_END;
    }
    char *line = side->schemas.lines[side->schemas.given++];
    return take_line(side, line, strlen(line), entry, kept, error);
}

etw_status etw_side_next(etw_side *side, etw_entry *entry, etw_text *kept, etw_error *error)
{
    if (side->options.only_schemas) {
        return next_schema(side, entry, kept, error);
    }
    if (side->options.is_text) {
        return next_of_text(side, entry, kept, error);
    }
    const etw_status status = next_of_trace(side, entry, kept, error);
    return etw_failed(status)
               ? etw_error_wrap(error, status, "%s", etw_tool_name(side->options.input))
               : status;
}

void etw_side_get_totals(const etw_side *side, etw_replay_totals *totals)
{
    if (side->replay != NULL) {
        etw_replay_get_totals(side->replay, totals);
        return;
    }
    *totals = (etw_replay_totals){
        .events = side->given, .losses = side->losses_seen, .lost_unknown = side->losses_seen > 0};
}

void etw_side_close(etw_side *side)
{
    etw_replay_close(side->replay);
    etw_line_reader_close(&side->lines);
    etw_json_document_free(&side->document);
    etw_normalizer_free(&side->normalizer);
    etw_schema_lines_free(&side->schemas);
    etw_text_free(&side->losses);
    etw_text_free(&side->line);
    *side = (etw_side){0};
}
