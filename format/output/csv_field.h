/* Fields of comma-separated values, as RFC 4180 has them. */
#ifndef ETW_FORMAT_OUTPUT_CSV_FIELD_H
#define ETW_FORMAT_OUTPUT_CSV_FIELD_H

#include "format/base/text.h"

/* Appends a comma and the field in quotes, its own quotes doubled; an empty field stays empty. */
void etw_csv_append_quoted(etw_text *text, const char *utf8, size_t size);
/* The same without the comma: the first of a row. */
void etw_csv_append_first(etw_text *text, const char *utf8, size_t size);

#endif
