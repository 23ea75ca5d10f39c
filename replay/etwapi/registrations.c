#include "replay/etwapi/registrations.h"

#include <stdlib.h>
#include <string.h>

#define PROPERTY_PROVIDER_GROUP 0x20u
/* How soon a provider hears of what another process enabled. */
#define NOTICE_MS 10u

/* What this process knows of a session: by its place in the table. */
typedef struct known_session {
    TRACEHANDLE session;
    etwapi_ring *ring;
    ULONG clock_type, buffer_bytes;
} known_session;

/* Process-wide, as ETW's registrations are. calls is held while callbacks run, and outside lock. */
typedef struct registry {
    SRWLOCK lock;
    CRITICAL_SECTION calls;
    LONG seen; /* etwapi_changes() at the last refresh */
    bool has_thread;
    ULONG count; /* places ever used */
    etwapi_registration *places[ETWAPI_MAX_REGISTRATIONS];
    ULONG generations[ETWAPI_MAX_REGISTRATIONS];
    known_session sessions[ETWAPI_MAX_SESSIONS];
} registry;

static registry all = {.lock = SRWLOCK_INIT, .seen = -1};

static BOOL CALLBACK set_up(INIT_ONCE *once, void *parameter, void **context)
{
    (void)once;
    (void)parameter;
    (void)context;
    InitializeCriticalSection(&all.calls);
    return TRUE;
}

static void begin_calls(void)
{
    static INIT_ONCE once = INIT_ONCE_STATIC_INIT;
    (void)InitOnceExecuteOnce(&once, set_up, NULL, NULL);
    EnterCriticalSection(&all.calls);
}

static void end_calls(void)
{
    LeaveCriticalSection(&all.calls);
}

/* --- what sessions want -------------------------------------------------------------------------
 */

