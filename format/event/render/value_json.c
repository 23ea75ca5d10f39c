/* A value as JSON has it: numbers and literals bare, all else as its text. */
#include "format/event/render/number_text.h"
#include "format/event/render/plan_internal.h"

#include <stdio.h>
#include <stdlib.h>

static bool is_finite(double value)
{
    return value - value == 0;
}

/* A number as printf gives it, but with a point whatever the program's locale has there. */
static void append_number(etw_text *text, const char *number)
{
    const size_t before = strspn(number, "-0123456789");
    const size_t point = strcspn(number + before, "0123456789e");
    etw_text_append(text, number, before);
    if (point != 0) {
        etw_text_append_char(text, '.');
    }
    etw_text_append_z(text, number + before + point);
}

/* The shortest of 15 to 17 digits that reads back as the same number. */
static void append_json_double(etw_text *text, double value)
{
    if (!is_finite(value)) {
        etw_text_append_char(text, '"');
        etw_text_append_fixed6(text, value);
        etw_text_append_char(text, '"');
        return;
    }
    char out[32];
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(out, sizeof out, "%.*g", digits, value);
        if (strtod(out, NULL) == value) {
            break;
        }
    }
    append_number(text, out);
}

static void append_json_float(etw_text *text, float value)
{
    if (!is_finite((double)value)) {
        append_json_double(text, (double)value);
        return;
    }
    char out[32];
    for (int digits = 6; digits <= 9; digits++) {
        (void)snprintf(out, sizeof out, "%.*g", digits, (double)value);
        if (strtof(out, NULL) == value) {
            break;
        }
    }
    append_number(text, out);
}

/* Whether the text of such a value is a JSON number or literal as it stands. */
static bool is_json_literal(etw_show show)
{
    return (show >= ETW_SHOW_I8 && show <= ETW_SHOW_U64) || show == ETW_SHOW_DECIMAL ||
           show == ETW_SHOW_SIGNED_DECIMAL || show == ETW_SHOW_PORT || show == ETW_SHOW_BOOLEAN;
}

static bool append_json_bare(etw_text *text, const etw_value *value, uint32_t form)
{
    const etw_show show = (etw_show)value->property->show;
    if (show == ETW_SHOW_FLOAT) {
        append_json_float(text, (float)etw_value_float(value->bytes));
    } else if (show == ETW_SHOW_DOUBLE) {
        append_json_double(text, etw_value_double(value->bytes));
    } else if (show == ETW_SHOW_HEX && (form & ETW_JSON_HEX_NUMBERS) != 0) {
        etw_text_append_u64(text, etw_value_unsigned(value->bytes));
    } else if (is_json_literal(show)) {
        (void)etw_value_append_shown(text, value->property, value->bytes, false, ETW_ESCAPE_JSON);
    } else {
        return false;
    }
    return true;
}

/* A mapped value is its name; one that its map does not know stays a number. */
static bool append_json_mapped(etw_text *text, const etw_value *value, bool exact)
{
    const size_t start = text->size;
    etw_text_append_char(text, '"');
    if (etw_value_append_mapped(text, value->property->map,
                                (uint32_t)etw_value_unsigned(value->bytes), !exact,
                                ETW_ESCAPE_JSON)) {
        etw_text_append_char(text, '"');
        return true;
    }
    text->size = start;
    return false;
}

void etw_value_append_json(const etw_value *value, uint32_t form, etw_text *text)
{
    const etw_property *property = value->property;
    const bool exact = (form & ETW_TEXT_EXACT) != 0;
    const bool shown = !(property->no_print && exact);
    if (shown && property->map != NULL && append_json_mapped(text, value, exact)) {
        return;
    }
    if (shown && append_json_bare(text, value, form)) {
        return;
    }
    etw_text_append_char(text, '"');
    if (shown) {
        (void)etw_value_append_shown(text, property, value->bytes, exact, ETW_ESCAPE_JSON);
    }
    etw_text_append_char(text, '"');
}
