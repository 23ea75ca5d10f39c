/* The provider's side: EventRegister, EventWrite and their kin (evntprov.h). */
#include "replay/etwapi/delivery.h"
#include "replay/etwapi/live_write.h"

#include <stdlib.h>
#include <string.h>

/* EVENT_DATA_DESCRIPTOR.Type */
enum {
    DATA_PAYLOAD = 0,
    DATA_EVENT_METADATA = 1,
    DATA_PROVIDER_METADATA = 2,
    DATA_TIMESTAMP_OVERRIDE = 3
};

/* EVENT_INFO_CLASS */
#define INFO_BINARY_TRACK    0u
#define INFO_SET_TRAITS      2u
#define INFO_DESCRIPTOR_TYPE 3u

/* Of a trait: a group's GUID (provider traits documentation). */
#define TRAIT_GROUP      1u
#define TRAIT_GROUP_SIZE 19u

#define WRITE_FLAG_INPRIVATE       2u
#define PROPERTY_EXCLUDE_INPRIVATE 0x200u

/* Events of up to so many bytes need no memory of their own. */
#define SMALL_BYTES 1024u

ULONG WINAPI EventRegister(LPCGUID provider, PENABLECALLBACK callback, PVOID context,
                           PREGHANDLE handle)
{
    if (provider == NULL || handle == NULL || (callback == NULL && context != NULL)) {
        return ERROR_INVALID_PARAMETER;
    }
    etwapi_registration *one = calloc(1, sizeof *one);
    if (one == NULL) {
        return ERROR_NOT_ENOUGH_MEMORY;
    }
    one->id = *provider;
    one->callback = callback;
    one->context = context;
    return etwapi_register(one, handle);
}

ULONG WINAPI EventUnregister(REGHANDLE handle)
{
    return etwapi_unregister(handle);
}

/* --- writing ------------------------------------------------------------------------------------
 */

/* An event being put together. */
typedef struct draft {
    etw_event_record record;
    etw_extended_data_item items[ETWAPI_MAX_LIVE_ITEMS];
    BYTE *metadata; /* several descriptors joined; owned, mostly NULL */
    BYTE *data;     /* owned if it is not small */
    BYTE small[SMALL_BYTES];
    bool keep_time;
} draft;

typedef struct parts {
    const EVENT_DATA_DESCRIPTOR *descriptors;
    ULONG count;
    bool is_typed;
} parts;

/* Types count once the registration opted in; before that the field is whatever the stack held. */
static UCHAR type_of(const parts *from, ULONG i)
{
    return from->is_typed ? (UCHAR)(from->descriptors[i].Reserved & 0xFFu) : (UCHAR)DATA_PAYLOAD;
}

static size_t size_of_type(const parts *from, UCHAR type)
{
    size_t size = 0;
    for (ULONG i = 0; i < from->count; i++) {
        size += type_of(from, i) == type ? from->descriptors[i].Size : 0;
    }
    return size;
}

static void join(const parts *from, UCHAR type, BYTE *into)
{
    for (ULONG i = 0; i < from->count; i++) {
        const EVENT_DATA_DESCRIPTOR *one = &from->descriptors[i];
        if (type_of(from, i) == type && one->Size > 0) {
            memcpy(into, (const void *)(uintptr_t)one->Ptr, one->Size);
            into += one->Size;
        }
    }
}

static ULONG add_payload(draft *event, const parts *from)
{
    const size_t size = size_of_type(from, DATA_PAYLOAD);
    if (size >= ETWAPI_MAX_EVENT_BYTES) {
        return ERROR_ARITHMETIC_OVERFLOW;
    }
    event->data = size <= SMALL_BYTES ? event->small : malloc(size);
    if (event->data == NULL) {
        return ERROR_NOT_ENOUGH_MEMORY;
    }
    join(from, DATA_PAYLOAD, event->data);
    event->record.UserData = event->data;
    event->record.UserDataLength = (uint16_t)size;
    return ERROR_SUCCESS;
}

