#include "format/event/oracle.h"

#include "format/event/tei.h"

#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define HEAD_SIZE 28u /* of an entry, behind its size */

struct etw_oracle_builder {
    etw_buffer bytes;
    size_t entry; /* where the entry begun last starts */
    uint32_t text_count;
    bool handed_out;
};

etw_oracle_builder *etw_oracle_builder_new(void)
{
    return calloc(1, sizeof(etw_oracle_builder));
}

void etw_oracle_builder_free(etw_oracle_builder *builder)
{
    if (builder != NULL) {
        etw_buffer_free(&builder->bytes);
        free(builder);
    }
}

static void put(etw_oracle_builder *builder, const void *bytes, size_t size)
{
    if (size > ETW_ORACLE_MAX_SIZE - builder->bytes.size) {
        builder->bytes.failed = true;
    }
    etw_buffer_append(&builder->bytes, bytes, size);
}

static void put_u32(etw_oracle_builder *builder, uint32_t value)
{
    put(builder, &value, sizeof value);
}

/* Size and count are known once the next entry begins. */
static void end_entry(etw_oracle_builder *builder)
{
    etw_buffer *bytes = &builder->bytes;
    if (bytes->failed || bytes->size == builder->entry) {
        return;
    }
    uint8_t *entry = (uint8_t *)bytes->data + builder->entry;
    etw_store_u32(entry, (uint32_t)(bytes->size - builder->entry - 4));
    etw_store_u32(entry + 12, builder->text_count);
}

void etw_oracle_builder_event(etw_oracle_builder *builder, uint32_t schema_id,
                              uint64_t event_number, uint32_t pointer_size, etw_bytes user_data)
{
    if (builder->handed_out) {
        etw_text_clear(&builder->bytes);
        builder->entry = 0;
        builder->handed_out = false;
    }
    end_entry(builder);
    builder->entry = builder->bytes.size;
    builder->text_count = 0;
    const uint64_t numbers[2] = {event_number, XXH3_64bits(user_data.data, user_data.size)};
    put_u32(builder, 0);
    put_u32(builder, schema_id);
    put_u32(builder, pointer_size);
    put_u32(builder, 0);
    put(builder, numbers, sizeof numbers);
}

void etw_oracle_builder_text(etw_oracle_builder *builder, const char *path, uint32_t status,
                             etw_bytes text)
{
    const size_t size = strlen(path);
    const uint16_t path_size =
        size > ETW_ORACLE_MAX_PATH_SIZE ? ETW_ORACLE_MAX_PATH_SIZE : (uint16_t)size;
    if (text.size > ETW_ORACLE_MAX_SIZE) {
        builder->bytes.failed = true;
        return;
    }
    put_u32(builder, status);
    put(builder, &path_size, sizeof path_size);
    put_u32(builder, (uint32_t)text.size);
    put(builder, path, path_size);
    put(builder, text.data, text.size);
    builder->text_count++;
}

etw_status etw_oracle_builder_finish(etw_oracle_builder *builder, etw_bytes *blob, etw_error *error)
{
    end_entry(builder);
    builder->handed_out = true;
    if (builder->bytes.failed) {
        return etw_error_set(error, ETW_ERROR_LIMIT,
                             "texts for the render oracle do not fit 8 MiB or memory");
    }
    *blob = etw_text_bytes(&builder->bytes);
    return ETW_OK;
}

static etw_status damaged(etw_error *error)
{
    return etw_error_set(error, ETW_ERROR_DAMAGED, "an entry of the render oracle is cut off");
}

etw_status etw_oracle_next(etw_cursor *blob, etw_oracle_event *event, etw_error *error)
{
    if (etw_cursor_left(blob) == 0) {
        return ETW_END;
    }
    const uint32_t size = etw_cursor_u32(blob);
    const uint8_t *data = etw_cursor_take(blob, size);
    if (data == NULL || size < HEAD_SIZE) {
        return damaged(error);
    }
    *event = (etw_oracle_event){.schema_id = etw_load_u32(data),
                                .pointer_size = etw_load_u32(data + 4),
                                .text_count = etw_load_u32(data + 8),
                                .event_number = etw_load_u64(data + 12),
                                .payload_hash = etw_load_u64(data + 20),
                                .texts = {data + HEAD_SIZE, size - HEAD_SIZE}};
    return ETW_OK;
}

