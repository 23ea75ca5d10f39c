#include "format/event/render/plan_internal.h"

#define TOO_MUCH_TEXT "the text of the event is cut off here: it is above the limit"
#define SHORT_REASON  "the payload ends before this property does"

typedef etw_property_iterator walk;

static bool stop(walk *w, const etw_property *property, const char *reason)
{
    w->stopped = true;
    w->reason = reason;
    w->stopped_at = property;
    return false;
}

/* A classic event may end before any of its properties but the first: Windows has extended MOF
 * classes at their end without a new version, and they declare as many stack frames as there can
 * be. */
static bool is_complete(const walk *w)
{
    return w->plan->decoding_source == ETW_DECODING_WBEM && w->at == w->end && w->at > w->start;
}

static bool stop_short(walk *w, const etw_property *property)
{
    if (is_complete(w)) {
        w->stopped = true;
        return false;
    }
    w->short_payload = true;
    return stop(w, property, SHORT_REASON);
}

static size_t left(const walk *w)
{
    return (size_t)(w->end - w->at);
}

/* The next size bytes become the content. */
static bool take_bytes(walk *w, const etw_property *property, uint64_t size, etw_bytes *content)
{
    if (left(w) < size) {
        return stop_short(w, property);
    }
    *content = (etw_bytes){w->at, (size_t)size};
    w->at += size;
    return true;
}

static uint32_t length_of(const walk *w, const etw_property *property)
{
    return property->length_slot == ETW_NO_SLOT ? property->length
                                                : w->slots[property->length_slot];
}

/* Whole units of zero at the end are no characters of a counted string; those before are. */
static void cut_last_nuls(size_t unit, etw_bytes *content)
{
    size_t size = content->size - content->size % unit;
    while (size >= unit && content->data[size - 1] == 0 && content->data[size - unit] == 0) {
        size -= unit;
    }
    content->size = size;
}

/* Text ends at its first NUL also where a length or count is given: so it does for everyone who
 * gets it as a C string from TDH. A counted string can hold NULs. */
static void cut_at_nul(const etw_property *property, etw_bytes *content)
{
    const bool is_wide = property->show == ETW_SHOW_UTF16;
    const bool is_text =
        is_wide || property->show == ETW_SHOW_ANSI || property->show == ETW_SHOW_UTF8;
    if (is_text &&
        (property->take == ETW_TAKE_COUNTED || property->take == ETW_TAKE_REVERSE_COUNTED)) {
        cut_last_nuls(is_wide ? 2 : 1, content);
    } else if (property->show == ETW_SHOW_UTF16) {
        content->size = etw_utf16_length_bytes(content->data, content->size);
    } else if (property->show == ETW_SHOW_ANSI || property->show == ETW_SHOW_UTF8) {
        content->size = etw_narrow_length_bytes(content->data, content->size);
    }
}

/* The next size bytes become the content, as text where they are text. */
static bool take_text(walk *w, const etw_property *property, uint64_t size, etw_bytes *content)
{
    if (!take_bytes(w, property, size, content)) {
        return false;
    }
    cut_at_nul(property, content);
    return true;
}

static bool take_wide_string(walk *w, const etw_property *property, etw_bytes *content)
{
    if (property->has_length) {
        return take_text(w, property, (uint64_t)length_of(w, property) * 2, content);
    }
    const size_t size = etw_utf16_length_bytes(w->at, left(w));
    *content = (etw_bytes){w->at, size};
    w->at = left(w) - size >= 2 ? w->at + size + 2 : w->end;
    return true;
}

static bool take_narrow_string(walk *w, const etw_property *property, etw_bytes *content)
{
    if (property->has_length) {
        return take_text(w, property, length_of(w, property), content);
    }
    const size_t size = etw_narrow_length_bytes(w->at, left(w));
    *content = (etw_bytes){w->at, size};
    w->at = left(w) > size ? w->at + size + 1 : w->end;
    return true;
}