static bool is_same(const GUID *a, const GUID *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

static bool is_meant(const etwapi_provider *how, const etwapi_registration *one)
{
    for (ULONG i = 0; i < how->pid_count; i++) {
        if (how->pids[i] == GetCurrentProcessId()) {
            break;
        }
        if (i + 1 == how->pid_count) {
            return false; /* the provider of another process */
        }
    }
    const bool by_group = (how->enable_property & PROPERTY_PROVIDER_GROUP) != 0;
    return is_same(&how->id, by_group ? &one->group : &one->id) ||
           is_same(&how->id, &etwapi_every_provider);
}

static void add_enable(etwapi_registration *one, const etwapi_provider *how,
                       const known_session *known)
{
    if (one->enable_count == ETWAPI_MAX_ENABLES || known->ring == NULL) {
        return;
    }
    one->enables[one->enable_count++] = (etwapi_enable){.session = known->session,
                                                        .how = *how,
                                                        .ring = known->ring,
                                                        .clock_type = known->clock_type,
                                                        .buffer_bytes = known->buffer_bytes};
}

/* The session in that place, with its ring; what was known of the place's former session is let go.
 * session NULL: the place is free. */
static const known_session *know(ULONG place, TRACEHANDLE handle, const etwapi_session *session)
{
    known_session *known = &all.sessions[place];
    if (known->session != handle) {
        etwapi_ring_close(known->ring);
        *known = (known_session){.session = handle};
    }
    if (session != NULL) {
        known->ring = known->ring != NULL ? known->ring : etwapi_ring_open(handle);
        known->clock_type = session->properties.Wnode.ClientContext;
        known->buffer_bytes = session->properties.BufferSize * 1024u;
    }
    return known;
}

static void look_at_session(etwapi_session *table, ULONG place)
{
    const etwapi_session *session = &table[place];
    if (!etwapi_is_used(session)) {
        (void)know(place, 0, NULL);
        return;
    }
    const TRACEHANDLE handle = etwapi_handle_of(table, session);
    for (ULONG i = 0; i < all.count; i++) {
        etwapi_registration *one = all.places[i];
        for (ULONG p = 0; one != NULL && p < session->provider_count; p++) {
            if (is_meant(&session->providers[p], one)) {
                add_enable(one, &session->providers[p], know(place, handle, session));
                break;
            }
        }
    }
}

/* The lock is held exclusively. */
static void refresh(void)
{
    etwapi_session *table = etwapi_lock_sessions();
    if (table != NULL) {
        all.seen = etwapi_changes();
        for (ULONG i = 0; i < all.count; i++) {
            if (all.places[i] != NULL) {
                all.places[i]->enable_count = 0;
            }
        }
        for (ULONG place = 0; place < ETWAPI_MAX_SESSIONS; place++) {
            look_at_session(table, place);
        }
    }
    etwapi_unlock_sessions();
}

static void lock_refreshed(void)
{
    AcquireSRWLockShared(&all.lock);
    if (all.seen != etwapi_changes()) {
        ReleaseSRWLockShared(&all.lock);
        AcquireSRWLockExclusive(&all.lock);
        refresh();
        ReleaseSRWLockExclusive(&all.lock);
        AcquireSRWLockShared(&all.lock);
    }
}

/* --- telling providers --------------------------------------------------------------------------
 */

/* One call of a callback, made outside the lock. */
typedef struct notice {
    PENABLECALLBACK callback;
    WMIDPREQUEST classic_callback;
    void *context;
    GUID source;
    ULONG code; /* EVENT_CONTROL_CODE_... */
    UCHAR level;
    ULONGLONG any, all;
    TRACEHANDLE session;
    USHORT filter_size;
    ULONG filter_type;
    BYTE filter[ETWAPI_MAX_FILTER_BYTES];
} notice;

/* The least restrictive of all sessions. 0 means everything to a session, but providers compare:
 * they get what lets everything through. */
static void aggregate(const etwapi_registration *one, notice *call)
{
    call->level = 0;
    call->any = 0;
    call->all = one->enable_count == 0 ? 0 : ~(ULONGLONG)0;
    for (ULONG i = 0; i < one->enable_count; i++) {
        const etwapi_provider *how = &one->enables[i].how;
        const UCHAR level = how->level == 0 ? 0xFF : how->level;
        call->level = level > call->level ? level : call->level;
        call->any |= how->any_keyword == 0 ? ~(ULONGLONG)0 : how->any_keyword;
        call->all &= how->any_keyword == 0 ? 0 : how->all_keyword;
    }
}

static ULONG find_told(const etwapi_registration *one, TRACEHANDLE session)
{
    ULONG i = 0;
    while (i < one->told_count && one->told[i].session != session) {
        i++;
    }
    return i;
}

static bool still_wants(const etwapi_registration *one, TRACEHANDLE session)
{
    for (ULONG i = 0; i < one->enable_count; i++) {
        if (one->enables[i].session == session) {
            return true;
        }
    }
    return false;
}

static void begin_notice(const etwapi_registration *one, notice *call)
{
    *call = (notice){.callback = one->callback,
                     .classic_callback = one->classic_callback,
                     .context = one->context};
    aggregate(one, call);
}

/* A session that does not want the provider any more; false: there is none. */
static bool next_disable(etwapi_registration *one, notice *call)
{
    for (ULONG i = 0; i < one->told_count; i++) {
        if (!still_wants(one, one->told[i].session)) {
            begin_notice(one, call);
            call->session = one->told[i].session;
            call->code = one->enable_count > 0 ? EVENT_CONTROL_CODE_ENABLE_PROVIDER
                                               : EVENT_CONTROL_CODE_DISABLE_PROVIDER;
            one->told[i] = one->told[--one->told_count];
            return true;
        }
    }
    return false;
}

static void set_source(notice *call, const etwapi_enable *enable)
{
    call->session = enable->session;
    call->source = enable->how.source_id;
    call->filter_size = enable->how.filter_size;
    call->filter_type = enable->how.filter_type;
    memcpy(call->filter, enable->how.filter, enable->how.filter_size);
}

/* A session whose wish is new, or that asks for a rundown. */
static bool next_enable(etwapi_registration *one, notice *call)
{
    for (ULONG i = 0; i < one->enable_count; i++) {
        const etwapi_enable *enable = &one->enables[i];
        const ULONG t = find_told(one, enable->session);
        const bool is_new = t == one->told_count || one->told[t].stamp != enable->how.stamp;
        if (!is_new && one->told[t].captures == enable->how.captures) {
            continue;
        }
        begin_notice(one, call);
        set_source(call, enable);
        if (t == one->told_count) {
            one->told[one->told_count++].captures = 0;
        }
        one->told[t].session = enable->session;
        one->told[t].stamp = enable->how.stamp;
        call->code = EVENT_CONTROL_CODE_ENABLE_PROVIDER;
        if (!is_new) {
            call->code = EVENT_CONTROL_CODE_CAPTURE_STATE;
            one->told[t].captures = enable->how.captures;
        }
        return true;
    }
    return false;
}

/* Everything that the callback was not told is told now, by what the caller does itself. */
static void mark_told(etwapi_registration *one)
{
    one->told_count = one->enable_count;
    for (ULONG i = 0; i < one->enable_count; i++) {
        one->told[i].session = one->enables[i].session;
        one->told[i].stamp = one->enables[i].how.stamp;
        one->told[i].captures = one->enables[i].how.captures;
    }
}

/* TRACE_ENABLE_CONTEXT, what a classic provider knows its session by. */
static ULONG64 classic_handle(const notice *call)
{
    return (call->session & 0xFFFFu) | (ULONG64)call->level << 16 | (ULONG64)(ULONG)call->any << 32;
}

static ULONG make_classic_call(const notice *call)
{
    if (call->code == EVENT_CONTROL_CODE_CAPTURE_STATE) {
        return ERROR_SUCCESS;
    }
    WNODE_HEADER node = {.BufferSize = sizeof node,
                         .HistoricalContext = classic_handle(call),
                         .Flags = WNODE_FLAG_TRACED_GUID};
    ULONG reserved = 0;
    const WMIDPREQUESTCODE code =
        call->code == EVENT_CONTROL_CODE_ENABLE_PROVIDER ? WMI_ENABLE_EVENTS : WMI_DISABLE_EVENTS;
    return call->classic_callback(code, call->context, &reserved, &node);
}

static ULONG make_call(notice *call)
{
    if (call->classic_callback != NULL) {
        return make_classic_call(call);
    }
    if (call->callback != NULL) {
        EVENT_FILTER_DESCRIPTOR filter = {
            .Ptr = (uintptr_t)call->filter, .Size = call->filter_size, .Type = call->filter_type};
        call->callback(&call->source, call->code, call->level, call->any, call->all,
                       call->filter_size == 0 ? NULL : &filter, call->context);
    }
    return ERROR_SUCCESS;
}

static bool next_notice(notice *call)
{
    bool found = false;
    lock_refreshed();
    ReleaseSRWLockShared(&all.lock);
    AcquireSRWLockExclusive(&all.lock);
    for (ULONG i = 0; i < all.count && !found; i++) {
        etwapi_registration *one = all.places[i];
        found = one != NULL && (next_disable(one, call) || next_enable(one, call));
    }
    ReleaseSRWLockExclusive(&all.lock);
    return found;
}

static DWORD WINAPI tell_providers(void *unused)
{
    (void)unused;
    static notice call; /* of this one thread */
    LONG told = -1;
    for (;;) {
        const LONG changes = etwapi_changes();
        if (changes != told) {
            begin_calls();
            while (next_notice(&call)) {
                (void)make_call(&call);
            }
            end_calls();
            told = changes;
        }
        Sleep(NOTICE_MS);
    }
    return 0;
}

/* The lock is held exclusively. The DLL stays from now on: the thread runs in it. */
static void start_thread(void)
{
    HMODULE self;
    if (all.has_thread ||
        !GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_PIN,
                            (const wchar_t *)(const void *)&all, &self)) {
        return;
    }
    const HANDLE thread = CreateThread(NULL, 0, tell_providers, NULL, 0, NULL);
    if (thread != NULL) {
        all.has_thread = true;
        (void)CloseHandle(thread);
    }
}