etw_status etw_oracle_next_text(etw_cursor *texts, etw_oracle_text *text, etw_error *error)
{
    if (etw_cursor_left(texts) == 0) {
        return ETW_END;
    }
    text->status = etw_cursor_u32(texts);
    text->path.size = etw_cursor_u16(texts);
    text->text.size = etw_cursor_u32(texts);
    text->path.data = etw_cursor_take(texts, text->path.size);
    text->text.data = etw_cursor_take(texts, text->text.size);
    return texts->failed ? damaged(error) : ETW_OK;
}

/* Both sides list texts in payload order, so that they are compared side by side; where the paths
 * differ the side that lags is looked for in the other. */
typedef struct comparison {
    etw_cursor texts; /* TDH's that were not compared yet */
    etw_oracle_report report;
    void *context;
    etw_oracle_counts *counts;
    etw_text path; /* of the open structs: "Peers[0]." */
    size_t marks[ETW_MAX_STRUCT_DEPTH + 1];
    uint32_t depth;
    bool is_array[2 * ETW_MAX_STRUCT_DEPTH + 2]; /* of each property that is open */
    uint32_t open;
    etw_text tdh;
    etw_text ours;
} comparison;

static void report(comparison *c, const etw_oracle_difference *difference)
{
    c->counts->differences++;
    if (c->report != NULL) {
        c->report(c->context, difference);
    }
}

static const char *tdh_text(comparison *c, const etw_oracle_text *text)
{
    if (text->status != 0) {
        return NULL;
    }
    etw_text_clear(&c->tdh);
    etw_text_append_utf16(&c->tdh, text->text.data, text->text.size, ETW_ESCAPE_NONE);
    return etw_text_z(&c->tdh);
}

/* A property that TDH refused and that we do not reach is no difference: both say that the data
 * does not match. */
static void report_tdh_only(comparison *c, const etw_oracle_text *text)
{
    if (text->status == 0) {
        c->counts->texts++;
        report(c, &(etw_oracle_difference){.path = text->path, .tdh = tdh_text(c, text)});
    }
}

static void pass_texts(comparison *c, uint32_t count)
{
    etw_oracle_text text;
    while (count-- > 0 && etw_oracle_next_text(&c->texts, &text, NULL) == ETW_OK) {
        report_tdh_only(c, &text);
    }
}

static bool same_path(const comparison *c, const etw_oracle_text *text)
{
    const size_t size =
        c->path.size > ETW_ORACLE_MAX_PATH_SIZE ? ETW_ORACLE_MAX_PATH_SIZE : c->path.size;
    return text->path.size == size && memcmp(text->path.data, c->path.data, size) == 0;
}

/* TDH's text for the path at hand; those before it are reported as TDH's alone. False where TDH has
 * none. */
static bool find_tdh(comparison *c, etw_oracle_text *found)
{
    etw_cursor ahead = c->texts;
    for (uint32_t passed = 0; passed <= ETW_ORACLE_LOOK_AHEAD; passed++) {
        if (etw_oracle_next_text(&ahead, found, NULL) != ETW_OK) {
            return false;
        }
        if (same_path(c, found)) {
            pass_texts(c, passed);
            c->texts = ahead;
            return true;
        }
    }
    return false;
}

static void push_name(comparison *c, const etw_property *property, uint32_t element)
{
    const etw_name *name = etw_property_name(property);
    etw_text_append(&c->path, name->utf8, name->utf8_size);
    if (c->open > 0 && c->is_array[c->open - 1]) {
        etw_text_printf(&c->path, "[%u]", (unsigned)element);
    }
}

static void compare_value(comparison *c, const etw_value *value)
{
    etw_text_clear(&c->ours);
    const bool accepted = etw_value_append_text(value, ETW_TEXT_EXACT, ETW_ESCAPE_NONE, &c->ours);
    etw_oracle_difference difference = {.path = etw_text_bytes(&c->path), .value = value};
    difference.ours = accepted ? etw_text_z(&c->ours) : NULL;
    etw_oracle_text found;
    if (find_tdh(c, &found)) {
        difference.status = found.status;
        difference.tdh = tdh_text(c, &found);
    }
    c->counts->texts++;
    const bool both = difference.tdh != NULL && difference.ours != NULL;
    const bool same =
        both ? strcmp(difference.tdh, difference.ours) == 0 : difference.tdh == difference.ours;
    if (!same) {
        report(c, &difference);
    }
}

