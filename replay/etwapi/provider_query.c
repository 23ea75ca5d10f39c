/* EnumerateTraceGuidsEx and EnumerateTraceGuids (evntrace.h): which providers are there, and which
 * sessions want them. */
#include "replay/etwapi/known_schemas.h"
#include "replay/etwapi/registrations.h"
#include "replay/etwapi/session_trace.h"

#include <stdlib.h>
#include <string.h>

/* TRACE_PROVIDER_FLAG_LEGACY and _PRE_ENABLE: wanted, but not registered. */
#define INSTANCE_CLASSIC     1u
#define INSTANCE_PRE_ENABLED 2u

/* --- one provider -------------------------------------------------------------------------------
 */

/* The answer as it grows; beyond size it is only counted. */
typedef struct answer {
    const GUID *provider;
    BYTE *out;
    ULONG size, used;
    ULONG instances, last; /* last: where the last one begins */
} answer;

static void put(answer *to, const void *bytes, ULONG size)
{
    if (to->out != NULL && to->used + size <= to->size) {
        memcpy(to->out + to->used, bytes, size);
    }
    to->used += size;
}

static void put_enable(answer *to, const etwapi_provider *how, TRACEHANDLE session)
{
    const TRACE_ENABLE_INFO info = {.IsEnabled = 1,
                                    .Level = how->level,
                                    .LoggerId = (USHORT)(session & 0xFFFFu),
                                    .EnableProperty = how->enable_property,
                                    .MatchAnyKeyword = how->any_keyword,
                                    .MatchAllKeyword = how->all_keyword};
    put(to, &info, sizeof info);
}

static void put_instance(void *context, const etwapi_registration *one)
{
    answer *to = context;
    if (memcmp(&one->id, to->provider, sizeof one->id) != 0) {
        return;
    }
    const ULONG begin = to->used;
    if (to->instances > 0 && to->used <= to->size) {
        const ULONG next = begin - to->last;
        memcpy(to->out + to->last, &next, sizeof next); /* NextOffset */
    }
    const TRACE_PROVIDER_INSTANCE_INFO info = {
        .EnableCount = one->enable_count,
        .Pid = GetCurrentProcessId(),
        .Flags = one->classic_callback != NULL ? INSTANCE_CLASSIC : 0};
    put(to, &info, sizeof info);
    for (ULONG i = 0; i < one->enable_count; i++) {
        put_enable(to, &one->enables[i].how, one->enables[i].session);
    }
    to->last = begin;
    to->instances++;
}

/* Sessions that want a provider, at most one way each; into NULL: only counted. */
typedef struct wish {
    etwapi_provider how;
    TRACEHANDLE session;
} wish;

static ULONG find_wishes(const GUID *provider, wish *wishes, ULONG room)
{
    ULONG count = 0;
    etwapi_session *table = etwapi_lock_sessions();
    for (ULONG i = 0; table != NULL && i < ETWAPI_MAX_SESSIONS; i++) {
        const etwapi_session *session = &table[i];
        for (ULONG p = 0; etwapi_is_used(session) && p < session->provider_count; p++) {
            if (count < room &&
                memcmp(&session->providers[p].id, provider, sizeof *provider) == 0) {
                wishes[count++] = (wish){session->providers[p], etwapi_handle_of(table, session)};
            }
        }
    }
    etwapi_unlock_sessions();
    return count;
}

/* A provider that sessions want before anybody registered it. */
static void put_wishes(answer *to)
{
    wish wishes[ETWAPI_MAX_ENABLES];
    const ULONG count = find_wishes(to->provider, wishes, ETWAPI_MAX_ENABLES);
    const TRACE_PROVIDER_INSTANCE_INFO info = {.EnableCount = count, .Flags = INSTANCE_PRE_ENABLED};
    if (count == 0) {
        return;
    }
    put(to, &info, sizeof info);
    for (ULONG i = 0; i < count; i++) {
        put_enable(to, &wishes[i].how, wishes[i].session);
    }
    to->instances = 1;
}

static ULONG query_provider(const GUID *provider, void *out, ULONG size, ULONG *returned)
{
    answer to = {.provider = provider,
                 .out = out,
                 .size = out == NULL ? 0 : size,
                 .used = sizeof(TRACE_GUID_INFO)};
    etwapi_visit_registrations(put_instance, &to);
    if (to.instances == 0) {
        put_wishes(&to);
    }
    *returned = to.used;
    if (to.used > to.size) {
        return ERROR_INSUFFICIENT_BUFFER;
    }
    const TRACE_GUID_INFO head = {.InstanceCount = to.instances};
    memcpy(out, &head, sizeof head);
    return ERROR_SUCCESS;
}

