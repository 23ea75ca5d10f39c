#include "format/event/render/plan_internal.h"

#include <stdlib.h>

/* Of a message, and of what is put into it: a message may name one long value again and again. */
#define MAX_TEXT ((size_t)4 << 20)

/* The texts of the top-level properties, one behind the other. */
typedef struct inserts {
    etw_text texts;
    uint32_t *ends; /* where each text ends; the next one starts there */
    uint32_t count;
    const etw_plan *plan;
    uint32_t form;
    etw_escape escape;
    uint32_t depth; /* of arrays and structs that are open */
} inserts;

/* Properties that open at depth 0 are top-level ones; those before it that the walk reported end
 * here. */
static void begin(inserts *in, const etw_property *property)
{
    if (in->depth == 0) {
        const uint32_t index = (uint32_t)(property - in->plan->properties);
        while (in->count < index) {
            in->ends[in->count++] = (uint32_t)in->texts.size;
        }
    }
}

static bool is_first(const inserts *in)
{
    const uint32_t start = in->count == 0 ? 0 : in->ends[in->count - 1];
    return in->texts.size == start;
}

static etw_status on_value(void *context, const etw_value *value)
{
    inserts *in = context;
    begin(in, value->property);
    if (in->depth != 0 && !is_first(in)) {
        etw_text_append(&in->texts, ", ", 2);
    }
    (void)etw_value_append_text(value, in->form, in->escape, &in->texts);
    return in->texts.size > MAX_TEXT ? ETW_ERROR_LIMIT : ETW_OK;
}

static etw_status on_open_struct(void *context, const etw_property *property, uint32_t element)
{
    (void)element;
    inserts *in = context;
    begin(in, property);
    in->depth++;
    return ETW_OK;
}

static etw_status on_open_array(void *context, const etw_property *property, uint32_t count)
{
    (void)count;
    inserts *in = context;
    begin(in, property);
    in->depth++;
    return ETW_OK;
}

static etw_status on_close(void *context, const etw_property *property)
{
    (void)property;
    inserts *in = context;
    in->depth--;
    return ETW_OK;
}

static void append_insert(const inserts *in, uint64_t number, etw_text *text)
{
    if (number == 0 || number > in->count) {
        return;
    }
    const uint32_t start = number == 1 ? 0 : in->ends[number - 2];
    const size_t size = in->ends[number - 1] - start;
    if (size != 0) {
        etw_text_append(text, in->texts.data + start, size);
    }
}

/* A number of at most two digits, as FormatMessage reads them, and its "!format!", which is left
 * out: values are texts already. Returns what follows. */
static const char *append_numbered(const inserts *in, const char *at, etw_text *text)
{
    uint64_t number = 0;
    for (unsigned digits = 0; digits < 2 && *at >= '0' && *at <= '9'; digits++) {
        number = number * 10 + (uint64_t)(*at++ - '0');
    }
    append_insert(in, number, text);
    if (*at == '!') {
        const char *end = strchr(at + 1, '!');
        at = end == NULL ? at : end + 1;
    }
    return at;
}

/* What stands behind a '%' that is no insert (message text files, Windows SDK); 0: nothing known.
 */
static char escaped_character(char after)
{
    switch (after) {
    case '%':
    case '.':
    case '!':
        return after;
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'b':
        return ' ';
    default:
        return 0;
    }
}

static void append_filled(const inserts *in, const etw_name *message, etw_text *text)
{
    const char *at = message->utf8;
    const char *end = at + message->utf8_size;
    if ((in->form & ETW_TEXT_EXACT) == 0 && end > at && end[-1] == ' ') {
        end--;
    }
    const size_t most = text->size + MAX_TEXT;
    while (at < end && text->size < most) {
        const char *percent = memchr(at, '%', (size_t)(end - at));
        const char *stop = percent == NULL ? end : percent;
        etw_text_append_utf8(text, (const uint8_t *)at, (size_t)(stop - at), in->escape);
        if (percent == NULL || percent[1] == '0') {
            return; /* "%0" ends a message */
        }
        at = percent + 1;
        if (*at >= '1' && *at <= '9') {
            at = append_numbered(in, at, text);
            continue;
        }
        const char character = escaped_character(*at);
        etw_text_append_code_point(text, character == 0 ? (uint32_t)'%' : (uint32_t)character,
                                   in->escape);
        at += character == 0 ? 0 : 1;
    }
}

etw_status etw_plan_append_message(const etw_plan *plan, const etw_event_record *record,
                                   uint32_t pointer_size, uint32_t form, etw_escape escape,
                                   etw_text *text)
{
    if (plan->event_message.utf8_size == 0) {
        return ETW_OK;
    }
    if (plan->decoding_source == ETW_DECODING_WPP) {
        return etw_plan_append_wpp_message(plan, record, pointer_size, form, escape, text);
    }
    static const etw_visitor visitor = {on_value, on_open_struct, on_close, on_open_array,
                                        on_close};
    inserts in = {.plan = plan, .form = form, .escape = escape};
    in.ends = malloc((plan->top_count + (size_t)1) * sizeof *in.ends);
    if (in.ends == NULL) {
        return ETW_ERROR_NO_MEMORY;
    }
    etw_ignore(etw_plan_walk(plan, record, pointer_size, &visitor, &in, NULL));
    while (in.count < plan->top_count) {
        in.ends[in.count++] = (uint32_t)in.texts.size;
    }
    append_filled(&in, &plan->event_message, text);
    const bool failed = in.texts.failed || text->failed;
    etw_text_free(&in.texts);
    free(in.ends);
    return failed ? ETW_ERROR_NO_MEMORY : ETW_OK;
}
