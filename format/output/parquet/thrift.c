#include "format/output/parquet/thrift.h"

enum { TYPE_TRUE = 1, TYPE_FALSE = 2, TYPE_BYTE = 3, TYPE_I64 = 6, TYPE_LIST = 9 };

static uint64_t zigzag(int64_t value)
{
    return ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
}

static void begin_field(etw_thrift *thrift, int16_t field, int type)
{
    const int delta = field - thrift->last[thrift->depth];
    if (delta > 0 && delta < 16) {
        etw_text_append_char(thrift->text, (char)(delta << 4 | type));
    } else {
        etw_text_append_char(thrift->text, (char)type);
        etw_buffer_append_varint(thrift->text, zigzag(field));
    }
    thrift->last[thrift->depth] = field;
}

static void open_struct(etw_thrift *thrift)
{
    if (thrift->depth + 1 < ETW_THRIFT_MAX_DEPTH) {
        thrift->last[++thrift->depth] = 0;
    } else {
        thrift->text->failed = true; /* a defect: no message of Parquet is so deep */
    }
}

void etw_thrift_begin(etw_thrift *thrift, etw_text *text)
{
    *thrift = (etw_thrift){.text = text};
}

void etw_thrift_struct(etw_thrift *thrift, int16_t field)
{
    begin_field(thrift, field, ETW_THRIFT_STRUCT);
    open_struct(thrift);
}

void etw_thrift_element(etw_thrift *thrift)
{
    open_struct(thrift);
}

void etw_thrift_end_struct(etw_thrift *thrift)
{
    etw_text_append_char(thrift->text, 0);
    thrift->depth -= thrift->depth > 0 ? 1 : 0;
}

void etw_thrift_bool(etw_thrift *thrift, int16_t field, bool value)
{
    begin_field(thrift, field, value ? TYPE_TRUE : TYPE_FALSE);
}

void etw_thrift_byte(etw_thrift *thrift, int16_t field, int8_t value)
{
    begin_field(thrift, field, TYPE_BYTE);
    etw_text_append_char(thrift->text, (char)value);
}

void etw_thrift_i32(etw_thrift *thrift, int16_t field, int32_t value)
{
    begin_field(thrift, field, ETW_THRIFT_I32);
    etw_buffer_append_varint(thrift->text, zigzag(value));
}

void etw_thrift_i64(etw_thrift *thrift, int16_t field, int64_t value)
{
    begin_field(thrift, field, TYPE_I64);
    etw_buffer_append_varint(thrift->text, zigzag(value));
}

void etw_thrift_binary(etw_thrift *thrift, int16_t field, const void *bytes, size_t size)
{
    begin_field(thrift, field, ETW_THRIFT_BINARY);
    etw_buffer_append_varint(thrift->text, size);
    etw_text_append(thrift->text, bytes, size);
}

void etw_thrift_string(etw_thrift *thrift, int16_t field, const char *string)
{
    etw_thrift_binary(thrift, field, string, strlen(string));
}

void etw_thrift_list(etw_thrift *thrift, int16_t field, uint32_t count, int element_type)
{
    begin_field(thrift, field, TYPE_LIST);
    if (count < 15) {
        etw_text_append_char(thrift->text, (char)(count << 4 | (uint32_t)element_type));
    } else {
        etw_text_append_char(thrift->text, (char)(0xF0 | element_type));
        etw_buffer_append_varint(thrift->text, count);
    }
}

void etw_thrift_list_i32(etw_thrift *thrift, int32_t value)
{
    etw_buffer_append_varint(thrift->text, zigzag(value));
}

void etw_thrift_list_string(etw_thrift *thrift, const char *string)
{
    const size_t size = strlen(string);
    etw_buffer_append_varint(thrift->text, size);
    etw_text_append(thrift->text, string, size);
}