/* --- all providers ------------------------------------------------------------------------------
 */

/* Each once. */
typedef struct guid_list {
    GUID *guids; /* owned */
    ULONG count, room;
    bool is_short; /* of memory */
} guid_list;

static bool reserve_guid(guid_list *list)
{
    if (list->count == list->room) {
        const ULONG room = list->room == 0 ? 256 : 2 * list->room;
        GUID *grown = realloc(list->guids, room * sizeof *grown);
        list->is_short |= grown == NULL;
        if (grown == NULL) {
            return false;
        }
        list->guids = grown;
        list->room = room;
    }
    return true;
}

static void add_guid(guid_list *list, const void *guid)
{
    for (ULONG i = 0; i < list->count; i++) {
        if (memcmp(&list->guids[i], guid, sizeof(GUID)) == 0) {
            return;
        }
    }
    if (reserve_guid(list)) {
        memcpy(&list->guids[list->count++], guid, sizeof(GUID));
    }
}

static void add_known(void *context, const etw_guid *provider, const char *utf8_name)
{
    (void)utf8_name;
    add_guid(context, provider);
}

static void add_registered(void *context, const etwapi_registration *one)
{
    add_guid(context, &one->id);
}

/* Those of the trace and of every Windows, and those of this process. */
static ULONG list_providers(guid_list *list, bool only_own)
{
    etwapi_visit_registrations(add_registered, list);
    if (!only_own) {
        etwapi_know_trace();
        etwapi_visit_providers(add_known, list);
    }
    return list->is_short ? (ULONG)ERROR_OUTOFMEMORY : (ULONG)ERROR_SUCCESS;
}

static ULONG give(const void *from, ULONG size, void *out, ULONG room, ULONG *returned)
{
    *returned = size;
    if (size > room || (out == NULL && size > 0)) {
        return ERROR_INSUFFICIENT_BUFFER;
    }
    memcpy(out, from, size);
    return ERROR_SUCCESS;
}

static ULONG query_list(bool only_own, void *out, ULONG room, ULONG *returned)
{
    guid_list list = {NULL, 0, 0, false};
    ULONG code = list_providers(&list, only_own);
    if (code == ERROR_SUCCESS) {
        code = give(list.guids, list.count * (ULONG)sizeof(GUID), out, room, returned);
    }
    free(list.guids);
    return code;
}

ULONG WINAPI EnumerateTraceGuidsEx(TRACE_QUERY_INFO_CLASS information, void *in, ULONG in_size,
                                   void *out, ULONG out_size, ULONG *returned)
{
    const ULONG max_loggers = ETWAPI_MAX_SESSIONS;
    ULONG ignored;
    ULONG *size = returned == NULL ? &ignored : returned;
    switch ((int)information) {
    case TraceGuidQueryList:
        return query_list(false, out, out_size, size);
    case TraceGuidQueryProcess:
        return query_list(true, out, out_size, size);
    case TraceMaxLoggersQuery:
        return give(&max_loggers, sizeof max_loggers, out, out_size, size);
    case TraceGuidQueryInfo:
        return in == NULL || in_size != sizeof(GUID) ? (ULONG)ERROR_INVALID_PARAMETER
                                                     : query_provider(in, out, out_size, size);
    default:
        return ERROR_INVALID_PARAMETER;
    }
}

static TRACE_GUID_PROPERTIES properties_of(const GUID *provider)
{
    TRACE_GUID_PROPERTIES properties = {.Guid = *provider};
    wish first;
    if (find_wishes(provider, &first, 1) == 1) {
        properties.LoggerId = (ULONG)(first.session & 0xFFFFu);
        properties.EnableLevel = first.how.level;
        properties.EnableFlags = (ULONG)first.how.any_keyword;
        properties.IsEnable = TRUE;
    }
    return properties;
}

/* room 0 asks for the count, as in the example of the function's page. */
ULONG WINAPI EnumerateTraceGuids(TRACE_GUID_PROPERTIES **array, ULONG room, ULONG *count)
{
    if (array == NULL || count == NULL) {
        return ERROR_INVALID_PARAMETER;
    }
    guid_list list = {NULL, 0, 0, false};
    ULONG code = list_providers(&list, false);
    for (ULONG i = 0; code == ERROR_SUCCESS && i < list.count && i < room; i++) {
        *array[i] = properties_of(&list.guids[i]);
    }
    *count = list.count;
    if (code == ERROR_SUCCESS && list.count > room) {
        code = ERROR_MORE_DATA;
    }
    free(list.guids);
    return code;
}
