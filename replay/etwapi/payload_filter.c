/* TdhCreatePayloadFilter and what belongs to it: predicates are checked as their pages say (TDH's
 * PAYLOAD_FILTER_PREDICATE, PAYLOAD_OPERATOR), against the event's registered properties. The
 * filter itself is not looked at again: which events come, the trace decides. */
#include "format/event/tei.h"
#include "replay/etwapi/etw_headers.h"

#include <stdbool.h>
#include <stdlib.h>

/* tdh.h and evntprov.h of Windows 8.1. */
#define MAX_PREDICATES   8u    /* ETW_MAX_PAYLOAD_PREDICATES */
#define MAX_FILTER_BYTES 4096u /* MAX_EVENT_FILTER_PAYLOAD_SIZE */
#define FILTER_PAYLOAD   0x80000100u

enum { EQ = 0, BETWEEN = 6, NOTBETWEEN = 7, MODULO = 8 };
enum { CONTAINS = 20, DOESNTCONTAIN = 21, IS = 30, ISNOT = 31 };

typedef struct payload_filter {
    ULONG size; /* of the structure with what follows */
    GUID provider;
    EVENT_DESCRIPTOR event;
    BOOLEAN match_any;
    USHORT operators[MAX_PREDICATES];
    ULONG count;
    wchar_t values[]; /* one behind the other */
} payload_filter;

typedef enum value_kind { UNSUPPORTED, INTEGER, STRING, IDENTIFIER } value_kind;

/* No floats, no binary data, which pointers count among, no SID, no SYSTEMTIME. */
static value_kind kind_of(USHORT in_type)
{
    switch (in_type) {
    case ETW_IN_UNICODESTRING:
    case ETW_IN_ANSISTRING:
        return STRING;
    case ETW_IN_GUID:
        return IDENTIFIER;
    case ETW_IN_INT8:
    case ETW_IN_UINT8:
    case ETW_IN_INT16:
    case ETW_IN_UINT16:
    case ETW_IN_INT32:
    case ETW_IN_UINT32:
    case ETW_IN_INT64:
    case ETW_IN_UINT64:
    case ETW_IN_HEXINT32:
    case ETW_IN_HEXINT64:
    case ETW_IN_FILETIME:
    case ETW_IN_BOOLEAN:
        return INTEGER;
    default:
        return UNSUPPORTED;
    }
}

static bool is_number(const wchar_t *text)
{
    wchar_t *end = NULL;
    (void)_wcstoui64(text, &end, 0);
    return end != text && *end == L'\0';
}

/* BETWEEN, NOTBETWEEN and MODULO take two numbers. */
static bool is_pair(const wchar_t *text)
{
    wchar_t *end = NULL;
    (void)_wcstoui64(text, &end, 0);
    return end != text && *end == L',' && is_number(end + 1);
}

static bool fits(value_kind kind, const PAYLOAD_FILTER_PREDICATE *predicate)
{
    const USHORT by = predicate->CompareOp;
    const size_t length = wcslen(predicate->Value);
    switch (kind) {
    case INTEGER:
        return by < BETWEEN ? is_number(predicate->Value)
                            : by <= MODULO && is_pair(predicate->Value);
    case STRING:
        return by == CONTAINS || by == DOESNTCONTAIN || by == IS || by == ISNOT;
    case IDENTIFIER: /* with braces */
        return (by == IS || by == ISNOT) && length == 38 && predicate->Value[0] == L'{' &&
               predicate->Value[37] == L'}';
    default:
        return false;
    }
}

/* The event's description may come from a trace: its offsets are trusted for nothing. */
static bool is_good(const etw_tei *event, const PAYLOAD_FILTER_PREDICATE *predicate)
{
    if (predicate->FieldName == NULL || predicate->Value == NULL) {
        return false;
    }
    const etw_bytes wanted = {(const uint8_t *)predicate->FieldName,
                              wcslen(predicate->FieldName) * sizeof(wchar_t)};
    for (uint32_t i = 0; i < event->info.TopLevelPropertyCount; i++) {
        const etw_event_property_info property = etw_tei_property(event, i);
        etw_bytes name;
        if (etw_tei_string(event, property.NameOffset, &name) && etw_bytes_equal(name, wanted)) {
            return (property.Flags & ETW_PROP_STRUCT) == 0 &&
                   fits(kind_of(property.InType), predicate);
        }
    }
    return false;
}

