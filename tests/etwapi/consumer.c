/* A consumer as others write them, against Windows' documentation alone: it prints each event as a
 * line of JSON, so that tests can compare what arrives through the API with etw-replay.
 *
 *     consumer file TRACE [ansi] [classic] [raw] [from=FILETIME] [to=FILETIME] [manifest=PATH]
 *     consumer live GUID LEVEL ANY ALL PROPERTY [ansi] [classic] [close-after=N] [stop-after=N]
 *                                               [leave]
 *
 * The last line tells how it ended: the results of ProcessTrace and CloseTrace, and the losses. */
#include "format/event/tei.h"
#include "replay/etwapi/etw_headers.h"

#include <objbase.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#define SESSION_NAME       L"etwapi consumer"
#define MAX_TEI_BYTES      0x20000u
#define MAX_TEXT_UNITS     0x20000u
#define INVALID_EVENT_DATA 15005u /* ERROR_EVT_INVALID_EVENT_DATA */

/* Declared by the Windows SDK; mingw-w64's tdh.h lacks them. */
ULONG WINAPI TdhFormatProperty(TRACE_EVENT_INFO *, EVENT_MAP_INFO *, ULONG, USHORT, USHORT, USHORT,
                               USHORT, BYTE *, ULONG *, WCHAR *, USHORT *);
ULONG WINAPI TdhLoadManifest(PWSTR path);

typedef struct consumer {
    bool ansi, classic, raw, leave;
    ULONG close_after, stop_after, seen; /* close_after, stop_after: 0 never */
    FILETIME from, to;
    TRACEHANDLE trace, session;
    ULONG closed; /* what CloseTrace said in the callback */
    /* of the event at hand */
    EVENT_RECORD *event;
    TRACE_EVENT_INFO *info;
    BYTE *data, *end;
    ULONG pointer_size;
    USHORT numbers[0x10000]; /* values of integer properties, by index: counts and lengths */
    WCHAR text[MAX_TEXT_UNITS];
} consumer;

static const WCHAR *string_at(const consumer *c, ULONG offset)
{
    return (const WCHAR *)(const void *)((const BYTE *)c->info + offset);
}

static void print_text(const WCHAR *text)
{
    putchar('"');
    for (; *text != 0; text++) {
        if (*text >= ' ' && *text < 0x7F && *text != '"' && *text != '\\') {
            putchar(*text);
        } else {
            printf("\\u%04x", *text);
        }
    }
    putchar('"');
}

static void print_guid(const GUID *guid)
{
    WCHAR text[40];
    (void)StringFromGUID2(guid, text, 40);
    print_text(_wcslwr(text));
}

static void remember_number(consumer *c, ULONG index)
{
    const EVENT_PROPERTY_INFO *property = &c->info->EventPropertyInfoArray[index];
    static const BYTE sizes[] = {
        [ETW_IN_INT8] = 1,  [ETW_IN_UINT8] = 1,  [ETW_IN_INT16] = 2,   [ETW_IN_UINT16] = 2,
        [ETW_IN_INT32] = 4, [ETW_IN_UINT32] = 4, [ETW_IN_HEXINT32] = 4};
    const USHORT type = property->nonStructType.InType;
    const BYTE size = type < sizeof sizes ? sizes[type] : 0;
    ULONG value = 0;
    if (size != 0 && c->end - c->data >= size) {
        memcpy(&value, c->data, size);
    }
    c->numbers[index] = (USHORT)(value > 0xFFFF ? 0xFFFF : value);
}

static USHORT length_of(const consumer *c, const EVENT_PROPERTY_INFO *property)
{
    if ((property->Flags & PropertyParamLength) != 0) {
        return c->numbers[property->lengthPropertyIndex];
    }
    const bool is_ipv6 = property->nonStructType.InType == ETW_IN_BINARY &&
                         property->nonStructType.OutType == ETW_OUT_IPV6;
    return is_ipv6 && property->length == 0 ? 16 : property->length;
}

/* NULL where the property has no map, or the map no words. To be freed. */
static EVENT_MAP_INFO *map_of(const consumer *c, const EVENT_PROPERTY_INFO *property)
{
    WCHAR *name = (WCHAR *)(uintptr_t)string_at(c, property->nonStructType.MapNameOffset);
    ULONG size = 0;
    if (property->nonStructType.MapNameOffset == 0 ||
        TdhGetEventMapInformation(c->event, name, NULL, &size) != ERROR_INSUFFICIENT_BUFFER) {
        return NULL;
    }
    EVENT_MAP_INFO *map = malloc(size);
    if (map != NULL && TdhGetEventMapInformation(c->event, name, map, &size) != ERROR_SUCCESS) {
        abort();
    }
    return map;
}

