/* Asks TdhFormatProperty what nobody has written down, and prints its answers beside ours.
 *
 * One run on a real Windows closes the open questions of value text: each row is one call with
 * made-up bytes, no session and no provider. Output, one line a call:
 *
 *     row; in type; out type; length; pointer size; bytes; map; status; consumed; text; units; ours
 *
 * text is quoted with control characters escaped, units are its UTF-16 code units in hex, ours is
 * this project's exact form of the same property. Wine's tdh.dll is not Windows' (its
 * TdhFormatProperty ends the program): there, and where the function is missing, the program says
 * so and ends with 1.
 */
#include "format/event/render/plan.h"
#include "format/event/tei_builder.h"

#include <windows.h>

#include <tdh.h>

#include <stdio.h>

typedef ULONG(WINAPI *format_property)(PTRACE_EVENT_INFO, PEVENT_MAP_INFO, ULONG, USHORT, USHORT,
                                       USHORT, USHORT, PBYTE, PULONG, PWCHAR, PUSHORT);

enum map_kind { NO_MAP, VALUE_MAP, BIT_MAP, WBEM_BITS };

typedef struct question {
    uint32_t row; /* of the list of open questions: tdh-format, section 8 */
    uint16_t in_type;
    uint16_t out_type;
    uint16_t length;
    uint16_t pointer_size;
    enum map_kind map;
    const char *bytes; /* hex, blanks ignored */
} question;

#define FILETIME_BYTES   "DB DE 6C 19 17 55 D3 01"
#define SYSTEMTIME_BYTES "E1 07 0B 00 06 00 04 00 03 00 2E 00 16 00 31 01"
#define ZERO_8           "00 00 00 00 00 00 00 00"
#define MAX_BYTES        64u