/* --- registrations ------------------------------------------------------------------------------
 */

static ULONG64 handle_at(ULONG place)
{
    return (ULONG64)all.generations[place] << 16 | (place + 1);
}

/* A lock is held. */
static etwapi_registration *at_handle(ULONG64 handle)
{
    const ULONG place = (ULONG)(handle & 0xFFFFu) - 1;
    return place < all.count && handle_at(place) == handle ? all.places[place] : NULL;
}

static bool add(etwapi_registration *one, ULONG64 *handle)
{
    ULONG place = 0;
    while (place < all.count && all.places[place] != NULL) {
        place++;
    }
    if (place == ETWAPI_MAX_REGISTRATIONS) {
        return false;
    }
    all.count = place == all.count ? place + 1 : all.count;
    all.places[place] = one;
    all.generations[place]++;
    *handle = handle_at(place);
    return true;
}

static void free_registration(etwapi_registration *one)
{
    free(one->traits);
    free(one->classes);
    free(one);
}

ULONG etwapi_register(etwapi_registration *one, ULONG64 *handle)
{
    notice call = {.code = EVENT_CONTROL_CODE_DISABLE_PROVIDER};
    begin_calls();
    AcquireSRWLockExclusive(&all.lock);
    if (!add(one, handle)) {
        ReleaseSRWLockExclusive(&all.lock);
        end_calls();
        free_registration(one);
        return ERROR_NO_SYSTEM_RESOURCES;
    }
    refresh();
    start_thread();
    const bool is_enabled = one->enable_count > 0;
    if (is_enabled) {
        begin_notice(one, &call);
        call.session = one->enables[0].session;
        call.code = EVENT_CONTROL_CODE_ENABLE_PROVIDER;
        mark_told(one);
    }
    ReleaseSRWLockExclusive(&all.lock);
    const ULONG code = is_enabled ? make_call(&call) : (ULONG)ERROR_SUCCESS;
    end_calls();
    return code;
}

