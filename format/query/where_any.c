/* `*`: any text of an event, whatever property it is in. */
#include "format/event/extended.h"
#include "format/query/where_tree.h"

typedef struct texts {
    etw_where *where;
    const etw_where_node *node;
    bool passes;
} texts;

static etw_status test_text(texts *t, const char *text, size_t size, etw_error *error)
{
    const etw_operand operand = {.kind = ETW_OPERAND_TEXT, .text = text, .text_size = size};
    return t->passes || text == NULL || size == 0
               ? ETW_OK
               : etw_where_compare(t->where, t->node, &operand, &t->passes, error);
}

static etw_status test_name(texts *t, const char *name, etw_error *error)
{
    return test_text(t, name, name == NULL ? 0 : strlen(name), error);
}

static etw_status test_view(texts *t, etw_error *error)
{
    const etw_text *view = &t->where->view;
    return view->failed ? etw_error_set(error, ETW_ERROR_NO_MEMORY, "no memory for a value's text")
                        : test_text(t, view->data, view->size, error);
}

static etw_where_slice part_of(const etw_where_node *node)
{
    return (etw_where_slice){node->literals[0].text, node->literals[0].text_size};
}

/* Bytes that nothing explains, as 8-bit text and as UTF-16 that begins at an even or an odd one. */
static etw_status test_bytes(texts *t, etw_bytes bytes, etw_error *error)
{
    etw_text *view = &t->where->view;
    if (bytes.size == 0) {
        return ETW_OK;
    }
    if (t->node->is_ascii) {
        t->passes = t->passes || etw_where_bytes_contain(bytes, part_of(t->node));
        return ETW_OK;
    }
    etw_text_clear(view);
    etw_text_append_ansi(view, bytes.data, bytes.size, ETW_ESCAPE_NONE);
    etw_status status = test_view(t, error);
    for (size_t skipped = 0; skipped < 2 && !etw_failed(status) && !t->passes; skipped++) {
        etw_text_clear(view);
        etw_text_append_utf16(view, bytes.data + skipped, bytes.size - skipped, ETW_ESCAPE_NONE);
        status = test_view(t, error);
    }
    return status;
}

static etw_status test_part(texts *t, const etw_part *part, etw_error *error)
{
    etw_typed_value typed;
    if (part->kind != ETW_PART_VALUE || t->passes) {
        return ETW_OK;
    }
    etw_status status = etw_where_test_value(t->where, t->node, &part->value, &t->passes, error);
    if (!etw_failed(status) && !t->passes) {
        etw_value_get(&part->value, &typed);
        status = typed.kind == ETW_VALUE_BINARY ? test_bytes(t, typed.bytes, error) : ETW_OK;
    }
    return status;
}

static etw_status test_payload(texts *t, const etw_event *event, etw_error *error)
{
    const etw_event_record *record = etw_event_record_of(event);
    const uint8_t *data = record->UserData;
    etw_property_iterator iterator;
    etw_part part;
    etw_walk_end end = {.left_bytes = record->UserDataLength};
    etw_status status = ETW_OK;
    if (!etw_failed(etw_event_properties(event, &iterator))) {
        while (!t->passes && !etw_failed(status) && etw_property_iterator_next(&iterator, &part)) {
            status = test_part(t, &part, error);
        }
        if (t->passes || etw_failed(status)) {
            return status;
        }
        etw_property_iterator_end(&iterator, &end);
    }
    const uint32_t left = end.left_bytes;
    return test_bytes(t, (etw_bytes){left == 0 ? NULL : data + record->UserDataLength - left, left},
                      error);
}

static etw_status test_user(texts *t, const etw_event_record *record, etw_error *error)
{
    etw_bytes sid;
    if (t->passes || !etw_record_user_sid(record, &sid)) {
        return ETW_OK;
    }
    etw_text_clear(&t->where->view);
    return etw_text_append_sid(&t->where->view, sid) ? test_view(t, error) : ETW_OK;
}