static ULONG format(consumer *c, const EVENT_PROPERTY_INFO *property, EVENT_MAP_INFO *map,
                    USHORT *used)
{
    ULONG size = sizeof c->text;
    return TdhFormatProperty(c->info, map, c->pointer_size, property->nonStructType.InType,
                             property->nonStructType.OutType, length_of(c, property),
                             (USHORT)(c->end - c->data), c->data, &size, c->text, used);
}

/* TdhGetProperty must find the same bytes as TdhFormatProperty used. */
static bool is_got(const consumer *c, const EVENT_PROPERTY_INFO *property, USHORT used)
{
    PROPERTY_DATA_DESCRIPTOR path = {.PropertyName = (uintptr_t)string_at(c, property->NameOffset),
                                     .ArrayIndex = ULONG_MAX};
    ULONG size = 0;
    static BYTE bytes[0x10000];
    return TdhGetPropertySize(c->event, 0, NULL, 1, &path, &size) == ERROR_SUCCESS &&
           size == used &&
           TdhGetProperty(c->event, 0, NULL, 1, &path, size, bytes) == ERROR_SUCCESS &&
           memcmp(bytes, c->data, size) == 0;
}

/* One element; alone: of no array and no struct, so that it can be asked for by name as well. */
static void print_value(consumer *c, const EVENT_PROPERTY_INFO *property, bool alone)
{
    EVENT_MAP_INFO *map = map_of(c, property);
    USHORT used = 0;
    ULONG code = format(c, property, map, &used);
    if (code == INVALID_EVENT_DATA && map != NULL) {
        code = format(c, property, NULL, &used); /* the map has no word for this value */
    }
    free(map);
    if (code != ERROR_SUCCESS) {
        printf("{\"Error\":%lu}", code);
    } else if (alone && !is_got(c, property, used)) {
        printf("{\"Error\":\"TdhGetProperty differs\"}");
    } else {
        print_text(c->text);
    }
    c->data += used;
}

static void print_properties(consumer *c, ULONG from, ULONG to, bool top)
{
    putchar('{');
    for (ULONG i = from; i < to; i++) {
        const EVENT_PROPERTY_INFO *property = &c->info->EventPropertyInfoArray[i];
        const ULONG flags = (ULONG)property->Flags;
        const bool counted = (flags & ETW_PROP_PARAM_COUNT) != 0;
        const USHORT count = counted ? c->numbers[property->countPropertyIndex] : property->count;
        const bool array = counted || count != 1 || (flags & ETW_PROP_PARAM_FIXED_COUNT) != 0;
        const USHORT first = property->structType.StructStartIndex;
        if ((flags & ETW_PROP_STRUCT) == 0 && !array) {
            remember_number(c, i);
        }
        printf("%s", i == from ? "" : ",");
        print_text(string_at(c, property->NameOffset));
        printf(array ? ":[" : ":");
        for (USHORT k = 0; k < count; k++) {
            printf(k == 0 ? "" : ",");
            if ((flags & ETW_PROP_STRUCT) != 0) {
                print_properties(c, first, first + (ULONG)property->structType.NumOfStructMembers,
                                 false);
            } else {
                print_value(c, property, top && !array);
            }
        }
        printf(array ? "]" : "");
    }
    putchar('}');
}

