/* Texts back to bytes: what value.c makes of an element's bytes, read again (TEXT.md). */
#ifndef ETW_FORMAT_EVENT_VALUE_BYTES_H
#define ETW_FORMAT_EVENT_VALUE_BYTES_H

#include "format/base/json_reader.h"
#include "format/event/render/plan.h"

/* Appends the content of one element, without count or NUL: of numbers as many bytes as the type
 * has, of a text as it is. value: a JSON string, number, true or false, as typed or text.
 * pointer_size is 4 or 8. False where the value is none of the type, and *why says what one is. */
bool etw_value_append_bytes(const etw_property *property, uint32_t pointer_size,
                            const etw_json_value *value, etw_buffer *bytes, const char **why);

#endif
