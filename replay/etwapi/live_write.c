#include "replay/etwapi/live_write.h"

#include <stdlib.h>
#include <string.h>

#define PROPERTY_SID       0x001u
#define PROPERTY_TS_ID     0x002u
#define PROPERTY_STACK     0x004u
#define PROPERTY_EVENT_KEY 0x100u

#define MAX_STACK_FRAMES 192u
#define MAX_SID_BYTES    (8u + 15u * 4u)

/* What sessions add to an event. */
typedef struct additions {
    etw_extended_data_item items[ETWAPI_MAX_LIVE_ITEMS];
    struct {
        ULONG64 match;
        ULONG64 frames[MAX_STACK_FRAMES];
    } stack;
    ULONG session_id;
    ULONG64 key;
} additions;

/* --- the thread's activity ----------------------------------------------------------------------
 */

static VOID WINAPI free_activity(PVOID activity)
{
    free(activity);
}

static BOOL CALLBACK make_slot(INIT_ONCE *once, void *parameter, void **context)
{
    (void)once;
    (void)context;
    *(DWORD *)parameter = FlsAlloc(free_activity);
    return TRUE;
}

GUID *etwapi_thread_activity(void)
{
    static INIT_ONCE once = INIT_ONCE_STATIC_INIT;
    static DWORD slot;
    static GUID none; /* without memory, threads share one */
    (void)InitOnceExecuteOnce(&once, make_slot, &slot, NULL);
    GUID *activity = FlsGetValue(slot);
    if (activity == NULL) {
        activity = calloc(1, sizeof *activity);
        if (activity == NULL || !FlsSetValue(slot, activity)) {
            free(activity);
            return &none;
        }
    }
    return activity;
}

/* --- header and items ---------------------------------------------------------------------------
 */

void etwapi_begin_event(etw_event_record *event, const GUID *provider)
{
    etw_event_header *header = &event->EventHeader;
    /* The flags of Windows 8 and later: the writer's width, and that the processor has 16 bits. */
    header->Flags = ETW_FLAG_PROCESSOR_INDEX |
                    (sizeof(void *) == 8 ? ETW_FLAG_64_BIT_HEADER : ETW_FLAG_32_BIT_HEADER);
    header->ThreadId = GetCurrentThreadId();
    header->ProcessId = GetCurrentProcessId();
    memcpy(&header->ProviderId, provider, sizeof *provider);
    event->BufferContext.ProcessorIndex = (uint16_t)GetCurrentProcessorNumber();
}

void etwapi_add_item(etw_event_record *event, uint16_t type, const void *data, size_t size)
{
    if (event->ExtendedDataCount == ETWAPI_MAX_LIVE_ITEMS) {
        return;
    }
    event->ExtendedData[event->ExtendedDataCount++] = (etw_extended_data_item){
        .ExtType = type, .DataSize = (uint16_t)size, .DataPtr = (uintptr_t)data};
}

/* The user that this process runs as, read once. */
typedef struct user {
    union {
        TOKEN_USER token;
        BYTE bytes[sizeof(TOKEN_USER) + MAX_SID_BYTES];
    };
    DWORD sid_size; /* 0: not known */
} user;

static BOOL CALLBACK read_user(INIT_ONCE *once, void *parameter, void **context)
{
    (void)once;
    (void)context;
    user *self = parameter;
    HANDLE token;
    DWORD size;
    if (OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token)) {
        if (GetTokenInformation(token, TokenUser, self->bytes, sizeof self->bytes, &size)) {
            self->sid_size = GetLengthSid(self->token.User.Sid);
        }
        (void)CloseHandle(token);
    }
    return TRUE;
}

static void add_sid(etw_event_record *event)
{
    static INIT_ONCE once = INIT_ONCE_STATIC_INIT;
    static user self;
    (void)InitOnceExecuteOnce(&once, read_user, &self, NULL);
    if (self.sid_size > 0) {
        etwapi_add_item(event, ETW_EXT_SID, self.token.User.Sid, self.sid_size);
    }
}