static void WINAPI on_record(EVENT_RECORD *event)
{
    consumer *c = event->UserContext;
    const EVENT_HEADER *header = &event->EventHeader;
    const EVENT_DESCRIPTOR *about = &header->EventDescriptor;
    printf("{\"TimeStamp\":%lld,\"ProviderId\":", header->TimeStamp.QuadPart);
    print_guid(&header->ProviderId);
    printf(",\"Id\":%u,\"Version\":%u,\"Channel\":%u,\"Level\":%u,\"Opcode\":%u,\"Task\":%u,"
           "\"Keyword\":\"0x%llX\",\"ProcessId\":%lu,\"ThreadId\":%lu,\"Flags\":%u,\"Items\":[",
           about->Id, about->Version, about->Channel, about->Level, about->Opcode, about->Task,
           about->Keyword, header->ProcessId, header->ThreadId, header->Flags);
    for (USHORT i = 0; i < event->ExtendedDataCount; i++) {
        printf("%s%u", i == 0 ? "" : ",", event->ExtendedData[i].ExtType);
    }
    ULONG size = MAX_TEI_BYTES;
    const ULONG code = TdhGetEventInformation(event, 0, NULL, c->info, &size);
    printf("],\"Information\":%lu", code);
    if (code == ERROR_SUCCESS) {
        c->event = event;
        c->data = event->UserData;
        c->end = c->data + event->UserDataLength;
        c->pointer_size = (header->Flags & EVENT_HEADER_FLAG_32_BIT_HEADER) != 0 ? 4 : 8;
        printf(",\"EventProperties\":");
        print_properties(c, 0, c->info->TopLevelPropertyCount, true);
    }
    printf("}\n");
    c->seen++;
    if (c->seen == c->close_after) {
        c->closed = CloseTrace(c->trace);
    }
}

/* EventCallback has no context. */
static ULONG classic_seen;

static void WINAPI on_classic(EVENT_TRACE *event)
{
    printf("{\"TimeStamp\":%lld,\"ProviderId\":", event->Header.TimeStamp.QuadPart);
    print_guid(&event->Header.Guid);
    printf(",\"Version\":%u,\"Level\":%u,\"Opcode\":%u,\"ProcessId\":%lu,\"ThreadId\":%lu,"
           "\"MofLength\":%lu}\n",
           event->Header.Class.Version, event->Header.Class.Level, event->Header.Class.Type,
           event->Header.ProcessId, event->Header.ThreadId, event->MofLength);
    classic_seen++;
}

typedef struct properties {
    EVENT_TRACE_PROPERTIES head;
    WCHAR name[64];
} properties;

static ULONG stop_session(consumer *c, ULONG *lost)
{
    properties block = {.head = {.Wnode = {.BufferSize = sizeof block}}};
    const ULONG code = ControlTraceW(c->session, NULL, &block.head, EVENT_TRACE_CONTROL_STOP);
    *lost = block.head.EventsLost;
    return code;
}

/* Another thread stops the session once enough was seen. */
static DWORD WINAPI stop_later(void *context)
{
    consumer *c = context;
    while (*(volatile ULONG *)&c->seen + *(volatile ULONG *)&classic_seen < c->stop_after) {
        Sleep(1);
    }
    ULONG lost = 0;
    const ULONG code = stop_session(c, &lost);
    return code == ERROR_SUCCESS ? lost : MAXDWORD;
}

static ULONG start_session(consumer *c, char **argument)
{
    properties block = {.head = {.Wnode = {.BufferSize = sizeof block,
                                           .Flags = WNODE_FLAG_TRACED_GUID,
                                           .ClientContext = 1},
                                 .LogFileMode = EVENT_TRACE_REAL_TIME_MODE,
                                 .LoggerNameOffset = offsetof(properties, name)}};
    const ULONG code = StartTraceW(&c->session, SESSION_NAME, &block.head);
    WCHAR text[40] = L"";
    GUID provider;
    (void)MultiByteToWideChar(CP_UTF8, 0, argument[0], -1, text, 40);
    if (code != ERROR_SUCCESS || CLSIDFromString(text, &provider) != S_OK) {
        return code != ERROR_SUCCESS ? code : ERROR_INVALID_PARAMETER;
    }
    ENABLE_TRACE_PARAMETERS how = {.Version = ENABLE_TRACE_PARAMETERS_VERSION_2,
                                   .EnableProperty = strtoul(argument[4], NULL, 0)};
    return EnableTraceEx2(c->session, &provider, EVENT_CONTROL_CODE_ENABLE_PROVIDER,
                          (UCHAR)strtoul(argument[1], NULL, 0), strtoull(argument[2], NULL, 0),
                          strtoull(argument[3], NULL, 0), 0, &how);
}

