#include "replay/etwapi/live_ring.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Wnode.ClientContext */
#define CLOCK_SYSTEM_TIME 2u
#define CLOCK_CPU_CYCLE   3u

/* A waiting writer looks after so many turns whether the owner of the lock still lives. */
#define TURNS_UNTIL_YIELD 64u
#define TURNS_UNTIL_CHECK 2000u

/* In stored.size: the rest of the ring up to its end is not used. */
#define SKIP 0x80000000u

typedef struct ring_head {
    volatile LONG owner; /* id of the thread that writes, 0: none */
    volatile LONG is_set_up;
    int64_t qpc, cycles, time_100ns; /* one moment by each clock */
    int64_t qpc_frequency_hz;
    volatile LONG64 written, read; /* bytes since the session started */
} ring_head;

/* One event; its items and its data follow, each rounded up to 8 bytes. */
typedef struct stored {
    ULONG size; /* with all that follows */
    USHORT item_count, data_size;
    etw_buffer_context context;
    ULONG unused;
    etw_event_header header;
} stored;

typedef struct stored_item {
    USHORT type, size;
    ULONG unused;
} stored_item;

/* Programs of both widths share them. */
_Static_assert(sizeof(ring_head) == 56, "one layout");
_Static_assert(sizeof(stored) == 96 && sizeof(stored_item) == 8, "one layout");

struct etwapi_ring {
    HANDLE section;
    ring_head *head;
    BYTE *bytes;
};

/* In one piece, also where pointers have 32 bits. */
static LONG64 load(const volatile LONG64 *position)
{
    return __atomic_load_n(position, __ATOMIC_ACQUIRE);
}

static size_t rounded(size_t size)
{
    return (size + 7) & ~(size_t)7;
}

static int64_t filetime_now(void)
{
    FILETIME now;
    GetSystemTimePreciseAsFileTime(&now);
    return (int64_t)((uint64_t)now.dwHighDateTime << 32 | now.dwLowDateTime);
}

static int64_t qpc_now(void)
{
    LARGE_INTEGER now;
    (void)QueryPerformanceCounter(&now);
    return now.QuadPart;
}

/* --- lock ---------------------------------------------------------------------------------------
 */

static bool lives(DWORD thread_id)
{
    const HANDLE thread = OpenThread(SYNCHRONIZE, FALSE, thread_id);
    const bool alive = thread != NULL && WaitForSingleObject(thread, 0) == WAIT_TIMEOUT;
    if (thread != NULL) {
        (void)CloseHandle(thread);
    }
    return alive;
}

static void lock(ring_head *head)
{
    const LONG self = (LONG)GetCurrentThreadId();
    for (ULONG turn = 1;; turn++) {
        const LONG owner = InterlockedCompareExchange(&head->owner, self, 0);
        if (owner == 0) {
            return;
        }
        if (turn % TURNS_UNTIL_CHECK == 0 && !lives((DWORD)owner) &&
            InterlockedCompareExchange(&head->owner, self, owner) == owner) {
            return;
        }
        if (turn % TURNS_UNTIL_YIELD == 0) {
            Sleep(turn > TURNS_UNTIL_CHECK ? 1 : 0);
        } else {
            YieldProcessor();
        }
    }
}

static void unlock(ring_head *head)
{
    (void)InterlockedExchange(&head->owner, 0);
}

/* --- opening ------------------------------------------------------------------------------------
 */

static void set_up(ring_head *head)
{
    lock(head);
    if (!head->is_set_up) {
        LARGE_INTEGER frequency;
        (void)QueryPerformanceFrequency(&frequency);
        head->qpc_frequency_hz = frequency.QuadPart;
        head->qpc = qpc_now();
        head->cycles = (int64_t)__builtin_ia32_rdtsc();
        head->time_100ns = filetime_now();
        (void)InterlockedExchange(&head->is_set_up, 1);
    }
    unlock(head);
}

etwapi_ring *etwapi_ring_open(TRACEHANDLE session)
{
    wchar_t name[64];
    (void)swprintf(name, 64, L"Local\\etwcap-etwapi-ring-1-%llx", (unsigned long long)session);
    const DWORD size = (DWORD)(sizeof(ring_head) + ETWAPI_RING_BYTES);
    etwapi_ring *ring = calloc(1, sizeof *ring);
    if (ring == NULL) {
        return NULL;
    }
    ring->section = CreateFileMappingW(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, size, name);
    ring->head = ring->section == NULL
                     ? NULL
                     : MapViewOfFile(ring->section, FILE_MAP_ALL_ACCESS, 0, 0, size);
    if (ring->head == NULL) {
        etwapi_ring_close(ring);
        return NULL;
    }
    ring->bytes = (BYTE *)(ring->head + 1);
    set_up(ring->head);
    return ring;
}

void etwapi_ring_close(etwapi_ring *ring)
{
    if (ring == NULL) {
        return;
    }
    if (ring->head != NULL) {
        (void)UnmapViewOfFile(ring->head);
    }
    if (ring->section != NULL) {
        (void)CloseHandle(ring->section);
    }
    free(ring);
}

/* --- writing ------------------------------------------------------------------------------------
 */

static size_t size_of(const etw_event_record *event)
{
    size_t size = sizeof(stored) + rounded(event->UserDataLength);
    for (uint16_t i = 0; i < event->ExtendedDataCount; i++) {
        size += sizeof(stored_item) + rounded(event->ExtendedData[i].DataSize);
    }
    return size;
}

static BYTE *put(BYTE *at, const void *bytes, size_t size)
{
    if (size > 0) {
        memcpy(at, bytes, size);
    }
    return at + rounded(size);
}

