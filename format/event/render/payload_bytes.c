#include "format/event/render/payload_bytes.h"

#include "format/event/render/plan_internal.h"
#include "format/event/render/value_bytes.h"

#include <stdio.h>

typedef struct making {
    const etw_payload_request *request;
    etw_buffer *payload;
    etw_payload_problem *problem;
    etw_buffer content; /* of one element */
    uint16_t slots[ETW_MAX_PROPERTIES];
    bool is_ended; /* by a property that is missing */
} making;

static bool fail(making *m, const etw_json_value *at, const etw_property *property,
                 const char *what)
{
    m->problem->offset = at->offset;
    (void)snprintf(m->problem->text, sizeof m->problem->text, "%s: %s", property->name.utf8, what);
    etw_trim_partial_utf8(m->problem->text, sizeof m->problem->text);
    return false;
}

/* Strings of a stated length are filled up with NULs. */
static bool append_padded(making *m, const etw_json_value *at, const etw_property *property,
                          size_t size)
{
    const size_t given = m->content.size;
    if (given > size) {
        char what[96];
        (void)snprintf(what, sizeof what, "%zu bytes, but there is room for %zu", given, size);
        return fail(m, at, property, what);
    }
    etw_buffer_append(m->payload, m->content.data, given);
    for (size_t i = given; i < size; i++) {
        etw_buffer_append_u8(m->payload, 0);
    }
    return true;
}

static bool append_exactly(making *m, const etw_json_value *at, const etw_property *property,
                           size_t size)
{
    if (m->content.size != size) {
        char what[96];
        (void)snprintf(what, sizeof what, "%zu bytes, but its length is %zu", m->content.size,
                       size);
        return fail(m, at, property, what);
    }
    etw_buffer_append(m->payload, m->content.data, size);
    return true;
}

static uint32_t length_of(const making *m, const etw_property *property)
{
    return property->length_slot == ETW_NO_SLOT ? property->length
                                                : m->slots[property->length_slot];
}

/* 8-bit text that is longer as UTF-8 than it may be was of a code page. */
static void narrow_to(etw_buffer *content, size_t size)
{
    size_t to = 0;
    if (content->size <= size) {
        return;
    }
    for (size_t i = 0; i < content->size;) {
        uint32_t code_point;
        const size_t length =
            etw_utf8_decode((uint8_t *)content->data + i, content->size - i, &code_point);
        if (length == 0 || code_point > 0xFF) {
            return;
        }
        content->data[to++] = (char)code_point;
        i += length;
    }
    content->size = to;
}

static bool append_string(making *m, const etw_json_value *at, const etw_property *property)
{
    const size_t unit = property->take == ETW_TAKE_WIDE_STRING ? 2 : 1;
    if (property->has_length) {
        const size_t size = unit * length_of(m, property);
        if (property->show == ETW_SHOW_ANSI) {
            narrow_to(&m->content, size);
        }
        return append_padded(m, at, property, size);
    }
    etw_buffer_append(m->payload, m->content.data, m->content.size);
    etw_buffer_append(m->payload, "\0", unit);
    return true;
}

static bool append_counted(making *m, const etw_json_value *at, const etw_property *property)
{
    const size_t size = m->content.size;
    if (size > UINT16_MAX) {
        return fail(m, at, property, "more than 65535 bytes");
    }
    if (property->take == ETW_TAKE_HEX_DUMP) {
        etw_buffer_append_u32(m->payload, (uint32_t)size);
    } else if (property->take == ETW_TAKE_COUNTED) {
        etw_buffer_append_u16(m->payload, (uint16_t)size);
    } else {
        etw_buffer_append_u8(m->payload, (uint8_t)(size >> 8));
        etw_buffer_append_u8(m->payload, (uint8_t)size);
    }
    etw_buffer_append(m->payload, m->content.data, size);
    return true;
}

/* Behind a TOKEN_USER, whose pointers mean nothing elsewhere but are not zero; four zero bytes
 * where there is none. */
static void append_wbem_sid(making *m)
{
    const bool has_sid = m->content.size > 0;
    const size_t before = has_sid ? 2 * (size_t)m->request->pointer_size : 4;
    for (size_t i = 0; i < before; i++) {
        etw_buffer_append_u8(m->payload, has_sid && i == 0 ? 1 : 0);
    }
    etw_buffer_append(m->payload, m->content.data, m->content.size);
}

static bool append_bytes(making *m, const etw_json_value *at, const etw_property *property)
{
    size_t size = length_of(m, property);
    if (size == 0 && property->out_type == ETW_OUT_IPV6) {
        size = 16;
    }
    return property->show == ETW_SHOW_SOCKET_ADDRESS ? append_padded(m, at, property, size)
                                                     : append_exactly(m, at, property, size);
}

static bool append_content(making *m, const etw_json_value *at, const etw_property *property)
{
    switch ((etw_take)property->take) {
    case ETW_TAKE_WIDE_STRING:
    case ETW_TAKE_NARROW_STRING:
        return append_string(m, at, property);
    case ETW_TAKE_BYTES:
        return append_bytes(m, at, property);
    case ETW_TAKE_WBEM_SID:
        append_wbem_sid(m);
        return true;
    case ETW_TAKE_COUNTED:
    case ETW_TAKE_REVERSE_COUNTED:
    case ETW_TAKE_HEX_DUMP:
        return append_counted(m, at, property);
    case ETW_TAKE_CHARACTERS: {
        const size_t count =
            property->count_slot == ETW_NO_SLOT ? property->count : m->slots[property->count_slot];
        return append_padded(m, at, property, count * property->fixed_size);
    }
    case ETW_TAKE_UNKNOWN:
        return fail(m, at, property, "its type is not known");
    default:
        etw_buffer_append(m->payload, m->content.data, m->content.size);
        return true;
    }
}

