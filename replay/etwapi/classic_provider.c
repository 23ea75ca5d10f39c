/* Classic and WPP providers: RegisterTraceGuids, TraceEvent, TraceMessage (evntrace.h). */
#include "replay/etwapi/live_write.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* EVENT_TRACE_HEADER.Flags */
#define USE_TIMESTAMP 0x00000200u
#define TRACED_GUID   0x00020000u
#define USE_GUID_PTR  0x00080000u
#define USE_MOF_PTR   0x00100000u

#define MAX_CLASS_GUIDS  65536u
#define PRIVATE_LOGGER   0x01000000u
#define MAX_MESSAGE_ARGS 128u

/* --- registering --------------------------------------------------------------------------------
 */

static ULONG register_classic(WMIDPREQUEST request, void *context, const GUID *control, ULONG count,
                              TRACE_GUID_REGISTRATION *classes, TRACEHANDLE *handle)
{
    if (request == NULL || control == NULL || handle == NULL || count > MAX_CLASS_GUIDS ||
        (count > 0 && classes == NULL)) {
        return ERROR_INVALID_PARAMETER;
    }
    etwapi_registration *one = calloc(1, sizeof *one);
    if (one == NULL) {
        return ERROR_NOT_ENOUGH_MEMORY;
    }
    one->id = *control;
    one->classic_callback = request;
    one->context = context;
    one->classes = count == 0 ? NULL : calloc(count, sizeof *one->classes);
    one->class_count = count;
    if (one->classes == NULL && count > 0) {
        free(one);
        return ERROR_NOT_ENOUGH_MEMORY;
    }
    ULONG64 made = 0;
    for (ULONG i = 0; i < count; i++) {
        one->classes[i].id = classes[i].Guid == NULL ? *control : *classes[i].Guid;
        classes[i].RegHandle = &one->classes[i];
    }
    const ULONG code = etwapi_register(one, &made);
    *handle = made;
    return code;
}

ULONG WINAPI RegisterTraceGuidsW(WMIDPREQUEST request, PVOID context, LPCGUID control, ULONG count,
                                 PTRACE_GUID_REGISTRATION classes, LPCWSTR image, LPCWSTR resource,
                                 PTRACEHANDLE handle)
{
    (void)image;
    (void)resource;
    return register_classic(request, context, control, count, classes, handle);
}

ULONG WINAPI RegisterTraceGuidsA(WMIDPREQUEST request, PVOID context, LPCGUID control, ULONG count,
                                 PTRACE_GUID_REGISTRATION classes, LPCSTR image, LPCSTR resource,
                                 PTRACEHANDLE handle)
{
    (void)image;
    (void)resource;
    return register_classic(request, context, control, count, classes, handle);
}

ULONG WINAPI UnregisterTraceGuids(TRACEHANDLE handle)
{
    return etwapi_unregister((ULONG64)handle);
}

TRACEHANDLE WINAPI GetTraceLoggerHandle(PVOID buffer)
{
    const WNODE_HEADER *node = buffer;
    if (node == NULL || node->BufferSize < sizeof *node) {
        SetLastError(node == NULL ? ERROR_INVALID_PARAMETER : ERROR_BAD_LENGTH);
        return INVALID_PROCESSTRACE_HANDLE;
    }
    return (TRACEHANDLE)node->HistoricalContext;
}

/* TRACE_ENABLE_CONTEXT */
static ULONG logger_of(TRACEHANDLE handle)
{
    return (ULONG)((ULONG64)handle & 0xFFFFu);
}

UCHAR WINAPI GetTraceEnableLevel(TRACEHANDLE handle)
{
    SetLastError(handle == 0 ? ERROR_INVALID_HANDLE : ERROR_SUCCESS);
    return (UCHAR)((ULONG64)handle >> 16);
}

ULONG WINAPI GetTraceEnableFlags(TRACEHANDLE handle)
{
    SetLastError(handle == 0 ? ERROR_INVALID_HANDLE : ERROR_SUCCESS);
    return (ULONG)((ULONG64)handle >> 32);
}

/* --- writing ------------------------------------------------------------------------------------
 */

static ULONG result(ULONG code)
{
    SetLastError(code);
    return code;
}

/* The session's own level and keywords do not filter: who has the handle writes. */
static ULONG write_by_handle(TRACEHANDLE handle, const etw_event_record *event, bool keep_time)
{
    etwapi_enable room;
    const etwapi_enable *session = etwapi_use_session(logger_of(handle), &room);
    if (session == NULL) {
        return result(ERROR_INVALID_HANDLE);
    }
    const ULONG code = etwapi_write_to(session, event, keep_time);
    etwapi_release_registration();
    return result(code == ERROR_ARITHMETIC_OVERFLOW ? (ULONG)ERROR_MORE_DATA : code);
}

