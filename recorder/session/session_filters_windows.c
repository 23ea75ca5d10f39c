#include "recorder/session/session_filters_windows.h"

#include "format/event/tei.h"
#include "recorder/session/wide_windows.h"

#include <stdlib.h>

#include <tdh.h>

/* Of evntprov.h since Windows 8.1; mingw-w64 stops at Windows 7's. */
enum {
    FILTER_TYPE_SCHEMATIZED = 0x80000000,
    FILTER_TYPE_EVENT_NAME = 0x80000400,
    FILTER_TYPE_STACKWALK_NAME = 0x80002000,
    FILTER_TYPE_PID = 0x80000004,
    FILTER_TYPE_EXECUTABLE_NAME = 0x80000008,
    FILTER_TYPE_PACKAGE_ID = 0x80000010,
    FILTER_TYPE_PAYLOAD = 0x80000100,
    FILTER_TYPE_EVENT_ID = 0x80000200,
    FILTER_TYPE_STACKWALK = 0x80001000,
    FILTER_TYPE_STACKWALK_LEVEL_KW = 0x80004000
};

/* EVENT_FILTER_EVENT_ID of evntprov.h. */
typedef struct event_id_filter {
    BOOLEAN filter_in;
    UCHAR reserved;
    USHORT count;
    USHORT events[ETW_FILTER_MAX_EVENT_IDS];
} event_id_filter;

/* EVENT_FILTER_EVENT_NAME of evntprov.h, Windows 10 1709. */
typedef struct event_name_filter {
    ULONGLONG any_keyword, all_keyword;
    UCHAR level;
    BOOLEAN filter_in;
    USHORT count;
    char names[]; /* UTF-8, each with its NUL */
} event_name_filter;

/* EVENT_FILTER_LEVEL_KW of evntprov.h, Windows 10 1709. */
typedef struct level_keyword_filter {
    ULONGLONG any_keyword, all_keyword;
    UCHAR level;
    BOOLEAN filter_in;
} level_keyword_filter;

/* MAX_EVENT_FILTER_EVENT_NAME_SIZE */
#define MAX_EVENT_NAME_BYTES 4096u

static etw_status no_memory(etw_error *error)
{
    return etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for the provider's filters");
}

/* Takes data over; data NULL means that memory ran out. */
static etw_status add(etw_filters *filters, uint32_t type, void *data, size_t size,
                      etw_error *error)
{
    if (data == NULL) {
        return no_memory(error);
    }
    filters->owned[filters->count] = data;
    filters->descriptors[filters->count] = (EVENT_FILTER_DESCRIPTOR){
        .Ptr = (ULONGLONG)(uintptr_t)data, .Size = (ULONG)size, .Type = type};
    filters->count++;
    return ETW_OK;
}

static etw_status add_event_ids(etw_filters *filters, uint32_t type,
                                const etw_event_id_filter *wanted, etw_error *error)
{
    if (wanted->count == 0) {
        return ETW_OK;
    }
    event_id_filter *filter = calloc(1, sizeof *filter);
    if (filter == NULL) {
        return no_memory(error);
    }
    filter->filter_in = wanted->exclude ? FALSE : TRUE;
    filter->count = (USHORT)wanted->count;
    memcpy(filter->events, wanted->ids, wanted->count * sizeof wanted->ids[0]);
    const size_t size = offsetof(event_id_filter, events) + wanted->count * sizeof(USHORT);
    return add(filters, type, filter, size, error);
}

static etw_status add_process_ids(etw_filters *filters, const etw_provider_options *provider,
                                  etw_error *error)
{
    if (provider->process_id_count == 0) {
        return ETW_OK;
    }
    const size_t size = provider->process_id_count * sizeof provider->process_ids[0];
    void *ids = malloc(size);
    if (ids != NULL) {
        memcpy(ids, provider->process_ids, size);
    }
    return add(filters, FILTER_TYPE_PID, ids, size, error);
}

static etw_status add_names(etw_filters *filters, uint32_t type, const char *names,
                            etw_error *error)
{
    if (names == NULL) {
        return ETW_OK;
    }
    wchar_t *wide = etw_wide_from_utf8(names);
    const size_t size = wide == NULL ? 0 : (wcslen(wide) + 1) * sizeof *wide;
    if (size > MAX_EVENT_FILTER_DATA_SIZE) {
        free(wide);
        return etw_error_set(error, ETW_ERROR_LIMIT, "filter '%s' is above ETW's limit of %u bytes",
                             names, (unsigned)MAX_EVENT_FILTER_DATA_SIZE);
    }
    return add(filters, type, wide, size, error);
}