/* Counted content behind a prefix: both or nothing. */
static bool take_behind(walk *w, const etw_property *property, size_t prefix, size_t size,
                        etw_bytes *content)
{
    if (left(w) - prefix < size) {
        w->short_payload = true;
        return stop(w, property, SHORT_REASON);
    }
    w->at += prefix;
    return take_text(w, property, size, content);
}

/* An odd last byte of a wide string is taken, and left out by whoever reads units. */
static bool take_counted(walk *w, const etw_property *property, etw_bytes *content)
{
    if (left(w) < 2) {
        return stop_short(w, property);
    }
    const uint8_t low = w->at[property->take == ETW_TAKE_COUNTED ? 0 : 1];
    const uint8_t high = w->at[property->take == ETW_TAKE_COUNTED ? 1 : 0];
    return take_behind(w, property, 2, low | (size_t)high << 8, content);
}

static bool take_hex_dump(walk *w, const etw_property *property, etw_bytes *content)
{
    if (left(w) < 4) {
        return stop_short(w, property);
    }
    const uint32_t size = etw_load_u32(w->at);
    if (size > UINT16_MAX) {
        return stop(w, property, "a hex dump says it is longer than 65535 bytes");
    }
    return take_behind(w, property, 4, size, content);
}

static bool take_binary(walk *w, const etw_property *property, etw_bytes *content)
{
    size_t size = length_of(w, property);
    if (size == 0 && property->out_type == ETW_OUT_IPV6) {
        size = 16;
    }
    return take_bytes(w, property, size, content);
}

static bool take_sid(walk *w, const etw_property *property, etw_bytes *content)
{
    if (left(w) < 8) {
        return stop_short(w, property);
    }
    return take_bytes(w, property, 8 + 4 * (size_t)w->at[1], content);
}

static bool is_sid_at(const uint8_t *at, size_t size)
{
    return size >= 8 && at[0] == 1 && at[1] <= 15 && etw_load_u32(at + 2) == 0;
}

/* A TOKEN_USER (two pointers) and the SID it points to; where there is no SID four zero bytes
 * alone. A zero pointer in front of a SID is what tools leave that rewrite traces. */
static bool take_wbem_sid(walk *w, const etw_property *property, etw_bytes *content)
{
    const size_t token_user = 2 * (size_t)w->pointer_size;
    if (left(w) < 4) {
        return stop_short(w, property);
    }
    const bool has_sid =
        left(w) > token_user && is_sid_at(w->at + token_user, left(w) - token_user);
    if (etw_load_u32(w->at) == 0 && !has_sid) {
        w->at += 4;
        *content = (etw_bytes){w->at, 0};
        return true;
    }
    if (left(w) < token_user + 8) {
        return stop_short(w, property);
    }
    return take_behind(w, property, token_user, 8 + 4 * (size_t)w->at[token_user + 1], content);
}

static uint32_t count_of(const walk *w, const etw_property *property)
{
    return property->count_slot == ETW_NO_SLOT ? property->count : w->slots[property->count_slot];
}

static bool take_content(walk *w, const etw_property *property, etw_bytes *content)
{
    switch ((etw_take)property->take) {
    case ETW_TAKE_FIXED:
        return take_bytes(w, property, property->fixed_size, content);
    case ETW_TAKE_POINTER:
        return take_bytes(w, property, w->pointer_size, content);
    case ETW_TAKE_NOTHING:
        *content = (etw_bytes){w->at, 0};
        return true;
    case ETW_TAKE_WIDE_STRING:
        return take_wide_string(w, property, content);
    case ETW_TAKE_NARROW_STRING:
        return take_narrow_string(w, property, content);
    case ETW_TAKE_BYTES:
        return take_binary(w, property, content);
    case ETW_TAKE_SID:
        return take_sid(w, property, content);
    case ETW_TAKE_WBEM_SID:
        return take_wbem_sid(w, property, content);
    case ETW_TAKE_COUNTED:
    case ETW_TAKE_REVERSE_COUNTED:
        return take_counted(w, property, content);
    case ETW_TAKE_HEX_DUMP:
        return take_hex_dump(w, property, content);
    case ETW_TAKE_REST:
        return take_text(w, property, left(w), content);
    case ETW_TAKE_CHARACTERS:
        return take_text(w, property, (uint64_t)count_of(w, property) * property->fixed_size,
                         content);
    case ETW_TAKE_STRUCT:
    case ETW_TAKE_UNKNOWN:
        break;
    }
    return stop(w, property, "this property's in type is not known");
}