static ULONG open_trace(consumer *c, const char *path)
{
    EVENT_TRACE_LOGFILEW log = {.Context = c};
    WCHAR wide[MAX_PATH] = L"";
    const ULONG source = path == NULL ? PROCESS_TRACE_MODE_REAL_TIME : 0;
    log.ProcessTraceMode = source | (c->classic ? 0 : PROCESS_TRACE_MODE_EVENT_RECORD) |
                           (c->raw ? PROCESS_TRACE_MODE_RAW_TIMESTAMP : 0);
    if (c->classic) {
        log.EventCallback = on_classic;
    } else {
        log.EventRecordCallback = on_record;
    }
    if (c->ansi) {
        EVENT_TRACE_LOGFILEA narrow;
        memcpy(&narrow, &log, sizeof narrow);
        narrow.LogFileName = (char *)(uintptr_t)path;
        narrow.LoggerName = path == NULL ? "etwapi consumer" : NULL;
        c->trace = OpenTraceA(&narrow);
    } else {
        (void)MultiByteToWideChar(CP_ACP, 0, path == NULL ? "" : path, -1, wide, MAX_PATH);
        log.LogFileName = path == NULL ? NULL : wide;
        log.LoggerName = path == NULL ? SESSION_NAME : NULL;
        c->trace = OpenTraceW(&log);
    }
    return c->trace == INVALID_PROCESSTRACE_HANDLE ? GetLastError() : ERROR_SUCCESS;
}

static bool starts_with(const char *text, const char *start, const char **rest)
{
    *rest = text + strlen(start);
    return strncmp(text, start, strlen(start)) == 0;
}

static FILETIME filetime(const char *text)
{
    const ULONGLONG value = strtoull(text, NULL, 10);
    return (FILETIME){(DWORD)value, (DWORD)(value >> 32)};
}

static void read_option(consumer *c, const char *option)
{
    const char *rest;
    WCHAR path[MAX_PATH];
    c->ansi |= strcmp(option, "ansi") == 0;
    c->classic |= strcmp(option, "classic") == 0;
    c->raw |= strcmp(option, "raw") == 0;
    c->leave |= strcmp(option, "leave") == 0;
    if (starts_with(option, "from=", &rest)) {
        c->from = filetime(rest);
    } else if (starts_with(option, "to=", &rest)) {
        c->to = filetime(rest);
    } else if (starts_with(option, "close-after=", &rest)) {
        c->close_after = strtoul(rest, NULL, 10);
    } else if (starts_with(option, "stop-after=", &rest)) {
        c->stop_after = strtoul(rest, NULL, 10);
    } else if (starts_with(option, "manifest=", &rest)) {
        (void)MultiByteToWideChar(CP_ACP, 0, rest, -1, path, MAX_PATH);
        const ULONG code = TdhLoadManifest(path);
        if (code != ERROR_SUCCESS) {
            printf("{\"TdhLoadManifest\":%lu}\n", code);
        }
    }
}

static FILETIME *or_none(FILETIME *time)
{
    return time->dwLowDateTime == 0 && time->dwHighDateTime == 0 ? NULL : time;
}

int main(int count, char **argument)
{
    static consumer c;
    c.info = malloc(MAX_TEI_BYTES);
    const bool live = count > 6 && strcmp(argument[1], "live") == 0;
    if (c.info == NULL || (!live && (count < 3 || strcmp(argument[1], "file") != 0))) {
        return 2;
    }
    for (int i = live ? 7 : 3; i < count; i++) {
        read_option(&c, argument[i]);
    }
    ULONG code = live ? start_session(&c, argument + 2) : ERROR_SUCCESS;
    if (c.leave) {
        return 0; /* a controller's program: the session goes on */
    }
    if (code == ERROR_SUCCESS) {
        code = open_trace(&c, live ? NULL : argument[2]);
    }
    if (code != ERROR_SUCCESS) {
        printf("{\"OpenTrace\":%lu}\n", code);
        return 1;
    }
    HANDLE stopper = c.stop_after == 0 ? NULL : CreateThread(NULL, 0, stop_later, &c, 0, NULL);
    const ULONG processed = ProcessTrace(&c.trace, 1, or_none(&c.from), or_none(&c.to));
    ULONG lost = 0;
    if (stopper != NULL) {
        (void)WaitForSingleObject(stopper, INFINITE);
        (void)GetExitCodeThread(stopper, &lost);
    } else if (live) {
        (void)stop_session(&c, &lost);
    }
    printf("{\"ProcessTrace\":%lu,\"CloseTraceInCallback\":%lu,\"CloseTrace\":%lu,"
           "\"EventsLost\":%lu}\n",
           processed, c.closed, CloseTrace(c.trace), lost);
    return 0;
}