/* The event as its manifest has it; *bytes is to be freed. */
static ULONG registered_event(const GUID *provider, const EVENT_DESCRIPTOR *event, void **bytes,
                              etw_tei *tei)
{
    GUID id = *provider;
    EVENT_DESCRIPTOR wanted = *event;
    ULONG size = 0;
    *bytes = NULL;
    const ULONG asked = TdhGetManifestEventInformation(&id, &wanted, NULL, &size);
    if (asked != ERROR_INSUFFICIENT_BUFFER) {
        return asked;
    }
    *bytes = malloc(size);
    if (*bytes == NULL) {
        return ERROR_NOT_ENOUGH_MEMORY;
    }
    const ULONG code = TdhGetManifestEventInformation(&id, &wanted, *bytes, &size);
    const etw_bytes blob = {*bytes, size};
    return code != ERROR_SUCCESS                     ? code
           : etw_tei_open(blob, tei, NULL) != ETW_OK ? (ULONG)ERROR_INVALID_DATA
                                                     : (ULONG)ERROR_SUCCESS;
}

static ULONG make(payload_filter **made, const PAYLOAD_FILTER_PREDICATE *predicates, ULONG count)
{
    size_t units = 0;
    for (ULONG i = 0; i < count; i++) {
        units += wcslen(predicates[i].Value) + 1;
    }
    const size_t size = sizeof **made + units * sizeof(wchar_t);
    if (size > MAX_FILTER_BYTES) {
        return ERROR_INSUFFICIENT_BUFFER;
    }
    *made = calloc(1, size);
    if (*made == NULL) {
        return ERROR_NOT_ENOUGH_MEMORY;
    }
    (*made)->size = (ULONG)size;
    (*made)->count = count;
    wchar_t *at = (*made)->values;
    for (ULONG i = 0; i < count; i++) {
        const size_t length = wcslen(predicates[i].Value) + 1;
        (*made)->operators[i] = predicates[i].CompareOp;
        memcpy(at, predicates[i].Value, length * sizeof *at);
        at += length;
    }
    return ERROR_SUCCESS;
}

ULONG WINAPI TdhCreatePayloadFilter(const GUID *provider, const EVENT_DESCRIPTOR *event,
                                    BOOLEAN match_any, ULONG count,
                                    PAYLOAD_FILTER_PREDICATE *predicates, PVOID *filter)
{
    if (provider == NULL || event == NULL || predicates == NULL || filter == NULL || count == 0 ||
        count > MAX_PREDICATES) {
        return ERROR_INVALID_PARAMETER;
    }
    *filter = NULL;
    void *bytes;
    etw_tei registered;
    ULONG code = registered_event(provider, event, &bytes, &registered);
    for (ULONG i = 0; i < count && code == ERROR_SUCCESS; i++) {
        code = is_good(&registered, &predicates[i]) ? ERROR_SUCCESS : ERROR_INVALID_PARAMETER;
    }
    free(bytes);
    payload_filter *made = NULL;
    code = code == ERROR_SUCCESS ? make(&made, predicates, count) : code;
    if (code == ERROR_SUCCESS) {
        made->provider = *provider;
        made->event = *event;
        made->match_any = match_any;
        *filter = made;
    }
    return code;
}

ULONG WINAPI TdhDeletePayloadFilter(PVOID *filter)
{
    if (filter == NULL) {
        return ERROR_INVALID_PARAMETER;
    }
    free(*filter);
    *filter = NULL;
    return ERROR_SUCCESS;
}

ULONG WINAPI TdhAggregatePayloadFilters(ULONG count, PVOID *filters, BOOLEAN *match_all,
                                        EVENT_FILTER_DESCRIPTOR *descriptor)
{
    size_t size = 0;
    (void)match_all;
    if (count == 0 || filters == NULL || descriptor == NULL) {
        return ERROR_INVALID_PARAMETER;
    }
    for (ULONG i = 0; i < count; i++) {
        if (filters[i] == NULL) {
            return ERROR_INVALID_PARAMETER;
        }
        size += ((const payload_filter *)filters[i])->size;
    }
    BYTE *data = size > MAX_FILTER_BYTES ? NULL : malloc(size);
    if (data == NULL) {
        return size > MAX_FILTER_BYTES ? ERROR_INSUFFICIENT_BUFFER : ERROR_NOT_ENOUGH_MEMORY;
    }
    descriptor->Ptr = (ULONGLONG)(uintptr_t)data;
    descriptor->Size = (ULONG)size;
    descriptor->Type = FILTER_PAYLOAD;
    for (ULONG i = 0; i < count; i++) {
        const payload_filter *filter = filters[i];
        memcpy(data, filter, filter->size);
        data += filter->size;
    }
    return ERROR_SUCCESS;
}

ULONG WINAPI TdhCleanupPayloadEventFilterDescriptor(EVENT_FILTER_DESCRIPTOR *descriptor)
{
    if (descriptor == NULL || descriptor->Type != FILTER_PAYLOAD) {
        return ERROR_INVALID_PARAMETER;
    }
    free((void *)(uintptr_t)descriptor->Ptr);
    *descriptor = (EVENT_FILTER_DESCRIPTOR){0};
    return ERROR_SUCCESS;
}