ULONG etwapi_unregister(ULONG64 handle)
{
    begin_calls();
    AcquireSRWLockExclusive(&all.lock);
    etwapi_registration *one = at_handle(handle);
    if (one != NULL) {
        all.places[(handle & 0xFFFFu) - 1] = NULL;
    }
    ReleaseSRWLockExclusive(&all.lock);
    end_calls();
    if (one == NULL) {
        return ERROR_INVALID_HANDLE;
    }
    free_registration(one);
    return ERROR_SUCCESS;
}

const etwapi_registration *etwapi_use_registration(ULONG64 handle)
{
    lock_refreshed();
    const etwapi_registration *one = at_handle(handle);
    if (one == NULL) {
        ReleaseSRWLockShared(&all.lock);
    }
    return one;
}

void etwapi_release_registration(void)
{
    ReleaseSRWLockShared(&all.lock);
}

etwapi_registration *etwapi_change_registration(ULONG64 handle)
{
    AcquireSRWLockExclusive(&all.lock);
    etwapi_registration *one = at_handle(handle);
    if (one == NULL) {
        ReleaseSRWLockExclusive(&all.lock);
    }
    return one;
}

void etwapi_end_change(void)
{
    refresh(); /* a group may have come */
    ReleaseSRWLockExclusive(&all.lock);
}

/* The lock is held exclusively: a session of which nobody knew here. */
static void look_for_session(ULONG place)
{
    etwapi_session *table = etwapi_lock_sessions();
    if (table != NULL && etwapi_is_used(&table[place])) {
        (void)know(place, etwapi_handle_of(table, &table[place]), &table[place]);
    }
    etwapi_unlock_sessions();
}

const etwapi_enable *etwapi_use_session(ULONG logger_id, etwapi_enable *found)
{
    const ULONG place = logger_id - 1;
    if (place >= ETWAPI_MAX_SESSIONS) {
        return NULL;
    }
    const known_session *known = &all.sessions[place];
    lock_refreshed();
    if (known->ring == NULL) {
        ReleaseSRWLockShared(&all.lock);
        AcquireSRWLockExclusive(&all.lock);
        look_for_session(place);
        ReleaseSRWLockExclusive(&all.lock);
        AcquireSRWLockShared(&all.lock);
    }
    if (known->ring == NULL) {
        ReleaseSRWLockShared(&all.lock);
        return NULL;
    }
    *found = (etwapi_enable){.session = known->session,
                             .ring = known->ring,
                             .clock_type = known->clock_type,
                             .buffer_bytes = known->buffer_bytes};
    return found;
}

void etwapi_visit_registrations(void (*visit)(void *context, const etwapi_registration *one),
                                void *context)
{
    lock_refreshed();
    for (ULONG i = 0; i < all.count; i++) {
        if (all.places[i] != NULL) {
            visit(context, all.places[i]);
        }
    }
    ReleaseSRWLockShared(&all.lock);
}
