/* Writing JSON, one call a value, for texts that are not the events themselves (those have a writer
 * made for speed, json.c).
 *
 * There is no state but the text: a comma is written unless the text is empty or ends with an
 * opening bracket, a colon or a line feed. name: of the member, in ASCII without quotes; NULL for
 * an element of a list. */
#ifndef ETW_FORMAT_OUTPUT_JSON_WRITER_H
#define ETW_FORMAT_OUTPUT_JSON_WRITER_H

#include "format/base/guid.h"
#include "format/base/text.h"

/* Begins a value that the caller then appends. */
void etw_json_begin(etw_text *text, const char *name);
/* bracket: '{' or '['. */
void etw_json_open(etw_text *text, const char *name, char bracket);
/* bracket: '}' or ']'. */
void etw_json_close(etw_text *text, char bracket);

void etw_json_string(etw_text *text, const char *name, const char *utf8);
/* Nothing where utf8 is NULL or "". */
void etw_json_string_if_any(etw_text *text, const char *name, const char *utf8);
void etw_json_utf8(etw_text *text, const char *name, const void *bytes, size_t size);
/* units: UTF-16LE. */
void etw_json_utf16(etw_text *text, const char *name, etw_bytes units);
void etw_json_printf(etw_text *text, const char *name, const char *format, ...) ETW_PRINTF(3, 4);
void etw_json_u64(etw_text *text, const char *name, uint64_t value);
void etw_json_i64(etw_text *text, const char *name, int64_t value);
void etw_json_flag(etw_text *text, const char *name, bool value);
void etw_json_guid(etw_text *text, const char *name, const etw_guid *value);
void etw_json_time(etw_text *text, const char *name, int64_t time_100ns);
/* Nothing where the time is 0. */
void etw_json_time_if_any(etw_text *text, const char *name, int64_t time_100ns);
/* Elements that were written into another text, without their brackets. */
void etw_json_list_of(etw_text *text, const char *name, const etw_text *elements);

#endif
