/* Live sessions exist on Windows only; here every call says so. */
#include "recorder/session/session.h"

#include "recorder/session/provider_argument.h"

static etw_status unsupported(etw_error *error)
{
    return etw_error_set(error, ETW_ERROR_UNSUPPORTED,
                         "live ETW sessions exist on Windows only; here, record .etl files");
}

etw_status etw_session_open(const etw_session_options *options, etw_session **session,
                            etw_error *error)
{
    if (session != NULL) {
        *session = NULL;
    }
    if (options == NULL || session == NULL) {
        return etw_error_set_missing(error, "options and session");
    }
    return unsupported(error);
}

etw_status etw_session_process(etw_session *session, etw_event_callback callback, void *context,
                               etw_error *error)
{
    (void)session;
    (void)callback;
    (void)context;
    return unsupported(error);
}

etw_status etw_session_pump(etw_session *session, const etw_session_sink *sink, etw_error *error)
{
    (void)session;
    (void)sink;
    return unsupported(error);
}

etw_status etw_session_next(etw_session *session, uint32_t timeout_ms, const etw_event **event,
                            etw_error *error)
{
    (void)session;
    (void)timeout_ms;
    *event = NULL;
    return unsupported(error);
}

etw_status etw_session_update(etw_session *session, const etw_provider_options *provider,
                              etw_error *error)
{
    (void)session;
    (void)provider;
    return unsupported(error);
}

void etw_session_stop(etw_session *session)
{
    (void)session;
}

void etw_session_close(etw_session *session)
{
    (void)session;
}

const etw_trace *etw_session_trace(const etw_session *session)
{
    (void)session;
    return NULL;
}

void etw_session_get_losses(const etw_session *session, etw_session_losses *losses)
{
    (void)session;
    *losses = (etw_session_losses){0};
}

const char *etw_session_name(const etw_session *session)
{
    (void)session;
    return "";
}

const char *etw_session_fixed_name(const etw_session_options *options)
{
    return options->name;
}

etw_status etw_session_kill(const char *name, etw_error *error)
{
    (void)name;
    return unsupported(error);
}

etw_status etw_session_list(etw_session_visit visit, void *context, etw_error *error)
{
    (void)visit;
    (void)context;
    return unsupported(error);
}

etw_status etw_session_reclaim(uint32_t *stopped, etw_error *error)
{
    *stopped = 0;
    return unsupported(error);
}

etw_status etw_provider_list(const char *name_part, etw_provider_visit visit, void *context,
                             etw_error *error)
{
    (void)name_part;
    (void)visit;
    (void)context;
    return unsupported(error);
}

etw_status etw_counter_list(etw_counter_visit visit, void *context, etw_error *error)
{
    (void)visit;
    (void)context;
    return unsupported(error);
}

etw_status etw_provider_find(const char *name_or_guid, etw_guid *id, etw_error *error)
{
    return etw_provider_parse(name_or_guid, id)
               ? ETW_OK
               : etw_error_set(error, ETW_ERROR_UNSUPPORTED,
                               "'%s' is no GUID and no *Name; other names need Windows",
                               name_or_guid);
}
