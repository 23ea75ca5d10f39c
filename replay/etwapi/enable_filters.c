#include "replay/etwapi/enable_filters.h"

#include "format/event/extended.h"
#include "replay/etwapi/payload_filter.h"

#include <string.h>

/* EVENT_FILTER_TYPE_... that are honoured (evntprov.h of Windows 8.1). */
#define FILTER_TYPE_SCHEMATIZED 0x80000000u
#define FILTER_TYPE_PID         0x80000004u
#define FILTER_TYPE_PAYLOAD     0x80000100u
#define FILTER_TYPE_EVENT_ID    0x80000200u
#define FILTER_TYPE_STACKWALK   0x80001000u
/* Of Windows 10 1709. */
#define FILTER_TYPE_EVENT_NAME         0x80000400u
#define FILTER_TYPE_STACKWALK_NAME     0x80002000u
#define FILTER_TYPE_STACKWALK_LEVEL_KW 0x80004000u
#define MAX_EVENT_NAME_SIZE            4096u

/* EVENT_FILTER_EVENT_ID of evntprov.h. */
typedef struct event_id_filter {
    BOOLEAN filter_in;
    UCHAR reserved;
    USHORT count;
    USHORT events[];
} event_id_filter;

/* EVENT_FILTER_LEVEL_KW, and how EVENT_FILTER_EVENT_NAME begins. */
typedef struct level_keyword {
    ULONGLONG any_keyword, all_keyword;
    UCHAR level;
    BOOLEAN filter_in;
} level_keyword;
#define LEVEL_KEYWORD_SIZE (offsetof(level_keyword, filter_in) + sizeof(BOOLEAN))
#define NAMES_AT           (LEVEL_KEYWORD_SIZE + sizeof(USHORT))

/* One kept filter: this, and its bytes behind it. */
typedef struct kept {
    ULONG type, size;
} kept;

/* ---- Taking ---- */

/* The size is that of exactly so many ids as the filter says, at most 64. */
static bool has_id_filter_size(const EVENT_FILTER_DESCRIPTOR *filter)
{
    const event_id_filter *ids = (const event_id_filter *)(uintptr_t)filter->Ptr;
    return ids != NULL && filter->Size >= sizeof *ids && ids->count <= ETWAPI_MAX_FILTER_IDS &&
           filter->Size == sizeof *ids + ids->count * sizeof ids->events[0];
}

static ULONG take_event_ids(etwapi_provider *provider, const EVENT_FILTER_DESCRIPTOR *filter)
{
    const event_id_filter *ids = (const event_id_filter *)(uintptr_t)filter->Ptr;
    if (!has_id_filter_size(filter)) {
        return ERROR_INVALID_PARAMETER;
    }
    provider->exclude_ids = !ids->filter_in;
    provider->id_count = 0;
    for (size_t i = 0; i < ids->count; i++) {
        provider->ids[provider->id_count++] = ids->events[i];
    }
    return ERROR_SUCCESS;
}

static ULONG take_pids(etwapi_provider *provider, const EVENT_FILTER_DESCRIPTOR *filter)
{
    const ULONG *pids = (const ULONG *)(uintptr_t)filter->Ptr;
    const ULONG count = filter->Size / sizeof *pids;
    if (pids == NULL || filter->Size % sizeof *pids != 0 || count > ETWAPI_MAX_FILTER_PIDS) {
        return ERROR_INVALID_PARAMETER;
    }
    provider->pid_count = 0;
    for (ULONG i = 0; i < count; i++) {
        provider->pids[provider->pid_count++] = pids[i];
    }
    return ERROR_SUCCESS;
}

/* What the provider's callback gets. */
static void take_callback_filter(etwapi_provider *provider, const EVENT_FILTER_DESCRIPTOR *filter)
{
    if (filter->Size > 0 && filter->Size <= sizeof provider->filter) {
        memcpy(provider->filter, (const void *)(uintptr_t)filter->Ptr, filter->Size);
        provider->filter_size = (USHORT)filter->Size;
        provider->filter_type = filter->Type;
    }
}

/* EVENT_FILTER_EVENT_NAME: two keywords, level, FilterIn, the number of names, and so many names
 * with their NULs. */