static void store(BYTE *at, const etw_event_record *event, size_t size)
{
    const stored head = {.size = (ULONG)size,
                         .item_count = event->ExtendedDataCount,
                         .data_size = event->UserDataLength,
                         .context = event->BufferContext,
                         .header = event->EventHeader};
    at = put(at, &head, sizeof head);
    for (uint16_t i = 0; i < event->ExtendedDataCount; i++) {
        const etw_extended_data_item *item = &event->ExtendedData[i];
        const stored_item begin = {item->ExtType, item->DataSize, 0};
        at = put(at, &begin, sizeof begin);
        at = put(at, (const void *)(uintptr_t)item->DataPtr, item->DataSize);
    }
    (void)put(at, event->UserData, event->UserDataLength);
}

static int64_t now(ULONG clock_type)
{
    return clock_type == CLOCK_SYSTEM_TIME ? filetime_now()
           : clock_type == CLOCK_CPU_CYCLE ? (int64_t)__builtin_ia32_rdtsc()
                                           : qpc_now();
}

bool etwapi_ring_write(etwapi_ring *ring, etw_event_record *event, ULONG clock_type, bool keep_time)
{
    ring_head *head = ring->head;
    const size_t size = size_of(event);
    lock(head);
    const LONG64 written = load(&head->written);
    const size_t at = (size_t)(written % ETWAPI_RING_BYTES);
    const size_t to_end = (size_t)ETWAPI_RING_BYTES - at;
    const size_t skipped = to_end < size ? to_end : 0;
    const bool fits = (LONG64)(skipped + size) <= ETWAPI_RING_BYTES - (written - load(&head->read));
    if (fits) {
        if (!keep_time) {
            event->EventHeader.TimeStamp = now(clock_type); /* inside: times rise */
        }
        if (skipped > 0) {
            const ULONG skip = SKIP;
            memcpy(ring->bytes + at, &skip, sizeof skip);
        }
        store(ring->bytes + (skipped > 0 ? 0 : at), event, size);
        (void)InterlockedExchange64(&head->written, written + (LONG64)(skipped + size));
    }
    unlock(head);
    return fits;
}

/* --- reading ------------------------------------------------------------------------------------
 */

static void release(ring_head *head, LONG64 size)
{
    (void)InterlockedExchange64(&head->read, load(&head->read) + size);
}

/* The event at the reader's position, or NULL. What lies in shared memory is checked. */
static const stored *current(etwapi_ring *ring)
{
    ring_head *head = ring->head;
    for (;;) {
        const LONG64 read = load(&head->read);
        const LONG64 there = load(&head->written) - read;
        const size_t at = (size_t)(read % ETWAPI_RING_BYTES);
        const LONG64 to_end = ETWAPI_RING_BYTES - (LONG64)at;
        if (there <= 0) {
            return NULL;
        }
        const stored *event = (const stored *)(const void *)(ring->bytes + at);
        if (event->size != SKIP) {
            return to_end >= (LONG64)sizeof *event && event->size >= sizeof *event &&
                           event->size <= there && event->size <= to_end
                       ? event
                       : NULL;
        }
        release(head, to_end);
    }
}

/* Items that fit the event; false where they do not. */
static bool take_items(const stored *from, etw_event_record *event, etw_extended_data_item *items)
{
    const BYTE *at = (const BYTE *)(from + 1), *end = (const BYTE *)from + from->size;
    for (USHORT i = 0; i < from->item_count; i++) {
        stored_item begin;
        if ((size_t)(end - at) < sizeof begin) {
            return false;
        }
        memcpy(&begin, at, sizeof begin);
        at += sizeof begin;
        if ((size_t)(end - at) < rounded(begin.size)) {
            return false;
        }
        items[i] = (etw_extended_data_item){.ExtType = begin.type,
                                            .Linkage = i + 1u < from->item_count,
                                            .DataSize = begin.size,
                                            .DataPtr = (uintptr_t)at};
        at += rounded(begin.size);
    }
    event->UserData = (void *)(uintptr_t)at;
    return (size_t)(end - at) >= from->data_size;
}

bool etwapi_ring_read(etwapi_ring *ring, etw_event_record *event, etw_extended_data_item *items)
{
    const stored *from = current(ring);
    if (from == NULL || from->item_count > ETWAPI_MAX_LIVE_ITEMS) {
        return false;
    }
    *event = (etw_event_record){.EventHeader = from->header,
                                .BufferContext = from->context,
                                .ExtendedDataCount = from->item_count,
                                .UserDataLength = from->data_size,
                                .ExtendedData = items};
    return take_items(from, event, items);
}

void etwapi_ring_release(etwapi_ring *ring)
{
    const stored *from = current(ring);
    if (from != NULL) {
        release(ring->head, from->size);
    }
}

LONG64 etwapi_ring_written(const etwapi_ring *ring)
{
    return load(&ring->head->written);
}

int64_t etwapi_ring_time_100ns(const etwapi_ring *ring, int64_t ticks, ULONG clock_type)
{
    const ring_head *head = ring->head;
    if (clock_type == CLOCK_SYSTEM_TIME) {
        return ticks;
    }
    const bool is_cycles = clock_type == CLOCK_CPU_CYCLE;
    double per_100ns = (double)head->qpc_frequency_hz / 1e7;
    if (is_cycles) {
        const int64_t passed = qpc_now() - head->qpc;
        const int64_t cycles = (int64_t)__builtin_ia32_rdtsc() - head->cycles;
        per_100ns = passed <= 0 ? 1.0 : per_100ns * (double)cycles / (double)passed;
    }
    return head->time_100ns +
           (int64_t)((double)(ticks - (is_cycles ? head->cycles : head->qpc)) / per_100ns);
}
