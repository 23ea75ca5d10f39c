#include "recorder/capture/segment_name.h"

#include "format/base/text.h"
#include "recorder/capture/capture.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define UNIX_EPOCH_100NS 116444736000000000LL

char *etw_capture_segment_path(const char *path, uint32_t number)
{
    const char *base = path;
    for (const char *c = path; *c != '\0'; c++) {
        if (*c == '/' || *c == '\\') {
            base = c + 1;
        }
    }
    const char *dot = strrchr(base, '.');
    const size_t stem = dot == NULL ? strlen(path) : (size_t)(dot - path);
    const size_t size = strlen(path) + 16;
    char *numbered = malloc(size);
    if (numbered != NULL) {
        (void)snprintf(numbered, size, "%.*s-%04u%s", (int)stem, path, (unsigned)number,
                       path + stem);
    }
    return numbered;
}

static bool append_code(etw_text *name, char code, const struct tm *time)
{
    char host[ETW_OS_HOST_NAME_SIZE];
    switch (code) {
    case '%':
        etw_text_append_char(name, '%');
        return true;
    case 'h':
        etw_os_host_name(host);
        etw_text_append_z(name, host);
        return true;
    case 'Y':
        etw_text_printf(name, "%04d", time->tm_year + 1900);
        return true;
    case 'm':
        etw_text_printf(name, "%02d", time->tm_mon + 1);
        return true;
    case 'd':
        etw_text_printf(name, "%02d", time->tm_mday);
        return true;
    case 'H':
        etw_text_printf(name, "%02d", time->tm_hour);
        return true;
    case 'M':
        etw_text_printf(name, "%02d", time->tm_min);
        return true;
    case 'S':
        etw_text_printf(name, "%02d", time->tm_sec);
        return true;
    default:
        return false;
    }
}

static struct tm utc_of(int64_t time_100ns)
{
    const time_t seconds = (time_t)((time_100ns - UNIX_EPOCH_100NS) / 10000000);
    struct tm time = {0};
#ifdef _WIN32
    (void)gmtime_s(&time, &seconds);
#else
    (void)gmtime_r(&seconds, &time);
#endif
    return time;
}

static etw_status expand(const char *pattern, int64_t time_100ns, etw_text *name, etw_error *error)
{
    const struct tm time = utc_of(time_100ns);
    for (const char *c = pattern; *c != '\0'; c++) {
        if (*c != '%') {
            etw_text_append_char(name, *c);
        } else if (!append_code(name, *++c, &time)) {
            return etw_error_set(error, ETW_ERROR_INVALID_ARGUMENT,
                                 "'%s': names may have %%h (the host), %%Y %%m %%d %%H %%M %%S "
                                 "(the start, in UTC) and %%%% (a percent sign)",
                                 pattern);
        }
    }
    return ETW_OK;
}

etw_status etw_segment_name_make(const etw_os *os, const char *pattern, bool expands,
                                 uint32_t number, char **name, etw_error *error)
{
    etw_text text = {0};
    etw_status status = ETW_OK;
    if (expands) {
        status = expand(pattern, os->filetime_now(os->context), &text, error);
    } else {
        etw_text_append_z(&text, pattern);
    }
    *name = NULL;
    if (status == ETW_OK && !text.failed) {
        *name = number == 0 ? strdup(etw_text_z(&text))
                            : etw_capture_segment_path(etw_text_z(&text), number);
    }
    etw_text_free(&text);
    return status == ETW_OK && *name == NULL
               ? etw_error_set(error, ETW_ERROR_NO_MEMORY, "out of memory for a file's name")
               : status;
}