static uint64_t integer_of(etw_bytes bytes)
{
    uint64_t value = 0;
    memcpy(&value, bytes.data, bytes.size < sizeof value ? bytes.size : sizeof value);
    return value;
}

static void keep_slot(walk *w, const etw_property *property, etw_bytes content)
{
    const uint64_t value = integer_of(content);
    w->slots[property->value_slot] = value > UINT16_MAX ? UINT16_MAX : (uint16_t)value;
}

/* Stops the walk once there were too many of them. */
static void count_empty(walk *w, const etw_property *property)
{
    if (w->empty_left == 0) {
        (void)stop(w, property, "the event has too many elements that take no bytes");
    } else {
        w->empty_left--;
    }
}

/* Elements of an array. In a classic event one of constant count ends with the payload:
 * StackFrame[192]. */
static uint32_t element_count(const walk *w, const etw_property *property)
{
    const uint32_t count = count_of(w, property);
    const size_t size = property->take == ETW_TAKE_POINTER ? w->pointer_size : property->fixed_size;
    const bool may_end = w->plan->decoding_source == ETW_DECODING_WBEM &&
                         property->count_slot == ETW_NO_SLOT && size > 0;
    return may_end && left(w) % size == 0 && left(w) / size < count ? (uint32_t)(left(w) / size)
                                                                    : count;
}

static void open_frame(walk *w, const etw_property *property, uint32_t next, uint32_t end)
{
    w->depth++; /* the plan has checked that structs nest no deeper than ETW_MAX_STRUCT_DEPTH */
    w->frames[w->depth] =
        (etw_walk_frame){.property = property, .start = w->at, .next = next, .end = end};
}

/* The struct or array that was opened last. Also after a stop, so that outputs stay balanced. */
static void close_frame(walk *w, etw_part *part)
{
    const etw_walk_frame *frame = &w->frames[w->depth--];
    part->kind = frame->is_array ? ETW_PART_CLOSE_ARRAY : ETW_PART_CLOSE_STRUCT;
    part->value.property = frame->property;
    if (!frame->is_array && !w->stopped && w->at == frame->start) {
        count_empty(w, frame->property);
    }
}

static void open_array(walk *w, const etw_property *property, etw_part *part)
{
    const uint32_t count = element_count(w, property);
    part->kind = ETW_PART_OPEN_ARRAY;
    part->count = count;
    part->value.property = property;
    open_frame(w, property, 0, count);
    w->frames[w->depth].is_array = true;
    if (count == 0) {
        count_empty(w, property);
    }
}

/* One element: a value, or a struct's beginning. False where the walk stops at it. */
static bool take_element(walk *w, const etw_property *property, uint32_t element, etw_part *part)
{
    part->value.property = property;
    part->value.element = element;
    if (property->take == ETW_TAKE_STRUCT) {
        part->kind = ETW_PART_OPEN_STRUCT;
        open_frame(w, property, property->first_member,
                   (uint32_t)property->first_member + property->member_count);
        return true;
    }
    const uint8_t *start = w->at;
    const bool is_taken = property->take == ETW_TAKE_FIXED
                              ? take_bytes(w, property, property->fixed_size, &part->value.bytes)
                              : take_content(w, property, &part->value.bytes);
    if (!is_taken) {
        return false;
    }
    part->kind = ETW_PART_VALUE;
    part->value.whole.data = start;
    part->value.whole.size = (size_t)(w->at - start);
    part->value.pointer_size = w->pointer_size;
    if (property->value_slot != ETW_NO_SLOT) {
        keep_slot(w, property, part->value.bytes);
    }
    if (w->at == start) {
        count_empty(w, property);
    }
    return true;
}

