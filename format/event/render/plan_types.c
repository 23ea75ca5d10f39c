#include "format/event/render/plan_internal.h"

etw_take etw_take_of(uint16_t in_type)
{
    switch (in_type) {
    case ETW_IN_NULL:
        return ETW_TAKE_NOTHING;
    case ETW_IN_UNICODESTRING:
        return ETW_TAKE_WIDE_STRING;
    case ETW_IN_ANSISTRING:
        return ETW_TAKE_NARROW_STRING;
    case ETW_IN_BINARY:
        return ETW_TAKE_BYTES;
    case ETW_IN_POINTER:
    case ETW_IN_SIZET:
        return ETW_TAKE_POINTER;
    case ETW_IN_SID:
        return ETW_TAKE_SID;
    case ETW_IN_WBEMSID:
        return ETW_TAKE_WBEM_SID;
    case ETW_IN_MANIFEST_COUNTEDSTRING:
    case ETW_IN_MANIFEST_COUNTEDANSISTRING:
    case ETW_IN_MANIFEST_COUNTEDBINARY:
    case ETW_IN_COUNTEDSTRING:
    case ETW_IN_COUNTEDANSISTRING:
        return ETW_TAKE_COUNTED;
    case ETW_IN_REVERSEDCOUNTEDSTRING:
    case ETW_IN_REVERSEDCOUNTEDANSISTRING:
        return ETW_TAKE_REVERSE_COUNTED;
    case ETW_IN_NONNULLTERMINATEDSTRING:
    case ETW_IN_NONNULLTERMINATEDANSISTRING:
        return ETW_TAKE_REST;
    case ETW_IN_HEXDUMP:
        return ETW_TAKE_HEX_DUMP;
    default:
        return etw_in_type_size(in_type) != 0 ? ETW_TAKE_FIXED : ETW_TAKE_UNKNOWN;
    }
}

/* How integers are shown. A row of out type NULL serves all out types that have no row. */
static const struct {
    uint16_t in_type;
    uint16_t out_type;
    etw_show show;
} integers[] = {
    {ETW_IN_INT8, ETW_OUT_STRING, ETW_SHOW_ANSI},
    {ETW_IN_INT8, ETW_OUT_NULL, ETW_SHOW_I8},
    {ETW_IN_UINT8, ETW_OUT_HEXINT8, ETW_SHOW_HEX},
    {ETW_IN_UINT8, ETW_OUT_BOOLEAN, ETW_SHOW_BOOLEAN},
    {ETW_IN_UINT8, ETW_OUT_STRING, ETW_SHOW_ANSI},
    {ETW_IN_UINT8, ETW_OUT_NULL, ETW_SHOW_U8},
    {ETW_IN_INT16, ETW_OUT_NULL, ETW_SHOW_I16},
    {ETW_IN_UINT16, ETW_OUT_HEXINT16, ETW_SHOW_HEX},
    {ETW_IN_UINT16, ETW_OUT_PORT, ETW_SHOW_PORT},
    {ETW_IN_UINT16, ETW_OUT_STRING, ETW_SHOW_UTF16},
    {ETW_IN_UINT16, ETW_OUT_NULL, ETW_SHOW_U16},
    {ETW_IN_INT32, ETW_OUT_HRESULT, ETW_SHOW_HRESULT},
    {ETW_IN_INT32, ETW_OUT_NULL, ETW_SHOW_I32},
    {ETW_IN_UINT32, ETW_OUT_HEXINT32, ETW_SHOW_HEX},
    {ETW_IN_UINT32, ETW_OUT_ERRORCODE, ETW_SHOW_HEX},
    {ETW_IN_UINT32, ETW_OUT_CODE_POINTER, ETW_SHOW_HEX},
    {ETW_IN_UINT32, ETW_OUT_IPV4, ETW_SHOW_IPV4},
    {ETW_IN_UINT32, ETW_OUT_WIN32ERROR, ETW_SHOW_WIN32_ERROR},
    {ETW_IN_UINT32, ETW_OUT_NTSTATUS, ETW_SHOW_NTSTATUS},
    {ETW_IN_UINT32, ETW_OUT_NULL, ETW_SHOW_U32},
    {ETW_IN_HEXINT32, ETW_OUT_WIN32ERROR, ETW_SHOW_WIN32_ERROR},
    {ETW_IN_HEXINT32, ETW_OUT_NTSTATUS, ETW_SHOW_NTSTATUS},
    {ETW_IN_INT64, ETW_OUT_NULL, ETW_SHOW_I64},
    {ETW_IN_UINT64, ETW_OUT_HEXINT64, ETW_SHOW_HEX},
    {ETW_IN_UINT64, ETW_OUT_CODE_POINTER, ETW_SHOW_HEX},
    {ETW_IN_UINT64, ETW_OUT_NULL, ETW_SHOW_U64},
    {ETW_IN_POINTER, ETW_OUT_LONG, ETW_SHOW_SIGNED_DECIMAL},
    {ETW_IN_POINTER, ETW_OUT_UNSIGNEDLONG, ETW_SHOW_DECIMAL},
};