static const question questions[] = {
    {1, ETW_IN_FILETIME, ETW_OUT_NULL, 8, 8, NO_MAP, FILETIME_BYTES},
    {1, ETW_IN_FILETIME, ETW_OUT_DATETIME, 8, 8, NO_MAP, FILETIME_BYTES},
    {1, ETW_IN_FILETIME, ETW_OUT_CULTURE_INSENSITIVE_DATETIME, 8, 8, NO_MAP, FILETIME_BYTES},
    {1, ETW_IN_FILETIME, ETW_OUT_DATETIME_UTC, 8, 8, NO_MAP, FILETIME_BYTES},
    {1, ETW_IN_SYSTEMTIME, ETW_OUT_NULL, 16, 8, NO_MAP, SYSTEMTIME_BYTES},
    {1, ETW_IN_SYSTEMTIME, ETW_OUT_DATETIME, 16, 8, NO_MAP, SYSTEMTIME_BYTES},
    {1, ETW_IN_SYSTEMTIME, ETW_OUT_CULTURE_INSENSITIVE_DATETIME, 16, 8, NO_MAP, SYSTEMTIME_BYTES},
    {1, ETW_IN_SYSTEMTIME, ETW_OUT_DATETIME_UTC, 16, 8, NO_MAP, SYSTEMTIME_BYTES},
    {2, ETW_IN_UINT32, ETW_OUT_UNSIGNEDINT, 4, 8, BIT_MAP, "03 00 00 00"},
    {2, ETW_IN_UINT32, ETW_OUT_UNSIGNEDINT, 4, 8, BIT_MAP, "07 00 00 00"},
    {2, ETW_IN_UINT32, ETW_OUT_UNSIGNEDINT, 4, 8, BIT_MAP, "00 00 00 00"},
    {2, ETW_IN_UINT32, ETW_OUT_UNSIGNEDINT, 4, 8, BIT_MAP, "08 00 00 00"},
    {3, ETW_IN_UINT32, ETW_OUT_UNSIGNEDINT, 4, 8, VALUE_MAP, "01 00 00 00"},
    {3, ETW_IN_UINT32, ETW_OUT_UNSIGNEDINT, 4, 8, VALUE_MAP, "09 00 00 00"},
    {4, ETW_IN_INT32, ETW_OUT_HRESULT, 4, 8, NO_MAP, "05 00 07 80"},
    {4, ETW_IN_INT32, ETW_OUT_HRESULT, 4, 8, NO_MAP, "00 00 00 00"},
    {4, ETW_IN_INT32, ETW_OUT_HRESULT, 4, 8, NO_MAP, "05 40 00 80"},
    {4, ETW_IN_UINT32, ETW_OUT_WIN32ERROR, 4, 8, NO_MAP, "05 00 00 00"},
    {4, ETW_IN_UINT32, ETW_OUT_WIN32ERROR, 4, 8, NO_MAP, "00 00 00 00"},
    {4, ETW_IN_UINT32, ETW_OUT_NTSTATUS, 4, 8, NO_MAP, "22 00 00 C0"},
    {4, ETW_IN_UINT32, ETW_OUT_NTSTATUS, 4, 8, NO_MAP, "B5 00 00 C0"},
    {4, ETW_IN_UINT32, ETW_OUT_NTSTATUS, 4, 8, NO_MAP, "00 00 00 00"},
    {5, ETW_IN_UINT8, ETW_OUT_BOOLEAN, 1, 8, NO_MAP, "01"},
    {5, ETW_IN_UINT8, ETW_OUT_BOOLEAN, 1, 8, NO_MAP, "00"},
    {5, ETW_IN_UINT8, ETW_OUT_BOOLEAN, 1, 8, NO_MAP, "02"},
    {6, ETW_IN_FLOAT, ETW_OUT_FLOAT, 4, 8, NO_MAP, "00 00 80 7F"},
    {6, ETW_IN_FLOAT, ETW_OUT_FLOAT, 4, 8, NO_MAP, "00 00 80 FF"},
    {6, ETW_IN_FLOAT, ETW_OUT_FLOAT, 4, 8, NO_MAP, "00 00 C0 7F"},
    {6, ETW_IN_DOUBLE, ETW_OUT_DOUBLE, 8, 8, NO_MAP, "9C 75 00 88 3C E4 37 7E"},
    {6, ETW_IN_DOUBLE, ETW_OUT_DOUBLE, 8, 8, NO_MAP, "F6 4A E1 C7 02 2D B5 44"},
    {6, ETW_IN_DOUBLE, ETW_OUT_DOUBLE, 8, 8, NO_MAP, "00 00 00 00 00 00 00 80"},
    {6, ETW_IN_DOUBLE, ETW_OUT_DOUBLE, 8, 8, NO_MAP, "00 00 00 00 00 00 80 3F"},
    {7, ETW_IN_UINT64, ETW_OUT_CODE_POINTER, 8, 8, NO_MAP, "00 10 71 33 F8 7F 00 00"},
    {7, ETW_IN_HEXINT64, ETW_OUT_CODE_POINTER, 8, 8, NO_MAP, "00 10 71 33 F8 7F 00 00"},
    {7, ETW_IN_POINTER, ETW_OUT_CODE_POINTER, 8, 8, NO_MAP, "00 10 71 33 F8 7F 00 00"},
    {7, ETW_IN_UINT32, ETW_OUT_ERRORCODE, 4, 8, NO_MAP, "05 00 00 00"},
    {7, ETW_IN_SIZET, ETW_OUT_NULL, 8, 8, NO_MAP, "10 00 00 00 00 00 00 00"},
    {7, ETW_IN_UINT64, ETW_OUT_ETWTIME, 8, 8, NO_MAP, FILETIME_BYTES},
    {7, ETW_IN_POINTER, ETW_OUT_LONG, 8, 8, NO_MAP, "FF FF FF FF FF FF FF FF"},
    {7, ETW_IN_POINTER, ETW_OUT_UNSIGNEDLONG, 8, 8, NO_MAP, "FF FF FF FF FF FF FF FF"},
    {8, ETW_IN_BINARY, ETW_OUT_SOCKETADDRESS, 16, 8, NO_MAP, "02 00 00 00 01 02 03 04" ZERO_8},
    {8, ETW_IN_BINARY, ETW_OUT_SOCKETADDRESS, 28, 8, NO_MAP,
     "17 00 00 00 00 00 00 00 FE 80 00 00 00 00 00 00 00 00 00 00 00 00 00 01 00 00 00 00"},
    {8, ETW_IN_BINARY, ETW_OUT_SOCKETADDRESS, 28, 8, NO_MAP,
     "17 00 01 BD 00 00 00 00 FE 80 00 00 00 00 00 00 00 00 00 00 00 00 00 01 07 00 00 00"},
    {8, ETW_IN_BINARY, ETW_OUT_SOCKETADDRESS, 16, 8, NO_MAP, "21 00 01 02 03 04 05 06" ZERO_8},
    {8, ETW_IN_BINARY, ETW_OUT_SOCKETADDRESS, 16, 8, NO_MAP, "01 00 2F 61 62 63 00 00" ZERO_8},
    {8, ETW_IN_BINARY, ETW_OUT_SOCKETADDRESS, 28, 8, NO_MAP, ZERO_8 ZERO_8 ZERO_8 "00 00 00 00"},
    {9, ETW_IN_BINARY, ETW_OUT_IPV6, 16, 8, NO_MAP, ZERO_8 ZERO_8},
    {9, ETW_IN_BINARY, ETW_OUT_IPV6, 16, 8, NO_MAP, ZERO_8 "00 00 00 00 00 00 00 01"},
    {9, ETW_IN_BINARY, ETW_OUT_IPV6, 16, 8, NO_MAP, ZERO_8 "00 00 00 00 01 02 03 04"},
    {9, ETW_IN_BINARY, ETW_OUT_IPV6, 16, 8, NO_MAP, ZERO_8 "00 00 FF FF 01 02 03 04"},
    {9, ETW_IN_BINARY, ETW_OUT_IPV6, 16, 8, NO_MAP, ZERO_8 "FF FF 00 00 01 02 03 04"},
    {9, ETW_IN_BINARY, ETW_OUT_IPV6, 16, 8, NO_MAP,
     "FE 80 00 00 00 00 00 00 00 00 5E FE 01 02 03 04"},
    {9, ETW_IN_BINARY, ETW_OUT_IPV6, 16, 8, NO_MAP,
     "20 01 0D B8 00 00 00 00 00 01 00 00 00 00 00 01"},
    {10, ETW_IN_BINARY, ETW_OUT_HEXBINARY, 0, 8, NO_MAP, ""},
    {10, ETW_IN_COUNTEDSTRING, ETW_OUT_NULL, 0, 8, NO_MAP, "00 00"},
    {10, ETW_IN_UNICODESTRING, ETW_OUT_STRING, 0, 8, NO_MAP, ""},
    {10, ETW_IN_HEXDUMP, ETW_OUT_NULL, 0, 8, NO_MAP, "00 00 00 00"},
    {11, ETW_IN_UNICODESTRING, ETW_OUT_STRING, 0, 8, NO_MAP, "68 00 69 00"},
    {11, ETW_IN_UNICODESTRING, ETW_OUT_STRING, 4, 8, NO_MAP, "61 00 00 00 62 00 63 00"},
    {11, ETW_IN_UNICODESTRING, ETW_OUT_STRING, 0, 8, NO_MAP, "68 00 69"},
    {11, ETW_IN_COUNTEDSTRING, ETW_OUT_NULL, 0, 8, NO_MAP, "05 00 68 00 69 00 6A"},
    {11, ETW_IN_COUNTEDSTRING, ETW_OUT_NULL, 0, 8, NO_MAP, "06 00 68 00 00 00 6A 00"},
    {12, ETW_IN_INT8, ETW_OUT_STRING, 1, 8, NO_MAP, "E9"},
    {12, ETW_IN_UINT8, ETW_OUT_STRING, 1, 8, NO_MAP, "E9"},
    {12, ETW_IN_UINT16, ETW_OUT_STRING, 2, 8, NO_MAP, "AC 20"},
    {12, ETW_IN_UNICODECHAR, ETW_OUT_NULL, 2, 8, NO_MAP, "AC 20"},
    {12, ETW_IN_ANSICHAR, ETW_OUT_NULL, 1, 8, NO_MAP, "E9"},
    {13, ETW_IN_ANSISTRING, ETW_OUT_STRING, 0, 8, NO_MAP, "C3 A9 00"},
    {13, ETW_IN_ANSISTRING, ETW_OUT_UTF8, 0, 8, NO_MAP, "C3 A9 00"},
    {13, ETW_IN_ANSISTRING, ETW_OUT_JSON, 0, 8, NO_MAP, "C3 A9 00"},
    {13, ETW_IN_ANSISTRING, ETW_OUT_XML, 0, 8, NO_MAP, "C3 A9 00"},
    {14, ETW_IN_UINT8, ETW_OUT_NOPRINT, 1, 8, NO_MAP, "07"},
    {14, ETW_IN_UINT32, ETW_OUT_NOPRINT, 4, 8, NO_MAP, "07 00 00 00"},
    {14, ETW_IN_UINT64, ETW_OUT_NOPRINT, 8, 8, NO_MAP, "07 00 00 00 00 00 00 00"},
    {14, ETW_IN_UNICODESTRING, ETW_OUT_NOPRINT, 0, 8, NO_MAP, "68 00 00 00"},
    {14, ETW_IN_GUID, ETW_OUT_NOPRINT, 16, 8, NO_MAP, ZERO_8 ZERO_8},
    {15, ETW_IN_INT8, ETW_OUT_HEXINT8, 1, 8, NO_MAP, "0F"},
    {15, ETW_IN_UINT32, ETW_OUT_PORT, 4, 8, NO_MAP, "01 BB 00 00"},
    {15, ETW_IN_HEXINT32, ETW_OUT_IPV4, 4, 8, NO_MAP, "01 02 03 04"},
    {15, ETW_IN_INT16, ETW_OUT_HEXINT16, 2, 8, NO_MAP, "FF 00"},
    {16, ETW_IN_UINT32, ETW_OUT_NULL, 4, 8, WBEM_BITS, "02 00 00 00"},
    {17, ETW_IN_UINT32, ETW_OUT_UNSIGNEDINT, 0, 8, NO_MAP, "07 00 00 00"},
    {17, ETW_IN_UINT32, ETW_OUT_UNSIGNEDINT, 8, 8, NO_MAP, "07 00 00 00 00 00 00 00"},
    {17, ETW_IN_POINTER, ETW_OUT_HEXINT64, 4, 8, NO_MAP, "07 00 00 00 00 00 00 00"},
    {18, ETW_IN_UINT64, ETW_OUT_UNSIGNEDLONG, 8, 8, VALUE_MAP, "01 00 00 00 00 00 00 00"},
    {18, ETW_IN_INT32, ETW_OUT_INT, 4, 8, VALUE_MAP, "01 00 00 00"},
};