static ULONG add_metadata(draft *event, const parts *from, const etwapi_registration *one)
{
    const size_t provider = one->traits != NULL ? 0 : size_of_type(from, DATA_PROVIDER_METADATA);
    const size_t schema = size_of_type(from, DATA_EVENT_METADATA);
    if (provider + schema >= ETWAPI_MAX_EVENT_BYTES) {
        return ERROR_ARITHMETIC_OVERFLOW;
    }
    event->metadata = provider + schema == 0 ? NULL : malloc(provider + schema);
    if (event->metadata == NULL && provider + schema > 0) {
        return ERROR_NOT_ENOUGH_MEMORY;
    }
    if (one->traits != NULL) {
        etwapi_add_item(&event->record, ETW_EXT_PROV_TRAITS, one->traits, one->traits_size);
    } else if (provider > 0) {
        join(from, DATA_PROVIDER_METADATA, event->metadata);
        etwapi_add_item(&event->record, ETW_EXT_PROV_TRAITS, event->metadata, provider);
    }
    if (schema > 0) {
        join(from, DATA_EVENT_METADATA, event->metadata + provider);
        etwapi_add_item(&event->record, ETW_EXT_EVENT_SCHEMA_TL, event->metadata + provider,
                        schema);
    }
    return ERROR_SUCCESS;
}

static void take_time(draft *event, const parts *from)
{
    int64_t *time = &event->record.EventHeader.TimeStamp;
    for (ULONG i = 0; i < from->count; i++) {
        const EVENT_DATA_DESCRIPTOR *one = &from->descriptors[i];
        if (type_of(from, i) == DATA_TIMESTAMP_OVERRIDE && one->Size == sizeof *time) {
            memcpy(time, (const void *)(uintptr_t)one->Ptr, sizeof *time);
            event->keep_time = true;
        }
    }
}

static bool is_for(const etwapi_enable *enable, const etw_event_record *record, ULONG64 left_out,
                   ULONG flags)
{
    const bool excluded = (flags & WRITE_FLAG_INPRIVATE) != 0 &&
                          (enable->how.enable_property & PROPERTY_EXCLUDE_INPRIVATE) != 0;
    const ULONG bit = (ULONG)(enable->session & 0xFFFFu) & 63u;
    return !excluded && (left_out >> bit & 1u) == 0 && etwapi_passes(&enable->how, record);
}

static bool anyone_wants(const etwapi_registration *one, const etw_event_record *record)
{
    for (ULONG i = 0; i < one->enable_count; i++) {
        if (is_for(&one->enables[i], record, 0, 0)) {
            return true;
        }
    }
    return false;
}

/* Any failure is the result; the other sessions still get the event. */
static ULONG give_to_sessions(const etwapi_registration *one, const draft *event, ULONG64 left_out,
                              ULONG flags)
{
    ULONG result = ERROR_SUCCESS;
    for (ULONG i = 0; i < one->enable_count; i++) {
        if (is_for(&one->enables[i], &event->record, left_out, flags)) {
            const ULONG code = etwapi_write_to(&one->enables[i], &event->record, event->keep_time);
            result = code == ERROR_SUCCESS ? result : code;
        }
    }
    return result;
}

/* What one call of a provider writes. */
typedef struct call {
    const EVENT_DESCRIPTOR *descriptor;
    const GUID *activity, *related; /* NULL: the thread's; none */
    parts data;
    ULONG64 left_out;    /* sessions, a bit for each */
    ULONG flags;         /* EVENT_WRITE_FLAG_... */
    uint16_t more_flags; /* of the header */
    uint16_t property;   /* EVENT_HEADER_PROPERTY_... */
} call;

static void begin_draft(draft *event, const etwapi_registration *one, const call *written)
{
    memset(&event->record, 0, sizeof event->record);
    event->metadata = NULL;
    event->data = NULL;
    event->keep_time = false;
    event->record.ExtendedData = event->items;
    etwapi_begin_event(&event->record, &one->id);
    etw_event_header *header = &event->record.EventHeader;
    header->Flags |= written->more_flags;
    header->EventProperty = written->property;
    memcpy(&header->EventDescriptor, written->descriptor, sizeof header->EventDescriptor);
    const GUID *activity = written->activity != NULL ? written->activity : etwapi_thread_activity();
    memcpy(&header->ActivityId, activity, sizeof *activity);
}

static ULONG write_wanted(const etwapi_registration *one, draft *event, const call *written)
{
    if (written->related != NULL) {
        etwapi_add_item(&event->record, ETW_EXT_RELATED_ACTIVITYID, written->related,
                        sizeof *written->related);
    }
    parts data = written->data;
    data.is_typed = one->is_typed;
    ULONG code = add_metadata(event, &data, one);
    if (code == ERROR_SUCCESS) {
        code = add_payload(event, &data);
    }
    if (code == ERROR_SUCCESS) {
        take_time(event, &data);
        code = give_to_sessions(one, event, written->left_out, written->flags);
    }
    free(event->metadata);
    if (event->data != event->small) {
        free(event->data);
    }
    return code;
}