static etw_show show_of_integer(uint16_t in_type, uint16_t out_type)
{
    for (size_t i = 0; i < sizeof integers / sizeof integers[0]; i++) {
        if (integers[i].in_type == in_type &&
            (integers[i].out_type == out_type || integers[i].out_type == ETW_OUT_NULL)) {
            return integers[i].show;
        }
    }
    return ETW_SHOW_HEX;
}

static bool is_utf8_out_type(uint16_t out_type)
{
    return out_type == ETW_OUT_UTF8 || out_type == ETW_OUT_JSON || out_type == ETW_OUT_XML;
}

/* A pair of types that is not in the tables of TEXT.md behaves as out type NULL. */
etw_show etw_show_of(uint16_t in_type, uint16_t out_type)
{
    if (out_type == ETW_OUT_HEXBINARY && etw_take_of(in_type) == ETW_TAKE_REST) {
        return in_type == ETW_IN_NONNULLTERMINATEDSTRING ? ETW_SHOW_LZNT1 : ETW_SHOW_HEX_BINARY;
    }
    switch (in_type) {
    case ETW_IN_NULL:
        return ETW_SHOW_EMPTY;
    case ETW_IN_UNICODESTRING:
    case ETW_IN_MANIFEST_COUNTEDSTRING:
    case ETW_IN_COUNTEDSTRING:
    case ETW_IN_REVERSEDCOUNTEDSTRING:
    case ETW_IN_NONNULLTERMINATEDSTRING:
    case ETW_IN_UNICODECHAR:
        return ETW_SHOW_UTF16;
    case ETW_IN_ANSISTRING:
    case ETW_IN_MANIFEST_COUNTEDANSISTRING:
    case ETW_IN_COUNTEDANSISTRING:
    case ETW_IN_REVERSEDCOUNTEDANSISTRING:
    case ETW_IN_NONNULLTERMINATEDANSISTRING:
    case ETW_IN_ANSICHAR:
        return is_utf8_out_type(out_type) ? ETW_SHOW_UTF8 : ETW_SHOW_ANSI;
    case ETW_IN_FLOAT:
        return ETW_SHOW_FLOAT;
    case ETW_IN_DOUBLE:
        return ETW_SHOW_DOUBLE;
    case ETW_IN_BOOLEAN:
        return ETW_SHOW_BOOLEAN;
    case ETW_IN_BINARY:
    case ETW_IN_MANIFEST_COUNTEDBINARY:
        return out_type == ETW_OUT_IPV6            ? ETW_SHOW_IPV6
               : out_type == ETW_OUT_SOCKETADDRESS ? ETW_SHOW_SOCKET_ADDRESS
                                                   : ETW_SHOW_HEX_BINARY;
    case ETW_IN_HEXDUMP:
        return ETW_SHOW_HEX_BINARY;
    case ETW_IN_GUID:
        return ETW_SHOW_GUID;
    case ETW_IN_FILETIME:
        return ETW_SHOW_FILETIME;
    case ETW_IN_SYSTEMTIME:
        return ETW_SHOW_SYSTEMTIME;
    case ETW_IN_SID:
    case ETW_IN_WBEMSID:
        return ETW_SHOW_SID;
    default:
        return show_of_integer(in_type, out_type);
    }
}
