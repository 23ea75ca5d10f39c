/* EnableTrace, EnableTraceEx, EnableTraceEx2 (evntrace.h): which providers a session wants. */
#include "replay/etwapi/enable_filters.h"
#include "replay/etwapi/session_table.h"
#include "replay/etwapi/settings.h"

#include <string.h>

static etwapi_provider *find_provider(etwapi_session *session, const GUID *id)
{
    for (ULONG i = 0; i < session->provider_count; i++) {
        if (memcmp(&session->providers[i].id, id, sizeof *id) == 0) {
            return &session->providers[i];
        }
    }
    return NULL;
}

static void disable(etwapi_session *session, const GUID *id)
{
    etwapi_provider *provider = find_provider(session, id);
    if (provider != NULL) {
        etwapi_drop_filters(session, provider);
        *provider = session->providers[--session->provider_count];
        session->change++;
        etwapi_note_change();
    }
}

/* What a provider is enabled with. */
typedef struct enabling {
    etwapi_provider provider;
    etwapi_filters filters;
} enabling;

static ULONG enable(etwapi_session *session, const enabling *wanted)
{
    etwapi_provider *provider = find_provider(session, &wanted->provider.id);
    if (provider == NULL) {
        if (session->provider_count == ETWAPI_MAX_PROVIDERS) {
            return ERROR_NO_SYSTEM_RESOURCES;
        }
        provider = &session->providers[session->provider_count++];
        memset(provider, 0, sizeof *provider);
    }
    const ULONG captures = provider->captures;
    etwapi_drop_filters(session, provider);
    *provider = wanted->provider;
    provider->stamp = ++session->change;
    provider->captures = captures;
    const ULONG code = etwapi_keep_filters(session, provider, &wanted->filters);
    if (code != ERROR_SUCCESS) {
        disable(session, &wanted->provider.id);
    }
    etwapi_note_change();
    return code;
}

/* The providers of a saved trace say nothing: it holds what it holds. Those that run are asked. */
static ULONG capture_state(TRACEHANDLE handle, const GUID *id)
{
    etwapi_session *table = etwapi_lock_sessions();
    etwapi_session *session = table == NULL ? NULL : etwapi_by_handle(table, handle);
    etwapi_provider *provider = session == NULL ? NULL : find_provider(session, id);
    if (provider != NULL) {
        provider->captures++;
        etwapi_note_change();
    }
    etwapi_unlock_sessions();
    return session == NULL ? (ULONG)ERROR_INVALID_HANDLE : (ULONG)ERROR_SUCCESS;
}

/* At most so many sessions may enable a provider at a time (EnableTraceEx2's page). */
#define MAX_SESSIONS_PER_PROVIDER 8u

static bool is_in_too_many(etwapi_session *table, const etwapi_session *session, const GUID *id)
{
    ULONG others = 0;
    for (ULONG i = 0; i < ETWAPI_MAX_SESSIONS; i++) {
        others += etwapi_is_used(&table[i]) && &table[i] != session &&
                  find_provider(&table[i], id) != NULL;
    }
    return others >= MAX_SESSIONS_PER_PROVIDER;
}

/* wanted NULL: disable. */
static ULONG change_provider(TRACEHANDLE handle, const GUID *id, const enabling *wanted)
{
    etwapi_session *table = etwapi_lock_sessions();
    etwapi_session *session = table == NULL ? NULL : etwapi_by_handle(table, handle);
    ULONG code = ERROR_INVALID_HANDLE;
    if (session != NULL && wanted == NULL) {
        disable(session, id);
        code = ERROR_SUCCESS;
    } else if (session != NULL && is_in_too_many(table, session, id)) {
        code = ERROR_NO_SYSTEM_RESOURCES;
    } else if (session != NULL) {
        code = enable(session, wanted);
    }
    etwapi_unlock_sessions();
    return code;
}

ULONG WINAPI EnableTraceEx2(TRACEHANDLE handle, LPCGUID provider_id, ULONG control, UCHAR level,
                            ULONGLONG any_keyword, ULONGLONG all_keyword, ULONG timeout,
                            PENABLE_TRACE_PARAMETERS parameters)
{
    if (provider_id == NULL || handle == 0) {
        return ERROR_INVALID_PARAMETER;
    }
    /* Who waits for a provider that does not answer is told so; who does not wait never knows. */
    const bool hangs = timeout != 0 && etwapi_get_settings()->slow_providers;
    const ULONG done = hangs ? (ULONG)ERROR_TIMEOUT : (ULONG)ERROR_SUCCESS;
    if (control == EVENT_CONTROL_CODE_DISABLE_PROVIDER) {
        const ULONG code = change_provider(handle, provider_id, NULL);
        return code == ERROR_SUCCESS ? done : code;
    }
    if (control == EVENT_CONTROL_CODE_CAPTURE_STATE) {
        const ULONG code = capture_state(handle, provider_id);
        return code == ERROR_SUCCESS ? done : code;
    }
    if (control != EVENT_CONTROL_CODE_ENABLE_PROVIDER) {
        return ERROR_INVALID_PARAMETER;
    }
    enabling wanted = {.provider = {.id = *provider_id,
                                    .level = level,
                                    .any_keyword = any_keyword,
                                    .all_keyword = all_keyword}};
    if (parameters != NULL) {
        const bool counted = parameters->Version >= ENABLE_TRACE_PARAMETERS_VERSION_2;
        const ULONG count = counted ? parameters->FilterDescCount : 1;
        wanted.provider.enable_property = parameters->EnableProperty;
        wanted.provider.source_id = parameters->SourceId;
        wanted.filters = (etwapi_filters){parameters->EnableFilterDesc,
                                          parameters->EnableFilterDesc == NULL ? 0 : count};
        const ULONG refused = etwapi_take_filters(&wanted.provider, &wanted.filters);
        if (refused != ERROR_SUCCESS) {
            return refused;
        }
    }
    const ULONG code = change_provider(handle, provider_id, &wanted);
    return code == ERROR_SUCCESS ? done : code;
}

ULONG WINAPI EnableTraceEx(LPCGUID provider_id, LPCGUID source_id, TRACEHANDLE handle,
                           ULONG is_enabled, UCHAR level, ULONGLONG any_keyword,
                           ULONGLONG all_keyword, ULONG enable_property,
                           PEVENT_FILTER_DESCRIPTOR filter)
{
    ENABLE_TRACE_PARAMETERS parameters = {.SourceId = source_id == NULL ? (GUID){0} : *source_id,
                                          .Version = ENABLE_TRACE_PARAMETERS_VERSION,
                                          .EnableProperty = enable_property,
                                          .EnableFilterDesc = filter};
    return EnableTraceEx2(handle, provider_id, is_enabled, level, any_keyword, all_keyword, 0,
                          &parameters);
}

ULONG WINAPI EnableTrace(ULONG is_enabled, ULONG flags, ULONG level, LPCGUID provider_id,
                         TRACEHANDLE handle)
{
    return EnableTraceEx2(handle, provider_id, is_enabled, (UCHAR)level, flags, 0, 0, NULL);
}