static ULONG write_event(REGHANDLE handle, const call *written)
{
    if (written->descriptor == NULL || written->data.count > MAX_EVENT_DATA_DESCRIPTORS ||
        (written->data.count > 0 && written->data.descriptors == NULL)) {
        return ERROR_INVALID_PARAMETER;
    }
    const etwapi_registration *one = etwapi_use_registration(handle);
    if (one == NULL) {
        return ERROR_INVALID_HANDLE;
    }
    ULONG code = ERROR_SUCCESS;
    if (one->enable_count > 0) {
        draft event;
        begin_draft(&event, one, written);
        if (anyone_wants(one, &event.record)) {
            code = write_wanted(one, &event, written);
        }
    }
    etwapi_release_registration();
    return code;
}

ULONG WINAPI EventWriteEx(REGHANDLE handle, PCEVENT_DESCRIPTOR descriptor, ULONG64 filter,
                          ULONG flags, LPCGUID activity, LPCGUID related, ULONG count,
                          PEVENT_DATA_DESCRIPTOR data)
{
    const call written = {descriptor, activity, related, {data, count, false}, filter, flags, 0, 0};
    return write_event(handle, &written);
}

ULONG WINAPI EventWriteTransfer(REGHANDLE handle, PCEVENT_DESCRIPTOR descriptor, LPCGUID activity,
                                LPCGUID related, ULONG count, PEVENT_DATA_DESCRIPTOR data)
{
    return EventWriteEx(handle, descriptor, 0, 0, activity, related, count, data);
}

ULONG WINAPI EventWrite(REGHANDLE handle, PCEVENT_DESCRIPTOR descriptor, ULONG count,
                        PEVENT_DATA_DESCRIPTOR data)
{
    return EventWriteEx(handle, descriptor, 0, 0, NULL, NULL, count, data);
}

ULONG WINAPI EventWriteString(REGHANDLE handle, UCHAR level, ULONGLONG keyword, PCWSTR text)
{
    if (text == NULL) {
        return ERROR_INVALID_PARAMETER;
    }
    const size_t units = wcslen(text) + 1;
    if (units * sizeof *text >= ETWAPI_MAX_EVENT_BYTES) {
        return ERROR_ARITHMETIC_OVERFLOW;
    }
    const EVENT_DESCRIPTOR descriptor = {.Level = level, .Keyword = keyword};
    const EVENT_DATA_DESCRIPTOR data = {.Ptr = (uintptr_t)text,
                                        .Size = (ULONG)(units * sizeof *text)};
    const call written = {&descriptor,          NULL, NULL, {&data, 1, false}, 0, 0,
                          ETW_FLAG_STRING_ONLY, 0};
    return write_event(handle, &written);
}

/* Of ntdll alone, with Etw before their names. */
ULONG WINAPI EventWriteFull(REGHANDLE handle, PCEVENT_DESCRIPTOR descriptor, USHORT property,
                            LPCGUID activity, LPCGUID related, ULONG count,
                            PEVENT_DATA_DESCRIPTOR data)
{
    const call written = {descriptor, activity, related, {data, count, false}, 0, 0, 0, property};
    return write_event(handle, &written);
}

ULONG WINAPI EventWriteNoRegistration(LPCGUID provider, PCEVENT_DESCRIPTOR descriptor, ULONG count,
                                      PEVENT_DATA_DESCRIPTOR data)
{
    REGHANDLE handle;
    ULONG code = EventRegister(provider, NULL, NULL, &handle);
    if (code == ERROR_SUCCESS) {
        code = EventWrite(handle, descriptor, count, data);
        (void)EventUnregister(handle);
    }
    return code;
}

static BOOLEAN is_wanted(REGHANDLE handle, const EVENT_DESCRIPTOR *descriptor)
{
    const etwapi_registration *one = etwapi_use_registration(handle);
    if (one == NULL) {
        return FALSE;
    }
    etw_event_record record = {.EventHeader = {.ProcessId = GetCurrentProcessId()}};
    memcpy(&record.EventHeader.EventDescriptor, descriptor, sizeof *descriptor);
    const bool wanted = anyone_wants(one, &record);
    etwapi_release_registration();
    return wanted;
}

BOOLEAN WINAPI EventEnabled(REGHANDLE handle, PCEVENT_DESCRIPTOR descriptor)
{
    return descriptor != NULL && is_wanted(handle, descriptor);
}

BOOLEAN WINAPI EventProviderEnabled(REGHANDLE handle, UCHAR level, ULONGLONG keyword)
{
    const EVENT_DESCRIPTOR descriptor = {.Level = level, .Keyword = keyword};
    return is_wanted(handle, &descriptor);
}