static bool has_whole_names(const EVENT_FILTER_DESCRIPTOR *filter)
{
    const BYTE *data = (const BYTE *)(uintptr_t)filter->Ptr;
    USHORT count = 0;
    if (data == NULL || filter->Size <= NAMES_AT || filter->Size > MAX_EVENT_NAME_SIZE) {
        return false;
    }
    memcpy(&count, data + LEVEL_KEYWORD_SIZE, sizeof count);
    ULONG names = 0;
    for (ULONG i = NAMES_AT; i < filter->Size; i++) {
        names += data[i] == 0;
    }
    return names == count && data[filter->Size - 1] == 0;
}

static ULONG good_or_refused(bool good)
{
    return good ? ERROR_SUCCESS : ERROR_INVALID_PARAMETER;
}

static ULONG take_filter(etwapi_provider *provider, const EVENT_FILTER_DESCRIPTOR *filter)
{
    const BYTE *data = (const BYTE *)(uintptr_t)filter->Ptr;
    switch (filter->Type) {
    case FILTER_TYPE_EVENT_ID:
        return take_event_ids(provider, filter);
    case FILTER_TYPE_PID:
        return take_pids(provider, filter);
    case FILTER_TYPE_SCHEMATIZED:
        take_callback_filter(provider, filter);
        return ERROR_SUCCESS;
    case FILTER_TYPE_EVENT_NAME:
    case FILTER_TYPE_STACKWALK_NAME:
        return good_or_refused(has_whole_names(filter));
    case FILTER_TYPE_STACKWALK:
        return good_or_refused(has_id_filter_size(filter));
    case FILTER_TYPE_STACKWALK_LEVEL_KW:
        return good_or_refused(data != NULL && filter->Size >= LEVEL_KEYWORD_SIZE &&
                               filter->Size <= sizeof(level_keyword));
    case FILTER_TYPE_PAYLOAD:
        return good_or_refused(etwapi_is_payload_filter(data, filter->Size));
    default:
        return ERROR_SUCCESS;
    }
}

ULONG etwapi_take_filters(etwapi_provider *provider, const etwapi_filters *filters)
{
    ULONG code = ERROR_SUCCESS;
    for (ULONG i = 0; i < filters->count && code == ERROR_SUCCESS; i++) {
        code = take_filter(provider, &filters->descriptors[i]);
    }
    return code;
}

/* ---- Keeping ---- */

static bool is_kept(ULONG type)
{
    return type == FILTER_TYPE_EVENT_NAME || type == FILTER_TYPE_PAYLOAD ||
           type == FILTER_TYPE_STACKWALK || type == FILTER_TYPE_STACKWALK_NAME ||
           type == FILTER_TYPE_STACKWALK_LEVEL_KW;
}

/* Those of other providers that lie behind move up. */
void etwapi_drop_filters(etwapi_session *session, etwapi_provider *provider)
{
    const ULONG at = provider->kept_at, size = provider->kept_size;
    memmove(session->kept + at, session->kept + at + size, session->kept_size - at - size);
    session->kept_size -= size;
    for (ULONG i = 0; i < session->provider_count; i++) {
        if (session->providers[i].kept_at > at) {
            session->providers[i].kept_at -= size;
        }
    }
    provider->kept_at = 0;
    provider->kept_size = 0;
}

static ULONG room_for(const etwapi_filters *filters)
{
    ULONG size = 0;
    for (ULONG i = 0; i < filters->count; i++) {
        size += is_kept(filters->descriptors[i].Type)
                    ? (ULONG)sizeof(kept) + filters->descriptors[i].Size
                    : 0;
    }
    return size;
}

ULONG etwapi_keep_filters(etwapi_session *session, etwapi_provider *provider,
                          const etwapi_filters *filters)
{
    etwapi_drop_filters(session, provider);
    if (room_for(filters) > sizeof session->kept - session->kept_size) {
        return ERROR_NO_SYSTEM_RESOURCES;
    }
    provider->kept_at = session->kept_size;
    for (ULONG i = 0; i < filters->count; i++) {
        const EVENT_FILTER_DESCRIPTOR *filter = &filters->descriptors[i];
        if (is_kept(filter->Type)) {
            const kept head = {filter->Type, filter->Size};
            BYTE *to = session->kept + session->kept_size;
            memcpy(to, &head, sizeof head);
            memcpy(to + sizeof head, (const void *)(uintptr_t)filter->Ptr, filter->Size);
            session->kept_size += (ULONG)sizeof head + filter->Size;
        }
    }
    provider->kept_size = session->kept_size - provider->kept_at;
    return ERROR_SUCCESS;
}

