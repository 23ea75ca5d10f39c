#include "replay/etwapi/session_table.h"

#include <string.h>

#define TABLE_NAME L"Local\\etwcap-etwapi-sessions-4"
#define MUTEX_NAME L"Local\\etwcap-etwapi-mutex-1"

/* Programs of both widths share it; of what Windows keeps in pointers it uses nothing. */
_Static_assert(sizeof(etwapi_session) == 168112, "one layout");

/* Process-wide: the mapping of the shared table. */
typedef struct mapping {
    HANDLE mutex;
    etwapi_session *table;
    volatile LONG *changes; /* behind the table */
} mapping;

const GUID etwapi_every_provider = {
    0xFFFFFFFF, 0xFFFF, 0xFFFF, {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}};

static BOOL CALLBACK map_table(INIT_ONCE *once, void *parameter, void **context)
{
    (void)once;
    (void)context;
    mapping *shared = parameter;
    const DWORD size = ETWAPI_MAX_SESSIONS * sizeof(etwapi_session) + sizeof(LONG);
    shared->mutex = CreateMutexW(NULL, FALSE, MUTEX_NAME);
    const HANDLE section =
        CreateFileMappingW(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, size, TABLE_NAME);
    if (section != NULL) {
        shared->table = MapViewOfFile(section, FILE_MAP_ALL_ACCESS, 0, 0, size);
    }
    static volatile LONG own; /* where there is no shared memory */
    shared->changes = shared->table == NULL
                          ? &own
                          : (volatile LONG *)(void *)(shared->table + ETWAPI_MAX_SESSIONS);
    return TRUE;
}

static const mapping *get_mapping(void)
{
    static INIT_ONCE once = INIT_ONCE_STATIC_INIT;
    static mapping shared;
    (void)InitOnceExecuteOnce(&once, map_table, &shared, NULL);
    return &shared;
}

etwapi_session *etwapi_lock_sessions(void)
{
    const mapping *shared = get_mapping();
    /* An abandoned mutex (its owner was killed) is ours all the same: slots are small and each
     * change is complete or harmless. */
    (void)WaitForSingleObject(shared->mutex, INFINITE);
    return shared->table;
}

void etwapi_hold_sessions(void)
{
    (void)get_mapping();
}

void etwapi_unlock_sessions(void)
{
    (void)ReleaseMutex(get_mapping()->mutex);
}

LONG etwapi_changes(void)
{
    return *get_mapping()->changes;
}

void etwapi_note_change(void)
{
    (void)InterlockedIncrement(get_mapping()->changes);
}

void etwapi_count_lost(TRACEHANDLE handle)
{
    etwapi_session *table = get_mapping()->table;
    etwapi_session *session = table == NULL ? NULL : etwapi_by_handle(table, handle);
    if (session != NULL) {
        (void)InterlockedIncrement((volatile LONG *)&session->properties.EventsLost);
    }
}

TRACEHANDLE etwapi_handle_of(const etwapi_session *table, const etwapi_session *session)
{
    const uint64_t slot = (uint64_t)(session - table) + 1;
    return (TRACEHANDLE)((uint64_t)session->generation << 16 | slot);
}

etwapi_session *etwapi_by_handle(etwapi_session *table, TRACEHANDLE handle)
{
    const uint64_t slot = (uint64_t)handle & 0xFFFFu;
    if (slot == 0 || slot > ETWAPI_MAX_SESSIONS) {
        return NULL;
    }
    etwapi_session *session = &table[slot - 1];
    /* The logger's id alone is a handle, too: TRACE_ENABLE_INFO.LoggerId is used so by the example
     * of EnumerateTraceGuids' page. */
    const ULONG generation = (ULONG)((uint64_t)handle >> 16);
    const bool same = generation == 0 || session->generation == generation;
    return same && etwapi_is_used(session) ? session : NULL;
}

etwapi_session *etwapi_by_name(etwapi_session *table, const wchar_t *name)
{
    for (ULONG i = 0; i < ETWAPI_MAX_SESSIONS; i++) {
        /* ETW compares session names without regard to case. */
        if (etwapi_is_used(&table[i]) && _wcsicmp(table[i].name, name) == 0) {
            return &table[i];
        }
    }
    return NULL;
}

etwapi_session *etwapi_take_slot(etwapi_session *table)
{
    for (ULONG i = 0; i < ETWAPI_MAX_SESSIONS; i++) {
        if (!etwapi_is_used(&table[i])) {
            const ULONG generation = table[i].generation + 1;
            memset(&table[i], 0, sizeof table[i]);
            table[i].generation = generation;
            table[i].process_id = GetCurrentProcessId();
            return &table[i];
        }
    }
    return NULL;
}

void etwapi_release_slot(etwapi_session *session)
{
    session->generation++;
    etwapi_note_change();
}