static const char *const map_names[] = {"none", "value map", "bit map", "WBEM bit map"};

static uint16_t bytes_of_hex(const char *hex, uint8_t *bytes)
{
    uint16_t size = 0;
    unsigned value;
    while (size < MAX_BYTES && sscanf(hex, " %2x", &value) == 1) {
        bytes[size++] = (uint8_t)value;
        hex += *hex == ' ' ? 3 : 2;
    }
    return size;
}

static etw_status make_map(etw_tei_builder *builder, enum map_kind kind, etw_bytes *map)
{
    static const etw_map_entry_spec entries[] = {{1, "Sun"}, {2, "Mon"}};
    static const uint32_t flags[] = {0, ETW_MAP_MANIFEST_VALUEMAP, ETW_MAP_MANIFEST_BITMAP,
                                     ETW_MAP_WBEM_BITMAP};
    return etw_tei_builder_map(builder, &(etw_map_spec){"Days", flags[kind], entries, 2}, map,
                               NULL);
}

static etw_status append_value(void *context, const etw_value *value)
{
    (void)etw_value_append_text(value, ETW_TEXT_EXACT, ETW_ESCAPE_LINE, context);
    return ETW_OK;
}

/* The same property, rendered by this project. */
static etw_status append_ours(const question *q, const uint8_t *bytes, uint16_t size,
                              const etw_bytes *map, etw_text *text)
{
    static const etw_visitor visitor = {.value = append_value};
    const bool with_length = q->length != 0 && etw_in_type_size(q->in_type) == 0;
    const etw_tei_property_spec property = {.name = "A",
                                            .in_type = q->in_type,
                                            .out_type = q->out_type,
                                            .length = q->length,
                                            .map_name = q->map == NO_MAP ? NULL : "Days",
                                            .flags = with_length ? ETW_PROP_PARAM_FIXED_LENGTH : 0};
    etw_tei_builder *builder = etw_tei_builder_new();
    if (builder == NULL) {
        return ETW_ERROR_NO_MEMORY;
    }
    (void)etw_tei_builder_add(builder, 0, &property);
    etw_schema schema = {.map_count = q->map == NO_MAP ? 0 : 1, .maps = map};
    etw_plan *plan = NULL;
    etw_status status =
        etw_tei_builder_finish(builder, &(etw_tei_event_spec){0}, &schema.tei, NULL);
    if (status == ETW_OK) {
        status = etw_plan_compile(&schema, &plan, NULL);
    }
    if (status == ETW_OK) {
        const etw_event_record record = {.UserData = (void *)bytes, .UserDataLength = size};
        status = etw_plan_walk(plan, &record, q->pointer_size, &visitor, text, NULL);
    }
    etw_plan_free(plan);
    etw_tei_builder_free(builder);
    return status;
}