/* --- settings of a registration -----------------------------------------------------------------
 */

/* The traits behind the name; false where sizes do not add up. */
static bool read_traits(const BYTE *traits, size_t size, GUID *group)
{
    USHORT whole;
    if (size < sizeof whole + 1) {
        return false;
    }
    memcpy(&whole, traits, sizeof whole);
    const BYTE *name_end = whole != size ? NULL : memchr(traits + 2, 0, size - 2);
    if (name_end == NULL) {
        return false;
    }
    const BYTE *end = traits + size;
    USHORT length;
    for (const BYTE *at = name_end + 1; at < end; at += length) {
        if (end - at < 3) {
            return false;
        }
        memcpy(&length, at, sizeof length);
        if (length < 3 || length > end - at) {
            return false;
        }
        if (at[2] == TRAIT_GROUP && length == TRAIT_GROUP_SIZE) {
            memcpy(group, at + 3, sizeof *group);
        }
    }
    return true;
}

static ULONG set_traits(etwapi_registration *one, const void *traits, ULONG size)
{
    GUID group = {0};
    if (one->traits != NULL) {
        return ERROR_GEN_FAILURE; /* once per registration */
    }
    if (size > 0xFFFFu || !read_traits(traits, size, &group)) {
        return ERROR_FILE_CORRUPT;
    }
    one->traits = malloc(size);
    if (one->traits == NULL) {
        return ERROR_NOT_ENOUGH_MEMORY;
    }
    memcpy(one->traits, traits, size);
    one->traits_size = (USHORT)size;
    one->group = group;
    one->is_typed = true;
    return ERROR_SUCCESS;
}

static ULONG set_information(etwapi_registration *one, ULONG information, const void *data,
                             ULONG size)
{
    if (one->classic_callback != NULL) {
        return ERROR_INVALID_PARAMETER;
    }
    switch (information) {
    case INFO_BINARY_TRACK:
        return ERROR_SUCCESS;
    case INFO_SET_TRAITS:
        return data == NULL ? (ULONG)ERROR_INVALID_PARAMETER : set_traits(one, data, size);
    case INFO_DESCRIPTOR_TYPE:
        if (data == NULL || size != 1 || *(const BYTE *)data > 1) {
            return ERROR_INVALID_PARAMETER;
        }
        one->is_typed = *(const BYTE *)data != 0;
        return ERROR_SUCCESS;
    default:
        return ERROR_INVALID_PARAMETER;
    }
}

ULONG WINAPI EventSetInformation(REGHANDLE handle, EVENT_INFO_CLASS information, PVOID data,
                                 ULONG size)
{
    etwapi_registration *one = etwapi_change_registration(handle);
    if (one == NULL) {
        return ERROR_INVALID_PARAMETER;
    }
    const ULONG code = set_information(one, (ULONG)information, data, size);
    etwapi_end_change();
    return code;
}

/* --- activities ---------------------------------------------------------------------------------
 */

/* Unique while the machine runs: the process, the thread, and a count. */
static void create_activity(GUID *activity)
{
    static volatile LONG64 count;
    const LONG64 number = InterlockedIncrement64(&count);
    const ULONG process = GetCurrentProcessId();
    const ULONG thread = GetCurrentThreadId();
    memcpy(activity, &process, sizeof process);
    memcpy((BYTE *)activity + 4, &thread, sizeof thread);
    memcpy((BYTE *)activity + 8, &number, sizeof number);
}

ULONG WINAPI EventActivityIdControl(ULONG control, LPGUID activity)
{
    if (activity == NULL) {
        return ERROR_INVALID_PARAMETER;
    }
    GUID *current = etwapi_thread_activity();
    const GUID before = *current;
    switch (control) {
    case EVENT_ACTIVITY_CTRL_GET_ID:
        *activity = before;
        return ERROR_SUCCESS;
    case EVENT_ACTIVITY_CTRL_SET_ID:
        *current = *activity;
        return ERROR_SUCCESS;
    case EVENT_ACTIVITY_CTRL_CREATE_ID:
        create_activity(activity);
        return ERROR_SUCCESS;
    case EVENT_ACTIVITY_CTRL_GET_SET_ID:
        *current = *activity;
        *activity = before;
        return ERROR_SUCCESS;
    case EVENT_ACTIVITY_CTRL_CREATE_SET_ID:
        create_activity(current);
        *activity = before;
        return ERROR_SUCCESS;
    default:
        return ERROR_INVALID_PARAMETER;
    }
}
