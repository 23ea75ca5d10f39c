/* The words that manifests use for what Windows defines: names of winmeta.xml, and types. */
#include "format/event/tei.h"
#include "format/schema/manifest_model.h"

/* What winmeta.xml defines for every provider. */
typedef struct predefined_name {
    const char *name;
    uint32_t kind;
    uint32_t value;
} predefined_name;

static const predefined_name predefined_names[] = {
    {"win:LogAlways", ETW_MANIFEST_LEVEL, 0},     {"win:Critical", ETW_MANIFEST_LEVEL, 1},
    {"win:Error", ETW_MANIFEST_LEVEL, 2},         {"win:Warning", ETW_MANIFEST_LEVEL, 3},
    {"win:Informational", ETW_MANIFEST_LEVEL, 4}, {"win:Verbose", ETW_MANIFEST_LEVEL, 5},
    {"win:None", ETW_MANIFEST_TASK, 0},           {"win:Info", ETW_MANIFEST_OPCODE, 0},
    {"win:Start", ETW_MANIFEST_OPCODE, 1},        {"win:Stop", ETW_MANIFEST_OPCODE, 2},
    {"win:DC_Start", ETW_MANIFEST_OPCODE, 3},     {"win:DC_Stop", ETW_MANIFEST_OPCODE, 4},
    {"win:Extension", ETW_MANIFEST_OPCODE, 5},    {"win:Reply", ETW_MANIFEST_OPCODE, 6},
    {"win:Resume", ETW_MANIFEST_OPCODE, 7},       {"win:Suspend", ETW_MANIFEST_OPCODE, 8},
    {"win:Send", ETW_MANIFEST_OPCODE, 9},         {"win:Receive", ETW_MANIFEST_OPCODE, 240},
    {"TraceClassic", ETW_MANIFEST_CHANNEL, 0},    {"System", ETW_MANIFEST_CHANNEL, 8},
    {"Application", ETW_MANIFEST_CHANNEL, 9},     {"Security", ETW_MANIFEST_CHANNEL, 10},
    {"TraceLogging", ETW_MANIFEST_CHANNEL, 11},
};

bool etw_manifest_predefined(etw_manifest_name_kind kind, const char *name, uint32_t *value)
{
    for (size_t i = 0; i < sizeof predefined_names / sizeof predefined_names[0]; i++) {
        if (predefined_names[i].kind == kind && strcmp(predefined_names[i].name, name) == 0) {
            *value = predefined_names[i].value;
            return true;
        }
    }
    return false;
}

/* A type's name without its prefix: win:, xs:, trace:. The prefixes are used loosely in manifests.
 */
typedef struct in_type_row {
    const char *name;
    uint16_t in_type;
    uint16_t default_out_type;
} in_type_row;

static const in_type_row in_types[] = {
    {"UnicodeString", ETW_IN_UNICODESTRING, ETW_OUT_STRING},
    {"AnsiString", ETW_IN_ANSISTRING, ETW_OUT_STRING},
    {"Int8", ETW_IN_INT8, ETW_OUT_BYTE},
    {"UInt8", ETW_IN_UINT8, ETW_OUT_UNSIGNEDBYTE},
    {"Int16", ETW_IN_INT16, ETW_OUT_SHORT},
    {"UInt16", ETW_IN_UINT16, ETW_OUT_UNSIGNEDSHORT},
    {"Int32", ETW_IN_INT32, ETW_OUT_INT},
    {"UInt32", ETW_IN_UINT32, ETW_OUT_UNSIGNEDINT},
    {"Int64", ETW_IN_INT64, ETW_OUT_LONG},
    {"UInt64", ETW_IN_UINT64, ETW_OUT_UNSIGNEDLONG},
    {"Float", ETW_IN_FLOAT, ETW_OUT_FLOAT},
    {"Double", ETW_IN_DOUBLE, ETW_OUT_DOUBLE},
    {"Boolean", ETW_IN_BOOLEAN, ETW_OUT_BOOLEAN},
    {"Binary", ETW_IN_BINARY, ETW_OUT_HEXBINARY},
    {"GUID", ETW_IN_GUID, ETW_OUT_GUID},
    {"Pointer", ETW_IN_POINTER, ETW_OUT_HEXINT64},
    {"FILETIME", ETW_IN_FILETIME, ETW_OUT_DATETIME},
    {"SYSTEMTIME", ETW_IN_SYSTEMTIME, ETW_OUT_DATETIME},
    {"SID", ETW_IN_SID, ETW_OUT_STRING},
    {"HexInt32", ETW_IN_HEXINT32, ETW_OUT_HEXINT32},
    {"HexInt64", ETW_IN_HEXINT64, ETW_OUT_HEXINT64},
    {"CountedUnicodeString", ETW_IN_MANIFEST_COUNTEDSTRING, ETW_OUT_STRING},
    {"CountedAnsiString", ETW_IN_MANIFEST_COUNTEDANSISTRING, ETW_OUT_STRING},
    {"CountedBinary", ETW_IN_MANIFEST_COUNTEDBINARY, ETW_OUT_HEXBINARY},
    /* The forms of classic events, as manifests of kernel classes write them. */
    {"UnicodeChar", ETW_IN_UNICODECHAR, ETW_OUT_STRING},
    {"AnsiChar", ETW_IN_ANSICHAR, ETW_OUT_STRING},
    {"SizeT", ETW_IN_SIZET, ETW_OUT_HEXINT64},
    {"HexDump", ETW_IN_HEXDUMP, ETW_OUT_HEXBINARY},
    {"WBEMSid", ETW_IN_WBEMSID, ETW_OUT_STRING},
    {"IPAddr", ETW_IN_UINT32, ETW_OUT_IPV4},
    {"IPAddrV4", ETW_IN_UINT32, ETW_OUT_IPV4},
    {"IPAddrV6", ETW_IN_BINARY, ETW_OUT_IPV6},
    {"Port", ETW_IN_UINT16, ETW_OUT_PORT},
    {"WmiTime", ETW_IN_UINT64, ETW_OUT_ETWTIME},
};