/* What follows the header of a classic event. */
typedef struct payload {
    const BYTE *begin;
    size_t length;
    bool is_fields; /* MOF_FIELDs that point to the bytes, not the bytes */
} payload;

/* The event's bytes; into NULL: only counted. */
static ULONG join_fields(const payload *from, BYTE *into, size_t *size)
{
    *size = from->length;
    if (!from->is_fields) {
        if (into != NULL) {
            memcpy(into, from->begin, from->length);
        }
        return ERROR_SUCCESS;
    }
    const MOF_FIELD *fields = (const MOF_FIELD *)(const void *)from->begin;
    const size_t count = from->length / sizeof *fields;
    if (count > MAX_MOF_FIELDS) {
        return ERROR_INVALID_PARAMETER;
    }
    *size = 0;
    for (size_t i = 0; i < count; i++) {
        if (into != NULL) {
            memcpy(into + *size, (const void *)(uintptr_t)fields[i].DataPtr, fields[i].Length);
        }
        *size += fields[i].Length;
        if (*size >= ETWAPI_MAX_EVENT_BYTES) {
            return ERROR_MORE_DATA;
        }
    }
    return ERROR_SUCCESS;
}

static void fill_classic(const EVENT_TRACE_HEADER *header, etw_event_record *event)
{
    const GUID *class_id = (header->Flags & USE_GUID_PTR) != 0
                               ? (const GUID *)(uintptr_t)header->GuidPtr
                               : &header->Guid;
    etwapi_begin_event(event, class_id);
    event->EventHeader.Flags |= ETW_FLAG_CLASSIC_HEADER;
    event->EventHeader.TimeStamp = header->TimeStamp.QuadPart;
    event->EventHeader.EventDescriptor =
        (etw_event_descriptor){.Version = (uint8_t)header->Class.Version,
                               .Level = header->Class.Level,
                               .Opcode = header->Class.Type};
}

static ULONG write_classic(TRACEHANDLE handle, etw_event_record *event, const payload *from,
                           bool keep_time)
{
    size_t size;
    const ULONG counted = join_fields(from, NULL, &size);
    if (counted != ERROR_SUCCESS) {
        return result(counted);
    }
    BYTE *data = malloc(size + 1);
    if (data == NULL) {
        return result(ERROR_NOT_ENOUGH_MEMORY);
    }
    (void)join_fields(from, data, &size);
    event->UserData = data;
    event->UserDataLength = (uint16_t)size;
    const ULONG code = write_by_handle(handle, event, keep_time);
    free(data);
    return code;
}

ULONG WINAPI TraceEvent(TRACEHANDLE handle, PEVENT_TRACE_HEADER header)
{
    if (header == NULL || header->Size < sizeof *header || (header->Flags & TRACED_GUID) == 0 ||
        ((header->Flags & USE_GUID_PTR) != 0 && header->GuidPtr == 0)) {
        return result(ERROR_INVALID_PARAMETER);
    }
    etw_event_record event = {.UserData = NULL};
    fill_classic(header, &event);
    const payload from = {(const BYTE *)(header + 1), header->Size - sizeof *header,
                          (header->Flags & USE_MOF_PTR) != 0};
    return write_classic(handle, &event, &from, (header->Flags & USE_TIMESTAMP) != 0);
}

/* --- instances ----------------------------------------------------------------------------------
 */

/* The class that a handle of CreateTraceInstanceId and TraceEventInstance is. */
typedef struct class_search {
    const void *handle;
    bool makes_id;
    bool found;
    GUID id;
    ULONG instance;
} class_search;

static void match_class(void *context, const etwapi_registration *one)
{
    class_search *search = context;
    const uintptr_t offset = (uintptr_t)search->handle - (uintptr_t)one->classes;
    if (one->classes == NULL || offset % sizeof *one->classes != 0 ||
        offset / sizeof *one->classes >= one->class_count) {
        return;
    }
    etwapi_class *class = &one->classes[offset / sizeof *one->classes];
    search->found = true;
    search->id = class->id;
    while (search->makes_id && search->instance == 0) { /* ids begin at 1 again */
        search->instance = (ULONG)InterlockedIncrement(&class->instances);
    }
}

ULONG WINAPI CreateTraceInstanceId(HANDLE class_handle, EVENT_INSTANCE_INFO *info)
{
    class_search search = {.handle = class_handle, .makes_id = true};
    if (class_handle != NULL && info != NULL) {
        etwapi_visit_registrations(match_class, &search);
    }
    if (!search.found) {
        return ERROR_INVALID_PARAMETER;
    }
    info->RegHandle = class_handle;
    info->InstanceId = search.instance;
    return ERROR_SUCCESS;
}

