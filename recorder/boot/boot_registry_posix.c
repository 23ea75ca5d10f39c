/* Windows alone starts sessions at boot. */
#include "recorder/boot/boot_registry.h"

static etw_status unsupported(etw_error *error)
{
    return etw_error_set(error, ETW_ERROR_UNSUPPORTED,
                         "boot traces are set up in the registry of Windows, on the machine that "
                         "is to be traced");
}

void etw_boot_append_windows_folder(etw_text *text)
{
    etw_text_append_z(text, "%SystemRoot%");
}

etw_status etw_boot_install(const etw_boot_request *request, etw_error *error)
{
    (void)request;
    return unsupported(error);
}

etw_status etw_boot_find(const char *name, etw_boot_session_visit visit, void *context,
                         etw_error *error)
{
    (void)name;
    (void)visit;
    (void)context;
    return unsupported(error);
}

etw_status etw_boot_stop(const etw_boot_session *session, etw_error *error)
{
    (void)session;
    return unsupported(error);
}

etw_status etw_boot_remove(const char *name, etw_error *error)
{
    (void)name;
    return unsupported(error);
}
