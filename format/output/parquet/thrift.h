/* Thrift's compact protocol, as much of it as Parquet's headers and footer need: structs whose
 * fields have rising numbers. https://github.com/apache/thrift,
 * doc/specs/thrift-compact-protocol.md
 */
#ifndef ETW_FORMAT_PARQUET_THRIFT_H
#define ETW_FORMAT_PARQUET_THRIFT_H

#include "format/base/text.h"

#define ETW_THRIFT_MAX_DEPTH 8u

typedef struct etw_thrift {
    etw_text *text;
    uint32_t depth;
    int16_t last[ETW_THRIFT_MAX_DEPTH]; /* number of the last field, for each open struct */
} etw_thrift;

enum { ETW_THRIFT_I32 = 5, ETW_THRIFT_BINARY = 8, ETW_THRIFT_STRUCT = 12 };

/* Begins a message, which is a struct; end_struct ends it. */
void etw_thrift_begin(etw_thrift *thrift, etw_text *text);
void etw_thrift_struct(etw_thrift *thrift, int16_t field);
/* A struct as an element of a list. */
void etw_thrift_element(etw_thrift *thrift);
void etw_thrift_end_struct(etw_thrift *thrift);
void etw_thrift_bool(etw_thrift *thrift, int16_t field, bool value);
void etw_thrift_byte(etw_thrift *thrift, int16_t field, int8_t value);
void etw_thrift_i32(etw_thrift *thrift, int16_t field, int32_t value);
void etw_thrift_i64(etw_thrift *thrift, int16_t field, int64_t value);
void etw_thrift_binary(etw_thrift *thrift, int16_t field, const void *bytes, size_t size);
void etw_thrift_string(etw_thrift *thrift, int16_t field, const char *string);
/* The elements follow: structs by etw_thrift_element, others by the two below. */
void etw_thrift_list(etw_thrift *thrift, int16_t field, uint32_t count, int element_type);
void etw_thrift_list_i32(etw_thrift *thrift, int32_t value);
void etw_thrift_list_string(etw_thrift *thrift, const char *string);

#endif
