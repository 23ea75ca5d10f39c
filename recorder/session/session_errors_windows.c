#include "recorder/session/session_errors_windows.h"

#include "recorder/session/session.h"
#include "recorder/session/wide_windows.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <windows.h>

static etw_status status_of(unsigned long code)
{
    switch (code) {
    case ERROR_ACCESS_DENIED:
    case ERROR_PRIVILEGE_NOT_HELD:
        return ETW_ERROR_ACCESS;
    case ERROR_ALREADY_EXISTS:
        return ETW_ERROR_EXISTS;
    case ERROR_WMI_INSTANCE_NOT_FOUND:
    case ERROR_FILE_NOT_FOUND:
    case ERROR_NOT_FOUND:
        return ETW_ERROR_NOT_FOUND;
    case ERROR_NO_SYSTEM_RESOURCES:
        return ETW_ERROR_LIMIT;
    case ERROR_NOT_ENOUGH_MEMORY:
    case ERROR_OUTOFMEMORY:
        return ETW_ERROR_NO_MEMORY;
    case ERROR_DISK_FULL:
        return ETW_ERROR_NO_SPACE;
    case ERROR_INVALID_PARAMETER:
    case ERROR_BAD_LENGTH:
        return ETW_ERROR_INVALID_ARGUMENT;
    case ERROR_CALL_NOT_IMPLEMENTED:
    case ERROR_NOT_SUPPORTED:
        return ETW_ERROR_UNSUPPORTED;
    default:
        return ETW_ERROR_IO;
    }
}

static void append_system_text(etw_error *error, unsigned long code)
{
    wchar_t text[256];
    DWORD size = FormatMessageW(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS, NULL,
                                code, 0, text, sizeof text / sizeof text[0], NULL);
    while (size > 0 && (text[size - 1] <= L' ' || text[size - 1] == L'.')) {
        text[--size] = L'\0';
    }
    char *utf8 = size == 0 ? NULL : etw_utf8_from_wide(text);
    const size_t used = strlen(error->message);
    (void)snprintf(error->message + used, sizeof error->message - used, ": error %lu%s%s", code,
                   utf8 == NULL ? "" : ", ", utf8 == NULL ? "" : utf8);
    etw_trim_partial_utf8(error->message, sizeof error->message);
    free(utf8);
}

etw_status etw_error_set_windows(etw_error *error, unsigned long code, const char *format, ...)
{
    const etw_status status = status_of(code);
    if (error != NULL) {
        va_list arguments;
        va_start(arguments, format);
        (void)vsnprintf(error->message, sizeof error->message, format, arguments);
        va_end(arguments);
        error->status = status;
        error->os_code = (int32_t)code;
        append_system_text(error, code);
    }
    return status;
}

etw_status etw_error_set_start(etw_error *error, unsigned long code, const char *session_name,
                               bool is_kernel)
{
    switch (code) {
    case ERROR_ALREADY_EXISTS:
        return etw_error_set(error, ETW_ERROR_EXISTS, "a session named '%s' already exists",
                             session_name);
    case ERROR_ACCESS_DENIED:
        return etw_error_set(error, ETW_ERROR_ACCESS,
                             "starting session '%s' was denied: it needs %s", session_name,
                             is_kernel ? "an elevated administrator (kernel events need the right "
                                         "to profile the system, SeSystemProfilePrivilege)"
                                       : "an elevated administrator or a member of the group "
                                         "Performance Log Users");
    case ERROR_PRIVILEGE_NOT_HELD:
        return etw_error_set(error, ETW_ERROR_ACCESS,
                             "starting session '%s' was denied: it needs the right to profile the "
                             "system (SeSystemProfilePrivilege), which an elevated administrator "
                             "has",
                             session_name);
    case ERROR_NO_SYSTEM_RESOURCES:
        if (is_kernel) {
            return etw_error_set(error, ETW_ERROR_LIMIT,
                                 "session '%s' cannot start: the system's 8 sessions for kernel "
                                 "events, of which Windows keeps two, are in use, or all its %u "
                                 "sessions",
                                 session_name, ETW_SYSTEM_MAX_SESSIONS);
        }
        return etw_error_set(error, ETW_ERROR_LIMIT,
                             "session '%s' cannot start: the system's %u sessions are in use",
                             session_name, ETW_SYSTEM_MAX_SESSIONS);
    default:
        return etw_error_set_windows(error, code, "starting session '%s'", session_name);
    }
}

etw_status etw_error_set_enable(etw_error *error, unsigned long code)
{
    return code == ERROR_NO_SYSTEM_RESOURCES
               ? etw_error_set(error, ETW_ERROR_LIMIT,
                               "it is enabled in as many sessions as Windows allows for one "
                               "provider (8)")
               : etw_error_set_windows(error, code, "enabling a provider");
}