/* Letters and signs of which none is in the text of a number, a GUID, a time, an address, a SID. */
static bool is_wordy(etw_where_slice part)
{
    for (size_t i = 0; i < part.size; i++) {
        if (part.text[i] != '\0' &&
            strchr("gGhHjJkKlLmMoOpPqQrRuUvVwWyY_\\", part.text[i]) != NULL) {
            return true;
        }
    }
    return false;
}

void etw_where_prepare_any(etw_where_node *node)
{
    node->is_ascii = node->operator_ == ETW_WHERE_CONTAINS && part_of(node).size > 0 &&
                     etw_where_is_ascii(part_of(node));
    node->is_word = node->is_ascii && is_wordy(part_of(node));
}

/* What is looked for in a schema's events, told once; NULL where the event has no schema or what is
 * looked for is no word. */
static const etw_where_place *place_of(texts *t, etw_where_node *node, const etw_event *event,
                                       etw_error *error)
{
    const etw_schema *schema = etw_event_schema(event);
    const etw_plan *plan = etw_event_plan(event);
    const etw_property *property;
    if (!node->is_word || schema == NULL || schema->id == 0 || plan == NULL) {
        return NULL;
    }
    etw_where_place *place = &node->places[schema->id % ETW_WHERE_CACHE];
    if (place->schema_id != schema->id) {
        texts of_name = {.where = t->where, .node = node};
        *place = (etw_where_place){.schema_id = schema->id};
        if (etw_failed(test_name(&of_name, etw_plan_event_name(plan)->utf8, error))) {
            place->schema_id = 0;
            return NULL;
        }
        place->name_passes = of_name.passes;
        for (uint32_t i = 0; (property = etw_plan_property(plan, i)) != NULL; i++) {
            place->has_words |= etw_property_shows_words(property);
        }
    }
    return place;
}

/* Names of providers are the store's, which lives as long as the filter is asked. */
static etw_status test_provider(texts *t, etw_where_node *node, const char *name, etw_error *error)
{
    if (name == NULL) {
        return ETW_OK;
    }
    etw_where_provider_kept *kept =
        &node->providers[(uintptr_t)name / sizeof(void *) % ETW_WHERE_PROVIDERS];
    if (kept->name != name) {
        const etw_status status = test_name(t, name, error);
        *kept = (etw_where_provider_kept){etw_failed(status) ? NULL : name, t->passes};
        return status;
    }
    t->passes = kept->passes;
    return ETW_OK;
}

/* Whether the bytes alone tell that no property has what is looked for. */
static bool is_hopeless(const texts *t, const etw_where_place *place, const etw_event *event)
{
    const etw_event_record *record = etw_event_record_of(event);
    const etw_bytes bytes = {record->UserData, record->UserDataLength};
    return place != NULL && !place->has_words && !etw_where_bytes_contain(bytes, part_of(t->node));
}

etw_status etw_where_test_any(etw_where *where, etw_where_node *node, const etw_event *event,
                              bool *passes, etw_error *error)
{
    texts t = {.where = where, .node = node};
    const etw_plan *plan = etw_event_plan(event);
    *passes = false;
    etw_status status = test_provider(&t, node, etw_event_provider_name(event), error);
    const etw_where_place *place = place_of(&t, node, event, error);
    if (place != NULL) {
        t.passes = t.passes || place->name_passes;
    } else if (!etw_failed(status) && plan != NULL) {
        status = test_name(&t, etw_plan_event_name(plan)->utf8, error);
    }
    if (!etw_failed(status) && !t.passes && is_hopeless(&t, place, event)) {
        return ETW_OK;
    }
    if (!etw_failed(status) && !t.passes) {
        status = test_payload(&t, event, error);
    }
    if (!etw_failed(status)) {
        status = test_user(&t, etw_event_record_of(event), error);
    }
    *passes = t.passes;
    return status;
}