static void append_units(etw_text *text, const WCHAR *units)
{
    for (; *units != 0; units++) {
        etw_text_printf(text, "%04X ", (unsigned)*units);
    }
}

static void ask(format_property format, const question *q, const etw_bytes *map, etw_text *line)
{
    static TRACE_EVENT_INFO info; /* TdhFormatProperty takes one, and looks at nothing in it */
    static WCHAR units[4096];
    uint8_t bytes[MAX_BYTES];
    const uint16_t size = bytes_of_hex(q->bytes, bytes);
    ULONG buffer_size = sizeof units;
    USHORT consumed = 0;
    units[0] = 0;
    PEVENT_MAP_INFO map_info = q->map == NO_MAP ? NULL : (PEVENT_MAP_INFO)(void *)map->data;
    const ULONG status = format(&info, map_info, q->pointer_size, q->in_type, q->out_type,
                                q->length, size, bytes, &buffer_size, units, &consumed);
    etw_text_printf(line, "%u; %s; %s; %u; %u; %s; %s; %lu; %u; \"", (unsigned)q->row,
                    etw_in_type_name(q->in_type), etw_out_type_name(q->out_type), q->length,
                    q->pointer_size, q->bytes, map_names[q->map], status, consumed);
    if (status == 0) {
        etw_text_append_utf16(line, (const uint8_t *)units, 2 * wcslen(units), ETW_ESCAPE_LINE);
    }
    etw_text_append_z(line, "\"; ");
    if (status == 0) {
        append_units(line, units);
    }
    etw_text_append_z(line, "; \"");
    (void)append_ours(q, bytes, size, map, line);
    etw_text_append_z(line, "\"\n");
}