static etw_status on_value(void *context, const etw_value *value)
{
    comparison *c = context;
    const size_t mark = c->path.size;
    push_name(c, value->property, value->element);
    compare_value(c, value);
    c->path.size = mark;
    return c->path.failed || c->ours.failed || c->tdh.failed ? ETW_ERROR_NO_MEMORY : ETW_OK;
}

static etw_status on_open_struct(void *context, const etw_property *property, uint32_t element)
{
    comparison *c = context;
    c->marks[c->depth++] = c->path.size;
    push_name(c, property, element);
    etw_text_append_char(&c->path, '.');
    c->is_array[c->open++] = false;
    return ETW_OK;
}

static etw_status on_close_struct(void *context, const etw_property *property)
{
    (void)property;
    comparison *c = context;
    c->path.size = c->marks[--c->depth];
    c->open--;
    return ETW_OK;
}

static etw_status on_open_array(void *context, const etw_property *property, uint32_t count)
{
    (void)property;
    (void)count;
    comparison *c = context;
    c->is_array[c->open++] = true;
    return ETW_OK;
}

static etw_status on_close_array(void *context, const etw_property *property)
{
    (void)property;
    comparison *c = context;
    c->open--;
    return ETW_OK;
}

static etw_status check_texts(const etw_oracle_event *event, etw_error *error)
{
    etw_cursor texts = etw_cursor_over(event->texts);
    etw_oracle_text text;
    uint32_t count = 0;
    etw_status status = ETW_OK;
    while ((status = etw_oracle_next_text(&texts, &text, error)) == ETW_OK) {
        count++;
    }
    return status == ETW_END && count != event->text_count ? damaged(error)
           : status == ETW_END                             ? ETW_OK
                                                           : status;
}

etw_status etw_oracle_compare(const etw_oracle_event *event, const etw_plan *plan,
                              const etw_event_record *record, etw_oracle_result result,
                              etw_error *error)
{
    static const etw_visitor visitor = {on_value, on_open_struct, on_close_struct, on_open_array,
                                        on_close_array};
    const etw_status checked = check_texts(event, error);
    if (checked != ETW_OK) {
        return checked;
    }
    const etw_bytes user_data = etw_record_user_data(record);
    if (XXH3_64bits(user_data.data, user_data.size) != event->payload_hash) {
        return etw_error_set(error, ETW_ERROR_NOT_FOUND,
                             "the event's payload is not the one that TDH rendered");
    }
    comparison c = {.texts = etw_cursor_over(event->texts),
                    .report = result.report,
                    .context = result.context,
                    .counts = result.counts};
    result.counts->events++;
    const etw_status status = etw_plan_walk(plan, record, event->pointer_size, &visitor, &c, NULL);
    if (status == ETW_OK) {
        pass_texts(&c, event->text_count);
    }
    etw_text_free(&c.path);
    etw_text_free(&c.tdh);
    etw_text_free(&c.ours);
    return status;
}

static void append_type(etw_text *text, const char *name, uint16_t type)
{
    if (name == NULL) {
        etw_text_append_u64(text, type);
    } else {
        etw_text_append_z(text, name);
    }
}

static void append_side(etw_text *text, const char *side, const char *value)
{
    etw_text_append_z(text, side);
    if (value == NULL) {
        etw_text_append_z(text, " none");
        return;
    }
    etw_text_append(text, " \"", 2);
    etw_text_append_utf8(text, (const uint8_t *)value, strlen(value), ETW_ESCAPE_LINE);
    etw_text_append_char(text, '"');
}

void etw_oracle_append_difference(etw_text *text, const etw_oracle_difference *difference)
{
    etw_text_append_utf8(text, difference->path.data, difference->path.size, ETW_ESCAPE_LINE);
    if (difference->value != NULL) {
        const etw_property *property = difference->value->property;
        const uint16_t in_type = etw_property_in_type(property);
        const uint16_t out_type = etw_property_out_type(property);
        etw_text_append_z(text, ": in ");
        append_type(text, etw_in_type_name(in_type), in_type);
        etw_text_append_z(text, ", out ");
        append_type(text, etw_out_type_name(out_type), out_type);
        etw_text_append_z(text, ", bytes ");
        const etw_bytes bytes = difference->value->bytes;
        for (size_t i = 0; i < bytes.size; i++) {
            etw_text_printf(text, "%02X", (unsigned)bytes.data[i]);
        }
    }
    append_side(text, ": TDH", difference->tdh);
    if (difference->status != 0) {
        etw_text_printf(text, " (error %u)", (unsigned)difference->status);
    }
    append_side(text, ", ours", difference->ours);
}