static void add_stack(etw_event_record *event, additions *more)
{
    void *frames[MAX_STACK_FRAMES];
    /* Not the frames of this file and of the API. */
    const USHORT count = RtlCaptureStackBackTrace(3, MAX_STACK_FRAMES, frames, NULL);
    more->stack.match = 0;
    for (USHORT i = 0; i < count; i++) {
        more->stack.frames[i] = (uintptr_t)frames[i];
    }
    etwapi_add_item(event, ETW_EXT_STACK_TRACE64, &more->stack,
                    sizeof more->stack.match + count * sizeof more->stack.frames[0]);
}

static ULONG64 next_key(void)
{
    static volatile LONG64 last;
    return (ULONG64)GetCurrentProcessId() << 32 | (ULONG)InterlockedIncrement64(&last);
}

/* In the order of Windows' records: related activity, then these, then traits and schema. */
static void add_wanted(etw_event_record *event, additions *more, ULONG properties)
{
    if ((properties & PROPERTY_SID) != 0) {
        add_sid(event);
    }
    if ((properties & PROPERTY_TS_ID) != 0 &&
        ProcessIdToSessionId(GetCurrentProcessId(), &more->session_id)) {
        etwapi_add_item(event, ETW_EXT_TS_ID, &more->session_id, sizeof more->session_id);
    }
    if ((properties & PROPERTY_EVENT_KEY) != 0) {
        more->key = next_key();
        etwapi_add_item(event, ETW_EXT_EVENT_KEY, &more->key, sizeof more->key);
    }
    if ((properties & PROPERTY_STACK) != 0) {
        add_stack(event, more);
    }
}

static void add_items(etw_event_record *event, additions *more, const etw_event_record *from,
                      ULONG properties)
{
    bool added = false;
    event->ExtendedDataCount = 0;
    event->ExtendedData = more->items;
    for (uint16_t i = 0; i <= from->ExtendedDataCount; i++) {
        const bool is_last = i == from->ExtendedDataCount;
        if (!added && (is_last || from->ExtendedData[i].ExtType != ETW_EXT_RELATED_ACTIVITYID)) {
            add_wanted(event, more, properties);
            added = true;
        }
        if (!is_last && event->ExtendedDataCount < ETWAPI_MAX_LIVE_ITEMS) {
            event->ExtendedData[event->ExtendedDataCount++] = from->ExtendedData[i];
        }
    }
    if (event->ExtendedDataCount > 0) {
        event->EventHeader.Flags |= ETW_FLAG_EXTENDED_INFO;
    }
}

/* As in a session's buffer: items have headers of 8 bytes there. */
static size_t size_in_buffer(const etw_event_record *event)
{
    size_t size = sizeof event->EventHeader + event->UserDataLength;
    for (uint16_t i = 0; i < event->ExtendedDataCount; i++) {
        size += 8u + ((event->ExtendedData[i].DataSize + 7u) & ~(size_t)7);
    }
    return size;
}

ULONG etwapi_write_to(const etwapi_enable *enable, const etw_event_record *event, bool keep_time)
{
    additions more;
    etw_event_record copy = *event;
    copy.BufferContext.LoggerId = (uint16_t)(enable->session & 0xFFFFu);
    add_items(&copy, &more, event, enable->how.enable_property);
    const size_t size = size_in_buffer(&copy);
    if (size >= ETWAPI_MAX_EVENT_BYTES) {
        return ERROR_ARITHMETIC_OVERFLOW;
    }
    if (size > enable->buffer_bytes) {
        return ERROR_MORE_DATA;
    }
    copy.EventHeader.Size = (uint16_t)size;
    if (!etwapi_ring_write(enable->ring, &copy, enable->clock_type, keep_time)) {
        etwapi_count_lost(enable->session);
        return ERROR_NOT_ENOUGH_MEMORY;
    }
    return ERROR_SUCCESS;
}
