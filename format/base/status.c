#include "format/base/status.h"

#include "format/base/version.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const status_names[] = {
    [ETW_OK] = "ok",
    [ETW_END] = "end",
    [ETW_AGAIN] = "nothing yet",
    [ETW_ERROR_INVALID_ARGUMENT] = "invalid argument",
    [ETW_ERROR_NO_MEMORY] = "out of memory",
    [ETW_ERROR_LIMIT] = "limit met",
    [ETW_ERROR_IO] = "input/output error",
    [ETW_ERROR_NO_SPACE] = "no space",
    [ETW_ERROR_NOT_FOUND] = "not found",
    [ETW_ERROR_EXISTS] = "exists",
    [ETW_ERROR_ACCESS] = "access denied",
    [ETW_ERROR_NOT_THIS] = "not of this format",
    [ETW_ERROR_DAMAGED] = "damaged",
    [ETW_ERROR_VERSION] = "newer version",
    [ETW_ERROR_UNSUPPORTED] = "unsupported",
    [ETW_ERROR_EXPIRED] = "event expired",
    [ETW_ERROR_STOPPED] = "stopped",
    [ETW_ERROR_INTERNAL] = "internal error",
};

const char *etw_status_name(etw_status status)
{
    const size_t count = sizeof status_names / sizeof status_names[0];
    return (size_t)status < count ? status_names[status] : "unknown status";
}

void etw_trim_partial_utf8(char *text, size_t size)
{
    const size_t end = strlen(text);
    if (end + 1 < size) {
        return;
    }
    size_t start = end;
    while (start > 0 && ((unsigned char)text[start - 1] & 0xC0u) == 0x80u) {
        start--;
    }
    if (start > 0 && (unsigned char)text[start - 1] >= 0xC0u) {
        text[start - 1] = '\0';
    }
}

static void format_message(etw_error *error, const char *format, va_list arguments)
{
    (void)vsnprintf(error->message, sizeof error->message, format, arguments);
    etw_trim_partial_utf8(error->message, sizeof error->message);
}

etw_status etw_error_set(etw_error *error, etw_status status, const char *format, ...)
{
    if (error != NULL) {
        va_list arguments;
        va_start(arguments, format);
        error->status = status;
        error->os_code = 0;
        format_message(error, format, arguments);
        va_end(arguments);
    }
    return status;
}

static etw_status status_of_errno(int os_code)
{
    switch (os_code) {
    case ENOSPC:
    case EFBIG: /* a limit of the user or of the file system */
#ifdef EDQUOT
    case EDQUOT:
#endif
        return ETW_ERROR_NO_SPACE;
    case ENOENT:
        return ETW_ERROR_NOT_FOUND;
    case EACCES:
    case EPERM:
        return ETW_ERROR_ACCESS;
    case EEXIST:
        return ETW_ERROR_EXISTS;
    case ENOMEM:
        return ETW_ERROR_NO_MEMORY;
    default:
        return ETW_ERROR_IO;
    }
}

etw_status etw_error_set_os(etw_error *error, int os_code, const char *format, ...)
{
    const etw_status status = status_of_errno(os_code);
    if (error != NULL) {
        va_list arguments;
        va_start(arguments, format);
        error->status = status;
        error->os_code = os_code;
        format_message(error, format, arguments);
        va_end(arguments);
        const size_t used = strlen(error->message);
        (void)snprintf(error->message + used, sizeof error->message - used, ": %s",
                       strerror(os_code));
        etw_trim_partial_utf8(error->message, sizeof error->message);
    }
    return status;
}

etw_status etw_error_wrap(etw_error *error, etw_status fallback, const char *format, ...)
{
    if (error == NULL) {
        return fallback;
    }
    char inner[ETW_ERROR_MESSAGE_SIZE];
    memcpy(inner, error->message, sizeof inner);
    va_list arguments;
    va_start(arguments, format);
    format_message(error, format, arguments);
    va_end(arguments);
    const size_t used = strlen(error->message);
    (void)snprintf(error->message + used, sizeof error->message - used, ": %s", inner);
    etw_trim_partial_utf8(error->message, sizeof error->message);
    return error->status;
}

etw_status etw_error_set_missing(etw_error *error, const char *what)
{
    return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT, "%s must not be NULL", what);
}

const char *etw_version(void)
{
    return ETW_VERSION;
}