bool etw_property_iterator_next(etw_property_iterator *w, etw_part *part)
{
    for (;;) {
        etw_walk_frame *frame = &w->frames[w->depth];
        if (w->stopped || frame->next == frame->end) {
            if (w->depth == 0) {
                return false;
            }
            close_frame(w, part);
            return true;
        }
        const uint32_t at = frame->next++;
        const etw_property *property = frame->is_array ? frame->property : &w->plan->properties[at];
        if (property->is_array && !frame->is_array) {
            open_array(w, property, part);
            return true;
        }
        if (take_element(w, property, frame->is_array ? at : 0, part)) {
            return true;
        }
    }
}

void etw_property_iterator_start(etw_property_iterator *w, const etw_plan *plan,
                                 const etw_event_record *record, uint32_t pointer_size)
{
    static const uint8_t nothing[1];
    const etw_bytes payload = etw_record_user_data(record);
    w->plan = plan;
    w->start = payload.size == 0 ? nothing : payload.data;
    w->at = w->start;
    w->end = w->start + payload.size;
    w->pointer_size = pointer_size == 4 ? 4 : 8;
    w->empty_left = ETW_WALK_MAX_EMPTY_ELEMENTS;
    w->stopped = false;
    w->short_payload = false;
    w->reason = NULL;
    w->stopped_at = NULL;
    w->depth = 0;
    w->frames[0] = (etw_walk_frame){.end = plan->top_count};
    memset(w->slots, 0, plan->slot_count * sizeof w->slots[0]);
}

void etw_property_iterator_end(const etw_property_iterator *w, etw_walk_end *end)
{
    *end = (etw_walk_end){.consumed_bytes = (uint32_t)(w->at - w->start),
                          .left_bytes = (uint32_t)left(w),
                          .short_payload = w->short_payload,
                          .reason = w->reason,
                          .at = w->stopped_at};
}

static etw_status show(const etw_visitor *visitor, void *context, const etw_part *part)
{
    const etw_property *property = part->value.property;
    switch (part->kind) {
    case ETW_PART_VALUE:
        return visitor->value == NULL ? ETW_OK : visitor->value(context, &part->value);
    case ETW_PART_OPEN_STRUCT:
        return visitor->open_struct == NULL
                   ? ETW_OK
                   : visitor->open_struct(context, property, part->value.element);
    case ETW_PART_CLOSE_STRUCT:
        return visitor->close_struct == NULL ? ETW_OK : visitor->close_struct(context, property);
    case ETW_PART_OPEN_ARRAY:
        return visitor->open_array == NULL ? ETW_OK
                                           : visitor->open_array(context, property, part->count);
    case ETW_PART_CLOSE_ARRAY:
        return visitor->close_array == NULL ? ETW_OK : visitor->close_array(context, property);
    }
    return ETW_OK;
}

etw_status etw_plan_walk(const etw_plan *plan, const etw_event_record *record,
                         uint32_t pointer_size, const etw_visitor *visitor, void *context,
                         etw_walk_end *end)
{
    etw_property_iterator iterator;
    etw_part part;
    etw_status status = ETW_OK;
    etw_property_iterator_start(&iterator, plan, record, pointer_size);
    while (status == ETW_OK && etw_property_iterator_next(&iterator, &part)) {
        status = show(visitor, context, &part);
        if (status == ETW_ERROR_LIMIT) {
            (void)stop(&iterator, part.value.property, TOO_MUCH_TEXT);
            status = ETW_OK;
        }
    }
    if (end != NULL) {
        etw_property_iterator_end(&iterator, end);
    }
    return status;
}