static etw_status bad_list(etw_error *error, const char *list, const char *wanted)
{
    return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT, "filter '%s': expected %s", list,
                         wanted);
}

/* The parts of "a,b", each with a NUL behind it instead of the comma. 0: there is an empty one. */
static uint32_t split_list(const char *list, char *parts)
{
    uint32_t count = 1;
    for (const char *at = list; *at != '\0'; at++) {
        if (*at == ',') {
            *parts++ = '\0';
            count++;
        } else {
            *parts++ = *at;
        }
    }
    *parts = '\0';
    const size_t size = strlen(list);
    return size == 0 || list[0] == ',' || list[size - 1] == ',' || strstr(list, ",,") != NULL
               ? 0
               : count;
}

/* The names apply to events of the provider's own level and keywords. */
static etw_status add_event_names(etw_filters *filters, uint32_t type,
                                  const etw_provider_options *provider, const char *names,
                                  etw_error *error)
{
    if (names == NULL) {
        return ETW_OK;
    }
    const bool excludes = names[0] == '!';
    const char *list = names + (excludes ? 1 : 0);
    const size_t size = offsetof(event_name_filter, names) + strlen(list) + 1;
    if (size > MAX_EVENT_NAME_BYTES) {
        return etw_error_set(error, ETW_ERROR_LIMIT,
                             "filter '%.64s...' is above ETW's limit of %u "
                             "bytes",
                             names, MAX_EVENT_NAME_BYTES);
    }
    event_name_filter *filter = calloc(1, size);
    if (filter == NULL) {
        return no_memory(error);
    }
    filter->any_keyword = provider->any_keyword;
    filter->all_keyword = provider->all_keyword;
    filter->level = provider->level;
    filter->filter_in = excludes ? FALSE : TRUE;
    filter->count = (USHORT)split_list(list, filter->names);
    if (filter->count == 0) {
        free(filter);
        return bad_list(error, names, "names of events, ',' between them");
    }
    return add(filters, type, filter, size, error);
}

static etw_status add_stack_level(etw_filters *filters, const etw_level_keyword_filter *wanted,
                                  etw_error *error)
{
    if (!wanted->is_set) {
        return ETW_OK;
    }
    level_keyword_filter *filter = calloc(1, sizeof *filter);
    if (filter != NULL) {
        filter->any_keyword = wanted->any_keyword;
        filter->all_keyword = wanted->all_keyword;
        filter->level = wanted->level;
        filter->filter_in = wanted->exclude ? FALSE : TRUE;
    }
    return add(filters, FILTER_TYPE_STACKWALK_LEVEL_KW, filter, sizeof *filter, error);
}

/* Keys and values, UTF-8, each with its NUL: what an EventSource reads (EventProvider of .NET). */
static etw_status add_arguments(etw_filters *filters, const etw_provider_options *provider,
                                etw_error *error)
{
    const char *list = provider->provider_arguments;
    if (list == NULL) {
        return ETW_OK;
    }
    const size_t size = strlen(list) + 1;
    char *data = size > MAX_EVENT_FILTER_DATA_SIZE ? NULL : malloc(size);
    if (size > MAX_EVENT_FILTER_DATA_SIZE) {
        return etw_error_set(error, ETW_ERROR_LIMIT, "arguments are above ETW's limit of %u bytes",
                             (unsigned)MAX_EVENT_FILTER_DATA_SIZE);
    }
    if (data == NULL) {
        return no_memory(error);
    }
    bool valid = split_list(list, data) > 0;
    for (char *pair = data; valid && pair < data + size; pair += strlen(pair) + 1) {
        char *equals = strchr(pair, '=');
        valid = equals != NULL && equals != pair;
        if (valid) {
            *equals = '\0';
            pair = equals + 1;
        }
    }
    if (!valid) {
        free(data);
        return bad_list(error, list, "key=value, ',' between them");
    }
    return add(filters, FILTER_TYPE_SCHEMATIZED, data, size, error);
}

/* The operators that TdhCreatePayloadFilter knows (PAYLOAD_OPERATOR of tdh.h), longest text first
 * so that "<=" is not read as "<". */
static const struct {
    const wchar_t *text;
    USHORT operator;
} payload_operators[] = {{L"!=", 1}, {L"<=", 2}, {L">=", 5}, {L"!~", 21},
                         {L"=", 0},  {L">", 3},  {L"<", 4},  {L"~", 20}};

/* PAYLOAD_FILTER_PREDICATE of tdh.h, Windows 8.1. */
typedef struct payload_predicate {
    LPWSTR field;
    USHORT compare_operator;
    LPWSTR value;
} payload_predicate;

