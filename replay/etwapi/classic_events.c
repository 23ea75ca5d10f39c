#include "replay/etwapi/classic_events.h"

#include "format/event/event.h"

#include <stdbool.h>
#include <string.h>

#define MAX_CLASS_CALLBACKS 64u

/* What TraceEventInstance adds. */
static void take_instance(const etw_event_record *record, EVENT_TRACE *event)
{
    const etw_extended_data_item *item = etw_record_find_item(record, ETW_EXT_INSTANCE_INFO);
    EVENT_EXTENDED_ITEM_INSTANCE info;
    if (item != NULL && item->DataSize >= sizeof info) {
        memcpy(&info, (const void *)(uintptr_t)item->DataPtr, sizeof info);
        event->InstanceId = info.InstanceId;
        event->ParentInstanceId = info.ParentInstanceId;
        event->ParentGuid = info.ParentGuid;
    }
}

void etwapi_give_classic(PEVENT_CALLBACK callback, const etw_event_record *record)
{
    const etw_event_header *header = &record->EventHeader;
    EVENT_TRACE event = {.MofData = record->UserData, .MofLength = record->UserDataLength};
    event.Header.Size = header->Size;
    event.Header.Class.Type = header->EventDescriptor.Opcode;
    event.Header.Class.Level = header->EventDescriptor.Level;
    event.Header.Class.Version = header->EventDescriptor.Version;
    event.Header.ThreadId = header->ThreadId;
    event.Header.ProcessId = header->ProcessId;
    event.Header.TimeStamp.QuadPart = header->TimeStamp;
    memcpy(&event.Header.Guid, &header->ProviderId, sizeof event.Header.Guid);
    event.Header.ProcessorTime = header->ProcessorTime;
    memcpy(&event.BufferContext, &record->BufferContext, sizeof event.BufferContext);
    take_instance(record, &event);
    callback(&event);
}

/* --- SetTraceCallback ---------------------------------------------------------------------------
 */

/* Process-wide, as ETW's are: classes whose callback is NULL are free places. */
typedef struct class_callback {
    GUID class_id;
    PEVENT_CALLBACK callback;
} class_callback;

static struct {
    SRWLOCK lock;
    ULONG count; /* places that were ever used; 0: nothing to look for */
    class_callback classes[MAX_CLASS_CALLBACKS];
} all = {.lock = SRWLOCK_INIT};

/* The lock is held. NULL: none. */
static class_callback *find_class(const void *class_id)
{
    for (ULONG i = 0; i < all.count; i++) {
        if (all.classes[i].callback != NULL &&
            memcmp(&all.classes[i].class_id, class_id, sizeof(GUID)) == 0) {
            return &all.classes[i];
        }
    }
    return NULL;
}

/* The lock is held. NULL: all are taken. */
static class_callback *free_class(void)
{
    ULONG i = 0;
    while (i < all.count && all.classes[i].callback != NULL) {
        i++;
    }
    if (i == MAX_CLASS_CALLBACKS) {
        return NULL;
    }
    all.count = i == all.count ? i + 1 : all.count;
    return &all.classes[i];
}

ULONG WINAPI SetTraceCallback(LPCGUID class_id, PEVENT_CALLBACK callback)
{
    if (class_id == NULL || callback == NULL) {
        return ERROR_INVALID_PARAMETER;
    }
    AcquireSRWLockExclusive(&all.lock);
    class_callback *place = find_class(class_id);
    place = place == NULL ? free_class() : place;
    if (place != NULL) {
        *place = (class_callback){*class_id, callback};
    }
    ReleaseSRWLockExclusive(&all.lock);
    return place == NULL ? (ULONG)ERROR_OUTOFMEMORY : (ULONG)ERROR_SUCCESS;
}

ULONG WINAPI RemoveTraceCallback(LPCGUID class_id)
{
    if (class_id == NULL) {
        return ERROR_INVALID_PARAMETER;
    }
    AcquireSRWLockExclusive(&all.lock);
    class_callback *place = find_class(class_id);
    if (place != NULL) {
        place->callback = NULL;
    }
    ReleaseSRWLockExclusive(&all.lock);
    return place == NULL ? (ULONG)ERROR_WMI_GUID_NOT_FOUND : (ULONG)ERROR_SUCCESS;
}

/* The callback runs without the lock: it may set others. */
void etwapi_give_to_class(const etw_event_record *record)
{
    if (all.count == 0 || (record->EventHeader.Flags & ETW_FLAG_CLASSIC_HEADER) == 0) {
        return;
    }
    AcquireSRWLockShared(&all.lock);
    const class_callback *found = find_class(&record->EventHeader.ProviderId);
    const PEVENT_CALLBACK callback = found == NULL ? NULL : found->callback;
    ReleaseSRWLockShared(&all.lock);
    if (callback != NULL) {
        etwapi_give_classic(callback, record);
    }
}