/* ---- Asking ---- */

/* As a provider is enabled: an event of level 0, or of keyword 0, is of any. */
static bool is_of(const level_keyword *wanted, const etw_event_descriptor *event)
{
    const bool level = event->Level == 0 || wanted->level == 0 || event->Level <= wanted->level;
    const bool keyword = event->Keyword == 0 || wanted->any_keyword == 0 ||
                         ((event->Keyword & wanted->any_keyword) != 0 &&
                          (event->Keyword & wanted->all_keyword) == wanted->all_keyword);
    return level && keyword;
}

static level_keyword level_keyword_of(const BYTE *data)
{
    level_keyword head = {0};
    memcpy(&head, data, LEVEL_KEYWORD_SIZE);
    return head;
}

/* The name that a TraceLogging event brings, UTF-8: behind the size and the tags of its metadata,
 * whose bytes go on while their highest bit is set. NULL: it brings none. */
static const char *name_of(const etw_event_record *record)
{
    etw_bytes metadata;
    if (!etw_record_tracelogging_schema(record, &metadata)) {
        return NULL;
    }
    size_t at = sizeof(uint16_t);
    while (at < metadata.size && (metadata.data[at] & 0x80u) != 0) {
        at++;
    }
    at++;
    const bool ends =
        at < metadata.size && memchr(metadata.data + at, 0, metadata.size - at) != NULL;
    return ends ? (const char *)metadata.data + at : NULL;
}

/* Events without a name, those of manifests, are not chosen by it. */
static bool names_let(const BYTE *data, ULONG size, const etw_event_record *record)
{
    const level_keyword head = level_keyword_of(data);
    const char *name = name_of(record);
    if (name == NULL || !is_of(&head, &record->EventHeader.EventDescriptor)) {
        return true;
    }
    for (const char *one = (const char *)data + NAMES_AT; one < (const char *)data + size;
         one += strlen(one) + 1) {
        if (strcmp(one, name) == 0) {
            return head.filter_in != FALSE;
        }
    }
    return head.filter_in == FALSE;
}

static bool ids_let(const BYTE *data, uint16_t id)
{
    event_id_filter head;
    memcpy(&head, data, sizeof head);
    for (size_t i = 0; i < head.count; i++) {
        USHORT one;
        memcpy(&one, data + sizeof head + i * sizeof one, sizeof one);
        if (one == id) {
            return head.filter_in != FALSE;
        }
    }
    return head.filter_in == FALSE;
}

static bool level_lets(const BYTE *data, const etw_event_record *record)
{
    const level_keyword head = level_keyword_of(data);
    return is_of(&head, &record->EventHeader.EventDescriptor) == (head.filter_in != FALSE);
}

bool etwapi_kept_filters_pass(const etwapi_session *session, const etwapi_provider *provider,
                              const etw_event *event, bool *stack)
{
    const etw_event_record *record = etw_event_record_of(event);
    bool passes = true;
    kept head;
    *stack = true;
    for (ULONG at = 0; at < provider->kept_size; at += (ULONG)sizeof head + head.size) {
        const BYTE *data = session->kept + provider->kept_at + at;
        memcpy(&head, data, sizeof head);
        data += sizeof head;
        switch (head.type) {
        case FILTER_TYPE_EVENT_NAME:
            passes = passes && names_let(data, head.size, record);
            break;
        case FILTER_TYPE_PAYLOAD:
            passes = passes && etwapi_payload_passes(data, head.size, event);
            break;
        case FILTER_TYPE_STACKWALK:
            *stack = *stack && ids_let(data, record->EventHeader.EventDescriptor.Id);
            break;
        case FILTER_TYPE_STACKWALK_NAME:
            *stack = *stack && names_let(data, head.size, record);
            break;
        default: /* FILTER_TYPE_STACKWALK_LEVEL_KW */
            *stack = *stack && level_lets(data, record);
        }
    }
    return passes;
}