static void keep_slot(making *m, const etw_property *property)
{
    uint64_t value = 0;
    const size_t size = m->content.size;
    if (property->value_slot != ETW_NO_SLOT && size > 0) {
        memcpy(&value, m->content.data, size < sizeof value ? size : sizeof value);
        m->slots[property->value_slot] = value > UINT16_MAX ? UINT16_MAX : (uint16_t)value;
    }
}

static bool make_members(making *m, const etw_json_value *object, uint32_t first, uint32_t count);

static bool make_element(making *m, const etw_json_value *value, const etw_property *property)
{
    const char *why = "";
    if (property->take == ETW_TAKE_STRUCT) {
        return value->kind == ETW_JSON_OBJECT
                   ? make_members(m, value, property->first_member, property->member_count)
                   : fail(m, value, property, "an object is expected");
    }
    etw_buffer_clear(&m->content);
    if (!etw_value_append_bytes(property, m->request->pointer_size, value, &m->content, &why)) {
        return fail(m, value, property, why);
    }
    m->payload->failed |= m->content.failed; /* which is cleared for the next element */
    keep_slot(m, property);
    return append_content(m, value, property);
}

static bool make_array(making *m, const etw_json_value *list, const etw_property *property)
{
    uint32_t count = 0;
    if (list->kind != ETW_JSON_ARRAY) {
        return fail(m, list, property, "a list is expected");
    }
    for (const etw_json_value *element = etw_json_first(m->request->document, list);
         element != NULL && !m->is_ended; element = etw_json_next(m->request->document, element)) {
        if (!make_element(m, element, property)) {
            return false;
        }
        count++;
    }
    const bool is_counted = property->count_slot != ETW_NO_SLOT;
    const uint32_t wanted = is_counted ? m->slots[property->count_slot] : property->count;
    if (count == wanted) {
        return true;
    }
    m->is_ended = m->is_ended || (count < wanted && (m->request->may_end || !is_counted));
    if (m->is_ended) {
        return true;
    }
    char what[96];
    (void)snprintf(what, sizeof what, "%u elements, but its count is %u", count, wanted);
    return fail(m, list, property, what);
}

static const etw_json_value *member_of(const making *m, const etw_json_value *object,
                                       const etw_property *property)
{
    char name[600];
    if (property->nth <= 1) {
        return etw_json_member(m->request->document, object, property->name.utf8);
    }
    const int size = snprintf(name, sizeof name, "%s#%u", property->name.utf8, property->nth);
    return size < (int)sizeof name ? etw_json_member(m->request->document, object, name) : NULL;
}

static bool is_member(const making *m, const etw_json_value *object, const etw_json_value *given,
                      uint32_t first, uint32_t count)
{
    for (uint32_t i = first; i < first + count; i++) {
        if (member_of(m, object, &m->request->plan->properties[i]) == given) {
            return true;
        }
    }
    return false;
}

static bool refuse_others(making *m, const etw_json_value *object, uint32_t first, uint32_t count)
{
    const etw_json_document *document = m->request->document;
    for (const etw_json_value *given = etw_json_first(document, object); given != NULL;
         given = etw_json_next(document, given)) {
        if (!is_member(m, object, given, first, count)) {
            m->problem->offset = given->offset;
            (void)snprintf(m->problem->text, sizeof m->problem->text,
                           "%.*s: no property of this event",
                           (int)(given->name_size < 100 ? given->name_size : 100), given->name);
            etw_trim_partial_utf8(m->problem->text, sizeof m->problem->text);
            return false;
        }
    }
    return true;
}

/* Structs nest as deep as ETW_MAX_STRUCT_DEPTH, which the plan has checked. */
static bool make_members(making *m, const etw_json_value *object, uint32_t first, uint32_t count)
{
    const etw_plan *plan = m->request->plan;
    uint32_t given = 0;
    uint32_t taken = 0;
    for (const etw_json_value *one = etw_json_first(m->request->document, object); one != NULL;
         one = etw_json_next(m->request->document, one)) {
        given++;
    }
    for (uint32_t i = first; i < first + count && !m->is_ended; i++) {
        const etw_property *property = &plan->properties[i];
        const etw_json_value *value = member_of(m, object, property);
        if (value == NULL) {
            m->is_ended = m->request->may_end || plan->decoding_source == ETW_DECODING_WBEM;
            if (!m->is_ended) {
                return fail(m, object, property, "is missing");
            }
            continue;
        }
        taken++;
        if (!(property->is_array ? make_array(m, value, property)
                                 : make_element(m, value, property))) {
            return false;
        }
    }
    return taken == given || refuse_others(m, object, first, count);
}

etw_status etw_payload_from_json(const etw_payload_request *request, etw_buffer *payload,
                                 etw_payload_problem *problem)
{
    making m = {.request = request, .payload = payload, .problem = problem};
    const bool is_made = make_members(&m, request->properties, 0, request->plan->top_count);
    const bool has_memory = !m.content.failed && !payload->failed;
    etw_buffer_free(&m.content);
    return !has_memory ? ETW_ERROR_NO_MEMORY : is_made ? ETW_OK : ETW_ERROR_INVALID_ARGUMENT;
}