/* NULL, with a message on stderr, where Windows' own function is not to be had. */
static format_property find_function(void)
{
    if (GetProcAddress(GetModuleHandleW(L"ntdll.dll"), "wine_get_version") != NULL) {
        (void)fprintf(stderr, "tdh_probe: this is Wine, whose tdh.dll is not Windows' own: nothing "
                              "was asked\n");
        return NULL;
    }
    const HMODULE tdh = LoadLibraryW(L"tdh.dll");
    const FARPROC found = tdh == NULL ? NULL : GetProcAddress(tdh, "TdhFormatProperty");
    if (found == NULL) {
        (void)fprintf(stderr,
                      "tdh_probe: this system has no TdhFormatProperty: nothing was asked\n");
    }
    return (format_property)(void *)found;
}

int main(void)
{
    const format_property format = find_function();
    if (format == NULL) {
        return 1;
    }
    etw_tei_builder *builder = etw_tei_builder_new();
    if (builder == NULL) {
        return 1;
    }
    etw_text line = {0};
    etw_text_append_z(&line, "row; in type; out type; length; pointer size; bytes; map; status; "
                             "consumed; text; units; ours\n");
    for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++) {
        etw_bytes map = {NULL, 0};
        if (questions[i].map == NO_MAP || make_map(builder, questions[i].map, &map) == ETW_OK) {
            ask(format, &questions[i], &map, &line);
        }
    }
    (void)fwrite(line.data, 1, line.size, stdout);
    const bool failed = line.failed;
    etw_text_free(&line);
    etw_tei_builder_free(builder);
    return failed ? 1 : 0;
}