typedef struct out_type_row {
    const char *name;
    uint16_t out_type;
} out_type_row;

static const out_type_row out_types[] = {
    {"string", ETW_OUT_STRING},
    {"dateTime", ETW_OUT_DATETIME},
    {"byte", ETW_OUT_BYTE},
    {"unsignedByte", ETW_OUT_UNSIGNEDBYTE},
    {"short", ETW_OUT_SHORT},
    {"unsignedShort", ETW_OUT_UNSIGNEDSHORT},
    {"int", ETW_OUT_INT},
    {"unsignedInt", ETW_OUT_UNSIGNEDINT},
    {"long", ETW_OUT_LONG},
    {"unsignedLong", ETW_OUT_UNSIGNEDLONG},
    {"float", ETW_OUT_FLOAT},
    {"double", ETW_OUT_DOUBLE},
    {"boolean", ETW_OUT_BOOLEAN},
    {"GUID", ETW_OUT_GUID},
    {"hexBinary", ETW_OUT_HEXBINARY},
    {"HexInt8", ETW_OUT_HEXINT8},
    {"HexInt16", ETW_OUT_HEXINT16},
    {"HexInt32", ETW_OUT_HEXINT32},
    {"HexInt64", ETW_OUT_HEXINT64},
    {"PID", ETW_OUT_PID},
    {"TID", ETW_OUT_TID},
    {"Port", ETW_OUT_PORT},
    {"IPv4", ETW_OUT_IPV4},
    {"IPv6", ETW_OUT_IPV6},
    {"SocketAddress", ETW_OUT_SOCKETADDRESS},
    {"CIMDateTime", ETW_OUT_CIMDATETIME},
    {"ETWTIME", ETW_OUT_ETWTIME},
    {"Xml", ETW_OUT_XML},
    {"ErrorCode", ETW_OUT_ERRORCODE},
    {"Win32Error", ETW_OUT_WIN32ERROR},
    {"NTSTATUS", ETW_OUT_NTSTATUS},
    {"HResult", ETW_OUT_HRESULT},
    {"DateTimeCultureInsensitive", ETW_OUT_CULTURE_INSENSITIVE_DATETIME},
    {"Json", ETW_OUT_JSON},
    {"Utf8", ETW_OUT_UTF8},
    {"Pkcs7WithTypeInfo", ETW_OUT_PKCS7_WITH_TYPE_INFO},
    {"CodePointer", ETW_OUT_CODE_POINTER},
    {"DateTimeUtc", ETW_OUT_DATETIME_UTC},
    {"NoPrint", ETW_OUT_NOPRINT},
};

static char lower(char letter)
{
    return letter >= 'A' && letter <= 'Z' ? (char)(letter - 'A' + 'a') : letter;
}

/* Without regard to case, and to what stands before a colon. */
static bool is_type(const char *given, const char *name)
{
    const char *colon = strchr(given, ':');
    given = colon == NULL ? given : colon + 1;
    while (*given != '\0' && lower(*given) == lower(*name)) {
        given++;
        name++;
    }
    return *given == *name;
}

bool etw_manifest_find_types(etw_manifest_field *field, const char *in, const char *out)
{
    const in_type_row *in_row = NULL;
    for (size_t i = 0; in != NULL && i < sizeof in_types / sizeof in_types[0]; i++) {
        if (is_type(in, in_types[i].name)) {
            in_row = &in_types[i];
        }
    }
    if (in_row == NULL) {
        return false;
    }
    field->in_type = in_row->in_type;
    field->out_type = in_row->default_out_type;
    for (size_t i = 0; out != NULL && i < sizeof out_types / sizeof out_types[0]; i++) {
        if (is_type(out, out_types[i].name)) {
            field->out_type = out_types[i].out_type;
        }
    }
    return true;
}
