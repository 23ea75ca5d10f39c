#include "format/output/json_writer.h"

#include "format/event/clock.h"

#include <stdarg.h>
#include <stdio.h>

void etw_json_begin(etw_text *text, const char *name)
{
    const char last = text->size == 0 ? '\n' : text->data[text->size - 1];
    if (strchr("{[:\n", last) == NULL || last == '\0') {
        etw_text_append_char(text, ',');
    }
    if (name != NULL) {
        etw_text_append_char(text, '"');
        etw_text_append_z(text, name);
        etw_text_append(text, "\":", 2);
    }
}

void etw_json_open(etw_text *text, const char *name, char bracket)
{
    etw_json_begin(text, name);
    etw_text_append_char(text, bracket);
}

void etw_json_close(etw_text *text, char bracket)
{
    etw_text_append_char(text, bracket);
}

void etw_json_utf8(etw_text *text, const char *name, const void *bytes, size_t size)
{
    etw_json_begin(text, name);
    etw_text_append_char(text, '"');
    etw_text_append_utf8(text, bytes, size, ETW_ESCAPE_JSON);
    etw_text_append_char(text, '"');
}

void etw_json_utf16(etw_text *text, const char *name, etw_bytes units)
{
    etw_json_begin(text, name);
    etw_text_append_char(text, '"');
    etw_text_append_utf16(text, units.data, units.size, ETW_ESCAPE_JSON);
    etw_text_append_char(text, '"');
}

void etw_json_string(etw_text *text, const char *name, const char *utf8)
{
    etw_json_utf8(text, name, utf8, strlen(utf8));
}

void etw_json_string_if_any(etw_text *text, const char *name, const char *utf8)
{
    if (utf8 != NULL && utf8[0] != '\0') {
        etw_json_string(text, name, utf8);
    }
}

void etw_json_printf(etw_text *text, const char *name, const char *format, ...)
{
    char value[1200];
    va_list list;
    va_start(list, format);
    (void)vsnprintf(value, sizeof value, format, list);
    va_end(list);
    etw_json_string(text, name, value);
}

void etw_json_u64(etw_text *text, const char *name, uint64_t value)
{
    etw_json_begin(text, name);
    etw_text_append_u64(text, value);
}

void etw_json_i64(etw_text *text, const char *name, int64_t value)
{
    etw_json_begin(text, name);
    etw_text_append_i64(text, value);
}

void etw_json_flag(etw_text *text, const char *name, bool value)
{
    etw_json_begin(text, name);
    etw_text_append_z(text, value ? "true" : "false");
}

void etw_json_guid(etw_text *text, const char *name, const etw_guid *value)
{
    etw_json_begin(text, name);
    etw_text_append_char(text, '"');
    etw_text_append_guid(text, value);
    etw_text_append_char(text, '"');
}

void etw_json_time(etw_text *text, const char *name, int64_t time_100ns)
{
    etw_json_begin(text, name);
    etw_text_append_char(text, '"');
    etw_text_append_time(text, time_100ns);
    etw_text_append_char(text, '"');
}

void etw_json_time_if_any(etw_text *text, const char *name, int64_t time_100ns)
{
    if (time_100ns != 0) {
        etw_json_time(text, name, time_100ns);
    }
}

void etw_json_list_of(etw_text *text, const char *name, const etw_text *elements)
{
    etw_json_open(text, name, '[');
    etw_text_append(text, elements->data, elements->size);
    etw_json_close(text, ']');
}