static bool find_classes(const EVENT_INSTANCE_INFO *info, const EVENT_INSTANCE_INFO *parent,
                         GUID *class_id, EVENT_EXTENDED_ITEM_INSTANCE *item)
{
    class_search own = {.handle = info->RegHandle}, above = {.handle = NULL};
    etwapi_visit_registrations(match_class, &own);
    *class_id = own.id;
    *item = (EVENT_EXTENDED_ITEM_INSTANCE){.InstanceId = info->InstanceId};
    if (parent != NULL) {
        above.handle = parent->RegHandle;
        etwapi_visit_registrations(match_class, &above);
        item->ParentInstanceId = parent->InstanceId;
        item->ParentGuid = above.id;
    }
    return own.found && (parent == NULL || above.found);
}

ULONG WINAPI TraceEventInstance(TRACEHANDLE handle, PEVENT_INSTANCE_HEADER header,
                                PEVENT_INSTANCE_INFO info, PEVENT_INSTANCE_INFO parent)
{
    GUID class_id;
    EVENT_EXTENDED_ITEM_INSTANCE item;
    if (handle == 0 || header == NULL || header->Size < sizeof *header || info == NULL ||
        info->RegHandle == NULL || info->InstanceId == 0) {
        return result(ERROR_INVALID_PARAMETER);
    }
    if ((header->Flags & TRACED_GUID) == 0) {
        return result(ERROR_INVALID_FLAGS);
    }
    if (!find_classes(info, parent, &class_id, &item)) {
        return result(ERROR_INVALID_PARAMETER);
    }
    const EVENT_TRACE_HEADER plain = {
        .Class = {header->Class.Type, header->Class.Level, header->Class.Version},
        .Guid = class_id};
    etw_extended_data_item items[ETWAPI_MAX_LIVE_ITEMS];
    etw_event_record event = {.ExtendedData = items};
    fill_classic(&plain, &event);
    etwapi_add_item(&event, ETW_EXT_INSTANCE_INFO, &item, sizeof item);
    const payload from = {(const BYTE *)(header + 1), header->Size - sizeof *header,
                          (header->Flags & USE_MOF_PTR) != 0};
    return write_classic(handle, &event, &from, false);
}

/* --- messages -----------------------------------------------------------------------------------
 */

/* Pairs of pointer and size up to a NULL; into NULL: only counted. */
static bool join_arguments(va_list arguments, BYTE *into, size_t *size)
{
    *size = 0;
    for (ULONG i = 0; i < MAX_MESSAGE_ARGS; i++) {
        const void *data = va_arg(arguments, const void *);
        if (data == NULL) {
            return true;
        }
        const size_t length = va_arg(arguments, size_t);
        if (length >= ETWAPI_MAX_EVENT_BYTES - *size) {
            return false;
        }
        if (into != NULL) {
            memcpy(into + *size, data, length);
        }
        *size += length;
    }
    return false;
}

static void fill_message(etw_event_record *event, ULONG flags, const GUID *message, USHORT number)
{
    etwapi_begin_event(event, message);
    etw_event_header *header = &event->EventHeader;
    header->Flags |= ETW_FLAG_TRACE_MESSAGE;
    header->EventDescriptor.Id = number;
    if ((flags & TRACE_MESSAGE_SYSTEMINFO) == 0) {
        header->ThreadId = 0;
        header->ProcessId = 0;
    }
    if ((flags & TRACE_MESSAGE_GUID) == 0) {
        memset(&header->ProviderId, 0, sizeof header->ProviderId);
    }
    if ((flags & TRACE_MESSAGE_COMPONENTID) != 0) {
        memset(&header->ProviderId, 0, sizeof header->ProviderId);
        memcpy(&header->ProviderId, message, sizeof(ULONG));
    }
}

ULONG WINAPI TraceMessageVa(TRACEHANDLE handle, ULONG flags, LPCGUID message, USHORT number,
                            va_list arguments)
{
    const GUID none = {0};
    va_list again;
    size_t size;
    va_copy(again, arguments);
    BYTE *data = NULL;
    ULONG code = ERROR_MORE_DATA;
    if (join_arguments(arguments, NULL, &size)) {
        data = malloc(size + 1);
        code = ERROR_NOT_ENOUGH_MEMORY;
    }
    if (data != NULL) {
        (void)join_arguments(again, data, &size);
        etw_event_record event = {.UserData = data, .UserDataLength = (uint16_t)size};
        fill_message(&event, flags, message == NULL ? &none : message, number);
        code = write_by_handle(handle, &event, false);
    }
    va_end(again);
    free(data);
    return result(code);
}

ULONG TraceMessage(TRACEHANDLE handle, ULONG flags, LPCGUID message, USHORT number, ...)
{
    va_list arguments;
    va_start(arguments, number);
    const ULONG code = TraceMessageVa(handle, flags, message, number, arguments);
    va_end(arguments);
    return code;
}