#define MAX_PAYLOAD_PREDICATES 8u

/* PAYLOAD_OPERATOR of tdh.h. */
enum { PAYLOAD_EQ = 0, PAYLOAD_NE = 1, PAYLOAD_IS = 30, PAYLOAD_ISNOT = 31 };

/* Of tdh.dll since Windows 8.1, below which the recorder does not run; mingw-w64's library has
 * them, its header does not. */
__declspec(dllimport) ULONG WINAPI
    TdhCreatePayloadFilter(LPCGUID, const EVENT_DESCRIPTOR *, BOOLEAN, ULONG, payload_predicate *,
                           PVOID *);
__declspec(dllimport) ULONG WINAPI
    TdhGetManifestEventInformation(LPCGUID, EVENT_DESCRIPTOR *, TRACE_EVENT_INFO *, ULONG *);
__declspec(dllimport) ULONG WINAPI
    TdhAggregatePayloadFilters(ULONG, PVOID *, BOOLEAN *, EVENT_FILTER_DESCRIPTOR *);
__declspec(dllimport) ULONG WINAPI TdhDeletePayloadFilter(PVOID *);
__declspec(dllimport) ULONG WINAPI
    TdhCleanupPayloadEventFilterDescriptor(EVENT_FILTER_DESCRIPTOR *);

/* Whether the manifest says that the property is text or a GUID, which PAYLOADFIELD_IS compares; EQ
 * and NE are for numbers. Where it cannot be asked, a value that is no number is text. */
static bool is_text_like(const TRACE_EVENT_INFO *info, const payload_predicate *predicate)
{
    for (ULONG i = 0; info != NULL && i < info->TopLevelPropertyCount; i++) {
        const EVENT_PROPERTY_INFO *property = &info->EventPropertyInfoArray[i];
        const wchar_t *name =
            (const wchar_t *)(const void *)((const BYTE *)info + property->NameOffset);
        if ((property->Flags & PropertyStruct) == 0 && wcscmp(name, predicate->field) == 0) {
            const USHORT type = property->nonStructType.InType;
            return type == ETW_IN_UNICODESTRING || type == ETW_IN_ANSISTRING || type == ETW_IN_GUID;
        }
    }
    wchar_t *end = NULL;
    (void)wcstoul(predicate->value, &end, 0);
    return end == predicate->value || *end != L'\0';
}

/* The event as the provider's registered manifest has it; NULL where TDH cannot tell. Owned. */
static TRACE_EVENT_INFO *manifest_event(const etw_guid *provider, EVENT_DESCRIPTOR *descriptor)
{
    ULONG size = 0;
    if (TdhGetManifestEventInformation((LPCGUID)provider, descriptor, NULL, &size) !=
        ERROR_INSUFFICIENT_BUFFER) {
        return NULL;
    }
    TRACE_EVENT_INFO *info = malloc(size);
    if (info != NULL && TdhGetManifestEventInformation((LPCGUID)provider, descriptor, info,
                                                       &size) != ERROR_SUCCESS) {
        free(info);
        info = NULL;
    }
    return info;
}

/* Each equality by the type of its property. */
static void choose_equalities(const etw_guid *provider, EVENT_DESCRIPTOR *descriptor,
                              payload_predicate *predicates, ULONG count)
{
    TRACE_EVENT_INFO *info = manifest_event(provider, descriptor);
    for (ULONG i = 0; i < count; i++) {
        const bool is_equality = predicates[i].compare_operator == PAYLOAD_EQ ||
                                 predicates[i].compare_operator == PAYLOAD_NE;
        if (is_equality && is_text_like(info, &predicates[i])) {
            predicates[i].compare_operator =
                predicates[i].compare_operator == PAYLOAD_EQ ? PAYLOAD_IS : PAYLOAD_ISNOT;
        }
    }
    free(info);
}

/* Splits "Property=value" in place. */
static bool split_predicate(wchar_t *text, payload_predicate *predicate)
{
    while (*text == L' ') {
        text++;
    }
    for (size_t i = 0; i < sizeof payload_operators / sizeof payload_operators[0]; i++) {
        wchar_t *at = wcsstr(text, payload_operators[i].text);
        if (at != NULL && at != text) {
            predicate->field = text;
            predicate->compare_operator = payload_operators[i].operator;
            predicate->value = at + wcslen(payload_operators[i].text);
            *at = L'\0';
            return true;
        }
    }
    return false;
}

/* "5:" or "5:2:", the event's id and version (0 where it is not told), which TDH looks up together.
 * NULL: neither. */
