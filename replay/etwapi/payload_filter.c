/* TdhCreatePayloadFilter and what belongs to it: predicates are checked as their pages say (TDH's
 * PAYLOAD_FILTER_PREDICATE, PAYLOAD_OPERATOR), against the event's registered properties. */
#include "replay/etwapi/payload_filter.h"

#include "format/base/text.h"
#include "format/event/tei.h"

#include <stdlib.h>
#include <string.h>

/* tdh.h and evntprov.h of Windows 8.1. */
#define MAX_PREDICATES   8u    /* ETW_MAX_PAYLOAD_PREDICATES */
#define MAX_FILTER_BYTES 4096u /* MAX_EVENT_FILTER_PAYLOAD_SIZE */
#define FILTER_PAYLOAD   0x80000100u

enum { EQ = 0, NE = 1, LE = 2, GT = 3, LT = 4, GE = 5, BETWEEN = 6, NOTBETWEEN = 7, MODULO = 8 };
enum { CONTAINS = 20, DOESNTCONTAIN = 21, IS = 30, ISNOT = 31 };

typedef struct payload_filter {
    ULONG size; /* of the structure with what follows */
    GUID provider;
    EVENT_DESCRIPTOR event;
    BOOLEAN match_any; /* of its predicates; else all must hold */
    BOOLEAN flagged;   /* TdhAggregatePayloadFilters' EventMatchALLFlags */
    USHORT operators[MAX_PREDICATES];
    ULONG count;
    wchar_t texts[]; /* field and value of each predicate, with their NULs, behind each other */
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

/* BETWEEN and NOTBETWEEN take two numbers. */
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
        return by == BETWEEN || by == NOTBETWEEN ? is_pair(predicate->Value)
                                                 : by <= MODULO && is_number(predicate->Value);
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

/* With its NUL. */
static wchar_t *append_text(wchar_t *to, const wchar_t *text)
{
    const size_t units = wcslen(text) + 1;
    memcpy(to, text, units * sizeof *to);
    return to + units;
}

static ULONG make(payload_filter **made, const PAYLOAD_FILTER_PREDICATE *predicates, ULONG count)
{
    size_t units = 0;
    for (ULONG i = 0; i < count; i++) {
        units += wcslen(predicates[i].FieldName) + 1 + wcslen(predicates[i].Value) + 1;
    }
    /* Filters stand behind each other when they are aggregated. */
    const size_t size = (sizeof **made + units * sizeof(wchar_t) + 7u) & ~(size_t)7;
    if (size > MAX_FILTER_BYTES) {
        return ERROR_INSUFFICIENT_BUFFER;
    }
    *made = calloc(1, size);
    if (*made == NULL) {
        return ERROR_NOT_ENOUGH_MEMORY;
    }
    (*made)->size = (ULONG)size;
    (*made)->count = count;
    wchar_t *at = (*made)->texts;
    for (ULONG i = 0; i < count; i++) {
        (*made)->operators[i] = predicates[i].CompareOp;
        at = append_text(append_text(at, predicates[i].FieldName), predicates[i].Value);
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
        ((payload_filter *)(void *)data)->flagged = match_all != NULL && match_all[i];
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

/* ---- Asking ---- */

/* The texts of the predicates end inside the filter. */
static bool has_texts(const payload_filter *filter)
{
    const wchar_t *end = (const wchar_t *)(const void *)((const BYTE *)filter + filter->size);
    ULONG texts = 0;
    for (const wchar_t *at = filter->texts; at < end && texts < 2 * filter->count; at++) {
        texts += *at == L'\0';
    }
    return texts == 2 * filter->count;
}

bool etwapi_is_payload_filter(const BYTE *data, size_t size)
{
    bool good = data != NULL && size > 0 && size <= MAX_FILTER_BYTES;
    while (good && size > 0) {
        const payload_filter *filter = (const payload_filter *)(const void *)data;
        good = size >= sizeof *filter && filter->size >= sizeof *filter && filter->size <= size &&
               filter->size % 8 == 0 && filter->count <= MAX_PREDICATES && has_texts(filter);
        if (good) {
            data += filter->size;
            size -= filter->size;
        }
    }
    return good;
}

/* Signed numbers by their sign bit turned over: then the order of the unsigned is theirs. */
static bool compare_numbers(USHORT by, uint64_t value, const wchar_t *text, bool is_signed)
{
    const uint64_t turn = is_signed ? (uint64_t)1 << 63 : 0;
    wchar_t *end = NULL;
    const uint64_t wanted = _wcstoui64(text, &end, 0);
    const uint64_t upper = *end == L',' ? _wcstoui64(end + 1, NULL, 0) : wanted;
    const bool between = (value ^ turn) >= (wanted ^ turn) && (value ^ turn) <= (upper ^ turn);
    switch (by) {
    case EQ:
        return value == wanted;
    case NE:
        return value != wanted;
    case LE:
        return (value ^ turn) <= (wanted ^ turn);
    case GT:
        return (value ^ turn) > (wanted ^ turn);
    case LT:
        return (value ^ turn) < (wanted ^ turn);
    case GE:
        return (value ^ turn) >= (wanted ^ turn);
    case BETWEEN:
        return between;
    case NOTBETWEEN:
        return !between;
    default: /* MODULO: each so many-th */
        return wanted != 0 && value % wanted == 0;
    }
}

static bool is_inside(const wchar_t *text, const wchar_t *part)
{
    const size_t length = wcslen(part);
    for (; wcslen(text) >= length; text++) {
        if (_wcsnicmp(text, part, length) == 0) {
            return true;
        }
    }
    return false;
}

/* All comparisons ignore case. */
static bool compare_texts(USHORT by, const char *utf8, const wchar_t *text)
{
    const int units = MultiByteToWideChar(CP_UTF8, 0, utf8, -1, NULL, 0);
    wchar_t *wide = units <= 0 ? NULL : malloc((size_t)units * sizeof *wide);
    if (wide == NULL) {
        return true; /* without memory nothing is filtered out */
    }
    (void)MultiByteToWideChar(CP_UTF8, 0, utf8, -1, wide, units);
    const bool same = _wcsicmp(wide, text) == 0, inside = is_inside(wide, text);
    free(wide);
    return by == IS ? same : by == ISNOT ? !same : by == CONTAINS ? inside : !inside;
}

/* As wide as the property is; what is shown as an address or a code is a number all the same. */
static bool number_of(const etw_typed_value *typed, uint64_t *number)
{
    const etw_bytes bytes = typed->value.bytes;
    if (typed->kind == ETW_VALUE_INT64) {
        *number = (uint64_t)typed->as.int64; /* its sign in all bits */
        return true;
    }
    *number = 0;
    for (size_t i = bytes.size; i > 0 && bytes.size <= sizeof *number; i--) {
        *number = *number << 8 | bytes.data[i - 1];
    }
    return bytes.size > 0 && bytes.size <= sizeof *number;
}

static bool predicate_holds(USHORT by, const wchar_t *field, const wchar_t *value,
                            const etw_event *event)
{
    char name[256 * 3];
    etw_typed_value typed;
    uint64_t number;
    if (WideCharToMultiByte(CP_UTF8, 0, field, -1, name, sizeof name, NULL, NULL) <= 0 ||
        etw_event_property_value(event, name, &typed) != ETW_OK) {
        return false;
    }
    if (by <= MODULO) {
        return number_of(&typed, &number) &&
               compare_numbers(by, number, value, typed.kind == ETW_VALUE_INT64);
    }
    etw_text text = {0};
    const bool told = etw_value_append_text(&typed.value, 0, ETW_ESCAPE_NONE, &text);
    const bool holds = told && compare_texts(by, etw_text_z(&text), value);
    etw_text_free(&text);
    return holds;
}

static bool filter_passes(const payload_filter *filter, const etw_event *event)
{
    const wchar_t *field = filter->texts;
    bool any = false, all = true;
    for (ULONG i = 0; i < filter->count; i++) {
        const wchar_t *value = field + wcslen(field) + 1;
        const bool holds = predicate_holds(filter->operators[i], field, value, event);
        any |= holds;
        all &= holds;
        field = value + wcslen(value) + 1;
    }
    return filter->match_any ? any : all;
}

bool etwapi_payload_passes(const BYTE *data, size_t size, const etw_event *event)
{
    const etw_event_descriptor *descriptor =
        &etw_event_record_of(event)->EventHeader.EventDescriptor;
    bool flagged_pass = true, one_passes = false, has_others = false;
    for (size_t at = 0; at < size;) {
        payload_filter head;
        memcpy(&head, data + at, sizeof head);
        const payload_filter *filter = (const payload_filter *)(const void *)(data + at);
        if (head.event.Id == descriptor->Id && head.event.Version == descriptor->Version) {
            const bool passes = filter_passes(filter, event);
            flagged_pass = flagged_pass && (passes || !head.flagged);
            one_passes |= passes && !head.flagged;
            has_others |= !head.flagged;
        }
        at += head.size;
    }
    return flagged_pass && (one_passes || !has_others);
}
