/* The providers of this process: what is registered, which sessions want it, and the callbacks that
 * tell it so. */
#ifndef ETW_REPLAY_ETWAPI_REGISTRATIONS_H
#define ETW_REPLAY_ETWAPI_REGISTRATIONS_H

#include "replay/etwapi/live_ring.h"
#include "replay/etwapi/session_table.h"

#include <evntprov.h>

/* As Windows since version 8, classic ones included (ERROR_NO_SYSTEM_RESOURCES then). */
#define ETWAPI_MAX_REGISTRATIONS 2048u
/* Sessions that enable one provider (EnableTraceEx2 documentation). */
#define ETWAPI_MAX_ENABLES 8u

/* One session that wants this provider. */
typedef struct etwapi_enable {
    TRACEHANDLE session;
    etwapi_provider how;
    etwapi_ring *ring;
    ULONG clock_type;
    ULONG buffer_bytes;
} etwapi_enable;

/* A class of events of a classic provider; its address is the provider's handle for it. */
typedef struct etwapi_class {
    GUID id;
    volatile LONG instances; /* how many ids were made */
} etwapi_class;

typedef struct etwapi_registration {
    GUID id, group; /* group: zeros where the traits name none */
    PENABLECALLBACK callback;
    void *context;
    WMIDPREQUEST classic_callback; /* NULL: not a classic provider */
    etwapi_class *classes;         /* owned */
    ULONG class_count;
    bool is_typed; /* descriptors have types (EventSetInformation) */
    BYTE *traits;
    USHORT traits_size;
    ULONG enable_count;
    etwapi_enable enables[ETWAPI_MAX_ENABLES];
    /* What the callback was told last, by session. */
    ULONG told_count;
    struct {
        TRACEHANDLE session;
        ULONG stamp, captures;
    } told[ETWAPI_MAX_ENABLES];
} etwapi_registration;

/* Takes the registration over, also where it fails. Where a session wants it, its callback is
 * called before the return; *handle is set before that. */
ULONG etwapi_register(etwapi_registration *registration, ULONG64 *handle);
/* Waits for a callback that runs in another thread; none runs afterwards. */
ULONG etwapi_unregister(ULONG64 handle);

/* The registration, with what sessions want up to date, locked against changes until
 * etwapi_release_registration; NULL: a bad or stale handle, nothing is locked. */
const etwapi_registration *etwapi_use_registration(ULONG64 handle);
void etwapi_release_registration(void);

/* The same to change it. */
etwapi_registration *etwapi_change_registration(ULONG64 handle);
void etwapi_end_change(void);

/* The session that a classic provider's handle names, locked as above; NULL: there is none. */
const etwapi_enable *etwapi_use_session(ULONG logger_id, etwapi_enable *found);

/* Calls visit for each registration of this process; locked, visit must not call back. */
void etwapi_visit_registrations(void (*visit)(void *context, const etwapi_registration *one),
                                void *context);

#endif