static wchar_t *take_event_key(wchar_t *text, EVENT_DESCRIPTOR *descriptor)
{
    wchar_t *rest = NULL;
    descriptor->Id = (USHORT)wcstoul(text, &rest, 10);
    if (rest == text || *rest != L':') {
        return NULL;
    }
    text = rest + 1;
    const unsigned long version = wcstoul(text, &rest, 10);
    if (rest == text || *rest != L':') {
        return text;
    }
    descriptor->Version = (UCHAR)version;
    return version <= UINT8_MAX ? rest + 1 : NULL;
}

/* "5: Size>1024, Name=a.txt": the event, then predicates of which all must hold. */
static etw_status create_payload(etw_filters *filters, const etw_provider_options *provider,
                                 wchar_t *text, etw_error *error)
{
    payload_predicate predicates[MAX_PAYLOAD_PREDICATES];
    ULONG count = 0;
    EVENT_DESCRIPTOR descriptor = {.Id = 0};
    wchar_t *part = take_event_key(text, &descriptor);
    bool valid = part != NULL;
    while (part != NULL && valid) {
        wchar_t *comma = wcschr(part, L',');
        if (comma != NULL) {
            *comma = L'\0';
        }
        valid = count < MAX_PAYLOAD_PREDICATES && split_predicate(part, &predicates[count++]);
        part = comma == NULL ? NULL : comma + 1;
    }
    if (!valid) {
        return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                             "payload filter '%s': wanted ID: Property=value, Property>5, or "
                             "ID:VERSION: ..., with at most %u properties",
                             provider->payload_filter, MAX_PAYLOAD_PREDICATES);
    }
    choose_equalities(&provider->id, &descriptor, predicates, count);
    ULONG code = TdhCreatePayloadFilter((LPCGUID)&provider->id, &descriptor, FALSE, count,
                                        predicates, &filters->payload_filter);
    if (code == ERROR_SUCCESS) {
        code = TdhAggregatePayloadFilters(1, &filters->payload_filter, NULL,
                                          &filters->descriptors[filters->count]);
    }
    if (code != ERROR_SUCCESS) {
        return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                             "payload filter '%s': TDH refused it with error %lu; the provider's "
                             "manifest must be registered on this machine",
                             provider->payload_filter, code);
    }
    filters->count++;
    return ETW_OK;
}

static etw_status add_payload(etw_filters *filters, const etw_provider_options *provider,
                              etw_error *error)
{
    if (provider->payload_filter == NULL) {
        return ETW_OK;
    }
    wchar_t *text = etw_wide_from_utf8(provider->payload_filter);
    if (text == NULL) {
        return no_memory(error);
    }
    const etw_status status = create_payload(filters, provider, text, error);
    free(text);
    return status;
}

etw_status etw_filters_build(const etw_provider_options *provider, etw_filters *filters,
                             etw_error *error)
{
    *filters = (etw_filters){0};
    etw_status status = add_event_ids(filters, FILTER_TYPE_EVENT_ID, &provider->event_ids, error);
    if (status == ETW_OK) {
        status = add_event_ids(filters, FILTER_TYPE_STACKWALK, &provider->stack_ids, error);
    }
    if (status == ETW_OK) {
        status = add_process_ids(filters, provider, error);
    }
    if (status == ETW_OK) {
        status = add_names(filters, FILTER_TYPE_EXECUTABLE_NAME, provider->executable_names, error);
    }
    if (status == ETW_OK) {
        status = add_names(filters, FILTER_TYPE_PACKAGE_ID, provider->package_ids, error);
    }
    if (status == ETW_OK) {
        status = add_event_names(filters, FILTER_TYPE_EVENT_NAME, provider, provider->event_names,
                                 error);
    }
    if (status == ETW_OK) {
        status = add_event_names(filters, FILTER_TYPE_STACKWALK_NAME, provider,
                                 provider->stack_names, error);
    }
    if (status == ETW_OK) {
        status = add_stack_level(filters, &provider->stack_level, error);
    }
    if (status == ETW_OK) {
        status = add_arguments(filters, provider, error);
    }
    if (status == ETW_OK) {
        status = add_payload(filters, provider, error);
    }
    return status;
}

void etw_filters_free(etw_filters *filters)
{
    for (uint32_t i = 0; i < filters->count; i++) {
        if (filters->descriptors[i].Type == (ULONG)FILTER_TYPE_PAYLOAD) {
            (void)TdhCleanupPayloadEventFilterDescriptor(&filters->descriptors[i]);
        }
        free(filters->owned[i]);
    }
    if (filters->payload_filter != NULL) {
        (void)TdhDeletePayloadFilter(&filters->payload_filter);
    }
    *filters = (etw_filters){0};
}
