/* The sessions of the simulated system: one table in memory shared by all processes of the user, so
 * that one process can list, stop and reclaim what another started, and a crashed one leaves its
 * session behind as on Windows. */
#ifndef ETW_REPLAY_ETWAPI_SESSION_TABLE_H
#define ETW_REPLAY_ETWAPI_SESSION_TABLE_H

#include "replay/etwapi/etw_headers.h"

#include <stdbool.h>
#include <stdint.h>

/* As Windows: 64 sessions, names of 1024 units with the NUL. */
#define ETWAPI_MAX_SESSIONS    64u
#define ETWAPI_NAME_UNITS      1024u
#define ETWAPI_MAX_PROVIDERS   256u
#define ETWAPI_MAX_FILTER_IDS  64u
#define ETWAPI_MAX_FILTER_PIDS 8u
/* Of the filter data that a provider's callback gets; longer data is not handed on. */
#define ETWAPI_MAX_FILTER_BYTES 256u
/* Of the filters of all providers of a session that are of no fixed size: names, payloads, stacks
 * (enable_filters.h); ERROR_NO_SYSTEM_RESOURCES above it. */
#define ETWAPI_MAX_KEPT_BYTES 32768u
#define ETWAPI_GROUP_MASKS    8u

typedef struct etwapi_provider {
    GUID id;
    UCHAR level;
    ULONGLONG any_keyword, all_keyword;
    ULONG enable_property;
    bool exclude_ids; /* of the event-id filter */
    USHORT id_count;
    USHORT ids[ETWAPI_MAX_FILTER_IDS];
    ULONG pid_count;
    ULONG pids[ETWAPI_MAX_FILTER_PIDS];
    /* For the provider's callback. */
    ULONG stamp;    /* the session's change that enabled it last */
    ULONG captures; /* how often its state was asked for */
    GUID source_id;
    ULONG filter_type;
    USHORT filter_size;
    BYTE filter[ETWAPI_MAX_FILTER_BYTES];
    ULONG kept_at, kept_size; /* its filters among those that the session keeps */
} etwapi_provider;

typedef struct etwapi_session {
    ULONG generation; /* odd while the slot is in use; part of the handle */
    DWORD process_id;
    wchar_t name[ETWAPI_NAME_UNITS];
    wchar_t file_name[ETWAPI_NAME_UNITS]; /* as the caller named it; nothing is written there */
    EVENT_TRACE_PROPERTIES properties;    /* offsets are not used */
    ULONG change; /* counts changes of the providers, so that a consumer knows when to look again */
    ULONG group_masks[ETWAPI_GROUP_MASKS]; /* of a kernel session; the first is EnableFlags */
    ULONG provider_count;
    etwapi_provider providers[ETWAPI_MAX_PROVIDERS];
    ULONG kept_size;
    BYTE kept[ETWAPI_MAX_KEPT_BYTES];
} etwapi_session;

/* Takes the table for this thread alone; NULL where the system refuses shared memory. Each lock is
 * paired with an unlock, also after NULL. */
etwapi_session *etwapi_lock_sessions(void);
void etwapi_unlock_sessions(void);

/* The table is there while a process has it: this one does from now on. */
void etwapi_hold_sessions(void);

/* Counts the changes of all sessions, for providers to look when something became different.
 * Without a lock. */
LONG etwapi_changes(void);
void etwapi_note_change(void);
/* Without a lock as well: an event of that session was lost. */
void etwapi_count_lost(TRACEHANDLE handle);

/* Enables all providers at once: a recording of whatever a program writes. Ours, not Windows'. */
extern const GUID etwapi_every_provider;

static inline bool etwapi_is_used(const etwapi_session *session)
{
    return (session->generation & 1u) != 0;
}

TRACEHANDLE etwapi_handle_of(const etwapi_session *table, const etwapi_session *session);
/* NULL where there is none (any more). The table is locked by the caller. */
etwapi_session *etwapi_by_handle(etwapi_session *table, TRACEHANDLE handle);
etwapi_session *etwapi_by_name(etwapi_session *table, const wchar_t *name);
/* A free slot, cleared and in use; NULL where all are used. */
etwapi_session *etwapi_take_slot(etwapi_session *table);
void etwapi_release_slot(etwapi_session *session);

#endif
