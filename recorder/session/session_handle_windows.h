/* A session as Windows has it: started, opened for reading, its providers enabled, stopped. */
#ifndef ETW_RECORDER_SESSION_HANDLE_WINDOWS_H
#define ETW_RECORDER_SESSION_HANDLE_WINDOWS_H

#include "recorder/session/session.h"

#include <windows.h>

#include <evntrace.h>

#include <evntcons.h>

typedef struct etw_session_handle {
    etw_session_options options; /* the providers are in providers, the name in utf8_name */
    wchar_t *name;
    char *utf8_name;
    PEVENT_RECORD_CALLBACK on_event;
    void *context; /* the UserContext of its records */
    TRACEHANDLE controller, consumer;
    TRACE_LOGFILE_HEADER header; /* what OpenTrace said of the host */
    etw_guid enabled[ETW_SESSION_MAX_PROVIDERS];
    uint32_t enabled_count;
    etw_provider_options *providers; /* owned copies, for a restart */
    uint32_t provider_count;
    SRWLOCK lock;    /* guards what follows, controller and enabled: stops come from several
                        threads */
    bool running;    /* the session exists */
    bool stop_asked; /* by us: it is not started again, or nobody would stop it */
    etw_session_losses losses;  /* as Windows last told them, of the session that runs now */
    etw_session_losses earlier; /* of those before it that were stopped from outside */
} etw_session_handle;

/* Starts nothing yet. To be freed whatever the result. */
etw_status etw_session_handle_init(etw_session_handle *handle, const etw_session_options *options,
                                   PEVENT_RECORD_CALLBACK on_event, void *context,
                                   etw_error *error);
/* Of a stopped one. */
void etw_session_handle_free(etw_session_handle *handle);

/* Starts the session, opens it for reading, enables its providers. What was started before a
 * failure runs until it is stopped. */
etw_status etw_session_handle_start(etw_session_handle *handle, etw_error *error);
/* Somebody else stopped the session: starts it again where the options say so and nobody asked for
 * its stop meanwhile, with losses counted anew; else ETW_ERROR_STOPPED. */
etw_status etw_session_handle_lost(etw_session_handle *handle, etw_error *error);
/* Disables the providers and stops the session, where it runs. */
void etw_session_handle_stop(etw_session_handle *handle);

/* ETW_ERROR_STOPPED where the session does not run. */
etw_status etw_session_handle_enable(etw_session_handle *handle,
                                     const etw_provider_options *provider, etw_error *error);

/* Since the first start, as last asked for. From any thread. */
void etw_session_handle_get_losses(etw_session_handle *handle, etw_session_losses *losses);

/* Asks Windows for the losses of a running session. */
void etw_session_handle_query_losses(etw_session_handle *handle);

/* Gives events to on_event, in this thread, until the session is stopped. */
etw_status etw_session_handle_process(etw_session_handle *handle, etw_error *error);

#endif
